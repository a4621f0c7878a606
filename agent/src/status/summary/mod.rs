//! The one sentence to read if there is time for one, and how urgent it is. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use super::certificates::{CertificateStatus, Role, Validity};
use super::{FlowStatus, Named, Status};
use crate::health::{DestinationHealth, DeviceHealth, State, Trouble};
use crate::human::{count, millis, moment, seconds};
use crate::opened::Stop;
use crate::schedule::Limit;

/// A destination whose oldest event is younger is not behind.
const BEHIND_S: u64 = 60;
/// So many of a kind are named; the others are counted.
const NAMED: usize = 3;

/// Whether somebody has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Nobody.
    Well,
    /// Somebody, some time; nothing is lost for it.
    Attention,
    /// Somebody, now: events are given up, or nothing is taken in.
    Critical,
}

/// What matters most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    pub(crate) level: Level,
    pub(crate) sentence: String,
}

impl Summary {
    pub(crate) fn of(status: &Status) -> Self {
        let critical: Vec<String> = refusal(status).into_iter().chain(losing(status)).collect();
        let level = if critical.is_empty() { Level::Attention } else { Level::Critical };
        let attention = status.destinations.iter().filter_map(|destination| delivery(destination, &status.flows));
        let troubles: Vec<String> = critical
            .into_iter()
            .chain(attention)
            .chain(flows(status))
            .chain(plant(status))
            .chain(gateway(status))
            .collect();
        let lost = lost(status);
        if !troubles.is_empty() {
            return Summary { level, sentence: format!("{}; {lost}.", troubles.join("; ")) };
        }
        let way = match status.flows.iter().map(|flow| flow.depth).sum() {
            0 => "everything is delivered".to_owned(),
            waiting => format!("{} on the way", count(waiting, "event")),
        };
        Summary { level: Level::Well, sentence: format!("All is well: {way}; {lost}.") }
    }
}

fn refusal(status: &Status) -> Option<String> {
    let disk = &status.buffer.disk;
    let reason = disk.error.as_deref().unwrap_or("no reason given");
    (disk.state == State::Down).then(|| format!("nothing new is taken in until the buffer can be written to: {reason}"))
}

fn losing(status: &Status) -> Option<String> {
    let losing = status.flows.iter().filter(|flow| flow.is_dropping).map(|flow| (flow.name.as_str(), None));
    several(["flow", "flows"], losing, ["gives up events", "give up events"])
}

/// What is wrong with a destination, and how far it is behind.
fn delivery(destination: &Named<DestinationHealth>, flows: &[FlowStatus]) -> Option<String> {
    let Named { name, what: health } = destination;
    // A paused flow says for itself why it stands still.
    let waiting =
        || flows.iter().filter(|flow| flow.to.as_ref() == Some(name) && flow.paused.is_none() && flow.depth > 0);
    let oldest_s = waiting().filter_map(|flow| flow.oldest_age_s).max().unwrap_or(0);
    if health.condition.state == State::Down {
        let error = health.condition.error.as_deref().map_or_else(String::new, |error| format!(" ({error})"));
        let trouble = match health.trouble {
            Some(Trouble::Busy) => "is busy".to_owned(),
            Some(Trouble::Refused) => format!("refuses us{error}"),
            Some(Trouble::Unreachable) | None => format!("is unreachable{error}"),
        };
        let behind = if oldest_s == 0 { String::new() } else { format!(", {} behind", seconds(oldest_s)) };
        return Some(format!("{name} {trouble}{behind}"));
    }
    if oldest_s < BEHIND_S {
        return None;
    }
    let done_s = waiting().map(|flow| flow.empty_in_s).collect::<Option<Vec<_>>>();
    let outlook =
        match (done_s.and_then(|done_s| done_s.into_iter().max()), health.held_back.as_ref().map(|held| held.by)) {
            (_, Some(Limit::StartWithin)) => "waiting for its moment".to_owned(),
            (Some(done_s), Some(Limit::Rate | Limit::Drain) | None) => format!("done in {}", seconds(done_s)),
            (None, Some(Limit::Rate | Limit::Drain)) => "held back".to_owned(),
            (None, None) => "not catching up".to_owned(),
        };
    Some(format!("{name} {} behind, {outlook}", seconds(oldest_s)))
}

fn flows(status: &Status) -> impl Iterator<Item = String> {
    let paused = status.flows.iter().filter_map(|flow| {
        let reason = &flow.paused.as_ref()?.reason;
        let is_told = status.destinations.iter().any(|destination| stops(destination, flow));
        (!is_told).then(|| format!("flow {} is paused ({reason})", flow.name))
    });
    let late = status.flows.iter().filter(|flow| flow.late_since.is_some()).map(|flow| {
        let oldest = flow.oldest_age_s.map_or_else(String::new, |age| format!("oldest {}, ", seconds(age)));
        let promised = millis(flow.max_delay_ms.unwrap_or(0));
        format!("flow {} is late ({oldest}{promised} promised)", flow.name)
    });
    let dead = status.flows.iter().filter(|flow| flow.dead > 0).map(|flow| {
        let last = flow.last_dead.as_ref().map_or_else(String::new, |last| format!(" (the last: {})", last.reason));
        format!("flow {} has {}{last}", flow.name, count(flow.dead, "dead letter"))
    });
    paused.chain(late).chain(dead)
}

/// Whether the flow stands still because its destination lets nobody in, which is told of the destination.
fn stops(destination: &Named<DestinationHealth>, flow: &FlowStatus) -> bool {
    let Named { name, what: health } = destination;
    flow.to.as_ref() == Some(name) && health.trouble == Some(Trouble::Refused)
}

/// Sources and devices.
fn plant(status: &Status) -> impl Iterator<Item = String> {
    let sources = |state: State| {
        let are_so = status.sources.iter().filter(move |source| source.what.condition.state == state);
        are_so.map(|source| (&*source.name, source.what.condition.error.clone()))
    };
    // What its broker does not let it subscribe to.
    let partial = sources(State::Up).filter(|(_, error)| error.is_some());
    let is_down = |device: &&Named<DeviceHealth>| device.what.condition.state == State::Down;
    let down = status.devices.iter().filter(is_down);
    let down = down.map(|device| (&*device.name, device.what.condition.error.clone()));
    // What is down is told once.
    let up = || status.devices.iter().filter(move |device| !is_down(device));
    let stale = up().filter_map(|device| {
        let age_s = device.what.stale_s?;
        Some((&*device.name, Some(format!("no good value for {}", seconds(age_s)))))
    });
    let strange = up().filter_map(|device| {
        let found = device.what.unexpected_firmware.as_ref()?;
        let profile = device.what.profile.as_ref();
        let written_for = profile.map_or_else(String::new, |profile| format!(", its profile is {profile}"));
        Some((&*device.name, Some(format!("{found}{written_for}"))))
    });
    let devices = ["device", "devices"];
    [
        several(["source", "sources"], sources(State::Down), ["is down", "are down"]),
        several(["source", "sources"], partial, ["gets only a part", "get only a part"]),
        several(devices, down, ["is down", "are down"]),
        several(devices, stale, ["is stale", "are stale"]),
        several(devices, strange, ["has an unexpected firmware", "have an unexpected firmware"]),
    ]
    .into_iter()
    .flatten()
}

/// The agent itself: its heartbeats, its certificates and keys, its configuration, its clock.
fn gateway(status: &Status) -> impl Iterator<Item = String> {
    let unheard = status.heartbeats.iter().filter(|heartbeat| heartbeat.what.state == State::Down);
    let unheard = unheard.map(|heartbeat| (&*heartbeat.name, heartbeat.what.error.clone()));
    let certificates = status.certificates.iter().filter_map(expiry);
    let clock = status.clock_doubt.as_ref().map(|doubt| format!("the clock is not set ({doubt})"));
    let unheard = several(["heartbeat to", "heartbeats to"], unheard, ["is not heard", "are not heard"]);
    let keys = status.destinations.iter().filter_map(|destination| {
        let (key, at) = destination.what.ends_soon()?;
        Some(format!("{key} of {} ends at {}", destination.name, moment(at)))
    });
    let refused = status.reload.as_ref().filter(|reload| !reload.applied);
    let refused = refused
        .map(|reload| format!("the configuration file was not taken up at {} and is not in force", moment(&reload.at)));
    unheard.into_iter().chain(certificates).chain(keys).chain(refused).chain(clock)
}

fn expiry(certificate: &CertificateStatus) -> Option<String> {
    let what = match certificate.role {
        Role::Client => "client certificate",
        Role::Authority => "authority",
    };
    let days = certificate.expires_in_days.unwrap_or(0);
    let how = match certificate.validity {
        Validity::Good | Validity::Unknown => return None,
        Validity::Expired => "has expired".to_owned(),
        Validity::Soon if days == 0 => "expires within a day".to_owned(),
        Validity::Soon => format!("expires in {}", count(days, "day")),
    };
    Some(format!("the {what} of {} {how}", certificate.used_by))
}

fn lost(status: &Status) -> String {
    let dropped: u64 = status.flows.iter().map(|flow| flow.dropped).sum();
    let last = status.flows.iter().filter_map(|flow| flow.last_dropped_at.as_ref()).max();
    let known = match (dropped, last) {
        (0, _) => "nothing lost".to_owned(),
        (dropped, Some(last)) => format!("{} lost, the last at {last}", count(dropped, "event")),
        (dropped, None) => format!("{} lost before this start", count(dropped, "event")),
    };
    match status.buffer.opened.last_stop {
        Stop::LogLost => format!("{known} as far as is known: the write-ahead log is gone since the last crash"),
        Stop::Never | Stop::Clean | Stop::Crash => known,
    }
}

/// The things of one kind with one trouble: one with its reason, several with the names of some.
fn several<'a>(
    [one, many]: [&str; 2],
    things: impl Iterator<Item = (&'a str, Option<String>)>,
    [is, are]: [&str; 2],
) -> Option<String> {
    let things: Vec<_> = things.collect();
    match things.as_slice() {
        [] => None,
        [(name, reason)] => {
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
            Some(format!("{one} {name} {is}{reason}"))
        }
        things => {
            let names: Vec<&str> = things.iter().take(NAMED).map(|(name, _)| *name).collect();
            let others = things.len() - names.len();
            let more = if others == 0 { String::new() } else { format!(" and {others} more") };
            Some(format!("{many} {}{more} {are}", names.join(", ")))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
