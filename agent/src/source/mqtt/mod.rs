//! The MQTT source: a kept session at the plant's broker, acknowledged after the commit.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plantlink_buffer::Stamp;
use plantlink_config::{MqttQos, MqttSource, MqttVersion};
use tokio::sync::Notify;

use super::sparkplug::{NodeId, rebirth};
use super::{Ack, Connected, Content, Intake, Message, Receipt, Source, SourceError, Subscribed};
use crate::clock::Clock;
use crate::mqtt::{Acker, Arrival, Incoming, Link, LinkError, MqttError, Network, Publish, Qos, Session, Tcp, open};

/// How long a stop waits for the commits whose acknowledgements are owed.
const LAST_ACKS: Duration = Duration::from_secs(2);
/// How often it looks whether they are given.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// MQTT 3.1.1 does not tell the window; mosquitto sends 20 messages before it waits.
const WINDOW_311: usize = 20;

/// One subscription list at one broker.
pub(crate) struct Subscription<N = Tcp> {
    network: N,
    config: MqttSource,
    clock: Clock,
    /// What the broker's session may still hold of ours.
    held: Vec<String>,
    connection: Option<Connection>,
    /// The nodes that are still to be asked for their birth certificates.
    asked: Vec<NodeId>,
    /// What came by this connection and is not acknowledged.
    open: Arc<AtomicUsize>,
}

struct Connection {
    link: Link,
    stage: Stage,
}

/// How far a connection has come.
enum Stage {
    /// What is going to be true of the session has still to be recorded; the broker is asked for nothing before.
    Recording(Arc<Notify>),
    /// The answers are waited for. They may stand behind all that the broker has kept for us, which is taken meanwhile.
    Subscribing(Subscribing),
    Subscribed,
}

type Subscribing = Pin<Box<dyn Future<Output = Result<Subscribed, LinkError>> + Send>>;

impl Subscription {
    /// `held` is what [`Content::Connected`] or [`Content::Subscribed`] told last.
    pub(crate) fn new(config: &MqttSource, held: Vec<String>, clock: Clock) -> Self {
        Subscription::over(Tcp, config, held, clock)
    }
}

impl<N: Network> Subscription<N> {
    /// The same over another network than this machine's.
    pub(crate) fn over(network: N, config: &MqttSource, held: Vec<String>, clock: Clock) -> Self {
        Subscription {
            network,
            config: config.clone(),
            clock,
            held,
            connection: None,
            asked: Vec::new(),
            open: Arc::default(),
        }
    }

    async fn connect(&mut self) -> Result<Intake, MqttError> {
        let expiry_s = u32::try_from(self.config.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let link = open(&self.network, &self.config.link, Session::Kept { expiry_s }).await?;
        let session_present = link.session_present();
        let wanted = self.config.subscriptions();
        let mut filters = wanted.clone();
        if session_present {
            // A kept session keeps what an earlier configuration subscribed to.
            filters.extend(self.held.drain(..).filter(|filter| !wanted.contains(filter)));
        }
        self.held.clone_from(&filters);
        let content = Content::Connected(Connected { session_present, filters });
        let recorded = Arc::new(Notify::new());
        self.connection = Some(Connection { link, stage: Stage::Recording(recorded.clone()) });
        self.open = Arc::default();
        Ok(Intake { content, ack: Ack::new(move || recorded.notify_one()), pressing: true })
    }

    fn unreachable(&self, error: MqttError) -> SourceError {
        if error.is_lasting() {
            SourceError::Refused { address: self.address(), cause: error.into() }
        } else {
            SourceError::Unreachable { address: self.address(), cause: error.into() }
        }
    }

    fn address(&self) -> String {
        format!("{}:{}", self.config.link.host, self.config.link.port)
    }

    fn intake(&self, acker: Acker, arrivals: Vec<Arrival>) -> Intake {
        let stamp = self.clock.now();
        let mut messages = Vec::new();
        let mut releases = Vec::new();
        let mut arrived = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            arrived.push(match arrival {
                Arrival::Message(incoming) => {
                    let message = message(incoming, stamp);
                    messages.extend(message.receipt.map(Receipt::packet_id));
                    Arrival::Message(message)
                }
                Arrival::Release { packet_id } => {
                    releases.push(packet_id);
                    Arrival::Release { packet_id }
                }
            });
        }
        let count = messages.len() + releases.len();
        let open = self.open.fetch_add(count, Ordering::Relaxed) + count;
        let window = match self.config.link.version {
            MqttVersion::V5 => usize::from(self.config.link.window),
            MqttVersion::V311 => usize::from(self.config.link.window).min(WINDOW_311),
        };
        let share = Share { open: self.open.clone(), count };
        let ack = Ack::new(move || {
            acker.give(&messages);
            acker.complete(&releases);
            drop(share);
        });
        Intake { content: Content::Arrived(arrived), ack, pressing: open * 2 >= window }
    }
}

fn message(incoming: Incoming, stamp: Stamp) -> Message {
    let Incoming { topic, payload, retain, dup, qos, packet_id, correlation, user_properties } = incoming;
    let receipt = match qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce => Some(Receipt::AtLeastOnce { packet_id, dup }),
        Qos::ExactlyOnce => Some(Receipt::ExactlyOnce { packet_id }),
    };
    Message { topic, payload, retained: retain, receipt, stamp, correlation, user_properties }
}

/// What came at once among what is not acknowledged. Given back also when the acknowledgement is not given.
struct Share {
    open: Arc<AtomicUsize>,
    count: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.open.fetch_sub(self.count, Ordering::Release);
    }
}

impl<N: Network> Source for Subscription<N> {
    async fn next(&mut self) -> Result<Intake, SourceError> {
        let Some(connection) = &mut self.connection else {
            // Who was to be asked by the connection that is gone, is asked by the next one.
            self.asked.clear();
            return self.connect().await.map_err(|error| self.unreachable(error));
        };
        if !self.asked.is_empty() {
            let now = self.clock.now();
            let commands: Vec<Publish> = self.asked.drain(..).map(|node| rebirth(&node, now)).collect();
            // A connection that cannot take them says so when it is waited for.
            connection.link.publish(commands, self.config.link.window).await;
        }
        let arrived = loop {
            match &mut connection.stage {
                Stage::Recording(recorded) => {
                    recorded.notified().await;
                    let subscribing = subscribe(&connection.link, &self.config, &self.held);
                    connection.stage = Stage::Subscribing(Box::pin(subscribing));
                }
                Stage::Subscribing(subscribing) => tokio::select! {
                    subscribed = subscribing => match subscribed {
                        Ok(subscribed) => {
                            connection.stage = Stage::Subscribed;
                            self.held.clone_from(&subscribed.filters);
                            let content = Content::Subscribed(subscribed);
                            return Ok(Intake { content, ack: Ack::none(), pressing: false });
                        }
                        Err(error) => {
                            self.connection = None;
                            return Err(self.unreachable(error.into()));
                        }
                    },
                    arrived = connection.link.next() => break arrived,
                },
                Stage::Subscribed => break connection.link.next().await,
            }
        };
        match arrived {
            Ok(arrivals) => {
                let acker = connection.link.acker();
                Ok(self.intake(acker, arrivals))
            }
            Err(error) => {
                self.connection = None;
                Err(SourceError::Lost { address: self.address(), cause: error.into() })
            }
        }
    }

    fn ask(&mut self, nodes: Vec<NodeId>) {
        self.asked.extend(nodes);
    }

    /// Without this every stop would have the broker deliver again what was just committed.
    async fn close(self) {
        let Some(Connection { link, .. }) = self.connection else { return };
        let committed = async {
            while self.open.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            link.close().await;
        };
        // A disk that takes longer than this gets the messages again.
        let _ = tokio::time::timeout(LAST_ACKS, committed).await;
    }
}

/// One refused filter leaves the others as they are; the source is refused when all of them are.
fn subscribe(
    link: &Link,
    config: &MqttSource,
    held: &[String],
) -> impl Future<Output = Result<Subscribed, LinkError>> + use<> {
    let filters = config.subscriptions();
    let qos = match config.qos {
        MqttQos::AtLeastOnce => Qos::AtLeastOnce,
        MqttQos::ExactlyOnce => Qos::ExactlyOnce,
    };
    let given_up: Vec<String> = held.iter().filter(|filter| !filters.contains(filter)).cloned().collect();
    let (unsubscribing, subscribing) = (link.unsubscribe(&given_up), link.subscribe(&filters, qos));
    async move {
        unsubscribing.await?;
        let refused = match subscribing.await {
            Ok(()) => None,
            Err(LinkError::Subscribe { refusals }) if refusals.len() < filters.len() => {
                Some(LinkError::Subscribe { refusals }.to_string())
            }
            Err(error) => return Err(error),
        };
        Ok(Subscribed { filters, refused })
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
