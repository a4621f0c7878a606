//! The event catalogue: what each standard type requires in its data.

use serde_json::{Map, Value};

/// The keys that the data of a type cannot do without. A type that is not the catalogue's requires nothing.
pub(crate) fn required(event_type: &str) -> &'static [&'static str] {
    match event_type {
        "production.counted" => {
            &["good", "good_total", "counter_epoch", "from_at", "to_at", "unit_of_measure", "cause"]
        }
        "consumption.counted" => &["medium", "delta", "total", "counter_epoch", "unit_of_measure", "from_at", "to_at"],
        "machine.state_changed" => &["state", "mode", "vendor_state", "interval_id", "since_at"],
        "downtime.classified" => &["interval_id", "reason", "loss"],
        "alarm.raised" => &["alarm_id", "code", "text", "severity", "repeat_count"],
        "alarm.cleared" => &["alarm_id", "code", "text", "raised_at", "duration_s"],
        "workorder.started" | "workorder.paused" => &["order"],
        "workorder.finished" => &["order", "good"],
        "material.consumed" => &["order", "product", "quantity", "unit_of_measure"],
        "lot.produced" => &["lot", "product", "quantity", "unit_of_measure"],
        "quality.measured" => &["characteristic", "value", "evaluation", "result"],
        _ => &[],
    }
}

/// The first required key that the data lacks.
pub(crate) fn missing(event_type: &str, data: &Map<String, Value>) -> Option<&'static str> {
    required(event_type).iter().copied().find(|key| data.get(*key).is_none_or(Value::is_null))
}
