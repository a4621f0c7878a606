//! Edges: `cycle.completed`, and events of the plant's own, when a bit rises or falls.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::known_tags::KnownTags;
use crate::lookup::Lookup;
use crate::name::{EventType, TagName};
use crate::path::Path;
use crate::report::code;
use crate::spelling::nearest;
use crate::template::DataTemplate;

/// The type that the catalog has for edges.
pub(super) const CYCLE_COMPLETED: &str = "cycle.completed";

/// Begins the types of events that the agent tells of itself and of its devices.
const AGENTS_OWN: [&str; 4] = ["agent", "audit", "buffer", "device"];

/// An event each time that a bit changes in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// `cycle.completed`, or a type of the plant's own.
    pub event_type: EventType,
    /// The bit.
    pub tag: TagName,
    /// In which direction it changes.
    pub direction: Direction,
    /// The event's `data`.
    pub data: Vec<(String, DataTemplate)>,
}

/// In which direction a bit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From false to true.
    Rising,
    /// From true to false.
    Falling,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EdgeTable {
    /// The tag, a bool, that becomes true with each event. This or `falling`.
    rising: Option<String>,
    /// The tag, a bool, that becomes false with each event. This or `rising`.
    falling: Option<String>,
    /// The event's data. A string is a template: `{tag}` is the value of a tag in the scan that shows the edge.
    #[serde(default)]
    data: Map<String, Json>,
}

impl Direction {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
        }
    }
}

impl EdgeTable {
    /// `event_type` is `cycle.completed` or what stands there in place of a type of the catalog.
    pub(super) fn check(
        &self,
        event_type: &str,
        known: &KnownTags<'_>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Edge> {
        let event_type = own_type(event_type, &at.key("type"), check);
        let edge = self
            .edge(at, check)
            .and_then(|(direction, text)| Some((direction, known.flag(text, &at.key(direction.name()), check)?)));
        let data = Lookup::Tags(known.names).data(&self.data, &at.key("data"), check);
        let (direction, tag) = edge?;
        Some(Edge { event_type: event_type?, tag, direction, data })
    }

    /// Which edge, and of which tag: one of the two keys.
    fn edge(&self, at: &Path, check: &mut Check<'_>) -> Option<(Direction, &str)> {
        match (self.rising.as_deref(), self.falling.as_deref()) {
            (Some(rising), None) => Some((Direction::Rising, rising)),
            (None, Some(falling)) => Some((Direction::Falling, falling)),
            (Some(_), Some(_)) => {
                let message = "`rising` is there too, and an event is of one edge";
                check.report.error(code::CONFLICT, &at.key("falling"), message);
                None
            }
            (None, None) => {
                if !check.has_any(at, &["rising", "falling"]) {
                    check.missing("rising", "or `falling`, with the name of a tag of type bool", at);
                }
                None
            }
        }
    }

    /// The key that names the tag, and its name.
    pub(super) fn tag(&self) -> Option<(&'static str, &str)> {
        let rising = self.rising.as_deref().map(|tag| (Direction::Rising.name(), tag));
        rising.or(self.falling.as_deref().map(|tag| (Direction::Falling.name(), tag)))
    }
}

/// A type that events of edges may have.
fn own_type(text: &str, at: &Path, check: &mut Check<'_>) -> Option<EventType> {
    let event_type = check.event_type(text, at)?;
    if let Some((group, _)) = text.split_once('.').filter(|(group, _)| AGENTS_OWN.contains(group)) {
        let message = format!("`{group}.` begins what the agent tells of itself and of its devices");
        check.report.error(code::CONFLICT, at, message);
        return None;
    }
    if let Some(nearest) = nearest(text, [CYCLE_COMPLETED]).filter(|nearest| *nearest != text) {
        let message = format!("`{text}` is taken for a type of your own");
        check.report.warning(code::UNKNOWN_NAME, at, message).did_you_mean(Some(nearest));
    }
    Some(event_type)
}
