//! Campaigns: random schedules of what goes wrong between the MES and the centre, and the ledger at the end of each.

use crate::plant::{FINISHED, LATER, Plant, assert_accounted, finished, number, sum};
use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Broker, Rules};
use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::proxy::{Cut, Mode, Proxy};
use plantlink_tests::random::{self, Random};
use std::iter;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The window of the destination: the most that one trouble may repeat.
const WINDOW: usize = 500;
/// How many troubles a campaign has, at least and at most.
const TROUBLES: std::ops::Range<u64> = 6..14;
/// How many campaigns run at a time: they wait more than they work.
const AT_A_TIME: usize = 4;
/// The agent's disk, for its buffer alone.
const DISK_BYTES: u64 = 64 << 20;

/// How many campaigns there are: `PLANTLINK_CAMPAIGN`, or 20. Their seeds follow one another.
fn campaigns() -> u64 {
    std::env::var("PLANTLINK_CAMPAIGN").map_or(20, |count| count.parse().expect("PLANTLINK_CAMPAIGN is a number"))
}

/// What the agent may do at the centre, as lines of its access list.
const EVERYTHING: &[&str] = &["topic readwrite #"];
const NOTHING: &[&str] = &["topic read nothing"];

#[derive(Debug, Clone, Copy)]
enum Side {
    Mes,
    Centre,
}

/// One thing that goes wrong; those with a time last so many milliseconds.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The agent is killed.
    Kill,
    /// A link is cut.
    Cut(Side, Cut),
    /// Nobody answers on a link.
    Refuse(Side, u64),
    /// A link is half-open: nothing passes.
    HalfOpen(Side, u64),
    /// What is said is heard, and the answers are late: in the end nobody knows what was taken.
    Unanswered(Side, u64),
    /// Everything passes, and takes its time.
    Slow(Side, u64),
    /// A link is cut again and again, within packets as well.
    Chopped(Side, u64),
    /// A broker is restarted, and keeps what it has.
    Restart(Side),
    /// The centre takes nothing that the agent publishes, and says so.
    Forbid(u64),
    /// Something else fills the agent's disk.
    Full(u64),
}

impl Trouble {
    fn draw(random: &mut Random) -> Trouble {
        let side = if random.one_in(3) { Side::Mes } else { Side::Centre };
        let cut = if random.one_in(2) { Cut::Close } else { Cut::Reset };
        let millis = random.within(50..800);
        match random.within(0..12) {
            0..3 => Trouble::Kill,
            3 => Trouble::Cut(side, cut),
            4 => Trouble::Refuse(side, millis),
            5 => Trouble::HalfOpen(side, millis),
            6 => Trouble::Unanswered(side, millis),
            7 => Trouble::Chopped(side, millis),
            8 => Trouble::Slow(side, millis),
            9 => Trouble::Forbid(millis),
            10 => Trouble::Full(millis),
            _ => Trouble::Restart(side),
        }
    }

    async fn strike(self, plant: &mut Plant, agent: &mut Agent) {
        match self {
            Trouble::Kill => {
                agent.kill();
                agent.restart();
            }
            Trouble::Cut(side, cut) => plant.link(side).cut(cut),
            Trouble::Refuse(side, millis) => {
                plant.link(side).set(Mode::Refuse);
                plant.link(side).cut(Cut::Reset);
                pass_after(plant.link(side), millis).await;
            }
            Trouble::HalfOpen(side, millis) => {
                plant.link(side).set(Mode::Stall);
                pass_after(plant.link(side), millis).await;
            }
            Trouble::Unanswered(side, millis) => {
                plant.link(side).set(Mode::StallAnswers);
                sleep(Duration::from_millis(millis)).await;
                plant.link(side).cut(Cut::Reset);
                plant.link(side).set(Mode::Pass);
            }
            Trouble::Chopped(side, millis) => {
                plant.link(side).set(Mode::Chop { bytes: 100..100_000, millis: 2..200 });
                plant.link(side).cut(Cut::Close);
                pass_after(plant.link(side), millis).await;
                // A connection that is to be cut later than this would outlast the campaign's schedule.
                plant.link(side).cut(Cut::Reset);
            }
            Trouble::Slow(side, millis) => {
                plant.link(side).set(Mode::Slow { millis: 20 });
                pass_after(plant.link(side), millis).await;
            }
            Trouble::Forbid(millis) => {
                plant.centre.set_access(NOTHING);
                plant.centre.reload();
                sleep(Duration::from_millis(millis)).await;
                plant.centre.set_access(EVERYTHING);
                plant.centre.reload();
            }
            Trouble::Full(millis) => {
                let Some(disk) = agent.disk() else { return };
                disk.fill();
                sleep(Duration::from_millis(millis)).await;
                disk.free();
            }
            Trouble::Restart(side) => {
                let broker = plant.broker(side);
                broker.stop().await;
                broker.start_again().await;
            }
        }
    }
}

impl Plant {
    fn link(&self, side: Side) -> &Proxy {
        match side {
            Side::Mes => &self.mes_link,
            Side::Centre => &self.centre_link,
        }
    }

    fn broker(&mut self, side: Side) -> &mut Broker {
        match side {
            Side::Mes => &mut self.mes,
            Side::Centre => &mut self.centre,
        }
    }
}

async fn pass_after(link: &Proxy, millis: u64) {
    sleep(Duration::from_millis(millis)).await;
    link.set(Mode::Pass);
}

#[test]
fn after_any_campaign_each_order_is_at_the_centre_once_and_in_order() {
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
    let centre = Rules { access: EVERYTHING.to_vec(), ..Rules::default() };
    let mut plant = Plant::start_with(Rules::default(), centre, random.fork()).await;
    let mut agent = start_agent(&plant);
    plant.subscribed("mes").await;
    let (stop, stopped) = watch::channel(false);
    let orders = tokio::spawn(send_orders(plant.publisher(), random.fork(), stopped));
    for trouble in &troubles {
        sleep(Duration::from_millis(random.within(20..600))).await;
        trouble.strike(&mut plant, &mut agent).await;
    }
    stop.send_replace(true);
    let sent = orders.await.expect("the MES");
    // Whoever starts anew has no long pause before the next attempt.
    Trouble::Kill.strike(&mut plant, &mut agent).await;
    plant.drained(&agent, sent as u64, LATER).await;

    let status = agent.status().expect("the agent answers");
    let ledger = plant.ledger();
    println!("{seed}: {sent} orders, {} sent again", ledger.resent());
    let produced: Vec<String> = (0..sent).map(number).collect();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(ledger.misplaced(), Vec::<String>::new());
    assert_eq!(ledger.distinct() as u64, sum(&status, "delivered"));
    // What a refused event has behind it may have been taken, and goes out again as after a cut.
    let forbidden = troubles.iter().filter(|trouble| matches!(trouble, Trouble::Forbid(_))).count();
    let breaks = plant.centre_link.connections() + forbidden;
    assert!(ledger.resent() <= breaks * WINDOW, "{} sent again after {breaks} breaks", ledger.resent());
    assert_eq!((sum(&status, "dead"), sum(&status, "dropped")), (0, 0));
    assert_accounted(&status);
}

/// On a disk of its own, which can be full; where there can be none, nothing fills it.
fn start_agent(plant: &Plant) -> Agent {
    let toml = plant.config("", "", "");
    let on_disk = toml.replace("\"buffer.db\"", "\"disk/buffer.db\"");
    Agent::start_on_small_disk(&on_disk, DISK_BYTES).unwrap_or_else(|| Agent::start(&toml))
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
