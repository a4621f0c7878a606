//! Promise 1, seen by the operating system: the database is synced before the plant's broker is told that it may forget.

use plantlink_tests::agent::Agent;
use plantlink_tests::exchange;
use plantlink_tests::trace::{self, Change, Step};

use crate::plant::{LATER, Plant, finished, number};

const MESSAGES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_synced_before_a_message_is_acknowledged() {
    let plant = Plant::start().await;
    let mut agent = Agent::start_traced(&plant.config("", "", ""), trace::SYSTEM_CALLS);
    plant.subscribed("mes").await;
    let mut mes = plant.publisher();
    for index in 0..MESSAGES {
        // One at a time, so that the first write after a message is that of its own event.
        mes.publish_all(&[finished(index)]).await;
        plant.drained(&agent, index as u64 + 1, LATER).await;
    }
    agent.terminate().await;

    let steps = trace::steps(&agent.trace(), &agent.path("buffer.db"));
    let handovers = exchange::handovers(&steps, plant.mes_link.port());
    assert_eq!(handovers.len(), MESSAGES);
    for (index, handover) in handovers.iter().enumerate() {
        let name = number(index);
        assert!(contains(&handover.payload, name.as_bytes()), "another message came in the place of {name}");
        let acknowledged = handover.acknowledged.unwrap_or_else(|| panic!("{name} was never acknowledged"));
        let between = &steps[handover.arrived..acknowledged];
        // The event may be delivered and settled before the acknowledgement leaves: that writes again, and needs no sync.
        let written = between.iter().position(|step| matches!(log(step), Some(Change::Written { .. })));
        let synced = between.iter().rposition(|step| matches!(log(step), Some(Change::Synced)));
        assert!(written.is_some() && written < synced, "{name}: {between:?} came before its acknowledgement");
    }
}

/// What a step does to the write-ahead log.
fn log(step: &Step) -> Option<&Change> {
    match step {
        Step::File(name, change) if name == "buffer.db-wal" => Some(change),
        Step::File(..) | Step::Received(..) | Step::Sent(..) | Step::DirectorySynced => None,
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
