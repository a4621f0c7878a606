//! Restarts anywhere in a recording change nothing of what comes of it, whatever the plant shows. Samples are left out: a
//! lively tag may be reported once more, as the mapper of a line proves of itself.

use std::sync::LazyLock;

use plantlink_config::{Environment, load};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::recording::{Line, Plan};

const CONFIG: &str = r#"
    [plant]
    id = "mill-07"
    gateway = "gw"
    [buffer]
    path = "buffer.db"
    [[source.modbus]]
    name = "line"
    address = "tcp://127.0.0.1"
    [[source.modbus.device]]
    name = "press"
    unit = 1
    every = "1s"
    tag = [
        { name = "good", at = "holding:0", type = "u16" },
        { name = "scrap", at = "holding:1", type = "u32" },
        { name = "speed", at = "holding:3", type = "f32", deadband = "10%", max_silence = "7s" },
    ]
    event = [
        { type = "production.counted", good = "good", scrap = "scrap", max_step = 500 },
    ]
    [[source.mqtt]]
    name = "mes"
    url = "mqtt://127.0.0.1"
    topic = [{ filter = "mes/{line}", type = "workorder.finished", id = "{/id}", data = { order = "{line}", good = "{/n}" } }]
    [[destination.mqtt]]
    name = "central"
    url = "mqtt://127.0.0.1"
    [[flow]]
    name = "orders"
    events = ["workorder.*"]
    to = "central"
"#;

/// Read once for all recordings.
static KNOWN: LazyLock<Config> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plantlink.toml");
    std::fs::write(&path, CONFIG).unwrap();
    load(&path, Environment::Check).config.unwrap()
});

/// A line of the recording, but for its moment.
fn line() -> impl Strategy<Value = Value> {
    let counter = || prop_oneof![8 => (0_u32..65_536).prop_map(Some), 1 => Just(None)];
    let speed = prop_oneof![6 => (0_i32..50).prop_map(Some), 1 => Just(None)];
    let id = prop_oneof![8 => (0_u8..5).prop_map(|id| json!(id)), 1 => Just(Value::Null)];
    prop_oneof![
        8 => (counter(), counter(), speed)
            .prop_map(|(good, scrap, speed)| json!({"device": "press", "tags": {"good": good, "scrap": scrap, "speed": speed}})),
        2 => (0_u32..200).prop_map(|good| json!({"device": "press", "tags": {"good": good}})),
        1 => prop_oneof![Just("timeout"), Just("refused")].prop_map(|why| json!({"device": "press", "offline": why})),
        4 => (id, 0_u8..2).prop_map(|(id, n)| json!({"source": "mes", "topic": "mes/L1", "payload": {"id": id, "n": n}})),
    ]
}

/// Everything that comes of the recording, with a restart before each line that has one.
fn told(config: &Config, lines: &[Value], restarts: &[bool]) -> Vec<Value> {
    let plan = Plan::new(config);
    let mut rehearsal = Rehearsal::new(config);
    let mut told = Vec::new();
    for ((second, line), restart) in (0..).zip(lines).zip(restarts.iter().cycle()) {
        if *restart {
            rehearsal.play(Brought::Restart);
        }
        let mut line = line.clone();
        line["at"] = crate::template::rfc3339(1_790_000_000_000_000 + second * 1_000_000).into();
        let line = Line::parse(&line.to_string()).unwrap();
        let scene = rehearsal.play(plan.brought(line).unwrap());
        told.extend(scene.remark.map(Value::from));
        told.extend(scene.events.iter().flat_map(|enacted| rehearsal.envelopes(enacted)));
    }
    for event in &mut told {
        let left_out: &[&str] = match event["event_type"].as_str() {
            // What was counted meanwhile says so, and since when it is known.
            Some("production.counted") => &["cause", "from_at"],
            // Known to a minute after a restart.
            Some("device.offline") => &["last_good_at"],
            Some(_) | None => &[],
        };
        for member in left_out {
            event["data"].as_object_mut().unwrap().remove(*member);
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn restarts_anywhere_change_nothing_of_what_a_recording_becomes(
        lines in prop::collection::vec(line(), 1..40),
        restarts in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        prop_assert_eq!(told(&KNOWN, &lines, &[false]), told(&KNOWN, &lines, &restarts));
    }
}
