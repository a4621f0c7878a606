//! Where a Modbus line is: behind a TCP port, speaking TCP's framing or the serial one, or at a serial port.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Access, access};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::endpoint::{Endpoint, EndpointError};
use crate::path::Path;
use crate::report::code;
use crate::service_user::Wanted;

/// Where a line is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineAddress {
    /// Modbus TCP: `tcp://host:port`.
    Tcp {
        /// A host name or an IP address, an IPv6 one without brackets.
        host: String,
        /// 502 when the address names none.
        port: u16,
    },
    /// The frames of a serial line over TCP, as simple converters speak: `rtu+tcp://host:port`.
    RtuOverTcp {
        /// A host name or an IP address, an IPv6 one without brackets.
        host: String,
        /// Always named: there is no usual one.
        port: u16,
    },
    /// Modbus RTU at a serial port of this machine: `rtu:///dev/serial/by-id/...`.
    Serial(SerialPort),
}

/// A serial port and how it is set. Characters have eight data bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialPort {
    /// The port's device file.
    pub path: PathBuf,
    /// Bits per second, 300 to 4,000,000.
    pub baud: u32,
    /// The check bit of each character.
    pub parity: Parity,
    /// Stop bits of each character: 1 or 2.
    pub stop_bits: u8,
}

/// The check bit of a character on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// There is none.
    None,
    /// The number of ones is even.
    #[default]
    Even,
    /// The number of ones is odd.
    Odd,
}

/// The port of Modbus TCP that IANA has registered.
pub(crate) const PORT: u16 = 502;

/// What the specification asks every device to offer (MODBUS over Serial Line V1.02, section 2.2).
pub(crate) const BAUD: u32 = 19_200;

pub(crate) const ALLOWED: &str = "allowed: tcp://host:port, rtu+tcp://host:port or rtu:///dev/serial/by-id/NAME";

impl SerialPort {
    /// The silence that ends a frame: 3.5 characters, and 1.75 ms above 19,200 baud (MODBUS over Serial Line V1.02, section
    /// 2.5.1.1).
    pub fn frame_gap(&self) -> Duration {
        if self.baud > 19_200 { Duration::from_micros(1_750) } else { self.character() * 7 / 2 }
    }

    /// How long a character is on the line: its start bit, eight data bits, parity and stop bits.
    pub fn character(&self) -> Duration {
        let parity_bits = match self.parity {
            Parity::None => 0,
            Parity::Even | Parity::Odd => 1,
        };
        Duration::from_secs(1) * (9 + parity_bits + u32::from(self.stop_bits)) / self.baud
    }
}

impl LineAddress {
    /// The pause between an answer and the next request when the file names none. On serial lines that is at least the
    /// silence that ends a frame; many devices need a little more than that.
    pub fn pause(&self) -> Duration {
        match self {
            LineAddress::Tcp { .. } | LineAddress::RtuOverTcp { .. } => Duration::ZERO,
            LineAddress::Serial(port) => port.frame_gap().max(Duration::from_millis(2)),
        }
    }

    /// Whether 0 is a unit that answers. On a serial line it is a broadcast, to which nobody does (MODBUS over Serial Line
    /// V1.02, section 2.1); on TCP many devices take it for themselves.
    pub(crate) fn has_unit_zero(&self) -> bool {
        match self {
            LineAddress::Tcp { .. } => true,
            LineAddress::RtuOverTcp { .. } | LineAddress::Serial(_) => false,
        }
    }
}

/// As it stands in the file.
impl fmt::Display for LineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            LineAddress::Tcp { host, port } => ("tcp", host, port),
            LineAddress::RtuOverTcp { host, port } => ("rtu+tcp", host, port),
            LineAddress::Serial(SerialPort { path, .. }) => return write!(f, "rtu://{}", path.display()),
        };
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

/// The keys that say where a line is.
pub(crate) struct AddressKeys<'a> {
    pub(crate) address: Option<&'a str>,
    pub(crate) baud: u32,
    pub(crate) parity: Parity,
    pub(crate) stop_bits: u8,
}

impl AddressKeys<'_> {
    pub(crate) fn check(&self, line: &Path, check: &mut Check<'_>) -> Option<LineAddress> {
        let text = self.address?;
        let at = &line.key("address");
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if scheme == "rtu" {
            return self.serial(rest, line, check);
        }
        // The file of a port without its scheme is told what it lacks; its settings are not too much.
        let is_port = text.starts_with('/');
        for key in ["baud", "parity", "stop_bits"] {
            if !is_port && check.has_any(line, &[key]) {
                let found = check.report.error(code::BAD_VALUE, &line.key(key), "only a serial port has this");
                found.help("a serial port is an address as in rtu:///dev/serial/by-id/usb-FTDI_A1");
            }
        }
        let refused = match (scheme, Endpoint::parse(text)) {
            ("tcp", Ok(Endpoint { host, port, path: "" | "/", .. })) => {
                return Some(LineAddress::Tcp { host: host.to_owned(), port: port.unwrap_or(PORT) });
            }
            ("rtu+tcp", Ok(Endpoint { host, port: Some(port), path: "" | "/", .. })) => {
                return Some(LineAddress::RtuOverTcp { host: host.to_owned(), port });
            }
            ("rtu+tcp", Ok(Endpoint { port: None, .. })) => {
                "the port is missing: converters have no usual one (as in rtu+tcp://10.20.1.40:4001)".to_owned()
            }
            ("tcp" | "rtu+tcp", Ok(Endpoint { path, .. })) => {
                format!("a line's address has no path: `{path}` is too much")
            }
            ("tcp" | "rtu+tcp", Err(error)) => error.to_string(),
            ("", _) => EndpointError::NoScheme.to_string(),
            (scheme, _) => format!("`{scheme}://` is not possible ({ALLOWED})"),
        };
        let found = check.report.error(code::BAD_VALUE, at, refused);
        if scheme.is_empty() {
            let meant = if is_port { format!("rtu://{text}") } else { format!("tcp://{text}") };
            match is_port || Endpoint::parse(&meant).is_ok() {
                true => found.did_you_mean(Some(&meant)),
                false => found.help("as in tcp://10.20.1.12:502"),
            };
        }
        None
    }

    fn serial(&self, path: &str, line: &Path, check: &mut Check<'_>) -> Option<LineAddress> {
        let at = &line.key("address");
        if !path.starts_with('/') {
            let found = check.report.error(code::BAD_VALUE, at, "a serial port is the whole path of its file");
            found.help("with three slashes, as in rtu:///dev/serial/by-id/usb-FTDI_A1");
            return None;
        }
        let path = PathBuf::from(path);
        if let Err(error) = std::fs::metadata(&path) {
            let message = format!("cannot find {}: {error}", path.display());
            check.report.warning(code::UNREADABLE, at, message).help("the line comes up when the port is there");
        } else if let Some(obstacle) = access(&path, Access::READ_OK | Access::WRITE_OK)
            .map_or_else(|error| Some(error.to_string()), |()| check.obstacle(&path, Wanted::ReadAndWrite))
        {
            let message = format!("cannot use {}: {obstacle}", path.display());
            let found = check.report.warning(code::UNREADABLE, at, message);
            found.help("serial ports belong to the group dialout, in which the service is");
        }
        let Self { baud, parity, stop_bits, .. } = *self;
        Some(LineAddress::Serial(SerialPort { path, baud, parity, stop_bits }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(baud: u32, parity: Parity, stop_bits: u8) -> SerialPort {
        SerialPort { path: "/dev/ttyUSB0".into(), baud, parity, stop_bits }
    }

    #[test]
    fn a_frame_ends_with_three_and_a_half_characters_of_silence_and_on_fast_lines_with_a_fixed_one() {
        let gap = |baud| port(baud, Parity::Even, 1).frame_gap().as_micros();
        assert_eq!([gap(1_200), gap(9_600), gap(19_200)], [32_083, 4_010, 2_005]);
        assert_eq!([gap(38_400), gap(115_200)], [1_750, 1_750]);
    }

    #[test]
    fn a_character_has_ten_to_twelve_bits() {
        let bits = |parity, stop_bits| port(1_000, parity, stop_bits).character().as_millis();
        assert_eq!([bits(Parity::None, 1), bits(Parity::Odd, 1), bits(Parity::Even, 2)], [10, 11, 12]);
    }
}
