//! What goes wrong in a run, and when. Each fault ends by itself; after the last one everything works.

use std::time::Duration;

use fastrand::Rng;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// Whatever is sent between the gateway and a broker is lost.
    Partition(Side),
    /// The same, of what the gateway sends.
    Deaf(Side),
    /// The same, of what the broker sends.
    Mute(Side),
    /// Whatever is sent arrives after the fault.
    Hold(Side),
    /// Whatever is sent takes up to a second.
    Slow(Side),
    /// A broker reads and answers nothing.
    Frozen(Side),
    /// A broker closes its connection.
    Kick(Side),
    /// A broker's process ends. What it has on its disk is kept.
    Down(Side),
    /// The central broker lets nobody publish orders.
    Forbidden,
    /// The plant's broker comes back without its sessions.
    Forgetful,
    /// The agent is killed.
    Killed,
    /// The agent is asked to stop, and killed if it has not ended before the fault.
    Stopped,
}

/// At which side of the gateway.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Plant,
    Centre,
}

impl Side {
    pub(super) fn host(self) -> &'static str {
        match self {
            Side::Plant => "plant",
            Side::Centre => "centre",
        }
    }
}

/// A fault and the time it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Episode {
    pub(super) fault: Fault,
    pub(super) from: Duration,
    pub(super) until: Duration,
}

/// Up to nine faults within `span`, in the order in which they begin. They may overlap.
pub(super) fn episodes(random: &mut Rng, span: Duration) -> Vec<Episode> {
    let count = random.usize(1..10);
    let mut episodes: Vec<_> = (0..count)
        .map(|_| {
            let from = span.mul_f64(random.f64());
            // Most are short, some outlast every limit that the link has.
            let longest = [500, 5_000, 45_000][random.usize(0..3)];
            Episode { fault: fault(random), from, until: from + Duration::from_millis(random.u64(10..longest)) }
        })
        .collect();
    episodes.sort_by_key(|episode| episode.from);
    episodes
}

fn fault(random: &mut Rng) -> Fault {
    let side = if random.bool() { Side::Plant } else { Side::Centre };
    match random.u8(0..13) {
        0 => Fault::Partition(side),
        1 => Fault::Deaf(side),
        2 => Fault::Mute(side),
        3 => Fault::Hold(side),
        4 => Fault::Slow(side),
        5 => Fault::Frozen(side),
        6 => Fault::Kick(side),
        7 => Fault::Down(side),
        8 => Fault::Forgetful,
        9 => Fault::Stopped,
        10 => Fault::Forbidden,
        11.. => Fault::Killed,
    }
}
