//! The template grammar: `{name}`, `{/json/pointer}`, `{name:format}`; `{{` and `}}` are braces; the rest is constant.

use serde_json::Value;

/// A text with things to look up in it. A text without braces has one constant part; an empty text has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its parts in the order of the text.
    pub parts: Vec<Part>,
}

/// One part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Stands as it is.
    Text(String),
    /// Is looked up when the template is filled.
    Look {
        /// What to look up.
        up: Reference,
        /// How to read or show what was found, when it is a time.
        format: Option<Format>,
    },
}

/// What a template looks up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A JSON pointer (RFC 6901) into the message's payload, starting with `/`.
    Pointer(String),
    /// A name: a topic level, a tag, a key of `data` or of the envelope, `asset.equipment`, `plant`, `gateway`.
    Name(String),
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `2026-11-20`, in UTC.
    Date,
    /// `2026-11-20 08:15:30`, in UTC.
    Datetime,
    /// Seconds since 1970 as a number.
    Unix,
    /// Milliseconds since 1970 as a number.
    UnixMs,
}

/// How the formats are spelled.
pub(crate) const FORMATS: [(&str, Format); 4] =
    [("date", Format::Date), ("datetime", Format::Datetime), ("unix", Format::Unix), ("unix_ms", Format::UnixMs)];

/// A value of `data`, in which every string is a template.
#[derive(Debug, Clone, PartialEq)]
pub enum DataTemplate {
    /// Anything that looks nothing up.
    Constant(Value),
    /// A string that looks something up.
    Template(Template),
    /// A table with at least one template in it, in the order of the file.
    Table(Vec<(String, DataTemplate)>),
    /// A list with at least one template in it.
    List(Vec<DataTemplate>),
}

impl DataTemplate {
    /// The names it looks up, without the JSON pointers.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Template(template) => template.names().collect(),
            Self::Table(keys) => keys.iter().flat_map(|(_, template)| template.names()).collect(),
            Self::List(items) => items.iter().flat_map(Self::names).collect(),
        }
    }
}

/// Why a text is no template, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct TemplateError {
    /// The byte of the text at which the fault is.
    pub at: usize,
    /// The fault.
    pub fault: TemplateFault,
}

/// What can be wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// `{` without its `}`.
    #[error("`{{` is never closed; a brace that stands for itself is written twice")]
    Open,
    /// `}` without its `{`.
    #[error("`}}` closes nothing; a brace that stands for itself is written twice")]
    Close,
    /// `{}`.
    #[error("`{{}}` names nothing to look up")]
    Empty,
    /// Neither a name nor a JSON pointer.
    #[error("`{0}` is neither a name nor a JSON pointer starting with `/`")]
    Reference(String),
    /// `~` followed by something else than `0` or `1` (RFC 6901, chapter 3).
    #[error("`{0}` is no JSON pointer: `~` is written `~0` and a `/` in a key `~1`")]
    Pointer(String),
    /// After the colon stands no format.
    #[error("`{0}` is no format (allowed: {names})", names = FORMATS.map(|(name, _)| name).join(", "))]
    Format(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// At the first brace, name, pointer or format that is not clear.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut constant = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let at = text.len() - rest.len() + brace;
            let fault = |fault| TemplateError { at, fault };
            let (before, from) = rest.split_at(brace);
            constant.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                constant.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                constant.push('}');
                rest = after;
            } else if let Some(inner) = from.strip_prefix('{') {
                let (inner, after) = inner.split_once('}').ok_or_else(|| fault(TemplateFault::Open))?;
                if !constant.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut constant)));
                }
                parts.push(look(inner).map_err(fault)?);
                rest = after;
            } else {
                return Err(fault(TemplateFault::Close));
            }
        }
        constant.push_str(rest);
        if !constant.is_empty() {
            parts.push(Part::Text(constant));
        }
        Ok(Self { parts })
    }

    /// The text when nothing is looked up.
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The names it looks up, without the JSON pointers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Look { up: Reference::Name(name), .. } => Some(name.as_str()),
            Part::Look { up: Reference::Pointer(_), .. } | Part::Text(_) => None,
        })
    }

    /// Whether it looks into a message's payload.
    pub(crate) fn has_pointer(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Look { up: Reference::Pointer(_), .. }))
    }
}

fn look(inner: &str) -> Result<Part, TemplateFault> {
    // A pointer may hold colons of its own; only a known format after the last one is a format.
    let (up, format) = match inner.rsplit_once(':') {
        None => (inner, None),
        Some((up, format)) => match (Format::new(format), up.starts_with('/')) {
            (Some(format), _) => (up, Some(format)),
            (None, true) if !is_word(format) => (inner, None),
            (None, _) => return Err(TemplateFault::Format(format.to_owned())),
        },
    };
    if up.is_empty() {
        return Err(TemplateFault::Empty);
    }
    if up.contains('{') {
        return Err(TemplateFault::Open);
    }
    let up = if up.starts_with('/') {
        if !is_pointer(up) {
            return Err(TemplateFault::Pointer(up.to_owned()));
        }
        Reference::Pointer(up.to_owned())
    } else if is_name(up) {
        Reference::Name(up.to_owned())
    } else {
        return Err(TemplateFault::Reference(up.to_owned()));
    };
    Ok(Part::Look { up, format })
}

/// Whether a text is a JSON pointer into something (RFC 6901).
pub(crate) fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

/// As a tag's name is, which covers levels, keys and `asset.equipment`.
fn is_name(text: &str) -> bool {
    text.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-' | '.'))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_lowercase() || character == '_')
}

impl Format {
    fn new(text: &str) -> Option<Self> {
        FORMATS.iter().find(|(name, _)| *name == text).map(|(_, format)| *format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str, format: Option<Format>) -> Part {
        Part::Look { up: Reference::Name(name.into()), format }
    }

    fn pointer(pointer: &str, format: Option<Format>) -> Part {
        Part::Look { up: Reference::Pointer(pointer.into()), format }
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    #[test]
    fn braces_look_up_and_the_rest_is_constant() {
        for (template, parts) in [
            ("", vec![]),
            ("L3", vec![text("L3")]),
            ("{order}", vec![name("order", None)]),
            ("{asset.equipment}: {text}", vec![name("asset.equipment", None), text(": "), name("text", None)]),
            ("{{x}} {a}", vec![text("{x} "), name("a", None)]),
            ("{/qty/good}", vec![pointer("/qty/good", None)]),
            ("{/a:b/c d}", vec![pointer("/a:b/c d", None)]),
            ("{timestamp:date}", vec![name("timestamp", Some(Format::Date))]),
            ("{/ts:unix_ms}", vec![pointer("/ts", Some(Format::UnixMs))]),
            ("{Öldruck}", vec![name("Öldruck", None)]),
        ] {
            assert_eq!(Template::new(template), Ok(Template { parts }), "{template}");
        }
    }

    #[test]
    fn a_fault_says_where_it_is_and_what_is_allowed() {
        for (template, at, fault) in [
            ("ab{cd", 2, TemplateFault::Open),
            ("ab{c{d}", 2, TemplateFault::Open),
            ("ab}", 2, TemplateFault::Close),
            ("é{}", 2, TemplateFault::Empty),
            ("{:date}", 0, TemplateFault::Empty),
            ("{a b}", 0, TemplateFault::Reference("a b".into())),
            ("x{ts:dat}", 1, TemplateFault::Format("dat".into())),
            ("{/ts:dat}", 0, TemplateFault::Format("dat".into())),
            ("{/a~b}", 0, TemplateFault::Pointer("/a~b".into())),
        ] {
            assert_eq!(Template::new(template), Err(TemplateError { at, fault }), "{template}");
        }
    }
}
