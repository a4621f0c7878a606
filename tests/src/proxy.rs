//! A TCP link that can be broken in the ways links break.

use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::ports;
use crate::random::Random;

/// How the link behaves for what is connected and for what comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Nobody listens: a new connection is refused. What is connected stays.
    Refuse,
    /// Half-open: a connection is accepted and nothing passes, in either direction.
    Stall,
    /// Only what goes to the target passes; its answers do not.
    StallAnswers,
    /// Only the target's answers pass; what goes to it does not.
    StallRequests,
    /// Everything passes, and slowly: each read waits so long.
    Slow {
        /// For at most 16 KiB.
        millis: u64,
    },
    /// Each new connection is cut as soon as so many bytes have passed in one direction, at the same place of what is said.
    CutAfter {
        /// Whose bytes are counted.
        direction: Direction,
        /// How many pass.
        bytes: u64,
    },
    /// Each new connection is cut after a random number of bytes or, as often, of milliseconds; in the middle of a packet
    /// as likely as not, with FIN or RST. (By bytes alone, whoever sends more than that at once would never get on.)
    Chop {
        /// The least and the most bytes, both directions together.
        bytes: Range<u64>,
        /// The least and the most milliseconds.
        millis: Range<u64>,
    },
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// In order: the peer reads the end.
    Close,
    /// With RST: what was on its way is gone.
    Reset,
}

/// A proxy on 127.0.0.1; dropping it cuts everything.
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    cut: watch::Sender<(u64, Cut)>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to a port of this machine, which need not be open yet. `random` decides where [`Mode::Chop`] cuts.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(target: u16, random: Random) -> Proxy {
        let port = ports::free();
        let (mode, modes) = watch::channel(Mode::Pass);
        let (cut, cuts) = watch::channel((0, Cut::Close));
        let connections = Arc::default();
        let listener = listen(port).await;
        let task = tokio::spawn(serve(listener, Line { port, target, modes, cuts }, Arc::clone(&connections), random));
        Proxy { port, mode, cut, connections, task }
    }

    /// Where to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Ends every connection now.
    pub fn cut(&self, cut: Cut) {
        self.cut.send_modify(|(times, how)| {
            *times += 1;
            *how = cut;
        });
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every connection has to know.
#[derive(Clone)]
struct Line {
    port: u16,
    target: u16,
    modes: watch::Receiver<Mode>,
    cuts: watch::Receiver<(u64, Cut)>,
}

async fn listen(port: u16) -> TcpListener {
    TcpListener::bind(ports::local(port)).await.expect("the proxy's port is its own")
}

async fn serve(listener: TcpListener, mut line: Line, connections: Arc<AtomicUsize>, mut random: Random) {
    // Dropped with this task, and every connection with it.
    let mut tasks = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        let refuse = *line.modes.borrow_and_update() == Mode::Refuse;
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(line.port).await);
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = line.modes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            client = accepted => {
                if let Ok((client, _)) = client {
                    connections.fetch_add(1, Ordering::Relaxed);
                    tasks.spawn(connection(client, line.clone(), random.fork()));
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn connection(client: TcpStream, mut line: Line, mut random: Random) {
    line.cuts.mark_unchanged();
    let mode = line.modes.borrow().clone();
    let (budgets, life) = match mode {
        Mode::Pass | Mode::Refuse | Mode::Stall | Mode::StallAnswers | Mode::StallRequests | Mode::Slow { .. } => {
            (Budgets::shared(u64::MAX), None)
        }
        Mode::CutAfter { direction, bytes } => (Budgets::of(direction, bytes), None),
        Mode::Chop { bytes, .. } if random.one_in(2) => (Budgets::shared(random.within(bytes)), None),
        Mode::Chop { millis, .. } => (Budgets::shared(u64::MAX), Some(Duration::from_millis(random.within(millis)))),
    };
    let Ok(server) = TcpStream::connect(ports::local(line.target)).await else {
        // The nearest to a refusal; an error means that the client is gone as well.
        let _ = client.set_zero_linger();
        return;
    };
    // Frames are to be cut where they were meant to be cut; an error means that the connection is gone already.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let mut up = Pump::new(client_in, server_out, Direction::ToTarget, &line, &budgets.to_target);
    let mut down = Pump::new(server_in, client_out, Direction::Answers, &line, &budgets.answers);
    let ended = tokio::select! {
        // What is stalled does not pass any more when the mode changes just after a cut.
        biased;
        changed = line.cuts.changed() => match changed {
            Ok(()) => line.cuts.borrow().1,
            Err(_) => Cut::Reset,
        },
        _ = async { tokio::try_join!(up.run(), down.run()) } => Cut::Close,
        () = outlive(life) => if random.one_in(2) { Cut::Close } else { Cut::Reset },
    };
    let chopped = budgets.is_spent() && random.one_in(2);
    if ended == Cut::Reset || chopped {
        for half in [up.to, down.to] {
            // The socket may be gone already; then there is nothing left to reset.
            let _ = half.as_ref().set_zero_linger();
            // Dropped, it would say a proper goodbye first.
            half.forget();
        }
    }
}

async fn outlive(life: Option<Duration>) {
    match life {
        Some(life) => tokio::time::sleep(life).await,
        None => std::future::pending().await,
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the target.
    ToTarget,
    /// Back to the client.
    Answers,
}

/// How many bytes may still pass on one connection.
struct Budgets {
    to_target: Arc<AtomicUsize>,
    answers: Arc<AtomicUsize>,
}

impl Budgets {
    /// Both directions together.
    fn shared(bytes: u64) -> Budgets {
        let budget = budget(bytes);
        Budgets { to_target: Arc::clone(&budget), answers: budget }
    }

    /// One direction; the other has no end.
    fn of(direction: Direction, bytes: u64) -> Budgets {
        let (limited, endless) = (budget(bytes), budget(u64::MAX));
        match direction {
            Direction::ToTarget => Budgets { to_target: limited, answers: endless },
            Direction::Answers => Budgets { to_target: endless, answers: limited },
        }
    }

    fn is_spent(&self) -> bool {
        [&self.to_target, &self.answers].iter().any(|budget| budget.load(Ordering::Relaxed) == 0)
    }
}

fn budget(bytes: u64) -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

/// One direction of one connection.
struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    direction: Direction,
    modes: watch::Receiver<Mode>,
    budget: Arc<AtomicUsize>,
}

impl Pump {
    fn new(
        from: OwnedReadHalf,
        to: OwnedWriteHalf,
        direction: Direction,
        line: &Line,
        budget: &Arc<AtomicUsize>,
    ) -> Pump {
        Pump { from, to, direction, modes: line.modes.clone(), budget: Arc::clone(budget) }
    }

    /// Passes an end of the sender on as it is; the other direction goes on. An error is the end of the connection: the
    /// receiver is gone, or the bytes are used up.
    async fn run(&mut self) -> Result<()> {
        let mut chunk = vec![0; 16 << 10];
        loop {
            let read = self.from.read(&mut chunk).await?;
            if read == 0 {
                return self.to.shutdown().await;
            }
            let direction = self.direction;
            let pause = match self.modes.wait_for(|mode| passes(mode, direction)).await.as_deref() {
                Ok(Mode::Slow { millis }) => Duration::from_millis(*millis),
                Ok(_) => Duration::ZERO,
                // The sender of the modes lives as long as the proxy; without it this connection ends too.
                Err(_) => return Err(ErrorKind::ConnectionAborted.into()),
            };
            // No pause must be none: the runtime's clock makes a millisecond of it, and a broker's answers come one by one.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let before = self
                .budget
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(read)))
                .unwrap_or_default();
            let allowed = read.min(before);
            self.to.write_all(&chunk[..allowed]).await?;
            if allowed == before {
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

fn passes(mode: &Mode, direction: Direction) -> bool {
    match mode {
        Mode::Pass | Mode::Refuse | Mode::Chop { .. } | Mode::CutAfter { .. } | Mode::Slow { .. } => true,
        Mode::Stall => false,
        Mode::StallAnswers => direction == Direction::ToTarget,
        Mode::StallRequests => direction == Direction::Answers,
    }
}
