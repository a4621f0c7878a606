//! A destination as `status` shows it: whether it takes events, what is wrong if it does not, and what keeps events back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Clock;
use crate::health::{Condition, State, Turned, now};
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
            |rest: Duration| Clock.now().wall_us.saturating_add(i64::try_from(rest.as_micros()).unwrap_or(i64::MAX));
        self.until = rest.map(|rest| rfc3339(at_us(rest)));
        self.breaker_open_since = breaker_is_open.then(|| self.breaker_open_since.take().unwrap_or_else(now));
    }

    pub(crate) fn held_back(&mut self, by: Option<Limit>) {
        if self.held_back.as_ref().map(|held| held.by) != by {
            self.held_back = by.map(|by| HeldBack { by, since: now() });
        }
    }
}
