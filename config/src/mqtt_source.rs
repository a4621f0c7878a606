//! MES messages: a subscription at the plant's broker and what its topics mean.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::interval::Interval;
use crate::items::Items;
use crate::lookup::Lookup;
use crate::mqtt_link::{LinkKeys, MqttLink, MqttVersion, WINDOW};
use crate::mqtt_qos::{MqttQos, QOS};
use crate::name::{EventType, Name};
use crate::path::Path;
use crate::report::code;
use crate::secret::SecretTable;
use crate::sparkplug::{SparkplugMapping, SparkplugTable, mappings};
use crate::sparkplug_topics::check_apart;
use crate::stage::Stage;
use crate::template::{DataTemplate, Template, is_pointer};
use crate::tls::TlsTable;
use crate::topic_filter::TopicFilter;

/// A broker that messages come from.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttSource {
    /// Unique among lines, devices and MQTT sources.
    pub name: Name,
    /// How the broker is reached.
    pub link: MqttLink,
    /// How long the broker keeps the session while the agent is away, never zero.
    pub session_expiry: Duration,
    /// The quality of service of its subscriptions.
    pub qos: MqttQos,
    /// How far it is in use.
    pub stage: Stage,
    /// Whether a retained message is an event too.
    pub retained: bool,
    /// What the topics mean; the first that matches maps a message.
    pub topics: Vec<TopicMapping>,
    /// What is published with Sparkplug B; the first that takes a device maps it. One of these or a topic is there at least.
    pub sparkplug: Vec<SparkplugMapping>,
}

impl MqttSource {
    /// What the broker is asked for: no filter that another one covers, or it might send a message twice.
    pub fn subscriptions(&self) -> Vec<String> {
        let published = self.sparkplug.iter().flat_map(SparkplugMapping::filters);
        let mut wanted: Vec<TopicFilter> = Vec::new();
        for filter in self.topics.iter().map(|topic| topic.filter.clone()).chain(published) {
            if !wanted.iter().any(|other| other.covers(&filter)) {
                wanted.retain(|other| !filter.covers(other));
                wanted.push(filter);
            }
        }
        wanted.iter().map(TopicFilter::as_subscription).collect()
    }
}

/// What messages on some topics become.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicMapping {
    /// The topics.
    pub filter: TopicFilter,
    /// The type of the event.
    pub event_type: EventType,
    /// A JSON pointer (RFC 6901) to the array whose elements make an event each, and are what pointers look into; `None`:
    /// the payload itself, when it is an array.
    pub each: Option<String>,
    /// The sender's own id; a message that lacks it is rejected. Never constant.
    pub id: Option<Template>,
    /// The sender's time; a message that lacks it has the time of receipt.
    pub time: Option<Template>,
    /// The sender's correlation id.
    pub correlation: Option<Template>,
    /// The event's `data`; `None`: the payload as it is.
    pub data: Option<Vec<(String, DataTemplate)>>,
}

/// A broker that messages come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttSourceTable {
    /// Unique among lines, devices and MQTT sources.
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
    /// How long the broker keeps the session while the agent is away.
    #[serde(default = "session_expiry")]
    session_expiry: Interval,
    /// The quality of service of its subscriptions. With 2, a message that its sender publishes with 2 is one event, also
    /// without an id of its sender, after any crash of the agent, as long as the broker keeps the session.
    #[serde(default = "qos")]
    #[schemars(range(min = 1, max = 2))]
    qos: u8,
    /// The most messages that the broker sends without an acknowledgement. With `qos = 2`, MQTT 5 counts a message until it
    /// is released, two round trips and two commits later.
    #[serde(default = "window")]
    #[schemars(range(min = 1))]
    window: u16,
    /// Whether a message that the broker has retained from before is an event too. Without this it counts as unmapped, and
    /// `status` has its topic (`last_retained`): it comes again with each new session.
    #[serde(default)]
    retained: bool,
    /// How far it is in use. What a source in `commissioning` tells is recorded and marked, and goes only where a flow names
    /// that stage.
    #[serde(default)]
    stage: Stage,
    /// What the topics mean; the first that matches maps a message.
    #[serde(default)]
    pub(crate) topic: Items<TopicTable>,
    /// What is published with Sparkplug B; the first that takes a device maps it. Its topics belong to no `topic`.
    #[serde(default)]
    sparkplug: Items<SparkplugTable>,
}

fn session_expiry() -> Interval {
    Interval::new("7d")
}

fn qos() -> u8 {
    QOS
}

fn window() -> u16 {
    WINDOW
}

/// What messages on some topics become.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopicTable {
    /// A topic filter; `{name}` is a `+` that can be used below.
    #[schemars(required)]
    filter: Option<String>,
    /// The type of the event, two words joined by a dot.
    #[schemars(required)]
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    /// A JSON pointer to the array whose elements make an event each, as in `/positions`; pointers look into the element then.
    /// Left out: a payload that is an array makes an event for each element, any other makes one.
    each: Option<String>,
    /// The sender's own id, as in `{/messageId}`. A message that lacks it is rejected.
    id: Option<String>,
    /// The sender's time, as in `{/finishedAt}` or `{/ts:unix_ms}`.
    time: Option<String>,
    /// The sender's correlation id.
    correlation: Option<String>,
    /// The event's data. A string is a template: `{level}`, `{/json/pointer}`. Left out: the payload as it is.
    data: Option<Map<String, Json>>,
}

impl MqttSourceTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<MqttSource> {
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
        let session_expiry = self.session_expiry.check_some(&at.key("session_expiry"), &mut check.report);
        let sparkplug = mappings(&self.sparkplug, self.stage, &at.key("sparkplug"), check);
        let topics = self.topics(&sparkplug, &at.key("topic"), check);
        if !check.has_any(at, &["topic", "sparkplug"]) {
            check.missing("topic", "a source says what its messages mean, or has a table of `sparkplug`", at);
        }
        Some(MqttSource {
            name: name?,
            link: link?,
            session_expiry: session_expiry?,
            qos: MqttQos::new(self.qos),
            retained: self.retained,
            stage: self.stage,
            topics,
            sparkplug,
        })
    }

    /// The profiles that its Sparkplug devices name.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &str> {
        self.sparkplug.iter(&Path::top()).filter_map(|(_, table)| table.profile.as_deref())
    }

    fn topics(&self, sparkplug: &[SparkplugMapping], at: &Path, check: &mut Check<'_>) -> Vec<TopicMapping> {
        let mut filters: Vec<(Path, TopicFilter)> = Vec::new();
        let mut topics = Vec::new();
        for (at, table) in self.topic.iter(at) {
            let Some(filter) = table.filter(&at.key("filter"), check) else {
                // What its templates may name is not known; the rest is looked at all the same.
                table.event_type(&at, check);
                continue;
            };
            compare(&filters, &filter, &at.key("filter"), check);
            check_apart(&filter, sparkplug, &at.key("filter"), check);
            filters.push((at.key("filter"), filter.clone()));
            topics.extend(table.check(filter, &at, check));
        }
        topics
    }
}

/// The first filter that matches takes a message, so an earlier one may be narrower than a later one, and no other way.
fn compare(earlier: &[(Path, TopicFilter)], filter: &TopicFilter, at: &Path, check: &mut Check<'_>) {
    for (known_at, known) in earlier {
        if known.covers(filter) {
            let message =
                format!("`{filter}` is never reached: `{known}` at {} takes every message first", check.show(known_at));
            check.report.error(code::CONFLICT, at, message).help("the narrower filter comes first");
            return;
        }
        if filter.overlaps(known) && !filter.covers(known) {
            let message =
                format!("`{filter}` and `{known}` at {} overlap in part: a message may fit both", check.show(known_at));
            check.report.error(code::CONFLICT, at, message);
            return;
        }
    }
}

impl TopicTable {
    fn filter(&self, at: &Path, check: &mut Check<'_>) -> Option<TopicFilter> {
        match TopicFilter::new(self.filter.as_ref()?) {
            Ok(filter) => Some(filter),
            Err(error) => {
                check.report.error(code::BAD_VALUE, at, error.to_string());
                None
            }
        }
    }

    fn event_type(&self, at: &Path, check: &mut Check<'_>) -> Option<EventType> {
        check.event_type(self.event_type.as_ref()?, &at.key("type"))
    }

    fn check(&self, filter: TopicFilter, at: &Path, check: &mut Check<'_>) -> Option<TopicMapping> {
        let event_type = self.event_type(at, check);
        let lookup = Lookup::Message(&filter);
        let mut template = |key: &str, text: &Option<String>, varies: bool| {
            let at = at.key(key);
            let template = lookup.template(text.as_ref()?, &at, check)?;
            if varies && template.constant().is_some() {
                let message = format!("a constant `{key}` is the same for every message");
                let example = if key == "id" { "{/messageId}" } else { "{/finishedAt}" };
                check.report.error(code::BAD_VALUE, &at, message).help(format!("as in `{example}`"));
                return None;
            }
            Some(template)
        };
        let id = template("id", &self.id, true);
        let time = template("time", &self.time, true);
        let correlation = template("correlation", &self.correlation, false);
        let data = self.data.as_ref().map(|data| lookup.data(data, &at.key("data"), check));
        let each = self.each.as_ref().and_then(|each| pointer(each, &at.key("each"), check));
        Some(TopicMapping { event_type: event_type?, each, id, time, correlation, data, filter })
    }
}

fn pointer(text: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    if is_pointer(text) {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is no JSON pointer (allowed: keys and indices, each after a `/`)");
    check
        .report
        .error(code::BAD_VALUE, at, message)
        .help("as in /positions; `~` is written `~0` and a `/` in a key `~1`");
    None
}
