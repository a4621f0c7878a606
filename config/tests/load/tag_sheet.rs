//! Tag sheets as spreadsheets write them in several countries, and what is said about those that are wrong.

use plantlink_config::{Address, Environment, Labels, Source, Table, Tag, TagType};

use crate::folder::Folder;

/// A device whose tags are a sheet's.
const PLANT: &str = r#"
plant = { id = "p", gateway = "g" }
flow = [{ name = "all", events = ["*"], to = "center" }]
destination.mqtt = [{ name = "center", url = "mqtt://center" }]
[[source.modbus]]
name = "line"
address = "tcp://plc"
[[source.modbus.device]]
name = "press"
unit = 1
every = "1s"
tag_sheet = "tags.csv"
event = [{ type = "measurement.sampled", sample = "*" }]
"#;

fn with_sheet(sheet: impl AsRef<[u8]>) -> Folder {
    let folder = Folder::with(&[("plantlink.toml", PLANT)]);
    std::fs::write(folder.path().join("tags.csv"), sheet).unwrap();
    folder
}

fn tags(sheet: impl AsRef<[u8]>) -> Vec<Tag> {
    let loaded = with_sheet(sheet).load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    line.devices[0].tags.to_vec()
}

fn problems(sheet: &str) -> Vec<String> {
    with_sheet(sheet).problems(Environment::Run)
}

#[test]
fn a_sheet_is_the_same_in_every_country() {
    for sheet in [
        "name,at,type,scale,unit_of_measure,note\nspeed,40001,u16,0.1,mm/s,\"slow, then fast\"\n".as_bytes(),
        b"name,at,type,scale,unit_of_measure\nspeed,40001,u16,\"0,1\",mm/s\n",
        b"\xEF\xBB\xBFname;at;type;scale;unit_of_measure\r\n\r\nspeed;40001;u16;0,1;mm/s\r\n;;;;\r\n",
        b"name\tat\ttype\tscale\tunit_of_measure\r\nspeed\t40001\tu16\t0,1\tmm/s",
    ] {
        let [tag] = tags(sheet).try_into().unwrap();
        assert_eq!((&*tag.name, tag.scale, tag.unit_of_measure.as_deref()), ("speed", 0.1, Some("mm/s")));
        assert_eq!(tag.at, Address { table: Table::Holding, wire: 0 });
    }
    let [latin] = tags(b"name;at;type;unit_of_measure\n\xD6ldruck;40001;u16;\xB0C\n").try_into().unwrap();
    assert_eq!((&*latin.name, latin.unit_of_measure.as_deref()), ("\u{d6}ldruck", Some("\u{b0}C")));
}

#[test]
fn lists_and_labels_stand_in_one_cell() {
    let sheet = "name;at;type;length;bit;missing;labels;scale_from\n\
        state;40001;enum;;;0xFFFF|65534;0=stopped|3=run;\n\
        mold;40002;string;15;;;;\n\
        ready;40010;;;0;;;\n\
        power;40011;u16;;;;;power_sf\n\
        power_sf;40012;i16;;;0x8000;;\n";
    let tags = tags(sheet);
    assert_eq!(tags[0].kind, TagType::Enum(Labels::from_iter([(0, "stopped"), (3, "run")])));
    assert_eq!(tags[0].missing, [0xFFFF, 0xFFFE]);
    assert_eq!((&tags[1].kind, &tags[2].kind), (&TagType::Text { bytes: 15 }, &TagType::Bit(0)));
    assert_eq!(tags[3].scale_from.as_ref(), Some(&tags[4].name));
}

#[test]
fn every_problem_of_a_sheet_names_its_row_and_its_column() {
    let sheet = "name;at;type;skale;scale;labels\n\
        speed;40010.1;u16;;1.234,5;\n\
        speed;4,00E+05;u23;;;\n\
        state;17;enum;;;stopped\n\
        ;holding:3;u16;;;\n\
        level;;u16;;;;more\n";
    let expected = [
        "tags.csv:1:14  D1: unknown column `skale` (did you mean `scale`?)",
        "tags.csv:2:7  B2 (at): `40010.1` has a `.` or `,`, and an address has none: a bit has the key `bit`, and spreadsheets turn 40010.10 into 40010.1 and 40,010 into a fraction",
        "tags.csv:2:20  E2 (scale): `1.234,5` is not a number (allowed: as in 1234.5 or 1234,5, without marks between thousands)",
        "tags.csv:3:1  A3 (name): `speed` is there twice: also at tags.csv:2:1",
        "tags.csv:3:7  B3 (at): `4,00E+05` is how spreadsheets write a number that is too long for its cell: format the column as text and type the address again",
        "tags.csv:3:16  C3 (type): `u23` is not allowed here (allowed: bool, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, bcd16, bcd32, string, bits, enum) (did you mean `u32`?)",
        "tags.csv:4:7  B4 (at): 17 is no modicon number (allowed: 5 or 6 digits): spreadsheets drop leading zeros and make 17 of the coil 00017; write the wire address as in `holding:12` or `coil:16`, or say how bare numbers are meant with the device's `numbering`",
        "tags.csv:4:17  F4 (labels): `stopped` has a part without `=` (as in 0=stopped|3=run)",
        "tags.csv:5:1  row 5: missing key `name`",
        "tags.csv:6:1  row 6: missing key `at`: as in at = \"holding:12\"",
        "tags.csv:6:15  G6: this cell is in a column without a name (has a cell before it a decimal comma? It needs quotes around it)",
    ];
    assert_eq!(problems(sheet), expected);
}

/// Manuals and other programs have names of their own for types, and some of these say too little.
#[test]
fn a_type_under_another_name_is_told_with_what_to_write() {
    for (said, meant) in [
        ("uint16", "`u16`"),
        ("UINT_16", "`u16`"),
        ("unsigned short", "`u16`"),
        ("WORD", "`u16`"),
        ("sunssf", "`i16`"),
        ("dint", "`i32`"),
        ("DWORD", "`u32`"),
        ("acc64", "`u64`"),
        ("Float32", "`f32`"),
        ("REAL", "`f32`"),
        ("double", "`f64`"),
        ("boolean", "`bool`"),
        ("bitfield16", "`bits`"),
        ("ASCII", "`string`"),
        ("int", "`i16` (one register) or `i32` (two registers)"),
        ("uint", "`u16` (one register) or `u32` (two registers)"),
        ("long", "`i32` (two registers) or `i64` (four registers)"),
        ("float", "`f32` (two registers) or `f64` (four registers)"),
        ("bcd", "`bcd16` (one register) or `bcd32` (two registers)"),
        ("U16", "`u16`"),
    ] {
        let problems = problems(&format!("name;at;type\nspeed;holding:1;{said}\n"));
        let [problem] = problems.as_slice() else { panic!("{said}: {problems:?}") };
        assert!(problem.contains("C2 (type)"), "{problem}");
        assert!(problem.ends_with(&format!("(did you mean {meant}?)")), "{problem}");
    }
}

#[test]
fn a_word_order_and_a_parity_under_another_name_are_told_with_what_to_write() {
    let plant = PLANT
        .replace("\"tcp://plc\"", "\"rtu:///dev/ttyUSB0\"\nparity = \"N\"")
        .replace("unit = 1", "unit = 1\nword_order = \"little-endian\"\nnumbering = \"0-based\"");
    let folder = Folder::with(&[("plantlink.toml", &plant), ("tags.csv", "name;at;type\nspeed;holding:1;u16\n")]);
    let problems = folder.problems(Environment::Run);
    for meant in ["`none`", "`CDAB` (the words reversed) or `DCBA` (all bytes reversed)", "`zero-based`"] {
        let help = format!("(did you mean {meant}?)");
        assert!(problems.iter().any(|problem| problem.ends_with(&help)), "{meant}: {problems:?}");
    }
}

#[test]
fn columns_that_are_spelled_otherwise_are_told_all_at_once() {
    let told = problems("Name;At;Typ;Skala\nspeed;40001;u16;1\n");
    for (problem, expected) in told.iter().zip(["`name`", "`at`", "`type`", "`scale`"]) {
        assert!(problem.ends_with(&format!("(did you mean {expected}?)")), "{problem}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[test]
fn a_number_that_is_none_is_shown_as_the_cell_has_it() {
    let told = problems("name;at;type;bit;missing\nspeed;40001;u16;;0x8000,0xFFFF\nready;40002;bool;first;\n");
    let expected = [
        "tags.csv:2:18  E2 (missing): `0x8000,0xFFFF` is not a whole number (allowed: as in 16 or 0x10); several stand in a \
         cell as in 1|2",
        "tags.csv:3:18  D3 (bit): `first` is not a whole number (allowed: as in 16 or 0x10)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_no_sheet_is_refused_once() {
    for (sheet, expected) in [
        ("", "tags.csv:1:1  the sheet is empty"),
        ("speed;40001\n", "tags.csv:1:1  row 1: the first row names no column `name`"),
        ("name;at\n\"speed;40001\n", "tags.csv:2:1  this quote is never closed"),
        ("PK\u{3}\u{4}", "tags.csv:1:1  this is a workbook, not a CSV file: save it as \"CSV UTF-8\""),
        ("n\0a\0", "tags.csv:1:1  this is no CSV file in UTF-8 or Latin-1: save it as \"CSV UTF-8\""),
        (
            "name;at\n",
            "plantlink.toml:8:1  source.modbus[0].device[0]: a device needs tags (allowed: `tag`, `tag_sheet`, or a `profile` that has some)",
        ),
    ] {
        let problems = problems(sheet);
        assert!(problems.first().is_some_and(|problem| problem.starts_with(expected)), "{problems:?}");
    }
    // What is made of the tags of a sheet that is not there is not wrong for it.
    let named = PLANT.replace("sample = \"*\"", "sample = [\"speed\"]");
    let missing = Folder::with(&[("plantlink.toml", &named)]).problems(Environment::Run);
    assert!(missing.len() == 1 && missing[0].contains("tag_sheet: cannot read"), "{missing:?}");
}

/// To look for the nearest of thousands of names takes a while; for thousands of names it would take minutes.
#[test]
fn the_first_hundred_unknown_names_are_told_what_was_meant_and_the_others_that_they_are_unknown() {
    let rows = (0..150).map(|row| format!("tag{row};{row};u16;tagg{row}\n"));
    let sheet = format!("name;at;type;scale_from\n{}", rows.collect::<String>());
    let plant = PLANT.replace("every = \"1s\"", "every = \"1s\"\nnumbering = \"zero-based\"");
    let told = Folder::with(&[("plantlink.toml", &plant), ("tags.csv", &sheet)]).problems(Environment::Run);
    assert_eq!(told.len(), 150);
    let helped = told.iter().filter(|problem| problem.contains("did you mean `tag"));
    assert_eq!(helped.count(), 100, "{told:#?}");
}
