//! The Unix socket by which the other commands talk to the running agent: a request is a line, and so is
//! an answer.

mod caller;
mod carried;
mod client;
mod dead;
mod disposal;
mod follow;
mod gone;
mod lines;
mod order;
mod patience;
mod reconcile;
mod server;
mod stage;
mod tail;
mod trail;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::human;
use crate::source::modbus::Question;

pub(crate) use caller::own;
pub(crate) use carried::{Carried, Carrier};
pub(crate) use client::{Followed, ask};
pub(crate) use dead::{Dead, Selection, Wording};
pub(crate) use follow::Follow;
pub(crate) use gone::{GivenUp, Gone};
pub(crate) use lines::Lines;
pub(crate) use order::{Order, Replay};
use patience::Patience;
pub(crate) use reconcile::{Reconcile, Reconcilers};
pub(crate) use server::{Control, FrontDesk};
pub(crate) use stage::Stage;
pub(crate) use tail::Tail;
pub(crate) use trail::{Found, Trail, Whereabouts};

const SOCKET: &str = "plantlink.sock";
/// Where systemd puts it, for commands that are not started by systemd.
const RUNTIME_DIRECTORY: &str = "/run/plantlink";
/// The longest request, with the end of its line.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request {
    /// What the agent is doing.
    Status,
    /// What a person may have done: the one way in for manual acts.
    Order(Order),
    /// Dead letters.
    Dead(Dead),
    /// That what a destination confirmed is compared with what it holds.
    Reconcile(Reconcile),
    /// Where an event is.
    Trail(Trail),
    /// Whether the agent holds the Modbus line of this address, and what a unit on it holds.
    Line { address: String, question: Option<Question> },
    /// The last events that carried a tag's value.
    Carried(Carried),
    /// That the configuration is read again, and taken up if it is right.
    Reload,
    /// What comes from now on.
    Follow(Follow),
}

impl Request {
    fn patience(&self) -> Patience {
        match self {
            Request::Reconcile(_) => Patience::Comparison,
            Request::Reload => Patience::Reload,
            Request::Status
            | Request::Order(_)
            | Request::Dead(_)
            | Request::Trail(_)
            | Request::Line { .. }
            | Request::Carried(_)
            | Request::Follow(_) => Patience::Short,
        }
    }
}

/// The socket could not be made, or the agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("cannot listen at {}", path.display())]
    Listen {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("no agent is running (tried {})", tried.join(", "))]
    NotRunning { tried: Vec<String> },
    #[error("may not talk to the agent at {} (its group may)", path.display())]
    Forbidden { path: PathBuf },
    #[error("the agent at {} gave no answer", path.display())]
    NoAnswer {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(
        "the agent at {} has given no answer within {}{}",
        path.display(),
        human::seconds(patience.limit().as_secs()),
        patience.outlook()
    )]
    Late { path: PathBuf, patience: Patience },
    #[error(
        "the request has {bytes} bytes, and the agent takes {REQUEST_BYTES_MAX}: name fewer at once, or select dead letters by \
         --flow, --source, --reason or --all"
    )]
    TooLong { bytes: usize },
    #[error("{0}")]
    Refused(String),
}

fn beside(buffer: &Path) -> PathBuf {
    buffer.with_file_name(SOCKET)
}
