//! Configurations in several files.

use plantlink_config::{Environment, Source};

use crate::folder::Folder;

const PLANT: &str = "plant = { id = \"p\", gateway = \"g\" }\n";
/// Takes every event, so that nothing is left to warn of.
const CENTER: &str = "destination.mqtt = [{ name = \"c\", url = \"mqtt://c\" }]\nflow = [{ name = \"f\", events = [\"*\"], to = \"c\" }]\n";

fn line(name: &str) -> String {
    format!(
        "[[source.modbus]]\nname = \"{name}\"\naddress = \"tcp://plc-{name}\"\n[[source.modbus.device]]\nname = \"{name}-d\"\nunit = 1\n\
         every = \"1s\"\ntag = [{{ name = \"t\", at = \"40001\", type = \"u16\" }}]\n\
         event = [{{ type = \"measurement.sampled\", sample = \"*\" }}]\n"
    )
}

#[test]
fn lists_of_tables_are_appended_in_the_order_of_the_names() {
    let folder = Folder::with(&[
        ("plantlink.toml", &format!("include = [\"conf.d/*.toml\", \"more.toml\"]\n{PLANT}{CENTER}{}", line("main"))),
        ("conf.d/20-b.toml", &line("b")),
        ("conf.d/10-a.toml", &line("a")),
        ("conf.d/.hidden.toml", "nonsense"),
        ("conf.d/notes.txt", "nonsense"),
        ("more.toml", &line("more")),
    ]);
    let loaded = folder.load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let names = loaded.config.unwrap().sources.into_iter().map(|source| match source {
        Source::Modbus(line) => line.name.to_string(),
        Source::Mqtt(mqtt) => mqtt.name.to_string(),
    });
    assert_eq!(names.collect::<Vec<_>>(), ["main", "a", "b", "more"]);
}

#[test]
fn a_table_that_is_defined_twice_is_an_error_that_names_both_places() {
    let folder = Folder::with(&[
        ("plantlink.toml", "include = [\"b.toml\"]\n[plant]\nid = \"p\"\ngateway = \"g\"\n"),
        ("b.toml", "\n[buffer]\nlinger = \"1ms\"\n[plant]\nid = \"q\"\n"),
    ]);
    assert_eq!(
        folder.problems(Environment::Run),
        ["b.toml:4:1  plant: the table `plant` is defined twice: also at plantlink.toml:2:1"]
    );
}

#[test]
fn a_problem_in_an_included_file_names_it_as_include_does() {
    let folder = Folder::with(&[
        ("plantlink.toml", &format!("include = [\"conf.d/*.toml\"]\n{PLANT}{}", line("main"))),
        ("conf.d/a.toml", &line("main")),
    ]);
    assert_eq!(
        folder.problems(Environment::Run),
        [
            "conf.d/a.toml:2:8  source.modbus[1].name: `main` is there twice: also at plantlink.toml:4:8",
            "conf.d/a.toml:3:11  source.modbus[1].address: `tcp://plc-main:502` is there twice: also at plantlink.toml:5:11",
            "conf.d/a.toml:5:8  source.modbus[1].device[0].name: `main-d` is there twice: also at plantlink.toml:7:8",
        ]
    );
}

#[test]
fn what_include_cannot_mean_is_said_at_its_place() {
    let folder = Folder::with(&[
        (
            "plantlink.toml",
            &format!("include = [\n  \"none/*.toml\",\n  \"gone.toml\",\n  \"*/x.toml\",\n  \"*.toml\",\n]\n{PLANT}"),
        ),
        ("other.toml", "include = [\"plantlink.toml\"]\n"),
    ]);
    assert_eq!(
        folder.problems(Environment::Run),
        [
            "plantlink.toml:2:3  warning: include[0]: `none/*.toml` matches no file",
            "plantlink.toml:3:3  include[1]: `gone.toml` does not exist",
            "plantlink.toml:4:3  include[2]: `*/x.toml` has a `*` in a folder's name (allowed: in the name of the file)",
            "other.toml:1:1  include: a file that is included includes nothing",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::with(&[]);
    let problems = folder.problems(Environment::Run);
    assert!(
        matches!(problems.as_slice(), [one] if one.starts_with("plantlink.toml:1:1  cannot read the file: ")),
        "{problems:?}"
    );
}

#[test]
fn all_that_is_not_toml_is_said_at_once_and_nothing_is_called_missing_for_it() {
    let folder = Folder::with(&[(
        "plantlink.toml",
        "[plant]\nid = mill\ngateway = \"g\"\n[buffer]\nlinger = \n[[source.modbus]]\nnam = \"x\"\nname = \"line\"\nname = \"line\"\n",
    )]);
    assert_eq!(
        folder.problems(Environment::Run),
        [
            "plantlink.toml:2:6  string values must be quoted, expected literal string",
            "plantlink.toml:5:10  string values must be quoted, expected literal string",
            "plantlink.toml:7:1  source.modbus[0]: unknown key `nam` (allowed: name, address, baud, parity, stop_bits, timeout, pause, device)",
            "plantlink.toml:9:1  duplicate key",
        ]
    );
}

#[test]
fn a_broken_header_is_the_only_thing_that_is_said_of_all_files() {
    let folder = Folder::with(&[
        (
            "plantlink.toml",
            &format!("include = [\"a.toml\"]\n{PLANT}flow = [{{ name = \"f\", events = [\"*\"], to = \"c\" }}]\n"),
        ),
        ("a.toml", "[[destination.mqtt]\nname = \"c\"\nurl = \"mqtt://c\"\n"),
    ]);
    assert_eq!(folder.problems(Environment::Run), ["a.toml:1:20  unclosed array table, expected `]`"]);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_no_place() {
    let folder =
        Folder::with(&[("plantlink.toml", "\u{feff}[plant]\r\nid = \"ä b\"\r\ngateway = \"g\"\r\nbogus = 1\r\n")]);
    assert_eq!(
        folder.problems(Environment::Run),
        [
            "plantlink.toml:2:6  plant.id: `ä b` is not a name (allowed: letters a to z and A to Z, digits, `_` and `-`)",
            "plantlink.toml:4:1  plant: unknown key `bogus` (allowed: id, gateway)",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    let folder = Folder::with(&[]);
    std::fs::write(folder.path().join("plantlink.toml"), b"[plant]\nid = \"m\xfcll\"\n").unwrap();
    assert_eq!(folder.problems(Environment::Run), ["plantlink.toml:2:8  this is not UTF-8"]);
}
