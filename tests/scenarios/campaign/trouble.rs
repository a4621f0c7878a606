//! What can go wrong in a campaign, and how it does.

use std::time::Duration;

use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use plantlink_tests::webhook::Limit;
use tokio::time::sleep;

use super::site::{Change, Door, EVERYTHING, Link, NOTHING, Side, Site};

/// One thing that goes wrong; those with a time last so many milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    /// The agent is killed.
    Kill,
    /// A link is cut.
    Cut(Link, Cut),
    /// Nobody answers on a link.
    Refuse(Link, u64),
    /// A link is half-open: nothing passes.
    HalfOpen(Link, u64),
    /// What is said is heard, and the answers are late: in the end nobody knows what was taken.
    Unanswered(Link, u64),
    /// Everything passes, and takes its time.
    Slow(Link, u64),
    /// A link is cut again and again, within packets as well.
    Chopped(Link, u64),
    /// A broker is restarted, and keeps what it has.
    Restart(Side),
    /// The centre takes nothing that the agent publishes, and says so.
    Forbid(u64),
    /// The office answers everything with this status.
    Fails(u16, u64),
    /// The office answers everything with 429 and the wish to be left alone for a while (`Retry-After`).
    Limited(u64),
    /// A credential is replaced at the door first, and in the agent's file after this time; the agent may be told.
    Expired { door: Door, millis: u64, is_told: bool },
    /// The agent reads the file that it has.
    ReloadSame,
    /// The agent reads another configuration.
    Reload(Change),
    /// The agent is told to read a file that is none.
    ReloadBroken,
    /// Something else fills the agent's disk.
    Full(u64),
}

impl Trouble {
    pub(super) fn draw(random: &mut Random) -> Trouble {
        let link = match random.within(0..6) {
            0..2 => Link::Mes,
            2..5 => Link::Centre,
            _ => Link::Office,
        };
        let side = if random.one_in(3) { Side::Mes } else { Side::Centre };
        let door = if random.one_in(2) { Door::Office } else { Door::Centre };
        let cut = if random.one_in(2) { Cut::Close } else { Cut::Reset };
        let millis = random.within(50..800);
        match random.within(0..20) {
            0..3 => Trouble::Kill,
            3 => Trouble::Cut(link, cut),
            4 => Trouble::Refuse(link, millis),
            5 => Trouble::HalfOpen(link, millis),
            6 => Trouble::Unanswered(link, millis),
            7 => Trouble::Chopped(link, millis),
            8 => Trouble::Slow(link, millis),
            9 => Trouble::Restart(side),
            10 => Trouble::Forbid(millis),
            11 => Trouble::Fails([500, 502, 503, 504][(millis % 4) as usize], millis),
            12 => Trouble::Limited(millis),
            13 | 14 => Trouble::Expired { door, millis, is_told: random.one_in(2) },
            15 => Trouble::ReloadSame,
            16 | 17 => Trouble::Reload(match random.within(0..4) {
                0 => Change::Source,
                1 => Change::Centre,
                2 => Change::Office,
                _ => Change::Flow,
            }),
            18 => Trouble::ReloadBroken,
            _ => Trouble::Full(millis),
        }
    }

    /// Whether the centre may have to be sent again what is behind a refused event, as after a cut.
    pub(super) fn is_refusal_of_centre(self) -> bool {
        match self {
            Trouble::Forbid(_) => true,
            Trouble::Kill
            | Trouble::Cut(..)
            | Trouble::Refuse(..)
            | Trouble::HalfOpen(..)
            | Trouble::Unanswered(..)
            | Trouble::Slow(..)
            | Trouble::Chopped(..)
            | Trouble::Restart(_)
            | Trouble::Fails(..)
            | Trouble::Limited(_)
            | Trouble::Expired { .. }
            | Trouble::ReloadSame
            | Trouble::Reload(_)
            | Trouble::ReloadBroken
            | Trouble::Full(_) => false,
        }
    }

    pub(super) async fn strike(self, site: &mut Site) {
        match self {
            Trouble::Kill => {
                site.agent.kill();
                site.agent.restart();
            }
            Trouble::Cut(link, cut) => site.link(link).cut(cut),
            Trouble::Refuse(link, millis) => {
                site.link(link).set(Mode::Refuse);
                site.link(link).cut(Cut::Reset);
                last(millis).await;
                site.link(link).set(Mode::Pass);
            }
            Trouble::HalfOpen(link, millis) => {
                site.link(link).set(Mode::Stall);
                last(millis).await;
                site.link(link).set(Mode::Pass);
            }
            Trouble::Unanswered(link, millis) => {
                site.link(link).set(Mode::StallAnswers);
                last(millis).await;
                site.link(link).cut(Cut::Reset);
                site.link(link).set(Mode::Pass);
            }
            Trouble::Chopped(link, millis) => {
                site.link(link).set(Mode::Chop { bytes: 100..100_000, millis: 2..200 });
                site.link(link).cut(Cut::Close);
                last(millis).await;
                site.link(link).set(Mode::Pass);
                // A connection that is to be cut later than this would outlast the campaign's schedule.
                site.link(link).cut(Cut::Reset);
            }
            Trouble::Slow(link, millis) => {
                site.link(link).set(Mode::Slow { millis: 20 });
                last(millis).await;
                site.link(link).set(Mode::Pass);
            }
            Trouble::Restart(side) => {
                let broker = site.broker(side);
                broker.stop().await;
                broker.start_again().await;
            }
            Trouble::Forbid(millis) => {
                site.plant.centre.set_access(NOTHING);
                site.plant.centre.reload();
                last(millis).await;
                site.plant.centre.set_access(EVERYTHING);
                site.plant.centre.reload();
            }
            Trouble::Fails(status, millis) => {
                site.office.refuse(Some(status));
                last(millis).await;
                site.office.refuse(None);
            }
            Trouble::Limited(millis) => {
                site.office.set_limit(Some(Limit { requests: 0, window: Duration::from_secs(1) }));
                last(millis).await;
                site.office.set_limit(None);
            }
            Trouble::Expired { door, millis, is_told } => {
                site.expire(door);
                // Whoever is in stays in at some brokers.
                if let Door::Centre = door {
                    site.plant.centre_link.cut(Cut::Reset);
                }
                last(millis).await;
                site.renew(door);
                if is_told {
                    site.reload(None).await;
                }
            }
            Trouble::ReloadSame => site.reload(None).await,
            Trouble::Reload(change) => site.reload(Some(change)).await,
            Trouble::ReloadBroken => site.reload_broken().await,
            Trouble::Full(millis) => {
                let Some(disk) = site.agent.disk() else { return };
                disk.fill();
                last(millis).await;
                disk.free();
            }
        }
    }
}

async fn last(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}
