//! MQTT topic filters whose levels may be named: `mes/{line}/orders/+`.

use std::fmt;
use std::sync::Arc;

/// A topic filter in which `{name}` is a `+` whose text can be looked up by that name.
#[derive(Clone, PartialEq, Eq)]
pub struct TopicFilter {
    levels: Vec<Level>,
}

#[derive(Clone, PartialEq, Eq)]
enum Level {
    Exact(String),
    Any,
    Named(Arc<str>),
    /// `#`, only at the end; it stands for no level, too.
    Rest,
}

/// The text of each named level of a topic that matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Levels(Vec<(Arc<str>, String)>);

impl Levels {
    /// The text of the level of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(level, _)| &**level == name).map(|(_, text)| text.as_str())
    }
}

/// Why a text is no topic filter (MQTT 5.0 and 3.1.1, chapter 4.7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing was written.
    #[error("a topic filter cannot be empty")]
    Empty,
    /// `#` in the middle or beside other text.
    #[error("`#` has to be the last level, alone")]
    RestNotLast,
    /// `+` or `{name}` beside other text.
    #[error("`{0}` mixes a wildcard with text: `+` and `{{name}}` stand for one whole level")]
    NotAlone(String),
    /// Braces around something that is no name.
    #[error("`{0}` names no level (allowed in a name: letters, digits, `_`, `-`)")]
    LevelName(String),
    /// One name for two levels.
    #[error("two levels are named `{0}`")]
    NamedTwice(String),
    /// A session of its own is needed for what was acknowledged to be known again.
    #[error("shared subscriptions (`$share/`) are not possible: the session belongs to this agent alone")]
    Shared,
    /// Longer than the protocol can carry, or with a character that it forbids.
    #[error("a topic filter has at most 65535 bytes and no NUL character")]
    NotMqtt,
}

impl TopicFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// When it is none that a broker would accept, or a named level is not clear.
    pub fn new(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if text.len() > usize::from(u16::MAX) || text.contains('\0') {
            return Err(FilterError::NotMqtt);
        }
        if text.starts_with("$share/") {
            return Err(FilterError::Shared);
        }
        let mut levels = Vec::new();
        for level in text.split('/') {
            if levels.last() == Some(&Level::Rest) {
                return Err(FilterError::RestNotLast);
            }
            let level = Level::new(level)?;
            if let Level::Named(name) = &level
                && levels.contains(&level)
            {
                return Err(FilterError::NamedTwice(name.to_string()));
            }
            levels.push(level);
        }
        Ok(Self { levels })
    }

    /// The filter as the broker knows it: a named level is a `+`.
    pub fn as_subscription(&self) -> String {
        let levels: Vec<&str> = self.levels.iter().map(Level::as_subscription).collect();
        levels.join("/")
    }

    /// The named levels' text when the topic fits, as a broker matches it.
    pub fn matches(&self, topic: &str) -> Option<Levels> {
        let mut found = Levels::default();
        let mut texts = topic.split('/');
        for (depth, level) in self.levels.iter().enumerate() {
            // A topic of the broker's own, as in `$SYS`, fits no wildcard at its start.
            if depth == 0 && topic.starts_with('$') && !matches!(level, Level::Exact(_)) {
                return None;
            }
            if *level == Level::Rest {
                return Some(found);
            }
            let text = texts.next()?;
            match level {
                Level::Exact(exact) if exact != text => return None,
                Level::Exact(_) | Level::Any | Level::Rest => {}
                Level::Named(name) => found.0.push((Arc::clone(name), text.to_owned())),
            }
        }
        texts.next().is_none().then_some(found)
    }

    /// The names of its levels, from left to right.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Named(name) => Some(&**name),
            Level::Exact(_) | Level::Any | Level::Rest => None,
        })
    }

    /// Whether each topic that fits `other` fits this one too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if self.starts_wild() && other.starts_reserved() {
            return false;
        }
        let (mut own, mut others) = (self.levels.iter(), other.levels.iter());
        loop {
            match (own.next(), others.next()) {
                (Some(Level::Rest), _) | (None, None) => return true,
                (_, Some(Level::Rest)) | (None, Some(_)) | (Some(_), None) => return false,
                (Some(Level::Any | Level::Named(_)), Some(_)) => {}
                (Some(own), Some(other)) if own == other => {}
                (Some(Level::Exact(_)), Some(_)) => return false,
            }
        }
    }

    /// Whether some topic fits both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        if self.starts_wild() && other.starts_reserved() || self.starts_reserved() && other.starts_wild() {
            return false;
        }
        let (mut own, mut others) = (self.levels.iter(), other.levels.iter());
        loop {
            match (own.next(), others.next()) {
                (Some(Level::Rest), _) | (_, Some(Level::Rest)) | (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Level::Exact(own)), Some(Level::Exact(other))) if own != other => return false,
                (Some(_), Some(_)) => {}
            }
        }
    }

    fn starts_wild(&self) -> bool {
        !matches!(self.levels.first(), Some(Level::Exact(_)))
    }

    fn starts_reserved(&self) -> bool {
        matches!(self.levels.first(), Some(Level::Exact(text)) if text.starts_with('$'))
    }
}

impl Level {
    fn new(text: &str) -> Result<Self, FilterError> {
        match text {
            "+" => return Ok(Self::Any),
            "#" => return Ok(Self::Rest),
            _ if text.contains('#') => return Err(FilterError::RestNotLast),
            _ if !text.contains(['+', '{', '}']) => return Ok(Self::Exact(text.to_owned())),
            _ => {}
        }
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let name = name
            .filter(|name| !name.contains(['+', '{', '}']))
            .ok_or_else(|| FilterError::NotAlone(text.to_owned()))?;
        if is_level_name(name) { Ok(Self::Named(name.into())) } else { Err(FilterError::LevelName(text.to_owned())) }
    }

    fn as_subscription(&self) -> &str {
        match self {
            Self::Exact(text) => text,
            Self::Any | Self::Named(_) => "+",
            Self::Rest => "#",
        }
    }
}

fn is_level_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'))
}

/// As in the file, with the names.
impl fmt::Display for TopicFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, level) in self.levels.iter().enumerate() {
            if depth > 0 {
                out.write_str("/")?;
            }
            match level {
                Level::Named(name) => write!(out, "{{{name}}}")?,
                Level::Exact(_) | Level::Any | Level::Rest => out.write_str(level.as_subscription())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::new(text).unwrap()
    }

    #[test]
    fn a_named_level_is_a_plus_whose_text_is_known() {
        let filter = filter("mes/{line}/orders/{order}/finished");
        assert_eq!(filter.as_subscription(), "mes/+/orders/+/finished");
        assert_eq!(filter.names().collect::<Vec<_>>(), ["line", "order"]);
        let levels = filter.matches("mes/L3/orders/MO-42/finished").unwrap();
        assert_eq!((levels.get("line"), levels.get("order"), levels.get("x")), (Some("L3"), Some("MO-42"), None));
        assert_eq!(filter.matches("mes/L3/orders/MO-42/started"), None);
    }

    #[test]
    fn topics_match_as_the_protocol_says() {
        for (text, topic, fits) in [
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("a//b", "a//b", true),
        ] {
            assert_eq!(filter(text).matches(topic).is_some(), fits, "{text} {topic}");
        }
    }

    #[test]
    fn what_a_broker_would_refuse_is_refused_with_the_reason() {
        for (text, error) in [
            ("", FilterError::Empty),
            ("a/#/b", FilterError::RestNotLast),
            ("a#", FilterError::RestNotLast),
            ("a/b+", FilterError::NotAlone("b+".into())),
            ("a/x{y}", FilterError::NotAlone("x{y}".into())),
            ("a/{x/b", FilterError::NotAlone("{x".into())),
            ("a/{}/b", FilterError::LevelName("{}".into())),
            ("{a}/{a}", FilterError::NamedTwice("a".into())),
            ("$share/g/a", FilterError::Shared),
            ("a\0", FilterError::NotMqtt),
        ] {
            assert_eq!(TopicFilter::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn two_filters_are_apart_overlap_or_cover_each_other() {
        for (one, other, covers, overlaps) in [
            ("a/+", "a/b", true, true),
            ("a/b", "a/+", false, true),
            ("a/#", "a", true, true),
            ("a/#", "a/+/c", true, true),
            ("a/{x}", "a/+", true, true),
            ("a/+/c", "a/b/+", false, true),
            ("a/b", "a/c", false, false),
            ("a/+", "a/b/c", false, false),
            ("+/x", "$SYS/x", false, false),
            ("#", "a/#", true, true),
            ("a/+", "a/#", false, true),
        ] {
            let (one, other) = (filter(one), filter(other));
            assert_eq!((one.covers(&other), one.overlaps(&other)), (covers, overlaps), "{one} {other}");
            assert_eq!(other.overlaps(&one), overlaps, "{other} {one}");
        }
    }
}
