//! Campaigns: random schedules of what goes wrong around an agent, and the ledger of both destinations at the end of each.

mod site;
mod trouble;

use std::sync::Mutex;
use std::time::Duration;
use std::{iter, thread};

use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::ledger::Ledger;
use plantlink_tests::random::{self, Random};
use site::{Site, WINDOW};
use tokio::sync::watch;
use tokio::time::sleep;
use trouble::Trouble;

use crate::plant::{FINISHED, LATER, assert_accounted, entry, finished, number, sum};

/// How many troubles a campaign has, at least and at most.
const TROUBLES: std::ops::Range<u64> = 8..16;
/// How many campaigns run at a time: they wait more than they work.
const AT_A_TIME: usize = 4;

/// How many campaigns there are: `PLANTLINK_CAMPAIGN`, or 20. Their seeds follow one another.
fn campaigns() -> u64 {
    std::env::var("PLANTLINK_CAMPAIGN").map_or(20, |count| count.parse().expect("PLANTLINK_CAMPAIGN is a number"))
}

#[test]
fn after_any_campaign_each_order_is_at_both_destinations_once_and_in_order() {
    let first = random::seed();
    let seeds = Mutex::new(first..first + campaigns());
    let next = || seeds.lock().expect("nobody fails while choosing a seed").next();
    let fails = |seed: &u64| {
        let seed = *seed;
        thread::spawn(move || run(seed)).join().is_err()
    };
    let failed: Vec<u64> = thread::scope(|scope| {
        let workers = [(); AT_A_TIME].map(|()| scope.spawn(|| iter::from_fn(next).filter(fails).collect::<Vec<_>>()));
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker runs no campaign itself")).collect()
    });
    assert!(failed.is_empty(), "campaigns with findings: PLANTLINK_CAMPAIGN=1 and PLANTLINK_SEED of {failed:?}");
}

fn run(seed: u64) {
    println!("campaign PLANTLINK_SEED={seed} PLANTLINK_CAMPAIGN=1");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(campaign(seed));
}

async fn campaign(seed: u64) {
    let mut random = Random::new(seed);
    let troubles: Vec<Trouble> = (0..random.within(TROUBLES)).map(|_| Trouble::draw(&mut random)).collect();
    println!("{seed}: {troubles:?}");
    let mut site = Site::start(&mut random).await;
    site.plant.subscribed("mes").await;
    let (stop, stopped) = watch::channel(false);
    let orders = tokio::spawn(send_orders(site.plant.publisher(), random.fork(), stopped));
    for trouble in &troubles {
        sleep(Duration::from_millis(random.within(20..600))).await;
        trouble.strike(&mut site).await;
    }
    stop.send_replace(true);
    let sent = orders.await.expect("the MES");
    // Whoever starts anew has no long pause before the next attempt.
    Trouble::Kill.strike(&mut site).await;
    site.plant.drained(&site.agent, sent as u64, LATER).await;
    let status = site.agent.status().expect("the agent answers");
    assert_accounted(&status);
    assert_eq!(sum(&status, "dropped"), 0);

    let produced: Vec<String> = (0..sent).map(number).collect();
    let ledger = site.plant.ledger();
    println!("{seed}: {sent} orders, {} sent again", ledger.resent());
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(ledger.misplaced(), Vec::<String>::new());
    let to_centre = entry(&status, "flows", "all");
    assert_eq!((&to_centre["delivered"], &to_centre["dead"]), (&ledger.distinct().into(), &0.into()));
    let refusals = troubles.iter().filter(|trouble| trouble.is_refusal_of_centre()).count();
    let breaks = site.plant.centre_link.connections() + refusals;
    let resent_max = breaks as u64 * WINDOW;
    assert!(ledger.resent() as u64 <= resent_max, "{} sent again after {breaks} breaks", ledger.resent());

    // The office was offered each order, and has taken each but those that it refuses.
    let posted = site.office.posted();
    let offered: Vec<Message> = posted
        .iter()
        .flat_map(|posted| posted.events())
        .map(|event| Message::new("office", event.to_string()))
        .collect();
    let offered = Ledger::read(&offered);
    offered.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(offered.misplaced(), Vec::<String>::new());
    let refused = site.refused.iter().filter(|order| **order < sent).count();
    assert_eq!(site.office.taken().len(), sent - refused);
    let to_office = entry(&status, "flows", "posted");
    assert_eq!((&to_office["delivered"], &to_office["dead"]), (&(sent - refused).into(), &refused.into()));
}

/// The MES sends orders until stop; gives how many the broker acknowledged.
async fn send_orders(mut mes: Publisher, mut random: Random, mut stop: watch::Receiver<bool>) -> usize {
    let mut sent = 0;
    loop {
        let next = sent + usize::try_from(random.within(1..40)).unwrap_or(1);
        let orders: Vec<Message> = (sent..next).map(finished).collect();
        mes.publish_all(&orders).await;
        sent = next;
        let pause = Duration::from_millis(random.within(0..30));
        if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return sent;
        }
    }
}
