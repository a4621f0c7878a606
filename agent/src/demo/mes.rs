//! The simulated MES: work orders and requests for maintenance, published to the plant's broker.
//!
//! It does what a careful MES does: a message has an id of its own, waits for its acknowledgement, and is sent again
//! with the same id when there was none. Some messages it sends a second time although they were acknowledged, as
//! happens when the acknowledgement is lost on the way back.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::SharedLedger;
use super::client::{self, ClientError};
use crate::mqtt::Link;

/// Fifty messages a second.
const PACE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(500);
/// How the ids of requests for maintenance go on after the plant's name.
pub(super) const MAINTENANCE: &str = "-maintenance-";
/// One message in so many is a request for maintenance.
const MAINTENANCE_EVERY: u64 = 100;
/// One message in so many is sent twice.
const TWICE_EVERY: u64 = 25;

/// The MES and its connection.
pub(super) struct Mes {
    broker_port: u16,
    plant: String,
    ledger: SharedLedger,
    link: Option<Link>,
    sent: u64,
    /// How many messages were sent a second time although they were acknowledged.
    pub(super) sent_twice: u64,
}

struct Message {
    id: String,
    topic: String,
    payload: Vec<u8>,
}

impl Mes {
    pub(super) fn new(broker_port: u16, plant: &str, ledger: SharedLedger) -> Mes {
        Mes { broker_port, plant: plant.to_owned(), ledger, link: None, sent: 0, sent_twice: 0 }
    }

    /// Sends a message that may get lost, since perhaps nobody has subscribed yet: the broker acknowledges it all the same.
    pub(super) async fn knock(&mut self) -> Result<(), ClientError> {
        let message = self.next_message();
        self.ledger.with(|ledger| ledger.offered(&message.id));
        self.publish(&message).await
    }

    /// Works until `shift_end`. A message that has no acknowledgement by then stays in doubt.
    pub(super) async fn work(&mut self, shift_end: &CancellationToken) {
        let mut pace = tokio::time::interval(PACE);
        while !shift_end.is_cancelled() {
            pace.tick().await;
            let message = self.next_message();
            self.ledger.with(|ledger| ledger.offered(&message.id));
            while self.publish(&message).await.is_err() {
                if shift_end.is_cancelled() {
                    return;
                }
                tokio::time::sleep(RETRY).await;
            }
            self.ledger.with(|ledger| ledger.acknowledged(&message.id));
            if self.sent.is_multiple_of(TWICE_EVERY) && self.publish(&message).await.is_ok() {
                self.sent_twice += 1;
            }
        }
    }

    fn next_message(&mut self) -> Message {
        self.sent += 1;
        let number = self.sent;
        let plant = &self.plant;
        let (id, topic, body) = if number.is_multiple_of(MAINTENANCE_EVERY) {
            let body = json!({ "text": "press-2: tool change is due" });
            (format!("{plant}{MAINTENANCE}{number}"), "mes/L3/maintenance".to_owned(), body)
        } else {
            let body = json!({ "qty": { "good": number % 40 + 1 } });
            (format!("{plant}-order-{number}"), format!("mes/L3/orders/MO-{number:05}/finished"), body)
        };
        Message { payload: payload(&id, body), topic, id }
    }

    /// One attempt on a connection that stands, or on a new one. Ends well with the broker's acknowledgement.
    async fn publish(&mut self, message: &Message) -> Result<(), ClientError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => client::connect(self.broker_port, "mes").await?,
        };
        client::publish(&mut link, &message.topic, &message.payload).await?;
        self.link = Some(link);
        Ok(())
    }
}

fn payload(id: &str, mut body: Value) -> Vec<u8> {
    body["messageId"] = json!(id);
    body["at"] = json!(Timestamp::now().to_string());
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::demo::broker;
    use crate::mqtt::{Arrival, Payload, Qos};

    #[tokio::test]
    async fn an_acknowledged_message_is_at_the_broker_and_a_second_sending_is_the_same_to_the_byte() {
        let port = broker::start("test-broker").await.unwrap();
        let mut subscriber = client::connect(port, "subscriber").await.unwrap();
        subscriber.subscribe(&["mes/#".to_owned()], Qos::AtLeastOnce).await.unwrap();
        let ledger = SharedLedger::default();
        let mut mes = Mes::new(port, "demo", ledger.clone());
        mes.knock().await.unwrap();
        assert_eq!(ledger.with(|ledger| ledger.count().messages.produced), 0, "a knock is not promised to arrive");

        let shift_end = CancellationToken::new();
        let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let watch = async {
            while !seen.values().any(|times| *times == 2) {
                for message in subscriber.next().await.unwrap().into_iter().filter_map(Arrival::into_message) {
                    subscriber.acker().give(&[message.packet_id]);
                    let Payload::Whole(payload) = message.payload else { panic!("a message of the MES is small") };
                    *seen.entry(payload.to_vec()).or_default() += 1;
                }
            }
            shift_end.cancel();
        };
        tokio::join!(watch, mes.work(&shift_end));
        assert!(mes.sent_twice >= 1);
        let produced = ledger.with(|ledger| ledger.count().messages.produced);
        assert!(
            produced >= seen.len() as u64 - 1,
            "{produced} acknowledged, {} seen besides the knock",
            seen.len() - 1
        );
    }
}
