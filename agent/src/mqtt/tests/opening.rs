//! CONNECT to CONNACK.

use std::time::Duration;

use plantlink_config::{MqttVersion, Secret};

use super::broker::{Broker, Heard, Hello, connack};
use super::{VERSIONS, connect};
use crate::mqtt::error::Waiting;
use crate::mqtt::{Connect, Link, LinkError, Qos, Session, Will};

/// Answers a CONNECT with these bytes and hangs up.
async fn answered_with(version: MqttVersion, answer: &[u8]) -> LinkError {
    let (ours, theirs) = tokio::io::duplex(1024);
    let mut broker = Broker::new(theirs, version);
    let answering = async move {
        broker.hear().await;
        broker.say(answer).await;
    };
    let (opened, ()) = tokio::join!(Link::open(ours, connect(version)), answering);
    opened.unwrap_err()
}

async fn said(connect: Connect) -> Hello {
    let (ours, theirs) = tokio::io::duplex(1024);
    let mut broker = Broker::new(theirs, connect.version);
    let (_, heard) = tokio::join!(Link::open(ours, connect), async move { broker.hear().await });
    let Heard::Connect(hello) = heard else {
        panic!("expected CONNECT, heard {heard:?}");
    };
    hello
}

#[tokio::test]
async fn connect_says_who_we_are_and_on_which_terms() {
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "s3cret\n").unwrap();
    for version in VERSIONS {
        let connect = Connect {
            username: Some("plantlink".to_owned()),
            password: Some(Secret::File(password.path().to_owned()).read().unwrap()),
            session: Session::Kept { expiry_s: 604_800 },
            receive_maximum: 500,
            will: Some(Will {
                topic: "plants/mill-07/gw-1/state".to_owned(),
                payload: "gone".into(),
                retain: true,
                qos: Qos::AtLeastOnce,
            }),
            ..connect(version)
        };
        let is_5 = version == MqttVersion::V5;
        let expected = Hello {
            client_id: "mill-07.gw-1.mes".to_owned(),
            clean: false,
            keep_alive_s: 30,
            login: Some(("plantlink".to_owned(), "s3cret".to_owned())),
            will: Some(("plants/mill-07/gw-1/state".to_owned(), "gone".into(), 1, true)),
            receive_maximum: is_5.then_some(500),
            session_expiry_s: is_5.then_some(604_800),
            packet_bytes_max: None,
            topic_alias_max: None,
        };
        assert_eq!(said(connect).await, expected);
    }
}

#[tokio::test]
async fn a_clean_session_is_asked_for_as_one() {
    for version in VERSIONS {
        let hello = said(connect(version)).await;
        assert!(hello.clean);
        assert_eq!(hello.session_expiry_s, None);
    }
}

#[tokio::test]
async fn the_broker_says_whether_it_still_knows_us_and_what_it_allows() {
    let (ours, theirs) = tokio::io::duplex(1024);
    let mut broker = Broker::new(theirs, MqttVersion::V5);
    let answering = async move {
        broker.hear().await;
        // Receive maximum 20, maximum QoS 1, no retain, maximum packet size 2048.
        let properties = [0x21, 0, 20, 0x24, 1, 0x25, 0, 0x27, 0, 0, 8, 0];
        broker.say(&connack(MqttVersion::V5, true, 0, &properties)).await;
    };
    let (link, ()) = tokio::join!(Link::open(ours, connect(MqttVersion::V5)), answering);
    let link = link.unwrap();
    assert!(link.session_present());
    let terms = link.terms();
    assert_eq!((terms.receive_maximum, terms.maximum_qos, terms.packet_bytes_max), (20, 1, 2048));
    assert!(!terms.retain_available);
}

#[tokio::test]
async fn a_refused_password_is_named_and_lasts() {
    for (version, code) in [(MqttVersion::V5, 0x86), (MqttVersion::V311, 4)] {
        let error = answered_with(version, &connack(version, false, code, &[])).await;
        assert_eq!(error.to_string(), "the broker refused the connection: bad user name or password (0x86)");
        assert!(error.is_lasting());
    }
}

#[tokio::test]
async fn a_busy_broker_is_worth_another_attempt() {
    for (version, code) in [(MqttVersion::V5, 0x89), (MqttVersion::V311, 3)] {
        let error = answered_with(version, &connack(version, false, code, &[])).await;
        assert!(matches!(error, LinkError::Refused { .. }), "{error}");
        assert!(!error.is_lasting());
    }
}

#[tokio::test]
async fn what_the_broker_says_about_its_refusal_is_passed_on() {
    let reason_string = [0x1F, 0, 3, b'o', b'f', b'f'];
    let error = answered_with(MqttVersion::V5, &connack(MqttVersion::V5, false, 0x87, &reason_string)).await;
    assert_eq!(error.to_string(), "the broker refused the connection: not authorized (0x87), \"off\"");
}

/// Brokers that know only 3.1.1 answer in the form of 3.1.1, or not at all.
#[tokio::test]
async fn a_broker_that_does_not_know_version_5_leads_to_the_key_that_mends_it() {
    let refused = answered_with(MqttVersion::V5, &connack(MqttVersion::V311, false, 1, &[])).await;
    assert!(matches!(refused, LinkError::Refused { .. }));
    assert!(refused.is_lasting());
    let hung_up = answered_with(MqttVersion::V5, &[]).await;
    assert!(matches!(hung_up, LinkError::HungUp { .. }));
    for error in [refused, hung_up] {
        assert!(error.to_string().ends_with("set `version = \"3.1.1\"`"), "{error}");
    }
}

#[tokio::test]
async fn something_that_is_no_broker_breaks_the_protocol() {
    for version in VERSIONS {
        // The alert of a TLS server, no length at all, and a PINGRESP to nothing.
        for answer in [&[0x15, 3, 3, 0, 2, 2, 40][..], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF], &[0xD0, 0]] {
            let error = answered_with(version, answer).await;
            assert!(matches!(error, LinkError::Protocol(_)), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_is_given_up() {
    let (ours, _theirs) = tokio::io::duplex(1024);
    let error = Link::open(ours, connect(MqttVersion::V5)).await.unwrap_err();
    assert!(matches!(error, LinkError::Timeout { what: Waiting::Connack, limit } if limit == Duration::from_secs(10)));
    assert_eq!(error.to_string(), "the broker did not answer CONNECT within 10s");
}

#[tokio::test]
async fn a_client_id_that_no_packet_holds_is_not_sent() {
    let (ours, _theirs) = tokio::io::duplex(1024);
    let error =
        Link::open(ours, Connect { client_id: "x".repeat(65_536), ..connect(MqttVersion::V5) }).await.unwrap_err();
    assert!(matches!(error, LinkError::Protocol(_)), "{error}");
    assert!(error.is_lasting());
}
