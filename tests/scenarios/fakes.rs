//! The parts of the fake plant against each other: a proof is worth as much as its instruments.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use plantlink_tests::broker::{Broker, Rules, Tls};
use plantlink_tests::certificates::Authority;
use plantlink_tests::client::{Message, Options, Publisher, Subscriber, Version};
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::ports::local;
use plantlink_tests::proxy::{Cut, Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::plant::{SOON, finished};

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sends_and_receives_in_order_in_both_versions() {
    let broker = Broker::start().await;
    for version in [Version::V311, Version::V5] {
        let filter = format!("{version:?}/#");
        let receiver = Subscriber::start(broker.back_door(&format!("receiver-{version:?}"), version), &filter).await;
        let mut sender = Publisher::new(broker.back_door(&format!("sender-{version:?}"), version));
        let sent: Vec<Message> =
            (0..5_000).map(|index| Message::new(format!("{version:?}/a"), format!("{index}"))).collect();
        sender.publish_all(&sent).await;
        wait::until("all messages", SOON, async || (receiver.count() >= sent.len()).then_some(())).await;
        let received = receiver.received();
        assert_eq!(received.len(), sent.len());
        assert!(received.iter().zip(&sent).all(|(received, sent)| received.payload == sent.payload));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_broker_keeps_what_a_kept_session_waits_for() {
    let mut broker = Broker::start().await;
    let receiver = Subscriber::start(broker.back_door("receiver", Version::V5), "mes/#").await;
    let mut sender = Publisher::new(broker.back_door("sender", Version::V311));
    sender.publish_all(&[finished(1)]).await;
    broker.stop().await;
    broker.start_again().await;
    sender.publish_all(&[finished(2)]).await;
    wait::until("both messages", SOON, async || (receiver.count() >= 2).then_some(())).await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_lets_in_only_whom_its_rules_name() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let rules = Rules { users: vec![("plantlink", "secret")], tls: Some(Tls::mutual(&authority)), ..Rules::default() };
    let broker = Broker::start_with(rules).await;
    let dir = TempDir::new().unwrap();
    let client = authority.client("gw");
    let files = [
        ("ca", authority.certificate()),
        ("other", stranger.certificate()),
        ("crt", &client.certificate),
        ("key", &client.key),
    ];
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let identity = ["--cert", "crt", "--key", "key"];
    let publish = |authority: &str, identity: &[&str], password: &str| {
        Command::new("mosquitto_pub")
            .current_dir(dir.path())
            .args(["-h", "localhost", "-p", &broker.port().to_string(), "-q", "1", "-t", "a", "-m", "b"])
            .args(["--cafile", authority, "-u", "plantlink", "-P", password])
            .args(identity)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(publish("ca", &identity, "secret"), "{}", broker.log());
    assert!(!publish("other", &identity, "secret"), "a stranger's certificate was accepted");
    assert!(!publish("ca", &[], "secret"), "a client without a certificate was let in");
    assert!(!publish("ca", &identity, "wrong"), "a wrong password was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chopping_proxy_cuts_arrives_by_sending_again() {
    let broker = Broker::start().await;
    let receiver = Subscriber::start(broker.back_door("receiver", Version::V5), "mes/#").await;
    let proxy = Proxy::start(broker.port(), Random::new(7)).await;
    proxy.set(Mode::Chop { bytes: 50..20_000, millis: 1..100 });
    let mut sender = Publisher::new(Options::new(proxy.port(), "sender", Version::V311));
    let sent: Vec<Message> = (0..5_000).map(finished).collect();
    for part in sent.chunks(50) {
        sender.publish_all(part).await;
    }
    assert!(proxy.connections() > 3, "only {} connections", proxy.connections());
    wait::until("all messages", SOON, async || {
        let received: HashSet<Bytes> = receiver.received().into_iter().map(|received| received.payload).collect();
        sent.iter().all(|sent| received.contains(&sent.payload)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_refuses_stalls_and_resets_as_told() {
    let line = ModbusLine::start(&[1]).await;
    let proxy = Proxy::start(line.port(), Random::new(1)).await;
    let mut stream = TcpStream::connect(local(proxy.port())).await.unwrap();
    assert_eq!(ask(&mut stream, 1, 3, 0, 1).await.unwrap(), [3, 2, 0, 0]);

    proxy.set(Mode::StallAnswers);
    stream.write_all(&request(1, 3, 0, 1)).await.unwrap();
    let mut answer = [0; 11];
    let early = tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut answer)).await;
    assert!(early.is_err(), "an answer came through a stalled link");
    proxy.set(Mode::Pass);
    stream.read_exact(&mut answer).await.unwrap();

    proxy.cut(Cut::Reset);
    let end = stream.read(&mut answer).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);

    proxy.set(Mode::Refuse);
    wait::until("the port to be closed", SOON, async || {
        let error = TcpStream::connect(local(proxy.port())).await.err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(())
    })
    .await;
    proxy.set(Mode::Pass);
    wait::until("the port to be open", SOON, async || TcpStream::connect(local(proxy.port())).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modbus_line_answers_refuses_and_is_silent_as_told() {
    let mut line = ModbusLine::start(&[1, 2]).await;
    line.set_u32(1, Table::Holding, 10, 0x0001_0203).await;
    line.set(1, Table::Input, 4, &[77]).await;
    line.set(1, Table::Coil, 3, &[1, 0, 1]).await;
    line.refuse(1, Table::Holding, 20, 29).await;
    line.silence(2, true).await;

    let mut stream = TcpStream::connect(local(line.port())).await.unwrap();
    assert_eq!(ask(&mut stream, 1, 3, 10, 2).await.unwrap(), [3, 4, 0, 1, 2, 3]);
    assert_eq!(ask(&mut stream, 1, 4, 4, 1).await.unwrap(), [4, 2, 0, 77]);
    assert_eq!(ask(&mut stream, 1, 1, 3, 3).await.unwrap(), [1, 1, 0b101]);
    assert_eq!(ask(&mut stream, 1, 3, 19, 2).await.unwrap(), [0x83, 2], "a refused register");
    assert_eq!(ask(&mut stream, 1, 3, 18, 2).await.unwrap(), [3, 4, 0, 0, 0, 0], "the registers before it");
    assert!(ask(&mut stream, 2, 3, 0, 1).await.is_err(), "a silent unit answered");
    line.silence(2, false).await;
    assert_eq!(ask(&mut stream, 2, 3, 0, 1).await.unwrap(), [3, 2, 0, 0]);
    assert_eq!(line.requests().await, [(1, 1), (3, 5), (4, 1)].into());
}

fn request(unit: u8, function: u8, address: u16, count: u16) -> [u8; 12] {
    let [address_high, address_low] = address.to_be_bytes();
    let [count_high, count_low] = count.to_be_bytes();
    [0, 9, 0, 0, 0, 6, unit, function, address_high, address_low, count_high, count_low]
}

/// Sends one request and gives the answer from its function code on.
async fn ask(stream: &mut TcpStream, unit: u8, function: u8, address: u16, count: u16) -> std::io::Result<Vec<u8>> {
    stream.write_all(&request(unit, function, address, count)).await?;
    let answer = async {
        let mut header = [0; 7];
        stream.read_exact(&mut header).await?;
        assert_eq!((header[1], header[6]), (9, unit), "an answer to something else");
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]])) - 1];
        stream.read_exact(&mut body).await?;
        Ok(body)
    };
    tokio::time::timeout(Duration::from_millis(500), answer).await?
}
