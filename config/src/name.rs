//! Names: of plants, gateways, sources, devices, destinations, records and flows; and of tags.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

/// A name of `[A-Za-z0-9_-]+`, safe in a topic, a path and an identifier; that of a Sparkplug device is its node's and its
/// own id. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Name(Arc<str>);

/// A tag's name: letters and digits of any script, `_`, `-` and `.`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct TagName(Arc<str>);

/// An event's type, `[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*`, as in `production.counted`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct EventType(Arc<str>);

impl Name {
    /// The name, or `None` when a character is not allowed.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        (!text.is_empty() && text.chars().all(allowed)).then(|| Self(text.into()))
    }

    /// The name of a device that publishes with Sparkplug, `node/device`, or of a node itself. `None`: an id that no topic
    /// can hold, or no text of an event as it is.
    pub fn published(node: &str, device: Option<&str>) -> Option<Self> {
        let forbidden = |character: char| character.is_control() || matches!(character, '/' | '+' | '#' | '"' | '\\');
        let is_id = |id: &str| !id.is_empty() && !id.contains(forbidden);
        match device {
            Some(device) => (is_id(node) && is_id(device)).then(|| Self(format!("{node}/{device}").into())),
            None => is_id(node).then(|| Self(node.into())),
        }
    }
}

impl TagName {
    /// The name, or `None` when a character is not allowed.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.chars().all(Self::allows)).then(|| Self(text.into()))
    }

    /// What a Sparkplug metric is called among tags: `/` becomes `.`, and what else cannot stand there `_`.
    pub fn of_metric(metric: &str) -> Option<Self> {
        let allowed = |character: char| match character {
            '/' => '.',
            other if Self::allows(other) => other,
            _ => '_',
        };
        (!metric.is_empty()).then(|| Self(metric.chars().map(allowed).collect::<String>().into()))
    }

    fn allows(character: char) -> bool {
        character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
    }
}

impl EventType {
    /// The type, or `None` when the text is not two lower-case words joined by a dot.
    pub fn new(text: &str) -> Option<Self> {
        let word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.chars().all(|character| matches!(character, 'a'..='z' | '0'..='9' | '_'))
        };
        let (group, what) = text.split_once('.')?;
        (word(group) && word(what)).then(|| Self(text.into()))
    }
}

macro_rules! text_like {
    ($($type:ident),*) => {$(
        impl Deref for $type {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, out)
            }
        }
        impl From<$type> for Arc<str> {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    )*};
}

text_like!(Name, TagName, EventType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_by_the_first_character_that_is_not_allowed() {
        for good in ["press-12", "a", "L_3", "7"] {
            assert!(Name::new(good).is_some(), "{good}");
        }
        for bad in ["", "press 12", "a.b", "über", "a/b", "{x}"] {
            assert!(Name::new(bad).is_none(), "{bad}");
        }
        for good in ["Öldruck", "温度", "p.max-1_a"] {
            assert!(TagName::new(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a{", "a/b"] {
            assert!(TagName::new(bad).is_none(), "{bad}");
        }
        for good in ["production.counted", "a.b", "my_plant.thing_2"] {
            assert!(EventType::new(good).is_some(), "{good}");
        }
        for bad in ["", "a", "a.", ".b", "A.b", "a.b.c", "1a.b", "a.2b", "*"] {
            assert!(EventType::new(bad).is_none(), "{bad}");
        }
    }
}
