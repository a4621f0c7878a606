//! A destination as `status` shows it: whether it takes events, what is wrong if it does not, and what keeps events back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Condition, State, Turned, now};
use crate::clip::clip;
use crate::clock::Time;
use crate::destination::Expiry;
use crate::destination::odoo::Tally;
use crate::schedule::Limit;
use crate::template::rfc3339;

/// What is wrong with a destination that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trouble {
    /// Nothing answers.
    Unreachable,
    /// It answers, and asks for patience.
    Busy,
    /// It does not let us in.
    Refused,
}

/// A destination.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct DestinationHealth {
    #[serde(flatten)]
    pub(crate) condition: Condition,
    /// What is wrong; `None`: nothing.
    pub(crate) trouble: Option<Trouble>,
    /// Nothing is offered before; `None` while it need not be left alone.
    until: Option<String>,
    /// Since when it has failed so often that one event at a time asks whether it is back.
    breaker_open_since: Option<String>,
    pub(crate) held_back: Option<HeldBack>,
    /// When what it lets us in by ends; `None`: never, or it does not say.
    expires: Option<Expires>,
    /// The same as it was said last.
    #[serde(skip)]
    expiry: Option<Expiry>,
    /// Whether its end was near then.
    #[serde(skip)]
    told_soon: bool,
    /// The last comparison of what was confirmed with what is there, since the start; `None`: there was none.
    reconciled: Option<Comparison>,
}

/// What came of comparing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct Comparison {
    at: String,
    /// `None` when it could not be done.
    counts: Option<Tally>,
    /// Why it could not be done.
    error: Option<String>,
}

/// The end of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct Expires {
    of: String,
    at: String,
    /// Whether it is so near at this moment that a person should do something.
    soon: bool,
}

/// A limit of the configuration at work.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct HeldBack {
    pub(crate) by: Limit,
    since: String,
}

impl DestinationHealth {
    pub(crate) fn up(&mut self) -> Turned {
        self.trouble = None;
        self.condition.turn(State::Up, None)
    }

    /// It turns with another trouble too.
    pub(crate) fn down(&mut self, trouble: Trouble, error: &str) -> Turned {
        let is_other = self.trouble.replace(trouble) != Some(trouble);
        let turned = self.condition.turn(State::Down, Some(error));
        if is_other { Turned::Yes } else { turned }
    }

    /// How long it is left alone, and whether its breaker is open.
    pub(crate) fn rests(&mut self, rest: Option<Duration>, breaker_is_open: bool) {
        let at_us =
            |rest: Duration| Time::now().wall_us.saturating_add(i64::try_from(rest.as_micros()).unwrap_or(i64::MAX));
        self.until = rest.map(|rest| rfc3339(at_us(rest)));
        self.breaker_open_since = breaker_is_open.then(|| self.breaker_open_since.take().unwrap_or_else(now));
    }

    /// Says yes once when it is time to do something.
    pub(crate) fn expires(&mut self, expiry: Option<Expiry>, now: Time) -> Turned {
        let is_soon = expiry.as_ref().is_some_and(|expiry| expiry.is_soon(now.wall_us));
        self.expiry = expiry;
        let was_soon = std::mem::replace(&mut self.told_soon, is_soon);
        if is_soon && !was_soon { Turned::Yes } else { Turned::No }
    }

    /// The same, with how near the end of its key is at that moment: whoever has nothing to deliver asks nobody for it.
    pub(crate) fn at(mut self, now: Time) -> Self {
        self.expires = self.expiry.as_ref().map(|expiry| Expires {
            of: expiry.of.clone(),
            at: rfc3339(expiry.at_us),
            soon: expiry.is_soon(now.wall_us),
        });
        self
    }

    /// What it lets us in by and when that ends, once a person should do something.
    pub(crate) fn ends_soon(&self) -> Option<(&str, &str)> {
        let Expires { of, at, .. } = self.expires.as_ref().filter(|expires| expires.soon)?;
        Some((of, at))
    }

    pub(crate) fn reconciled(&mut self, outcome: Result<Tally, String>) {
        let (counts, error) = match outcome {
            Ok(counts) => (Some(counts), None),
            Err(error) => (None, Some(clip(error))),
        };
        self.reconciled = Some(Comparison { at: now(), counts, error });
    }

    pub(crate) fn held_back(&mut self, by: Option<Limit>) {
        if self.held_back.as_ref().map(|held| held.by) != by {
            self.held_back = by.map(|by| HeldBack { by, since: now() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Time {
        Time { wall_us: day * 86_400_000_000, boottime_us: 0 }
    }

    #[test]
    fn a_key_comes_to_its_end_though_nothing_is_delivered_meanwhile() {
        let mut erp = DestinationHealth::default();
        let expiry = Expiry { of: "API key `gw`".to_owned(), at_us: day(100).wall_us };
        assert_eq!(erp.expires(Some(expiry.clone()), day(1)), Turned::No);
        for (at, is_soon) in [(1, false), (85, false), (87, true), (101, true)] {
            assert_eq!(erp.clone().at(day(at)).ends_soon().is_some(), is_soon, "day {at}");
        }
        // Looking at it does not take the line in the log away.
        assert_eq!([87, 88].map(|at| erp.expires(Some(expiry.clone()), day(at))), [Turned::Yes, Turned::No]);
    }
}
