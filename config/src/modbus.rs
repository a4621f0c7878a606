//! A Modbus line: one master, one connection, and the devices behind it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    check::Check,
    device::{Device, DeviceTable},
    endpoint::Endpoint,
    interval::Interval,
    items::Items,
    name::Name,
    path::Path,
    report::code,
};

/// One connection with the units behind it, asked one after the other.
#[derive(Debug, Clone)]
pub struct ModbusLine {
    /// Unique among lines, devices and MQTT sources.
    pub name: Name,
    /// Where it is.
    pub address: LineAddress,
    /// How long an answer may take, never zero.
    pub timeout: Duration,
    /// The pause between an answer and the next request.
    pub pause: Duration,
    /// Its devices, at least one.
    pub devices: Vec<Device>,
}

/// Where a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineAddress {
    /// Modbus TCP.
    Tcp {
        /// A host name or an IP address, an IPv6 one without brackets.
        host: String,
        /// 502 when the address names none.
        port: u16,
    },
}

/// A Modbus line: one connection with the units behind it, asked one after the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModbusTable {
    /// Unique among lines, devices and MQTT sources.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// `tcp://host` or `tcp://host:port`. The port is 502 when it is left out.
    #[schemars(required)]
    address: Option<String>,
    /// How long an answer may take.
    #[serde(default = "timeout")]
    timeout: Interval,
    /// The pause between an answer and the next request.
    #[serde(default = "pause")]
    pause: Interval,
    /// The units on this line.
    #[schemars(required, length(min = 1))]
    pub(crate) device: Option<Items<DeviceTable>>,
}

fn timeout() -> Interval {
    Interval::new("500ms")
}

fn pause() -> Interval {
    Interval::new("0ms")
}

/// The port of Modbus TCP that IANA has registered.
const PORT: u16 = 502;

impl ModbusTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<ModbusLine> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let address = self.address.as_ref().and_then(|text| line_address(text, &at.key("address"), check));
        let timeout = self.timeout.check_some(&at.key("timeout"), &mut check.report);
        let pause = self.pause.check(&at.key("pause"), &mut check.report);
        let tables = self.device.iter().flat_map(|devices| devices.iter(&at.key("device")));
        let devices = tables.filter_map(|(at, device)| device.check(&at, check)).collect();
        Some(ModbusLine { name: name?, address: address?, timeout: timeout?, pause: pause?, devices })
    }
}

fn line_address(text: &str, at: &Path, check: &mut Check<'_>) -> Option<LineAddress> {
    let refused = match Endpoint::parse(text) {
        Ok(Endpoint { scheme: "tcp", host, port, path: "" | "/" }) => {
            return Some(LineAddress::Tcp { host: host.to_owned(), port: port.unwrap_or(PORT) });
        }
        Ok(Endpoint { scheme: "tcp", path, .. }) => format!("a line's address has no path: `{path}` is too much"),
        _ if text.contains("://") && !text.starts_with("tcp://") => {
            let scheme = text.split("://").next().unwrap_or_default();
            format!("`{scheme}://` is not possible (allowed: tcp://host or tcp://host:port)")
        }
        Ok(_) => "this is not the address of a line (allowed: tcp://host or tcp://host:port)".to_owned(),
        Err(error) => error.to_string(),
    };
    let found = check.report.error(code::BAD_VALUE, at, refused);
    if !text.contains("://") {
        found.help("as in tcp://10.20.1.12:502");
    }
    None
}
