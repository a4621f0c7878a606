//! How fast a destination may be offered events, always and after an outage.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::interval::Interval;
use crate::path::Path;
use crate::report::code;

/// How fast a destination may be offered events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pacing {
    /// The limit for all events; `None`: as fast as the destination answers.
    pub rate: Option<Rate>,
    /// How the backlog of an outage is sent.
    pub drain: Drain,
}

/// A limit for all events that a destination is offered, new ones and those that are offered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events a second in the long run, at least one.
    pub per_second: u32,
    /// The most at once after a pause, at least one.
    pub burst: u32,
}

/// How the backlog of an outage is sent, so that the gateways of a fleet do not all come at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drain {
    /// By how many events a second a backlog may shrink, at least one. New events go beside it.
    pub per_second: Option<u32>,
    /// The gateways of a fleet begin at moments that are spread over this time, never zero.
    pub start_within: Option<Duration>,
}

/// A limit for all events that the destination is offered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateTable {
    /// Events a second in the long run.
    #[schemars(required, range(min = 1, max = 1_000_000))]
    pub(crate) per_second: Option<u32>,
    /// The most at once after a pause; left out: those of a second.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) burst: Option<u32>,
}

/// How the backlog of an outage is sent. At least one of the two keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainTable {
    /// By how many events a second the backlog may shrink, and how many kept events may be replayed. New events go beside
    /// it: at once with `live-first`, in their place with `strict`. Left out: as fast as the destination answers.
    #[schemars(range(min = 1, max = 1_000_000))]
    per_second: Option<u32>,
    /// The gateways of a fleet send what has gathered from moments on that are spread over this time after their start or an
    /// outage. They try to reach a destination that is down at moments spread over it, or over a minute if it is longer; what
    /// has gathered then waits only for what is left of the time. Left out: at once.
    start_within: Option<Interval>,
}

/// Checks both keys of a destination.
pub(crate) fn pacing(
    rate: Option<&RateTable>,
    drain: Option<&DrainTable>,
    at: &Path,
    check: &mut Check<'_>,
) -> Option<Pacing> {
    let rate = rate.map(RateTable::rate);
    let at = at.key("drain");
    let drain = drain.map(|drain| drain.check(&at, check));
    let pacing = Pacing {
        rate: rate.map_or(Some(None), |rate| rate.map(Some))?,
        drain: drain.map_or(Some(Drain::default()), |drain| drain)?,
    };
    if let (Some(rate), Some(drain)) = (pacing.rate, pacing.drain.per_second)
        && drain >= rate.per_second
    {
        let message = format!("this has no effect: `rate` allows {} a second for all events", rate.per_second);
        check.report.warning(code::CONFLICT, &at.key("per_second"), message);
    }
    Some(pacing)
}

impl RateTable {
    fn rate(&self) -> Option<Rate> {
        let per_second = self.per_second?;
        Some(Rate { per_second, burst: self.burst.unwrap_or(per_second) })
    }
}

impl DrainTable {
    fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Drain> {
        if self.per_second.is_none() && self.start_within.is_none() {
            let message = "`drain` says nothing (allowed: `per_second`, `start_within`, or both)";
            check.report.error(code::MISSING_KEY, at, message);
            return None;
        }
        let start_within =
            self.start_within.as_ref().map(|within| within.check_some(&at.key("start_within"), &mut check.report));
        Some(Drain {
            per_second: self.per_second,
            start_within: start_within.map_or(Some(None), |within| within.map(Some))?,
        })
    }
}
