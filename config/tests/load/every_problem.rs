//! A file with many mistakes: all of them come at once, each at its place, with what is allowed or was meant.

use plantlink_config::Environment;

use crate::folder::Folder;

const FILE: &str = r##"[plant]
id = "mill 07"
gatway = "gw-1"

[bufer]
linger = "20ms"

[[source.modbus]]
name = "line-3"
address = "rtu://ttyUSB0"
timeout = "0ms"
baud = 192

[[source.modbus.device]]
name = "press-12"
unit = 300
every = "fast"

[[source.modbus.device.tag]]
name = "good"
at = 40001
type = "u23"

[[source.modbus.device.tag]]
name = "speed"
at = "40010.1"
type = "i16"

[[source.modbus.device.tag]]
name = "speed"
at = "holding:65535"
type = "f32"

[[source.modbus.device.tag]]
name = "run"
at = "coil:3"
type = "u16"

[[source.modbus.device.event]]
type = "measurement.sample"
sample = "*"

[[source.modbus.device.event]]
type = "production.counted"
good = "godo"
data = { order = "{ordr", cause = "x" }

[[source.mqtt]]
name = "press-12"
url = "mqtt://mes:hunter2@broker"
version = "4"
password = "hunter2"
qos = 3

[[source.mqtt.topic]]
filter = "mes/#/finished"
type = "workorder.finished"

[[source.mqtt.topic]]
filter = "mes/{line}/orders/+"
type = "workorder finished"
id = "constant"
data = { line = "{lime}", x = 2026-11-20 }

[[destination.mqtt]]
name = "central"
url = "mqtts://central.example.com:0"
topic = "plants/+/x"
window = 0

[[flow]]
name = "all"
events = ["Production.*"]
from = ["pres-12"]
to = "centrall"

[heartbeat]
to = []
every = 30
"##;

const PROBLEMS: &str = r#"
plantlink.toml:2:6  plant.id: `mill 07` is not a name (allowed: letters a to z and A to Z, digits, `_` and `-`)
plantlink.toml:3:1  plant: unknown key `gatway` (did you mean `gateway`?)
plantlink.toml:5:2  unknown key `bufer` (did you mean `buffer`?)
plantlink.toml:10:11  source.modbus[0].address: a serial port is the whole path of its file (with three slashes, as in rtu:///dev/serial/by-id/usb-FTDI_A1)
plantlink.toml:11:11  source.modbus[0].timeout: an interval of zero is not possible (allowed: 1ms and longer)
plantlink.toml:12:8  source.modbus[0].baud: 192 is out of range (allowed: 300 to 4000000)
plantlink.toml:16:8  source.modbus[0].device[0].unit: 300 is out of range (allowed: 0 to 255)
plantlink.toml:17:9  source.modbus[0].device[0].every: `fast` is not a length of time (allowed: a whole number and ms, s, m, h or d, as in 500ms)
plantlink.toml:21:6  source.modbus[0].device[0].tag[0].at: expected a string, found a whole number (put it in quotes)
plantlink.toml:22:8  source.modbus[0].device[0].tag[0].type: `u23` is not allowed here (allowed: bool, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, bcd16, bcd32, string, bits, enum) (did you mean `u32`?)
plantlink.toml:26:6  source.modbus[0].device[0].tag[1].at: `40010.1` has a `.` or `,`, and an address has none: a bit has the key `bit`, and spreadsheets turn 40010.10 into 40010.1 and 40,010 into a fraction
plantlink.toml:30:8  source.modbus[0].device[0].tag[2].name: `speed` is there twice: also at plantlink.toml:25:8
plantlink.toml:31:6  source.modbus[0].device[0].tag[2].at: f32 of 2 registers ends at 65536, behind the last register (allowed: 0 to 65534)
plantlink.toml:37:8  source.modbus[0].device[0].tag[3].type: a coil is one bit (allowed: bool)
plantlink.toml:40:8  source.modbus[0].device[0].event[0].type: `measurement.sample` is not allowed here (allowed: production.counted, consumption.counted, cycle.completed, machine.state_changed, alarm, measurement.sampled) (did you mean `measurement.sampled`?)
plantlink.toml:45:8  source.modbus[0].device[0].event[1].good: the device has no tag `godo` (did you mean `good`?)
plantlink.toml:46:19  source.modbus[0].device[0].event[1].data.order: `{` is never closed; a brace that stands for itself is written twice
plantlink.toml:46:35  source.modbus[0].device[0].event[1].data.cause: `cause` is filled by the event itself (allowed: order, operation, product, lot, and keys of your own)
plantlink.toml:49:8  source.mqtt[0].name: `press-12` is there twice: also at plantlink.toml:15:8
plantlink.toml:50:7  source.mqtt[0].url: a URL holds no user and no password here (use `username` and `password = { credential = "name" }`)
plantlink.toml:51:11  source.mqtt[0].version: `4` is not allowed here (allowed: 5, 3.1.1)
plantlink.toml:52:12  source.mqtt[0].password: expected a table, found a string (The password, when the broker asks for one: `{ credential = "name" }`, `{ file = "path" }` or `{ env = "NAME" }`.)
plantlink.toml:53:7  source.mqtt[0].qos: 3 is out of range (allowed: 1 to 2)
plantlink.toml:56:10  source.mqtt[0].topic[0].filter: `#` has to be the last level, alone
plantlink.toml:61:8  source.mqtt[0].topic[1].type: `workorder finished` is not an event type (allowed: two words of a to z, 0 to 9 and `_`, joined by a dot) (as in workorder.finished)
plantlink.toml:62:6  source.mqtt[0].topic[1].id: a constant `id` is the same for every message (as in `{/messageId}`)
plantlink.toml:63:18  source.mqtt[0].topic[1].data.line: the filter names no level `lime` (allowed: {line}, {plant}, {gateway}, {/json/pointer}) (did you mean `line`?)
plantlink.toml:63:31  source.mqtt[0].topic[1].data.x: expected a string, found a date or a time (put it in quotes)
plantlink.toml:67:7  destination.mqtt[0].url: the URL's port is not a port (allowed: 1 to 65535)
plantlink.toml:68:17  destination.mqtt[0].topic: an event is published to one topic, which has no wildcard: `+` and `#` cannot stand in it
plantlink.toml:69:10  destination.mqtt[0].window: 0 is out of range (allowed: 1 to 65535)
plantlink.toml:73:11  flow[0].events[0]: `Production.*` fits no event type (allowed: a to z, 0 to 9, `_`, `.`, and `*` for any text)
plantlink.toml:74:9  flow[0].from[0]: no device and no MQTT source is named `pres-12` (did you mean `press-12`?)
plantlink.toml:75:6  flow[0].to: no destination is named `centrall` (did you mean `central`?)
plantlink.toml:78:6  heartbeat.to: the list is empty (allowed: one element or more)
plantlink.toml:79:9  heartbeat.every: expected a string, found a whole number (as in "20s")
"#;

#[test]
fn every_problem_comes_at_once_with_its_place() {
    let folder = Folder::with(&[("plantlink.toml", FILE)]);
    assert_eq!(folder.problems(Environment::Check).join("\n"), PROBLEMS.trim());
}

#[test]
fn a_file_with_an_error_gives_no_configuration_and_shows_no_secret() {
    let loaded = Folder::with(&[("plantlink.toml", FILE)]).load(Environment::Check);
    assert!(loaded.config.is_none());
    assert!(!format!("{:?}", loaded.problems).contains("hunter2"));
}
