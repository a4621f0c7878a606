//! `alarm.raised` and `alarm.cleared` of a word of bits, or of a flag, which is one bit.

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_buffer::Stamp;
use plantlink_config::{Alarm, Alarmed, TagType};

use super::alarm::Phase;
use super::derived::Made;
use super::device::ScanScope;
use super::mapped::MappedDevice;
use super::{Memory, json};
use crate::reading::Value;
use crate::template;

/// The alarms of one tag, by bit.
pub(super) struct AlarmBits {
    alarmed: Alarmed,
    bits: Vec<Bit>,
    owner: String,
}

struct Bit {
    alarm: Alarm,
    /// What it is called where bits are read by their labels.
    label: Option<Arc<str>>,
    phase: Option<Phase>,
}

impl AlarmBits {
    pub(super) fn new(alarmed: &Alarmed, alarms: &[Alarm], device: &MappedDevice, memory: &Memory) -> Self {
        let owner = format!("alarm/{}/{}", device.name, alarmed.tag);
        let remembered = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let mut remembered: BTreeMap<u16, Phase> = remembered.unwrap_or_default();
        let labels = device
            .tag(&alarmed.tag)
            .and_then(|tag| if let TagType::Bits(labels) = &tag.kind { Some(labels) } else { None });
        let bits = (0..).zip(alarms).map(|(number, alarm)| Bit {
            alarm: alarm.clone(),
            label: labels.map(|labels| labels.bit(number)),
            phase: remembered.remove(&number),
        });
        AlarmBits { bits: bits.collect(), alarmed: alarmed.clone(), owner }
    }

    /// An event for each bit that became an alarm, or is none any more.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(value) = scope.value(&self.alarmed.tag) else { return };
        let mut is_new = false;
        for (number, bit) in (0..).zip(&mut self.bits) {
            let Some(is_on) = is_set(value, number, bit.label.as_ref()) else { return };
            let before = bit.phase;
            let (phase, change) = Phase::look(before, is_on, self.alarmed.delay, bit.alarm.hold_off, stamp, &made.ids);
            bit.phase = phase;
            is_new |= phase != before;
            made.events.extend(change.map(|change| {
                let (event_type, mut data) = change.told(&bit.alarm, stamp);
                data.extend(template::table(&self.alarmed.data, scope));
                (event_type.into(), data)
            }));
        }
        if is_new {
            let phases = (0_u16..).zip(&self.bits).filter_map(|(number, bit)| Some((number, bit.phase?)));
            let phases: BTreeMap<u16, Phase> = phases.collect();
            made.memory.push((self.owner.clone(), (!phases.is_empty()).then(|| json(&phases))));
        }
    }
}

/// Whether the bit is set; `None` for what is no word of bits.
fn is_set(value: &Value, number: u32, label: Option<&Arc<str>>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Unsigned(value) => Some(value.checked_shr(number).unwrap_or(0) & 1 == 1),
        Value::Labels(labels) => Some(labels.contains(label?)),
        Value::Signed(_) | Value::Float(_) | Value::Text(_) => None,
    }
}
