//! The central broker: takes events, answers late or with a refusal, and remembers everything that arrived.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use plantlink_config::MqttVersion;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use turmoil::net::TcpStream;

use super::super::broker::{Broker, Heard, PINGRESP, connack, puback, puback_because};
use super::host::Manners;

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
    /// The event that was refused for want of room. What follows is refused too until it is offered again.
    refused: Option<String>,
    /// Refuses for good what has one of these numbers, with MQTT 5.
    pub(super) poison: BTreeSet<usize>,
    pub(super) arrivals: Vec<Arrival>,
}

impl Centre {
    pub(super) fn new(version: MqttVersion, random: &mut Rng) -> Self {
        let is_moody = version == MqttVersion::V5 && random.bool();
        Centre {
            manners: Manners::default(),
            version,
            receive_maximum: random.u16(1..=20),
            ack_ms_max: [0, 50, 3_000][random.usize(0..3)],
            is_unruly: random.u8(0..4) == 0,
            refuses_one_in: if is_moody { 40 } else { 0 },
            refused: None,
            poison: if is_moody { (0..3).map(|_| random.usize(0..60)).collect() } else { BTreeSet::new() },
            arrivals: Vec::new(),
            random: random.fork(),
        }
    }

    /// Ends the connection there is.
    pub(super) fn kick(&mut self) {
        self.manners.connections += 1;
    }

    /// Takes an event or not; the reason code says which.
    fn take(&mut self, payload: &Bytes) -> u8 {
        let arrival: Arrival = serde_json::from_slice(payload).unwrap();
        if self.poison.contains(&arrival.data.number) {
            return PAYLOAD_FORMAT_INVALID;
        }
        match self.refused.take_if(|refused| *refused == arrival.event_id) {
            Some(_) => {}
            None if self.refused.is_some() => return QUOTA_EXCEEDED,
            None if self.refuses_one_in > 0 && self.random.u32(0..self.refuses_one_in) == 0 => {
                self.refused = Some(arrival.event_id);
                return QUOTA_EXCEEDED;
            }
            None => {}
        }
        self.arrivals.push(arrival);
        0
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
    let mut answers: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
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
            None => broker.try_say(&answers.pop_front().unwrap().1).await,
            Some(Heard::Ping) => broker.try_say(&PINGRESP).await,
            Some(Heard::Publish { packet_id, qos, payload, .. }) => {
                assert_eq!(qos, 1);
                let mut centre = centre.borrow_mut();
                let code = centre.take(&payload);
                let answer =
                    if code == 0 { puback(packet_id).to_vec() } else { puback_because(packet_id, code).to_vec() };
                let late_ms_max = centre.ack_ms_max;
                let late = Duration::from_millis(centre.random.u64(0..=late_ms_max));
                let mut at = Instant::now() + late;
                if !centre.is_unruly {
                    at = answers.back().map_or(at, |(last, _)| at.max(*last));
                }
                let place = answers.partition_point(|(due, _)| *due <= at);
                answers.insert(place, (at, answer));
                assert!(
                    version == MqttVersion::V311 || answers.len() <= receive_maximum.into(),
                    "{} publishes wait, and {receive_maximum} may",
                    answers.len()
                );
                true
            }
            Some(Heard::Goodbye | Heard::Gone) => return,
            Some(
                heard @ (Heard::Connect(_) | Heard::Subscribe { .. } | Heard::Unsubscribe { .. } | Heard::Puback(_)),
            ) => {
                panic!("no destination says {heard:?}")
            }
        };
        if !said {
            return;
        }
    }
}

async fn due(answer: Option<&(Instant, Vec<u8>)>) {
    match answer {
        Some((due, _)) => sleep_until(*due).await,
        None => std::future::pending().await,
    }
}
