//! One value of one tag at one moment, and how far to trust it.

use std::sync::Arc;
use std::{fmt, io};

use plantlink_config::Labels;
use serde::{Deserialize, Serialize};

/// A value and how far to trust it. A bad reading has no value to misuse.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Quality<T> {
    Good(T),
    Uncertain(T, Caveat),
    Bad(Fault),
}

impl<T> Quality<T> {
    /// The value, where there is one that may be reported.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Quality::Good(value) | Quality::Uncertain(value, _) => Some(value),
            Quality::Bad(_) => None,
        }
    }

    /// The value, where there is one to rely on.
    pub(crate) fn good(&self) -> Option<&T> {
        match self {
            Quality::Good(value) => Some(value),
            Quality::Uncertain(..) | Quality::Bad(_) => None,
        }
    }

    /// Why there is no value; `None` where there is one.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Quality::Good(_) | Quality::Uncertain(..) => None,
            Quality::Bad(fault) => Some(fault),
        }
    }

    /// What is wrong with it, as events name it; `None` while it is good.
    pub(crate) fn doubt(&self) -> Option<String> {
        match self {
            Quality::Good(_) => None,
            Quality::Uncertain(_, caveat) => Some(format!("uncertain: {caveat}")),
            Quality::Bad(fault) => Some(format!("bad: {fault}")),
        }
    }
}

/// A 32-bit float as people write it: 15.1125 and not 15.112500190734863. Of the numbers that are the same in 32 bits it is
/// the one with the fewest digits.
pub(crate) fn widened(number: f32) -> f64 {
    format!("{number:e}").parse().unwrap_or_else(|_| number.into())
}

/// What a tag reads, after decoding and scaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Value {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    /// Always finite: NaN and infinity are faults.
    Float(#[serde(with = "float_bits")] f64),
    /// A string, or the label of an enum's value.
    Text(Arc<str>),
    /// The bits that are set in a word of bits, by their labels, the least significant first.
    Labels(Vec<Arc<str>>),
}

impl Value {
    /// The label of an enum's value; one without a label is its number as text.
    pub(crate) fn of_enum(raw: u16, labels: &Labels) -> Self {
        Value::Text(labels.get(raw).cloned().unwrap_or_else(|| raw.to_string().into()))
    }

    /// The labels of the bits that are set; one without a label is called after its number.
    pub(crate) fn of_bits(raw: u64, labels: &Labels) -> Self {
        let set = (0..16_u16).filter(|bit| raw >> bit & 1 == 1);
        Value::Labels(set.map(|bit| labels.bit(bit)).collect())
    }

    /// What can be compared with a limit or a deadband, which are no finer than a float.
    #[expect(clippy::cast_precision_loss, reason = "a float is fine enough")]
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Value::Unsigned(value) => Some(*value as f64),
            Value::Signed(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::Bool(_) | Value::Text(_) | Value::Labels(_) => None,
        }
    }

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

impl fmt::Display for Value {
    /// As people write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Bool(_) | Value::Unsigned(_) | Value::Signed(_) | Value::Float(_) | Value::Labels(_) => {
                self.to_json().fmt(f)
            }
        }
    }
}

/// A float as its bits: JSON text is not always read back as the same number.
mod float_bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

/// Why a value is not to be relied on though there is one. Each names the OPC UA status code that is nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caveat {
    /// The device has another firmware than its tags were written for: `UncertainSensorNotAccurate`.
    UnexpectedFirmware,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caveat::UnexpectedFirmware => f.write_str("unexpected firmware"),
        }
    }
}

/// Why no connection can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Obstacle {
    /// Something is there and takes no connection.
    Refused,
    /// Nothing leads to the address, or nobody knows it.
    NoRoute,
    /// Nothing came back in time.
    NoAnswer,
    /// The serial port is not there.
    PortGone,
}

impl From<&io::Error> for Obstacle {
    /// What is no error of a network is one of a port.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds")]
    fn from(error: &io::Error) -> Self {
        use io::ErrorKind::{
            AddrNotAvailable, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown,
            NetworkUnreachable, NotFound, PermissionDenied, TimedOut,
        };
        match error.kind() {
            TimedOut => Obstacle::NoAnswer,
            ConnectionRefused | ConnectionReset | ConnectionAborted => Obstacle::Refused,
            HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable => Obstacle::NoRoute,
            NotFound | PermissionDenied => Obstacle::PortGone,
            // Among these is a name that cannot be resolved.
            _ => Obstacle::NoRoute,
        }
    }
}

/// Why a reading has no value, in the words an engineer at the cabinet understands. Each names the OPC UA status code
/// that is nearest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The connection of the line broke and was not made again: `BadNoCommunication`.
    NoConnection,
    /// No connection could be made: `BadNoCommunication`.
    Unreachable(Obstacle),
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
    /// What is published for it is of another type than the tag: `BadTypeMismatch`.
    WrongType,
}

impl Fault {
    /// Whether there was no connection to ask over, so that the device cannot be told from its line.
    pub(crate) fn is_of_the_line(&self) -> bool {
        match self {
            Fault::NoConnection | Fault::Unreachable(_) => true,
            Fault::Timeout
            | Fault::Exception(_)
            | Fault::WrongAnswer
            | Fault::NotANumber
            | Fault::NotADecimal
            | Fault::Missing
            | Fault::Unscaled
            | Fault::WrongType => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoConnection => f.write_str("no connection"),
            Fault::Unreachable(Obstacle::Refused) => f.write_str("no connection: refused"),
            Fault::Unreachable(Obstacle::NoRoute) => f.write_str("no connection: no route"),
            Fault::Unreachable(Obstacle::NoAnswer) => f.write_str("no connection: no answer"),
            Fault::Unreachable(Obstacle::PortGone) => f.write_str("no connection: the port is gone"),
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
            Fault::WrongType => f.write_str("device publishes another type"),
        }
    }
}

/// One tag's value of one scan. Its place in the device's list of tags says which tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) tag: usize,
    pub(crate) value: Quality<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_32_bit_float_is_the_number_that_people_write_for_it() {
        for (number, expected) in [(15.1125_f32, 15.1125), (0.1, 0.1), (-123.45, -123.45), (3e38, 3e38), (0.0, 0.0)] {
            assert_eq!(widened(number), expected, "{number}");
        }
        assert!(widened(f32::NAN).is_nan() && widened(f32::INFINITY).is_infinite());
    }
}
