//! The tables of events, told apart by `type`: those of the catalog, and those of the plant's own types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value as Json;

use super::alarmed::AlarmedTable;
use super::consumed::ConsumedTable;
use super::counted::CountedTable;
use super::edge::EdgeTable;
use super::sampled::SampledTable;
use super::state::StateTable;
use crate::shape;

/// What is made of the tags.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum EventTable {
    /// A type that the catalog has.
    Catalog(Box<CatalogTable>),
    /// A type of the plant's own, from an edge.
    Own {
        #[serde(rename = "type")]
        event_type: String,
        #[serde(flatten)]
        edge: EdgeTable,
    },
}

/// What is made of the tags, in the types of the catalog.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub(crate) enum CatalogTable {
    /// Pieces counted by the machine's own counters.
    #[serde(rename = "production.counted")]
    Counted(CountedTable),
    /// What a meter in the machine counts.
    #[serde(rename = "consumption.counted")]
    Consumed(ConsumedTable),
    /// One event each time that a bit rises or falls.
    #[serde(rename = "cycle.completed")]
    Cycle(EdgeTable),
    /// The states of the machine, each with its duration when it is over.
    #[serde(rename = "machine.state_changed")]
    StateChanged(StateTable),
    /// Alarms: `alarm.raised` when they come, `alarm.cleared` when they are gone.
    #[serde(rename = "alarm")]
    Alarmed(AlarmedTable),
    /// Values as they are read.
    #[serde(rename = "measurement.sampled")]
    Sampled(SampledTable),
}

impl JsonSchema for EventTable {
    fn schema_name() -> Cow<'static, str> {
        "EventTable".into()
    }

    /// Exactly one of the catalog's tables, or that of the plant's own types, whose `type` is none of theirs.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = CatalogTable::json_schema(generator);
        let Some(Json::Array(tables)) = schema.get_mut("oneOf") else { return schema };
        let words: Vec<String> = tables.iter().filter_map(shape::tag).collect();
        let event_type = json_schema!({
            "description": "A type of your own: two words of a to z, 0 to 9 and `_`, joined by a dot.",
            "type": "string",
            "pattern": r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$",
            "not": { "enum": words },
        });
        let mut own = EdgeTable::json_schema(generator).to_value();
        own["description"] = "An event of your own each time that a bit rises or falls.".into();
        own["properties"]["type"] = event_type.to_value();
        own["required"] = Json::from(["type"]);
        tables.push(own);
        schema
    }

    fn inline_schema() -> bool {
        true
    }
}
