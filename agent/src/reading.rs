//! One value of one tag at one moment, and how far to trust it.

use std::fmt;
use std::sync::Arc;

/// A value and how far to trust it. A bad reading has no value to misuse.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Quality<T> {
    Good(T),
    Bad(Fault),
}

impl<T> Quality<T> {
    /// The value, where there is one that may be reported.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Quality::Good(value) => Some(value),
            Quality::Bad(_) => None,
        }
    }
}

/// What a tag reads, after decoding and scaling.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    /// Always finite: NaN and infinity are faults.
    Float(f64),
    /// A string, or the label of an enum's value.
    Text(Arc<str>),
    /// The bits that are set in a word of bits, by their labels, the least significant first.
    Labels(Vec<Arc<str>>),
}

impl Value {
    /// As it stands in an event's data.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Bool(value) => (*value).into(),
            Value::Unsigned(value) => (*value).into(),
            Value::Signed(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => (&**text).into(),
            Value::Labels(labels) => labels.iter().map(|label| &**label).collect(),
        }
    }
}

/// Why a reading has no value, in the words an engineer at the cabinet understands. Each names the OPC UA status code
/// that is nearest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The line or its connection is down: `BadNoCommunication`.
    NoConnection,
    /// The device did not answer within the time limit: `BadTimeout`.
    Timeout,
    /// The device answered with this Modbus exception code: `BadDeviceFailure`.
    Exception(u8),
    /// The answer does not fit the question: another length, unit or function: `BadCommunicationError`.
    WrongAnswer,
    /// The bits are no number, or the value none that can be shown: NaN or infinity: `BadDecodingError`.
    NotANumber,
    /// A digit of a binary coded decimal is above 9: `BadDecodingError`.
    NotADecimal,
    /// The device sends what means that it has no value: `BadNoData`.
    Missing,
    /// The tag that holds its power of ten has no value: `BadNoData`.
    Unscaled,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoConnection => f.write_str("no connection"),
            Fault::Timeout => f.write_str("device does not answer"),
            Fault::Exception(1) => f.write_str("device does not know the function (exception 1)"),
            Fault::Exception(2) => f.write_str("device does not know the address (exception 2)"),
            Fault::Exception(3) => f.write_str("device refuses the number of registers (exception 3)"),
            Fault::Exception(4) => f.write_str("device reports a failure (exception 4)"),
            Fault::Exception(5) => f.write_str("device asks for patience (exception 5)"),
            Fault::Exception(6) => f.write_str("device is busy (exception 6)"),
            Fault::Exception(10) => f.write_str("gateway has no path to the device (exception 10)"),
            Fault::Exception(11) => f.write_str("device behind the gateway does not answer (exception 11)"),
            Fault::Exception(code) => write!(f, "device answered with exception {code}"),
            Fault::WrongAnswer => f.write_str("device gave a wrong answer"),
            Fault::NotANumber => f.write_str("not a number"),
            Fault::NotADecimal => f.write_str("a digit is no decimal one"),
            Fault::Missing => f.write_str("device has no value"),
            Fault::Unscaled => f.write_str("its scale factor has no value"),
        }
    }
}

/// One tag's value of one scan. Its place in the device's list of tags says which tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) tag: usize,
    pub(crate) value: Quality<Value>,
}
