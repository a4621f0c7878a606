//! `consumption.counted`: which tag is the meter, and of what.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::counted::{ORDER_KEYS, at_once};
use super::own_data::own_data;
use crate::check::Check;
use crate::interval::Interval;
use crate::known_tags::KnownTags;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::template::DataTemplate;

/// What a meter in the machine counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumed {
    /// The meter: a number without an offset that has a unit of measure, often a scaled one.
    pub counter: TagName,
    /// What is consumed.
    pub medium: Medium,
    /// The most that one step may be, in the tag's unit and above zero; more is a meter that was replaced, and counts
    /// nothing.
    pub max_step: Option<f64>,
    /// So long the quantity of one event is collected; zero: an event for each scan in which the meter moved.
    pub accumulate: Duration,
    /// More keys of the event's `data`.
    pub data: Vec<(String, DataTemplate)>,
}

/// What is consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// Electrical energy.
    Electricity,
    /// Fuel gas.
    Gas,
    /// Water.
    Water,
    /// Compressed air.
    Air,
    /// Steam or the heat in it.
    Steam,
    /// Hours of operation.
    Hours,
    /// Strokes, switchings and the like, as maintenance counts them.
    Cycles,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsumedTable {
    /// The tag that counts, with a `unit_of_measure`. It may be a scaled number or a float.
    #[schemars(required)]
    counter: Option<String>,
    /// What is consumed.
    #[schemars(required)]
    medium: Option<Medium>,
    /// The most that one step may be, also over an outage, in the tag's unit; more is a meter that was replaced, and counts
    /// nothing.
    max_step: Option<f64>,
    /// One event for the quantity of so long, closed early by a change of order (of `order`, `operation`, `product` or
    /// `lot` in `data`), by a reset, and when the device goes silent. 0s: an event for each scan in which the meter moved.
    #[serde(default = "at_once")]
    accumulate: Interval,
    /// More keys of the event's data. A string is a template: `{tag}`.
    #[serde(default)]
    data: Map<String, Json>,
}

/// The keys of `consumption.counted` that the meter fills.
const CONSUMED_KEYS: [&str; 7] = ["medium", "delta", "total", "counter_epoch", "unit_of_measure", "from_at", "to_at"];

impl Medium {
    /// As events and the file spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Gas => "gas",
            Self::Water => "water",
            Self::Air => "air",
            Self::Steam => "steam",
            Self::Hours => "hours",
            Self::Cycles => "cycles",
        }
    }
}

impl ConsumedTable {
    pub(super) fn check(&self, known: &KnownTags<'_>, at: &Path, check: &mut Check<'_>) -> Option<Consumed> {
        let counter = self.counter.as_ref().and_then(|text| known.meter(text, &at.key("counter"), check));
        let max_step = self.max_step.filter(|most| *most > 0.0);
        if let (Some(most), None) = (self.max_step, max_step) {
            let message = format!("{most} is no step (allowed: more than 0, in the tag's unit)");
            check.report.error(code::OUT_OF_RANGE, &at.key("max_step"), message);
        }
        let accumulate = self.accumulate.check(&at.key("accumulate"), &mut check.report);
        let data = own_data(&self.data, &CONSUMED_KEYS, ORDER_KEYS, known, at, check);
        Some(Consumed { counter: counter?, medium: self.medium?, max_step, accumulate: accumulate?, data })
    }

    /// The name of the meter's tag.
    pub(super) fn counter(&self) -> Option<&str> {
        self.counter.as_deref()
    }
}
