//! Messages in with QoS 2: PUBREC for what is recorded, PUBCOMP for what is forgotten.

use plantlink_config::MqttVersion;

use super::broker::{Heard, publish, publish_once, pubrel, suback};
use super::{VERSIONS, connect, linked};
use crate::mqtt::{Arrival, Connect, Link, Qos};

/// Waits for this many arrivals; gives their packet ids, those of releases negative.
async fn take(link: &mut Link, count: usize) -> Vec<i32> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(link.next().await.unwrap().iter().map(|arrival| match arrival {
            Arrival::Message(message) => i32::from(message.packet_id),
            Arrival::Release { packet_id } => -i32::from(*packet_id),
        }));
    }
    taken
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_given_and_each_answer_goes_out_once() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        broker.say(&publish_once(version, 1, false, "mes/1", b"x")).await;
        broker.say(&publish(version, 2, "mes/1", b"x")).await;
        broker.say(&publish_once(version, 3, true, "mes/1", b"x")).await;
        assert_eq!(take(&mut link, 3).await, [1, 2, 3]);
        let acker = link.acker();
        acker.complete(&[1, 2, 3]);
        acker.give(&[1, 2, 3]);
        acker.give(&[1, 2, 3]);
        for heard in [Heard::Pubrec(1), Heard::Puback(2), Heard::Pubrec(3)] {
            assert_eq!(broker.hear().await, heard);
        }
        broker.say(&pubrel(3)).await;
        broker.say(&pubrel(1)).await;
        assert_eq!(take(&mut link, 2).await, [-3, -1]);
        acker.give(&[3, 1]);
        acker.complete(&[3, 1]);
        acker.complete(&[3, 1]);
        link.close().await;
        for heard in [Heard::Pubcomp(3), Heard::Pubcomp(1), Heard::Goodbye] {
            assert_eq!(broker.hear().await, heard);
        }
    }
}

/// After a reconnect the broker goes on with PUBREL for what it had our PUBREC for.
#[tokio::test]
async fn a_release_without_its_message_is_handed_over_and_completed() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        broker.say(&pubrel(65_535)).await;
        assert_eq!(take(&mut link, 1).await, [-65_535]);
        link.acker().complete(&[65_535]);
        assert_eq!(broker.hear().await, Heard::Pubcomp(65_535));
    }
}

/// A broker that knows no window sends on. What it has released must still be heard, or neither side gets any further.
#[tokio::test]
async fn a_full_window_of_unreleased_messages_holds_up_no_release() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(Connect { receive_maximum: 2, ..connect(version) }).await;
        for packet_id in 1..=4 {
            broker.say(&publish_once(version, packet_id, false, "mes/1", b"x")).await;
        }
        assert_eq!(take(&mut link, 2).await, [1, 2]);
        link.acker().give(&[1, 2]);
        assert_eq!((broker.hear().await, broker.hear().await), (Heard::Pubrec(1), Heard::Pubrec(2)));
        broker.say(&pubrel(1)).await;
        assert_eq!(take(&mut link, 3).await, [3, 4, -1]);
        link.acker().complete(&[1]);
        assert_eq!(broker.hear().await, Heard::Pubcomp(1));
    }
}

#[tokio::test]
async fn a_broker_that_grants_less_than_qos_2_refuses_the_subscription() {
    for version in VERSIONS {
        let (link, mut broker) = linked(connect(version)).await;
        let filters = ["a".to_owned(), "b".to_owned()];
        let (subscribed, ()) = tokio::join!(link.subscribe(&filters, Qos::ExactlyOnce), async {
            let Heard::Subscribe { packet_id, qos: 2, .. } = broker.hear().await else {
                panic!("no QoS 2 is asked for")
            };
            broker.say(&suback(version, packet_id, &[2, 1])).await;
        });
        let expected = "the broker refused to subscribe us to `b`: QoS not supported (0x9B)";
        assert_eq!(subscribed.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_message_with_qos_3_ends_the_connection() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
    broker.say(&[0x36, 6, 0, 1, b'a', 0, 1, 0]).await;
    assert!(link.next().await.is_err());
}
