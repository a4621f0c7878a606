//! Alarms of words, flags and numbers.

use std::sync::Arc;

use plantlink_config::{
    Alarm, AlarmSeverity, Alarmed, DataTemplate, Derivation, Labels, Limit, Shown, TagName, TagType, Template,
};
use serde_json::{Value, json};

use super::states::{machine, shown, silenced};
use super::*;
use crate::reading::{self, Fault, Quality};

fn alarm(code: &str, hold_off_s: u64) -> Alarm {
    Alarm {
        code: code.into(),
        text: format!("{code} is there").into(),
        severity: AlarmSeverity::Fault,
        category: Some("hydraulics".into()),
        hold_off: Duration::from_secs(hold_off_s),
    }
}

/// Alarms of a word of 16 bits.
pub(super) fn word(delay_s: u64, hold_off_s: u64) -> Alarmed {
    Alarmed {
        tag: TagName::new("alarms").unwrap(),
        shown: Shown::Bits((0..16).map(|bit| alarm(&format!("E{bit}"), hold_off_s)).collect()),
        delay: Duration::from_secs(delay_s),
        data: vec![("order".into(), DataTemplate::Template(Template::new("{order_no}").unwrap()))],
    }
}

/// The limits 2 and 8 of the speed.
pub(super) fn limited(delay_s: u64) -> Alarmed {
    let limit = Limit { high: Some(8.0), low: Some(2.0), hysteresis: 1.0 };
    Alarmed { tag: TagName::new("speed").unwrap(), shown: Shown::Limit(limit, alarm("speed", 0)), ..word(delay_s, 0) }
}

fn mapper(alarmed: Alarmed) -> LineMapper {
    LineMapper::new(
        &plant(),
        &machine(vec![Derivation::Alarmed(alarmed)]),
        Duration::ZERO,
        &Memory::new(),
        &FreshIds::ByChance,
    )
}

/// The events of one scan, but for those of the device itself.
fn told(mapper: &mut LineMapper, scan: Scan) -> Vec<(String, Value)> {
    let events = events(&mapper.map(scan, Ack::none())).into_iter();
    events.filter(|(kind, _)| !kind.starts_with("device.")).collect()
}

#[test]
fn each_bit_is_an_alarm_that_is_raised_and_cleared_under_one_id() {
    let mut mapper = mapper(word(0, 0));
    assert_eq!(told(&mut mapper, shown(1, "run", 0, 5.0)), []);
    let raised = told(&mut mapper, shown(2, "run", 0b1001, 5.0));
    let [(kind, first), (_, second)] = raised.as_slice() else { panic!("{raised:?}") };
    assert_eq!((kind.as_str(), &second["code"]), ("alarm.raised", &json!("E3")));
    let alarm_id = first["alarm_id"].clone();
    assert_eq!(
        *first,
        json!({
            "alarm_id": alarm_id, "code": "E0", "text": "E0 is there", "severity": "fault", "category": "hydraulics",
            "repeat_count": 0, "order": "42",
        })
    );
    assert_eq!(told(&mut mapper, shown(3, "run", 0b1001, 5.0)), []);
    let cleared = json!({
        "alarm_id": alarm_id, "code": "E0", "text": "E0 is there", "raised_at": "1970-01-01T00:00:02Z",
        "duration_s": 3.0, "repeat_count": 0, "order": "42",
    });
    assert_eq!(told(&mut mapper, shown(5, "run", 0b1000, 5.0)), [("alarm.cleared".to_owned(), cleared)]);
}

#[test]
fn the_bits_of_a_word_with_labels_are_known_by_these() {
    let mut line = machine(vec![Derivation::Alarmed(word(0, 0))]);
    tag_mut(&mut line, 4).kind = TagType::Bits(Labels::from_iter([(3, "guard open")]));
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let mut scan = shown(1, "run", 0, 5.0);
    let set: Vec<Arc<str>> = vec!["guard open".into(), "bit7".into()];
    scan.readings[4].value = Quality::Good(reading::Value::Labels(set));
    let codes: Vec<Value> = told(&mut mapper, scan).iter().map(|(_, data)| data["code"].clone()).collect();
    assert_eq!(codes, [json!("E3"), json!("E7")]);
}

#[test]
fn alarms_stay_raised_while_the_device_is_silent_or_the_word_is_bad() {
    let mut mapper = mapper(word(0, 0));
    assert_eq!(told(&mut mapper, shown(1, "run", 1, 5.0)).len(), 1);
    assert_eq!(told(&mut mapper, silenced(2)), []);
    assert_eq!(told(&mut mapper, shown(3, "run", 1, 5.0)), []);
    let mut bad = shown(4, "run", 0, 5.0);
    bad.readings[4].value = Quality::Bad(Fault::Missing);
    assert_eq!(told(&mut mapper, bad), []);
    let cleared = told(&mut mapper, shown(5, "run", 0, 5.0));
    assert_eq!(cleared.iter().map(|(_, data)| &data["duration_s"]).collect::<Vec<_>>(), [4.0]);
}

#[test]
fn a_flag_is_an_alarm_while_it_is_true() {
    let flag = Alarmed { shown: Shown::Bits(vec![alarm("guard", 0)]), ..word(0, 0) };
    let mut line = machine(vec![Derivation::Alarmed(flag)]);
    tag_mut(&mut line, 4).kind = TagType::Bit(3);
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let kinds: Vec<String> = (1..)
        .zip([false, true, true, false])
        .flat_map(|(second, flag)| {
            let mut scan = shown(second, "run", 0, 5.0);
            scan.readings[4].value = Quality::Good(reading::Value::Bool(flag));
            told(&mut mapper, scan)
        })
        .map(|(kind, data)| format!("{kind} {}", data["code"]))
        .collect();
    assert_eq!(kinds, [r#"alarm.raised "guard""#, r#"alarm.cleared "guard""#]);
}

#[test]
fn a_number_beyond_its_limit_is_an_alarm_until_it_is_back_by_the_hysteresis() {
    let mut mapper = mapper(limited(0));
    let speeds = [5.0, 8.0, 9.0, 7.5, 7.0, 1.0, 2.5, 3.0];
    let told: Vec<String> = (1..)
        .zip(speeds)
        .flat_map(|(second, speed)| told(&mut mapper, shown(second, "run", 0, speed)))
        .map(|(kind, data)| format!("{kind} {} {}", data["value"], data["limit"]))
        .collect();
    assert_eq!(
        told,
        ["alarm.raised 9.0 8.0", "alarm.cleared 7.0 8.0", "alarm.raised 1.0 2.0", "alarm.cleared 3.0 2.0"]
    );
}
