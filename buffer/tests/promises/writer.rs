//! The thread that commits, from the side of those who submit.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use plantlink_buffer::{
    Buffer, DiskState, FlowState, GroupLimits, LastStop, StopError, Stopped, Submission, Work, WriteError, Writer,
};

use crate::case::{Case, append, backlog, delivered, flow, numbers};

/// Longer than any of this takes, so that only what is wrong waits for it.
const LIMIT: Duration = Duration::from_secs(60);

fn start(buffer: Buffer) -> (Writer, Receiver<DiskState>) {
    let (states, receiver) = mpsc::channel();
    let on_state = Box::new(move |state: &DiskState| drop(states.send(state.clone())));
    (Writer::start(buffer, GroupLimits::default(), on_state).unwrap(), receiver)
}

fn submission(work: Work, wait: Duration, done: impl FnOnce(&[FlowState]) + Send + 'static) -> Submission {
    Submission { work, wait, done: Box::new(done) }
}

#[test]
fn an_answer_comes_after_others_can_see_the_commit() {
    let case = Case::new();
    let buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let (writer, _) = start(buffer);
    let (seen, receiver) = mpsc::channel();
    let database = case.database();
    let done = move |flows: &[FlowState]| {
        let next: u64 = database.query_row("SELECT next FROM flow", [], |row| row.get(0)).unwrap();
        seen.send((next, flows[0].next)).unwrap();
    };
    writer.handle().submit(submission(append(0..5, &[orders]), Duration::ZERO, done)).unwrap();
    assert_eq!(receiver.recv_timeout(LIMIT), Ok((6, 6)));
    writer.stop().unwrap();
}

#[test]
fn answers_come_in_the_order_of_submission() {
    let case = Case::new();
    let buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let (writer, _) = start(buffer);
    let (answers, receiver) = mpsc::channel();
    for number in 0..500 {
        let answers = answers.clone();
        let wait = Duration::from_millis(number % 3);
        let done = move |_: &[FlowState]| answers.send(number).unwrap();
        writer.handle().submit(submission(append([number], &[orders]), wait, done)).unwrap();
    }
    writer.stop().unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    let buffer = case.open(&["orders"]);
    assert_eq!(numbers(&backlog(&buffer, orders)), (0..500).collect::<Vec<_>>());
}

#[test]
fn hurry_ends_the_wait_for_company() {
    let case = Case::new();
    let buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let (writer, _) = start(buffer);
    let (answers, receiver) = mpsc::channel();
    let done = move |_: &[FlowState]| answers.send(()).unwrap();
    writer.handle().submit(submission(append(0..5, &[orders]), LIMIT * 60, done)).unwrap();
    writer.handle().hurry().unwrap();
    assert_eq!(receiver.recv_timeout(LIMIT), Ok(()));
    writer.stop().unwrap();
}

#[test]
fn a_settlement_does_not_make_an_append_commit_early() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    crate::case::apply(&mut buffer, append(0..5, &[orders]));
    let (writer, _) = start(buffer);
    writer.handle().submit(submission(append(5..9, &[orders]), LIMIT * 60, |_| ())).unwrap();
    let (answers, receiver) = mpsc::channel();
    let done = move |flows: &[FlowState]| answers.send((flows[0].delivered, flows[0].matched)).unwrap();
    writer.handle().submit(submission(delivered(orders, 1, 2), Duration::ZERO, done)).unwrap();
    assert_eq!(receiver.recv_timeout(LIMIT), Ok((2, 5)));
    writer.stop().unwrap();
    assert_eq!(flow(&case.open(&["orders"]), "orders").matched, 9);
}

#[test]
fn a_stop_commits_what_waits_and_is_known_as_clean() {
    let case = Case::new();
    let buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let (writer, _) = start(buffer);
    let handle = writer.handle();
    handle.submit(submission(append(0..5, &[orders]), LIMIT * 60, |_| ())).unwrap();
    writer.stop().unwrap();
    assert_eq!(handle.submit(submission(append(5..6, &[orders]), Duration::ZERO, |_| ())), Err(Stopped));
    let buffer = case.open(&["orders"]);
    assert_eq!(buffer.last_stop(), LastStop::Clean);
    assert_eq!(flow(&buffer, "orders").buffered, 5);
}

#[test]
fn work_that_contradicts_the_buffer_ends_the_writer_and_is_not_answered() {
    let case = Case::new();
    let buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let (writer, states) = start(buffer);
    let (answers, receiver) = mpsc::channel::<()>();
    let done = move |_: &[FlowState]| answers.send(()).unwrap();
    writer.handle().submit(submission(delivered(orders, 7, 1), Duration::ZERO, done)).unwrap();
    assert!(matches!(states.recv_timeout(LIMIT), Ok(DiskState::Broken { .. })));
    assert!(receiver.recv_timeout(LIMIT).is_err());
    let ended = writer.stop().unwrap_err();
    assert!(matches!(ended, StopError::Write(WriteError::Inconsistent(_))), "{ended}");
    assert_eq!(case.open(&["orders"]).last_stop(), LastStop::Crash);
}
