//! A serial line with units that misbehave, on a clock that runs as fast as the test.

use std::sync::atomic::{AtomicUsize, Ordering};

use plantlink_config::Table;
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::super::exchange::Answer;
use super::super::fake::Asked;
use super::super::fake_serial::{FakeSerial, Sent, answer, exception, frame, words};
use super::super::plan::Request;
use super::*;

const LIMIT: Duration = Duration::from_millis(500);
const AT_ONCE: Duration = Duration::from_millis(10);

fn request(first: u16) -> Request {
    Request { table: Table::Holding, first, count: 2, tags: Vec::new() }
}

/// What one unit answers.
async fn read(connection: &mut Connection, first: u16, retries: u8) -> Result<Vec<u16>, Failure> {
    match connection.read(1, &request(first), retries).await? {
        Answer::Words(words) => Ok(words),
        Answer::Bits(bits) => panic!("bits instead of words: {bits:?}"),
    }
}

/// A line whose units do `first` about the first request and are good from then on.
fn good_but_for_the_first(misbehave: impl Fn(Asked) -> Vec<Sent> + Send + Sync + 'static) -> (FakeSerial, Connection) {
    let count = AtomicUsize::new(0);
    let (fake, stream) = FakeSerial::start(move |asked| match count.fetch_add(1, Ordering::Relaxed) {
        0 => misbehave(asked),
        _ => vec![(AT_ONCE, answer(asked))],
    });
    (fake, Connection::over(stream, LIMIT, Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_is_not_taken_and_what_follows_it_neither() {
    type Misbehave = fn(Asked) -> Vec<Sent>;
    let ways: [(&str, Misbehave); 8] = [
        ("late", |asked| vec![(LIMIT * 3 / 2, answer(asked))]),
        ("half", |asked| vec![(AT_ONCE, answer(asked)[..5].to_vec())]),
        ("the second half late", |asked| {
            vec![(AT_ONCE, answer(asked)[..5].to_vec()), (LIMIT * 3 / 2, answer(asked)[5..].to_vec())]
        }),
        ("another unit", |asked| vec![(AT_ONCE, answer(Asked { unit: 2, ..asked }))]),
        ("another function", |asked| vec![(AT_ONCE, answer(Asked { function: 4, ..asked }))]),
        ("another length", |asked| vec![(AT_ONCE, words(asked, &[7]))]),
        ("a broken checksum", |asked| vec![(AT_ONCE, [&answer(asked)[..8], &[0]].concat())]),
        ("an answer after one of another length", |asked| {
            vec![(AT_ONCE, words(asked, &[7])), (2 * AT_ONCE, answer(asked))]
        }),
    ];
    for (way, misbehave) in ways {
        let (_fake, mut connection) = good_but_for_the_first(misbehave);
        let failure = read(&mut connection, 0, 0).await.unwrap_err();
        let fault = match failure {
            Failure::Refused(fault) | Failure::Silent(fault) => fault,
        };
        assert!(matches!(fault, Fault::Timeout | Fault::WrongAnswer), "{way}: {fault:?}");
        for first in [500, 1000, 0] {
            assert_eq!(read(&mut connection, first, 0).await.unwrap(), [first, first + 1], "{way}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_right_for_the_same_request_asked_again() {
    let (fake, mut connection) = good_but_for_the_first(|asked| vec![(LIMIT + 2 * AT_ONCE, answer(asked))]);
    let began = Instant::now();
    assert_eq!(read(&mut connection, 0, 1).await.unwrap(), [0, 1]);
    // The wait that a line needs after it was opened, the first request, and no more than the answer to the second.
    assert!(began.elapsed() <= 2 * LIMIT + 2 * AT_ONCE, "it took {:?}", began.elapsed());
    assert_eq!(read(&mut connection, 500, 0).await.unwrap(), [500, 501]);
    let asked: Vec<_> = fake.asked().iter().map(|asked| asked.first).collect();
    assert_eq!(asked, [0, 0, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_unit_is_asked_again_after_a_while_and_then_left_alone() {
    let (fake, mut connection) = good_but_for_the_first(|asked| vec![(AT_ONCE, exception(asked, 6))]);
    assert_eq!(read(&mut connection, 0, 1).await.unwrap(), [0, 1]);
    assert_eq!(fake.asked().len(), 2);

    let (fake, stream) = FakeSerial::start(|asked| vec![(AT_ONCE, exception(asked, 5))]);
    let mut connection = Connection::over(stream, LIMIT, Duration::ZERO);
    let failure = read(&mut connection, 0, 2).await.unwrap_err();
    assert!(matches!(failure, Failure::Silent(Fault::Exception(5))), "{failure:?}");
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_exception_is_an_answer_and_the_next_request_need_not_wait() {
    let (_fake, mut connection) = good_but_for_the_first(|asked| vec![(AT_ONCE, exception(asked, 2))]);
    let failure = read(&mut connection, 0, 1).await.unwrap_err();
    assert!(matches!(failure, Failure::Refused(Fault::Exception(2))), "{failure:?}");
    assert!(connection.free_at() <= Instant::now());
    assert_eq!(read(&mut connection, 500, 0).await.unwrap(), [500, 501]);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_never_falls_silent_is_given_up() {
    let chatter = |_| (1..200).map(|times| (AT_ONCE * 10 * times, frame(9, &[3, 2, 0, 7]))).collect();
    let (_fake, mut connection) = good_but_for_the_first(chatter);
    assert!(read(&mut connection, 0, 0).await.is_err());
    let failure = read(&mut connection, 500, 0).await.unwrap_err();
    assert!(matches!(failure, Failure::Silent(Fault::NoConnection)), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_gone_is_no_connection() {
    let (fake, stream) = FakeSerial::start(|asked| vec![(AT_ONCE, answer(asked))]);
    let mut connection = Connection::over(stream, LIMIT, Duration::ZERO);
    assert_eq!(read(&mut connection, 0, 0).await.unwrap(), [0, 1]);
    drop(fake);
    let failure = read(&mut connection, 0, 0).await.unwrap_err();
    assert!(matches!(failure, Failure::Silent(Fault::NoConnection)), "{failure:?}");
    assert!(connection.open().await.is_err(), "the file of the port is looked for again");
}

#[tokio::test]
async fn behind_a_converter_a_late_answer_meets_a_connection_that_nobody_reads() {
    // What comes at once comes within this, however busy the machine is.
    let limit = Duration::from_secs(2);
    let (fake, port) = FakeSerial::behind_tcp(move |asked| match asked.connection {
        0 => vec![(limit * 3 / 2, answer(asked))],
        _ => vec![(Duration::ZERO, answer(asked))],
    })
    .await;
    let address = LineAddress::RtuOverTcp { host: "127.0.0.1".into(), port };
    let mut connection = Connection::new(address, limit, Duration::ZERO);
    let failure = read(&mut connection, 0, 0).await.unwrap_err();
    assert!(matches!(failure, Failure::Silent(Fault::Timeout)), "{failure:?}");
    assert_eq!(read(&mut connection, 500, 0).await.unwrap(), [500, 501]);
    let connections: Vec<_> = fake.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 1]);
}

/// What a unit does about one request. Everything has been sent before twice the time limit is over.
#[derive(Debug, Clone)]
enum Deed {
    Answer { after: u64 },
    InTwo { after: u64, at: usize, rest_after: u64 },
    OtherUnit { after: u64 },
    OtherLength { after: u64 },
    Exception { after: u64, code: u8 },
    Silence,
}

impl Deed {
    fn of(&self, asked: Asked) -> Vec<Sent> {
        let after = Duration::from_millis;
        match *self {
            Deed::Answer { after: ms } => vec![(after(ms), answer(asked))],
            Deed::InTwo { after: ms, at, rest_after } => {
                let (begin, rest) = (answer(asked)[..at].to_vec(), answer(asked)[at..].to_vec());
                vec![(after(ms), begin), (after(ms.max(rest_after)), rest)]
            }
            Deed::OtherUnit { after: ms } => vec![(after(ms), answer(Asked { unit: asked.unit + 1, ..asked }))],
            Deed::OtherLength { after: ms } => vec![(after(ms), words(asked, &[asked.first]))],
            Deed::Exception { after: ms, code } => vec![(after(ms), exception(asked, code))],
            Deed::Silence => Vec::new(),
        }
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let after = || prop_oneof![0..500_u64, 500..1000_u64];
    prop_oneof![
        4 => after().prop_map(|after| Deed::Answer { after }),
        1 => (after(), 1..8_usize, after()).prop_map(|(after, at, rest_after)| Deed::InTwo { after, at, rest_after }),
        1 => after().prop_map(|after| Deed::OtherUnit { after }),
        1 => after().prop_map(|after| Deed::OtherLength { after }),
        1 => (after(), 1..12_u8).prop_map(|(after, code)| Deed::Exception { after, code }),
        1 => Just(Deed::Silence),
    ]
}

proptest! {
    #[test]
    fn no_late_answer_is_ever_taken_for_that_to_another_request(
        deeds in prop::collection::vec(deed(), 1..30),
        questions in prop::collection::vec((0..4_u16, 0..3_u8), 1..20),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let count = AtomicUsize::new(0);
            let (_fake, stream) = FakeSerial::start(move |asked| {
                let deed = deeds.get(count.fetch_add(1, Ordering::Relaxed) % deeds.len());
                deed.map(|deed| deed.of(asked)).unwrap_or_default()
            });
            let mut connection = Connection::over(stream, LIMIT, Duration::ZERO);
            for (place, retries) in questions {
                let first = place * 100;
                // A line that was given up is not there any more.
                if let Ok(words) = read(&mut connection, first, retries).await {
                    prop_assert_eq!(words, [first, first + 1]);
                }
            }
            Ok(())
        })?;
    }
}
