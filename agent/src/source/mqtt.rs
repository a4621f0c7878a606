//! The MQTT source: a kept session at the plant's broker, acknowledged after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plantlink_config::{MqttSource, MqttVersion};
use tokio::sync::Notify;

use super::{Ack, Content, Intake, Message, Receipt, Source, SourceError, Subscribed};
use crate::clock::Clock;
use crate::mqtt::{Acker, Incoming, Link, LinkError, MqttError, Network, Qos, Session, Tcp, open};

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
    subscribed: Vec<String>,
    connection: Option<Connection>,
    /// Messages of this connection that are not acknowledged.
    open: Arc<AtomicUsize>,
}

struct Connection {
    link: Link,
    /// What the broker said of the session has still to be recorded; nothing is subscribed before.
    unrecorded: Option<Arc<Notify>>,
}

impl Subscription {
    /// `subscribed` is what [`Content::Subscribed`] told last.
    pub(crate) fn new(config: &MqttSource, subscribed: Vec<String>, clock: Clock) -> Self {
        Subscription::over(Tcp, config, subscribed, clock)
    }
}

impl<N: Network> Subscription<N> {
    /// The same over another network than this machine's.
    pub(crate) fn over(network: N, config: &MqttSource, subscribed: Vec<String>, clock: Clock) -> Self {
        Subscription { network, config: config.clone(), clock, subscribed, connection: None, open: Arc::default() }
    }

    async fn connect(&mut self) -> Result<Intake, MqttError> {
        let expiry_s = u32::try_from(self.config.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let link = open(&self.network, &self.config.link, Session::Kept { expiry_s }).await?;
        let content = Content::Connected { session_present: link.session_present() };
        let recorded = Arc::new(Notify::new());
        self.connection = Some(Connection { link, unrecorded: Some(recorded.clone()) });
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

    fn intake(&self, acker: Acker, incoming: Vec<Incoming>) -> Intake {
        let stamp = self.clock.now();
        let ids: Vec<u16> = incoming
            .iter()
            .filter(|message| match message.qos {
                Qos::AtMostOnce => false,
                Qos::AtLeastOnce | Qos::ExactlyOnce => true,
            })
            .map(|message| message.packet_id)
            .collect();
        let open = self.open.fetch_add(ids.len(), Ordering::Relaxed) + ids.len();
        let window = match self.config.link.version {
            MqttVersion::V5 => usize::from(self.config.link.window),
            MqttVersion::V311 => usize::from(self.config.link.window).min(WINDOW_311),
        };
        let messages = incoming.into_iter().map(|message| Message {
            topic: message.topic,
            payload: message.payload,
            retained: message.retain,
            receipt: match message.qos {
                Qos::AtMostOnce => None,
                Qos::AtLeastOnce | Qos::ExactlyOnce => Some(Receipt { packet_id: message.packet_id, dup: message.dup }),
            },
            stamp,
            correlation: message.correlation,
            user_properties: message.user_properties,
        });
        let content = Content::Messages(messages.collect());
        let share = Share { open: self.open.clone(), messages: ids.len() };
        let ack = Ack::new(move || {
            acker.give(&ids);
            drop(share);
        });
        Intake { content, ack, pressing: open * 2 >= window }
    }
}

/// The messages of one intake among those that are not acknowledged. Given back also when the acknowledgement is not given.
struct Share {
    open: Arc<AtomicUsize>,
    messages: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.open.fetch_sub(self.messages, Ordering::Release);
    }
}

impl<N: Network> Source for Subscription<N> {
    async fn next(&mut self) -> Result<Intake, SourceError> {
        let Some(connection) = &mut self.connection else {
            return self.connect().await.map_err(|error| self.unreachable(error));
        };
        if let Some(recorded) = &connection.unrecorded {
            recorded.notified().await;
            connection.unrecorded = None;
            return match subscribe(&mut connection.link, &self.config, &mut self.subscribed).await {
                Ok(subscribed) => {
                    Ok(Intake { content: Content::Subscribed(subscribed), ack: Ack::none(), pressing: false })
                }
                Err(error) => {
                    self.connection = None;
                    Err(self.unreachable(error))
                }
            };
        }
        match connection.link.next().await {
            Ok(incoming) => {
                let acker = connection.link.acker();
                Ok(self.intake(acker, incoming))
            }
            Err(error) => {
                self.connection = None;
                Err(SourceError::Lost { address: self.address(), cause: error.into() })
            }
        }
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
async fn subscribe(link: &mut Link, config: &MqttSource, held: &mut Vec<String>) -> Result<Subscribed, MqttError> {
    let filters: Vec<String> = config.topics.iter().map(|topic| topic.filter.as_subscription()).collect();
    if link.session_present() {
        // A kept session keeps what an earlier configuration subscribed to.
        held.retain(|filter| !filters.contains(filter));
        link.unsubscribe(held).await?;
    }
    let refused = match link.subscribe(&filters).await {
        Ok(()) => None,
        Err(LinkError::Subscribe { refusals }) if refusals.len() < filters.len() => {
            Some(LinkError::Subscribe { refusals }.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    held.clone_from(&filters);
    Ok(Subscribed { filters, refused })
}
