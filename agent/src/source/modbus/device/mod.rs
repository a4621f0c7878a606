//! A device on its line: when it is scanned, with which requests, and what its tags read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plantlink_config::Tag;
use tokio::time::Instant;

use super::connection::Connection;
use super::identification::Identification;
use super::introduction::Introduction;
use super::line_time::LineTime;
use super::pass::{Brought, Pass};
use super::plan::{Limits, Request, Terms, plan};
use super::refusals::Refusals;
use super::rounds::Rounds;
use super::scaling::scaled;
use crate::reading::{Fault, Obstacle, Quality, Reading, Value};
use crate::source::{Identity, Nameplate};

/// Plans are made when they are needed. More of them are forgotten and made again: intervals that hardly ever fall due
/// together make many.
const PLANS_MAX: usize = 16;
/// A silent device may have one part in so many of the time of its line.
const SHARE: u32 = 20;

/// A device with what its scans need.
pub(crate) struct Device {
    unit: u8,
    tags: Arc<[Tag]>,
    /// The places of the tags that hold another's power of ten, by the place of the other.
    exponents: Vec<Option<usize>>,
    limits: Limits,
    time: LineTime,
    identification: Option<Identification>,
    /// `None`: nobody wants to know, or the device does not want to be asked.
    introduction: Option<Introduction>,
    retries: u8,
    rounds: Rounds,
    refusals: Refusals,
    /// By the rounds that they serve.
    plans: HashMap<Vec<bool>, Vec<Request>>,
    /// The last scan found the unit silent, or the line without a connection.
    silent: bool,
}

impl Device {
    /// The first scan is due at `start`, the following ones from `start + phase` on.
    pub(crate) fn new(device: &plantlink_config::Device, time: LineTime, start: Instant, phase: Duration) -> Self {
        Device {
            unit: device.unit,
            exponents: exponents(&device.tags),
            tags: device.tags.clone(),
            limits: Limits { registers: device.max_registers, bits: device.max_bits },
            time,
            retries: device.retries,
            identification: device.identity.clone().map(Identification::new),
            introduction: device.nameplate.then(Introduction::default),
            rounds: Rounds::new(device, start, phase),
            refusals: Refusals::default(),
            plans: HashMap::new(),
            silent: false,
        }
    }

    /// When the next scan shall begin; `None` without a tag.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.rounds.due(self.silent)
    }

    /// A silent device costs the others on its line no more than one part in [`SHARE`] of their time: it is put off for so
    /// many times what its last scan cost, which began at `started` and left the line free at `free`.
    pub(crate) fn spare_the_others(&mut self, started: Instant, free: Instant) {
        if self.silent {
            self.rounds.put_off(started, started + (free - started) * SHARE);
        }
    }

    /// Makes the next scan due at `now`, however long the device has been silent.
    pub(crate) fn make_due(&mut self, now: Instant) {
        self.rounds.at_once(now);
    }

    /// Reads the tags that are due, in one pass. There is a reading of each of them, in the order of the tags. A refused
    /// value makes its own tags bad and no others, in every scan until it is given. Silence ends the scan with what was
    /// answered by then, and makes all other tags of the device bad: none keeps looking good.
    pub(crate) async fn scan(&mut self, connection: &mut Connection) -> Vec<Reading> {
        let started = Instant::now();
        let served = self.rounds.serving(started, self.silent);
        // Waiting for a silent unit costs the others on its line: one that was silent before is asked once.
        let retries = if self.silent { 0 } else { self.retries };
        let known = self.refusals.changes();
        let plan = match self.plans.remove(&served) {
            Some(plan) => plan,
            None => self.plan(&served),
        };
        let pass = Pass::new(self.unit, retries, &self.tags, &plan, &mut self.refusals);
        let Brought { mut raw, silence } = pass.run(connection).await;
        if self.refusals.changes() == known && self.plans.len() < PLANS_MAX {
            self.plans.insert(served.clone(), plan);
        } else {
            self.plans.clear();
        }
        for (place, fault) in self.refusals.faults() {
            if let Some(raw @ None) = raw.get_mut(*place) {
                *raw = Some(Quality::Bad(fault.clone()));
            }
        }
        if let Some(fault) = &silence {
            raw.iter_mut().filter(|raw| raw.is_none()).for_each(|raw| *raw = Some(Quality::Bad(fault.clone())));
        }
        let was_silent = std::mem::replace(&mut self.silent, silence.is_some());
        if self.silent {
            self.rounds.silent(started);
            self.expire();
        } else {
            self.rounds.answered(&served, started, was_silent);
        }
        self.scale(&raw)
    }

    /// What the device says that it is, if it is time to ask: at first, after every silence, and slowly again. To be called
    /// after a scan, to which the answer belongs.
    pub(crate) async fn identify(&mut self, connection: &mut Connection) -> Option<Identity> {
        if self.silent {
            return None;
        }
        self.identification.as_mut()?.read(self.unit, connection).await
    }

    /// What the device's nameplate says, if it is time to ask: at first and after every silence. To be called after a scan,
    /// to which the answer belongs. A device that does not answer this is not asked again: some stumble over it.
    pub(crate) async fn introduce(&mut self, connection: &mut Connection) -> Option<Nameplate> {
        if self.silent {
            return None;
        }
        let asked = self.introduction.as_mut()?.read(self.unit, connection).await;
        asked.unwrap_or_else(|_refused| {
            self.introduction = None;
            None
        })
    }

    /// Behind a silence there may be another device.
    fn expire(&mut self) {
        self.identification.iter_mut().for_each(Identification::expire);
        self.introduction.iter_mut().for_each(Introduction::expire);
    }

    /// The readings of a device that is cut off together with its line, unless its last ones said as much.
    pub(crate) fn tell_outage(&mut self, obstacle: Obstacle) -> Option<Vec<Reading>> {
        if self.silent {
            return None;
        }
        self.silent = true;
        self.expire();
        let lost = |tag| Reading { tag, value: Quality::Bad(Fault::Unreachable(obstacle)) };
        Some((0..self.tags.len()).map(lost).collect())
    }

    /// The requests for the tags of these rounds, as far as the device does not refuse them.
    fn plan(&self, served: &[bool]) -> Vec<Request> {
        let mut wanted = self.rounds.tags(served);
        wanted.retain(|place| !self.refusals.faults().contains_key(place));
        let terms = Terms { limits: self.limits, time: self.time, barriers: &self.refusals.barriers() };
        plan(&self.tags, &wanted, terms)
    }

    /// The readings of what was read, with their values in place of the raw ones.
    fn scale(&self, raw: &[Option<Quality<Value>>]) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(self.tags.len());
        for (place, (tag, from)) in self.tags.iter().zip(&self.exponents).enumerate() {
            let exponent = from.and_then(|from| raw.get(from)?.as_ref());
            if let Some(Some(value)) = raw.get(place) {
                readings.push(Reading { tag: place, value: scaled(tag, value.clone(), exponent) });
            }
        }
        readings
    }
}

/// For each tag the place of the one that its `scale_from` names.
fn exponents(tags: &[Tag]) -> Vec<Option<usize>> {
    let places: HashMap<&str, usize> = tags.iter().enumerate().map(|(place, tag)| (&*tag.name, place)).collect();
    tags.iter().map(|tag| places.get(&**tag.scale_from.as_ref()?).copied()).collect()
}

#[cfg(test)]
mod tests;
