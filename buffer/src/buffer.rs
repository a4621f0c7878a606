//! The buffer: the one connection that writes, and the transaction that every change goes through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::append;
use crate::boot;
use crate::confirm;
use crate::dispose;
use crate::error::{OpenError, ReadError, WriteError};
use crate::flight::{self, Flight};
use crate::flow::{self, FlowSpec, FlowState};
use crate::hold::Holds;
use crate::keep;
use crate::ledger::Ledger;
use crate::lock::Lock;
use crate::log::Pen;
use crate::open::{self, Opened};
use crate::overflow::{Author, Overflow, Yielding};
use crate::pack;
use crate::reader::Reader;
use crate::readers::Readers;
use crate::replay::{Replay, Replayed};
use crate::reserve::Reserve;
use crate::retention::Retention;
use crate::room::{self, Purpose, Room};
use crate::salvage::Salvage;
use crate::schema;
use crate::settle;
use crate::state::State;
use crate::waiting::{self, Resume};
use crate::wal::Wal;
use crate::work::{Durability, Work};

/// What a buffer is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The configured flows, each name once. Others that the file holds are retired and keep their backlog.
    pub flows: Vec<FlowSpec>,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// The most that all files together may have, in bytes; not less than [`SIZE_MIN`](crate::SIZE_MIN), with which an
    /// append for many flows may already be too large for ever.
    pub bytes_max: u64,
    /// How long delivered events stay in the log, as far as `bytes_max` allows.
    pub keep_delivered: Duration,
}

/// How the file's last user left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastStop {
    /// There was none: the buffer is new.
    Never,
    /// By [`Buffer::close`].
    Clean,
    /// By a crash, a kill or a power cut.
    Crash,
    /// In the same way, and since then the write-ahead log was lost, with an unknown number of commits: the sequence numbers
    /// count anew, in a new epoch.
    LogLost,
}

/// Events on disk until they are settled. The only one that writes to its file.
pub struct Buffer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    /// The row of the boot that goes on.
    boot: i64,
    epoch: Uuid,
    last_stop: LastStop,
    salvage: Option<Salvage>,
    pub(crate) state: State,
    pen: Pen,
    pub(crate) durability: Durability,
    pub(crate) room: Room,
    pub(crate) reserve: Reserve,
    retention: Retention,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) holds: Arc<Holds>,
    /// A sync has failed, so that nobody knows what the disk has of the log.
    pub(crate) doubts_log: bool,
    /// There may be so many free pages that some should be given back to the file system.
    pub(crate) may_shrink: bool,
    /// After the connection, so that it is closed later.
    pub(crate) wal: Wal,
    /// Last, so that it is released after the connection is closed.
    _lock: Lock,
}

impl Buffer {
    /// Opens the buffer at `path`, or makes a new one there. What can be read of a damaged one is put into a new file
    /// first, which needs as much room again while it is made; [`Buffer::salvage`] says what became of it.
    ///
    /// # Errors
    /// A file that is in use, newer or something else is refused and left as it is.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let lock = Lock::take(path)?;
        let Opened { connection, wal, boot, last_stop, epoch, state, salvage } = open::open(path, options)?;
        let pen = Pen::new(boot).map_err(|cause| OpenError::File { path: path.to_owned(), cause: cause.into() })?;
        Ok(Self {
            path: path.to_owned(),
            boot,
            epoch,
            last_stop,
            salvage,
            state,
            pen,
            durability: Durability::Synced,
            room: Room::new(options.bytes_max),
            reserve: Reserve::of(path),
            retention: Retention::new(options.keep_delivered, boot),
            overflow: None,
            holds: Arc::default(),
            doubts_log: false,
            may_shrink: true,
            connection,
            wal,
            _lock: lock,
        })
    }

    /// Lets these flows give up what they still have to deliver when there is no room: first detail, then the oldest
    /// events. Losses of all flows are told from then on; before, they are only remembered.
    #[must_use]
    pub fn yielding(self, flows: Vec<Yielding>, author: Box<dyn Author>) -> Self {
        Self { overflow: Some(Overflow::new(flows, author)), ..self }
    }

    /// The identity of this store; sequence numbers count within it.
    pub fn epoch(&self) -> Uuid {
        self.epoch
    }

    /// How the file was left before it was opened now.
    pub fn last_stop(&self) -> LastStop {
        self.last_stop
    }

    /// What was saved when the buffer was opened now; `None` when its file was not damaged.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.salvage.as_ref()
    }

    /// All flows, retired ones too.
    pub fn flows(&self) -> Vec<FlowState> {
        self.state.flows.states(&self.state.losses)
    }

    /// What was counted outside the flows.
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// What a crash or a stop left in flight to `destination`, in the order in which it began.
    pub fn flights(&self, destination: &str) -> Vec<Flight> {
        self.state.flights.of(destination)
    }

    /// The session at `destination` that its flights belong to.
    pub fn session(&self, destination: &str) -> Option<&str> {
        self.state.flights.session(destination)
    }

    /// Forgets what is in flight to other destinations than these: nobody is there to finish it, and its events are
    /// offered again wherever their flow goes now.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn keep_flights(&mut self, destinations: &[&str]) -> Result<(), WriteError> {
        let mut state = self.state.clone();
        state.flights.keep(destinations);
        state.flights.mark(&mut state.flows);
        if state != self.state {
            self.set_durability(Durability::Synced)?;
            let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            state.save(&transaction, &self.state)?;
            transaction.commit()?;
            self.state = state;
        }
        Ok(())
    }

    /// A connection of its own to read from, from any thread.
    ///
    /// # Errors
    /// The file cannot be opened again.
    pub fn reader(&self) -> Result<Reader, ReadError> {
        self.readers().open()
    }

    /// Opens readers also when the buffer is in its writer's hands.
    pub fn readers(&self) -> Readers {
        Readers::new(&self.path, self.boot, self.holds.clone())
    }

    /// Takes up another configuration in the midst of the work: the flows, the limits, and what gives up what. What is in
    /// flight stays so. The boot stays the one that the buffer was opened in.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn reconfigure(
        &mut self,
        options: &Options,
        yielding: impl FnOnce(&[FlowState]) -> (Vec<Yielding>, Box<dyn Author>),
    ) -> Result<(), WriteError> {
        self.set_durability(Durability::Synced)?;
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        flow::configure(&transaction, &options.flows)?;
        let state = State::load(&transaction)?;
        transaction.commit()?;
        self.state = state;
        self.room = Room::new(options.bytes_max);
        self.retention.keep(options.keep_delivered);
        let (flows, author) = yielding(&self.flows());
        self.overflow = Some(match self.overflow.take() {
            Some(overflow) => overflow.with(flows, author),
            None => Overflow::new(flows, author),
        });
        Ok(())
    }

    /// Applies all of the work in one transaction, in order.
    ///
    /// # Errors
    /// Nothing has changed then. After [`WriteError::Refused`] the same work may be applied again.
    pub fn apply<'a>(
        &mut self,
        work: impl IntoIterator<Item = &'a Work, IntoIter: Clone>,
        durability: Durability,
    ) -> Result<(), WriteError> {
        let work = work.into_iter();
        let purpose = match work.clone().any(Work::adds) {
            true => Purpose::Append,
            false => Purpose::Settle,
        };
        let pages = room::pages(&self.connection, work.clone());
        let applied = self.apply_once(work.clone(), pages, purpose, durability, true);
        let applied = match applied {
            // Nothing is given up for a disk that has room and refuses for another reason.
            Err(error) if error.is_want_of_room() && self.make_disk_room(pages, purpose)? => {
                self.apply_once(work, pages, purpose, durability, false)
            }
            applied => applied,
        };
        if let Err(error) = &applied {
            self.learn(error);
        }
        applied
    }

    fn apply_once<'a>(
        &mut self,
        work: impl Iterator<Item = &'a Work> + Clone,
        pages: u64,
        purpose: Purpose,
        durability: Durability,
        may_pack: bool,
    ) -> Result<(), WriteError> {
        self.renew_log()?;
        self.admit(pages, purpose)?;
        let packs = may_pack && self.may_pack(purpose);
        self.commit(work, durability, packs)
    }

    /// Packing takes room before it gives some back: nothing is refused for its sake.
    fn may_pack(&mut self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Append => pack::is_due(&self.state.flows) && self.room.take(pack::STEP_PAGES),
            Purpose::Settle | Purpose::Tidy => false,
        }
    }

    fn commit<'a>(
        &mut self,
        work: impl Iterator<Item = &'a Work> + Clone,
        durability: Durability,
        packs: bool,
    ) -> Result<(), WriteError> {
        self.pen.clear();
        self.set_durability(durability)?;
        self.retention.see(work.clone());
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut state = self.state.clone();
        for work in work {
            match work {
                Work::Append(work) => append::append(work, &mut state, &transaction, &mut self.pen)?,
                Work::Settle(work) => settle::settle(work, &self.state.flows, &mut state.flows, &transaction)?,
                Work::Cut(flow) => state.flows.get_mut(*flow)?.cut(),
                Work::Replay(Replay { flow, range }) => state.flows.get_mut(*flow)?.replay(range.clone()),
                Work::Replayed(Replayed { flow, range, events }) => {
                    state.flows.get_mut(*flow)?.replayed(range, *events);
                }
                Work::Drop(flow) => {
                    let flow = state.flows.get_mut(*flow)?;
                    flow.drop_backlog();
                    if flow.waiting == 0 {
                        waiting::delete(&transaction, flow.id)?;
                    }
                }
                Work::Resume(Resume { flow, outcomes }) => {
                    waiting::resume(&transaction, state.flows.get_mut(*flow)?, outcomes)?;
                }
                Work::Keep(work) => keep::save(&transaction, work)?,
                Work::Sync(at) => boot::set_sync(&transaction, self.boot, *at)?,
                Work::Confirm(work) => confirm::save(&transaction, work)?,
                Work::Dispose(work) => dispose::dispose(work, &mut state, &transaction, &mut self.pen)?,
                Work::Fly(work) => {
                    flight::fly(work, &self.state.flows, &mut state.flows, &mut state.flights, &transaction)?;
                }
            }
        }
        if state.letters() > self.state.letters() {
            let State { dead, flows, losses, .. } = &mut state;
            dead.keep_within(self.room.bytes_max(), &transaction, flows, losses)?;
        }
        let now = Instant::now();
        let told = match &self.overflow {
            Some(overflow) => overflow.tell(now, &transaction, &mut state, &mut self.pen)?,
            None => Vec::new(),
        };
        self.pen.finish(&transaction)?;
        if packs {
            pack::step(&transaction, &mut state.flows)?;
        }
        self.may_shrink |= self.retention.expire(&transaction, &mut state.flows)?;
        state.save(&transaction, &self.state)?;
        transaction.commit()?;
        self.state = state;
        if let Some(overflow) = &mut self.overflow {
            overflow.told(told, now);
        }
        // The work is done; tidying up that fails is tried again after the next one.
        if let Err(error) = self.shrink() {
            self.learn(&error);
        }
        Ok(())
    }

    /// Leaves the file in one piece and marked as cleanly left.
    ///
    /// # Errors
    /// The disk refuses: everything applied is still there, and the next start takes this stop for a crash.
    pub fn close(mut self) -> Result<(), WriteError> {
        self.set_durability(Durability::Synced)?;
        schema::set_meta(&self.connection, schema::CLEAN, true)?;
        // A reader that is still open keeps the log; the next start finds everything all the same.
        self.checkpoint()?;
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// Makes the file refuse to grow, as a full disk does.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages_max: u32) {
        self.connection.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(())).unwrap();
    }
}
