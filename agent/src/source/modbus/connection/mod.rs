//! The connection of a line: one request in flight, a limit on every wait, and no answer that does not fit its question.
//!
//! Framing as in the MODBUS Messaging on TCP/IP Implementation Guide V1.0b and in MODBUS over Serial Line V1.02. On TCP an
//! answer carries the number of its request: a connection whose answer is late or cannot be understood is dropped, so that
//! what still arrives on it is never taken for the answer to a later request. On a serial line answers carry no number:
//! when one does not come the same request goes out again, for which a late answer is still right, and before any other
//! request the line has to be silent for as long as an answer may take. An answer that comes later than that cannot be
//! known as such; a unit that needs so long needs a longer `timeout`.

use std::io;
use std::time::Duration;

use plantlink_config::LineAddress;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_modbus::client::{Context, rtu, tcp};
use tokio_modbus::slave::{Slave, SlaveContext as _};

use super::exchange::{Outcome, Query, call, is_busy};
use super::port::{Opening, Port};
use crate::reading::Fault;

/// Room for two lost packets, which TCP repeats after one and three seconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A connection to a line, made when it is needed.
pub(crate) struct Connection {
    address: LineAddress,
    timeout: Duration,
    pause: Duration,
    /// Absent while a request is in flight, so that one that is given up halfway takes the connection with it.
    link: Option<Link>,
    /// Used by serial ports only.
    opening: Opening,
    /// On a serial line: answers to earlier requests may still arrive, those that are in time until then, late ones after.
    doubt: Option<Instant>,
    /// No request before this: the pause after the last one.
    rested: Instant,
}

/// What requests go through.
enum Link {
    Tcp(Context),
    Rtu(Port),
}

/// Why a request brought nothing to read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The unit is there and will not give this: other requests may fare better.
    Refused(Fault),
    /// Nothing came from the unit that can be used: it would be the same with its other requests.
    Silent(Fault),
}

impl Connection {
    /// `timeout` is the limit of one answer, `pause` the time between an answer and the next request.
    pub(crate) fn new(address: LineAddress, timeout: Duration, pause: Duration) -> Self {
        let opening = Opening::default();
        Connection { address, timeout, pause, link: None, opening, doubt: None, rested: Instant::now() }
    }

    /// Connects, unless a connection is there.
    pub(crate) async fn open(&mut self) -> io::Result<()> {
        if self.link.is_none() {
            let link = match &self.address {
                LineAddress::Tcp { host, port } => Link::Tcp(tcp::attach(dial(host, *port).await?)),
                LineAddress::RtuOverTcp { host, port } => Link::Rtu(Port::new(dial(host, *port).await?)),
                LineAddress::Serial(port) => Link::Rtu(self.opening.open(port, CONNECT_WITHIN).await?),
            };
            self.attach(link);
        }
        Ok(())
    }

    /// A serial line that is open already, at this end of a pipe.
    #[cfg(test)]
    pub(crate) fn over(stream: impl super::port::Stream + 'static, timeout: Duration, pause: Duration) -> Self {
        let port = plantlink_config::SerialPort {
            path: "/dev/null/none".into(),
            baud: 19_200,
            parity: plantlink_config::Parity::Even,
            stop_bits: 1,
        };
        let mut connection = Connection::new(LineAddress::Serial(port), timeout, pause);
        connection.attach(Link::Rtu(Port::new(stream)));
        connection
    }

    fn attach(&mut self, link: Link) {
        let now = Instant::now();
        self.link = Some(link);
        // Whoever used the line before may have left a question open.
        self.doubt = Some(now);
        self.rested = now + self.pause;
    }

    /// Asks a unit, up to `retries` times again where the same request may fare better. A connection that the peer has closed
    /// is made again and the request repeated in any case, once: many devices close what was idle for a while.
    pub(crate) async fn read<Q: Query>(&mut self, unit: u8, query: &Q, retries: u8) -> Result<Q::Answer, Failure> {
        let mut outcome = self.ask_in_silence(unit, query).await;
        let mut asked_again = 0;
        while outcome.may_differ() && asked_again < retries.max(u8::from(matches!(outcome, Outcome::Closed))) {
            asked_again += 1;
            outcome = match outcome {
                Outcome::Late => self.ask_once_more(unit, query).await,
                Outcome::Refused(_) => {
                    sleep(self.timeout).await;
                    self.ask_in_silence(unit, query).await
                }
                Outcome::Answered(_) | Outcome::Unfitting | Outcome::Garbled | Outcome::Closed => {
                    self.ask_in_silence(unit, query).await
                }
            };
        }
        match outcome {
            Outcome::Answered(answer) => Ok(answer),
            Outcome::Refused(exception) => Err(refusal(exception)),
            Outcome::Unfitting => Err(Failure::Refused(Fault::WrongAnswer)),
            Outcome::Late => Err(Failure::Silent(Fault::Timeout)),
            Outcome::Garbled => Err(Failure::Silent(Fault::WrongAnswer)),
            Outcome::Closed => Err(Failure::Silent(Fault::NoConnection)),
        }
    }

    /// When the line can take a request that has nothing to do with the last one.
    pub(crate) fn free_at(&self) -> Instant {
        self.doubt.map_or(self.rested, |since| self.rested.max(since + self.quiet()))
    }

    /// Sends the request when no answer to an earlier one can come any more, and waits for its answer.
    async fn ask_in_silence<Q: Query>(&mut self, unit: u8, query: &Q) -> Outcome<Q::Answer> {
        if self.open().await.is_err() {
            return Outcome::Closed;
        }
        let quiet = self.quiet();
        if let (Some(since), Some(Link::Rtu(port))) = (self.doubt, &mut self.link)
            && port.fall_silent(since, quiet).await.is_err()
        {
            self.link = None;
            return Outcome::Closed;
        }
        self.ask(unit, query).await
    }

    /// Sends the request again after its answer did not come. Whichever answer comes first is right; the other one may
    /// follow it.
    async fn ask_once_more<Q: Query>(&mut self, unit: u8, query: &Q) -> Outcome<Q::Answer> {
        if self.open().await.is_err() {
            return Outcome::Closed;
        }
        let answered_by = self.rested.max(Instant::now()) + self.timeout;
        let outcome = self.ask(unit, query).await;
        self.doubt = Some(answered_by);
        outcome
    }

    async fn ask<Q: Query>(&mut self, unit: u8, query: &Q) -> Outcome<Q::Answer> {
        sleep_until(self.rested).await;
        let Some(mut link) = self.link.take() else { return Outcome::Closed };
        // Also for a request that is given up halfway.
        self.doubt = Some(Instant::now() + self.timeout);
        let outcome = match &mut link {
            Link::Tcp(context) => {
                context.set_slave(Slave(unit));
                call(context, query, self.timeout).await
            }
            Link::Rtu(port) => call(&mut rtu::attach_slave(port.clone(), Slave(unit)), query, self.timeout).await,
        };
        let is_whole = matches!(outcome, Outcome::Answered(_) | Outcome::Refused(_));
        let can_go_on = match self.address {
            // Its number tells to which request an answer of the wrong length belongs.
            LineAddress::Tcp { .. } => is_whole || matches!(outcome, Outcome::Unfitting),
            // What the converter has to say about an open question goes to a connection that nobody reads.
            LineAddress::RtuOverTcp { .. } => is_whole,
            LineAddress::Serial(_) => !matches!(outcome, Outcome::Closed),
        };
        if is_whole {
            self.doubt = None;
        }
        self.link = can_go_on.then_some(link);
        self.rested = Instant::now() + self.pause;
        outcome
    }

    /// After so long without a byte no answer is on its way any more.
    fn quiet(&self) -> Duration {
        match &self.address {
            LineAddress::Tcp { .. } => Duration::ZERO,
            LineAddress::RtuOverTcp { .. } => self.timeout,
            LineAddress::Serial(port) => self.timeout.max(port.frame_gap()),
        }
    }
}

async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect((host, port)))
        .await
        .map_err(|_elapsed| io::Error::new(io::ErrorKind::TimedOut, "no connection within 5 s"))??;
    // A request is one small segment: there is nothing to collect it with.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Exceptions 10 and 11 come from a gateway and say that the unit behind it is silent. A unit that is still busy after all
/// that patience is left alone with the rest of the scan. Any other exception is about its own request.
fn refusal(exception: u8) -> Failure {
    if is_busy(exception) || matches!(exception, 10 | 11) {
        Failure::Silent(Fault::Exception(exception))
    } else {
        Failure::Refused(Fault::Exception(exception))
    }
}

#[cfg(test)]
mod serial_tests;
#[cfg(test)]
mod tests;
