//! A line's address by itself, as it is typed in a command.

use std::path::PathBuf;
use std::str::FromStr;

use crate::endpoint::{Endpoint, EndpointError};
use crate::line_address::{ALLOWED, BAUD, LineAddress, PORT, Parity, SerialPort};

/// Why a text is no line's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineUrlError {
    /// It speaks of something else.
    #[error("`{0}` is no Modbus line ({ALLOWED})")]
    NoLine(String),
    /// Something in it is wrong.
    #[error("`{text}` is no Modbus line: {cause} ({ALLOWED})")]
    Wrong {
        /// What was typed.
        text: String,
        /// What is wrong with it, in words.
        cause: String,
    },
}

/// A serial port gets the settings that the specification asks every device to offer: 19,200 baud, even parity, one stop
/// bit.
impl FromStr for LineAddress {
    type Err = LineUrlError;

    fn from_str(text: &str) -> Result<Self, LineUrlError> {
        if let Some(path) = text.strip_prefix("rtu://").filter(|path| path.starts_with('/')) {
            return Ok(Self::Serial(SerialPort {
                path: PathBuf::from(path),
                baud: BAUD,
                parity: Parity::default(),
                stop_bits: 1,
            }));
        }
        let wrong = |error: EndpointError| LineUrlError::Wrong { text: text.to_owned(), cause: error.to_string() };
        let endpoint = match Endpoint::parse(text) {
            Err(EndpointError::NoScheme) => return Err(LineUrlError::NoLine(text.to_owned())),
            endpoint => endpoint.map_err(wrong)?,
        };
        let Endpoint { scheme, host, port, path, .. } = endpoint;
        match (scheme, port, path) {
            ("tcp", port, "" | "/") => Ok(Self::Tcp { host: host.to_owned(), port: port.unwrap_or(PORT) }),
            ("rtu+tcp", Some(port), "" | "/") => Ok(Self::RtuOverTcp { host: host.to_owned(), port }),
            (_, _, _) => Err(LineUrlError::NoLine(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_typed_as_it_stands_in_the_file() {
        for (text, expected) in [
            ("tcp://10.20.1.12:502", Some("tcp://10.20.1.12:502")),
            ("tcp://plc.lan", Some("tcp://plc.lan:502")),
            ("tcp://[::1]:1502/", Some("tcp://[::1]:1502")),
            ("rtu+tcp://10.20.1.40:4001", Some("rtu+tcp://10.20.1.40:4001")),
            ("rtu:///dev/ttyUSB0", Some("rtu:///dev/ttyUSB0")),
            ("rtu+tcp://10.20.1.40", None),
            ("rtu://dev/ttyUSB0", None),
            ("mqtt://broker", None),
            ("tcp://plc.lan/registers", None),
            ("10.20.1.12", None),
        ] {
            let found = text.parse::<LineAddress>();
            assert_eq!(found.as_ref().ok().map(LineAddress::to_string).as_deref(), expected, "{text}: {found:?}");
        }
    }
}
