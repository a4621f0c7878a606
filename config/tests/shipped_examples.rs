//! The configurations that we show to others: the packaged example, the README's and a tag sheet. All stay acceptable.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::path::{Path, PathBuf};

use plantlink_config::{Environment, load};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Loads a text and returns what is said about it, apart from the secrets that only a service has.
fn problems(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plantlink.toml");
    fs::write(&file, text).unwrap();
    let loaded = load(&file, Environment::Check);
    let said = loaded.problems.iter().map(ToString::to_string);
    said.filter(|problem| !problem.contains("$CREDENTIALS_DIRECTORY is not set")).collect()
}

#[test]
fn check_accepts_the_packaged_example() {
    let text = fs::read_to_string(top().join("packaging/plantlink.toml")).unwrap();
    assert_eq!(problems(&text), [""; 0]);
}

#[test]
fn every_default_that_the_packaged_example_shows_is_accepted_when_it_is_written_out() {
    let text = fs::read_to_string(top().join("packaging/plantlink.toml")).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(key) if is_key(key) && !key.contains("for example") => key,
        _ => line,
    });
    let written_out = lines.collect::<Vec<_>>().join("\n");
    assert_ne!(written_out, text.trim_end(), "the example shows no default");
    assert_eq!(problems(&written_out), [""; 0]);
}

/// A commented key in place of a sentence.
fn is_key(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

#[test]
fn check_accepts_the_readmes_example() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let block = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(problems(block), [""; 0]);
}

#[test]
fn check_accepts_the_sheet_of_a_sunspec_inverter() {
    let sheet = top().join("tests/fixtures/sunspec-inverter.csv");
    let text = format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
flow = [{{ name = "all", events = ["*"], to = "center" }}]
destination.mqtt = [{{ name = "center", url = "mqtt://center" }}]
[[source.modbus]]
name = "roof"
address = "tcp://inverter"
[[source.modbus.device]]
name = "inverter"
unit = 1
every = "1s"
tag_sheet = {:?}
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#,
        sheet.display().to_string()
    );
    assert_eq!(problems(&text), [""; 0]);
}

/// The ready files for Odoo, by name.
fn odoo_files() -> Vec<(String, String)> {
    let entries = fs::read_dir(top().join("packaging/odoo")).unwrap();
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// What the ready files are for.
const OF_PLANT: [&str; 14] = [
    "agent.started",
    "alarm.cleared",
    "alarm.raised",
    "consumption.counted",
    "device.described",
    "device.offline",
    "device.online",
    "lot.produced",
    "machine.state_changed",
    "measurement.sampled",
    "production.counted",
    "quality.measured",
    "workorder.finished",
    "workorder.started",
];

fn with_odoo_files(sets: &[&str]) -> String {
    let topic =
        |event_type: &str| format!("{{ filter = \"mes/{event_type}\", type = \"{event_type}\", id = \"{{/id}}\" }}");
    let topics = OF_PLANT.map(topic).join(", ");
    format!(
        r#"
include = ["{}/packaging/odoo/*.toml"]
plant = {{ id = "p", gateway = "g" }}
flow = [{{ name = "all", events = ["*"], to = "erp" }}]
[[source.mqtt]]
name = "mes"
url = "mqtt://mes"
topic = [{topics}]
[[destination.odoo]]
name = "erp"
url = "https://erp"
database = "prod"
login = "plantlink"
api_key = {{ credential = "key" }}
records = {sets:?}
"#,
        top().display()
    )
}

#[test]
fn check_accepts_all_ready_files_for_odoo_in_one_destination() {
    let files = odoo_files();
    let sets: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(sets.len(), 9);
    assert_eq!(problems(&with_odoo_files(&sets)), [""; 0]);
}

#[test]
fn every_ready_file_for_odoo_says_what_its_user_needs_and_what_it_costs() {
    for (name, text) in odoo_files() {
        for what in ["# Events  ", "# App  ", "# Groups  ", "# Costs  ", "# Repeated  "] {
            assert!(text.lines().any(|line| line.starts_with(what)), "{name}: no {what}");
        }
        let include = format!("include = [\"odoo/{name}.toml\"]");
        assert!(text.contains(&include) && text.contains(&format!("records = [\"{name}\"]")), "{name}");
    }
}
