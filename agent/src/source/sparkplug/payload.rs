//! Payloads: protobuf messages as `sparkplug_b.proto` names them (6.4), as far as they are read.

use prost::Message as _;

/// More metrics in one message are refused.
const METRICS_MAX: usize = 16_384;
/// The metric that makes a node publish its birth certificate again (6.4.25).
const REBIRTH: &str = "Node Control/Rebirth";
/// The metric that joins a node's death to its birth (6.4.5).
const BIRTH_DEATH_SEQUENCE: &str = "bdSeq";

/// What a node published at once.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    /// When it was published, in milliseconds since 1970.
    #[prost(uint64, optional, tag = "1")]
    pub(crate) timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
    /// Counts the messages of a node and its devices, 0 to 255 and round again.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) seq: Option<u64>,
}

/// One value of one metric.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    /// Stands for the name after the birth certificate that gave both.
    #[prost(uint64, optional, tag = "2")]
    pub(crate) alias: Option<u64>,
    /// When the value was taken, in milliseconds since 1970.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) timestamp: Option<u64>,
    /// Always there in a birth certificate.
    #[prost(uint32, optional, tag = "4")]
    pub(crate) datatype: Option<u32>,
    /// It was kept from before, and says nothing of now.
    #[prost(bool, optional, tag = "5")]
    pub(crate) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) is_null: Option<bool>,
    #[prost(oneof = "Raw", tags = "10, 11, 12, 13, 14, 15")]
    pub(crate) value: Option<Raw>,
}

/// A value as it stands on the wire. Bytes, data sets, templates and arrays are none of these, and are not read.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Raw {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

/// The types of a single plain value (6.4.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataType {
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float,
    Double,
    Boolean,
    Text,
    DateTime,
}

/// Why bytes are no payload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("the payload is no Sparkplug B")]
    NotProtobuf(#[from] prost::DecodeError),
    #[error("the payload has {0} metrics (at most {METRICS_MAX})")]
    TooMany(usize),
}

impl Payload {
    /// Reads a payload. What this does not know is skipped, as protobuf has it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        let payload = Self::decode(bytes)?;
        match payload.metrics.len() {
            too_many if too_many > METRICS_MAX => Err(PayloadError::TooMany(too_many)),
            _ => Ok(payload),
        }
    }

    /// The number that a node's birth and death have in common.
    pub(crate) fn birth_death_sequence(&self) -> Option<u64> {
        let metric = self.metrics.iter().find(|metric| metric.name.as_deref() == Some(BIRTH_DEATH_SEQUENCE))?;
        match metric.value.as_ref()? {
            Raw::Int(number) => Some(u64::from(*number)),
            Raw::Long(number) => Some(*number),
            Raw::Float(_) | Raw::Double(_) | Raw::Boolean(_) | Raw::Text(_) => None,
        }
    }
}

impl Metric {
    /// Whether a metric of this name belongs to the protocol rather than to the plant.
    pub(crate) fn is_of_the_protocol(name: &str) -> bool {
        name == BIRTH_DEATH_SEQUENCE || name.starts_with("Node Control/") || name.starts_with("Device Control/")
    }
}

impl DataType {
    /// `None`: a type that holds something else than one plain value.
    pub(crate) fn of(code: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Int8,
            2 => Self::Int16,
            3 => Self::Int32,
            4 => Self::Int64,
            5 => Self::UInt8,
            6 => Self::UInt16,
            7 => Self::UInt32,
            8 => Self::UInt64,
            9 => Self::Float,
            10 => Self::Double,
            11 => Self::Boolean,
            // String, Text and UUID.
            12 | 14 | 15 => Self::Text,
            13 => Self::DateTime,
            _ => return None,
        })
    }
}

/// The command that asks for a rebirth. `now_ms` is in milliseconds since 1970.
pub(super) fn rebirth(now_ms: u64) -> Vec<u8> {
    const BOOLEAN: u32 = 11;
    let metric = Metric {
        name: Some(REBIRTH.to_owned()),
        timestamp: Some(now_ms),
        datatype: Some(BOOLEAN),
        value: Some(Raw::Boolean(true)),
        ..Metric::default()
    };
    Payload { timestamp: Some(now_ms), metrics: vec![metric], seq: None }.encode_to_vec()
}
