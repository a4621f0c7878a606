//! One run: the hosts, the messages, the faults, and the wait until everything has arrived.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use plantlink_config::MqttVersion;
use turmoil::{Builder, Sim};

use super::centre::{self, Centre};
use super::faults::{Episode, Fault, Side, episodes};
use super::gateway::Gateway;
use super::host::{Manners, listen};
use super::plant::{self, Plant};
use super::service::Service;
use super::verdict::{Summary, judge};

const TICK: Duration = Duration::from_millis(25);
/// Faults begin and messages are made for so long.
const SPAN: Duration = Duration::from_secs(30);
/// So long after the last fault everything has arrived: a few pauses between attempts, and a few limits of the link.
const DRAIN: Duration = Duration::from_secs(300);
const LATENCY: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);
/// What a socket holds for a peer that does not read.
const SEGMENTS: usize = 8;
const GATEWAY: &str = "gateway";

/// The three hosts and what they share with the run.
struct World<'a> {
    sim: Sim<'a>,
    plant: Rc<RefCell<Plant>>,
    centre: Rc<RefCell<Centre>>,
    gateway: Rc<Gateway>,
    /// The most that a message takes to or from each side.
    latency_max: [Duration; 2],
}

/// Runs a seed to its end and judges it.
pub(super) fn run(seed: u64) -> Summary {
    // The pauses between attempts are drawn from this one, by whatever runs on this thread.
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let version = if random.bool() { MqttVersion::V5 } else { MqttVersion::V311 };
    let mut world = World::new(seed, version, &mut random);
    let episodes = episodes(&mut random, SPAN);
    let calm = episodes.iter().map(|episode| episode.until).fold(SPAN, Duration::max);
    // From less than one in flight to more than the windows hold.
    let messages = [30, 60, 200][random.usize(0..3)];
    while !(world.sim.elapsed() >= calm && world.has_all()) {
        let now = world.sim.elapsed();
        assert!(now < calm + DRAIN, "does not drain after {episodes:#?}");
        for Episode { fault, from, until } in &episodes {
            let is_now = |moment: &Duration| (now..now + TICK).contains(moment);
            if is_now(from) {
                world.begin(*fault);
            }
            if is_now(until) {
                world.end(*fault);
            }
        }
        if random.u128(0..SPAN.as_millis() / TICK.as_millis()) < messages && now < SPAN {
            world.plant.borrow_mut().produce();
        }
        world.jitter(&mut random);
        world.sim.step().unwrap_or_else(|error| panic!("{error} after {episodes:#?}"));
        // A commit takes a while on a memory card.
        if random.u8(0..4) == 0 {
            world.gateway.commit();
        }
    }
    let elapsed = world.sim.elapsed();
    world.sim.crash(GATEWAY);
    world.gateway.end(false);
    let summary = judge(&world.plant.borrow(), &world.centre.borrow(), &world.gateway.accounts());
    Summary { elapsed, ..summary }
}

impl World<'_> {
    fn new(seed: u64, version: MqttVersion, random: &mut Rng) -> Self {
        let mut sim = Builder::new().rng_seed(seed).tick_duration(TICK).tcp_capacity(SEGMENTS).build();
        let service = Service::new(random);
        let plant = Rc::new(RefCell::new(Plant::new(version, random.u16(1..=20))));
        let centre = Rc::new(RefCell::new(Centre::new(version, service, random)));
        let gateway = Gateway::new(version, &service);
        let host = plant.clone();
        sim.host(Side::Plant.host(), move || listen(host.clone(), plant::serve));
        let host = centre.clone();
        sim.host(Side::Centre.host(), move || listen(host.clone(), centre::serve));
        let host = gateway.clone();
        sim.host(GATEWAY, move || host.clone().run());
        World { sim, plant, centre, gateway, latency_max: [LATENCY; 2] }
    }

    fn has_all(&self) -> bool {
        self.plant.borrow().is_done() && self.gateway.is_drained()
    }

    /// Whatever is sent to or from a side within a tick takes the same time. What reads the disk is a real thread, so that
    /// chance decides whether its host writes to the one side first or to the other: that must not change what is drawn.
    fn jitter(&self, random: &mut Rng) {
        for side in [Side::Plant, Side::Centre] {
            let latency = self.latency_max[side as usize].mul_f64(random.f64());
            self.sim.set_link_latency(GATEWAY, side.host(), latency);
        }
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Partition(side) => self.sim.partition(GATEWAY, side.host()),
            Fault::Deaf(side) => self.sim.partition_oneway(GATEWAY, side.host()),
            Fault::Mute(side) => self.sim.partition_oneway(side.host(), GATEWAY),
            Fault::Hold(side) => self.sim.hold(GATEWAY, side.host()),
            Fault::Slow(side) => self.latency_max[side as usize] = SLOW,
            Fault::Frozen(side) => self.manners(side, |manners| manners.frozen = true),
            Fault::Kick(Side::Plant) => self.plant.borrow_mut().kick(),
            Fault::Kick(Side::Centre) => self.centre.borrow_mut().kick(),
            Fault::Down(side) => self.sim.crash(side.host()),
            Fault::Forbidden => self.centre.borrow_mut().forbids_orders = true,
            Fault::Forgetful => {
                self.sim.crash(Side::Plant.host());
                self.plant.borrow_mut().forget_session();
            }
            Fault::Killed => {
                self.sim.crash(GATEWAY);
                self.gateway.end(true);
            }
            Fault::Stopped => self.gateway.ask_to_stop(),
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Partition(side) | Fault::Deaf(side) | Fault::Mute(side) => self.sim.repair(GATEWAY, side.host()),
            Fault::Hold(side) => self.sim.release(GATEWAY, side.host()),
            Fault::Slow(side) => self.latency_max[side as usize] = LATENCY,
            Fault::Frozen(side) => self.manners(side, |manners| manners.frozen = false),
            Fault::Forbidden => self.centre.borrow_mut().forbids_orders = false,
            Fault::Kick(_) => {}
            Fault::Down(side) => self.sim.bounce(side.host()),
            Fault::Forgetful => self.sim.bounce(Side::Plant.host()),
            Fault::Killed | Fault::Stopped => {
                let has_ended = !self.sim.is_host_running(GATEWAY);
                self.sim.crash(GATEWAY);
                self.gateway.end(!has_ended);
                self.sim.bounce(GATEWAY);
            }
        }
    }

    fn manners(&self, side: Side, change: impl FnOnce(&mut Manners)) {
        match side {
            Side::Plant => change(&mut self.plant.borrow_mut().manners),
            Side::Centre => change(&mut self.centre.borrow_mut().manners),
        }
    }
}
