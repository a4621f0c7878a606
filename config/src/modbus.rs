//! A Modbus line: one master, one connection, and the devices behind it.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::Address;
use crate::check::Check;
use crate::device::{Device, DeviceTable};
use crate::interval::Interval;
use crate::items::Items;
use crate::line_address::{AddressKeys, BAUD, LineAddress, Parity};
use crate::name::Name;
use crate::path::Path;
use crate::report::code;
use crate::tag_type::TagType;

/// One connection with the units behind it, asked one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct ModbusLine {
    /// Unique among lines, devices and MQTT sources.
    pub name: Name,
    /// Where it is.
    pub address: LineAddress,
    /// How long an answer may take, never zero.
    pub timeout: Duration,
    /// The pause between an answer and the next request, and after connecting.
    pub pause: Duration,
    /// Its devices, at least one.
    pub devices: Vec<Device>,
}

/// A Modbus line: one connection with the units behind it, asked one after the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModbusTable {
    /// Unique among lines, devices and MQTT sources.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// `tcp://host:port` for Modbus TCP (the port is 502 when it is left out), `rtu+tcp://host:port` for a converter that
    /// passes the frames of a serial line on, `rtu:///dev/serial/by-id/NAME` for a serial port of this machine.
    #[schemars(required)]
    address: Option<String>,
    /// Bits per second of a serial port.
    #[serde(default = "baud")]
    #[schemars(range(min = 300, max = 4_000_000))]
    baud: u32,
    /// The parity of a serial port.
    #[serde(default)]
    parity: Parity,
    /// Stop bits of a serial port.
    #[serde(default = "stop_bits")]
    #[schemars(range(min = 1, max = 2))]
    stop_bits: u8,
    /// How long an answer may take.
    #[serde(default = "timeout")]
    timeout: Interval,
    /// The pause between an answer and the next request, and after connecting. Left out it is 0 on TCP, and on a serial
    /// port 3.5 characters or 2 ms, whichever is longer.
    pause: Option<Interval>,
    /// The units on this line.
    #[schemars(required, length(min = 1))]
    pub(crate) device: Option<Items<DeviceTable>>,
}

fn baud() -> u32 {
    BAUD
}

fn stop_bits() -> u8 {
    1
}

fn timeout() -> Interval {
    Interval::new("500ms")
}

impl ModbusTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<ModbusLine> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let keys = AddressKeys {
            address: self.address.as_deref(),
            baud: self.baud,
            parity: self.parity,
            stop_bits: self.stop_bits,
        };
        let address = keys.check(at, check);
        let timeout = self.timeout.check_some(&at.key("timeout"), &mut check.report);
        let pause = match &self.pause {
            Some(pause) => pause.check(&at.key("pause"), &mut check.report),
            None => address.as_ref().map(LineAddress::pause),
        };
        let tables = self.device.iter().flat_map(|devices| devices.iter(&at.key("device")));
        let has_unit_zero = address.as_ref().is_none_or(LineAddress::has_unit_zero);
        let mut devices = Vec::new();
        for (at, table) in tables {
            if table.unit == Some(0) && !has_unit_zero {
                let message = "no unit of a serial line answers to 0 (allowed: 1 to 255)";
                check.report.error(code::BAD_VALUE, &at.key("unit"), message);
            }
            let Some(device) = table.check(&at, check) else { continue };
            check_twin(&devices, &device, &at.key("unit"), check);
            devices.push(device);
        }
        Some(ModbusLine { name: name?, address: address?, timeout: timeout?, pause: pause?, devices })
    }
}

/// Machines may stand behind one unit, each in registers of its own. One that reads nothing but what another reads is a copy of
/// its table in which the unit was forgotten.
fn check_twin(earlier: &[Device], device: &Device, at: &Path, check: &mut Check<'_>) {
    let reads_all = |other: &&Device| {
        let mut kinds: HashMap<Address, Vec<&TagType>> = HashMap::new();
        for tag in other.tags.iter() {
            kinds.entry(tag.at).or_default().push(&tag.kind);
        }
        device.tags.iter().all(|tag| kinds.get(&tag.at).is_some_and(|kinds| kinds.contains(&&tag.kind)))
    };
    let mut of_unit = earlier.iter().filter(|other| other.unit == device.unit && !device.tags.is_empty());
    if let Some(twin) = of_unit.find(reads_all) {
        let message = format!("`{}` is unit {} of this line too, and reads the same", twin.name, twin.unit);
        check.report.warning(code::DUPLICATE, at, message).help("is the unit right?");
    }
}
