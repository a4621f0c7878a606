//! What a topic of an MQTT source maps its messages to.

use std::sync::Arc;

use plantlink_config::{DataTemplate, Part, Reference, Template, TopicMapping};

/// A mapping, and what is known of it before a message comes.
pub(super) struct Topic {
    pub(super) mapping: TopicMapping,
    pub(super) event_type: Arc<str>,
    /// Whether something of it looks into the payload, which then has to be JSON.
    pub(super) points: bool,
}

impl Topic {
    pub(super) fn new(mapping: &TopicMapping) -> Self {
        Topic { points: points(mapping), event_type: (&*mapping.event_type).into(), mapping: mapping.clone() }
    }

    /// Whether an object is passed on as it came, and nobody needs to know what is in it.
    pub(super) fn passes_on(&self) -> bool {
        !self.points && self.mapping.data.is_none()
    }
}

/// Whether a mapping looks into the payload.
fn points(mapping: &TopicMapping) -> bool {
    fn template(template: &Template) -> bool {
        template.parts.iter().any(|part| matches!(part, Part::Look { up: Reference::Pointer(_), .. }))
    }
    fn data(field: &DataTemplate) -> bool {
        match field {
            DataTemplate::Constant(_) => false,
            DataTemplate::Template(text) => template(text),
            DataTemplate::Table(fields) => fields.iter().any(|(_, field)| data(field)),
            DataTemplate::List(items) => items.iter().any(data),
        }
    }
    [&mapping.id, &mapping.time, &mapping.correlation].into_iter().flatten().any(template)
        || mapping.data.as_ref().is_some_and(|fields| fields.iter().any(|(_, field)| data(field)))
}
