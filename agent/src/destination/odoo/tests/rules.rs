//! Rows that a record rule stands before: whether the user is meant or the record, by what was taken before.

use plantlink_buffer::{Confirmed, ReadError};

use super::scripted::*;
use super::*;

fn alarms_from(numbers: std::ops::Range<usize>) -> Batch {
    batch("alarm.raised", numbers.map(|number| number.to_string()))
}

fn bar(server: &Scripted, numbers: impl IntoIterator<Item = usize>) {
    server.set(|script| script.barred = numbers.into_iter().map(|number| number.to_string()).collect());
}

fn waits(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Waits { reason } if reason.contains("top-secret records"))
}

#[tokio::test(start_paused = true)]
async fn a_rule_before_every_row_pauses_after_a_few_that_wait_and_gives_none_up() {
    let (server, mut odoo) = requests();
    bar(&server, 0..100);
    let delivery = odoo.deliver(&alarms(100)).await;
    assert_eq!(delivery.outcomes.len(), 4, "{:?}", delivery.outcomes);
    assert!(delivery.outcomes.iter().all(waits), "{:?}", delivery.outcomes);
    let reason = paused(&delivery);
    assert!(reason.contains("`agent`") && reason.contains("`maintenance.request`"), "{reason}");
    assert!(reason.contains("group") && reason.contains("top-secret records"), "{reason}");

    let probe = odoo.deliver(&alarms_from(4..5)).await;
    assert_eq!((probe.outcomes.len(), paused(&probe)), (0, paused(&delivery)));
    bar(&server, []);
    assert_eq!(odoo.deliver(&alarms(100)).await.outcomes, vec![Outcome::Delivered; 100]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_before_single_records_stops_no_other_though_they_come_first() {
    let (server, mut odoo) = requests();
    bar(&server, [0, 1, 40]);
    server.set(|script| script.may = true);
    let delivery = odoo.deliver(&alarms(100)).await;
    assert!(delivery.rest.is_ok(), "{:?}", delivery.rest);
    for (number, outcome) in delivery.outcomes.iter().enumerate() {
        let is_right = match number {
            0 | 1 => waits(outcome),
            40 => *outcome == rejected("top-secret records"),
            _ => *outcome == Outcome::Delivered,
        };
        assert!(is_right, "event {number}: {outcome:?}");
    }
    // What has waited is seen for what it is.
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [rejected("top-secret records")]);
}

#[tokio::test(start_paused = true)]
async fn after_a_record_was_taken_one_call_shows_whether_the_right_is_gone_or_the_record_is_another_s() {
    let (server, mut odoo) = requests();
    odoo.deliver(&alarms(1)).await;
    bar(&server, 1..100);
    let calls = server.calls().len();
    let delivery = odoo.deliver(&alarms_from(1..100)).await;
    assert_eq!(delivery.outcomes, []);
    assert!(paused(&delivery).contains("record rule"));
    assert_eq!(server.calls().len(), calls + 1);

    server.set(|script| script.may = true);
    assert_eq!(odoo.deliver(&alarms_from(1..4)).await.outcomes, vec![rejected("top-secret records"); 3]);
}

/// Holds one record from before the start.
struct OneRecord;

impl Shelf for OneRecord {
    fn put(&self, _: Vec<Confirmed>) {}

    fn read(&self, each: &mut dyn FnMut(Confirmed)) -> Result<(), ReadError> {
        each(Confirmed { event_id: [7; 16], record: Arc::from("request"), id: Some(12), at_us: 0 });
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_before_the_start_shows_it_too() {
    let (server, mut odoo) = requests_on(Arc::new(OneRecord));
    bar(&server, [0]);
    server.set(|script| script.may = true);
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [rejected("top-secret records")]);
}
