//! An event for people, in two lines that a terminal of 80 columns has room for: when, what, whose and which flows take it, then
//! its data.

use serde_json::Value;

/// The envelope, and what is said of its flows.
pub(super) fn event_text(envelope: &Value, flows: &str) -> String {
    let text = |key: &str| envelope.get(key).and_then(Value::as_str).unwrap_or_default();
    let members = |pointer: &str| -> String {
        let members = envelope.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        members.map(|(key, value)| format!(" {key}={}", shown(value))).collect()
    };
    let (data, quality) = (members("/data"), members("/metadata/quality"));
    let quality = if quality.is_empty() { quality } else { format!("  quality:{quality}") };
    format!("{} {} {}  [{flows}]\n   {data}{quality}\n", text("timestamp"), text("event_type"), text("source"))
}

/// A word without its quotes; what has blanks or parts keeps the marks that hold it together.
fn shown(value: &Value) -> String {
    let word = value.as_str().filter(|text| !text.is_empty() && !text.contains(char::is_whitespace));
    word.map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_told_with_its_data_as_words_and_the_quality_of_what_is_missing() {
        let envelope = json!({
            "timestamp": "2026-11-20T08:15:30Z",
            "event_type": "measurement.sampled",
            "source": "mill-07/press-12",
            "data": {"speed": null, "oil": 45.5, "mold": "A 7", "state": "run", "doors": ["rear"]},
            "metadata": {"quality": {"speed": "bad: device does not answer"}},
        });
        let expected = "2026-11-20T08:15:30Z measurement.sampled mill-07/press-12  [all]\n    speed=null oil=45.5 mold=\"A 7\" \
                        state=run doors=[\"rear\"]  quality: speed=\"bad: device does not answer\"\n";
        assert_eq!(event_text(&envelope, "all"), expected);
    }
}
