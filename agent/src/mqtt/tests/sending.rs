//! Messages out, answers in.

use std::time::Duration;

use plantlink_config::MqttVersion;
use tokio::time::Instant;

use super::broker::{Heard, PINGRESP, puback, puback_because};
use super::{VERSIONS, connect, linked, linked_on_terms, message, watched};
use crate::mqtt::error::Waiting;
use crate::mqtt::reason::Reason;
use crate::mqtt::{Answer, LinkError, Publish, Qos};

fn numbered(count: usize) -> Vec<Publish> {
    (0..count).map(|number| message("plants/mill-07", &number.to_string())).collect()
}

#[tokio::test]
async fn a_published_message_goes_out_as_it_is() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let mut published = message("plants/mill-07/state", "on");
        published.retain = true;
        published.user_properties = vec![("traceparent".to_owned(), "00-1-2-01".to_owned())];
        let (published, ()) = tokio::join!(link.publish(vec![published], 10), async {
            let heard = broker.hear().await;
            let user_properties = match version {
                MqttVersion::V5 => vec![("traceparent".to_owned(), "00-1-2-01".to_owned())],
                MqttVersion::V311 => Vec::new(),
            };
            let expected = Heard::Publish {
                packet_id: 1,
                qos: 1,
                retain: true,
                topic: "plants/mill-07/state".to_owned(),
                payload: "on".into(),
                user_properties,
            };
            assert_eq!(heard, expected);
            broker.say(&puback(1)).await;
        });
        assert_eq!(published.answers, [Answer::Accepted]);
        published.rest.unwrap();
    }
}

#[tokio::test]
async fn a_batch_leaves_in_one_write() {
    for version in VERSIONS {
        let (mut link, mut broker, writes) = watched(connect(version)).await;
        let (published, ()) = tokio::join!(link.publish(numbered(200), 1000), async {
            for _ in 0..200 {
                let (packet_id, _) = broker.hear_publish().await;
                broker.say(&puback(packet_id)).await;
            }
        });
        assert_eq!(published.answers.len(), 200);
        assert_eq!(writes.lock().unwrap().len(), 1);
    }
}

/// Asked for more than either side allows, the link keeps to the smaller number.
#[tokio::test(start_paused = true)]
async fn no_more_messages_wait_for_an_answer_than_the_window_allows() {
    let receive_maximum = [0x21, 0, 5];
    let cases = [(MqttVersion::V5, &receive_maximum[..], 100), (MqttVersion::V5, &[], 5), (MqttVersion::V311, &[], 5)];
    for (version, terms, window) in cases {
        let (mut link, mut broker) = linked_on_terms(connect(version), terms).await;
        let (published, ()) = tokio::join!(link.publish(numbered(23), window), async {
            let mut open = Vec::new();
            let mut heard = 0;
            while heard < 23 {
                while open.len() < 5.min(23 - heard) {
                    open.push(broker.hear_publish().await.0);
                }
                heard += open.len();
                let more = tokio::time::timeout(Duration::from_secs(5), broker.hear()).await;
                assert!(more.is_err(), "a sixth message: {more:?}");
                for packet_id in open.drain(..) {
                    broker.say(&puback(packet_id)).await;
                }
            }
        });
        assert_eq!(published.answers.len(), 23);
        published.rest.unwrap();
    }
}

#[tokio::test]
async fn answers_belong_to_their_messages_whatever_order_they_come_in() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
    let (published, ()) = tokio::join!(link.publish(numbered(4), 10), async {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(broker.hear_publish().await.0);
        }
        broker.say(&puback_because(ids[3], 0x97)).await;
        broker.say(&puback_because(ids[1], 0x10)).await;
        broker.say(&puback(999)).await;
        broker.say(&puback(ids[0])).await;
        broker.say(&puback(ids[0])).await;
        broker.say(&puback_because(ids[2], 0x87)).await;
    });
    let refused = |code| Answer::Refused(Reason { code, said: None });
    assert_eq!(published.answers, [Answer::Accepted, Answer::Unheard, refused(0x87), refused(0x97)]);
    published.rest.unwrap();
}

#[tokio::test]
async fn a_message_that_cannot_go_is_refused_alone() {
    let maximum_packet_size = [0x27, 0, 0, 1, 0];
    let (mut link, mut broker) = linked_on_terms(connect(MqttVersion::V5), &maximum_packet_size).await;
    let batch = vec![
        message("a", "0"),
        message("a", &"x".repeat(300)),
        message("a/+/b", "wildcard"),
        message("", "no topic"),
        message(&"x".repeat(65_536), "long topic"),
        message("a", "5"),
    ];
    let (published, ()) = tokio::join!(link.publish(batch, 10), async {
        for payload in ["0", "5"] {
            let (packet_id, heard) = broker.hear_publish().await;
            assert_eq!(heard, payload);
            broker.say(&puback(packet_id)).await;
        }
    });
    let too_large = Answer::Refused(Reason::new(Reason::PACKET_TOO_LARGE));
    let bad_topic = || Answer::Refused(Reason::new(Reason::TOPIC_NAME_INVALID));
    let expected = [Answer::Accepted, too_large, bad_topic(), bad_topic(), bad_topic(), Answer::Accepted];
    assert_eq!(published.answers, expected);
    published.rest.unwrap();
}

#[tokio::test]
async fn when_the_connection_breaks_the_answered_messages_are_told_from_the_others() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let (published, ()) = tokio::join!(link.publish(numbered(10), 10), async move {
            let mut ids = Vec::new();
            for _ in 0..10 {
                ids.push(broker.hear_publish().await.0);
            }
            // The answer to the last one is of no use: what comes before it has to be sent again in order.
            for place in [0, 1, 2, 9] {
                broker.say(&puback(ids[place])).await;
            }
        });
        assert_eq!(published.answers, [Answer::Accepted, Answer::Accepted, Answer::Accepted]);
        assert!(matches!(published.rest, Err(LinkError::Closed { reason: None })));
        let after = link.publish(numbered(1), 10).await;
        assert_eq!(after.answers, []);
        assert!(matches!(after.rest, Err(LinkError::Closed { reason: None })));
    }
}

#[tokio::test]
async fn a_message_with_qos_0_is_answered_when_it_is_written() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let published = link.publish(vec![Publish { qos: Qos::AtMostOnce, ..message("a", "0") }], 10).await;
        assert_eq!(published.answers, [Answer::Accepted]);
        published.rest.unwrap();
        assert!(matches!(broker.hear().await, Heard::Publish { packet_id: 0, qos: 0, .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_pings_but_no_publish_is_given_up() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let started = Instant::now();
        let answering_pings = async {
            loop {
                if broker.hear().await == Heard::Ping {
                    broker.say(&PINGRESP).await;
                }
            }
        };
        let published = tokio::select! {
            published = link.publish(numbered(3), 10) => published,
            () = answering_pings => unreachable!(),
        };
        assert!(matches!(published.rest, Err(LinkError::Timeout { what: Waiting::Puback, .. })));
        assert_eq!(started.elapsed(), Duration::from_secs(20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_broker_is_waited_for_as_long_as_answers_come() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let (published, ()) = tokio::join!(link.publish(numbered(10), 10), async {
            for packet_id in 1..=10 {
                tokio::time::advance(Duration::from_secs(19)).await;
                broker.say(&puback(packet_id)).await;
                while !matches!(broker.hear().await, Heard::Publish { packet_id: heard, .. } if heard == packet_id) {}
            }
        });
        published.rest.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_bytes_is_given_up() {
    for version in VERSIONS {
        let (mut link, _broker) = linked(connect(version)).await;
        let started = Instant::now();
        let published = link.publish(vec![message("a", &"x".repeat(200_000))], 10).await;
        assert!(matches!(published.rest, Err(LinkError::Timeout { what: Waiting::Write, .. })));
        assert_eq!(started.elapsed(), Duration::from_secs(15));
    }
}

#[tokio::test]
async fn an_abandoned_batch_keeps_its_ids_until_they_are_answered() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        tokio::select! {
            _ = link.publish(numbered(3), 10) => unreachable!(),
            () = async {
                for expected in 1..=3 {
                    assert_eq!(broker.hear_publish().await.0, expected);
                }
            } => {}
        }
        let (published, ()) = tokio::join!(link.publish(numbered(2), 10), async {
            for expected in 4..=5 {
                assert_eq!(broker.hear_publish().await.0, expected);
            }
            for packet_id in 1..=5 {
                broker.say(&puback(packet_id)).await;
            }
        });
        assert_eq!(published.answers.len(), 2);
        published.rest.unwrap();
    }
}

#[tokio::test]
async fn packet_ids_go_round_without_zero() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V311)).await;
    let count = 66_000;
    let (published, ids) = tokio::join!(link.publish(numbered(count), 1000), async {
        let mut ids = Vec::new();
        for _ in 0..count {
            let (packet_id, _) = broker.hear_publish().await;
            broker.say(&puback(packet_id)).await;
            ids.push(packet_id);
        }
        ids
    });
    assert_eq!(published.answers.len(), count);
    assert_eq!((ids[65_533], ids[65_534], ids[65_535]), (65_534, 65_535, 1));
}

#[tokio::test]
async fn no_messages_are_published_at_once() {
    let (mut link, _broker) = linked(connect(MqttVersion::V5)).await;
    let published = link.publish(Vec::new(), 10).await;
    assert_eq!(published.answers, []);
    published.rest.unwrap();
}

/// It goes while there is more for it than it takes.
#[tokio::test]
async fn what_a_broker_said_before_it_took_no_more_is_heard() {
    let (mut link, mut broker) = linked(connect(MqttVersion::V5)).await;
    let large = "x".repeat(40_000);
    let messages = (0..4).map(|_| message("a", &large)).collect();
    let (published, ()) = tokio::join!(link.publish(messages, 10), async move {
        let (packet_id, _) = broker.hear_publish().await;
        broker.say(&puback_because(packet_id, 0x99)).await;
        broker.say(&[0xE0, 1, Reason::QUOTA_EXCEEDED]).await;
    });
    assert_eq!(published.answers, [Answer::Refused(Reason::new(0x99))]);
    let Err(LinkError::Closed { reason: Some(reason) }) = published.rest else { panic!("{:?}", published.rest) };
    assert_eq!(reason.code, Reason::QUOTA_EXCEEDED);
}
