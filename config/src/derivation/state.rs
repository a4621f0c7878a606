//! `machine.state_changed`: which tag shows the state, and what the vendor's states mean.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::own_data::own_data;
use crate::check::Check;
use crate::interval::Interval;
use crate::items::Items;
use crate::known_tags::KnownTags;
use crate::labels::Labels;
use crate::lookup::Lookup;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::spelling::nearest;
use crate::tag_type::TagType;
use crate::template::{DataTemplate, Template};

/// The states of a machine, as it shows them itself.
#[derive(Debug, Clone, PartialEq)]
pub struct StateChanged {
    /// The tag that shows the vendor's state: an enum, a bool, a whole number or a string.
    pub state: TagName,
    /// How long a state must last to be told; zero: what one scan shows is told.
    pub debounce: Duration,
    /// Why the machine is in its state. What it gave last goes with the state when that is over.
    pub reason: Option<Template>,
    /// More keys of the event's `data`.
    pub data: Vec<(String, DataTemplate)>,
    /// The vendor's states that mean something else than `not_executing`.
    pub standard: HashMap<String, StandardState>,
    /// The vendor's states with a mode of their own.
    pub modes: HashMap<String, Mode>,
}

/// What a state means to everybody: OPC 40001-1's `MachineryItemState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandardState {
    /// It does what it is for.
    Executing,
    /// It could, and does not.
    NotExecuting,
    /// It cannot, before somebody has mended or released it.
    OutOfService,
    /// Nobody can tell.
    NotAvailable,
}

/// What the machine is run for: OPC 40001-1's `MachineryOperationMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Production.
    Processing,
    /// It is made ready for the next product.
    Setup,
    /// It is maintained.
    Maintenance,
    /// None of these.
    None,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateTable {
    /// The tag that shows the vendor's state: an enum, a bool, a whole number or a string.
    #[schemars(required)]
    state: Option<String>,
    /// The vendor's states that are `executing`: an enum's labels, "true" or "false", numbers or texts. What is in none of
    /// the lists is `not_executing`.
    #[serde(default)]
    executing: Items<String>,
    /// The vendor's states that are `out_of_service`.
    #[serde(default)]
    out_of_service: Items<String>,
    /// The vendor's states that are `not_available`, as a device is that does not answer.
    #[serde(default)]
    not_available: Items<String>,
    /// The vendor's states with the mode `setup`. In none of these lists: `processing` while executing, else `none`.
    #[serde(default)]
    setup: Items<String>,
    /// The vendor's states with the mode `maintenance`.
    #[serde(default)]
    maintenance: Items<String>,
    /// How long a state must last to be told.
    #[serde(default = "Interval::zero")]
    debounce: Interval,
    /// Why the machine is in its state, a template: `{tag}`. What it gave last goes with `previous` when the state is over.
    reason: Option<String>,
    /// More keys of the event's data. A string is a template: `{tag}`.
    #[serde(default)]
    data: Map<String, Json>,
}

/// The keys of `machine.state_changed` that the state fills.
const STATE_KEYS: [&str; 6] = ["state", "mode", "vendor_state", "interval_id", "since_at", "previous"];

impl StandardState {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Executing => "executing",
            Self::NotExecuting => "not_executing",
            Self::OutOfService => "out_of_service",
            Self::NotAvailable => "not_available",
        }
    }
}

impl Mode {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Setup => "setup",
            Self::Maintenance => "maintenance",
            Self::None => "none",
        }
    }
}

impl StateChanged {
    /// What a state of the vendor's means.
    pub fn meaning(&self, vendor_state: &str) -> (StandardState, Mode) {
        let state = self.standard.get(vendor_state).copied().unwrap_or(StandardState::NotExecuting);
        let usual = match state {
            StandardState::Executing => Mode::Processing,
            StandardState::NotExecuting | StandardState::OutOfService | StandardState::NotAvailable => Mode::None,
        };
        (state, self.modes.get(vendor_state).copied().unwrap_or(usual))
    }

    /// The names that its events need beside the state.
    pub(super) fn beside(&self) -> Vec<&str> {
        let reason = self.reason.iter().flat_map(Template::names);
        reason.chain(self.data.iter().flat_map(|(_, template)| template.names())).collect()
    }
}

impl StateTable {
    pub(super) fn check(&self, known: &KnownTags<'_>, at: &Path, check: &mut Check<'_>) -> Option<StateChanged> {
        let tag = self.state.as_deref().and_then(|text| known.state(text, &at.key("state"), check));
        let kind = tag.as_ref().map(|(_, kind)| *kind);
        let standard = [
            ("executing", &self.executing, StandardState::Executing),
            ("out_of_service", &self.out_of_service, StandardState::OutOfService),
            ("not_available", &self.not_available, StandardState::NotAvailable),
        ];
        let modes = [("setup", &self.setup, Mode::Setup), ("maintenance", &self.maintenance, Mode::Maintenance)];
        let standard = words(&standard, kind, at, check);
        if !check.has_any(at, &["executing"]) {
            let message = "no state counts as `executing`: the machine never runs";
            check.report.warning(code::CONFLICT, at, message);
        }
        let modes = words(&modes, kind, at, check);
        let debounce = self.debounce.check(&at.key("debounce"), &mut check.report);
        let lookup = Lookup::Tags(known.names);
        let reason = self.reason.as_ref().map(|text| lookup.template(text, &at.key("reason"), check));
        let data = own_data(&self.data, &STATE_KEYS, "order, operation", known, at, check);
        let (state, _) = tag?;
        Some(StateChanged {
            state,
            debounce: debounce?,
            reason: reason.map_or(Some(None), |reason| reason.map(Some))?,
            data,
            standard,
            modes,
        })
    }

    /// The name of the tag with the state.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// What each word of the lists stands for. A word stands in one of them, as they exclude each other.
fn words<T: Copy>(
    lists: &[(&'static str, &Items<String>, T)],
    kind: Option<&TagType>,
    at: &Path,
    check: &mut Check<'_>,
) -> HashMap<String, T> {
    let mut meanings = HashMap::new();
    let mut places = HashMap::new();
    for (key, words, meaning) in lists {
        for (at, word) in words.iter(&at.key(key)) {
            if let Some(kind) = kind {
                check_word(word, kind, &at, check);
            }
            if check.unique(&mut places, word, &at) {
                meanings.insert(word.clone(), *meaning);
            }
        }
    }
    meanings
}

/// Reports a word that the tag never shows.
fn check_word(word: &str, kind: &TagType, at: &Path, check: &mut Check<'_>) {
    let (known, allowed): (Vec<&str>, String) = match kind {
        TagType::Enum(labels) => {
            let known: Vec<&str> = labels.iter().map(|(_, label)| &**label).collect();
            if is_unlabeled(word, labels) {
                return;
            }
            let allowed = known.iter().map(|label| format!("{label}, ")).collect::<String>();
            (known, format!("{allowed}and the numbers without a label"))
        }
        TagType::Bool | TagType::Bit(_) => (vec!["true", "false"], "true, false".to_owned()),
        TagType::U8(_)
        | TagType::U16
        | TagType::U32
        | TagType::U64
        | TagType::I8(_)
        | TagType::I16
        | TagType::I32
        | TagType::I64
        | TagType::Bcd16
        | TagType::Bcd32 => {
            if word.parse::<i128>().is_ok_and(|number| number.to_string() == word) {
                return;
            }
            (Vec::new(), "whole numbers; an enum has `labels`".to_owned())
        }
        // Which texts a machine shows is known to nobody here; the others show no states, which was reported.
        TagType::Text { .. } | TagType::F32 | TagType::F64 | TagType::Bits(_) => return,
    };
    if !known.contains(&word) {
        let found =
            check.report.error(code::UNKNOWN_NAME, at, format!("the tag has no state `{word}` (allowed: {allowed})"));
        found.did_you_mean(nearest(word, known));
    }
}

/// Whether this is how a value without a label is shown: by its number.
fn is_unlabeled(word: &str, labels: &Labels) -> bool {
    word.parse::<u16>().is_ok_and(|number| number.to_string() == word && labels.get(number).is_none())
}
