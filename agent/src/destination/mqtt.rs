//! The MQTT destination: an event is delivered when the broker has acknowledged it.

use plantlink_config::{MqttDestination, MqttVersion};

use super::{Batch, DeliverError, Delivery, Destination, Outcome};
use crate::envelope::Envelope;
use crate::mqtt::{Answer, Link, MqttError, Network, Publish, Qos, Reason, Session, Tcp, open};
use crate::template;

/// One connection to a broker, made when there is something to deliver.
pub(crate) struct Broker<N = Tcp> {
    network: N,
    config: MqttDestination,
    link: Option<Link>,
}

impl Broker {
    pub(crate) fn new(config: &MqttDestination) -> Self {
        Broker::over(Tcp, config)
    }
}

impl<N: Network> Broker<N> {
    /// The same over another network than this machine's.
    pub(crate) fn over(network: N, config: &MqttDestination) -> Self {
        Broker { network, config: config.clone(), link: None }
    }

    /// A clean session: what is not answered is in the buffer, and is offered again from there.
    async fn connect(&mut self) -> Result<&mut Link, MqttError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => open(&self.network, &self.config.link, Session::Clean).await?,
        };
        Ok(self.link.insert(link))
    }
}

/// The packet of an event.
pub(crate) fn packet(config: &MqttDestination, event: &Envelope, qos: Qos) -> Result<Publish, NoTopic> {
    let topic = template::text(&config.topic, event).ok_or(NoTopic)?;
    let mut payload = Vec::with_capacity(768);
    event.write_json(&mut payload);
    let user_properties = match config.link.version {
        MqttVersion::V5 => vec![("traceparent".to_owned(), event.traceparent())],
        MqttVersion::V311 => Vec::new(),
    };
    Ok(Publish { topic, payload: payload.into(), retain: false, qos, user_properties })
}

/// Nobody can say where to publish the event.
#[derive(Debug, thiserror::Error)]
#[error("the topic names something that the event does not have")]
pub(crate) struct NoTopic;

impl<N: Network> Destination for Broker<N> {
    /// At most a window is unsettled at any time, so a kill repeats at most a window.
    fn batch_max(&self) -> usize {
        let broker = self.link.as_ref().map_or(u16::MAX, |link| link.terms().receive_maximum);
        usize::from(self.config.link.window.min(broker))
    }

    async fn deliver(&mut self, batch: &Batch) -> Delivery {
        let mut messages = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            match packet(&self.config, event, Qos::AtLeastOnce) {
                Ok(message) => messages.push(message),
                Err(error) if messages.is_empty() => {
                    let outcomes = vec![Outcome::Rejected { reason: error.to_string() }];
                    return Delivery { outcomes, rest: Ok(()) };
                }
                // What stands before it goes first.
                Err(_) => break,
            }
        }
        let window = self.config.link.window;
        let link = match self.connect().await {
            Ok(link) => link,
            Err(error) => return Delivery { outcomes: Vec::new(), rest: Err(unanswered(error)) },
        };
        let published = link.publish(messages, window).await;
        if published.rest.is_err() {
            self.link = None;
        }
        let mut outcomes = Vec::with_capacity(published.answers.len());
        for answer in published.answers {
            match verdict(answer) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Delivery { outcomes, rest: Err(error) },
            }
        }
        Delivery { outcomes, rest: published.rest.map_err(|error| unanswered(error.into())) }
    }

    async fn close(self) {
        if let Some(link) = self.link {
            link.close().await;
        }
    }
}

/// What an answer means for the event. A refusal may concern the broker and our rights there instead.
pub(crate) fn verdict(answer: Answer) -> Result<Outcome, DeliverError> {
    let reason = match answer {
        Answer::Accepted => return Ok(Outcome::Delivered),
        Answer::Unheard => return Ok(Outcome::Unheard),
        Answer::Refused(reason) => reason,
    };
    match reason.code {
        Reason::NOT_AUTHORIZED => {
            Err(DeliverError::Paused { reason: format!("the broker refuses to let us publish: {reason}") })
        }
        Reason::QUOTA_EXCEEDED => Err(DeliverError::Busy { retry_after: None }),
        _ => Ok(Outcome::Rejected { reason: format!("the broker refuses the event: {reason}") }),
    }
}

pub(crate) fn unanswered(error: MqttError) -> DeliverError {
    if error.is_lasting() {
        DeliverError::Refused { reason: crate::chain::chain(&error) }
    } else {
        DeliverError::Unreachable(error.into())
    }
}
