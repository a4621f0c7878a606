//! A source and a broker that keeps its session, packet by packet in MQTT 3.1.1.

use plantlink_config::{EventType, MqttLink, TopicFilter, TopicMapping};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fake::{link, source};
use super::*;

/// How long a broker listens for what must not come.
const MOMENT: Duration = Duration::from_millis(100);

const CONNECT: u8 = 0x10;
const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xA2;

fn config(port: u16) -> MqttSource {
    let link = MqttLink { port, version: MqttVersion::V311, window: 10, ..link() };
    let topic = TopicMapping {
        filter: TopicFilter::new("new/#").unwrap(),
        event_type: EventType::new("plant.note").unwrap(),
        id: None,
        time: None,
        each: None,
        correlation: None,
        data: None,
    };
    MqttSource { link, qos: MqttQos::ExactlyOnce, topics: vec![topic], ..source() }
}

/// The first byte of the next packet and what is behind its length; all packets here are short.
async fn hear(broker: &mut TcpStream) -> (u8, Vec<u8>) {
    let (first, length) = (broker.read_u8().await.unwrap(), broker.read_u8().await.unwrap());
    let mut rest = vec![0; length.into()];
    broker.read_exact(&mut rest).await.unwrap();
    (first, rest)
}

/// A source that has connected, what it told first, and its broker.
async fn connected(session_present: bool) -> (Subscription, Intake, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap().port());
    let mut source = Subscription::new(&config, vec!["old/#".to_owned()], Clock::default());
    let greeting = async {
        let (mut broker, _) = listener.accept().await.unwrap();
        assert_eq!(hear(&mut broker).await.0, CONNECT);
        broker.write_all(&[0x20, 2, session_present.into(), 0]).await.unwrap();
        broker
    };
    let (intake, broker) = tokio::join!(source.next(), greeting);
    (source, intake.unwrap(), broker)
}

/// A kill between the commit and the broker's answers leaves no subscription that the next start does not know of.
#[tokio::test]
async fn what_the_session_is_going_to_hold_is_recorded_before_the_broker_is_asked_for_it() {
    for (session_present, holds) in [(true, vec!["new/#", "old/#"]), (false, vec!["new/#"])] {
        let (mut source, intake, mut broker) = connected(session_present).await;
        let Content::Connected(connected) = intake.content else { panic!("{intake:?}") };
        assert_eq!((connected.session_present, connected.filters), (session_present, to_strings(&holds)));
        let broker = async {
            let heard = tokio::time::timeout(MOMENT, broker.read_u8()).await;
            assert!(heard.is_err(), "asked before it was recorded: {heard:?}");
            intake.ack.give();
            if session_present {
                let (first, packet) = hear(&mut broker).await;
                assert_eq!((first, &packet[4..]), (UNSUBSCRIBE, &b"old/#"[..]));
                broker.write_all(&[0xB0, 2, packet[0], packet[1]]).await.unwrap();
            }
            let (first, packet) = hear(&mut broker).await;
            assert_eq!((first, &packet[4..]), (SUBSCRIBE, &b"new/#\x02"[..]));
            broker.write_all(&[0x90, 3, packet[0], packet[1], 2]).await.unwrap();
        };
        let (intake, ()) = tokio::join!(source.next(), broker);
        let Content::Subscribed(subscribed) = intake.unwrap().content else { panic!("not subscribed") };
        assert_eq!((subscribed.filters, subscribed.refused), (to_strings(&["new/#"]), None));
    }
}

#[tokio::test]
async fn what_a_kept_session_has_for_us_is_taken_and_acknowledged_before_its_answers_come() {
    let (mut source, intake, mut broker) = connected(true).await;
    intake.ack.give();
    let broker = async {
        let (_, question) = hear(&mut broker).await;
        // QoS 2, topic `old/1`, packet id 7; then the release of packet id 3.
        broker.write_all(b"\x34\x0A\0\x05old/1\0\x07x\x62\x02\0\x03").await.unwrap();
        assert_eq!(hear(&mut broker).await, (0x50, vec![0, 7]));
        assert_eq!(hear(&mut broker).await, (0x70, vec![0, 3]));
        broker.write_all(&[0xB0, 2, question[0], question[1]]).await.unwrap();
        let (_, question) = hear(&mut broker).await;
        broker.write_all(&[0x90, 3, question[0], question[1], 2]).await.unwrap();
    };
    let source = async {
        let mut arrived = Vec::new();
        loop {
            let intake = source.next().await.unwrap();
            match intake.content {
                Content::Arrived(arrivals) => arrived.extend(arrivals),
                Content::Subscribed(_) => return arrived,
                Content::Connected(_) | Content::Scan(_) => panic!("connected twice"),
            }
            intake.ack.give();
        }
    };
    let (arrived, ()) = tokio::join!(source, broker);
    let [Arrival::Message(message), Arrival::Release { packet_id: 3 }] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(message.receipt, Some(Receipt::ExactlyOnce { packet_id: 7 }));
}

fn to_strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
