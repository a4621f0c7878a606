//! A Modbus TCP connection against a device that misbehaves.

use plantlink_config::Table;
use tokio::net::TcpListener;

use super::super::exchange::Answer;
use super::super::fake::{Asked, Fake, Reply, addresses};
use super::super::plan::Request;
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
    connection.open().await.unwrap();
    assert!(connection.rested > Instant::now(), "a new connection is given its pause too");
    connection.rested = Instant::now();
    assert_eq!(words(&mut connection, 0).await, [0, 1]);
    assert!(connection.rested > Instant::now());
    assert!(timeout(Duration::ZERO, connection.read(1, &request(0, 2), 0)).await.is_err());
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
