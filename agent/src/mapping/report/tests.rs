//! Readings of one tag, second by second, and which of them are reported.

use std::time::Duration;

use plantlink_config::{Reporting, TagName};

use super::*;
use crate::reading::Fault;

const SECOND_US: i64 = 1_000_000;

fn rule(kind: TagType, reporting: Reporting) -> Rule {
    Rule::new(&MappedTag { reporting, ..MappedTag::announced(TagName::new("speed").unwrap(), kind) })
}

/// The places of the readings that are reported, one reading a second.
fn reported(rule: &Rule, readings: &[Quality<Value>]) -> Vec<usize> {
    let mut last = None;
    let mut places = Vec::new();
    for (second, reading) in (100..).zip(readings) {
        if rule.asks_for(reading, second * SECOND_US, last.as_ref()) {
            places.push(usize::try_from(second - 100).unwrap());
            last = Some(Report::new(reading, second * SECOND_US));
        }
    }
    places
}

fn floats(values: &[f64]) -> Vec<Quality<Value>> {
    values.iter().map(|value| Quality::Good(Value::Float(*value))).collect()
}

#[test]
fn a_number_is_reported_when_it_moved_further_than_its_deadband() {
    let absolute = Deadband::Absolute;
    let percent = Deadband::Percent;
    for (deadband, values, expected) in [
        (absolute(0.0), vec![1.0, 1.0, 1.000_000_1, 1.0], vec![0, 2, 3]),
        (absolute(0.5), vec![1.0, 1.4, 1.5, 1.6, 1.2, 1.0], vec![0, 3, 5]),
        // A step of exactly the deadband, whichever way it is rounded.
        (absolute(0.1), vec![21.5, 21.6, 21.4, 21.5, 21.61], vec![0, 4]),
        (absolute(0.1), vec![0.2, 0.3, 0.1, 0.30001], vec![0, 3]),
        // A slow drift is reported all the same.
        (absolute(1.0), vec![0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4], vec![0, 3, 6]),
        (percent(2.0), vec![100.0, 102.0, 98.0, 102.1, 104.1, 104.2], vec![0, 3, 5]),
        (percent(10.0), vec![-50.0, -55.0, -45.0, -55.5], vec![0, 3]),
        (percent(2.0), vec![0.0, 0.001, 0.001], vec![0, 1]),
        (percent(0.0), vec![5.0, 5.0, 5.1], vec![0, 2]),
    ] {
        let rule = rule(TagType::F64, Reporting { deadband, ..Reporting::default() });
        assert_eq!(reported(&rule, &floats(&values)), expected, "{deadband:?} {values:?}");
    }
}

#[test]
fn a_step_of_exactly_the_deadband_stays_one_in_single_precision() {
    let rule = rule(TagType::F32, Reporting { deadband: Deadband::Absolute(0.1), ..Reporting::default() });
    let values = [21.5_f32, 21.6, 21.5, 21.62].map(f64::from);
    assert_eq!(reported(&rule, &floats(&values)), [0, 3]);
}

#[test]
fn what_is_no_number_is_reported_when_it_changes() {
    let rule = rule(TagType::Bool, Reporting::default());
    let text = |text: &str| Quality::Good(Value::Text(text.into()));
    assert_eq!(reported(&rule, &[text("run"), text("run"), text("stop")]), [0, 2]);
    let bits = [false, false, true].map(|bit| Quality::Good(Value::Bool(bit)));
    assert_eq!(reported(&rule, &bits), [0, 2]);
}

#[test]
fn a_whole_number_beyond_the_precision_of_a_float_is_reported_when_it_changes() {
    let rule = rule(TagType::U64, Reporting::default());
    let values = [u64::MAX - 1, u64::MAX - 1, u64::MAX].map(|value| Quality::Good(Value::Unsigned(value)));
    assert_eq!(reported(&rule, &values), [0, 2]);
}

#[test]
fn two_reports_are_never_closer_than_the_least_interval_nor_further_apart_than_the_longest_silence() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (min_interval, max_silence, values, expected) in [
        (seconds(3), None, vec![1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0, 5.0], vec![0, 3, 7]),
        // What came back to where it was is no news.
        (seconds(3), None, vec![1.0, 2.0, 2.0, 1.0, 1.0], vec![0]),
        (None, seconds(3), vec![1.0; 8], vec![0, 3, 6]),
        (None, seconds(3), vec![1.0, 1.0, 2.0, 2.0, 2.0, 2.0], vec![0, 2, 5]),
        (seconds(2), seconds(2), vec![1.0, 2.0, 3.0, 3.0, 3.0], vec![0, 2, 4]),
    ] {
        let rule = rule(TagType::F64, Reporting { min_interval, max_silence, ..Reporting::default() });
        assert_eq!(reported(&rule, &floats(&values)), expected, "{min_interval:?} {max_silence:?} {values:?}");
    }
}

#[test]
fn a_tag_that_turns_bad_or_good_is_reported_whatever_its_deadband() {
    let rule = rule(TagType::F64, Reporting { deadband: Deadband::Absolute(5.0), ..Reporting::default() });
    let good = || Quality::Good(Value::Float(1.0));
    let bad = |fault| Quality::Bad(fault);
    let readings = [good(), bad(Fault::Missing), bad(Fault::Missing), bad(Fault::NotANumber), good(), good()];
    assert_eq!(reported(&rule, &readings), [0, 1, 3, 4]);
}

#[test]
fn a_clock_that_began_again_with_a_boot_keeps_nobody_waiting() {
    let reporting =
        Reporting { min_interval: Some(Duration::from_secs(60)), max_silence: None, ..Reporting::default() };
    let rule = rule(TagType::F64, reporting);
    let [first, second] = [1.0, 2.0].map(|value| Quality::Good(Value::Float(value)));
    let last = Report::new(&first, 86_400 * SECOND_US);
    assert!(rule.asks_for(&second, 5 * SECOND_US, Some(&last)));
    assert!(!rule.asks_for(&first, 5 * SECOND_US, Some(&last)), "the value is the same after a boot");
}
