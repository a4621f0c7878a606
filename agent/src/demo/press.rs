//! The simulated press line: two presses that count what they make, read over real Modbus TCP.

use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_util::task::AbortOnDropHandle;

/// How often the machines move on. Finer than the agent's interval, so that most scans see new pieces.
const TICK: Duration = Duration::from_millis(50);

/// Pieces made since the demonstration began, as the machine itself knows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) good: u64,
    pub(super) scrap: u64,
}

/// The width of a press' counters. A narrow one rolls over within minutes, as many do in real plants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    U16,
    U32,
}

/// One machine: what it has made, and the registers that show it.
#[derive(Debug)]
struct Press {
    name: &'static str,
    width: Width,
    /// What the counters showed before the first piece of the demonstration.
    baseline: Pieces,
    made: Pieces,
    stroke: Duration,
    /// One piece in so many is scrap.
    scrap_every: u64,
    /// Time since the last stroke.
    since_stroke: Duration,
    running: bool,
}

impl Press {
    /// Lets time pass: a stroke each time its interval has gone by.
    fn advance(&mut self, elapsed: Duration) {
        if !self.running {
            return;
        }
        self.since_stroke += elapsed;
        while self.since_stroke >= self.stroke {
            self.since_stroke -= self.stroke;
            if (self.made.good + self.made.scrap + 1).is_multiple_of(self.scrap_every) {
                self.made.scrap += 1;
            } else {
                self.made.good += 1;
            }
        }
    }

    /// The counters, good first, in the width of this machine.
    fn holding(&self) -> Vec<u16> {
        let shown = [self.baseline.good + self.made.good, self.baseline.scrap + self.made.scrap];
        shown
            .into_iter()
            .flat_map(|count| match self.width {
                Width::U16 => vec![count as u16],
                Width::U32 => vec![(count >> 16) as u16, count as u16],
            })
            .collect()
    }

    /// Strokes a minute, and the oil's temperature in tenths of a degree.
    fn input(&self) -> Vec<u16> {
        let strokes = if self.running { 60_000 / self.stroke.as_millis().max(1) } else { 0 };
        let warming = (self.made.good + self.made.scrap).min(200);
        vec![u16::try_from(strokes).unwrap_or(u16::MAX), 385 + warming as u16]
    }

    fn answer(&self, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a machine refuses every function that it does not have, also future ones"
        )]
        match request {
            Request::ReadHoldingRegisters(first, count) => {
                slice(&self.holding(), *first, *count).map(Response::ReadHoldingRegisters)
            }
            Request::ReadInputRegisters(first, count) => {
                slice(&self.input(), *first, *count).map(Response::ReadInputRegisters)
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }
}

fn slice(registers: &[u16], first: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
    let first = usize::from(first);
    let asked = registers.get(first..first + usize::from(count));
    asked.map(<[u16]>::to_vec).ok_or(ExceptionCode::IllegalDataAddress)
}

/// Both presses behind one Modbus TCP address; units 1 and 2. Ends when it is dropped.
pub(super) struct Line {
    port: u16,
    presses: Presses,
    _server: AbortOnDropHandle<()>,
    _machines: AbortOnDropHandle<()>,
}

impl Line {
    /// Listens on a free port of this machine. The presses stand still until they are told to run.
    pub(super) async fn start() -> io::Result<Line> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let presses = Presses(Arc::new(Mutex::new([wide_press(), narrow_press()])));
        let served = presses.clone();
        let server = tokio::spawn(async move {
            let accept = |stream, peer| {
                let line = served.clone();
                async move { accept_tcp_connection(stream, peer, move |_| Ok(Some(line.clone()))) }
            };
            // It ends only when its listener fails; the agent then reports the line as down and the count shows it.
            let _ = Server::new(listener).serve(&accept, |_| {}).await;
        });
        let machines = presses.clone();
        let machines = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                machines.each(|press| press.advance(TICK));
            }
        });
        Ok(Line { port, presses, _server: AbortOnDropHandle::new(server), _machines: AbortOnDropHandle::new(machines) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts or stops production on all presses.
    pub(super) fn set_running(&self, running: bool) {
        self.presses.each(|press| press.running = running);
    }

    /// What each press has made, by its name.
    pub(super) fn pieces(&self) -> Vec<(&'static str, Pieces)> {
        let mut made = Vec::new();
        self.presses.each(|press| made.push((press.name, press.made)));
        made
    }
}

/// The names of the presses, their units and the width of their counters, as a register list would give them.
pub(super) const REGISTER_LIST: [(&str, u8, Width); 2] = [("press-1", 1, Width::U32), ("press-2", 2, Width::U16)];

fn wide_press() -> Press {
    let [(name, _, width), _] = REGISTER_LIST;
    press(name, width, Pieces { good: 41_230, scrap: 312 }, Duration::from_millis(150), 17)
}

/// Its counter of good pieces is about to roll over from 65,535 to 0.
fn narrow_press() -> Press {
    let [_, (name, _, width)] = REGISTER_LIST;
    press(name, width, Pieces { good: 65_500, scrap: 96 }, Duration::from_millis(230), 11)
}

fn press(name: &'static str, width: Width, baseline: Pieces, stroke: Duration, scrap_every: u64) -> Press {
    Press {
        name,
        width,
        baseline,
        made: Pieces::default(),
        stroke,
        scrap_every,
        since_stroke: Duration::ZERO,
        running: false,
    }
}

#[derive(Clone)]
struct Presses(Arc<Mutex<[Press; 2]>>);

impl Presses {
    fn each(&self, change: impl FnMut(&mut Press)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(change);
    }
}

impl Service for Presses {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    /// One request is answered from one moment of the machine. A unit that is not there does not answer.
    fn call(&self, asked: SlaveRequest<'static>) -> Self::Future {
        let presses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let press = usize::from(asked.slave).checked_sub(1).and_then(|index| presses.get(index));
        ready(press.map(|press| press.answer(&asked.request)).transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_modbus::client::{Context, Reader, tcp};
    use tokio_modbus::slave::Slave;

    #[test]
    fn a_press_makes_a_piece_each_stroke_and_scraps_every_nth() {
        let mut press = press("press", Width::U32, Pieces { good: 70_000, scrap: 5 }, Duration::from_millis(100), 4);
        press.advance(Duration::from_secs(5));
        assert_eq!(press.made, Pieces::default(), "it makes nothing while it stands still");
        press.running = true;
        press.advance(Duration::from_millis(850));
        assert_eq!(press.made, Pieces { good: 6, scrap: 2 });
        assert_eq!(press.holding(), [1, 4_470, 0, 7]);
    }

    #[test]
    fn a_narrow_counter_rolls_over_while_the_press_itself_counts_on() {
        let mut press = press("press", Width::U16, Pieces { good: 65_535, scrap: 0 }, Duration::from_millis(100), 100);
        press.running = true;
        press.advance(Duration::from_millis(300));
        assert_eq!(press.holding(), [2, 0]);
        assert_eq!(press.made.good, 3);
    }

    #[tokio::test]
    async fn the_line_answers_modbus_tcp_for_its_units_and_registers_alone() {
        let line = Line::start().await.unwrap();
        let address = ([127, 0, 0, 1], line.port()).into();
        let mut first: Context = tcp::connect_slave(address, Slave(1)).await.unwrap();
        assert_eq!(first.read_holding_registers(0, 4).await.unwrap(), Ok(vec![0, 41_230, 0, 312]));
        assert_eq!(first.read_holding_registers(4, 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(first.read_coils(0, 1).await.unwrap(), Err(ExceptionCode::IllegalFunction));
        let mut second: Context = tcp::connect_slave(address, Slave(2)).await.unwrap();
        assert_eq!(second.read_input_registers(0, 2).await.unwrap(), Ok(vec![0, 385]));
        let mut third: Context = tcp::connect_slave(address, Slave(3)).await.unwrap();
        let silence = tokio::time::timeout(Duration::from_millis(200), third.read_input_registers(0, 1)).await;
        assert!(silence.is_err(), "a unit that is not there does not answer");
    }
}
