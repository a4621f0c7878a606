//! The event catalogue: its types, what their data holds, and whether an event's data fits.

mod device;
mod field;
mod gateway;
mod misfit;
mod order;
mod production;
mod schema;

use plantlink_config::nearest;
use serde_json::{Map, Value};

use field::{Field, Kind};
use misfit::Checker;
pub(crate) use misfit::Misfit;
pub(crate) use schema::schema;

/// The version of every type so far. It rises only when a field changes its meaning.
pub(crate) const VERSION: &str = "1.0";

/// An event type whose data is the same in every plant.
#[derive(Debug)]
pub(crate) struct Standard {
    /// Such as `production.counted`.
    pub(crate) name: &'static str,
    /// What it says, for its schema.
    about: &'static str,
    data: Data,
}

/// What the data of a type holds. More fields than these are welcome.
#[derive(Debug)]
enum Data {
    Fields(&'static [Field]),
    /// One key a tag, under the tag's own name.
    Tags,
}

impl Standard {
    /// Whether the catalogue says something of what stands under this name in the data.
    pub(crate) fn speaks_of(&self, name: &str) -> bool {
        match self.data {
            Data::Fields(fields) => fields.iter().any(|field| field.name == name),
            Data::Tags => true,
        }
    }
}

/// All types, in the order of the catalogue.
pub(crate) fn all() -> impl Iterator<Item = &'static Standard> {
    [device::TYPES, production::TYPES, order::TYPES, gateway::TYPES].into_iter().flatten()
}

/// The type of this name. A plant may have types of its own, which are not here.
pub(crate) fn find(event_type: &str) -> Option<&'static Standard> {
    all().find(|standard| standard.name == event_type)
}

/// The type whose name was probably meant.
pub(crate) fn like(event_type: &str) -> Option<&'static str> {
    nearest(event_type, all().map(|standard| standard.name))
}

/// Whether the data is what the catalogue says of the type. Data of a plant's own types fits whatever it is.
pub(crate) fn check(event_type: &str, data: &Map<String, Value>) -> Result<(), Misfit> {
    let Some(standard) = find(event_type) else { return Ok(()) };
    let checker = Checker { event_type: standard.name };
    match standard.data {
        Data::Fields(fields) => checker.fields(fields, data, ""),
        Data::Tags => data.iter().try_for_each(|(tag, value)| checker.value(&Kind::TagValue, value, tag, "")),
    }
}

/// Writes numbers as text where the catalogue has a text: machines and MES count their orders and lots.
pub(crate) fn conform(event_type: &str, data: &mut Map<String, Value>) {
    let Some(Standard { data: Data::Fields(fields), .. }) = find(event_type) else { return };
    for field in fields.iter().filter(|field| matches!(field.kind, Kind::Text | Kind::Identifier)) {
        if let Some(value @ Value::Number(_)) = data.get_mut(field.name) {
            *value = Value::String(value.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
