//! One field of an event's data: whether it has to be there, and what it may hold.

/// A key of an object, and what it means.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) kind: Kind,
    /// Its meaning, with the unit where it has one.
    pub(super) about: &'static str,
}

/// Whether an object can do without the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    /// May also be `null`: many senders write what they do not know so.
    Optional,
}

/// What a field may hold.
#[derive(Debug)]
pub(super) enum Kind {
    Boolean,
    Number,
    /// A number that is not negative.
    Amount,
    /// A whole number that is not negative.
    Count,
    /// Any text, also none.
    Text,
    /// A text that is not empty.
    Identifier,
    /// RFC 3339 with a time and an offset.
    Moment,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number, a text or a truth value.
    Scalar,
    /// A scalar, the labels of a word of bits, or `null` for a tag without a value.
    TagValue,
    List(&'static Kind),
    /// An object whose keys are names.
    Map(&'static Kind),
    /// An object with these fields, and any others.
    Object(&'static [Field]),
}

pub(super) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, need: Need::Required, kind, about }
}

pub(super) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, need: Need::Optional, kind, about }
}

pub(super) const UNIT_OF_MEASURE: &str = "A UCUM code, or `pcs`.";
pub(super) const ORDER: Field = optional("order", Kind::Text, "The order that it belongs to.");
pub(super) const OPERATION: Field = optional("operation", Kind::Text, "The operation of the order.");
pub(super) const PRODUCT: Field = optional("product", Kind::Text, "The product.");
pub(super) const LOT: Field = optional("lot", Kind::Text, "The lot.");
pub(super) const SERIAL: Field = optional("serial", Kind::Text, "The serial number of the piece.");

impl Kind {
    /// What is allowed, for who reads why something else was refused.
    pub(super) fn words(&self) -> String {
        match self {
            Kind::Boolean => "true or false".into(),
            Kind::Number => "a number".into(),
            Kind::Amount => "a number that is not negative".into(),
            Kind::Count => "a whole number that is not negative".into(),
            Kind::Text => "a text".into(),
            Kind::Identifier => "a text that is not empty".into(),
            Kind::Moment => "a time like 2026-11-20T08:15:30Z".into(),
            Kind::Choice(words) => words.join(", "),
            Kind::Scalar => "a number, a text, true or false".into(),
            Kind::TagValue => "a number, a text, true, false, null or a list of texts".into(),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) | Kind::Object(_) => "an object".into(),
        }
    }
}
