//! The JSON Schemas (draft 2020-12, which knows UUIDs) of events: the envelope in either format, and the data in it.

use plantlink_config::EnvelopeFormat;
use serde_json::{Map, Value, json};

use super::field::{Field, Kind, Need};
use super::{Data, Standard, VERSION};

/// A trace id as W3C Trace Context writes it.
const TRACE_ID: &str = "^[0-9a-f]{32}$";
const TRACEPARENT: &str = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$";

/// The schema of an event in this format: one of the catalogue's types, or what all types have in common.
pub(crate) fn schema(standard: Option<&Standard>, format: EnvelopeFormat) -> Value {
    let mut schema = match format {
        EnvelopeFormat::Plant => plant(),
        EnvelopeFormat::CloudEvents => cloudevents(),
    };
    if let (Some(standard), Some(schema)) = (standard, schema.as_object_mut()) {
        let key = match format {
            EnvelopeFormat::Plant => "event_type",
            EnvelopeFormat::CloudEvents => "type",
        };
        schema.insert("title".into(), standard.name.into());
        schema.insert("description".into(), standard.about.into());
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert(key.into(), json!({ "const": standard.name }));
            properties.insert("data".into(), data(&standard.data));
        }
    }
    schema
}

fn plant() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of plantlink",
        "type": "object",
        "required": ["event_id", "event_type", "timestamp", "version", "source", "data", "metadata"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid", "description": "Never changes: the same id again is the same event." },
            "event_type": event_type(),
            "timestamp": { "type": "string", "format": "date-time", "description": "When it happened." },
            "version": { "const": VERSION, "description": "The version of the type." },
            "source": source(),
            "data": { "type": "object" },
            "metadata": {
                "type": "object",
                "required": ["correlation_id", "trace_id", "gateway", "flow", "sequence", "epoch", "recorded_at", "time_quality", "stage"],
                "properties": {
                    "correlation_id": { "type": "string", "description": "The sender's own, or the event's id." },
                    "causation_id": { "type": "string", "format": "uuid", "description": "The event that caused this one." },
                    "trace_id": { "type": "string", "pattern": TRACE_ID },
                    "gateway": { "type": "string" },
                    "flow": { "type": "string" },
                    "sequence": { "type": "integer", "minimum": 1, "description": "Counts within the epoch and the flow; a gap is named by buffer.overflowed." },
                    "epoch": { "type": "string", "format": "uuid", "description": "The identity of the gateway's buffer." },
                    "recorded_at": { "type": "string", "format": "date-time" },
                    "time_quality": time_quality(),
                    "stage": stage(),
                    "simulated": simulated(),
                    "asset": {
                        "type": "object",
                        "properties": {
                            "path": { "type": "string" },
                            "workcenter": { "type": "string" },
                            "equipment": { "type": "string" },
                        },
                    },
                    "quality": { "type": "object", "additionalProperties": { "type": "string" }, "description": "The quality of each tag in `data` that is not good." },
                    "thinned": { "type": "integer", "minimum": 1, "description": "How many samples this one stands for." },
                },
            },
        },
    })
}

/// CloudEvents 1.0.2, JSON event format; the extensions have the facts of the plant's own metadata.
fn cloudevents() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of plantlink as a CloudEvent",
        "type": "object",
        "required": [
            "specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "data", "sequence", "epoch", "flow", "gateway",
            "stage", "timequality", "recordedtime", "correlationid", "traceparent",
        ],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "format": "uuid", "description": "Never changes: the same id again is the same event." },
            "source": source(),
            "type": event_type(),
            "time": { "type": "string", "format": "date-time", "description": "When it happened." },
            "datacontenttype": { "const": "application/json" },
            "dataschema": { "type": "string", "pattern": "^urn:plantlink:", "description": "The type and its version." },
            "data": { "type": "object" },
            "sequence": { "type": "string", "pattern": "^[0-9]{20}$", "description": "Counts within the epoch and the flow; ordered as text." },
            "epoch": { "type": "string", "format": "uuid", "description": "The identity of the gateway's buffer." },
            "flow": { "type": "string" },
            "gateway": { "type": "string" },
            "stage": stage(),
            "simulated": simulated(),
            "timequality": time_quality(),
            "recordedtime": { "type": "string", "format": "date-time" },
            "correlationid": { "type": "string", "description": "The sender's own, or the event's id." },
            "causationid": { "type": "string", "format": "uuid", "description": "The event that caused this one." },
            "traceparent": { "type": "string", "pattern": TRACEPARENT },
            "assetpath": { "type": "string" },
            "assetworkcenter": { "type": "string" },
            "assetequipment": { "type": "string" },
            "quality": { "type": "string", "description": "JSON: the quality of each tag in `data` that is not good." },
            "thinned": { "type": "integer", "minimum": 1, "description": "How many samples this one stands for." },
        },
    })
}

fn event_type() -> Value {
    json!({ "type": "string", "pattern": r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$" })
}

fn source() -> Value {
    json!({ "type": "string", "pattern": "^[^/]+/.+$", "description": "The plant, and the device or the MQTT source." })
}

fn time_quality() -> Value {
    json!({ "enum": ["synced", "unsynced", "corrected"], "description": "How far the gateway's clock could be trusted." })
}

fn stage() -> Value {
    json!({ "enum": ["production", "commissioning"] })
}

fn simulated() -> Value {
    json!({ "type": "boolean", "description": "True where no plant is behind it." })
}

fn data(data: &Data) -> Value {
    match data {
        Data::Fields(fields) => object(fields),
        Data::Tags => json!({ "type": "object", "additionalProperties": kind(&Kind::TagValue) }),
    }
}

fn object(fields: &[Field]) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|field| field.need == Need::Required).map(|field| field.name).collect();
    let properties: Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn property(field: &Field) -> Value {
    let mut schema = kind(&field.kind);
    if let Some(members) = schema.as_object_mut() {
        if field.need == Need::Optional {
            or_null(members);
        }
        members.insert("description".into(), field.about.into());
    }
    schema
}

/// What is optional may be `null`, too.
fn or_null(schema: &mut Map<String, Value>) {
    for key in ["type", "enum"] {
        match schema.get_mut(key) {
            Some(Value::Array(alternatives)) => {
                alternatives.push(if key == "type" { "null".into() } else { Value::Null })
            }
            Some(single @ Value::String(_)) => *single = json!([single, "null"]),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
    }
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Amount => json!({ "type": "number", "minimum": 0 }),
        Kind::Count => json!({ "type": "integer", "minimum": 0 }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Identifier => json!({ "type": "string", "minLength": 1 }),
        Kind::Moment => json!({ "type": "string", "format": "date-time" }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Scalar => json!({ "type": ["number", "string", "boolean"] }),
        Kind::TagValue => {
            json!({ "type": ["number", "string", "boolean", "null", "array"], "items": { "type": "string" } })
        }
        Kind::List(item) => json!({ "type": "array", "items": self::kind(item) }),
        Kind::Map(value) => json!({ "type": "object", "additionalProperties": self::kind(value) }),
        Kind::Object(fields) => object(fields),
    }
}
