//! The metadata that is stored with an event: the members of an object, without its braces.

use plantlink_config::{Asset, Stage};
use serde_json::{Map, Value};

/// The members that are the same for all events of a device or a source.
pub(crate) fn shared_members(stage: Stage, asset: Option<&Asset>) -> Vec<u8> {
    let mut members = format!(r#""stage":"{stage}""#);
    if let Some(asset) = asset {
        let fields = [("path", &asset.path), ("workcenter", &asset.workcenter), ("equipment", &asset.equipment)];
        let object: Map<String, Value> =
            fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.clone()?)))).collect();
        members.push_str(r#","asset":"#);
        members.push_str(&Value::Object(object).to_string());
    }
    members.into_bytes()
}
