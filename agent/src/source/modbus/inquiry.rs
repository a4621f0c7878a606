//! A question to a line from beside its scans: what a unit holds now. The line's own task asks it, so that there is one
//! master whoever wants to know.

use plantlink_config::Table;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, Failure};
use super::exchange::Answer;
use super::plan::Request;
use crate::reading::Fault;

/// More than these wait at the asking end.
const WAITING_MAX: usize = 8;
/// A lost answer is asked for once more.
pub(crate) const RETRIES: u8 = 1;

/// What a unit holds in a row of registers or bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) unit: u8,
    pub(crate) table: Table,
    /// The wire address of the first one.
    pub(crate) first: u16,
    pub(crate) count: u16,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    Words(Vec<u16>),
    Bits(Vec<bool>),
    /// The unit is there and does not give this.
    Refused(Fault),
    /// Nothing came from the unit.
    Silent(Fault),
}

/// A question on its way.
pub(crate) struct Inquiry {
    question: Question,
    reply: oneshot::Sender<Reply>,
}

/// Where a line is asked.
#[derive(Debug, Clone)]
pub(crate) struct Desk(mpsc::Sender<Inquiry>);

/// The line's end.
pub(crate) struct Inquiries {
    desk: Desk,
    waiting: mpsc::Receiver<Inquiry>,
}

impl Question {
    fn request(&self) -> Request {
        Request { table: self.table, first: self.first, count: self.count, tags: Vec::new() }
    }
}

impl Desk {
    /// Waits for the reply; `None` from a line that has ended.
    pub(crate) async fn ask(&self, question: Question) -> Option<Reply> {
        let (reply, replied) = oneshot::channel();
        self.0.send(Inquiry { question, reply }).await.ok()?;
        replied.await.ok()
    }
}

impl Default for Inquiries {
    fn default() -> Self {
        let (desk, waiting) = mpsc::channel(WAITING_MAX);
        Inquiries { desk: Desk(desk), waiting }
    }
}

impl Inquiries {
    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Waits for the next question.
    pub(crate) async fn next(&mut self) -> Inquiry {
        match self.waiting.recv().await {
            Some(inquiry) => inquiry,
            // It holds an asking end itself.
            None => std::future::pending().await,
        }
    }
}

impl Inquiry {
    /// Asks the unit, unless whoever wanted to know has gone.
    pub(crate) async fn answer(self, connection: &mut Connection) {
        if !self.reply.is_closed() {
            // Whoever goes now does not need it.
            let _ = self.reply.send(put(connection, &self.question).await);
        }
    }
}

/// Puts a question to a unit.
pub(crate) async fn put(connection: &mut Connection, question: &Question) -> Reply {
    match connection.read(question.unit, &question.request(), RETRIES).await {
        Ok(Answer::Words(words)) => Reply::Words(words),
        Ok(Answer::Bits(bits)) => Reply::Bits(bits),
        Err(Failure::Refused(fault)) => Reply::Refused(fault),
        Err(Failure::Silent(fault)) => Reply::Silent(fault),
    }
}
