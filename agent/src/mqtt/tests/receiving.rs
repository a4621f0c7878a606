//! Messages in, acknowledgements out.

use std::time::Duration;

use plantlink_config::MqttVersion;
use tokio::time::Instant;

use super::broker::{Heard, PINGRESP, publish, suback, unsuback};
use super::{VERSIONS, connect, linked, watched};
use crate::mqtt::{Arrival, Connect, Incoming, Link, LinkError, Payload, Qos};

fn ids(messages: &[Incoming]) -> Vec<u16> {
    messages.iter().map(|message| message.packet_id).collect()
}

fn messages(arrivals: Vec<Arrival>) -> Vec<Incoming> {
    arrivals.into_iter().filter_map(Arrival::into_message).collect()
}

/// Waits for this many messages.
async fn take(link: &mut Link, count: usize) -> Vec<Incoming> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(messages(link.next().await.unwrap()));
    }
    taken
}

#[tokio::test]
async fn a_message_arrives_with_everything_that_came_with_it() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
    // DUP, QoS 1, RETAIN; topic `a/b`; packet id 7; correlation data `c`; user property `k` = `v`; payload `hi`.
    broker.say(b"\x3B\x15\0\x03a/b\0\x07\x0B\x09\0\x01c\x26\0\x01k\0\x01vhi").await;
    let expected = Incoming {
        topic: "a/b".to_owned(),
        payload: Payload::Whole("hi".into()),
        retain: true,
        dup: true,
        qos: Qos::AtLeastOnce,
        packet_id: 7,
        correlation: Some("c".into()),
        user_properties: vec![("k".to_owned(), "v".to_owned())],
    };
    assert_eq!(link.next().await.unwrap(), [Arrival::Message(expected)]);
}

#[tokio::test]
async fn acknowledgements_given_together_leave_together_and_in_order() {
    for version in VERSIONS {
        let (mut link, mut broker, writes) = watched(connect(version)).await;
        for packet_id in 1..=50 {
            broker.say(&publish(version, packet_id, "mes/1", b"x")).await;
        }
        let messages = take(&mut link, 50).await;
        assert_eq!(ids(&messages), (1..=50).collect::<Vec<_>>());
        let acker = link.acker();
        std::thread::spawn(move || acker.give(&ids(&messages))).join().unwrap();
        for packet_id in 1..=50 {
            assert_eq!(broker.hear().await, Heard::Puback(packet_id));
        }
        assert_eq!(*writes.lock().unwrap(), [200]);
    }
}

/// After a restart of the broker the same packet id may stand for a message that nobody has committed.
#[tokio::test]
async fn an_acknowledgement_never_crosses_to_the_next_connection() {
    for version in VERSIONS {
        let (mut first, mut broker) = linked(connect(version)).await;
        broker.say(&publish(version, 1, "mes/1", b"old")).await;
        take(&mut first, 1).await;
        let stale = first.acker();
        drop(first);
        assert_eq!(broker.hear().await, Heard::Gone);

        let (mut second, mut broker) = linked(connect(version)).await;
        broker.say(&publish(version, 1, "mes/1", b"new")).await;
        take(&mut second, 1).await;
        stale.give(&[1]);
        second.close().await;
        assert_eq!(broker.hear().await, Heard::Goodbye);
    }
}

#[tokio::test]
async fn only_what_waits_for_an_acknowledgement_gets_one_and_only_once() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        broker.say(&publish(version, 0, "mes/1", b"at most once")).await;
        broker.say(&publish(version, 9, "mes/1", b"at least once")).await;
        let messages = take(&mut link, 2).await;
        assert_eq!(messages[0].qos, Qos::AtMostOnce);
        let acker = link.acker();
        acker.give(&[0, 9, 9, 10]);
        acker.give(&[9]);
        link.close().await;
        assert_eq!(broker.hear().await, Heard::Puback(9));
        assert_eq!(broker.hear().await, Heard::Goodbye);
    }
}

#[tokio::test]
async fn all_that_has_arrived_comes_at_once_up_to_256() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(Connect { receive_maximum: 1000, ..connect(version) }).await;
        let all: Vec<u8> = (1..=300).flat_map(|packet_id| publish(version, packet_id, "mes/1", b"x")).collect();
        broker.say(&all).await;
        assert_eq!(link.next().await.unwrap().len(), 256);
        assert_eq!(link.next().await.unwrap().len(), 44);
    }
}

/// A consumer who does not commit must not lose its connection over it, nor fill the memory.
#[tokio::test(start_paused = true)]
async fn beyond_the_window_nothing_is_handed_over_until_something_is_acknowledged_and_pings_go_on() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(Connect { receive_maximum: 2, ..connect(version) }).await;
        for packet_id in 1..=10 {
            broker.say(&publish(version, packet_id, "mes/1", b"x")).await;
        }
        assert_eq!(ids(&take(&mut link, 2).await), [1, 2]);

        let started = Instant::now();
        let broker_side = async {
            while started.elapsed() < Duration::from_secs(600) {
                assert_eq!(broker.hear().await, Heard::Ping);
                broker.say(&PINGRESP).await;
            }
        };
        tokio::select! {
            () = broker_side => {}
            next = link.next() => panic!("read on: {next:?}"),
        }

        link.acker().give(&[1, 2]);
        assert_eq!(ids(&take(&mut link, 2).await), [3, 4]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_the_consumer_takes_nothing() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let large = publish(version, 0, "mes/1", &[b'x'; 60_000]);
        let mut said = 0;
        let limit = Duration::from_secs(600);
        while tokio::time::timeout(limit, broker.say(&large)).await.is_ok() {
            said += 1;
            assert!(said < 200, "12 MB were taken in for nobody");
        }
        let taken = take(&mut link, said - 2).await;
        assert!(taken.len() >= said - 2);
    }
}

/// The broker would deliver it again for ever if it were not acknowledged.
#[tokio::test]
async fn a_message_over_the_limit_arrives_without_its_payload_and_the_next_one_whole() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let oversized = publish(version, 1, "mes/1", &[b'x'; 200_000]);
        broker.say(&oversized).await;
        broker.say(&publish(version, 2, "mes/2", b"small")).await;
        let messages = take(&mut link, 2).await;
        assert_eq!(messages[0].payload, Payload::TooLarge { packet_bytes: oversized.len() });
        assert_eq!((messages[0].topic.as_str(), messages[0].packet_id), ("mes/1", 1));
        assert_eq!(messages[1].payload, Payload::Whole("small".into()));
        link.acker().give(&[1, 2]);
        assert_eq!(broker.hear().await, Heard::Puback(1));
    }
}

#[tokio::test]
async fn another_packet_over_the_limit_ends_the_connection_and_names_the_limit() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
    broker.say(&[0x90, 0x80, 0x80, 0x08]).await;
    let error = link.next().await.unwrap_err();
    let LinkError::Protocol(error) = error else { panic!("{error}") };
    assert_eq!(error.to_string(), "a packet of 131076 bytes is larger than the limit of 65536 bytes");
}

#[tokio::test]
async fn a_subscription_is_through_when_the_broker_says_so() {
    for version in VERSIONS {
        let (link, mut broker) = linked(connect(version)).await;
        let filters = ["mes/+/orders".to_owned(), "mes/#".to_owned()];
        let (subscribed, ()) = tokio::join!(link.subscribe(&filters, Qos::AtLeastOnce), async {
            let (packet_id, heard) = broker.hear_subscribe().await;
            assert_eq!(heard, filters);
            broker.say(&suback(version, packet_id, &[1, 1])).await;
        });
        subscribed.unwrap();
    }
}

#[tokio::test]
async fn every_refused_filter_is_named_with_its_reason() {
    let (link, mut broker) = linked(connect(MqttVersion::V5)).await;
    let filters = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let (subscribed, ()) = tokio::join!(link.subscribe(&filters, Qos::AtLeastOnce), async {
        let (packet_id, _) = broker.hear_subscribe().await;
        broker.say(&suback(MqttVersion::V5, packet_id, &[0x87, 1, 0])).await;
    });
    let error = subscribed.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the broker refused to subscribe us to `a`: not authorized (0x87); `c`: QoS not supported (0x9B)"
    );
    assert!(error.is_lasting());
}

#[tokio::test]
async fn a_3_1_1_broker_refuses_without_a_reason() {
    let (link, mut broker) = linked(connect(MqttVersion::V311)).await;
    let filters = ["a".to_owned()];
    let (subscribed, ()) = tokio::join!(link.subscribe(&filters, Qos::AtLeastOnce), async {
        let (packet_id, _) = broker.hear_subscribe().await;
        broker.say(&suback(MqttVersion::V311, packet_id, &[0x80])).await;
    });
    let expected = "the broker refused to subscribe us to `a`: unspecified error (0x80)";
    assert_eq!(subscribed.unwrap_err().to_string(), expected);
}

/// The backlog of a kept session comes before the SUBACK, at whatever pace it is taken; only silence counts.
#[tokio::test(start_paused = true)]
async fn a_backlog_before_the_suback_is_taken_and_acknowledged_while_it_is_waited_for() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(Connect { receive_maximum: 2, ..connect(version) }).await;
        let filters = ["mes/#".to_owned()];
        let backlog = async {
            let (packet_id, _) = broker.hear_subscribe().await;
            for packet_id in (1..=50).step_by(2) {
                // Longer together than any answer may take.
                tokio::time::sleep(Duration::from_secs(5)).await;
                for packet_id in [packet_id, packet_id + 1] {
                    broker.say(&publish(version, packet_id, "mes/1", b"x")).await;
                }
                for packet_id in [packet_id, packet_id + 1] {
                    assert_eq!(broker.hear().await, Heard::Puback(packet_id));
                }
            }
            broker.say(&suback(version, packet_id, &[1])).await;
        };
        let subscribing = link.subscribe(&filters, Qos::AtLeastOnce);
        let mut taken = Vec::new();
        let taking = async {
            loop {
                let next = ids(&messages(link.next().await.unwrap()));
                link.acker().give(&next);
                taken.extend(next);
            }
        };
        tokio::select! {
            (subscribed, ()) = async { tokio::join!(subscribing, backlog) } => subscribed.unwrap(),
            () = taking => unreachable!(),
        }
        assert_eq!(taken, (1..=50).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_without_an_answer_ends_the_connection() {
    let (link, mut broker) = linked(connect(MqttVersion::V5)).await;
    let answering_pings = async {
        loop {
            if broker.hear().await == Heard::Ping {
                broker.say(&PINGRESP).await;
            }
        }
    };
    let filters = ["mes/#".to_owned()];
    let error = tokio::select! {
        subscribed = link.subscribe(&filters, Qos::AtLeastOnce) => subscribed.unwrap_err(),
        () = answering_pings => unreachable!(),
    };
    assert_eq!(error.to_string(), "the broker did not answer SUBSCRIBE within 20s");
}

#[tokio::test]
async fn a_subscription_can_be_ended() {
    for version in VERSIONS {
        let (link, mut broker) = linked(connect(version)).await;
        // 0x11: there was no such subscription, which is as good.
        for codes in [[0x00], [0x11]] {
            let filters = ["mes/#".to_owned()];
            let (ended, ()) = tokio::join!(link.unsubscribe(&filters), async {
                let Heard::Unsubscribe { packet_id, filters: heard } = broker.hear().await else {
                    panic!("no UNSUBSCRIBE")
                };
                assert_eq!(heard, filters);
                broker.say(&unsuback(version, packet_id, &codes)).await;
            });
            ended.unwrap();
        }
    }
}

#[tokio::test]
async fn a_broker_that_says_goodbye_is_quoted() {
    let goodbyes: [(&[u8], &str); 3] = [
        (&[0xE0, 0], "the broker closed the connection: success (0x00)"),
        (&[0xE0, 1, 0x8B], "the broker closed the connection: server shutting down (0x8B)"),
        (
            &[0xE0, 2, 0x8E, 0],
            "the broker closed the connection: session taken over by another connection with the same client id (0x8E)",
        ),
    ];
    for (goodbye, expected) in goodbyes {
        let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
        broker.say(goodbye).await;
        assert_eq!(link.next().await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_dead_link_says_why_in_every_call() {
    for version in VERSIONS {
        let (mut link, broker) = linked(connect(version)).await;
        drop(broker);
        for _ in 0..3 {
            let error = link.next().await.unwrap_err();
            assert!(matches!(error, LinkError::Closed { reason: None }), "{error}");
        }
        let error = link.subscribe(&["mes/#".to_owned()], Qos::AtLeastOnce).await.unwrap_err();
        assert!(matches!(error, LinkError::Closed { reason: None }), "{error}");
        link.close().await;
    }
}

/// With a wrong length inside, a packet is whole and still not to be understood.
#[tokio::test]
async fn a_packet_that_contradicts_itself_ends_the_connection() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
    broker.say(&[0x30, 3, 0, 1, b'a']).await;
    assert!(matches!(link.next().await.unwrap_err(), LinkError::Protocol(_)));
}
