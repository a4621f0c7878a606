//! `production.counted` and `consumption.counted`: what counters of a device have moved, told scan by scan or collected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::Stamp;
use plantlink_config::{Consumed, Counted, DataTemplate, Medium, TagName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::counter::Step;
use super::derived::Made;
use super::device::ScanScope;
use super::gauge::{Gauge, GaugeMemory, Keys};
use super::mapped::MappedDevice;
use super::quantity::Quantity;
use super::since::Since;
use super::{Memory, Remembered, json};
use crate::template::{self, rfc3339};

/// The keys of `data` that say what the machine works on: one event is of one order.
const ORDER_KEYS: [&str; 4] = ["order", "operation", "product", "lot"];

/// The counters that move together, with what is remembered of them.
pub(super) struct Tally {
    kind: Kind,
    event_type: Arc<str>,
    unit_of_measure: String,
    owner: String,
    gauges: Vec<Gauge>,
    /// How long an event collects; zero: not longer than a scan.
    accumulate: Duration,
    order: Vec<(String, DataTemplate)>,
    data: Vec<(String, DataTemplate)>,
    state: State,
    /// The first scan after a silence of the device or of the agent catches up what was counted meanwhile.
    catching_up: bool,
    /// When the counters were last seen, for the beginning of the next interval.
    seen: Option<Since>,
}

enum Kind {
    Production,
    Consumption(Medium),
}

/// What is remembered beside the gauges.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    epoch: u64,
    /// What was counted and is not told yet.
    open: Option<Interval>,
    /// The keys of the order as they were last seen.
    order: Map<String, Value>,
    /// When a counter last moved; `None`: never.
    at: Option<Since>,
}

/// The time that an event is about.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Interval {
    from: Since,
    /// When the first of it was seen.
    opened: Since,
}

/// A row of memory. The gauges are known by their tags, so that another tag is another counter.
#[derive(Default, Serialize, Deserialize)]
struct TallyMemory {
    state: State,
    gauges: BTreeMap<String, GaugeMemory>,
}

/// Why an event is told, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Interval,
    OrderChange,
    Reset,
    CatchUp,
}

impl Tally {
    pub(super) fn of_production(counted: &Counted, device: &MappedDevice, memory: &Memory) -> Self {
        let max_step = counted.max_step.map(Quantity::whole);
        let gauges = [
            (Some(&counted.good), "good", "good_total"),
            (counted.scrap.as_ref(), "scrap", "scrap_total"),
            (counted.rework.as_ref(), "rework", "rework_total"),
        ];
        let gauge = |(tag, delta, total): (Option<&TagName>, _, _)| {
            Gauge::new(tag?, Keys { delta, total, is_of_pieces: true }, max_step, device)
        };
        let gauges = gauges.into_iter().filter_map(gauge).collect();
        Tally::new(Kind::Production, &counted.good, gauges, (counted.accumulate, &counted.data), device, memory)
    }

    pub(super) fn of_consumption(consumed: &Consumed, device: &MappedDevice, memory: &Memory) -> Self {
        let keys = Keys { delta: "delta", total: "total", is_of_pieces: false };
        let max_step = consumed.max_step.and_then(Quantity::nearest);
        let gauges = Gauge::new(&consumed.counter, keys, max_step, device).into_iter().collect();
        let kind = Kind::Consumption(consumed.medium);
        Tally::new(kind, &consumed.counter, gauges, (consumed.accumulate, &consumed.data), device, memory)
    }

    fn new(
        kind: Kind,
        leader: &TagName,
        mut gauges: Vec<Gauge>,
        (accumulate, data): (Duration, &[(String, DataTemplate)]),
        device: &MappedDevice,
        memory: &Memory,
    ) -> Self {
        let owner = format!("{}/{}/{leader}", kind.owner(), device.name);
        let remembered: Option<TallyMemory> = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let catching_up = remembered.is_some();
        let mut remembered = remembered.unwrap_or_default();
        for gauge in &mut gauges {
            gauge.memory = remembered.gauges.remove(&**gauge.tag()).unwrap_or_default();
        }
        let is_of_order = |(key, _): &(String, DataTemplate)| ORDER_KEYS.contains(&key.as_str());
        let (order, data): (Vec<_>, Vec<_>) = data.iter().cloned().partition(is_of_order);
        // A key that is configured no more is nothing to tell.
        remembered.state.order.retain(|key, _| order.iter().any(|(known, _)| known == key));
        let unit = device.tag(leader).and_then(|tag| tag.unit_of_measure.clone());
        Tally {
            event_type: kind.event_type().into(),
            unit_of_measure: unit.unwrap_or_else(|| "pcs".into()),
            state: remembered.state,
            seen: None,
            accumulate,
            kind,
            owner,
            gauges,
            order,
            data,
            catching_up,
        }
    }

    /// Takes the counters of a scan in. One that has no good value leaves everything as it is.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(seen) = self.gauges.iter().map(|gauge| gauge.look(scope)).collect::<Option<Vec<_>>>() else { return };
        let any = |is: fn(Step) -> bool| seen.iter().any(|(_, step)| is(*step));
        let is_new_epoch = any(|step| matches!(step, Step::NewEpoch(_)));
        let has_moved = any(|step| matches!(step, Step::Counted(_) | Step::NewEpoch(_)));
        let is_news = any(|step| step != Step::Same);
        let order = template::table(&self.order, scope);
        let order_changed = self.is_another(&order);
        let catching_up = std::mem::take(&mut self.catching_up);
        let from = self.seen.replace(stamp.into()).or(self.state.at).unwrap_or_else(|| stamp.into());

        let mut changed = is_news || order.iter().any(|(key, value)| self.state.order.get(key) != Some(value));
        if is_new_epoch {
            // An event is of one epoch.
            self.tell_until_then(scope, stamp, made);
        }
        self.state.epoch += u64::from(is_new_epoch || self.state.epoch == 0);
        self.gauges.iter_mut().zip(seen).for_each(|(gauge, seen)| gauge.move_on(seen));
        if is_news {
            self.state.at = Some(stamp.into());
        }
        if has_moved {
            self.state.open.get_or_insert(Interval { from, opened: Since::from(stamp) });
        }
        let cause = match (is_new_epoch, catching_up && has_moved, order_changed) {
            (true, _, _) => Cause::Reset,
            (false, true, _) => Cause::CatchUp,
            (false, false, true) => Cause::OrderChange,
            (false, false, false) => Cause::Interval,
        };
        for (key, value) in &order {
            // What was not known before is true of these pieces too.
            self.state.order.entry(key).or_insert_with(|| value.clone());
        }
        if is_new_epoch || order_changed || self.is_due(stamp) {
            changed |= self.tell(cause, stamp.into(), scope, stamp, made);
        }
        self.state.order.extend(order);
        if changed {
            made.memory.push(self.remembered());
        }
    }

    /// The device went silent: nothing will be added to what is open for a while.
    pub(super) fn silence(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        self.catching_up = true;
        if self.tell_until_then(scope, stamp, made) {
            made.memory.push(self.remembered());
        }
    }

    /// Takes a new baseline with the next scan: what the counters show from now on has nothing to do with what they showed.
    pub(super) fn renew(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        self.tell_until_then(scope, stamp, made);
        let was_seen = self.gauges.iter().any(|gauge| gauge.memory.counter.is_some());
        self.state.epoch += u64::from(was_seen);
        self.state.at = None;
        self.gauges.iter_mut().for_each(|gauge| gauge.memory = GaugeMemory::default());
        self.catching_up = false;
        self.seen = None;
        made.memory.push(self.remembered());
    }

    /// Whether the machine works on something else than before. What cannot be read is what it was.
    fn is_another(&self, order: &Map<String, Value>) -> bool {
        order.iter().any(|(key, value)| self.state.order.get(key).is_some_and(|before| before != value))
    }

    fn is_due(&self, stamp: Stamp) -> bool {
        self.state.open.is_some_and(|open| open.opened.has_lasted(self.accumulate, stamp))
    }

    /// Tells what is open, if something is, until a counter last moved.
    fn tell_until_then(&mut self, scope: &ScanScope<'_>, now: Stamp, made: &mut Made) -> bool {
        self.tell(Cause::Interval, self.state.at.unwrap_or_else(|| now.into()), scope, now, made)
    }

    /// Tells what is open, if something is.
    fn tell(&mut self, cause: Cause, to: Since, scope: &ScanScope<'_>, now: Stamp, made: &mut Made) -> bool {
        let Some(open) = self.state.open.take() else { return false };
        let mut data = Map::new();
        self.gauges.iter_mut().for_each(|gauge| gauge.tell(&mut data));
        data.insert("counter_epoch".into(), self.state.epoch.into());
        data.insert("unit_of_measure".into(), self.unit_of_measure.clone().into());
        data.insert("from_at".into(), rfc3339(open.from.wall_us(now)).into());
        data.insert("to_at".into(), rfc3339(to.wall_us(now)).into());
        match self.kind {
            Kind::Production => data.insert("cause".into(), cause.name().into()),
            Kind::Consumption(medium) => data.insert("medium".into(), medium.name().into()),
        };
        data.extend(self.state.order.clone());
        data.extend(template::table(&self.data, scope));
        made.events.push((self.event_type.clone(), data));
        true
    }

    fn remembered(&self) -> Remembered {
        let gauges = self.gauges.iter().map(|gauge| (gauge.tag().to_string(), gauge.memory)).collect();
        (self.owner.clone(), Some(json(&TallyMemory { state: self.state.clone(), gauges })))
    }
}

impl Kind {
    fn event_type(&self) -> &'static str {
        match self {
            Kind::Production => "production.counted",
            Kind::Consumption(_) => "consumption.counted",
        }
    }

    /// Begins the name of its row of memory.
    fn owner(&self) -> &'static str {
        match self {
            Kind::Production => "count",
            Kind::Consumption(_) => "consume",
        }
    }
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Interval => "interval",
            Cause::OrderChange => "order_change",
            Cause::Reset => "reset",
            Cause::CatchUp => "catch_up",
        }
    }
}
