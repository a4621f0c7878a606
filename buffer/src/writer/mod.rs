//! The writer: the one thread that owns the buffer and commits in groups.
//!
//! Nobody waits for a commit: what is submitted comes with a function that is called after it. A commit that the disk
//! refuses is kept and tried again; meanwhile nothing is answered, and whoever waits for answers before submitting more
//! stops by itself.

mod commit;
mod queue;

use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use crate::buffer::{Buffer, Options};
use crate::error::WriteError;
use crate::flow::FlowState;
use crate::overflow::{Author, Yielding};
use crate::work::Work;
use commit::Committer;
use queue::Queue;

/// Called on the writer's thread after the commit, with all flows as they are then. Appends are answered in the order in
/// which they were submitted, and so are settlements; between the two there is no order. Dropped without a call, the work
/// was not committed.
pub type Done = Box<dyn FnOnce(&[FlowState]) + Send>;

/// Work for the writer.
pub struct Submission {
    /// What to apply.
    pub work: Work,
    /// How long it may wait for company before its commit. An append commits everything that waits with it, synced. A
    /// settlement rides in the next append's commit; when its own time is over first, the settlements alone are
    /// committed, written at once and synced within a second.
    pub wait: Duration,
    /// Called after the commit.
    pub done: Done,
}

/// Says for the flows, once they have their ids, which of them give up what, and who tells of it.
pub type Yield = Box<dyn FnOnce(&[FlowState]) -> (Vec<Yielding>, Box<dyn Author>) + Send>;

/// Another configuration for the buffer: see [`Buffer::reconfigure`].
pub struct Reconfiguration {
    /// The flows and the limits.
    pub options: Options,
    /// What flows give up from then on.
    pub yielding: Yield,
    /// Called on the writer's thread with all flows as they are then, or with the reason why nothing has changed.
    pub done: Box<dyn FnOnce(Result<Vec<FlowState>, WriteError>) + Send>,
}

/// What ends a group before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// So many events are committed without waiting for more. A single append is never split.
    pub events_max: usize,
    /// So many bytes of data and metadata are. What one commit writes stays smaller than the room that is kept for taking
    /// it into the database.
    pub bytes_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self { events_max: 2_048, bytes_max: 2 << 20 }
    }
}

/// Whether the disk takes what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskState {
    /// Commits succeed.
    Writing,
    /// Commits fail, and are tried again.
    Refused {
        /// Since when.
        since: Instant,
        /// What the last attempt was answered.
        reason: String,
    },
    /// The writer has ended: the buffer is damaged, or this program is defective. The process has to end.
    Broken {
        /// What it met.
        reason: String,
    },
}

/// The writer has ended, and takes no more work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the buffer's writer has ended")]
pub struct Stopped;

/// Why the writer did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// Work that was submitted is not committed.
    #[error("the buffer was not closed cleanly")]
    Write(#[from] WriteError),
    /// It panicked.
    #[error("the buffer's writer panicked")]
    Panicked,
}

/// The thread that writes. Dropped without [`Writer::stop`], it goes on until the last handle is gone.
pub struct Writer {
    handle: WriterHandle,
    thread: JoinHandle<Result<(), WriteError>>,
}

/// Submits work, from any thread. What waits in the queue is not limited here: callers wait for answers.
#[derive(Clone)]
pub struct WriterHandle {
    orders: Sender<Order>,
}

enum Order {
    Submit { submission: Box<Submission>, due: Instant },
    Reconfigure(Box<Reconfiguration>),
    Hurry,
    Stop,
}

impl Writer {
    /// Starts the thread. `on_state` is called there each time the disk begins or ceases to refuse, and for each new
    /// reason.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(buffer: Buffer, limits: GroupLimits, on_state: Box<dyn Fn(&DiskState) + Send>) -> io::Result<Self> {
        let (orders, receiver) = mpsc::channel();
        let committer = Committer::new(buffer, receiver, Queue::new(limits), on_state);
        let thread = thread::Builder::new().name("buffer".to_owned()).spawn(move || committer.run())?;
        Ok(Self { handle: WriterHandle { orders }, thread })
    }

    /// A way to submit work.
    pub fn handle(&self) -> WriterHandle {
        self.handle.clone()
    }

    /// Commits what is queued, closes the buffer cleanly and waits for the thread. A disk that refuses is asked once
    /// more, and not waited for.
    ///
    /// # Errors
    /// Something was not committed; whoever sent it was not answered.
    pub fn stop(self) -> Result<(), StopError> {
        // An error means that it has ended already; joining it says why.
        let _ = self.handle.orders.send(Order::Stop);
        self.thread.join().map_err(|_| StopError::Panicked)?.map_err(StopError::Write)
    }
}

impl WriterHandle {
    /// Hands over work.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn submit(&self, submission: Submission) -> Result<(), Stopped> {
        let due = Instant::now() + submission.wait;
        self.orders.send(Order::Submit { submission: Box::new(submission), due }).map_err(|_| Stopped)
    }

    /// Has another configuration taken up between two commits, also while the disk or the limit refuses: it may be the
    /// limit that is raised.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn reconfigure(&self, reconfiguration: Reconfiguration) -> Result<(), Stopped> {
        self.orders.send(Order::Reconfigure(Box::new(reconfiguration))).map_err(|_| Stopped)
    }

    /// Lets nothing that was submitted wait any longer: its sender has stopped until it is committed.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn hurry(&self) -> Result<(), Stopped> {
        self.orders.send(Order::Hurry).map_err(|_| Stopped)
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("work", &self.work).field("wait", &self.wait).finish_non_exhaustive()
    }
}
