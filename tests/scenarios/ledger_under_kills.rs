//! The ledger test: what the plant produced and what the centre holds, after the agent was killed again and again.

use std::sync::Arc;
use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Rules;
use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::ledger::Ledger;
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::proxy::{Cut, Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::plant::{FINISHED, LATER, Plant, assert_accounted, finished, number, sum};

/// The window of the destination: the most that a kill or a cut may repeat.
const WINDOW: usize = 500;
/// Where the counter of good parts starts.
const FIRST_TOTAL: u32 = 100_000;

/// How often the agent is killed: `PLANTLINK_KILLS`, or 10.
pub(crate) fn kills() -> usize {
    std::env::var("PLANTLINK_KILLS").map_or(10, |kills| kills.parse().expect("PLANTLINK_KILLS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_is_at_the_centre_once_and_in_order_after_random_kills() {
    let mut random = Random::seeded();
    let plant = Arc::new(Plant::start_with(Rules::default(), Rules::default(), random.fork()).await);
    let mut press = ModbusLine::start(&[1]).await;
    press.set_u32(1, Table::Holding, 0, FIRST_TOTAL).await;
    let mut agent = Agent::start(&config(&plant, press.port()));
    wait::until("the counter to be read for the first time", LATER, async || {
        plant.ledger().events("measurement.sampled").next().map(|_| ())
    })
    .await;

    let (stop, stopped) = watch::channel(false);
    let orders = tokio::spawn(send_orders(plant.publisher(), random.fork(), stopped.clone()));
    let parts = tokio::spawn(make_parts(press, random.fork(), stopped.clone()));
    let weather = tokio::spawn(disturb(Arc::clone(&plant), random.fork(), stopped));
    let kills = kills();
    for _ in 0..kills {
        sleep(Duration::from_millis(random.within(50..2_000))).await;
        agent.kill();
        agent.restart();
    }
    stop.send_replace(true);
    let sent = orders.await.expect("the MES");
    // The press stays: its last total has still to be read.
    let (_press, last_total) = parts.await.expect("the press");
    let cuts = weather.await.expect("the weather");

    plant.drained(&agent, sent as u64, LATER).await;
    wait::within(LATER, async || (counted(&plant.ledger()).1 >= last_total.into()).then_some(())).await;
    // The last part may have come after the orders.
    plant.drained(&agent, sent as u64, LATER).await;
    let status = agent.status().expect("the agent answers");
    let delivered = sum(&status, "delivered");

    let ledger = plant.ledger();
    println!(
        "{kills} kills, {cuts} cuts: {sent} orders, {} events, {} sent again, the furthest from {} places back",
        ledger.distinct(),
        ledger.resent(),
        ledger.furthest_repeat()
    );
    let produced: Vec<String> = (0..sent).map(number).collect();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(ledger.misplaced(), Vec::<String>::new());
    assert_eq!(ledger.distinct() as u64, delivered, "events that were committed are not at the centre");
    assert_eq!(counted(&ledger), (u64::from(last_total - FIRST_TOTAL), last_total.into()), "parts counted, last total");
    assert!(ledger.furthest_repeat() <= WINDOW as u64, "a repeat from {} places back", ledger.furthest_repeat());
    assert!(ledger.resent() <= (kills + cuts) * WINDOW, "{} events were sent again", ledger.resent());
    assert_eq!((sum(&status, "dead"), sum(&status, "dropped")), (0, 0));
    assert_accounted(&status);
}

fn config(plant: &Plant, press: u16) -> String {
    let (site, mes, centre) = (crate::plant::SITE, plant.mes_source(""), plant.destination(""));
    format!(
        r#"{site}
{mes}
{centre}
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{press}"

[[source.modbus.device]]
name = "press"
unit = 1
every = "50ms"

[[source.modbus.device.tag]]
name = "good"
at = "holding:0"
type = "u32"
unit_of_measure = "pcs"

[[source.modbus.device.event]]
type = "production.counted"
good = "good"

[[source.modbus.device.event]]
type = "measurement.sampled"
sample = ["good"]

[[flow]]
name = "orders"
events = ["workorder.*"]
to = "central"

[[flow]]
name = "machines"
events = ["production.*", "consumption.*", "measurement.*", "machine.*", "alarm.*", "device.*"]
to = "central"
"#
    )
}

/// The MES sends orders until stop; gives how many the broker acknowledged.
async fn send_orders(mut mes: Publisher, mut random: Random, mut stop: watch::Receiver<bool>) -> usize {
    let mut sent = 0;
    while !pause(&mut stop, random.within(0..40)).await {
        let next = sent + usize::try_from(random.within(1..20)).unwrap_or(1);
        let orders: Vec<Message> = (sent..next).map(finished).collect();
        mes.publish_all(&orders).await;
        sent = next;
    }
    sent
}

/// The press makes parts until stop; gives itself and its last total.
async fn make_parts(mut press: ModbusLine, mut random: Random, mut stop: watch::Receiver<bool>) -> (ModbusLine, u32) {
    let mut total = FIRST_TOTAL;
    while !pause(&mut stop, random.within(5..80)).await {
        total += u32::try_from(random.within(1..5)).unwrap_or(1);
        press.set_u32(1, Table::Holding, 0, total).await;
    }
    (press, total)
}

/// The link to the centre comes and goes until stop, and then stays; gives how often it was disturbed.
async fn disturb(plant: Arc<Plant>, mut random: Random, mut stop: watch::Receiver<bool>) -> usize {
    let link: &Proxy = &plant.centre_link;
    let mut disturbances = 0;
    while !pause(&mut stop, random.within(300..1_500)).await {
        disturbances += 1;
        match random.within(0..4) {
            0 => link.cut(Cut::Reset),
            1 => link.cut(Cut::Close),
            2 => {
                link.set(Mode::Refuse);
                link.cut(Cut::Reset);
            }
            _ => link.set(Mode::Stall),
        }
        pause(&mut stop, random.within(50..600)).await;
        link.set(Mode::Pass);
    }
    disturbances
}

/// Waits; true when it is time to stop.
pub(crate) async fn pause(stop: &mut watch::Receiver<bool>, millis: u64) -> bool {
    let told = stop.wait_for(|stop| *stop);
    tokio::time::timeout(Duration::from_millis(millis), told).await.is_ok()
}

/// The parts of all `production.counted` together, and the total that the last one names.
fn counted(ledger: &Ledger) -> (u64, u64) {
    let mut parts = 0;
    let mut total = FIRST_TOTAL.into();
    for event in ledger.events("production.counted") {
        parts += event.data("good").as_u64().unwrap_or_default();
        total = event.data("good_total").as_u64().unwrap_or(total).max(total);
    }
    (parts, total)
}
