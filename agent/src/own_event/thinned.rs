//! `measurement.sampled`, thinned: the one sample that a minute's are merged to when the buffer is full.

use plantlink_buffer::{Event, EventTime, Stamp, Stored};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::SOURCE;

const SAMPLED: &str = "measurement.sampled";

/// Whether an event can be merged with others of its kind.
pub(super) fn merges(event: &Event) -> bool {
    &*event.event_type == SAMPLED
}

/// The last value of each tag with its quality, at the time of the last sample.
pub(super) fn merged(events: &[Stored], now: Stamp) -> Event {
    let mut data = Map::new();
    let mut quality = Map::new();
    let mut metadata = Map::new();
    let mut thinned = 0;
    for Stored { event, .. } in events {
        metadata = members(&[b"{".as_slice(), &event.metadata, b"}"].concat());
        let doubts = metadata.remove("quality");
        // One that was merged before stands for several.
        thinned += metadata.remove("thinned").and_then(|count| count.as_u64()).unwrap_or(1);
        for (tag, value) in members(&event.data) {
            match doubts.as_ref().and_then(|doubts| doubts.get(&tag)) {
                Some(doubt) => quality.insert(tag.clone(), doubt.clone()),
                None => quality.remove(&tag),
            };
            data.insert(tag, value);
        }
    }
    if !quality.is_empty() {
        metadata.insert("quality".to_owned(), quality.into());
    }
    metadata.insert("thinned".to_owned(), thinned.into());
    let (source, stamp, at) = match events.last() {
        Some(Stored { event, .. }) => (event.source.clone(), event.stamp, event.at),
        None => (SOURCE.into(), now, EventTime::Own),
    };
    let metadata = Value::from(metadata).to_string();
    let metadata = metadata.strip_prefix('{').and_then(|members| members.strip_suffix('}')).unwrap_or_default();
    Event {
        id: Uuid::now_v7().into_bytes(),
        event_type: SAMPLED.into(),
        source,
        at,
        stamp,
        data: Value::from(data).to_string().into_bytes(),
        metadata: metadata.as_bytes().to_vec(),
    }
}

/// The members of an object; none of anything else.
fn members(json: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Stamp = Stamp { wall_us: 1_790_000_000_000_000, boottime_us: 7, synced: true };

    fn sample(data: &str, metadata: &str) -> Stored {
        let event = Event {
            id: [1; 16],
            event_type: SAMPLED.into(),
            source: "press-12".into(),
            at: EventTime::Own,
            stamp: Stamp { boottime_us: 3, ..NOW },
            data: data.as_bytes().to_vec(),
            metadata: metadata.as_bytes().to_vec(),
        };
        Stored { sequence: 1, boot: 1, event }
    }

    fn merged(events: &[(&str, &str)]) -> (Value, Value) {
        let events: Vec<Stored> = events.iter().map(|(data, metadata)| sample(data, metadata)).collect();
        let merged = super::merged(&events, NOW);
        assert_eq!(merged.stamp, events.last().unwrap().event.stamp);
        assert_ne!(merged.id, events[0].event.id);
        let metadata = [b"{".as_slice(), &merged.metadata, b"}"].concat();
        (serde_json::from_slice(&merged.data).unwrap(), serde_json::from_slice(&metadata).unwrap())
    }

    #[test]
    fn a_merged_sample_has_the_last_value_of_each_tag_with_its_quality() {
        let (data, metadata) = merged(&[
            (r#"{"speed":1,"heat":null}"#, r#""stage":"production","quality":{"heat":"bad: timeout"}"#),
            (r#"{"speed":null,"level":7}"#, r#""stage":"production","quality":{"speed":"bad: timeout"}"#),
            (r#"{"speed":3}"#, r#""stage":"production""#),
        ]);
        assert_eq!(data, json!({"heat": null, "level": 7, "speed": 3}));
        let quality = json!({"heat": "bad: timeout"});
        assert_eq!(metadata, json!({"quality": quality, "stage": "production", "thinned": 3}));
    }

    #[test]
    fn a_sample_that_was_merged_before_counts_for_all_of_its_own() {
        let (_, metadata) = merged(&[(r#"{"speed":1}"#, r#""thinned":60"#), (r#"{"speed":2}"#, "")]);
        assert_eq!(metadata, json!({"thinned": 61}));
    }
}
