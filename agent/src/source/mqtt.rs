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
    link: Option<Link>,
    /// Messages of this connection that are not acknowledged.
    open: Arc<AtomicUsize>,
}

impl Subscription {
    pub(crate) fn new(config: &MqttSource, clock: Clock) -> Self {
        Subscription { config: config.clone(), clock, link: None, open: Arc::default() }
    }

    async fn subscribe(&self) -> Result<Link, MqttError> {
        let expiry_s = u32::try_from(self.config.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let mut link = open(&self.config.link, Session::Kept { expiry_s }).await?;
        let filters: Vec<String> = self.config.topics.iter().map(|topic| topic.filter.as_subscription()).collect();
        link.subscribe(&filters).await?;
        Ok(link)
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
    /// A new subscription is told by an intake without messages: the source works, whether or not something comes.
    async fn next(&mut self) -> Result<Intake, SourceError> {
        let Some(link) = &mut self.link else {
            let link = self.subscribe().await.map_err(|error| self.unreachable(error))?;
            self.open = Arc::default();
            self.link = Some(link);
            return Ok(Intake { content: Content::Messages(Vec::new()), ack: Ack::none(), pressing: false });
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
