//! The writer's thread: takes what is submitted, commits what is due, and stays with what the disk refuses.

use std::error::Error;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::queue::{Group, Queue};
use super::{DiskState, Order, Reconfiguration};
use crate::buffer::Buffer;
use crate::error::{Cause, WriteError};
use crate::work::Durability;

/// The time within which written settlements are synced.
const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// The pause after the first refusal; each further one doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) struct Committer {
    buffer: Buffer,
    orders: Receiver<Order>,
    on_state: Box<dyn Fn(&DiskState) + Send>,
    queue: Queue,
    refusal: Option<Refusal>,
    /// When what is only written has to be synced.
    sync_due: Option<Instant>,
    is_stopping: bool,
}

/// The disk does not take what it is given.
struct Refusal {
    since: Instant,
    reason: String,
    pause: Duration,
    retry_at: Instant,
    /// Not even settlements, which need little room and make some.
    of_settles: bool,
}

impl Committer {
    pub(super) fn new(
        buffer: Buffer,
        orders: Receiver<Order>,
        queue: Queue,
        on_state: Box<dyn Fn(&DiskState) + Send>,
    ) -> Self {
        Self { buffer, orders, on_state, queue, refusal: None, sync_due: None, is_stopping: false }
    }

    /// Runs until it is told to stop, or until going on would hide a defect.
    pub(super) fn run(mut self) -> Result<(), WriteError> {
        while !self.is_stopping {
            self.receive();
            match self.attempt() {
                Ok(()) => {}
                Err(WriteError::Refused(cause)) => self.refused(&cause),
                Err(error @ (WriteError::Damaged(_) | WriteError::Inconsistent(_))) => {
                    (self.on_state)(&DiskState::Broken { reason: reason(&error) });
                    return Err(error);
                }
            }
        }
        self.queue.hurry(Instant::now());
        self.write()?;
        self.buffer.close()
    }

    /// Takes orders until something is due.
    fn receive(&mut self) {
        while self.refusal.is_some() || !self.queue.is_full() {
            let order = match self.wake_at() {
                // An order that is there already is taken also when the time is over: it can ride along.
                Some(time) => self.orders.recv_timeout(time.saturating_duration_since(Instant::now())),
                None => self.orders.recv().map_err(RecvTimeoutError::from),
            };
            match order {
                Ok(Order::Submit { submission, due }) => {
                    self.queue.push(*submission, due);
                    if self.may_settle() {
                        return;
                    }
                }
                Ok(Order::Reconfigure(reconfiguration)) => self.reconfigure(*reconfiguration),
                Ok(Order::Hurry) => self.queue.hurry(Instant::now()),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.is_stopping = true;
                    return;
                }
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
    }

    /// What was refused before is tried again at once.
    fn reconfigure(&mut self, Reconfiguration { options, yielding, done }: Reconfiguration) {
        let reconfigured = self.buffer.reconfigure(&options, yielding);
        if let Some(refusal) = &mut self.refusal {
            refusal.retry_at = Instant::now();
        }
        done(reconfigured.map(|()| self.buffer.flows()));
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.refusal {
            Some(refusal) => Some(refusal.retry_at).into_iter().chain(self.sync_due).min(),
            None => self.queue.due().into_iter().chain(self.sync_due).min(),
        }
    }

    /// Whether there are settlements to commit beside appends that the disk refuses. Nothing that a destination waits for is
    /// kept back by what needs room.
    fn may_settle(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| !refusal.of_settles) && self.queue.has_settles()
    }

    /// Does all that is due. What is written already is synced in time, whether or not the disk takes more.
    fn attempt(&mut self) -> Result<(), WriteError> {
        let now = Instant::now();
        let written = match &self.refusal {
            Some(refusal) if refusal.retry_at > now && self.may_settle() => self.settle(),
            Some(refusal) if refusal.retry_at > now => Ok(()),
            Some(_) | None => self.write(),
        };
        written.and(self.sync(now))
    }

    fn write(&mut self) -> Result<(), WriteError> {
        if self.refusal.is_some() {
            self.settle()?;
        }
        while let Some(group) = self.queue.take(Instant::now(), self.refusal.is_some()) {
            self.commit(group)?;
        }
        if self.refusal.take().is_some() {
            (self.on_state)(&DiskState::Writing);
        }
        Ok(())
    }

    /// Settlements alone: they are not kept behind appends that find no room.
    fn settle(&mut self) -> Result<(), WriteError> {
        let settles = self.queue.take_settles();
        let settled = self.commit(settles);
        if let Some(refusal) = &mut self.refusal {
            refusal.of_settles = settled.is_err();
        }
        settled
    }

    fn sync(&mut self, now: Instant) -> Result<(), WriteError> {
        if self.sync_due.is_none_or(|due| due > now) {
            return Ok(());
        }
        let synced = self.buffer.sync();
        self.sync_due = synced.is_err().then(|| now + SYNC_WITHIN);
        synced
    }

    fn commit(&mut self, group: Group) -> Result<(), WriteError> {
        if group.members.is_empty() {
            return Ok(());
        }
        let work = group.members.iter().map(|member| &member.work);
        if let Err(error) = self.buffer.apply(work, group.durability) {
            self.queue.put_back(group);
            return Err(error);
        }
        // A commit that changes nothing syncs nothing either.
        if group.members.iter().any(|member| !member.work.is_empty()) {
            self.sync_due = match group.durability {
                Durability::Synced => None,
                Durability::Written => self.sync_due.or_else(|| Some(Instant::now() + SYNC_WITHIN)),
            };
        }
        let flows = self.buffer.flows();
        for member in group.members {
            (member.done)(&flows);
        }
        Ok(())
    }

    fn refused(&mut self, cause: &Cause) {
        let now = Instant::now();
        let reason = cause.to_string();
        let (since, pause, of_settles, is_news) = match &self.refusal {
            Some(refusal) => {
                let pause = (refusal.pause * 2).min(PAUSE_MAX);
                (refusal.since, pause, refusal.of_settles, refusal.reason != reason)
            }
            None => (now, PAUSE_MIN, false, true),
        };
        if is_news {
            (self.on_state)(&DiskState::Refused { since, reason: reason.clone() });
        }
        self.refusal = Some(Refusal { since, reason, pause, retry_at: now + pause, of_settles });
    }
}

/// The error with its cause, for somebody who gets no more than this.
fn reason(error: &WriteError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;
    use crate::append::{Append, Routed};
    use crate::buffer::Options;
    use crate::event::{Event, EventTime, Stamp, Stored};
    use crate::flow::{FlowId, FlowSpec, FlowState};
    use crate::loss::Loss;
    use crate::overflow::Author;
    use crate::room::SIZE_MIN;
    use crate::settle::{Settle, Settled};
    use crate::work::Work;
    use crate::writer::{GroupLimits, StopError, Submission, Writer};

    /// Longer than any of this takes, so that only what is wrong waits for it.
    const LIMIT: Duration = Duration::from_secs(60);

    fn open(directory: &Path) -> Buffer {
        let flows = vec![FlowSpec { name: "orders".to_owned(), was: None }];
        let options =
            Options { flows, boot_id: "boot".to_owned(), bytes_max: SIZE_MIN, keep_delivered: Duration::ZERO };
        Buffer::open(&directory.join("buffer.db"), &options).unwrap()
    }

    /// Events that take as much room on the disk as they have bytes.
    fn append(flow: FlowId, count: u64) -> Work {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let mut event = || Event {
            id: [0; 16],
            event_type: "production.counted".into(),
            source: "press-12".into(),
            at: EventTime::Own,
            stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
            data: (0..200).map(|_| random()).collect(),
            metadata: Vec::new(),
        };
        let events = (0..count).map(|_| Routed { event: event(), flows: vec![flow] }).collect();
        Work::Append(Append { events, ..Append::default() })
    }

    /// A buffer with 3,000 events whose file takes no further page.
    fn full(directory: &Path) -> (Buffer, FlowId) {
        let mut buffer = open(directory);
        let flow = buffer.flows()[0].id;
        buffer.apply(&[append(flow, 3_000)], Durability::Synced).unwrap();
        buffer.limit_pages(1);
        (buffer, flow)
    }

    /// There is nothing to tell and nothing to merge.
    struct Nobody;

    impl Author for Nobody {
        fn overflowed(&self, _: &Loss) -> Event {
            unreachable!("nothing is lost here")
        }

        fn loss_in(&self, _: FlowId, _: &Event) -> Option<Loss> {
            None
        }

        fn merges(&self, _: &Event) -> bool {
            false
        }

        fn merged(&self, _: &[Stored]) -> Event {
            unreachable!("nothing is merged here")
        }
    }

    fn start(buffer: Buffer) -> (Writer, mpsc::Receiver<DiskState>) {
        let (states, receiver) = mpsc::channel();
        let on_state = Box::new(move |state: &DiskState| drop(states.send(state.clone())));
        (Writer::start(buffer, GroupLimits::default(), on_state).unwrap(), receiver)
    }

    fn submit(writer: &Writer, work: Work) -> mpsc::Receiver<Vec<FlowState>> {
        let (answer, receiver) = mpsc::channel();
        let done = Box::new(move |flows: &[FlowState]| drop(answer.send(flows.to_vec())));
        writer.handle().submit(Submission { work, wait: Duration::ZERO, done }).unwrap();
        receiver
    }

    fn committer(buffer: Buffer) -> Committer {
        let (_, orders) = mpsc::channel();
        let queue = Queue::new(GroupLimits::default());
        Committer::new(buffer, orders, queue, Box::new(|_| ()))
    }

    fn push(committer: &mut Committer, work: Work) {
        let submission = Submission { work, wait: Duration::ZERO, done: Box::new(|_| ()) };
        committer.queue.push(submission, Instant::now());
    }

    fn settle(flow: FlowId, from: u64) -> Work {
        Work::Settle(Settle { flow, from, outcomes: vec![(from, Settled::Delivered)] })
    }

    #[test]
    fn a_settlement_is_synced_by_the_next_append_that_writes_something() {
        let directory = tempfile::tempdir().unwrap();
        let mut buffer = open(directory.path());
        let flow = buffer.flows()[0].id;
        buffer.apply(&[append(flow, 3)], Durability::Synced).unwrap();
        let mut committer = committer(buffer);
        push(&mut committer, settle(flow, 1));
        committer.attempt().unwrap();
        assert!(committer.sync_due.is_some());
        push(&mut committer, Work::Append(Append::default()));
        committer.attempt().unwrap();
        assert!(committer.sync_due.is_some(), "an append of nothing syncs nothing");
        push(&mut committer, append(flow, 1));
        committer.attempt().unwrap();
        assert_eq!(committer.sync_due, None);
    }

    #[test]
    fn a_settlement_is_synced_in_time_while_the_disk_takes_nothing_new() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, flow) = full(directory.path());
        let mut committer = committer(buffer);
        push(&mut committer, settle(flow, 1));
        committer.attempt().unwrap();
        push(&mut committer, append(flow, 1_500));
        let refused = committer.attempt().unwrap_err();
        assert!(matches!(refused, WriteError::Refused(_)), "{refused}");
        committer.sync_due = Some(Instant::now());
        assert!(committer.attempt().is_err());
        assert_eq!(committer.sync_due, None);
    }

    #[test]
    fn what_a_full_disk_refuses_is_kept_until_settling_has_made_room() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, flow) = full(directory.path());
        let (writer, states) = start(buffer);
        let appended = submit(&writer, append(flow, 1_500));
        let refused = states.recv_timeout(LIMIT).unwrap();
        assert!(matches!(&refused, DiskState::Refused { reason, .. } if reason.contains("full")), "{refused:?}");
        assert!(appended.try_recv().is_err());

        let outcomes = (1..=3_000).map(|sequence| (sequence, Settled::Delivered)).collect();
        let settled = submit(&writer, Work::Settle(Settle { flow, from: 1, outcomes }));
        assert_eq!(settled.recv_timeout(LIMIT).unwrap()[0].buffered, 0);
        assert_eq!(appended.recv_timeout(LIMIT).unwrap()[0].buffered, 1_500);
        assert_eq!(states.recv_timeout(LIMIT), Ok(DiskState::Writing));
        writer.stop().unwrap();
        assert_eq!(open(directory.path()).flows()[0].next, 4_501);
    }

    #[test]
    fn a_settlement_waits_for_no_append_that_the_disk_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, flow) = full(directory.path());
        let mut committer = committer(buffer);
        push(&mut committer, append(flow, 1_500));
        let Err(WriteError::Refused(cause)) = committer.attempt() else { panic!("the disk is full") };
        committer.refused(&cause);
        committer.refusal.as_mut().unwrap().retry_at = Instant::now() + LIMIT;
        let (sender, orders) = mpsc::channel();
        committer.orders = orders;
        let submission = Submission { work: settle(flow, 1), wait: LIMIT, done: Box::new(|_| ()) };
        sender.send(Order::Submit { submission: Box::new(submission), due: Instant::now() + LIMIT }).unwrap();
        drop(sender);
        committer.receive();
        assert!(!committer.is_stopping, "the settlement is committed before anything else is looked for");
        committer.attempt().unwrap();
        assert_eq!(committer.buffer.flows()[0].delivered, 1);
    }

    #[test]
    fn another_configuration_is_taken_up_while_the_disk_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, flow) = full(directory.path());
        let (writer, states) = start(buffer);
        let appended = submit(&writer, append(flow, 1_500));
        states.recv_timeout(LIMIT).unwrap();
        let (answer, answered) = mpsc::channel();
        let flows = vec![FlowSpec { name: "renamed".to_owned(), was: Some("orders".to_owned()) }];
        writer
            .handle()
            .reconfigure(Reconfiguration {
                options: Options { flows, boot_id: String::new(), bytes_max: SIZE_MIN, keep_delivered: Duration::ZERO },
                yielding: Box::new(|_| (Vec::new(), Box::new(Nobody))),
                done: Box::new(move |flows| drop(answer.send(flows))),
            })
            .unwrap();
        let flows = answered.recv_timeout(LIMIT).unwrap().unwrap();
        assert_eq!((&*flows[0].name, flows[0].id), ("renamed", flow));
        assert!(appended.try_recv().is_err());
    }

    #[test]
    fn a_stop_does_not_wait_for_a_disk_that_refuses_and_answers_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, flow) = full(directory.path());
        let (writer, states) = start(buffer);
        let appended = submit(&writer, append(flow, 1_500));
        states.recv_timeout(LIMIT).unwrap();
        let ended = writer.stop().unwrap_err();
        assert!(matches!(ended, StopError::Write(WriteError::Refused(_))), "{ended}");
        assert!(appended.try_recv().is_err());
        assert_eq!(open(directory.path()).flows()[0].next, 3_001);
    }
}
