//! What a full buffer says and what it merges: the `buffer.overflowed` event, and the sample that a minute is thinned to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use plantlink_buffer::{
    Append, Author, Event, EventTime, FlowId, FlowState, Loss, LossCause, Period, Stored, Work, Yielding, Yields,
};
use plantlink_config::{Flow, Priority, WhenFull};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{SOURCE, own_event};
use crate::clock::Clock;
use crate::provenance::Provenance;
use crate::store::Store;
use crate::template::rfc3339;

const OVERFLOWED: &str = "buffer.overflowed";
const SAMPLED: &str = "measurement.sampled";
/// The policy by which old dead letters go, whatever the flow does otherwise.
const DEAD_LETTERS: &str = "dead-letters";

/// A loss that nobody was told of is asked for no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Knows the flows by name.
pub(crate) struct Editor {
    flows: BTreeMap<FlowId, Described>,
    provenance: Provenance,
    clock: Clock,
}

struct Described {
    name: Arc<str>,
    policy: WhenFull,
}

impl Editor {
    /// The flows of the file; `configured` lacks those that are retired, which refuse.
    pub(crate) fn new(
        states: &[FlowState],
        configured: &[(FlowId, &Flow)],
        provenance: Provenance,
        clock: Clock,
    ) -> Self {
        let policy = |id| configured.iter().find(|(flow, _)| *flow == id).map(|(_, flow)| flow.when_full);
        let described =
            |state: &FlowState| Described { name: state.name.clone(), policy: policy(state.id).unwrap_or_default() };
        Self { flows: states.iter().map(|state| (state.id, described(state))).collect(), provenance, clock }
    }
}

/// The flows that give up something.
pub(crate) fn yielding(configured: &[(FlowId, &Flow)]) -> Vec<Yielding> {
    let yields = |flow: &Flow| match flow.when_full {
        WhenFull::Refuse => None,
        WhenFull::DropOldest => Some(Yields::Oldest),
        WhenFull::Thin => Some(Yields::Detail),
    };
    let rank = |flow: &Flow| match flow.priority {
        Priority::Bulk => 0,
        Priority::Normal => 1,
        Priority::Critical => 2,
    };
    configured
        .iter()
        .filter_map(|(id, flow)| Some(Yielding { flow: *id, first: yields(flow)?, rank: rank(flow) }))
        .collect()
}

/// Losses are told with the next commit; without one somebody has to ask for it.
pub(crate) async fn ask(store: Store, stop: CancellationToken) {
    let mut levels = store.levels();
    let asking = async {
        // A retired flow is not told before it is configured again.
        let is_due = |level: &FlowState| level.untold > 0 && !level.retired;
        while levels.wait_for(|levels| levels.iter().any(is_due)).await.is_ok() {
            tokio::time::sleep(ASK_EVERY).await;
            if store.commit(Work::Append(Append::default())).await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(asking).await;
}

impl Author for Editor {
    fn overflowed(&self, loss: &Loss) -> Event {
        let flow = self.flows.get(&loss.flow);
        let mut data = json!({
            "flow": flow.map(|flow| &*flow.name),
            "first_sequence": loss.first,
            "last_sequence": loss.last,
            "count": loss.count,
            "cause": cause(loss.cause),
            "policy": policy(loss.cause, flow.map(|flow| flow.policy).unwrap_or_default()),
        });
        if let (Some(period), Some(data)) = (loss.recorded, data.as_object_mut()) {
            data.insert("from_at".to_owned(), rfc3339(period.from_us).into());
            data.insert("to_at".to_owned(), rfc3339(period.to_us).into());
        }
        let mut event = own_event(OVERFLOWED, &data, self.clock.now());
        self.provenance.mark(&mut event.metadata);
        event
    }

    fn loss_in(&self, flow: FlowId, event: &Event) -> Option<Loss> {
        if !is_told_in(event) {
            return None;
        }
        let data: Value = serde_json::from_slice(&event.data).ok()?;
        let number = |key: &str| data.get(key)?.as_u64();
        let time = |key: &str| Some(data.get(key)?.as_str()?.parse::<Timestamp>().ok()?.as_microsecond());
        let period = time("from_at").zip(time("to_at"));
        let text = |key: &str| data.get(key)?.as_str();
        Some(Loss {
            flow,
            cause: cause_of(text("cause")?, text("policy")?)?,
            first: number("first_sequence")?,
            last: number("last_sequence")?,
            count: number("count")?,
            recorded: period.map(|(from_us, to_us)| Period { from_us, to_us }),
        })
    }

    fn merges(&self, event: &Event) -> bool {
        &*event.event_type == SAMPLED
    }

    /// The last value of each tag with its quality, at the time of the last sample.
    fn merged(&self, events: &[Stored]) -> Event {
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
            None => (SOURCE.into(), self.clock.now(), EventTime::Own),
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
}

/// Whether it is an event of ours that names a loss.
pub(crate) fn is_told_in(event: &Event) -> bool {
    &*event.event_type == OVERFLOWED && &*event.source == SOURCE
}

/// The members of an object; none of anything else.
fn members(json: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(json).unwrap_or_default()
}

/// As an event names it.
pub(crate) fn cause(cause: LossCause) -> &'static str {
    match cause {
        LossCause::Full | LossCause::DeadLetters => "full",
        LossCause::Damaged => "damaged",
        LossCause::PowerCut => "power_cut",
        LossCause::DiskError => "disk_error",
    }
}

/// The cause that an event of ours names.
fn cause_of(cause: &str, policy: &str) -> Option<LossCause> {
    match (cause, policy) {
        ("full", DEAD_LETTERS) => Some(LossCause::DeadLetters),
        ("full", _) => Some(LossCause::Full),
        ("damaged", _) => Some(LossCause::Damaged),
        ("power_cut", _) => Some(LossCause::PowerCut),
        ("disk_error", _) => Some(LossCause::DiskError),
        _ => None,
    }
}

/// What decided on the events that went.
fn policy(cause: LossCause, when_full: WhenFull) -> &'static str {
    match (cause, when_full) {
        (LossCause::DeadLetters, _) => DEAD_LETTERS,
        (LossCause::Full | LossCause::Damaged | LossCause::PowerCut | LossCause::DiskError, when_full) => {
            match when_full {
                WhenFull::Refuse => "refuse",
                WhenFull::DropOldest => "drop-oldest",
                WhenFull::Thin => "thin",
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor() -> Editor {
        Editor { flows: BTreeMap::new(), provenance: Provenance::Plant, clock: Clock::default() }
    }

    fn sample(data: &str, metadata: &str) -> Stored {
        let stamp = Clock::default().now();
        let event = Event {
            id: [1; 16],
            event_type: SAMPLED.into(),
            source: "press-12".into(),
            at: EventTime::Own,
            stamp,
            data: data.as_bytes().to_vec(),
            metadata: metadata.as_bytes().to_vec(),
        };
        Stored { sequence: 1, boot: 1, event }
    }

    fn merged(events: &[(&str, &str)]) -> (Value, Value) {
        let events: Vec<Stored> = events.iter().map(|(data, metadata)| sample(data, metadata)).collect();
        let merged = editor().merged(&events);
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

    #[test]
    fn what_an_event_tells_of_a_loss_can_be_told_again() {
        let flow = a_flow();
        for cause in
            [LossCause::Full, LossCause::DeadLetters, LossCause::Damaged, LossCause::PowerCut, LossCause::DiskError]
        {
            for recorded in [None, Some(Period { from_us: 1_790_000_000_000_001, to_us: 1_790_000_000_000_002 })] {
                let loss = Loss { flow, cause, first: 3, last: 9, count: 5, recorded };
                assert_eq!(editor().loss_in(flow, &editor().overflowed(&loss)), Some(loss));
            }
        }
        assert_eq!(editor().loss_in(flow, &sample("{}", "").event), None);
    }

    /// The id of the first flow of a new buffer.
    fn a_flow() -> FlowId {
        let directory = tempfile::tempdir().unwrap();
        let options = plantlink_buffer::Options {
            flows: vec![plantlink_buffer::FlowSpec { name: "orders".into(), was: None }],
            boot_id: String::new(),
            bytes_max: plantlink_buffer::SIZE_MIN,
            keep_delivered: Duration::ZERO,
        };
        plantlink_buffer::Buffer::open(&directory.path().join("buffer.db"), &options).unwrap().flows()[0].id
    }
}
