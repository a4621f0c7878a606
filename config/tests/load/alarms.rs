//! Alarms and states of a device: what the file says of them, alarm sheets, and what is said about those that are wrong.

use plantlink_config::{AlarmSeverity, Derivation, Environment, Mode, Shown, Source, StandardState};

use crate::folder::Folder;

/// A device with a tag of every kind. `EVENT` stands for its event.
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
tag = [
    { name = "state", at = "40001", type = "enum", labels = { 0 = "stopped", 3 = "run", 7 = "fault" } },
    { name = "word", at = "40002", type = "bits", labels = { 3 = "guard_open" } },
    { name = "wide", at = "40004", type = "u32" },
    { name = "twins", at = "40006", type = "bits", labels = { 0 = "same", 1 = "same" } },
    { name = "guard", at = "coil:0" },
    { name = "oil", at = "40010", type = "f32" },
    { name = "order", at = "40012", type = "string", length = 8 },
]
event = [{ EVENT }]
"#;

fn with(event: &str, sheet: &[u8]) -> Folder {
    let folder = Folder::with(&[("plantlink.toml", &PLANT.replace("EVENT", event))]);
    std::fs::write(folder.path().join("alarms.csv"), sheet).unwrap();
    folder
}

fn derivation(event: &str, sheet: &[u8]) -> Derivation {
    let loaded = with(event, sheet).load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    let [derivation] = line.devices[0].events.as_slice() else { panic!("{:?}", line.devices[0].events) };
    derivation.clone()
}

fn codes(derivation: &Derivation) -> Vec<(usize, String, AlarmSeverity, u64)> {
    let Derivation::Alarmed(alarmed) = derivation else { panic!("{derivation:?}") };
    let Shown::Bits(alarms) = &alarmed.shown else { panic!("{alarmed:?}") };
    let shown = alarms.iter().enumerate();
    shown.map(|(bit, it)| (bit, format!("{}: {}", it.code, it.text), it.severity, it.hold_off.as_secs())).collect()
}

#[test]
fn an_alarm_sheet_is_the_same_in_every_country_and_what_it_does_not_name_is_called_after_its_bit() {
    for sheet in [
        "bit,code,severity,text,category,hold_off,note\n0,E17,critical,\u{d6}ldruck,oil,30s,\"a, b\"\n".as_bytes(),
        b"\xEF\xBB\xBFbit;code;severity;text;hold_off\r\n\r\n0;E17;critical;\xC3\x96ldruck;30s\r\n;;;;\r\n",
        b"bit\tcode\tseverity\ttext\thold_off\n0\tE17\tcritical\t\xD6ldruck\t30s\n",
    ] {
        let event = r#"type = "alarm", bits = "word", alarm_sheet = "alarms.csv", hold_off = "5s", alarms = [{ bit = 1, text = "Door" }]"#;
        let codes = codes(&derivation(event, sheet));
        assert_eq!(codes.len(), 16);
        assert_eq!(codes[0], (0, "E17: \u{d6}ldruck".to_owned(), AlarmSeverity::Critical, 30));
        assert_eq!(codes[1], (1, "bit1: Door".to_owned(), AlarmSeverity::Warning, 5));
        assert_eq!(codes[3], (3, "guard_open: guard_open".to_owned(), AlarmSeverity::Warning, 5));
        assert_eq!(codes[7], (7, "bit7: bit7".to_owned(), AlarmSeverity::Warning, 5));
    }
    assert_eq!(codes(&derivation(r#"type = "alarm", bits = "wide""#, b"")).len(), 32);
}

#[test]
fn every_problem_of_an_alarm_sheet_names_its_row_and_its_column() {
    let event = r#"type = "alarm", bits = "word", alarm_sheet = "alarms.csv", alarms = [{ bit = 2 }]"#;
    let sheet = b"bit;code;severty;severity\n2;A;;\n16;B;;\n64;C;;\nx;D;;\n4;E;;worning\n5;;;\n5;;;\n;F;;\n";
    let found = with(event, sheet).problems(Environment::Run);
    let expected = [
        "alarms.csv:1:10  C1: unknown column `severty` (did you mean `severity`?)",
        "alarms.csv:3:1  A3 (bit): 16 is no bit of the word (allowed: 0 to 15)",
        "alarms.csv:4:1  A4 (bit): 64 is out of range (allowed: 0 to 63)",
        "alarms.csv:5:1  A5 (bit): `x` is not a whole number (allowed: as in 16 or 0x10)",
        "alarms.csv:6:6  D6 (severity): `worning` is not allowed here (allowed: info, warning, fault, critical) (did you mean `warning`?)",
        "alarms.csv:8:1  A8 (bit): `bit 5` is there twice: also at alarms.csv:7:1",
        "alarms.csv:9:1  row 9: missing key `bit`",
    ];
    for expected in expected {
        assert!(found.iter().any(|found| found == expected), "{expected}\n{found:#?}");
    }
    assert!(found.iter().any(|found| found.contains("`bit 2` is there twice")), "{found:#?}");
    assert_eq!(found.len(), expected.len() + 1, "{found:#?}");
}

#[test]
fn a_state_has_the_meaning_that_the_lists_give_it() {
    let event = r#"type = "machine.state_changed", state = "state", executing = ["run"], out_of_service = ["fault"],
        not_available = ["9"], setup = ["stopped"], maintenance = ["fault"], debounce = "2s", reason = "{order}""#;
    let Derivation::StateChanged(changed) = derivation(&event.replace('\n', " "), b"") else { panic!("no states") };
    assert_eq!((changed.debounce.as_secs(), changed.reason.is_some()), (2, true));
    for (word, meaning) in [
        ("run", (StandardState::Executing, Mode::Processing)),
        ("stopped", (StandardState::NotExecuting, Mode::Setup)),
        ("fault", (StandardState::OutOfService, Mode::Maintenance)),
        ("9", (StandardState::NotAvailable, Mode::None)),
        ("12", (StandardState::NotExecuting, Mode::None)),
    ] {
        assert_eq!(changed.meaning(word), meaning, "{word}");
    }
}

#[test]
fn what_is_wrong_with_states_and_alarms_is_named_at_its_key() {
    let at = "source.modbus[0].device[0].event[0]";
    let mut wrong = Vec::new();
    for (event, expected) in CASES {
        let found = with(event, b"bit\n1\n").load(Environment::Run).problems;
        let found: Vec<String> = found.iter().map(|found| found.to_string().replace(at, "")).collect();
        if !matches!(found.as_slice(), [one] if one.contains(expected)) {
            wrong.push(format!("{event}\n  expected {expected}\n  found    {}", found.join("\n           ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CASES: &[(&str, &str)] = &[
    // States.
    (
        r#"type = "machine.state_changed", state = "stat", executing = ["run"]"#,
        ".state: the device has no tag `stat` (did you mean `state`?)",
    ),
    (
        r#"type = "machine.state_changed", state = "oil", executing = ["run"]"#,
        ".state: `oil` shows no states (allowed:",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["rum"]"#,
        ".executing[0]: the tag has no state `rum` (allowed: stopped, run, fault, and the numbers without a label) (did you mean `run`?)",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["3"]"#,
        ".executing[0]: the tag has no state `3`",
    ),
    (
        r#"type = "machine.state_changed", state = "guard", executing = ["True"]"#,
        ".executing[0]: the tag has no state `True` (allowed: true, false) (did you mean `true`?)",
    ),
    (
        r#"type = "machine.state_changed", state = "wide", executing = ["run"]"#,
        ".executing[0]: the tag has no state `run` (allowed: whole numbers; an enum has `labels`)",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["run"], out_of_service = ["run"]"#,
        ".out_of_service[0]: `run` is there twice: also at",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["run"], setup = ["fault"], maintenance = ["fault"]"#,
        ".maintenance[0]: `fault` is there twice",
    ),
    (r#"type = "machine.state_changed", state = "state""#, "warning: : no state counts as `executing`"),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["run"], data = { mode = "x" }"#,
        ".data.mode: `mode` is filled by the event itself (allowed: order, operation, and keys of your own)",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["run"], reason = "{ordr}""#,
        ".reason: the device has no tag `ordr` (did you mean `order`?)",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["run"], debounce = "2""#,
        ".debounce: `2` is not a length of time",
    ),
    (
        r#"type = "machine.state_changed", state = "state", executing = ["run"] }, { type = "machine.state_changed", state = "state", executing = ["run"]"#,
        "event[1].state: `state` is there twice",
    ),
    // Alarms.
    (r#"type = "alarm""#, ": missing key `bits`: alarms are shown by one of `bits`, `flag` and `limit`"),
    (
        r#"type = "alarm", bits = "word", flag = "guard""#,
        ".flag: `bits` shows the alarms already (allowed: one of bits, flag, limit)",
    ),
    (r#"type = "alarm", bits = "oil""#, ".bits: `oil` is no word of bits (allowed: a tag of type bits, u8, u16,"),
    (r#"type = "alarm", bits = "twins""#, ".bits: bits 0 and 1 of `twins` are both called `same`"),
    (
        r#"type = "alarm", flag = "word""#,
        ".flag: `word` is of type bits (allowed: a tag of type bool, or with a `bit`)",
    ),
    (
        r#"type = "alarm", bits = "word", severity = "fault""#,
        ".severity: alarms of `bits` have no `severity` (it belongs to flag, limit)",
    ),
    (
        r#"type = "alarm", flag = "guard", alarm_sheet = "alarms.csv""#,
        ".alarm_sheet: alarms of `flag` have no `alarm_sheet` (it belongs to bits)",
    ),
    (r#"type = "alarm", bits = "word", alarm_sheet = "none.csv""#, ".alarm_sheet: cannot read "),
    (r#"type = "alarm", limit = "state", high = 3"#, ".limit: `state` is of type enum, and only a number has limits"),
    (r#"type = "alarm", limit = "oil""#, ": missing key `high`: a limit is one of `high` and `low`, or both"),
    (r#"type = "alarm", limit = "oil", high = 3, low = 3"#, ".low: 3 is not below `high`, which is 3"),
    (r#"type = "alarm", limit = "oil", high = 3, hysteresis = -1"#, ".hysteresis: -1 is no distance"),
    (
        r#"type = "alarm", limit = "oil", high = 3, low = 1, hysteresis = 2"#,
        ".hysteresis: the limits are 2 apart, and no value would end the alarm",
    ),
    (
        r#"type = "alarm", limit = "oil", high = 3 }, { type = "alarm", limit = "oil", high = 4"#,
        "event[1].code: `oil` is there twice",
    ),
    (
        r#"type = "alarm", flag = "guard", data = { code = "x" }"#,
        ".data.code: `code` is filled by the event itself (allowed: order, and keys of your own)",
    ),
];
