//! PINGREQ, PINGRESP and what follows when there is none. All in simulated time.

use std::time::Duration;

use plantlink_config::MqttVersion;
use tokio::time::Instant;

use super::broker::{Heard, PINGRESP};
use super::{VERSIONS, connect, linked, linked_on_terms};
use crate::mqtt::LinkError;
use crate::mqtt::error::Waiting;

#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_pings_is_kept() {
    for version in VERSIONS {
        let (mut link, mut broker) = linked(connect(version)).await;
        let started = Instant::now();
        let answering = async {
            for _ in 0..100 {
                assert_eq!(broker.hear().await, Heard::Ping);
                broker.say(&PINGRESP).await;
            }
        };
        tokio::select! {
            () = answering => {}
            ended = link.next() => panic!("ended with {ended:?}"),
        }
        assert_eq!(started.elapsed(), Duration::from_secs(3000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_given_up_after_one_ping() {
    for version in VERSIONS {
        let (mut link, _broker) = linked(connect(version)).await;
        let started = Instant::now();
        let error = link.next().await.unwrap_err();
        assert!(matches!(error, LinkError::Timeout { what: Waiting::Pingresp, .. }), "{error}");
        assert_eq!(started.elapsed(), Duration::from_secs(50));
    }
}

#[tokio::test(start_paused = true)]
async fn the_keep_alive_that_the_broker_demands_is_kept() {
    let server_keep_alive = [0x13, 0, 5];
    let (_link, mut broker) = linked_on_terms(connect(MqttVersion::V5), &server_keep_alive).await;
    let started = Instant::now();
    assert_eq!(broker.hear().await, Heard::Ping);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}
