//! `alarm.raised` and `alarm.cleared`: which bits, flag or number raise alarms, and which.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::alarm::{Alarm, AlarmKeys, AlarmSeverity, AlarmTable};
use super::limit::Limit;
use super::own_data::own_data;
use crate::check::Check;
use crate::interval::Interval;
use crate::items::Items;
use crate::known_tags::KnownTags;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::template::DataTemplate;

/// Alarms of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarmed {
    /// The tag that shows them.
    pub tag: TagName,
    /// How it does.
    pub shown: Shown,
    /// How long an alarm must be there to be raised; zero: what one scan shows is raised.
    pub delay: Duration,
    /// More keys of the events' `data`.
    pub data: Vec<(String, DataTemplate)>,
}

/// How a tag shows alarms.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// Each bit is an alarm, the least significant first. A bool has one.
    Bits(Vec<Alarm>),
    /// A number within limits, or not.
    Limit(Limit, Alarm),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlarmedTable {
    /// The tag each of whose bits is an alarm: of type bits, u8, u16, u32 or u64. One of `bits`, `flag` and `limit` is needed.
    bits: Option<String>,
    /// The bool tag that is one alarm while it is true.
    flag: Option<String>,
    /// The number that is an alarm while it is above `high` or below `low`.
    limit: Option<String>,
    /// What the bits mean. One that is named nowhere is a warning with the name of the bit.
    #[serde(default)]
    alarms: Items<AlarmTable>,
    /// A CSV file with a row for each bit and the keys of `alarms` as columns.
    #[expect(dead_code, reason = "its rows are read before this is, and are alarms by now")]
    alarm_sheet: Option<String>,
    /// What programs know the alarm of a flag or a limit by; the name of the tag when left out.
    code: Option<String>,
    /// What people read; the code when left out.
    text: Option<String>,
    /// How bad the alarm of a flag or a limit is.
    #[serde(default)]
    severity: AlarmSeverity,
    /// What kind of alarm it is, in words of your own.
    category: Option<String>,
    /// The most that is no alarm.
    high: Option<f64>,
    /// The least that is no alarm.
    low: Option<f64>,
    /// How far the number must come back within the limit for the alarm to be over.
    #[serde(default)]
    #[schemars(range(min = 0))]
    hysteresis: f64,
    /// How long an alarm must be there to be raised.
    #[serde(default = "Interval::zero")]
    delay: Interval,
    /// How long an alarm must stay off to be cleared. What comes again before counts as a repeat of it.
    #[serde(default = "Interval::zero")]
    hold_off: Interval,
    /// More keys of the events' data. A string is a template: `{tag}`.
    #[serde(default)]
    data: Map<String, Json>,
}

/// The keys of `alarm.raised` and `alarm.cleared` that the alarm fills.
const ALARM_KEYS: [&str; 10] =
    ["alarm_id", "code", "text", "severity", "category", "repeat_count", "raised_at", "duration_s", "value", "limit"];

/// The keys of which an alarm has one, each with those that only it has.
const SHOWN_BY: [(&str, &[&str]); 3] = [
    ("bits", &["alarms", "alarm_sheet"]),
    ("flag", &["code", "text", "severity", "category"]),
    ("limit", &["code", "text", "severity", "category", "high", "low", "hysteresis"]),
];

impl Alarmed {
    /// The names that its events need beside the tag.
    pub(super) fn beside(&self) -> Vec<&str> {
        self.data.iter().flat_map(|(_, template)| template.names()).collect()
    }

    /// The key of the events' data that holds the tag's own value.
    pub(super) fn key_of(&self, tag: &TagName) -> Option<&'static str> {
        match self.shown {
            Shown::Bits(_) => None,
            Shown::Limit(..) => (self.tag == *tag).then_some("value"),
        }
    }
}

impl AlarmedTable {
    pub(super) fn check(&self, known: &KnownTags<'_>, at: &Path, check: &mut Check<'_>) -> Option<Alarmed> {
        let one = shown_by(at, check);
        let hold_off = self.hold_off.check(&at.key("hold_off"), &mut check.report);
        let delay = self.delay.check(&at.key("delay"), &mut check.report);
        let data = own_data(&self.data, &ALARM_KEYS, "order", known, at, check);
        if !one {
            return None;
        }
        let (tag, shown) = if let Some(bits) = &self.bits {
            let (tag, names) = known.alarm_word(bits, &at.key("bits"), check)?;
            let unnamed = names.into_iter().map(|name| Alarm::unnamed(name, hold_off.unwrap_or_default())).collect();
            (tag, Shown::Bits(self.alarms(unnamed, at, check)))
        } else if let Some(flag) = &self.flag {
            let tag = known.flag(flag, &at.key("flag"), check)?;
            (tag, Shown::Bits(vec![self.alarm(flag, hold_off?, at, check)]))
        } else {
            let name = self.limit.as_ref()?;
            let tag = known.number(name, &at.key("limit"), check);
            let limit = Limit::check(self.high, self.low, self.hysteresis, at, check);
            (tag?, Shown::Limit(limit?, self.alarm(name, hold_off?, at, check)))
        };
        hold_off?;
        Some(Alarmed { tag, shown, delay: delay?, data })
    }

    /// The alarms of a word: those that are `unnamed`, and in their place what is said of them. A bit is named once.
    fn alarms(&self, unnamed: Vec<Alarm>, at: &Path, check: &mut Check<'_>) -> Vec<Alarm> {
        let mut alarms = unnamed.clone();
        let mut bits = HashMap::new();
        for (at, table) in self.alarms.iter(&at.key("alarms")) {
            let Some((bit, alarm)) = table.check(&unnamed, &at, check) else { continue };
            if check.unique(&mut bits, &format!("bit {bit}"), &at.key("bit"))
                && let Some(place) = alarms.get_mut(bit)
            {
                *place = alarm;
            }
        }
        alarms
    }

    /// The alarm of a flag or of a limit.
    fn alarm(&self, tag: &str, hold_off: Duration, at: &Path, check: &mut Check<'_>) -> Alarm {
        let keys = AlarmKeys {
            code: self.code.as_ref(),
            text: self.text.as_ref(),
            severity: self.severity,
            category: self.category.as_ref(),
        };
        keys.check(tag.into(), hold_off, at, check)
    }

    /// What has to be another one in each such event of a device, and its key: the tag of bits, the code of a limit.
    pub(super) fn sole(&self) -> Option<(&'static str, &str)> {
        let bits = self.bits.as_deref().map(|bits| ("bits", bits));
        let flag = self.flag.as_deref().map(|flag| ("flag", flag));
        let limit = || self.code.as_deref().or(self.limit.as_deref()).map(|code| ("code", code));
        bits.or(flag).or_else(limit)
    }
}

/// Whether exactly one key says how the alarms are shown, and no key is there that belongs to another.
fn shown_by(at: &Path, check: &mut Check<'_>) -> bool {
    let given: Vec<_> = SHOWN_BY.iter().filter(|(key, _)| check.has_any(at, &[*key])).collect();
    let [(key, own)] = given.as_slice() else {
        match given.as_slice() {
            [(first, _), (second, _), ..] => {
                let message = format!("`{first}` shows the alarms already (allowed: one of bits, flag, limit)");
                check.report.error(code::CONFLICT, &at.key(second), message);
            }
            _ => check.missing("bits", "alarms are shown by one of `bits`, `flag` and `limit`", at),
        }
        return false;
    };
    let foreign: BTreeSet<&str> = SHOWN_BY.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    let foreign: Vec<&str> =
        foreign.into_iter().filter(|other| !own.contains(other) && check.has_any(at, &[other])).collect();
    for other in &foreign {
        let owners = SHOWN_BY.iter().filter(|(_, keys)| keys.contains(other)).map(|(owner, _)| *owner);
        let owners: Vec<&str> = owners.collect();
        let message = format!("alarms of `{key}` have no `{other}` (it belongs to {})", owners.join(", "));
        check.report.error(code::CONFLICT, &at.key(other), message);
    }
    foreign.is_empty()
}
