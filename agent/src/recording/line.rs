//! One line of a recording, as it is written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::reading::{Fault, Obstacle};
use crate::source::Nameplate;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Scan(ScanLine),
    Message(MessageLine),
    /// The agent ends, and starts again with what it remembers.
    Restart,
}

/// What a device answered in one pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScanLine {
    /// Unix microseconds, UTC.
    pub(crate) at_us: i64,
    pub(crate) device: String,
    pub(crate) content: Answered,
    /// What the device says that it is; `Some(Null)`: it has nothing where the profile looks for it.
    pub(crate) identity: Option<Value>,
    /// What the device says of itself, when it was asked.
    pub(crate) nameplate: Option<Nameplate>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answered {
    /// The tags that were read; `null` is a bad reading, for the reason that `faults` gives.
    Tags { tags: Map<String, Value>, faults: BTreeMap<String, Fault> },
    /// Nothing.
    Nothing(Offline),
}

/// Why a device answers nothing, in the words of `device.offline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Offline {
    Timeout,
    Refused,
    NoRoute,
    Exception,
    PortGone,
}

/// A message as the plant's broker delivered it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MessageLine {
    /// Unix microseconds, UTC.
    pub(crate) at_us: i64,
    pub(crate) source: String,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retained: bool,
    /// MQTT 5 correlation data.
    pub(crate) correlation: Option<String>,
    /// MQTT 5 user properties.
    pub(crate) properties: BTreeMap<String, String>,
}

/// Why a line is none of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("{}", of_json(.0))]
    Json(#[from] serde_json::Error),
    #[error(
        "a line has `device` with `tags` or `offline`, `source` with `topic` and `payload`, or `restart` alone; this has {0}"
    )]
    Shape(String),
    #[error("`at` is missing: when it was, as in 2026-11-20T08:00:00Z")]
    NoTime,
    #[error("`at` is no time: {0} (allowed: RFC 3339, as in 2026-11-20T08:00:00Z)")]
    Time(String),
    #[error("`payload_hex` is no row of hexadecimal digits, two for each byte")]
    Hex,
}

/// All keys that a line may have.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) faults: BTreeMap<String, Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offline: Option<Offline>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(super) identity: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nameplate: Option<Nameplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(super) payload: Option<Value>,
    /// In place of `payload` what is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload_hex: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) retained: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) correlation: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) properties: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) restart: bool,
}

/// A `null` that stands there is not the same as nothing.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The parser counts the lines of its text, which is one: that it is the first would be taken for the recording's.
fn of_json(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let what = if error.is_data() { "" } else { "this is not JSON: " };
    format!("{what}{said} (column {})", error.column())
}

impl Line {
    /// Reads one line.
    ///
    /// # Errors
    /// It is no JSON object, has a key that no line has, or not those that belong together.
    pub(crate) fn parse(text: &str) -> Result<Self, LineError> {
        let keys: Keys = serde_json::from_str(text)?;
        let found = keys.names();
        let shape = || LineError::Shape(if found.is_empty() { "nothing".to_owned() } else { found.join(", ") });
        let is_message = found.iter().any(|key| MESSAGE.contains(key));
        let is_scan = found.iter().any(|key| SCAN.contains(key));
        match (keys.restart, is_scan, is_message) {
            // The moment of a restart may be said, and says nothing.
            (true, false, false) => Ok(Line::Restart),
            (false, true, false) => {
                let content = match (keys.tags, keys.offline) {
                    (Some(tags), None) => Answered::Tags { tags, faults: keys.faults },
                    (None, Some(offline)) if keys.faults.is_empty() => Answered::Nothing(offline),
                    (Some(_), Some(_)) | (None, Some(_) | None) => return Err(shape()),
                };
                let device = keys.device.ok_or_else(shape)?;
                let (identity, nameplate) = (keys.identity, keys.nameplate);
                Ok(Line::Scan(ScanLine { at_us: moment(keys.at)?, device, content, identity, nameplate }))
            }
            (false, false, true) => {
                let payload = match (keys.payload, keys.payload_hex) {
                    (Some(Value::String(text)), None) => text.into_bytes(),
                    (Some(other), None) => other.to_string().into_bytes(),
                    (None, Some(digits)) => bytes(&digits).ok_or(LineError::Hex)?,
                    (Some(_), Some(_)) | (None, None) => return Err(shape()),
                };
                Ok(Line::Message(MessageLine {
                    source: keys.source.ok_or_else(shape)?,
                    topic: keys.topic.ok_or_else(shape)?,
                    at_us: moment(keys.at)?,
                    payload,
                    retained: keys.retained,
                    correlation: keys.correlation,
                    properties: keys.properties,
                }))
            }
            (true, _, _) | (false, true, true) | (false, false, false) => Err(shape()),
        }
    }
}

const SCAN: [&str; 6] = ["device", "tags", "faults", "offline", "identity", "nameplate"];
const MESSAGE: [&str; 7] = ["source", "topic", "payload", "payload_hex", "retained", "correlation", "properties"];

impl Keys {
    /// The keys that are there.
    fn names(&self) -> Vec<&'static str> {
        let all = [
            ("at", self.at.is_some()),
            ("device", self.device.is_some()),
            ("tags", self.tags.is_some()),
            ("faults", !self.faults.is_empty()),
            ("offline", self.offline.is_some()),
            ("identity", self.identity.is_some()),
            ("nameplate", self.nameplate.is_some()),
            ("source", self.source.is_some()),
            ("topic", self.topic.is_some()),
            ("payload", self.payload.is_some()),
            ("payload_hex", self.payload_hex.is_some()),
            ("retained", self.retained),
            ("correlation", self.correlation.is_some()),
            ("properties", !self.properties.is_empty()),
            ("restart", self.restart),
        ];
        all.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
    }
}

impl Offline {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Offline::Timeout => Fault::Timeout,
            Offline::Refused => Fault::Unreachable(Obstacle::Refused),
            Offline::NoRoute => Fault::Unreachable(Obstacle::NoRoute),
            // The gateway before the device says that the device does not answer.
            Offline::Exception => Fault::Exception(11),
            Offline::PortGone => Fault::Unreachable(Obstacle::PortGone),
        }
    }
}

fn moment(at: Option<String>) -> Result<i64, LineError> {
    let at = at.ok_or(LineError::NoTime)?;
    at.parse().map(Timestamp::as_microsecond).map_err(|_: jiff::Error| LineError::Time(at))
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_none_says_what_it_lacks() {
        for (text, said) in [
            ("half a line", "this is not JSON: expected value (column 1)"),
            ("7", "invalid type: integer `7`"),
            ("{}", "this has nothing"),
            (r#"{"devcie":"a","tags":{}}"#, "unknown field `devcie`, expected one of `at`, `device`, `tags`"),
            (r#"{"device":"a","tags":{}}"#, "`at` is missing"),
            (r#"{"at":"today","device":"a","tags":{}}"#, "`at` is no time: today"),
            (r#"{"at":"2026-11-20T08:00:00Z","device":"a"}"#, "this has at, device"),
            (
                r#"{"at":"2026-11-20T08:00:00Z","device":"a","tags":{},"offline":"timeout"}"#,
                "this has at, device, tags, offline",
            ),
            (
                r#"{"at":"2026-11-20T08:00:00Z","device":"a","offline":"lunch"}"#,
                "unknown variant `lunch`, expected one of `timeout`",
            ),
            (r#"{"at":"2026-11-20T08:00:00Z","device":"a","tags":{},"topic":"b"}"#, "this has at, device, tags, topic"),
            (r#"{"at":"2026-11-20T08:00:00Z","source":"a","payload":1}"#, "this has at, source, payload"),
            (r#"{"at":"2026-11-20T08:00:00Z","source":"a","topic":"b","payload_hex":"0"}"#, "`payload_hex` is no row"),
            (r#"{"restart":true,"device":"a"}"#, "this has device, restart"),
        ] {
            let error = Line::parse(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_as_payload_is_the_text_itself_and_anything_else_its_json() {
        for (payload, expected) in [
            (r#""payload":"{\"a\": 1}""#, &br#"{"a": 1}"#[..]),
            (r#""payload":{"a":1}"#, br#"{"a":1}"#),
            (r#""payload":null"#, b"null"),
            (r#""payload_hex":"00ff7B""#, &[0, 255, 123]),
        ] {
            let text = format!(r#"{{"at":"2026-11-20T08:00:00Z","source":"mes","topic":"a/b",{payload}}}"#);
            let Line::Message(message) = Line::parse(&text).unwrap() else { panic!("{text}") };
            assert_eq!((message.payload.as_slice(), message.at_us), (expected, 1_795_161_600_000_000));
        }
    }
}
