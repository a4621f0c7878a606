//! When tags are reported: the keys, in tables and sheets, and what is said about wrong ones.

use std::time::Duration;

use plantlink_config::{Deadband, Environment, Reporting, Source};

use crate::folder::Folder;

/// A device with one tag of these keys.
fn plant(keys: &str) -> String {
    format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
flow = [{{ name = "all", events = ["*"], to = "center" }}]
destination.mqtt = [{{ name = "center", url = "mqtt://center" }}]
[[source.modbus]]
name = "line"
address = "tcp://plc"
[[source.modbus.device]]
name = "press"
unit = 1
every = "1s"
{keys}
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#
    )
}

fn reporting(folder: &Folder) -> Vec<Reporting> {
    let loaded = folder.load(Environment::Run);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let [Source::Modbus(line)] = config.sources.as_slice() else { panic!("{:?}", config.sources) };
    line.devices[0].tags.iter().map(|tag| tag.reporting).collect()
}

fn table(keys: &str) -> Folder {
    let tag = format!(r#"tag = [{{ name = "speed", at = "40001", type = "u16"{keys} }}]"#);
    Folder::with(&[("plantlink.toml", &plant(&tag))])
}

fn sheet(text: &str) -> Folder {
    Folder::with(&[("plantlink.toml", &plant("tag_sheet = \"tags.csv\"")), ("tags.csv", text)])
}

#[test]
fn a_tag_says_when_it_is_reported() {
    assert_eq!(reporting(&table("")), [Reporting::default()]);
    for (keys, deadband) in [
        (", deadband = 0", Deadband::Absolute(0.0)),
        (", deadband = 0.5", Deadband::Absolute(0.5)),
        (", deadband = \"2%\"", Deadband::Percent(2.0)),
    ] {
        assert_eq!(reporting(&table(keys)), [Reporting { deadband, ..Reporting::default() }], "{keys}");
    }
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let expected = Reporting { min_interval: Some(second), max_silence: Some(minute), ..Reporting::default() };
    assert_eq!(reporting(&table(", min_interval = \"1s\", max_silence = \"60s\"")), [expected]);
}

#[test]
fn a_sheet_has_the_same_keys_as_columns() {
    let rows = "name;at;type;deadband;min_interval;max_silence\na;1;u16;0,5;1s;1m\nb;2;u16;2%;;\nc;3;u16;;;\n";
    let rows = rows.replace(";1;", ";40001;").replace(";2;", ";40002;").replace(";3;", ";40003;");
    let first = Reporting {
        deadband: Deadband::Absolute(0.5),
        min_interval: Some(Duration::from_secs(1)),
        max_silence: Some(Duration::from_secs(60)),
    };
    let second = Reporting { deadband: Deadband::Percent(2.0), ..Reporting::default() };
    assert_eq!(reporting(&sheet(&rows)), [first, second, Reporting::default()]);
}

#[test]
fn what_cannot_be_meant_is_told() {
    for (keys, expected) in [
        (", deadband = -1", "tag[0].deadband: -1 is no distance"),
        (", deadband = \"101%\"", "tag[0].deadband: `101%` is no deadband"),
        (", deadband = \"wide\"", "tag[0].deadband: `wide` is no deadband"),
        (", deadband = true", "tag[0].deadband: expected a number or a string"),
        (", bit = 3, deadband = 1", "tag[0].deadband: `bool` has no `deadband`"),
        (", min_interval = \"0s\"", "tag[0].min_interval: an interval of zero"),
        (", min_interval = \"5s\", max_silence = \"1s\"", "tag[0].max_silence: reports are at least 5s apart"),
    ] {
        let problems = table(keys).problems(Environment::Run);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{keys}: {problems:#?}");
    }
}
