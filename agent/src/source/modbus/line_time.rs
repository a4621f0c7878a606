//! How long requests take on a line, as far as that can be known before anybody has answered.

use std::time::Duration;

use plantlink_config::{LineAddress, ModbusLine, Table};

/// What a request to a device in the plant's network costs: the way there and back, and what the device needs to answer.
/// Few devices are faster, many a controller is slower.
const ROUND_TRIP: Duration = Duration::from_millis(2);
/// A byte at 100 Mbit/s.
const NETWORK_BYTE: Duration = Duration::from_nanos(80);

/// A byte behind a converter, whose setting only the converter knows: eleven bits at 19,200 a second.
const USUAL_CHARACTER: Duration = Duration::from_micros(573);
/// The bytes of a request and of its answer on a serial line, without the data (MODBUS over Serial Line V1.02).
const FRAMES: u32 = 8 + 5;

/// The time that requests cost, whoever answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTime {
    /// Everything but the data, up to the next request.
    pub(crate) request: Duration,
    /// A byte of data: half a register, or eight bits.
    pub(crate) byte: Duration,
}

impl LineTime {
    pub(crate) fn of(line: &ModbusLine) -> Self {
        match &line.address {
            LineAddress::Tcp { .. } => LineTime { request: ROUND_TRIP + line.pause, byte: NETWORK_BYTE },
            LineAddress::RtuOverTcp { .. } => serial(USUAL_CHARACTER, line.pause),
            LineAddress::Serial(port) => serial(port.character(), line.pause),
        }
    }

    /// What reading `count` registers or bits costs.
    pub(crate) fn read(&self, table: Table, count: u16) -> Duration {
        let bytes = match table {
            Table::Coil | Table::Discrete => u32::from(count).div_ceil(8),
            Table::Input | Table::Holding => u32::from(count) * 2,
        };
        self.request + self.byte * bytes
    }
}

/// On a serial line a device needs about as long to answer as one in the network.
fn serial(character: Duration, pause: Duration) -> LineTime {
    LineTime { request: character * FRAMES + ROUND_TRIP + pause, byte: character }
}
