//! The receiving end: a subscriber at the centre's broker that enters what it gets into the ledger.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;

use super::SharedLedger;
use super::client::{self, ClientError};
use super::ledger::Event;
use crate::mqtt::{Arrival, Incoming, Link, Payload, Qos};

const RETRY: Duration = Duration::from_millis(500);

/// Subscribes to everything of the plant. What it acknowledges it has counted.
pub(super) async fn listen(port: u16, plant: &str, ledger: SharedLedger) -> Result<AbortOnDropHandle<()>, ClientError> {
    let filter = format!("plants/{plant}/#");
    let mut link = subscribed(port, &filter).await?;
    let task = async move {
        loop {
            while let Ok(arrived) = link.next().await {
                let arrived: Vec<Incoming> = arrived.into_iter().filter_map(Arrival::into_message).collect();
                enter(&arrived, &ledger);
                let packets: Vec<u16> = arrived.iter().map(|message| message.packet_id).collect();
                link.acker().give(&packets);
            }
            // The session is kept, so that the broker holds back what comes in the meantime.
            link = loop {
                match subscribed(port, &filter).await {
                    Ok(link) => break link,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            };
        }
    };
    Ok(AbortOnDropHandle::new(tokio::spawn(task)))
}

async fn subscribed(port: u16, filter: &str) -> Result<Link, ClientError> {
    let link = client::connect(port, "centre").await?;
    // A kept session has its subscription, and would answer only behind all that it kept for us.
    if !link.session_present() {
        link.subscribe(&[filter.to_owned()], Qos::AtLeastOnce).await.map_err(ClientError::Link)?;
    }
    Ok(link)
}

fn enter(arrived: &[Incoming], ledger: &SharedLedger) {
    let now = Timestamp::now();
    ledger.with(|ledger| {
        for message in arrived.iter().filter(|message| is_event(&message.topic)) {
            match read(&message.payload) {
                Some(event) => ledger.received(&event, now),
                None => ledger.unreadable(),
            }
        }
    });
}

fn read(payload: &Payload) -> Option<Event> {
    match payload {
        Payload::Whole(bytes) => serde_json::from_slice(bytes).ok(),
        Payload::TooLarge { .. } => None,
    }
}

/// The agent's own state and heartbeat come by the same way and are no events of the plant.
fn is_event(topic: &str) -> bool {
    !matches!(topic.rsplit('/').next(), Some("state" | "heartbeat"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::broker;
    use crate::demo::ledger::Count;

    fn event(number: u64) -> String {
        serde_json::json!({
            "event_id": format!("id-{number}"), "event_type": "workorder.finished", "timestamp": "2026-11-20T08:15:30.125Z",
            "version": "1.0", "source": "demo/mes", "data": { "message": format!("m-{number}"), "good": 3 },
            "metadata": { "flow": "production", "sequence": number, "epoch": "e" },
        })
        .to_string()
    }

    async fn count_when(ledger: &SharedLedger, met: impl Fn(&Count) -> bool) -> Count {
        for _ in 0..500 {
            let count = ledger.with(|ledger| ledger.count());
            if met(&count) {
                return count;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ledger.with(|ledger| ledger.count())
    }

    #[tokio::test]
    async fn what_the_broker_acknowledges_the_centre_counts_once_and_by_kind() {
        let port = broker::start("test-broker").await.unwrap();
        let ledger = SharedLedger::default();
        let _centre = listen(port, "demo", ledger.clone()).await.unwrap();
        let mut link = client::connect(port, "publisher").await.unwrap();
        // More than the packet ids that the broker uses, so that they come round.
        for number in 0..300 {
            ledger.with(|ledger| ledger.acknowledged(&format!("m-{number}")));
            client::publish(&mut link, "plants/demo/gateway/workorder.finished", event(number).as_bytes())
                .await
                .unwrap();
        }
        client::publish(&mut link, "plants/demo/gateway/workorder.finished", event(7).as_bytes()).await.unwrap();
        client::publish(&mut link, "plants/demo/gateway/heartbeat", b"{}").await.unwrap();
        client::publish(&mut link, "plants/demo/gateway/other", b"{}").await.unwrap();
        let count = count_when(&ledger, |count| count.unreadable == 1).await;
        assert_eq!((count.messages.received, count.messages.lost, count.messages.repeated), (300, 0, 0));
        assert_eq!((count.received, count.resent, count.unreadable), (300, 1, 1));
    }

    #[tokio::test]
    async fn what_is_not_acknowledged_the_broker_delivers_again() {
        let port = broker::start("test-broker").await.unwrap();
        let filter = "plants/demo/#";
        let mut subscriber = subscribed(port, filter).await.unwrap();
        let mut link = client::connect(port, "publisher").await.unwrap();
        client::publish(&mut link, "plants/demo/gateway/a", b"first").await.unwrap();
        assert_eq!(subscriber.next().await.unwrap().len(), 1);
        drop(subscriber);
        client::publish(&mut link, "plants/demo/gateway/a", b"second").await.unwrap();
        let mut subscriber = subscribed(port, filter).await.unwrap();
        let mut payloads = Vec::new();
        while payloads.len() < 2 {
            let arrived = subscriber.next().await.unwrap().into_iter();
            payloads.extend(arrived.filter_map(Arrival::into_message).map(|message| message.payload));
        }
        assert_eq!(payloads, [Payload::Whole("first".into()), Payload::Whole("second".into())]);
    }
}
