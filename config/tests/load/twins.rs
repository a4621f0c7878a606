//! Two devices of one unit: a table that was copied and whose unit was forgotten, or two machines behind one controller.

use plantlink_config::Environment;

use crate::folder::Folder;

/// What is said of a second device on the line, with this unit and these tags.
fn problems(unit: u8, tags: &str) -> Vec<String> {
    let text = format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
flow = [{{ name = "all", events = ["*"], to = "center" }}]
destination.mqtt = [{{ name = "center", url = "mqtt://center" }}]
[[source.modbus]]
name = "line"
address = "tcp://plc"
[[source.modbus.device]]
name = "press-1"
unit = 1
every = "1s"
tag = [{{ name = "count", at = "40001", type = "u32" }}, {{ name = "run", at = "40010", bit = 0 }}]
event = [{{ type = "measurement.sampled", sample = "*" }}]
[[source.modbus.device]]
name = "press-2"
unit = {unit}
every = "1s"
tag = [{tags}]
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#
    );
    Folder::with(&[("plantlink.toml", &text)]).problems(Environment::Run)
}

#[test]
fn a_device_that_reads_nothing_but_what_another_of_its_unit_reads_is_a_doubt() {
    let told = "plantlink.toml:16:8  warning: source.modbus[0].device[1].unit: `press-1` is unit 1 of this line too, and reads \
                the same (is the unit right?)";
    assert_eq!(problems(1, r#"{ name = "count", at = "holding:0", type = "u32" }"#), [told]);
}

#[test]
fn machines_behind_one_unit_with_registers_or_bits_of_their_own_are_none() {
    for tags in [
        r#"{ name = "count", at = "40101", type = "u32" }"#,
        r#"{ name = "count", at = "40001", type = "u32" }, { name = "run", at = "40010", bit = 1 }"#,
    ] {
        assert_eq!(problems(1, tags), Vec::<String>::new(), "{tags}");
    }
    assert_eq!(problems(2, r#"{ name = "count", at = "40001", type = "u32" }"#), Vec::<String>::new());
}
