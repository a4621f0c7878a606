//! What a command at the cabinet is about: a device of the configuration, or an address and a unit.

use std::time::Duration;

use clap::{Args, ValueEnum};
use plantlink_config::{
    Address, AddressError, Config, Device, LineAddress, LineUrlError, ModbusLine, Name, Numbering, Parity, SerialPort,
    Source,
};

use crate::unknown::unknown;

/// How a line is spoken to that stands in no configuration.
#[derive(Debug, Args)]
pub(super) struct LineArgs {
    /// How long an answer may take, in milliseconds
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000), value_name = "MS")]
    timeout_ms: u64,
    /// Bits per second of a serial port
    #[arg(long, default_value_t = 19_200, value_parser = clap::value_parser!(u32).range(300..=4_000_000))]
    baud: u32,
    /// Parity of a serial port
    #[arg(long, value_enum, default_value_t = ParityArg::Even)]
    parity: ParityArg,
    /// Stop bits of a serial port
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    stop_bits: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ParityArg {
    None,
    Even,
    Odd,
}

/// Why a command has nothing to ask.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("the configuration is not there or has mistakes, so its devices are not known; `plantlink check` says why")]
    NoConfiguration,
    #[error("no device is called `{name}` ({known})")]
    Unknown { name: String, known: String },
    #[error(transparent)]
    Url(#[from] LineUrlError),
    #[error("a line has many units: --unit N says which one")]
    NoUnit,
    #[error("`{name}` is unit {unit}: --unit is for addresses of lines")]
    UnitOfDevice { name: String, unit: u8 },
    #[error("{device} has no tag `{name}` ({known}), and an address is written as in holding:12 or 40013")]
    NoTag { device: String, name: String, known: String },
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// A unit on a line.
#[derive(Debug)]
pub(super) struct Target {
    /// How the line is spoken to; of its devices only [`Target::device`] counts.
    pub(super) line: ModbusLine,
    pub(super) unit: u8,
    /// The device of the configuration, if it is one.
    pub(super) device: Option<Device>,
}

impl LineArgs {
    /// The line that was typed.
    pub(super) fn line(&self, url: &str) -> Result<ModbusLine, LineUrlError> {
        let mut address: LineAddress = url.parse()?;
        if let LineAddress::Serial(port) = &mut address {
            port.baud = self.baud;
            port.stop_bits = self.stop_bits;
            port.parity = match self.parity {
                ParityArg::None => Parity::None,
                ParityArg::Even => Parity::Even,
                ParityArg::Odd => Parity::Odd,
            };
        }
        let pause = address.pause();
        let name = Name::new("line").ok_or_else(|| LineUrlError::NoLine(url.to_owned()))?;
        Ok(ModbusLine { name, address, timeout: Duration::from_millis(self.timeout_ms), pause, devices: Vec::new() })
    }

    /// The line at each of these speeds; as it was typed without any, or where there is no speed to choose.
    pub(super) fn at_bauds(&self, url: &str, bauds: &[u32]) -> Result<Vec<ModbusLine>, LineUrlError> {
        let line = self.line(url)?;
        let LineAddress::Serial(port) = &line.address else { return Ok(vec![line]) };
        if bauds.is_empty() {
            return Ok(vec![line]);
        }
        let at = |baud: &u32| {
            let address = LineAddress::Serial(SerialPort { baud: *baud, ..port.clone() });
            ModbusLine { pause: address.pause(), address, ..line.clone() }
        };
        Ok(bauds.iter().map(at).collect())
    }
}

impl Target {
    /// Finds what `text` names: a device, or a line, on which `unit` is meant.
    pub(super) fn find(
        text: &str,
        unit: Option<u8>,
        args: &LineArgs,
        config: Option<&Config>,
    ) -> Result<Self, TargetError> {
        // What can be no name is meant for a line, also where the scheme was left out.
        if Name::new(text).is_none() {
            return Ok(Target { line: args.line(text)?, unit: unit.ok_or(TargetError::NoUnit)?, device: None });
        }
        let lines = || {
            config.into_iter().flat_map(|config| &config.sources).filter_map(|source| match source {
                Source::Modbus(line) => Some(line),
                Source::Mqtt(_) => None,
            })
        };
        let mut devices = lines().flat_map(|line| line.devices.iter().map(move |device| (line, device)));
        match (devices.find(|(_, device)| *device.name == *text), unit) {
            (Some((_, device)), Some(_)) => Err(TargetError::UnitOfDevice { name: text.to_owned(), unit: device.unit }),
            (Some((line, device)), None) => {
                Ok(Target { line: line.clone(), unit: device.unit, device: Some(device.clone()) })
            }
            (None, _) if config.is_none() => Err(TargetError::NoConfiguration),
            (None, _) => {
                let known = unknown(text, lines().flat_map(|line| &line.devices).map(|device| &*device.name));
                Err(TargetError::Unknown { name: text.to_owned(), known })
            }
        }
    }

    /// The place of a tag or of a register, bare numbers as the device's manual means them.
    pub(super) fn address(&self, text: &str) -> Result<Address, TargetError> {
        if let Some(tag) = self.device.iter().flat_map(|device| device.tags.iter()).find(|tag| *tag.name == *text) {
            return Ok(tag.at);
        }
        Address::parse(text, self.numbering()).map_err(|error| match (&error, &self.device) {
            (AddressError::NotAnAddress(_), Some(device)) => TargetError::NoTag {
                device: device.name.to_string(),
                name: text.to_owned(),
                known: unknown(text, device.tags.iter().map(|tag| &*tag.name)),
            },
            (_, _) => error.into(),
        })
    }

    /// How bare numbers are meant; nobody says for a URL.
    pub(super) fn numbering(&self) -> Numbering {
        self.device.as_ref().map_or_else(Numbering::default, |device| device.numbering)
    }
}
