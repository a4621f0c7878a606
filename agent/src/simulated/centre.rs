//! The central broker: takes events, answers late or with a refusal, and remembers everything that arrived.

use std::cell::RefCell;
use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use plantlink_config::MqttVersion;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use turmoil::net::TcpStream;

use super::host::Manners;
use super::plant::is_order;
use super::service::Service;
use crate::mqtt::tests::broker::{Broker, Heard, PINGRESP, connack, puback, puback_because};

const NOT_AUTHORIZED: u8 = 0x87;
const QUOTA_EXCEEDED: u8 = 0x97;
const PAYLOAD_FORMAT_INVALID: u8 = 0x99;

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Arrival {
    pub(super) event_id: String,
    pub(super) data: Data,
    pub(super) metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Data {
    pub(super) number: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Metadata {
    pub(super) flow: String,
    pub(super) sequence: u64,
}

pub(super) struct Centre {
    pub(super) manners: Manners,
    version: MqttVersion,
    random: Rng,
    /// The most publishes without an answer that it allows; told with MQTT 5 only.
    receive_maximum: u16,
    /// An answer takes up to so long.
    ack_ms_max: u64,
    /// Its answers come in any order. The protocol forbids it, and brokers in clusters do it.
    is_unruly: bool,
    /// Refuses for want of room once in so many publishes, with MQTT 5; 0 never.
    refuses_one_in: u32,
    /// Lets nobody publish orders, with MQTT 5.
    pub(super) forbids_orders: bool,
    /// Of a strict flow, the event that was refused, and why. What follows is refused too until it is offered again.
    refused: BTreeMap<String, Refusal>,
    /// How often it began to refuse, but for good.
    pub(super) refusals: usize,
    pub(super) service: Service,
    /// Refuses for good what has one of these numbers, with MQTT 5.
    pub(super) poison: BTreeSet<usize>,
    /// As they came, which is before they are safe.
    pub(super) arrivals: Vec<Arrival>,
    /// The messages that it said it has. A sender that forgets another one has lost it.
    pub(super) answered: BTreeSet<usize>,
}

struct Refusal {
    event_id: String,
    code: u8,
}

/// What a publish is answered, and when.
struct Answer {
    due: Instant,
    packet_id: u16,
    code: u8,
    number: usize,
}

impl Answer {
    fn packet(&self) -> Vec<u8> {
        if self.code == 0 {
            puback(self.packet_id).to_vec()
        } else {
            puback_because(self.packet_id, self.code).to_vec()
        }
    }
}

impl Centre {
    pub(super) fn new(version: MqttVersion, service: Service, random: &mut Rng) -> Self {
        let is_moody = version == MqttVersion::V5 && random.bool();
        Centre {
            manners: Manners::default(),
            version,
            receive_maximum: random.u16(1..=20),
            ack_ms_max: [0, 500, 2_000][random.usize(0..3)],
            is_unruly: random.bool(),
            refuses_one_in: if is_moody { 40 } else { 0 },
            forbids_orders: false,
            refused: BTreeMap::new(),
            refusals: 0,
            service,
            poison: if is_moody { (0..3).map(|_| random.usize(0..60)).collect() } else { BTreeSet::new() },
            arrivals: Vec::new(),
            answered: BTreeSet::new(),
            random: random.fork(),
        }
    }

    /// Ends the connection there is.
    pub(super) fn kick(&mut self) {
        self.manners.connections += 1;
    }

    /// Takes an event or not, and decides when to say so.
    fn take(&mut self, packet_id: u16, payload: &Bytes) -> Answer {
        let arrival: Arrival = serde_json::from_slice(payload).unwrap();
        let number = arrival.data.number;
        let code = self.judge(&arrival);
        if code == 0 {
            self.arrivals.push(arrival);
        }
        let late = Duration::from_millis(self.random.u64(0..=self.ack_ms_max));
        Answer { due: Instant::now() + late, packet_id, code, number }
    }

    /// The reason code of the answer.
    fn judge(&mut self, arrival: &Arrival) -> u8 {
        if self.poison.contains(&arrival.data.number) {
            return PAYLOAD_FORMAT_INVALID;
        }
        let is_forbidden = self.forbids_orders && self.version == MqttVersion::V5 && is_order(arrival.data.number);
        if let Entry::Occupied(refused) = self.refused.entry(arrival.metadata.flow.clone()) {
            if is_forbidden || refused.get().event_id != arrival.event_id {
                return refused.get().code;
            }
            refused.remove();
            return 0;
        }
        let code = if is_forbidden {
            NOT_AUTHORIZED
        } else if self.refuses_one_in > 0 && self.random.u32(0..self.refuses_one_in) == 0 {
            QUOTA_EXCEEDED
        } else {
            return 0;
        };
        self.refusals += 1;
        if self.service.is_strict(&arrival.metadata.flow) {
            let refusal = Refusal { event_id: arrival.event_id.clone(), code };
            self.refused.insert(arrival.metadata.flow.clone(), refusal);
        }
        code
    }
}

/// One connection, until it ends or another one takes its place.
pub(super) async fn serve(stream: TcpStream, centre: Rc<RefCell<Centre>>) {
    let version = centre.borrow().version;
    let mut broker = Broker::new(stream, version);
    let Heard::Connect(hello) = broker.hear().await else { return };
    assert!(hello.clean, "the destination wants no session");
    let (here, receive_maximum) = {
        let mut centre = centre.borrow_mut();
        centre.kick();
        (centre.manners.connections, centre.receive_maximum)
    };
    let terms = [&[0x21], receive_maximum.to_be_bytes().as_slice()].concat();
    if !broker.try_say(&connack(version, false, 0, &terms)).await {
        return;
    }
    let mut answers: VecDeque<Answer> = VecDeque::new();
    loop {
        Manners::wait_while_frozen(&centre, |centre| &centre.manners).await;
        let heard = tokio::select! {
            biased;
            () = due(answers.front()) => None,
            heard = broker.hear() => Some(heard),
        };
        if centre.borrow().manners.connections != here {
            return;
        }
        let said = match heard {
            None => {
                let Some(answer) = answers.pop_front() else { continue };
                if [0, PAYLOAD_FORMAT_INVALID].contains(&answer.code) {
                    centre.borrow_mut().answered.insert(answer.number);
                }
                broker.try_say(&answer.packet()).await
            }
            Some(Heard::Ping) => broker.try_say(&PINGRESP).await,
            Some(Heard::Publish { packet_id, qos, payload, .. }) => {
                assert_eq!(qos, 1);
                let mut centre = centre.borrow_mut();
                let mut answer = centre.take(packet_id, &payload);
                if let Some(last) = answers.back().filter(|_| !centre.is_unruly) {
                    answer.due = answer.due.max(last.due);
                }
                let place = answers.partition_point(|other| other.due <= answer.due);
                answers.insert(place, answer);
                assert!(
                    version == MqttVersion::V311 || answers.len() <= receive_maximum.into(),
                    "{} publishes wait, and {receive_maximum} may",
                    answers.len()
                );
                true
            }
            Some(Heard::Goodbye | Heard::Gone) => return,
            Some(
                heard @ (Heard::Connect(_)
                | Heard::Subscribe { .. }
                | Heard::Unsubscribe { .. }
                | Heard::Puback(_)
                | Heard::Pubrec(_)
                | Heard::Pubrel(_)
                | Heard::Pubcomp(_)),
            ) => {
                panic!("no destination says {heard:?}")
            }
        };
        if !said {
            return;
        }
    }
}

async fn due(answer: Option<&Answer>) {
    match answer {
        Some(answer) => sleep_until(answer.due).await,
        None => std::future::pending().await,
    }
}
