//! Promise 1, seen by the operating system: the database is synced before the plant's broker is told that it may forget.

use crate::plant::{LATER, Plant, finished, number};
use plantlink_tests::agent::Agent;
use plantlink_tests::trace::{self, Step};

/// The first byte of a PUBACK (MQTT 3.1.1 and 5, section 3.4.1).
const PUBACK: u8 = 0x40;
const MESSAGES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_synced_before_a_message_is_acknowledged() {
    let plant = Plant::start().await;
    let mut agent = Agent::start_traced(&plant.config("", "", ""), trace::SYSTEM_CALLS);
    plant.subscribed("mes").await;
    let mut mes = plant.publisher();
    for index in 0..MESSAGES {
        // One at a time, so that each acknowledgement belongs to the message before it.
        mes.publish_all(&[finished(index)]).await;
        plant.drained(&agent, index as u64 + 1, LATER).await;
    }
    agent.terminate().await;

    let steps = trace::steps(&agent.trace(), plant.mes_link.port(), "buffer.db-wal");
    let mut acknowledged_before = 0;
    for index in 0..MESSAGES {
        let name = number(index);
        let arrived = steps
            .iter()
            .position(|step| matches!(step, Step::Received(bytes) if contains(bytes, name.as_bytes())))
            .unwrap_or_else(|| panic!("{name} never arrived"));
        assert!(arrived > acknowledged_before, "{name} arrived before the message before it was acknowledged");
        let acknowledged = arrived
            + steps[arrived..]
                .iter()
                .position(|step| matches!(step, Step::Sent(bytes) if bytes.first() == Some(&PUBACK)))
                .unwrap_or_else(|| panic!("{name} was never acknowledged"));
        let between = &steps[arrived..acknowledged];
        let written = between.iter().rposition(|step| *step == Step::Written);
        let synced = between.iter().rposition(|step| *step == Step::Synced);
        assert!(written.is_some() && written < synced, "{name}: {between:?} came before its acknowledgement");
        acknowledged_before = acknowledged;
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
