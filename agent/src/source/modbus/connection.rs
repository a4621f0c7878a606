//! The connection of a line: one request in flight, a limit on every wait, and no answer that does not fit its question.
//!
//! Framing as in the MODBUS Messaging on TCP/IP Implementation Guide V1.0b and in MODBUS over Serial Line V1.02. On TCP an
//! answer carries the number of its request: a connection whose answer is late or cannot be understood is dropped, so that
//! what still arrives on it is never taken for the answer to a later request. On a serial line answers carry no number: after
//! anything but a good answer the same request goes out again, for which a late answer is still right, and before any other
//! one the line has to fall silent.

use std::io;
use std::time::Duration;

use plantlink_config::{LineAddress, Table};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{ExceptionCode, Response};

use super::plan::Request;
use super::port::{self, Port};
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
    /// On a serial line: what arrives may be the answer to an earlier request.
    in_doubt: bool,
    /// No request before this: the pause after the last one.
    rested: Instant,
}

/// What requests go through.
enum Link {
    Tcp(Context),
    Rtu(Port),
}

/// What a unit holds, as many as were asked for; bits are filled up to a multiple of eight.
#[derive(Debug)]
pub(crate) enum Answer {
    Bits(Vec<bool>),
    Words(Vec<u16>),
}

/// Why a request brought nothing to read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The unit is there and will not give this: other requests may fare better.
    Refused(Fault),
    /// Nothing came from the unit that can be trusted: it would be the same with its other requests.
    Silent(Fault),
}

/// How one request ended.
enum Outcome {
    Answered(Answer),
    Refused(ExceptionCode),
    /// The answer has another length than the question.
    Unfitting,
    Late,
    Garbled,
    /// The peer ended the connection or takes no new one, or the port is gone.
    Closed,
}

impl Outcome {
    /// The same request may fare better. A unit that is busy (exceptions 5 and 6) asks for just that.
    fn may_differ(&self) -> bool {
        match self {
            Outcome::Answered(_) => false,
            Outcome::Refused(exception) => is_busy(*exception),
            Outcome::Unfitting | Outcome::Late | Outcome::Garbled | Outcome::Closed => true,
        }
    }
}

impl Connection {
    /// `timeout` is the limit of one answer, `pause` the time between an answer and the next request.
    pub(crate) fn new(address: LineAddress, timeout: Duration, pause: Duration) -> Self {
        Connection { address, timeout, pause, link: None, in_doubt: false, rested: Instant::now() }
    }

    /// Connects, unless a connection is there.
    pub(crate) async fn open(&mut self) -> io::Result<()> {
        if self.link.is_none() {
            self.link = Some(connect(&self.address).await?);
            // Whoever used the line before may have left a question open.
            self.in_doubt = true;
            self.rested = Instant::now() + self.pause;
        }
        Ok(())
    }

    /// Asks a unit, up to `retries` times again where the same request may fare better. A connection that the peer has closed
    /// is made again and the request repeated in any case, once: many devices close what was idle for a while.
    pub(crate) async fn read(&mut self, unit: u8, request: &Request, retries: u8) -> Result<Answer, Failure> {
        let mut outcome = self.ask(unit, request).await;
        let mut asked_again = 0;
        while outcome.may_differ() && asked_again < retries.max(u8::from(matches!(outcome, Outcome::Closed))) {
            if matches!(outcome, Outcome::Refused(_)) {
                sleep(self.timeout).await;
            }
            outcome = self.ask(unit, request).await;
            asked_again += 1;
            // The answer to the first of these questions may still be on its way.
            self.in_doubt = true;
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

    /// Sends the request and waits for its answer.
    async fn ask(&mut self, unit: u8, request: &Request) -> Outcome {
        if self.open().await.is_err() {
            return Outcome::Closed;
        }
        sleep_until(self.rested).await;
        let (outcome, link) = match self.link.take() {
            Some(Link::Tcp(context)) => ask_tcp(context, unit, request, self.timeout).await,
            Some(Link::Rtu(port)) => self.ask_rtu(port, unit, request).await,
            None => (Outcome::Closed, None),
        };
        self.link = link;
        self.rested = Instant::now() + self.pause;
        outcome
    }

    async fn ask_rtu(&mut self, mut port: Port, unit: u8, request: &Request) -> (Outcome, Option<Link>) {
        if self.in_doubt && port.fall_silent(self.quiet()).await.is_err() {
            return (Outcome::Closed, None);
        }
        self.in_doubt = true;
        let outcome = call(&mut rtu::attach_slave(port.clone(), Slave(unit)), request, self.timeout).await;
        self.in_doubt = !matches!(outcome, Outcome::Answered(_) | Outcome::Refused(_));
        let has_ended = match self.address {
            // What the converter has to say about an open question goes to a connection that nobody reads.
            LineAddress::Tcp { .. } | LineAddress::RtuOverTcp { .. } => self.in_doubt,
            LineAddress::Serial(_) => matches!(outcome, Outcome::Closed),
        };
        (outcome, (!has_ended).then_some(Link::Rtu(port)))
    }

    /// After so long without a byte no answer is on its way any more.
    fn quiet(&self) -> Duration {
        match &self.address {
            LineAddress::Tcp { .. } | LineAddress::RtuOverTcp { .. } => self.timeout,
            LineAddress::Serial(port) => self.timeout.max(port.frame_gap()),
        }
    }
}

async fn ask_tcp(mut context: Context, unit: u8, request: &Request, limit: Duration) -> (Outcome, Option<Link>) {
    context.set_slave(Slave(unit));
    let outcome = call(&mut context, request, limit).await;
    let is_whole = matches!(outcome, Outcome::Answered(_) | Outcome::Refused(_) | Outcome::Unfitting);
    (outcome, is_whole.then_some(Link::Tcp(context)))
}

async fn connect(address: &LineAddress) -> io::Result<Link> {
    Ok(match address {
        LineAddress::Tcp { host, port } => Link::Tcp(tcp::attach(dial(host, *port).await?)),
        LineAddress::RtuOverTcp { host, port } => Link::Rtu(Port::new(dial(host, *port).await?)),
        LineAddress::Serial(port) => Link::Rtu(port::open(port, CONNECT_WITHIN).await?),
    })
}

async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect((host, port)))
        .await
        .map_err(|_elapsed| io::Error::new(io::ErrorKind::TimedOut, "no connection within 5 s"))??;
    // A request is one small segment: there is nothing to collect it with.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn call(context: &mut Context, request: &Request, limit: Duration) -> Outcome {
    match timeout(limit, context.call(question(request))).await {
        Err(_elapsed) => Outcome::Late,
        Ok(Err(tokio_modbus::Error::Protocol(_))) => Outcome::Garbled,
        Ok(Err(tokio_modbus::Error::Transport(error))) if is_garbled(&error) => Outcome::Garbled,
        Ok(Err(tokio_modbus::Error::Transport(_))) => Outcome::Closed,
        Ok(Ok(Err(exception))) => Outcome::Refused(exception),
        Ok(Ok(Ok(response))) => fitting(request, response).map_or(Outcome::Unfitting, Outcome::Answered),
    }
}

fn question(request: &Request) -> tokio_modbus::Request<'static> {
    match request.table {
        Table::Coil => tokio_modbus::Request::ReadCoils(request.first, request.count),
        Table::Discrete => tokio_modbus::Request::ReadDiscreteInputs(request.first, request.count),
        Table::Input => tokio_modbus::Request::ReadInputRegisters(request.first, request.count),
        Table::Holding => tokio_modbus::Request::ReadHoldingRegisters(request.first, request.count),
    }
}

/// The answer, if it has the length that was asked for; that its header and function are those of the request has been
/// checked by then.
fn fitting(request: &Request, response: Response) -> Option<Answer> {
    let count = usize::from(request.count);
    if let Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) = response {
        (bits.len() == count.next_multiple_of(8)).then_some(Answer::Bits(bits))
    } else if let Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words) = response {
        (words.len() == count).then_some(Answer::Words(words))
    } else {
        None
    }
}

/// Exceptions 10 and 11 come from a gateway and say that the unit behind it is silent; all others come from the unit.
fn refusal(exception: ExceptionCode) -> Failure {
    let code = u8::from(exception);
    if matches!(code, 10 | 11) {
        Failure::Silent(Fault::Exception(code))
    } else {
        Failure::Refused(Fault::Exception(code))
    }
}

fn is_busy(exception: ExceptionCode) -> bool {
    matches!(u8::from(exception), 5 | 6)
}

/// Whether the bytes that came are no Modbus. Errors of the socket have a number of the system; the end of the stream
/// arrives as an arbitrary one of those, or as `Other` in the middle of an answer.
fn is_garbled(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.kind() != io::ErrorKind::Other
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::net::TcpListener;

    use super::super::fake::{Asked, Fake, Reply, addresses};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn connection(fake: &Fake) -> Connection {
        Connection::new(fake.address(), LIMIT, Duration::ZERO)
    }

    fn request(first: u16, count: u16) -> Request {
        Request { table: Table::Holding, first, count, tags: Vec::new() }
    }

    async fn words(connection: &mut Connection, first: u16) -> Vec<u16> {
        match connection.read(1, &request(first, 2), 0).await.unwrap() {
            Answer::Words(words) => words,
            Answer::Bits(bits) => panic!("bits instead of words: {bits:?}"),
        }
    }

    #[tokio::test]
    async fn an_answer_to_something_else_is_not_taken_and_the_next_request_goes_over_a_new_connection() {
        type Misbehave = fn(Asked) -> Reply;
        let ways: [(&str, Misbehave); 5] = [
            ("another transaction", |asked| Reply::Stale(addresses(asked))),
            ("another unit", |asked| Reply::OtherUnit(addresses(asked))),
            ("another function", |_| Reply::Bytes(vec![0, 0, 0, 0, 0, 5, 1, 4, 2, 0, 7])),
            ("another protocol", |_| Reply::Bytes(vec![0, 0, 0, 9, 0, 5, 1, 3, 2, 0, 7])),
            ("too little data", |_| Reply::Bytes(vec![0, 0, 0, 0, 0, 4, 1, 3, 4, 9])),
        ];
        for (way, misbehave) in ways {
            let fake = Fake::start(move |asked| match asked.connection {
                0 => misbehave(asked),
                _ => Reply::Words(addresses(asked)),
            })
            .await;
            let mut connection = connection(&fake);
            let failure = connection.read(1, &request(0, 2), 0).await.unwrap_err();
            assert!(matches!(failure, Failure::Silent(Fault::WrongAnswer)), "{way}: {failure:?}");
            assert_eq!(words(&mut connection, 500).await, [500, 501], "{way}");
            let connections: Vec<_> = fake.asked().iter().map(|asked| asked.connection).collect();
            assert_eq!(connections, [0, 1], "{way}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_made_again_unnoticed() {
        let fake = Fake::start(|asked| Reply::WordsAndEnd(addresses(asked))).await;
        let mut connection = connection(&fake);
        for first in [0, 500, 1000] {
            assert_eq!(words(&mut connection, first).await, [first, first + 1]);
        }
    }

    #[tokio::test]
    async fn a_peer_that_closes_on_a_request_is_asked_twice_and_no_more() {
        for way in [|| Reply::End, || Reply::Half] {
            let fake = Fake::start(move |_| way()).await;
            let failure = connection(&fake).read(1, &request(0, 2), 0).await.unwrap_err();
            assert!(matches!(failure, Failure::Silent(Fault::NoConnection)), "{failure:?}");
            assert_eq!(fake.asked().len(), 2);
        }
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_halfway_takes_its_connection_with_it() {
        let fake = Fake::start(|asked| match asked.connection {
            0 => Reply::Silence,
            _ => Reply::Words(addresses(asked)),
        })
        .await;
        let mut connection = connection(&fake);
        let in_flight = async {
            while fake.asked().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let unanswered = request(0, 2);
        tokio::select! {
            answer = connection.read(1, &unanswered, 0) => panic!("nobody answers this: {answer:?}"),
            () = in_flight => {}
        }
        assert_eq!(words(&mut connection, 500).await, [500, 501]);
    }

    #[tokio::test]
    async fn after_an_answer_nothing_is_asked_during_the_pause() {
        let fake = Fake::start(|asked| Reply::Words(addresses(asked))).await;
        let mut connection = Connection::new(fake.address(), LIMIT, Duration::from_secs(3600));
        assert_eq!(words(&mut connection, 0).await, [0, 1]);
        assert!(connection.rested > Instant::now());
        assert!(connection.read(1, &request(0, 2), 0).now_or_never().is_none());
        assert!(connection.link.is_some(), "the request has not begun");
    }

    #[tokio::test]
    async fn where_nobody_listens_no_connection_is_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = LineAddress::Tcp { host: "127.0.0.1".into(), port };
        let mut connection = Connection::new(address, LIMIT, Duration::ZERO);
        assert!(connection.open().await.is_err());
        let failure = connection.read(1, &request(0, 2), 0).await.unwrap_err();
        assert!(matches!(failure, Failure::Silent(Fault::NoConnection)), "{failure:?}");
    }
}
