//! The MQTT source: a kept session at the plant's broker, acknowledged after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plantlink_config::{MqttSource, MqttVersion};

use super::{Ack, Content, Intake, Message, Source, SourceError};
use crate::clock::Clock;
use crate::mqtt::{Acker, Incoming, Link, MqttError, Qos, Session, open};

/// MQTT 3.1.1 does not tell the window; mosquitto sends 20 messages before it waits.
const WINDOW_311: usize = 20;

/// One subscription list at one broker.
pub(crate) struct Subscription {
    config: MqttSource,
    clock: Clock,
    /// What the broker's session may still hold of ours.
    subscribed: Vec<String>,
    link: Option<Link>,
    /// Messages of this connection that are not acknowledged.
    open: Arc<AtomicUsize>,
}

impl Subscription {
    /// `subscribed` is what [`Content::Subscribed`] told last.
    pub(crate) fn new(config: &MqttSource, subscribed: Vec<String>, clock: Clock) -> Self {
        Subscription { config: config.clone(), clock, subscribed, link: None, open: Arc::default() }
    }

    async fn subscribe(&mut self) -> Result<Vec<String>, MqttError> {
        let expiry_s = u32::try_from(self.config.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let mut link = open(&self.config.link, Session::Kept { expiry_s }).await?;
        let filters: Vec<String> = self.config.topics.iter().map(|topic| topic.filter.as_subscription()).collect();
        if link.session_present() {
            // A kept session keeps what an earlier configuration subscribed to.
            self.subscribed.retain(|filter| !filters.contains(filter));
            link.unsubscribe(&self.subscribed).await?;
        }
        link.subscribe(&filters).await?;
        self.subscribed.clone_from(&filters);
        self.open = Arc::default();
        self.link = Some(link);
        Ok(filters)
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
                Qos::AtLeastOnce => true,
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
            stamp,
            correlation: message.correlation,
            user_properties: message.user_properties,
        });
        let content = Content::Messages(messages.collect());
        let counter = self.open.clone();
        let ack = Ack::new(move || {
            counter.fetch_sub(ids.len(), Ordering::Relaxed);
            acker.give(&ids);
        });
        Intake { content, ack, pressing: open * 2 >= window }
    }
}

impl Source for Subscription {
    async fn next(&mut self) -> Result<Intake, SourceError> {
        let Some(link) = &mut self.link else {
            let filters = match self.subscribe().await {
                Ok(filters) => filters,
                Err(error) => return Err(self.unreachable(error)),
            };
            return Ok(Intake { content: Content::Subscribed(filters), ack: Ack::none(), pressing: false });
        };
        match link.next().await {
            Ok(incoming) => {
                let acker = link.acker();
                Ok(self.intake(acker, incoming))
            }
            Err(error) => {
                self.link = None;
                Err(SourceError::Lost { address: self.address(), cause: error.into() })
            }
        }
    }
}
