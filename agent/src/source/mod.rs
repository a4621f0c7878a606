//! Where input comes from: what every source gives, and which sources there are.

pub(crate) mod modbus;
pub(crate) mod mqtt;
pub(crate) mod sparkplug;

use std::fmt;

use bytes::Bytes;
use plantlink_buffer::Stamp;
use plantlink_config::Expected;
use serde::{Deserialize, Serialize};

use crate::mqtt::{Arrival, Payload};
use crate::reading::{Fault, Quality, Reading, Value};
use crate::source::sparkplug::NodeId;

/// One connection or one serial line. Runs until stop; a silent unit on it is a bad reading, not an error.
pub(crate) trait Source: Send + 'static {
    /// Waits for what comes next.
    fn next(&mut self) -> impl Future<Output = Result<Intake, SourceError>> + Send;

    /// Has nodes say again what they measure, as soon as there is a way to. Only Sparkplug knows such a word.
    fn ask(&mut self, _nodes: Vec<NodeId>) {}

    /// Gives the acknowledgements of what is being committed, and says goodbye if there is a way to.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What came in at once, and what the sender waits for.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) content: Content,
    pub(crate) ack: Ack,
    /// The sender will send no more before an acknowledgement: nothing to gain by waiting for company.
    pub(crate) pressing: bool,
}

impl Intake {
    /// Whether it shows that the source works. Scans that only say that the line is down do not.
    pub(crate) fn shows_life(&self) -> bool {
        match &self.content {
            Content::Scan(scan) => scan.readings.iter().any(|reading| match &reading.value {
                Quality::Good(_) | Quality::Uncertain(..) => true,
                Quality::Bad(fault) => !fault.is_of_the_line(),
            }),
            // What it subscribes to may still be refused.
            Content::Connected(_) => false,
            Content::Subscribed(_) | Content::Arrived(_) => true,
        }
    }

    /// Whether it brings what the source is for. A connection alone may break again at once.
    pub(crate) fn brings_something(&self) -> bool {
        match &self.content {
            Content::Scan(_) => self.shows_life(),
            Content::Arrived(arrivals) => !arrivals.is_empty(),
            Content::Connected(_) | Content::Subscribed(_) => false,
        }
    }
}

/// What a source can bring.
#[derive(Debug)]
pub(crate) enum Content {
    Scan(Scan),
    /// The broker has let us in. It is asked for nothing before this is acknowledged: no message of a new session may come
    /// before it is on disk that it is a new one.
    Connected(Connected),
    /// The source works, whether or not something comes.
    Subscribed(Subscribed),
    /// In the order of receipt, acknowledged together.
    Arrived(Vec<Arrival<Message>>),
}

/// What the broker said when it let us in, and what comes next.
#[derive(Debug)]
pub(crate) struct Connected {
    /// Whether it still knew us.
    pub(crate) session_present: bool,
    /// Everything that its session may hold of ours once it is asked: what it has held so far, and what it is asked for.
    pub(crate) filters: Vec<String>,
}

/// What the broker answered to the subscription.
#[derive(Debug)]
pub(crate) struct Subscribed {
    /// Everything that the session may hold of ours.
    pub(crate) filters: Vec<String>,
    /// What the broker refused, in words; the other filters stand.
    pub(crate) refused: Option<String>,
}

/// The tags of one device, read in one pass.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// The device's place on its line.
    pub(crate) device: usize,
    /// When the answers were there.
    pub(crate) stamp: Stamp,
    /// Of the tags that were due, in their order.
    pub(crate) readings: Vec<Reading>,
    /// What the device said that it is, when it was asked for that too.
    pub(crate) identity: Option<Identity>,
    /// What its nameplate says, when it was asked for that and answered.
    pub(crate) nameplate: Option<Nameplate>,
    /// That it is gone, when it has said so itself, or its broker for it. None of its tags has a value then.
    pub(crate) gone: Option<Fault>,
}

/// What a device says that it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identity {
    /// What stands where the profile looks for it; `None` when the device has nothing there.
    pub(crate) found: Option<Value>,
    /// Whether that is what the profile was written for.
    pub(crate) expected: bool,
}

/// What a device says of itself, as far as it says it in a way that others understand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nameplate {
    pub(crate) vendor: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) firmware: Option<String>,
}

impl Identity {
    /// Judges what was found by what the configuration expects.
    pub(crate) fn new(found: Option<Value>, identity: &plantlink_config::Identity) -> Self {
        let expected = |found: &Value| identity.expect.iter().any(|expected| is(found, expected));
        Identity { expected: found.as_ref().is_some_and(expected), found }
    }
}

fn is(found: &Value, expected: &Expected) -> bool {
    match (found, expected) {
        (Value::Unsigned(found), Expected::Number(expected)) => i128::from(*found) == i128::from(*expected),
        (Value::Signed(found), Expected::Number(expected)) => found == expected,
        (Value::Text(found), Expected::Text(expected)) => **found == **expected,
        (
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Text(_)
            | Value::Bool(_)
            | Value::Float(_)
            | Value::Labels(_),
            Expected::Number(_) | Expected::Text(_),
        ) => false,
    }
}

/// A message as the plant's broker delivered it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Payload,
    pub(crate) retained: bool,
    /// `None`: the broker does not deliver it again.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) stamp: Stamp,
    /// MQTT 5 correlation data.
    pub(crate) correlation: Option<Bytes>,
    /// MQTT 5 user properties.
    pub(crate) user_properties: Vec<(String, String)>,
}

/// What a broker says of a message that it delivers until it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// QoS 1.
    AtLeastOnce {
        packet_id: u16,
        /// The broker may have delivered it before.
        dup: bool,
    },
    /// QoS 2: until it is released, the packet id stands for this message.
    ExactlyOnce { packet_id: u16 },
}

impl Receipt {
    pub(crate) fn packet_id(self) -> u16 {
        match self {
            Receipt::AtLeastOnce { packet_id, .. } | Receipt::ExactlyOnce { packet_id } => packet_id,
        }
    }
}

/// What the sender waits for. Dropped without a commit, it is not given.
pub(crate) struct Ack(Option<Box<dyn FnOnce() + Send>>);

impl Ack {
    /// Nobody waits.
    pub(crate) fn none() -> Self {
        Ack(None)
    }

    pub(crate) fn new(give: impl FnOnce() + Send + 'static) -> Self {
        Ack(Some(Box::new(give)))
    }

    /// Tells the sender that it may forget. Never blocks.
    pub(crate) fn give(self) {
        if let Some(give) = self.0 {
            give();
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Ack(waited for)" } else { "Ack(none)" })
    }
}

/// Why a source has nothing to give. The loop waits and asks again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot reach {address}")]
    Unreachable {
        address: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("lost the connection to {address}")]
    Lost {
        address: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Only a person can mend it: credentials, rights, a certificate. It is tried again slowly all the same.
    #[error("{address} refuses us")]
    Refused {
        address: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
