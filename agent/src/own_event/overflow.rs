//! `buffer.overflowed`: which events a flow has lost, and why.

use std::time::Duration;

use jiff::Timestamp;
use plantlink_buffer::{Append, Event, FlowId, FlowState, Loss, LossCause, Period, Stamp, Work};
use plantlink_config::WhenFull;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{SOURCE, own_event};
use crate::store::Store;
use crate::template::rfc3339;

const OVERFLOWED: &str = "buffer.overflowed";
/// The policy by which old dead letters go, whatever the flow does otherwise.
const DEAD_LETTERS: &str = "dead-letters";

/// A loss that nobody was told of is asked for no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// The event that tells of a loss: of a flow with this name, as far as it has one, and what it does when the buffer is full.
pub(super) fn event(loss: &Loss, flow: Option<&str>, when_full: WhenFull, stamp: Stamp) -> Event {
    let mut data = json!({
        "flow": flow,
        "first_sequence": loss.first,
        "last_sequence": loss.last,
        "count": loss.count,
        "cause": cause(loss.cause),
        "policy": policy(loss.cause, when_full),
    });
    if let (Some(period), Some(data)) = (loss.recorded, data.as_object_mut()) {
        data.insert("from_at".to_owned(), rfc3339(period.from_us).into());
        data.insert("to_at".to_owned(), rfc3339(period.to_us).into());
    }
    own_event(OVERFLOWED, &data, stamp)
}

/// The loss of a flow that an event tells of, if it is one of ours.
pub(super) fn loss_in(flow: FlowId, event: &Event) -> Option<Loss> {
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

/// Whether it is an event of ours that names a loss.
pub(crate) fn is_told_in(event: &Event) -> bool {
    &*event.event_type == OVERFLOWED && &*event.source == SOURCE
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
    use crate::clock::Clock;

    #[test]
    fn what_an_event_tells_of_a_loss_can_be_told_again() {
        let (flow, stamp) = (a_flow(), Clock::default().now());
        for cause in
            [LossCause::Full, LossCause::DeadLetters, LossCause::Damaged, LossCause::PowerCut, LossCause::DiskError]
        {
            for recorded in [None, Some(Period { from_us: 1_790_000_000_000_001, to_us: 1_790_000_000_000_002 })] {
                let loss = Loss { flow, cause, first: 3, last: 9, count: 5, recorded };
                let told = event(&loss, Some("orders"), WhenFull::Refuse, stamp);
                assert_eq!(loss_in(flow, &told), Some(loss.clone()));
                let of_a_device = Event { source: "press-12".into(), ..told };
                assert_eq!(loss_in(flow, &of_a_device), None);
            }
        }
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
