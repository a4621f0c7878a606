//! One alarm: what it is called, how bad it is, and when it counts as raised and cleared.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::interval::Interval;
use crate::path::Path;
use crate::report::code;

/// One alarm of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What programs know it by.
    pub code: Arc<str>,
    /// What people read.
    pub text: Arc<str>,
    /// How bad it is.
    pub severity: AlarmSeverity,
    /// What kind of alarm it is, in the plant's own words.
    pub category: Option<Arc<str>>,
    /// How long it must stay off to be cleared; zero: it is cleared as soon as it is off.
    pub hold_off: Duration,
}

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlarmSeverity {
    /// Good to know.
    Info,
    /// Something will go wrong.
    #[default]
    Warning,
    /// Something went wrong.
    Fault,
    /// People or the machine are in danger.
    Critical,
}

/// One alarm of a word of bits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlarmTable {
    /// Its bit, 0 the least significant.
    #[schemars(required, range(max = 63))]
    bit: Option<u8>,
    /// What programs know the alarm by; the name of its bit when left out.
    code: Option<String>,
    /// What people read; the code when left out.
    text: Option<String>,
    /// How bad it is.
    #[serde(default)]
    severity: AlarmSeverity,
    /// What kind of alarm it is, in words of your own.
    category: Option<String>,
    /// How long the alarm must stay off to be cleared, in place of the event's.
    hold_off: Option<Interval>,
}

/// The keys that say what an alarm is.
pub(super) struct AlarmKeys<'a> {
    pub(super) code: Option<&'a String>,
    pub(super) text: Option<&'a String>,
    pub(super) severity: AlarmSeverity,
    pub(super) category: Option<&'a String>,
}

impl AlarmSeverity {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Fault => "fault",
            Self::Critical => "critical",
        }
    }
}

impl Alarm {
    /// An alarm of which nothing is known but what its bit is called.
    pub(super) fn unnamed(name: Arc<str>, hold_off: Duration) -> Self {
        Self { code: name.clone(), text: name, severity: AlarmSeverity::default(), category: None, hold_off }
    }
}

impl AlarmTable {
    /// Its bit, and what its table says of the alarm that is known as `unnamed` otherwise.
    pub(super) fn check(&self, unnamed: &[Alarm], at: &Path, check: &mut Check<'_>) -> Option<(usize, Alarm)> {
        let bit = usize::from(self.bit?);
        let Some(unnamed) = unnamed.get(bit) else {
            let message = format!("{bit} is no bit of the word (allowed: 0 to {})", unnamed.len().saturating_sub(1));
            check.report.error(code::OUT_OF_RANGE, &at.key("bit"), message);
            return None;
        };
        let hold_off = self.hold_off.as_ref().map(|own| own.check(&at.key("hold_off"), &mut check.report));
        let hold_off = hold_off.unwrap_or(Some(unnamed.hold_off));
        let keys = AlarmKeys {
            code: self.code.as_ref(),
            text: self.text.as_ref(),
            severity: self.severity,
            category: self.category.as_ref(),
        };
        Some((bit, keys.check(unnamed.code.clone(), hold_off?, at, check)))
    }
}

impl AlarmKeys<'_> {
    /// The alarm of something with this name.
    pub(super) fn check(&self, name: Arc<str>, hold_off: Duration, at: &Path, check: &mut Check<'_>) -> Alarm {
        let mut filled = |key, text| check.filled(text, &at.key(key)).map(Arc::<str>::from);
        let code = filled("code", self.code).unwrap_or(name);
        let text = filled("text", self.text).unwrap_or_else(|| code.clone());
        Alarm { text, severity: self.severity, category: filled("category", self.category), hold_off, code }
    }
}
