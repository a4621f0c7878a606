//! Serial lines: at a port of the gateway and behind a converter, with servers that share nothing with the agent.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use plantlink_tests::agent::{Agent, program};
use plantlink_tests::ledger::Arrival;
use plantlink_tests::libmodbus::LibmodbusUnit;
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::serial_cable::SerialCable;
use plantlink_tests::wait;
use rustix::termios::{ControlModes, InputModes};
use serde_json::{Value, json};

use crate::plant::{LATER, Plant, SITE, SOON, assert_accounted, entry};

/// A unit with values in every table, as `libmodbus_server.c` has them.
const EVERY_TABLE: &str = r#"
[[source.modbus.device]]
name = "press"
unit = 17
every = "100ms"
tag = [
    { name = "parts", at = "40001", type = "u32" },
    { name = "level", at = "holding:10", type = "i16", scale = 0.5 },
    { name = "alarm", at = "holding:11", type = "bool", bit = 3 },
    { name = "temperature", at = "input:4", type = "f32" },
    { name = "running", at = "coil:2", type = "bool" },
    { name = "door", at = "discrete:5", type = "bool" },
]
event = [{ type = "measurement.sampled", sample = "*" }]
"#;

const FLOW: &str = r#"
[[flow]]
name = "all"
events = ["production.*", "consumption.*", "measurement.*", "machine.*", "alarm.*", "device.*"]
to = "central"
"#;

/// What a port is set to, as the kernel has it: speed, whether parity is looked at, whether that is odd, two stop bits.
fn settings(cable: &SerialCable) -> (u32, bool, bool, bool) {
    let termios = cable.settings();
    let is_looked_at = termios.input_modes.contains(InputModes::INPCK);
    let control = |mode| termios.control_modes.contains(mode);
    (termios.output_speed(), is_looked_at, control(ControlModes::PARODD), control(ControlModes::CSTOPB))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_set_to_the_speed_the_parity_and_the_stop_bits_of_its_line() {
    let cable = SerialCable::plugged_in().await;
    let agent = Agent::prepare("", &[]);
    let port = format!("rtu://{}", cable.near_end().display());
    for (keys, expected) in [
        ("baud = 9600\nparity = \"odd\"\nstop_bits = 2", (9_600, true, true, true)),
        ("baud = 115200\nparity = \"none\"", (115_200, false, false, false)),
        ("", (19_200, true, false, false)),
    ] {
        let plant = Plant::start().await;
        agent.reconfigure(&config(&plant, &format!("address = \"{port}\"\n{keys}"), &device(1)));
        let read = agent.run(&["read", "unit-1"]);
        assert!(read.stdout.contains("device does not answer"), "{keys}: {read:?}");
        assert_eq!(settings(&cable), expected, "{keys}");
    }
    let typed = ["--baud", "38400", "--parity", "odd", "--stop-bits", "2", "--timeout-ms", "50"];
    agent.run(&[&["read", &port, "--unit", "1", "holding:0"], &typed[..]].concat());
    assert_eq!(settings(&cable), (38_400, true, true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_asks_at_each_of_the_speeds_that_it_is_given() {
    let cable = SerialCable::plugged_in().await;
    let _unit = LibmodbusUnit::start(&cable, 17);
    let agent = Agent::prepare("", &[]);
    let port = format!("rtu://{}", cable.near_end().display());
    let arguments = ["--units", "16-17", "--bauds", "9600,38400", "--parity", "none", "--json"];
    let scanned = agent.run(&[&["scan", &port], &arguments[..]].concat());
    let found: Vec<Value> =
        scanned.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    // A pseudo terminal carries the same at every speed.
    let at = |baud: u32| json!({"unit": 17, "baud": baud, "answer": "answers"});
    assert_eq!(found, [at(9_600), at(38_400)], "{scanned:?}");
    assert_eq!(settings(&cable).0, 38_400);

    let refused = agent.run(&["scan", "tcp://127.0.0.1:1", "--bauds", "9600"]);
    assert!(!refused.status.success() && refused.stderr.contains("--bauds is for serial ports"), "{refused:?}");
}

/// A press that counts its parts.
const COUNTER: &str = r#"
[[source.modbus.device]]
name = "press"
unit = 1
every = "50ms"
tag = [{ name = "good", at = "holding:0", type = "u32" }]
event = [
    { type = "production.counted", good = "good" },
    { type = "measurement.sampled", sample = "*" },
]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_table_come_over_a_serial_port_as_they_are_in_libmodbus() {
    let cable = SerialCable::plugged_in().await;
    let _unit = LibmodbusUnit::start(&cable, 17);
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &at(&cable), EVERY_TABLE));
    assert_eq!(sampled(&plant, "press", |_| true).await, every_value());
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_table_come_as_serial_frames_through_a_converter() {
    let mut line = ModbusLine::start_rtu_over_tcp(&[17]).await;
    line.set_u32(17, Table::Holding, 0, 70_000).await;
    line.set(17, Table::Holding, 10, &[0xFFFE, 0b1000]).await;
    line.set_u32(17, Table::Input, 4, 36.5_f32.to_bits()).await;
    line.set(17, Table::Coil, 2, &[1]).await;
    let plant = Plant::start().await;
    let address = format!("address = \"rtu+tcp://127.0.0.1:{}\"", line.port());
    let mut agent = Agent::start(&config(&plant, &address, EVERY_TABLE));
    assert_eq!(sampled(&plant, "press", |_| true).await, every_value());
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_on_a_serial_line_are_counted_once_though_the_agent_is_killed_twice() {
    let cable = SerialCable::plugged_in().await;
    let mut line = ModbusLine::start_serial(&cable, &[1]).await;
    line.set_u32(1, Table::Holding, 0, 1_000).await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &at(&cable), COUNTER));
    sampled(&plant, "press", |data| data["good"] == 1_000).await;
    for (seen, unseen) in [(1_010, 1_025), (1_026, 1_060)] {
        line.set_u32(1, Table::Holding, 0, seen).await;
        total(&plant, seen).await;
        agent.kill();
        cable.release();
        line.set_u32(1, Table::Holding, 0, unseen).await;
        agent.restart();
        total(&plant, unseen).await;
    }
    assert_eq!(parts(&plant), 60);
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_is_pulled_out_and_plugged_in_again_is_read_again_and_its_parts_are_counted_once() {
    let mut cable = SerialCable::plugged_in().await;
    let mut line = ModbusLine::start_serial(&cable, &[1]).await;
    line.set_u32(1, Table::Holding, 0, 1_000).await;
    let plant = Plant::start().await;
    let agent = Agent::start(&config(&plant, &at(&cable), COUNTER));
    sampled(&plant, "press", |data| data["good"] == 1_000).await;

    cable.unplug();
    drop(line);
    agent.wait_until("the press to be down", SOON, |status| entry(status, "devices", "press")["state"] == "down").await;
    cable.plug_in().await;
    let mut line = ModbusLine::start_serial(&cable, &[1]).await;
    line.set_u32(1, Table::Holding, 0, 1_007).await;
    total(&plant, 1_007).await;
    assert_eq!(parts(&plant), 7);
    agent.wait_until("the press to be up", SOON, |status| entry(status, "devices", "press")["state"] == "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_unit_among_ten_on_a_serial_line_stops_none_of_the_others() {
    const SILENT: u8 = 4;
    let units: Vec<u8> = (1..=10).collect();
    let others = || units.iter().copied().filter(|unit| *unit != SILENT);
    let cable = SerialCable::plugged_in().await;
    let mut line = ModbusLine::start_serial(&cable, &units).await;
    line.silence(SILENT, true).await;
    let plant = Plant::start().await;
    let devices: String = units.iter().map(|unit| device(*unit)).collect();
    let agent = Agent::start(&config(&plant, &at(&cable), &devices));
    for value in 1..=3 {
        for unit in others() {
            line.set(unit, Table::Holding, 0, &[value]).await;
        }
        for unit in others() {
            sampled(&plant, &format!("unit-{unit}"), |data| data["speed"] == value).await;
        }
    }
    let state = |status: &Value, unit: u8| entry(status, "devices", &format!("unit-{unit}"))["state"].clone();
    let status = agent.wait_until("the silent unit to be down", SOON, |status| state(status, SILENT) == "down").await;
    let up: Vec<u8> = units.iter().copied().filter(|unit| state(&status, *unit) == "up").collect();
    assert_eq!(up, others().collect::<Vec<u8>>(), "{status:#}");

    line.set(SILENT, Table::Holding, 0, &[42]).await;
    line.silence(SILENT, false).await;
    sampled(&plant, &format!("unit-{SILENT}"), |data| data["speed"] == 42).await;
    assert_accounted(&agent.status().expect("the agent answers"));
}

/// In a namespace of its own, where nobody is above permissions.
#[test]
fn a_serial_port_that_check_may_not_use_is_a_warning() {
    let namespace = || Command::new("unshare");
    if !namespace().args(["-U", "true"]).status().expect("unshare is installed").success() {
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: permissions cannot be given up here");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let port = dir.path().join("port");
    std::fs::write(&port, "").expect("a port");
    let line = format!("[[source.modbus]]\nname = \"line\"\naddress = \"rtu://{}\"\n{COUNTER}", port.display());
    let text = format!("{SITE}\n[[destination.mqtt]]\nname = \"central\"\nurl = \"mqtts://central\"\n{FLOW}\n{line}");
    let file = dir.path().join("plantlink.toml");
    std::fs::write(&file, text).expect("a configuration");
    let warnings = |mode| {
        std::fs::set_permissions(&port, Permissions::from_mode(mode)).expect("the port is ours");
        let checked = namespace().arg("-U").arg(program()).args(["check", "--config"]).arg(&file).output();
        let checked = checked.expect("the command starts");
        let stderr = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{stderr}");
        stderr.matches(&format!("cannot use {}: Permission denied", port.display())).count()
    };
    assert_eq!([0o600, 0o400, 0o000].map(warnings), [0, 1, 1]);
}

/// A configuration with one line that has these devices.
fn config(plant: &Plant, address: &str, devices: &str) -> String {
    let line = format!(
        r#"
[[source.modbus]]
name = "line"
{address}
timeout = "200ms"
{devices}"#
    );
    plant.config("", "", &line)
}

/// The keys of a line at the near end of a cable.
fn at(cable: &SerialCable) -> String {
    format!("address = \"rtu://{}\"\nparity = \"none\"", cable.near_end().display())
}

fn device(unit: u8) -> String {
    format!(
        r#"
[[source.modbus.device]]
name = "unit-{unit}"
unit = {unit}
every = "100ms"
tag = [{{ name = "speed", at = "holding:0", type = "u16" }}]
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#
    )
}

/// What [`EVERY_TABLE`] shows.
fn every_value() -> Value {
    json!({"parts": 70_000, "level": -1.0, "alarm": true, "temperature": 36.5, "running": true, "door": false})
}

/// Waits for a `measurement.sampled` of a device whose data meet a condition, and gives them.
async fn sampled(plant: &Plant, device: &str, mut condition: impl FnMut(&Value) -> bool) -> Value {
    let source = format!("mill-07/{device}");
    wait::until(&format!("values of {device}"), LATER, async || {
        let ledger = plant.ledger();
        let mut envelopes = ledger.events("measurement.sampled").map(Arrival::envelope);
        envelopes
            .find(|envelope| envelope["source"] == source && condition(&envelope["data"]))
            .map(|mut envelope| envelope["data"].take())
    })
    .await
}

/// Waits until a `production.counted` names this total.
async fn total(plant: &Plant, total: u32) {
    wait::until(&format!("the total {total}"), LATER, async || {
        plant.ledger().events("production.counted").find(|event| event.data("good_total") == total).map(|_| ())
    })
    .await;
}

/// The parts of all `production.counted` together.
fn parts(plant: &Plant) -> u64 {
    plant.ledger().events("production.counted").filter_map(|event| event.data("good").as_u64()).sum()
}
