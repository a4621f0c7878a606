//! What templates can look up at each place, and the templates that were checked against it.

use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::path::Path;
use crate::report::code;
use crate::spelling::nearest;
use crate::template::{DataTemplate, Template};
use crate::topic_filter::TopicFilter;

/// What is known where a template is filled. `plant` and `gateway` are known everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lookup<'a> {
    /// A device's tags.
    Tags(&'a [&'a str]),
    /// The named levels of a topic, and pointers into the message.
    Message(&'a TopicFilter),
    /// An event at its destination. Its `data` may hold any key, its asset only these three.
    Event,
}

const ASSET: [&str; 3] = ["asset.path", "asset.workcenter", "asset.equipment"];
const EVERYWHERE: [&str; 2] = ["plant", "gateway"];

impl Lookup<'_> {
    /// A template all of whose names are known here.
    pub(crate) fn template(self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<Template> {
        let template = check.template(text, at)?;
        let unknown: Vec<&str> = template.names().filter(|name| !self.knows(name)).collect();
        for name in &unknown {
            let found = check.report.error(code::UNKNOWN_NAME, at, self.refusal(name));
            found.did_you_mean(nearest(name, self.names()));
            if let Some(byte) = text.find(&format!("{{{name}")) {
                found.inside(byte);
            }
        }
        let pointless = template.has_pointer() && matches!(self, Self::Tags(_));
        if pointless {
            check.report.error(
                code::BAD_VALUE,
                at,
                "a JSON pointer needs a message to look into, and a device sends none",
            );
        }
        (unknown.is_empty() && !pointless).then_some(template)
    }

    /// A table in which every string is a template.
    pub(crate) fn data(
        self,
        data: &Map<String, Json>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Vec<(String, DataTemplate)> {
        let fields = data.iter().map(|(key, value)| Some((key.clone(), self.value(value, &at.key(key), check)?)));
        fields.flatten().collect()
    }

    fn value(self, value: &Json, at: &Path, check: &mut Check<'_>) -> Option<DataTemplate> {
        match value {
            Json::String(text) => {
                let template = self.template(text, at, check)?;
                Some(match template.constant() {
                    Some(text) => DataTemplate::Constant(Json::from(text)),
                    None => DataTemplate::Template(template),
                })
            }
            Json::Object(table) => {
                let fields = self.data(table, at, check);
                let constant = |(key, value): &(String, DataTemplate)| Some((key.clone(), value.constant()?.clone()));
                let constants: Option<Map<String, Json>> = fields.iter().map(constant).collect();
                Some(constants.map_or(DataTemplate::Table(fields), |table| DataTemplate::Constant(Json::Object(table))))
            }
            Json::Array(items) => {
                let items: Vec<DataTemplate> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.value(item, &at.item(index), check))
                    .collect();
                let constants: Option<Vec<Json>> = items.iter().map(|item| item.constant().cloned()).collect();
                Some(constants.map_or(DataTemplate::List(items), |list| DataTemplate::Constant(Json::Array(list))))
            }
            // Stands where something wrong was reported and left out.
            Json::Null => None,
            Json::Bool(_) | Json::Number(_) => Some(DataTemplate::Constant(value.clone())),
        }
    }

    fn knows(self, name: &str) -> bool {
        match self {
            Self::Event => !name.starts_with("asset.") || ASSET.contains(&name),
            Self::Tags(_) | Self::Message(_) => self.names().contains(&name),
        }
    }

    /// What can be named here, as far as that is a list.
    fn names(&self) -> Vec<&str> {
        let own: Vec<&str> = match self {
            Self::Tags(tags) => tags.to_vec(),
            Self::Message(filter) => filter.names().collect(),
            Self::Event => ASSET.to_vec(),
        };
        [own.as_slice(), &EVERYWHERE].concat()
    }

    fn refusal(self, name: &str) -> String {
        match self {
            Self::Tags(_) => format!("the device has no tag `{name}`"),
            Self::Message(filter) => {
                format!(
                    "the filter names no level `{name}` (allowed: {{{}}}, {{/json/pointer}})",
                    Lookup::Message(filter).names().join("}, {")
                )
            }
            Self::Event => format!("an asset has no `{name}` (allowed: {})", ASSET.join(", ")),
        }
    }
}

impl DataTemplate {
    fn constant(&self) -> Option<&Json> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Template(_) | Self::Table(_) | Self::List(_) => None,
        }
    }
}
