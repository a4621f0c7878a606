//! The plant's broker: one kept session that it redelivers from, in order and marked, as a broker must.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use plantlink_config::MqttVersion;
use tokio::sync::watch;
use turmoil::net::TcpStream;

use super::host::Manners;
use crate::mqtt::tests::broker::{Broker, Heard, PINGRESP, connack, publish, suback, unsuback};

/// The second byte of a PUBLISH's flags (MQTT 5, section 3.3.1.1).
const DUP: u8 = 0x08;

/// What the broker has on its disk, and what it has seen.
pub(super) struct Plant {
    pub(super) manners: Manners,
    version: MqttVersion,
    /// The most messages without an acknowledgement, where the client does not say.
    window: u16,
    /// Waits for the session, oldest first.
    queue: VecDeque<usize>,
    session: Option<Session>,
    pub(super) made: usize,
    pub(super) acknowledged: BTreeSet<usize>,
    /// How often a message was sent as a new one because the session it was sent in is forgotten.
    pub(super) sent_anew: BTreeMap<usize, usize>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Session {
    subscribed: bool,
    last_id: u16,
    in_flight: VecDeque<(u16, usize)>,
}

impl Plant {
    pub(super) fn new(version: MqttVersion, window: u16) -> Self {
        Plant {
            manners: Manners::default(),
            version,
            window,
            queue: VecDeque::new(),
            session: None,
            made: 0,
            acknowledged: BTreeSet::new(),
            sent_anew: BTreeMap::new(),
            changed: watch::Sender::default(),
        }
    }

    /// Somebody publishes the next message.
    pub(super) fn produce(&mut self) {
        self.queue.push_back(self.made);
        self.made += 1;
        self.change();
    }

    /// Nothing waits for an acknowledgement or for its first delivery.
    pub(super) fn is_done(&self) -> bool {
        self.acknowledged.len() == self.made
    }

    /// What had no acknowledgement in it is published once more: nobody was told that it was taken.
    pub(super) fn forget_session(&mut self) {
        for (_, number) in self.session.take().unwrap_or_default().in_flight.into_iter().rev() {
            *self.sent_anew.entry(number).or_default() += 1;
            self.queue.push_front(number);
        }
    }

    /// Ends the connection there is.
    pub(super) fn kick(&mut self) {
        self.manners.connections += 1;
        self.change();
    }

    fn change(&mut self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Acknowledgements come in the order of the messages (MQTT 5, section 4.6).
    fn acknowledge(&mut self, packet_id: u16) {
        let oldest = self.session.as_mut().and_then(|session| session.in_flight.pop_front());
        let Some((id, number)) = oldest else { panic!("{packet_id} acknowledged, which waits for nothing") };
        assert_eq!(packet_id, id, "acknowledged out of order");
        self.acknowledged.insert(number);
    }

    /// What a client that comes back has not acknowledged.
    fn again(&self) -> Vec<u8> {
        let Some(session) = &self.session else { return Vec::new() };
        let repeated = session.in_flight.iter().flat_map(|(id, number)| {
            let mut packet = self.packet(*id, *number);
            packet[0] |= DUP;
            packet
        });
        repeated.collect()
    }

    /// What is sent for the first time, as far as the window has room.
    fn more(&mut self, window: u16) -> Vec<u8> {
        let mut packets = Vec::new();
        while let Some(session) = self.session.as_mut().filter(|session| session.subscribed)
            && session.in_flight.len() < usize::from(window)
            && let Some(number) = self.queue.pop_front()
        {
            session.last_id = session.last_id.checked_add(1).unwrap_or(1);
            let id = session.last_id;
            session.in_flight.push_back((id, number));
            packets.extend(self.packet(id, number));
        }
        packets
    }

    fn packet(&self, packet_id: u16, number: usize) -> Vec<u8> {
        let (topic, payload) = if is_order(number) {
            ("orders/L3", format!(r#"{{"id":"order-{number}","number":{number}}}"#))
        } else {
            ("notes/L3", format!(r#"{{"number":{number}}}"#))
        };
        publish(self.version, packet_id, topic, payload.as_bytes())
    }
}

/// Orders carry their sender's id, notes do not.
pub(super) fn is_order(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// One connection, until it ends or another one takes its place.
pub(super) async fn serve(stream: TcpStream, plant: Rc<RefCell<Plant>>) {
    let version = plant.borrow().version;
    let mut broker = Broker::new(stream, version);
    let Heard::Connect(hello) = broker.hear().await else { return };
    assert!(!hello.clean, "the source wants its session kept");
    let (here, mut changed, session_present, window) = {
        let mut plant = plant.borrow_mut();
        plant.kick();
        let session_present = plant.session.is_some();
        plant.session.get_or_insert_default();
        let window = hello.receive_maximum.unwrap_or(plant.window);
        (plant.manners.connections, plant.changed.subscribe(), session_present, window)
    };
    let mut out = connack(version, session_present, 0, &[]);
    out.extend(plant.borrow().again());
    loop {
        out.extend(plant.borrow_mut().more(window));
        if !out.is_empty() && !broker.try_say(&out).await {
            return;
        }
        out.clear();
        Manners::wait_while_frozen(&plant, |plant| &plant.manners).await;
        let heard = tokio::select! {
            biased;
            heard = broker.hear() => Some(heard),
            _ = changed.changed() => None,
        };
        if plant.borrow().manners.connections != here {
            return;
        }
        match heard {
            None => {}
            Some(Heard::Puback(packet_id)) => plant.borrow_mut().acknowledge(packet_id),
            Some(Heard::Ping) => out.extend(PINGRESP),
            Some(Heard::Subscribe { packet_id, filters, .. }) => {
                plant.borrow_mut().session.get_or_insert_default().subscribed = true;
                out.extend(suback(version, packet_id, &vec![1; filters.len()]));
            }
            Some(Heard::Unsubscribe { packet_id, filters }) => {
                out.extend(unsuback(version, packet_id, &vec![0; filters.len()]));
            }
            Some(Heard::Goodbye | Heard::Gone) => return,
            Some(
                heard @ (Heard::Connect(_)
                | Heard::Publish { .. }
                | Heard::Pubrec(_)
                | Heard::Pubrel(_)
                | Heard::Pubcomp(_)),
            ) => {
                panic!("no source with QoS 1 says {heard:?}")
            }
        }
    }
}
