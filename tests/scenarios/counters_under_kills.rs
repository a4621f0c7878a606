//! Counters that run while the agent is killed between and in its scans: what is told adds up to what was made.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::ledger::Ledger;
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::ledger_under_kills::{kills, pause};
use crate::plant::{LATER, Plant, SITE, assert_accounted, depth, sum};

/// Where the counter starts: it rolls over soon.
const FIRST: u16 = 65_400;

#[tokio::test(flavor = "multi_thread")]
async fn deltas_add_up_to_what_the_counters_counted_after_random_kills() {
    let mut random = Random::seeded();
    let plant = Plant::start().await;
    let mut press = ModbusLine::start(&[1]).await;
    press.set(1, Table::Holding, 0, &[FIRST, 1]).await;
    let mut agent = Agent::start(&config(&plant, press.port()));
    wait::until("the counters to be read for the first time", LATER, async || {
        plant.ledger().events("measurement.sampled").next().map(|_| ())
    })
    .await;

    let (stop, stopped) = watch::channel(false);
    let parts = tokio::spawn(make_parts(press, random.fork(), stopped));
    let kills = kills();
    for _ in 0..kills {
        // From before the first scan of a start to a few scans after it.
        sleep(Duration::from_millis(random.within(10..130))).await;
        agent.kill();
        agent.restart();
    }
    stop.send_replace(true);
    // The press stays: what it shows last has still to be read.
    let (_press, made) = parts.await.expect("the press");
    wait::within(LATER, async || (Sums::of(&plant.ledger()).least() >= made).then_some(())).await;
    let status = agent.wait_until("everything to be delivered", LATER, |status| depth(status) == 0).await;
    let delivered = sum(&status, "delivered");
    wait::within(LATER, async || (plant.ledger().distinct() as u64 >= delivered).then_some(())).await;

    let sums = Sums::of(&plant.ledger());
    println!(
        "{kills} kills: {made} parts in {} events, {} of them at a change of order",
        sums.events, sums.order_changes
    );
    assert_eq!(sums, Sums { pieces: made, energy_tenths: made, ..sums });
    assert_accounted(&status);
}

/// What the events at the centre add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    pieces: u64,
    energy_tenths: u64,
    events: usize,
    order_changes: usize,
}

impl Sums {
    fn of(ledger: &Ledger) -> Sums {
        let counted = || ledger.events("production.counted");
        let delta = |tenths: f64| (tenths * 10.0).round() as u64;
        Sums {
            pieces: counted().filter_map(|event| event.data("good").as_u64()).sum(),
            energy_tenths: ledger
                .events("consumption.counted")
                .filter_map(|event| event.data("delta").as_f64())
                .map(delta)
                .sum(),
            events: counted().count(),
            order_changes: counted().filter(|event| event.data("cause") == "order_change").count(),
        }
    }

    fn least(&self) -> u64 {
        self.pieces.min(self.energy_tenths)
    }
}

/// The press makes parts until stop, of one order after the other, with a tenth of a kilowatt-hour each; gives itself and
/// how many it made.
async fn make_parts(mut press: ModbusLine, mut random: Random, mut stop: watch::Receiver<bool>) -> (ModbusLine, u64) {
    let (mut shown, mut order, mut made) = (FIRST, 1, 0);
    while !pause(&mut stop, random.within(2..20)).await {
        let parts = random.within(1..4);
        made += parts;
        shown = shown.wrapping_add(u16::try_from(parts).unwrap_or(1));
        order += u16::from(random.one_in(20));
        press.set(1, Table::Holding, 0, &[shown, order]).await;
    }
    (press, made)
}

/// Pieces are collected over several scans, and over several starts; energy is told scan by scan. The largest step leaves
/// room for a machine on which a start takes a minute.
fn config(plant: &Plant, press: u16) -> String {
    let destination = plant.destination("");
    format!(
        r#"{SITE}
commit_within = "10ms"
{destination}
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{press}"

[[source.modbus.device]]
name = "press"
unit = 1
every = "20ms"
tag = [
    {{ name = "good", at = "holding:0", type = "u16" }},
    {{ name = "energy", at = "holding:0", type = "u16", scale = 0.1, unit_of_measure = "kW.h" }},
    {{ name = "order", at = "holding:1", type = "u16" }},
]
event = [
    {{ type = "production.counted", good = "good", max_step = 30000, accumulate = "300ms", data = {{ order = "{{order}}" }} }},
    {{ type = "consumption.counted", counter = "energy", medium = "electricity", max_step = 3000 }},
    {{ type = "measurement.sampled", sample = ["order"] }},
]

[[flow]]
name = "machines"
events = ["production.*", "consumption.*", "measurement.*", "machine.*", "alarm.*", "device.*"]
to = "central"
"#
    )
}
