//! What an agent that runs may take up, and what the difference is called.

use std::fs;

use plantlink_config::{Config, Environment, Problem, reload};

use crate::folder::Folder;

const FILE: &str = r#"
[plant]
id = "mill-07"
gateway = "gw"
[buffer]
path = "buffer.db"
[[source.modbus]]
name = "line-3"
address = "tcp://10.20.1.12:502"
[[source.modbus.device]]
name = "press-12"
unit = 3
every = "1s"
[[source.modbus.device.tag]]
name = "speed"
at = "holding:0"
type = "u16"
[[source.modbus.device.event]]
type = "measurement.sampled"
sample = "*"
[[destination.mqtt]]
name = "central"
url = "mqtt://broker"
topic = "out/{event_type}"
[[flow]]
name = "all"
events = ["*"]
to = "central"
"#;

/// An agent that runs with [`FILE`].
struct Running {
    folder: Folder,
    config: Config,
}

impl Running {
    fn new() -> Self {
        let folder = Folder::with(&[("plantlink.toml", FILE)]);
        let config = folder.load(Environment::Run).config.unwrap();
        Self { folder, config }
    }

    /// What the file is told to be changed to, with `from` replaced by `to`.
    fn reload(&self, from: &str, to: &str) -> Result<Vec<String>, Vec<Problem>> {
        assert!(FILE.contains(from));
        let path = self.folder.path().join("plantlink.toml");
        fs::write(&path, FILE.replace(from, to)).unwrap();
        let loaded = reload(&path, &self.config);
        loaded.config.map(|next| self.config.changes(&next)).ok_or(loaded.problems)
    }
}

#[test]
fn a_change_is_told_by_the_tables_that_it_concerns() {
    let running = Running::new();
    let renamed = ["flow all", "flow everything"].as_slice();
    for (from, to, expected) in [
        ("[buffer]", "# A comment that moves every line.\n\n[buffer]", [].as_slice()),
        ("path = \"buffer.db\"", "path = \"buffer.db\"\nmax_size = \"1GB\"", &["buffer"]),
        ("every = \"1s\"", "every = \"2s\"", &["source line-3"]),
        ("at = \"holding:0\"", "at = \"holding:1\"", &["source line-3"]),
        ("topic = \"out", "topic = \"in", &["destination central"]),
        ("\"all\"", "\"everything\"", renamed),
    ] {
        assert_eq!(running.reload(from, to), Ok(expected.iter().map(|&name| name.to_owned()).collect()), "{to}");
    }
}

#[test]
fn what_needs_a_restart_is_a_problem_with_its_place() {
    let running = Running::new();
    for (from, to, path, line) in [
        ("\"mill-07\"", "\"mill-08\"", "plant.id", 3),
        ("\"gw\"", "\"gw-2\"", "plant.gateway", 4),
        ("\"buffer.db\"", "\"other.db\"", "buffer.path", 6),
        ("[buffer]", "[clock]\nsynced_by = \"time\"\n[buffer]", "clock.synced_by", 6),
    ] {
        let problems = running.reload(from, to).unwrap_err();
        let [Problem { code: "needs-restart", path: found, line: at, .. }] = problems.as_slice() else {
            panic!("{problems:?}");
        };
        assert_eq!((found.as_str(), *at), (path, line));
    }
}
