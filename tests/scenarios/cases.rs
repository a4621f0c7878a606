//! The folders of `cases/`: what a configuration makes of a recording, without a line of code (`cases/README.md`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plantlink_tests::agent::program;
use plantlink_tests::client::Message;
use plantlink_tests::schemas;
use serde_json::{Value, json};

/// What a restart may change in the data of a type: it is known less exactly then, or said that it was counted meanwhile.
const CHANGED_BY_A_RESTART: [(&str, &str); 5] = [
    ("production.counted", "cause"),
    ("production.counted", "from_at"),
    ("consumption.counted", "from_at"),
    ("device.offline", "last_good_at"),
    ("cycle.completed", "duration_s"),
];

struct Case {
    folder: PathBuf,
    name: String,
    input: String,
    expected: Vec<Value>,
    /// What has to be said of the lines, in this order.
    remarks: Vec<String>,
}

/// What a run printed.
struct Run {
    events: Vec<Value>,
    said: String,
}

fn cases() -> Vec<Case> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = std::fs::read_dir(all).expect("the folder of the cases");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(Case::read).collect()
}

impl Case {
    fn read(folder: PathBuf) -> Case {
        let text = |name: &str| {
            std::fs::read_to_string(folder.join(name))
                .unwrap_or_else(|error| panic!("{}/{name}: {error}", folder.display()))
        };
        let remarks = if folder.join("remarks.txt").exists() { text("remarks.txt") } else { String::new() };
        Case {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            input: text("input.jsonl"),
            expected: objects(&text("expected.jsonl")),
            remarks: remarks.lines().map(str::to_owned).collect(),
            folder,
        }
    }

    /// What `simulate` makes of the recording; under the name of a file its remarks tell the lines.
    fn simulate(&self, recording: &str) -> Run {
        let mut child = Command::new(program())
            .args(["simulate", "--json", "--config", "plantlink.toml", "-"])
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("simulate starts");
        child.stdin.take().expect("a pipe").write_all(recording.as_bytes()).expect("simulate reads to the end");
        let output = child.wait_with_output().expect("simulate ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {}\n{said}", self.name, output.status);
        Run { events: objects(&String::from_utf8(output.stdout).expect("events are UTF-8")), said }
    }

    /// The same recording with a restart before each of its lines.
    fn cut(&self) -> String {
        self.input.lines().fold(String::new(), |mut cut, line| {
            writeln!(cut, "{{\"restart\":true}}\n{line}").expect("a text takes text");
            cut
        })
    }

    fn compare(&self, run: &Run, may_differ: &[(&str, &str)]) {
        let mut named = Named::default();
        for (place, (event, expected)) in run.events.iter().zip(&self.expected).enumerate() {
            let left_out =
                may_differ.iter().filter(|(kind, _)| event["event_type"] == *kind).map(|(_, member)| *member);
            if let Some(difference) = named.difference(expected, event, "", &left_out.collect::<Vec<_>>()) {
                panic!("{}: event {}: {difference}\n{event}\n{}", self.name, place + 1, run.said);
            }
        }
        let (made, expected) = (run.events.len(), self.expected.len());
        let first = run.events.get(expected).or(self.expected.get(made));
        assert!(
            made == expected,
            "{}: {made} events, {expected} expected; the first beyond: {first:?}\n{}",
            self.name,
            run.said
        );
    }
}

/// What the names in a case stand for.
#[derive(Default)]
struct Named(BTreeMap<String, Value>);

impl Named {
    /// Where an event is not what is expected of it. Of `data` every member has to be named, elsewhere those that count.
    /// `"*"` stands for any value, `null` for none, and a name that begins with `$` for the same value wherever it is, and
    /// for another one than any other name.
    fn difference(&mut self, expected: &Value, found: &Value, at: &str, left_out: &[&str]) -> Option<String> {
        match (expected, found) {
            (Value::String(any), _) if any == "*" => None,
            (Value::String(name), found) if name.starts_with('$') => {
                let before = self.0.iter().find(|(known, value)| *known == name || *value == found);
                match before {
                    Some((known, value)) if known == name && value == found => None,
                    Some((known, value)) => Some(format!("{at} is {found}, but `{known}` is {value}")),
                    None => {
                        self.0.insert(name.clone(), found.clone());
                        found.is_null().then(|| format!("{at} is not there, and has to be `{name}`"))
                    }
                }
            }
            (Value::Object(expected), Value::Object(found)) => {
                let counts = |key: &str| !left_out.contains(&key);
                let too_many =
                    found.keys().find(|key| at.starts_with("/data") && counts(key) && !expected.contains_key(*key));
                if let Some(key) = too_many {
                    return Some(format!("{at}/{key} is not expected"));
                }
                expected.iter().filter(|(key, _)| counts(key)).find_map(|(key, expected)| {
                    let found = found.get(key).unwrap_or(&Value::Null);
                    self.difference(expected, found, &format!("{at}/{key}"), left_out)
                })
            }
            (expected, found) => (expected != found).then(|| format!("{at} is {found}, {expected} expected")),
        }
    }
}

/// Every event is as its schema says, once it has what only a flow gives it, and has its id alone: several flows carry the
/// same one.
fn assert_as_promised(case: &str, run: &Run) {
    let mut known = BTreeMap::new();
    for event in &run.events {
        let mut carried = event.clone();
        if event["metadata"].get("flow").is_none() {
            let metadata = carried["metadata"].as_object_mut().expect("metadata");
            let epoch = event["event_id"].clone();
            metadata.extend([("flow".into(), json!("none")), ("sequence".into(), json!(1)), ("epoch".into(), epoch)]);
        }
        schemas::assert_valid(&Message::new(case, carried.to_string()));
        let is = ["event_type", "source", "timestamp", "data"].map(|member| event[member].clone());
        let before = known.entry(event["event_id"].to_string()).or_insert_with(|| is.clone());
        assert_eq!(*before, is, "{case}: two events have the id {}", event["event_id"]);
    }
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[test]
fn every_case_makes_the_events_it_expects() {
    let cases = cases();
    assert!(cases.len() >= 40, "there were more cases before: {}", cases.len());
    for case in cases {
        let run = case.simulate(&case.input);
        case.compare(&run, &[]);
        assert_as_promised(&case.name, &run);
        let mut said = run.said.lines();
        for remark in &case.remarks {
            assert!(said.any(|line| line.contains(remark)), "{}: not said: {remark}\n{}", case.name, run.said);
        }
        assert!(run.events.iter().all(|event| event["metadata"]["simulated"] == true), "{}", case.name);
        assert_eq!(case.simulate(&case.input).events, run.events, "{}: two runs differ", case.name);
    }
}

#[test]
fn a_restart_before_every_line_changes_no_event_of_any_case() {
    for mut case in cases() {
        let mut run = case.simulate(&case.cut());
        assert_as_promised(&case.name, &run);
        // A tag that changes often is sampled once more after a restart.
        for events in [&mut run.events, &mut case.expected] {
            events.retain(|event| event["event_type"] != "measurement.sampled");
        }
        case.compare(&run, &CHANGED_BY_A_RESTART);
    }
}
