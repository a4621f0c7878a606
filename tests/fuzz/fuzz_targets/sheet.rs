//! Any file as a tag sheet: tags or problems, each problem with a place that can be shown.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use plantlink_config::{Environment, load};
use tempfile::TempDir;

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

/// One for all runs of this process, which ends before it could be removed; in memory, where the machine has such a place.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("there is a place for files");
    fs::write(folder.path().join("plantlink.toml"), PLANT).expect("a new file can be written");
    folder
});

fuzz_target!(|sheet: &[u8]| {
    let folder = FOLDER.path();
    fs::write(folder.join("tags.csv"), sheet).expect("a file can be written again");
    let loaded = load(&folder.join("plantlink.toml"), Environment::Run);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(loaded.config.is_some() || !problems.is_empty(), "refused without a reason");
});
