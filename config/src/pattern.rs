//! Patterns in which `*` stands for any text: which events, and whose.

use std::fmt;
use std::sync::Arc;

/// Which event types: `workorder.*`, `production.counted`, `*`. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct EventPattern(Arc<str>);

/// Which names: `press-*`, `mes`, `edge-1/*` for the Sparkplug devices of a node. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct NamePattern(Arc<str>);

impl EventPattern {
    /// The pattern, or `None` when a character can stand in no event type.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |character| matches!(character, 'a'..='z' | '0'..='9' | '_' | '.' | '*');
        (!text.is_empty() && text.chars().all(allowed)).then(|| Self(text.into()))
    }

    /// Whether an event of this type is meant.
    pub fn matches(&self, event_type: &str) -> bool {
        wild(&self.0, event_type)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl NamePattern {
    /// The pattern, or `None` when a character can stand in no name.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |character: char| character.is_alphanumeric() || "_-*/. ".contains(character);
        (!text.is_empty() && text.chars().all(allowed)).then(|| Self(text.into()))
    }

    /// Whether this name is meant. Where `name` stands for many, `*` being any text in it too, whether one of them is.
    pub fn matches(&self, name: &str) -> bool {
        if name.contains('*') { overlap(&self.0, name) } else { wild(&self.0, name) }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

/// Whether some text fits both patterns.
fn overlap(one: &str, other: &str) -> bool {
    let (mut after_one, mut after_other) = (one.chars(), other.chars());
    match (after_one.next(), after_other.next()) {
        (None, None) => true,
        (Some('*'), _) => overlap(after_one.as_str(), other) || !other.is_empty() && overlap(one, after_other.as_str()),
        (_, Some('*')) => overlap(other, one),
        (Some(own), Some(others)) => own == others && overlap(after_one.as_str(), after_other.as_str()),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Whether the whole text fits, each `*` standing for any run of characters, also none.
pub fn wild(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    // Leftmost is enough for the middle pieces; the last one has to end the text.
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let mut left = text;
    for piece in middle.split('*') {
        match left.find(piece) {
            Some(at) => left = left.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_patterns_overlap_when_some_text_fits_both() {
        for (one, other, expected) in [
            ("edge-1/*", "*/press", true),
            ("edge-1/*", "edge-1/press", true),
            ("edge-1/*", "edge-2/*", false),
            ("*", "*/*", true),
            ("edge-1", "edge-1/*", false),
            ("a*b", "*c", false),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text_anywhere() {
        for (pattern, text, fits) in [
            ("*", "production.counted", true),
            ("*", "", true),
            ("workorder.*", "workorder.finished", true),
            ("workorder.*", "workorders.finished", false),
            ("*.counted", "production.counted", true),
            ("*.counted", "production.counted2", false),
            ("p*.c*d", "production.counted", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abbc", true),
            ("a*bc*c", "abc", false),
            ("**", "x", true),
            ("press-12", "press-12", true),
            ("press-12", "press-1", false),
        ] {
            assert_eq!(wild(pattern, text), fits, "{pattern} {text}");
        }
    }
}
