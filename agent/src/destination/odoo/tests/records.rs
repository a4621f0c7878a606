//! Records that point to others, that are there already, or that several events share.

use plantlink_buffer::Stamp;
use plantlink_config::{
    Absent, Condition, EventPattern, Existing, Field, FieldValue, Find, Missing, Part, Reference, Related, Sharing,
    Template, Which,
};
use serde_json::{Map, json};
use tokio::time::sleep;

use super::scripted::*;
use super::*;
use model::Model;

/// Every record points to a work center that is searched for by the event's text.
fn pointing(missing: Missing) -> (Scripted, Odoo<Scripted>) {
    let mut record = record("request", "alarm.*", "maintenance.request");
    let text = Part::Look { up: Reference::Name("text".to_owned()), format: None };
    let find = Find::Search { model: "mrp.workcenter".to_owned(), by: "code".to_owned() };
    let related = Related { find, value: Template { parts: vec![text] }, missing };
    record.fields.push(Field { column: "workcenter_id/.id".to_owned(), value: FieldValue::Related(related) });
    odoo(vec![record])
}

#[tokio::test(start_paused = true)]
async fn what_points_to_a_record_that_is_not_there_waits_is_given_up_or_points_to_none() {
    let reason = "there is no mrp.workcenter with code = `0`".to_owned();
    for (missing, outcome, calls) in [
        (Missing::Wait, Outcome::Waits { reason: reason.clone() }, 0),
        (Missing::DeadLetter, rejected(&reason), 0),
        (Missing::Empty, Outcome::Delivered, 1),
    ] {
        let (server, mut odoo) = pointing(missing);
        assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [outcome]);
        assert_eq!(server.calls().len(), calls, "{missing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_found_is_remembered_and_what_was_not_is_looked_for_again_soon() {
    let (server, mut odoo) = pointing(Missing::Wait);
    let look = async |odoo: &mut Odoo<Scripted>, pause| {
        sleep(Duration::from_secs(pause)).await;
        let outcome = odoo.deliver(&alarms(1)).await.outcomes.remove(0);
        (outcome == Outcome::Delivered, server.look(|script| script.searches))
    };
    assert_eq!(look(&mut odoo, 0).await, (false, 1));
    server.set(|script| script.found = vec![7, 8]);
    assert_eq!(look(&mut odoo, 5).await, (false, 2), "two are as bad as none");
    server.set(|script| script.found = vec![7]);
    assert_eq!(look(&mut odoo, 1).await, (false, 2));
    assert_eq!(look(&mut odoo, 5).await, (true, 3));
    assert_eq!(look(&mut odoo, 300).await, (true, 3));
    assert_eq!(look(&mut odoo, 600).await, (true, 4));
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_that_is_there_by_what_is_unique_about_it_is_delivered() {
    let mut lot = record("lot", "alarm.*", "stock.lot");
    lot.unique = vec!["name".to_owned()];
    let (server, mut odoo) = odoo(vec![lot, record("row", "alarm.*", "x_plant_event")]);
    server.set(|script| {
        script.ahead.extend([refusal("must be unique"), refusal("must be unique")]);
        script.found = vec![7];
    });
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [Outcome::Delivered]);
    let models: Vec<String> = server.calls().into_iter().map(|(model, _)| model).collect();
    assert_eq!(models, ["stock.lot", "stock.lot", "x_plant_event"]);
}

#[tokio::test(start_paused = true)]
async fn of_events_with_one_key_the_latest_is_written_once() {
    let mut machine = record("machine", "alarm.*", "maintenance.equipment");
    let device = Part::Look { up: Reference::Name("device".to_owned()), format: None };
    machine.sharing =
        Sharing::Update { on: vec![EventPattern::new("alarm.*").unwrap()], key: Template { parts: vec![device] } };
    let (server, mut odoo) = odoo(vec![machine]);
    let calls = |server: &Scripted| server.calls().into_iter().map(|(_, rows)| rows.join(" ")).collect::<Vec<_>>();
    let newest = batch("alarm.raised", ["a", "b", "c"].map(str::to_owned));
    assert_eq!(odoo.deliver(&newest).await.outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(calls(&server), ["c"]);
    let older = batch("alarm.raised", ["d"].map(str::to_owned));
    assert_eq!(odoo.deliver(&older).await.outcomes, [Outcome::Delivered]);
    odoo.deliver(&newest).await;
    assert_eq!(calls(&server), ["c"], "neither what is older nor what is there already");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_there_already_is_waited_for_and_changed_only_while_it_may_be() {
    let mut order = record("order", "alarm.*", "mrp.workorder");
    let device = Part::Look { up: Reference::Name("device".to_owned()), format: None };
    order.sharing = Sharing::Existing {
        on: vec![EventPattern::new("alarm.*").unwrap()],
        existing: Existing {
            which: Which::Having(vec![("name".to_owned(), Template { parts: vec![device] })]),
            only_while: vec![("state".to_owned(), vec![json!("ready"), json!("progress")])],
            missing: Absent::Wait,
        },
    };
    let (server, mut odoo) = odoo(vec![order]);
    let state = |state: &str| Map::from_iter([("state".to_owned(), json!(state))]);
    let [first, second, third] = [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]]
        .map(|texts| batch("alarm.raised", texts.into_iter().map(str::to_owned)));
    server.set(|script| script.held = state("ready"));
    let outcomes = odoo.deliver(&first).await.outcomes;
    assert!(matches!(outcomes.as_slice(), [Outcome::Waits { .. }]), "{outcomes:?}");
    server.set(|script| script.found = vec![7]);
    assert_eq!(odoo.deliver(&first).await.outcomes, [Outcome::Delivered]);
    server.set(|script| script.held = state("done"));
    assert_eq!(odoo.deliver(&second).await.outcomes, vec![Outcome::Delivered; 2]);
    server.set(|script| script.held = state("progress"));
    assert_eq!(odoo.deliver(&third).await.outcomes, vec![Outcome::Delivered; 3]);
    let written: Vec<String> = server.calls().into_iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!(written, ["a", "c"], "while it is done, nothing is written");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_says_what_leaves_it_out_makes_no_record() {
    let mut left_out = record("left-out", "alarm.*", "maintenance.request");
    left_out.unless = Condition { asked: vec![(Reference::Pointer("/text".to_owned()), vec![json!("1")])] };
    let (server, mut destination) = odoo(vec![left_out]);
    destination.deliver(&alarms(3)).await;
    assert_eq!(server.calls()[0].1, ["0", "2"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_does_not_meet_the_condition_or_is_late_makes_no_record() {
    let mut asked = record("asked", "alarm.*", "maintenance.request");
    asked.when = Condition { asked: vec![(Reference::Pointer("/text".to_owned()), vec![json!("1"), json!("2")])] };
    let (server, mut destination) = odoo(vec![asked]);
    let delivery = destination.deliver(&alarms(4)).await;
    assert_eq!(delivery.outcomes, [Outcome::Unused, Outcome::Delivered, Outcome::Delivered, Outcome::Unused]);
    assert_eq!(server.calls()[0].1, ["1", "2"]);

    let mut fresh = record("fresh", "alarm.*", "maintenance.request");
    fresh.skip_after = Some(Duration::from_secs(60));
    let (_, mut destination) = odoo(vec![fresh]);
    let mut events = alarms(1);
    assert_eq!(destination.deliver(&events).await.outcomes, [Outcome::Delivered], "its clock is ahead");
    let stamp = Stamp { wall_us: 1_767_225_600_000_000, boottime_us: 0, synced: true };
    events = batch_at("alarm.raised", numbered(1), stamp);
    assert_eq!(destination.deliver(&events).await.outcomes, [Outcome::Unused]);
}

/// Every record points to an equipment by the external id that is the event's text.
fn naming() -> (Scripted, Odoo<Scripted>) {
    let mut record = record("request", "alarm.*", "maintenance.request");
    let text = Part::Look { up: Reference::Name("text".to_owned()), format: None };
    let value = FieldValue::Template(Template { parts: vec![text] });
    record.fields.insert(0, Field { column: "equipment_id/id".to_owned(), value });
    let (server, odoo) = odoo(vec![record]);
    server.set(|script| {
        let fields = json!({"equipment_id": {"type": "many2one", "relation": "maintenance.equipment"}});
        script.model = Arc::new(Model::new(&fields));
        script.refusal = Some("No matching record found for external id 'gone' in field 'Equipment'".to_owned());
        script.bad = ["gone".to_owned()].into();
    });
    (server, odoo)
}

#[tokio::test(start_paused = true)]
async fn a_row_that_names_a_record_which_is_gone_waits_with_odoos_words_and_its_neighbors_are_delivered() {
    let (server, mut odoo) = naming();
    let batch = batch("alarm.raised", ["a", "gone", "b", "gone", "gone", "c"].map(str::to_owned));
    let outcomes = odoo.deliver(&batch).await.outcomes;
    let reason = server.look(|script| script.refusal.clone()).unwrap();
    let waits = Outcome::Waits { reason };
    let delivered = Outcome::Delivered;
    assert_eq!(outcomes, [&delivered, &waits, &delivered, &waits, &waits, &delivered].map(Outcome::clone));
    let alone = server.rows_by_call().into_iter().filter(|rows| *rows == 1).count();
    assert!(alone <= 4, "what the first was refused for is not asked again: {:?}", server.calls());

    server.set(|script| script.bad.clear());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(odoo.deliver(&batch).await.outcomes, vec![Outcome::Delivered; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_refused_though_its_record_is_there_is_delivered() {
    let (server, mut odoo) = naming();
    server.set(|script| script.leads_to = Some(("maintenance.request", 1)));
    let gone = || batch("alarm.raised", ["gone".to_owned()]);
    assert_eq!(odoo.deliver(&gone()).await.outcomes, [Outcome::Delivered]);
    server.set(|script| script.refusal = Some("Value 'x' not found in selection field 'Priority'".to_owned()));
    assert_eq!(odoo.deliver(&gone()).await.outcomes, [Outcome::Delivered]);
    server.set(|script| script.leads_to = Some(("maintenance.equipment", 1)));
    assert!(matches!(odoo.deliver(&gone()).await.outcomes[..], [Outcome::Rejected(_)]), "that is another record");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_there_needs_nothing_of_what_it_points_to() {
    for missing in [Missing::Wait, Missing::DeadLetter] {
        let (server, mut odoo) = pointing(missing);
        server.set(|script| script.leads_to = Some(("maintenance.request", 1)));
        assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [Outcome::Delivered]);
        assert_eq!(server.calls(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waits_asks_once_whether_its_record_is_there() {
    let (server, mut odoo) = pointing(Missing::Wait);
    let events = alarms(1);
    for _ in 0..3 {
        assert!(odoo.deliver(&events).await.outcomes[0].waits());
    }
    assert_eq!(server.look(|script| script.references), 1);
}
