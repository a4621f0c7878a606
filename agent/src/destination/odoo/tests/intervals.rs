//! Intervals: ended where their record is by then, and their ends found in the logs.

use std::collections::HashSet;

use plantlink_buffer::{
    Append, Buffer, Durability, Event, EventTime, FlowSpec, Options, Refusal, Routed, Settle, Settled, Stamp, Work,
};
use plantlink_config::{EventPattern, Field, FieldValue, Part, Record, Reference, Sharing, Template};
use serde_json::{Map, json};

use super::super::ends::Ends;
use super::scripted::*;
use super::*;

/// One record for each text, from `alarm.raised` to `alarm.cleared`, which writes a state.
fn interval() -> Record {
    let is = |event_type| vec![EventPattern::new(event_type).unwrap()];
    let text = Part::Look { up: Reference::Name("text".to_owned()), format: None };
    let state = FieldValue::Template(Template { parts: vec![Part::Text("done".to_owned())] });
    let sharing = Sharing::Interval {
        open: is("alarm.raised"),
        close: is("alarm.cleared"),
        key: Template { parts: vec![text] },
        close_fields: vec![Field { column: "state".to_owned(), value: state }],
    };
    Record { sharing, ..record("alarm", "alarm.raised", "maintenance.request") }
}

#[tokio::test(start_paused = true)]
async fn an_interval_is_ended_in_its_own_record_unless_that_was_changed_since() {
    let request = "maintenance.request";
    let (at_first, later) = ("2026-11-20 08:00:00", "2026-11-21 08:00:00");
    // When what has the old id by then was made, where the external id leads, and what is written to.
    for (made_at, leads_to, state, written) in [
        (None, Some((request, 2)), "new", vec!["2"]),
        (None, Some((request, 2)), "another", vec![]),
        (None, Some(("maintenance.equipment", 2)), "new", vec![]),
        (None, None, "new", vec![]),
        (Some(later), Some((request, 2)), "new", vec!["2"]),
        (Some(later), None, "new", vec![]),
        (Some(at_first), None, "new", vec!["1"]),
    ] {
        let (server, mut odoo) = odoo(vec![interval()]);
        let holds = |state, made_at| {
            let values = [("state", state), ("create_date", made_at)];
            Map::from_iter(values.map(|(field, value)| (field.to_owned(), json!(value))))
        };
        server.set(|script| script.held = holds("new", at_first));
        let begun = odoo.deliver(&batch("alarm.raised", ["a".to_owned()])).await;
        assert_eq!(begun.outcomes, [Outcome::Delivered]);
        server.set(|script| {
            script.ids.clear();
            script.gone = made_at.is_none().then_some(1).into_iter().collect();
            script.leads_to = leads_to;
            script.held = holds(state, made_at.unwrap_or(later));
        });
        let ended = odoo.deliver(&batch("alarm.cleared", ["a".to_owned()])).await;
        assert_eq!(ended.outcomes, [Outcome::Delivered]);
        assert_eq!(server.look(|script| script.ids.clone()), written, "{made_at:?} {leads_to:?} {state}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_ends_in_one_batch_the_first_counts() {
    let (server, mut odoo) = odoo(vec![interval()]);
    odoo.deliver(&batch("alarm.raised", ["a".to_owned()])).await;
    server.set(|script| script.ids.clear());
    let ended = odoo.deliver(&batch("alarm.cleared", ["a", "a"].map(str::to_owned))).await;
    assert_eq!(ended.outcomes, vec![Outcome::Delivered; 2]);
    assert_eq!(server.look(|script| script.ids.clone()), ["1"]);
}

#[test]
fn the_end_of_an_interval_is_the_first_in_any_flow_that_was_not_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let specs = ["begins", "ends"].map(|name| FlowSpec { name: name.to_owned(), was: None });
    let options = Options {
        flows: specs.to_vec(),
        boot_id: "boot".to_owned(),
        bytes_max: 100_000_000,
        keep_delivered: Duration::from_hours(1),
    };
    let mut buffer = Buffer::open(&directory.path().join("buffer.db"), &options).unwrap();
    let flows: Vec<_> = buffer.flows().iter().map(|flow| (flow.id, Name::new(&flow.name).unwrap())).collect();
    let [begins, ends] = [flows[0].0, flows[1].0];
    let mut apply = |work| buffer.apply([&work], Durability::Synced).unwrap();
    let said = [
        (ends, "alarm.cleared", "before its begin"),
        (begins, "alarm.raised", "before its begin"),
        (begins, "alarm.raised", "open"),
        (ends, "alarm.cleared", "refused at first"),
        (ends, "alarm.cleared", "twice"),
        (begins, "alarm.cleared", "twice"),
        (begins, "alarm.cleared", "beside its begin"),
        (ends, "alarm.cleared", "refused at first"),
        (ends, "alarm.cleared", "another"),
    ];
    let routed = said.into_iter().zip(1..).map(|((flow, event_type, text), at): (_, i64)| {
        let event = Event {
            id: Uuid::from_u128(at as u128).into_bytes(),
            event_type: event_type.into(),
            source: "press-12".into(),
            at: EventTime::Own,
            stamp: Stamp { wall_us: at, boottime_us: at, synced: true },
            data: json!({ "text": text }).to_string().into_bytes(),
            metadata: Vec::new(),
        };
        Routed { event, flows: [flow].into() }
    });
    apply(Work::Append(Append { events: routed.collect(), ..Append::default() }));
    let refusal = Refusal { code: "refused".to_owned(), reason: "no".to_owned() };
    let dead = Settled::Dead { attempts: 1, refusal, at_us: 9 };
    apply(Work::Settle(Settle { flow: ends, from: 1, outcomes: vec![(1, Settled::Delivered), (2, dead)] }));

    let asked =
        ["before its begin", "open", "refused at first", "twice", "beside its begin"].map(|key| (0, key.to_owned()));
    let site =
        Arc::new(Site { plant: Name::new("mill-07").unwrap(), gateway: Name::new("gw").unwrap(), epoch: Uuid::nil() });
    let mappings = [Mapping::new(&interval())].into();
    let wanted = Ends { site, mappings, intervals: HashSet::from(asked) };
    let found = wanted.find(&flows, &mut buffer.reader().unwrap()).unwrap();
    let found: Vec<_> = found.iter().map(|place| (place.flow, place.sequence)).collect();
    assert_eq!(found, [(begins, 4), (ends, 1), (ends, 3), (ends, 4)]);
}
