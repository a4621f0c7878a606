//! The way of a command to a line: through the agent that holds it, or over a connection of its own.

use std::io;
use std::path::{Path, PathBuf};

use plantlink_config::ModbusLine;
use serde_json::Value;

use crate::control::{ControlError, Request, ask};
use crate::source::modbus::{Connection, Question, Reply, put};

/// A line that can be asked.
pub(super) enum Access {
    /// The agent asks between two of its scans.
    Agent { buffer: Option<PathBuf>, address: String },
    /// Nobody else is on the line, as far as this machine goes.
    Own(Connection),
}

/// Why a line cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the agent's answer is not understood; is it of another version?")]
    Answer(#[from] serde_json::Error),
    #[error("cannot reach {address}: {}", plain(cause))]
    Unreachable {
        address: String,
        #[source]
        cause: io::Error,
    },
    #[error(
        "the running agent holds {0}, and a line has one master: stop the agent first (`read`, `probe` and `why` work beside it)"
    )]
    Held(String),
}

impl Access {
    /// Finds the way to a line. `buffer` is where the agent's socket may be.
    pub(super) async fn open(buffer: Option<&Path>, line: &ModbusLine) -> Result<Self, AccessError> {
        let address = line.address.to_string();
        if is_held(buffer, &address).await? {
            return Ok(Access::Agent { buffer: buffer.map(Path::to_owned), address });
        }
        let mut connection = Connection::new(line.address.clone(), line.timeout, line.pause);
        connection.open().await.map_err(|cause| AccessError::Unreachable { address, cause })?;
        Ok(Access::Own(connection))
    }

    /// A connection of the command's own, on a line that no agent holds.
    pub(super) async fn alone(buffer: Option<&Path>, line: &ModbusLine) -> Result<Connection, AccessError> {
        match Self::open(buffer, line).await? {
            Access::Agent { address, .. } => Err(AccessError::Held(address)),
            Access::Own(connection) => Ok(connection),
        }
    }

    /// Asks a unit.
    pub(super) async fn ask(&mut self, question: Question) -> Result<Reply, AccessError> {
        match self {
            Access::Own(connection) => Ok(put(connection, &question).await),
            Access::Agent { buffer, address } => {
                let request = Request::Line { address: address.clone(), question: Some(question) };
                Ok(serde_json::from_value(ask(buffer.as_deref(), &request).await?)?)
            }
        }
    }
}

/// Whether a running agent is the line's master.
async fn is_held(buffer: Option<&Path>, address: &str) -> Result<bool, ControlError> {
    let request = Request::Line { address: address.to_owned(), question: None };
    match ask(buffer, &request).await {
        Ok(answer) => Ok(answer.get("held").and_then(Value::as_bool).unwrap_or(false)),
        Err(ControlError::NotRunning { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What to look at first, by the kind of failure.
fn plain(cause: &io::Error) -> &'static str {
    // Kinds are an open list: whatever is not named here is told by the cause itself.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list of kinds is open")]
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => "the machine is there, and nothing listens at this port",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it",
        io::ErrorKind::TimedOut => "nothing answers; is the address right, and is it switched on?",
        io::ErrorKind::NotFound => "there is no such port; is the adapter plugged in?",
        io::ErrorKind::PermissionDenied => "you may not use it; serial ports are for members of the group dialout",
        _ => "it does not open",
    }
}
