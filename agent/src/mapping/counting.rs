//! `production.counted`: what the counters of a device have moved, and what is remembered of them.

use plantlink_buffer::Stamp;
use plantlink_config::{Counted, Device, TagName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::counter::{self, Counter, Step};
use super::derived::Made;
use super::device::ScanScope;
use super::{Memory, Remembered, json};
use crate::reading;
use crate::template::{self, rfc3339};

/// One `production.counted` of one device, with what it remembers.
pub(super) struct Counting {
    counted: Counted,
    unit_of_measure: String,
    owner: String,
    spans: Spans,
    memory: CountMemory,
    /// The first scan since the start catches up what was counted meanwhile.
    catching_up: bool,
    /// When the counters were last seen, for the beginning of the next interval.
    seen_us: Option<i64>,
}

struct Spans {
    good: u64,
    scrap: u64,
    rework: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct CountMemory {
    epoch: u64,
    good: Option<Counter>,
    scrap: Option<Counter>,
    rework: Option<Counter>,
    /// When it last changed, in Unix microseconds.
    at_us: i64,
}

impl Counting {
    pub(super) fn new(counted: &Counted, device: &Device, memory: &Memory) -> Self {
        let owner = format!("count/{}/{}", device.name, counted.good);
        let tag = |name: &TagName| device.tags.iter().find(|tag| tag.name == *name);
        let span = |name: Option<&TagName>| name.and_then(tag).map_or(0, |tag| counter::span(&tag.kind));
        let remembered: Option<CountMemory> = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        Counting {
            unit_of_measure: tag(&counted.good)
                .and_then(|tag| tag.unit_of_measure.clone())
                .unwrap_or_else(|| "pcs".into()),
            spans: Spans {
                good: span(Some(&counted.good)),
                scrap: span(counted.scrap.as_ref()),
                rework: span(counted.rework.as_ref()),
            },
            catching_up: remembered.is_some(),
            seen_us: None,
            memory: remembered.unwrap_or_default(),
            counted: counted.clone(),
            owner,
        }
    }

    /// Takes a new baseline with the next scan: what the counters show from now on has nothing to do with what they showed.
    pub(super) fn renew(&mut self) -> Remembered {
        let epoch = self.memory.epoch + u64::from(self.memory.good.is_some());
        self.memory = CountMemory { epoch, ..CountMemory::default() };
        self.catching_up = false;
        self.seen_us = None;
        (self.owner.clone(), Some(json(&self.memory)))
    }

    /// An event if a counter moved.
    pub(super) fn count(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(raws) = self.raws(scope) else { return };
        let before = self.memory.clone();
        let most = self.counted.max_step;
        let steps = Steps {
            good: counter::step(&mut self.memory.good, raws.good, self.spans.good, most),
            scrap: raws.scrap.map(|raw| counter::step(&mut self.memory.scrap, raw, self.spans.scrap, most)),
            rework: raws.rework.map(|raw| counter::step(&mut self.memory.rework, raw, self.spans.rework, most)),
        };
        let new_epoch = steps.all().any(|step| matches!(step, Step::NewEpoch(_)));
        if new_epoch || self.memory.epoch == 0 {
            self.memory.epoch += 1;
        }
        let from_us = self.seen_us.unwrap_or(if before.at_us == 0 { stamp.wall_us } else { before.at_us });
        self.seen_us = Some(stamp.wall_us);
        let catching_up = std::mem::take(&mut self.catching_up);
        if before.good == self.memory.good && before.scrap == self.memory.scrap && before.rework == self.memory.rework {
            return;
        }
        self.memory.at_us = stamp.wall_us;
        let moved = steps.all().any(|step| matches!(step, Step::Counted(_) | Step::NewEpoch(_)));
        if moved {
            let cause = match (new_epoch, catching_up) {
                (true, _) => "reset",
                (false, true) => "catch_up",
                (false, false) => "interval",
            };
            made.events.push(("production.counted", self.data(&steps, from_us, stamp.wall_us, cause, scope)));
        }
        made.memory.push((self.owner.clone(), Some(json(&self.memory))));
    }

    /// What the counters show, or nothing while one of them cannot be trusted: a bad reading changes no memory.
    fn raws(&self, scope: &ScanScope<'_>) -> Option<Raws> {
        let optional = |name: &Option<TagName>| match name {
            None => Some(None),
            Some(name) => scope.value(name).and_then(whole).map(Some),
        };
        Some(Raws {
            good: scope.value(&self.counted.good).and_then(whole)?,
            scrap: optional(&self.counted.scrap)?,
            rework: optional(&self.counted.rework)?,
        })
    }

    fn data(&self, steps: &Steps, from_us: i64, to_us: i64, cause: &str, scope: &ScanScope<'_>) -> Map<String, Value> {
        let mut data = Map::new();
        for (name, total_name, step, counter) in [
            ("good", "good_total", Some(steps.good), self.memory.good),
            ("scrap", "scrap_total", steps.scrap, self.memory.scrap),
            ("rework", "rework_total", steps.rework, self.memory.rework),
        ] {
            if let (Some(step), Some(counter)) = (step, counter) {
                data.insert(name.into(), pieces(step).into());
                data.insert(total_name.into(), counter.total.into());
            }
        }
        data.insert("counter_epoch".into(), self.memory.epoch.into());
        data.insert("unit_of_measure".into(), self.unit_of_measure.clone().into());
        data.insert("from_at".into(), rfc3339(from_us).into());
        data.insert("to_at".into(), rfc3339(to_us).into());
        data.insert("cause".into(), cause.into());
        data.extend(template::table(&self.counted.data, scope));
        data
    }
}

struct Raws {
    good: u64,
    scrap: Option<u64>,
    rework: Option<u64>,
}

struct Steps {
    good: Step,
    scrap: Option<Step>,
    rework: Option<Step>,
}

impl Steps {
    fn all(&self) -> impl Iterator<Item = Step> {
        [Some(self.good), self.scrap, self.rework].into_iter().flatten()
    }
}

fn pieces(step: Step) -> u64 {
    match step {
        Step::First | Step::Same => 0,
        Step::Counted(pieces) | Step::NewEpoch(pieces) => pieces,
    }
}

/// A counter's value as a whole number; a negative or broken one is not a count.
fn whole(value: &reading::Value) -> Option<u64> {
    match value {
        reading::Value::Bool(value) => Some(u64::from(*value)),
        reading::Value::Unsigned(value) => Some(*value),
        reading::Value::Signed(value) => u64::try_from(*value).ok(),
        reading::Value::Float(value) => {
            (*value >= 0.0 && value.fract() == 0.0 && *value < 9e15).then_some(*value as u64)
        }
        reading::Value::Text(_) | reading::Value::Labels(_) => None,
    }
}
