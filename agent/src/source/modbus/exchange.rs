//! One question and what came back: the request in the words of the client's library, and the answer only if it fits.

use std::io;
use std::time::Duration;

use plantlink_config::Table;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context};
use tokio_modbus::{ExceptionCode, Response};

use super::plan::Request;

/// What a unit holds, as many as were asked for; bits are filled up to a multiple of eight.
#[derive(Debug)]
pub(crate) enum Answer {
    Bits(Vec<bool>),
    Words(Vec<u16>),
}

/// What a unit is asked, and which answers fit.
pub(crate) trait Query {
    type Answer;

    /// In the words of the client's library.
    fn to_request(&self) -> tokio_modbus::Request<'static>;

    /// The answer, if it is one to this; that its header and function are those of the request has been checked by then.
    fn fitting(&self, response: Response) -> Option<Self::Answer>;
}

/// How one request ended.
#[derive(Debug)]
pub(crate) enum Outcome<A> {
    Answered(A),
    /// The unit answered with an exception of this code.
    Refused(u8),
    /// The answer has another length than the question.
    Unfitting,
    Late,
    Garbled,
    /// The peer ended the connection or takes no new one, or the port is gone.
    Closed,
}

impl<A> Outcome<A> {
    /// The same request may fare better. A unit that is busy asks for just that.
    pub(crate) fn may_differ(&self) -> bool {
        match self {
            Outcome::Answered(_) => false,
            Outcome::Refused(exception) => is_busy(*exception),
            Outcome::Unfitting | Outcome::Late | Outcome::Garbled | Outcome::Closed => true,
        }
    }
}

/// Whether an exception says that the unit has something else to do (MODBUS Application Protocol V1.1b3, section 7).
pub(crate) fn is_busy(exception: u8) -> bool {
    matches!(exception, 5 | 6)
}

/// Asks once and waits for the answer, `limit` at most.
pub(crate) async fn call<Q: Query>(context: &mut Context, query: &Q, limit: Duration) -> Outcome<Q::Answer> {
    match timeout(limit, context.call(query.to_request())).await {
        Err(_elapsed) => Outcome::Late,
        Ok(Err(tokio_modbus::Error::Protocol(_))) => Outcome::Garbled,
        Ok(Err(tokio_modbus::Error::Transport(error))) if is_garbled(&error) => Outcome::Garbled,
        Ok(Err(tokio_modbus::Error::Transport(_))) => Outcome::Closed,
        Ok(Ok(Err(exception))) => Outcome::Refused(code(exception)),
        Ok(Ok(Ok(response))) => query.fitting(response).map_or(Outcome::Unfitting, Outcome::Answered),
    }
}

impl Query for Request {
    type Answer = Answer;

    fn to_request(&self) -> tokio_modbus::Request<'static> {
        match self.table {
            Table::Coil => tokio_modbus::Request::ReadCoils(self.first, self.count),
            Table::Discrete => tokio_modbus::Request::ReadDiscreteInputs(self.first, self.count),
            Table::Input => tokio_modbus::Request::ReadInputRegisters(self.first, self.count),
            Table::Holding => tokio_modbus::Request::ReadHoldingRegisters(self.first, self.count),
        }
    }

    fn fitting(&self, response: Response) -> Option<Answer> {
        let count = usize::from(self.count);
        if let Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) = response {
            (bits.len() == count.next_multiple_of(8)).then_some(Answer::Bits(bits))
        } else if let Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words) = response {
            (words.len() == count).then_some(Answer::Words(words))
        } else {
            None
        }
    }
}

fn code(exception: ExceptionCode) -> u8 {
    exception.into()
}

/// Whether the bytes that came are no Modbus. Errors of the socket or the port have a number of the system; the end of the
/// stream arrives as an arbitrary one of those, as `BrokenPipe`, or as `Other` in the middle of an answer.
fn is_garbled(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && !matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::BrokenPipe)
}
