//! The writer's thread on a disk that refuses.

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
    let options = Options { flows, boot_id: "boot".to_owned(), bytes_max: SIZE_MIN, keep_delivered: Duration::ZERO };
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
    let events = (0..count).map(|_| Routed { event: event(), flows: [flow].into() }).collect();
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
