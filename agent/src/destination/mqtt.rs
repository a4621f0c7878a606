//! The MQTT destination: an event is delivered when the broker has acknowledged it.

use bytes::BytesMut;
use plantlink_buffer::Refusal;
use plantlink_config::{EnvelopeFormat, MqttDestination, MqttVersion, Part, Reference, Template};

use super::{Batch, DeliverError, Delivery, Destination, Outcome};
use crate::envelope::Envelope;
use crate::mqtt::{Answer, Link, LinkError, MqttError, Network, Publish, Qos, Reason, Session, Tcp, open};
use crate::template;

/// The memory for an ordinary payload.
const PAYLOAD_BYTES: usize = 1024;
/// So many payloads share a piece of memory.
const PAYLOADS_TOGETHER: usize = 64;
/// What says that a payload is a CloudEvent (CloudEvents MQTT Protocol Binding 1.0.2, section 3.2).
const CLOUDEVENTS: &str = "application/cloudevents+json";

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

/// The packet of an event. Its payload is written into `out` and taken from there, so that many share its memory.
pub(crate) fn packet(
    config: &MqttDestination,
    event: &Envelope,
    qos: Qos,
    out: &mut BytesMut,
) -> Result<Publish, NoTopic> {
    let topic = topic(config, event)?;
    event.write(config.format, out);
    let user_properties = match config.link.version {
        MqttVersion::V5 => vec![("traceparent".to_owned(), event.traceparent())],
        MqttVersion::V311 => Vec::new(),
    };
    let content_type = match config.format {
        EnvelopeFormat::Plant => None,
        EnvelopeFormat::CloudEvents => Some(CLOUDEVENTS),
    };
    Ok(Publish { topic, payload: out.split().freeze(), retain: false, qos, content_type, user_properties })
}

/// Memory that the payloads of a batch are written into.
pub(crate) fn payloads(batch: &Batch) -> BytesMut {
    BytesMut::with_capacity(PAYLOAD_BYTES * batch.events.len().min(PAYLOADS_TOGETHER))
}

/// Where an event is published.
pub(crate) fn topic(config: &MqttDestination, event: &Envelope) -> Result<String, NoTopic> {
    template::text(&config.topic, event).ok_or(NoTopic)
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
        let mut payloads = payloads(batch);
        for event in &batch.events {
            match packet(&self.config, event, Qos::AtLeastOnce, &mut payloads) {
                Ok(message) => messages.push(message),
                Err(error) if messages.is_empty() => {
                    let outcomes = vec![Outcome::Rejected(error.into())];
                    return Delivery { outcomes, rest: Ok(()) };
                }
                // What stands before it goes first.
                Err(_) => break,
            }
        }
        let window = self.config.link.window;
        let offered = messages.len();
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
            match verdict(answer, &self.config) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Delivery { outcomes, rest: Err(error) },
            }
        }
        let unanswered = offered - outcomes.len();
        Delivery { outcomes, rest: published.rest.map_err(|error| interrupted(error, unanswered)) }
    }

    async fn close(self) {
        if let Some(link) = self.link {
            link.close().await;
        }
    }
}

impl From<NoTopic> for Refusal {
    fn from(error: NoTopic) -> Self {
        Refusal { code: "no_topic".to_owned(), reason: error.to_string() }
    }
}

/// What an answer means for the event. A refusal may concern the broker, and our rights or our topic there, instead.
pub(crate) fn verdict(answer: Answer, config: &MqttDestination) -> Result<Outcome, DeliverError> {
    let reason = match answer {
        Answer::Accepted => return Ok(Outcome::Delivered),
        Answer::Unheard => return Ok(Outcome::Unheard),
        Answer::Refused(reason) => reason,
    };
    match reason.code {
        Reason::NOT_AUTHORIZED => {
            Err(DeliverError::Paused { reason: format!("the broker refuses to let us publish: {reason}") })
        }
        Reason::TOPIC_NAME_INVALID if is_of_all(&config.topic) => {
            Err(DeliverError::Paused { reason: format!("the broker refuses the topic: {reason}") })
        }
        Reason::QUOTA_EXCEEDED => Err(DeliverError::Busy { retry_after: None }),
        // 0x99 and 0x95 are about the payload. Where 0x80 and 0x83, which say nothing, concern every event, that shows.
        code => {
            let reason = format!("the broker refuses the event: {reason}");
            Ok(Outcome::Rejected(Refusal { code: format!("0x{code:02X}"), reason }))
        }
    }
}

/// Whether nothing in the topic depends on the single event.
fn is_of_all(topic: &Template) -> bool {
    topic.parts.iter().all(|part| match part {
        Part::Text(_) => true,
        Part::Look { up: Reference::Name(name), .. } => matches!(&**name, "plant" | "gateway" | "event_type"),
        Part::Look { up: Reference::Pointer(_), .. } => false,
    })
}

/// What the end of a connection means while so many messages were on their way. A broker that lets us publish some of them
/// ends it for one that it does not say: only where that is alone it concerns the flow.
pub(crate) fn interrupted(error: LinkError, messages: usize) -> DeliverError {
    if let LinkError::Closed { reason: Some(reason) } = &error
        && reason.code == Reason::NOT_AUTHORIZED
        && messages == 1
    {
        return DeliverError::Paused { reason: format!("the broker ends the connection when we publish: {reason}") };
    }
    if error.may_be_of_a_packet() { DeliverError::Broken(error.into()) } else { unanswered(error.into()) }
}

pub(crate) fn unanswered(error: MqttError) -> DeliverError {
    if error.is_lasting() {
        DeliverError::Refused { reason: crate::chain::chain(&error) }
    } else {
        DeliverError::Unreachable(error.into())
    }
}
