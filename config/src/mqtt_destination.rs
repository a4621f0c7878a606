//! A central MQTT broker that events go to.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::envelope_format::EnvelopeFormat;
use crate::lookup::Lookup;
use crate::mqtt_link::{LinkKeys, MqttLink, MqttVersion, WINDOW};
use crate::mqtt_qos::{MqttQos, QOS};
use crate::name::Name;
use crate::pacing::{DrainTable, Pacing, RateTable, pacing};
use crate::path::Path;
use crate::report::code;
use crate::secret::SecretTable;
use crate::template::{Part, Template};
use crate::tls::TlsTable;

/// A broker that events are published to, each as one JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttDestination {
    /// Unique among destinations.
    pub name: Name,
    /// How the broker is reached.
    pub link: MqttLink,
    /// The topic of an event.
    pub topic: Template,
    /// What happens to events that the broker may have had before a crash or a cut.
    pub qos: MqttQos,
    /// How fast it may be offered events.
    pub pacing: Pacing,
    /// How an event is written.
    pub format: EnvelopeFormat,
}

/// A broker that events are published to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttDestinationTable {
    /// Unique among destinations.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// `mqtt://host:port` or `mqtts://host:port`. The port is 1883 or 8883 when it is left out.
    #[schemars(required)]
    url: Option<String>,
    /// The protocol version.
    #[serde(default)]
    version: MqttVersion,
    /// The client id, with `{plant}` and `{gateway}` in it; left out: `{plant}.{gateway}.` and the name.
    client_id: Option<String>,
    /// The user, when the broker asks for one.
    username: Option<String>,
    /// The password, when the broker asks for one: `{ credential = "name" }`, `{ file = "path" }` or `{ env = "NAME" }`.
    password: Option<SecretTable>,
    /// How the broker is known, and how the agent shows who it is. Only with `mqtts://`.
    tls: Option<TlsTable>,
    /// The topic of an event, a template.
    #[serde(default = "topic")]
    topic: String,
    /// The quality of service: 1, at least once, or 2, exactly once into the broker, for one more round trip. With 2 the
    /// broker has to keep the session while the agent is away.
    #[serde(default = "qos")]
    #[schemars(range(min = 1, max = 2))]
    qos: u8,
    /// The most messages sent without an acknowledgement.
    #[serde(default = "window")]
    #[schemars(range(min = 1))]
    window: u16,
    /// A limit for all events that it is offered; left out: as fast as it answers.
    rate: Option<RateTable>,
    /// How the backlog of an outage is sent; left out: at once, as fast as it answers.
    drain: Option<DrainTable>,
    /// How an event is written. With MQTT 5 a CloudEvent has the content type `application/cloudevents+json`.
    #[serde(default)]
    format: EnvelopeFormat,
}

fn topic() -> String {
    "plants/{plant}/{gateway}/{event_type}".to_owned()
}

fn qos() -> u8 {
    QOS
}

fn window() -> u16 {
    WINDOW
}

impl MqttDestinationTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<MqttDestination> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let keys = LinkKeys {
            name: self.name.as_deref(),
            url: self.url.as_deref(),
            version: self.version,
            client_id: self.client_id.as_deref(),
            username: self.username.as_ref(),
            password: self.password.as_ref(),
            tls: self.tls.as_ref(),
            window: self.window,
        };
        let link = keys.check(at, check);
        let topic = publish_topic(&self.topic, &at.key("topic"), check);
        let pacing = pacing(self.rate.as_ref(), self.drain.as_ref(), at, check);
        Some(MqttDestination {
            name: name?,
            link: link?,
            topic: topic?,
            qos: MqttQos::new(self.qos),
            pacing: pacing?,
            format: self.format,
        })
    }
}

fn publish_topic(text: &str, at: &Path, check: &mut Check<'_>) -> Option<Template> {
    let topic = Lookup::Event.template(text, at, check)?;
    if topic.parts.is_empty() {
        check.report.error(code::BAD_VALUE, at, "a topic cannot be empty");
        return None;
    }
    let wild = |part: &Part| matches!(part, Part::Text(text) if text.contains(['+', '#', '\0']));
    if topic.parts.iter().any(wild) {
        let message = "an event is published to one topic, which has no wildcard: `+` and `#` cannot stand in it";
        let found = check.report.error(code::BAD_VALUE, at, message);
        if let Some(byte) = text.find(['+', '#']) {
            found.inside(byte);
        }
        return None;
    }
    Some(topic)
}
