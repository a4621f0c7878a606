//! A real register map: a three-phase inverter after the SunSpec information models 1 (common) and 103, at base 40000.
//!
//! The offsets are those of json/model_1.json and json/model_103.json in <https://github.com/sunspec/models>: model 1
//! begins at 40002 and, with 66 registers behind its length, ends at 40069; model 103 begins at 40070.

use plantlink_tests::agent::Agent;
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::wait;
use serde_json::{Map, Value, json};

use crate::plant::{LATER, Plant};

const SHEET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sunspec-inverter.csv");

/// The tag sheet follows the table of the specification line by line; the inverter below is filled after the same table,
/// with strings of 16 and 8 registers, scale factors beside their values, and points that it does not implement.
#[tokio::test(flavor = "multi_thread")]
async fn a_sunspec_inverter_is_read_right_at_the_first_try() {
    let mut line = ModbusLine::start(&[1]).await;
    for (address, words) in inverter() {
        line.set(1, Table::Holding, address, &words).await;
    }
    let plant = Plant::start().await;
    let config = plant.config(
        "",
        "",
        &format!(
            r#"
[[source.modbus]]
name = "roof"
address = "tcp://127.0.0.1:{}"
[[source.modbus.device]]
name = "inverter"
unit = 1
every = "100ms"
tag_sheet = "{SHEET}"
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#,
            line.port()
        ),
    );
    let mut agent = Agent::start(&config);
    let first = wait::until("the inverter's values", LATER, async || {
        plant.ledger().events("measurement.sampled").next().cloned()
    })
    .await;
    let expected = json!({
        "manufacturer": "Acme Solar", "model": "Roof 10k", "options": "", "version": "1.2.3", "serial_number": "SN-0042",
        "current": 43.5, "current_a": 14.5, "current_b": 14.5, "current_c": 14.5,
        "voltage_ab": null, "voltage_bc": null, "voltage_ca": null,
        "voltage_a": 230.4, "voltage_b": 231.0, "voltage_c": 229.9,
        "power": 9990.0, "frequency": 49.99, "apparent_power": 10_020.0, "reactive_power": -780.0,
        "power_factor": -99.7, "energy": 123_456_000.0,
        "dc_current": 16.42, "dc_voltage": 612.3, "dc_power": -5.0,
        "cabinet_temperature": 35.5, "heat_sink_temperature": null, "transformer_temperature": 41.0,
        "other_temperature": null, "state": "mppt", "vendor_state": null, "events": ["cabinet_open", "over_temp"],
    });
    let factors = json!({
        "current_sf": -1, "voltage_sf": -1, "power_sf": 1, "frequency_sf": -2, "apparent_power_sf": 1,
        "reactive_power_sf": 1, "power_factor_sf": -1, "energy_sf": 3, "dc_current_sf": -2, "dc_voltage_sf": -1,
        "dc_power_sf": 0, "temperature_sf": -1,
    });
    let data = first.envelope()["data"].as_object().cloned().expect("an object");
    let (found, rest): (Map<_, _>, Map<_, _>) = data.into_iter().partition(|(tag, _)| tag.ends_with("_sf"));
    assert_eq!((Value::Object(rest), Value::Object(found)), (expected, factors));
    let quality = &first.envelope()["metadata"]["quality"];
    let missing = "bad: device has no value";
    let bad = ["voltage_ab", "voltage_bc", "voltage_ca", "heat_sink_temperature", "other_temperature", "vendor_state"];
    let bad = bad.map(|tag| (tag, missing));
    assert_eq!(*quality, Value::from_iter(bad));
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
}

/// The registers of the inverter, piece by piece.
fn inverter() -> Vec<(u16, Vec<u16>)> {
    const NONE: u16 = 0xFFFF;
    let negative = |value: i16| value.cast_unsigned();
    vec![
        (40_000, text("SunS", 2)),
        (40_002, vec![1, 66]),
        (40_004, text("Acme Solar", 16)),
        (40_020, text("Roof 10k", 16)),
        (40_044, text("1.2.3", 8)),
        (40_052, text("SN-0042", 16)),
        (40_070, vec![103, 50]),
        (40_072, vec![435, 145, 145, 145, negative(-1)]),
        (40_077, vec![NONE, NONE, NONE, 2304, 2310, 2299, negative(-1)]),
        (40_084, vec![999, 1, 4999, negative(-2)]),
        (40_088, vec![1002, 1, negative(-78), 1, negative(-997), negative(-1)]),
        (40_094, vec![1, 0xE240, 3]),
        (40_097, vec![1642, negative(-2), 6123, negative(-1)]),
        (40_101, vec![negative(-5), 0, 355, 0x8000, 410, 0x8000, negative(-1)]),
        (40_108, vec![4, NONE, 0, 0b1010_0000]),
    ]
}

/// Characters as SunSpec keeps them: two in a register, filled up with NUL.
fn text(text: &str, registers: usize) -> Vec<u16> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(2 * registers, 0);
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}
