//! Records that several events share, and records that point to others: nobody's change is overwritten, nothing is doubled.

use plantlink_buffer::Reader;
use plantlink_tests::client::Message;
use plantlink_tests::proxy::Mode;
use plantlink_tests::wait;
use serde_json::json;
use uuid::Uuid;

use super::plant::{Plant, Setup, alarm, finished, flow, new_id, paused};
use super::server::{Place, Server};
use crate::plant::{FINISHED, LATER, SOON};

/// One request for each order: made when the order pauses, written to when it is finished.
pub(super) const INTERVAL: &str = r#"
[[destination.odoo.record]]
name = "pause"
open = "workorder.paused"
close = "workorder.finished"
key = "{order}"
model = "maintenance.request"
fields = { name = "{plant} {order}", priority = "2" }
close_fields = { priority = "0" }
"#;

/// One request for each line, in step with its latest alarm.
const IN_STEP: &str = r#"
[[destination.odoo.record]]
name = "line"
on = "alarm.raised"
mode = "update"
key = "{line}"
model = "maintenance.request"
fields = { name = "{plant} {line}", priority = "{priority}" }
"#;

/// An alarm of a line: its last level is the priority.
fn raised(number: usize, priority: &str) -> Message {
    let alarm = json!({
        "alarm_id": format!("alarm-{number}"), "code": "E1", "text": "oil is low", "severity": "fault", "repeat_count": 0,
        "line": "L3", "priority": priority, "machine": "none",
    });
    Message::new("mes/L3/alarms", alarm.to_string())
}

pub(super) async fn plant<'a>(server: &'a Server, record: &str) -> Plant<'a> {
    Plant::start_with(server, new_id(), Setup { record: Some(record.to_owned()), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_is_one_record_and_ended_once_over_a_kill_and_a_cut() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, INTERVAL).await;
        plant.publish(&[paused(0), finished(0)]).await;
        plant.settled(2, 0).await;
        plant.lose_answers();
        let messages: Vec<Message> = (1..20).flat_map(|number| [paused(number), finished(number)]).collect();
        plant.publish(&messages).await;
        plant.agent.wait_until("all to be on disk", LATER, |status| flow(status)["matched"] == 40).await;
        plant.agent.kill();
        plant.link.set(Mode::Pass);
        plant.agent.restart();
        plant.settled(40, 0).await;
        let requests = server.requests(&plant.id).await;
        assert_eq!(requests.len(), 20, "{requests:#?}");
        assert!(requests.iter().all(|request| request.priority == "0"), "{requests:#?}");

        plant.lose_answers();
        plant.publish(&[paused(20), finished(20)]).await;
        plant.agent.wait_until("all to be on disk", LATER, |status| flow(status)["matched"] == 42).await;
        plant.cut_and_mend().await;
        plant.settled(42, 0).await;
        let requests = server.requests(&plant.id).await;
        assert_eq!(requests.len(), 21, "{requests:#?}");
        assert!(requests.iter().all(|request| request.priority == "0"), "{requests:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_comes_before_its_begin_waits_for_it_and_over_a_kill() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, INTERVAL).await;
        plant.publish(&[finished(1)]).await;
        plant.settled(1, 0).await;
        assert_eq!(server.requests(&plant.id).await.len(), 0);
        plant.agent.kill();
        plant.agent.restart();
        plant.publish(&[paused(1)]).await;
        plant.settled(2, 0).await;
        let requests = server.requests(&plant.id).await;
        assert_eq!((requests.len(), requests[0].priority.as_str()), (1, "0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_ended_stays_as_the_person_left_it() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, INTERVAL).await;
        plant.publish(&[paused(1), paused(2)]).await;
        plant.settled(2, 0).await;
        server.edit(&server.requests(&plant.id).await[0], "priority", "3").await;
        plant.publish(&[finished(1), finished(2)]).await;
        plant.settled(4, 0).await;
        let left: Vec<String> = server.requests(&plant.id).await.into_iter().map(|request| request.priority).collect();
        assert_eq!(left, ["3", "0"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_imported_under_an_intervals_id_is_not_overwritten() {
    for place in Place::each() {
        let server = place.open().await;
        let record = INTERVAL.replace("workorder.paused", "alarm.raised").replace("{order}", "{alarm_id}");
        let mut plant = plant(&server, &record).await;
        let name = format!("{} as a person has it", plant.id);
        server.import(&format!("plantlink_{}.pause_alarm_7", plant.id.replace('-', "_")), &name).await;
        plant.publish(&[alarm(7), alarm(8)]).await;
        plant.settled(2, 0).await;
        let names: Vec<String> = server.requests(&plant.id).await.into_iter().map(|request| request.name).collect();
        assert_eq!(names, [name, format!("{} alarm-8", plant.id)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_in_step_is_one_and_a_person_keeps_what_the_agent_does_not_write() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = plant(&server, IN_STEP).await;
        plant.publish(&[raised(1, "1"), raised(2, "3")]).await;
        plant.settled(2, 0).await;
        let requests = server.requests(&plant.id).await;
        assert_eq!((requests.len(), requests[0].priority.as_str()), (1, "3"), "{requests:#?}");
        server.edit(&requests[0], "description", "a person's words").await;
        server.edit(&requests[0], "priority", "0").await;
        plant.agent.kill();
        plant.agent.restart();
        // Nothing has changed for the agent: it writes nothing over the person's priority.
        plant.publish(&[raised(3, "3")]).await;
        plant.settled(3, 0).await;
        assert_eq!(server.requests(&plant.id).await[0].priority, "0");
        plant.publish(&[raised(4, "2")]).await;
        plant.settled(4, 0).await;
        let requests = server.requests(&plant.id).await;
        assert_eq!((requests.len(), requests[0].priority.as_str()), (1, "2"));
        assert!(requests[0].description.contains("a person's words"), "{requests:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_points_to_a_missing_record_waits_alone_and_goes_on_when_it_is_there() {
    for place in Place::each() {
        let server = place.open().await;
        let record = r#"
            [[destination.odoo.record]]
            name = "alarm"
            on = "alarm.raised"
            model = "maintenance.request"

            [destination.odoo.record.fields]
            name = "{plant} {alarm_id}"
            equipment_id = { find = "maintenance.equipment", by = "name", value = "{plant} {machine}", missing = "wait" }

            [[destination.odoo.record]]
            name = "order"
            on = "workorder.*"
            model = "maintenance.request"
            fields = { name = "{plant} {order}" }
        "#;
        let mut plant = plant(&server, record).await;
        plant.publish(&[finished(1), raised(1, "1"), raised(2, "1"), finished(2)]).await;
        let waiting = plant
            .shows("two events to wait", |flow| {
                (flow["waiting"] == 2 && flow["delivered"] == 2) && flow["last_waiting"].is_object()
            })
            .await;
        assert_eq!(waiting["depth"], 2, "{waiting:#}");
        assert!(waiting["last_waiting"]["reason"].as_str().is_some_and(|why| why.contains("none")), "{waiting:#}");
        assert_eq!(server.requests(&plant.id).await.len(), 2);
        let mut file = Reader::open(&plant.agent.path("buffer.db")).expect("the buffer");
        let flow = file.flows().expect("its flows").into_iter().find(|flow| flow.waiting > 0).expect("one that waits");
        let parked = file.waiting(flow.id, 0, 1).expect("what waits").pop().expect("an event");
        let trail = plant.agent.run(&["why", &Uuid::from_bytes(parked.event.id).to_string(), "--json"]).json();
        let found = &trail["found"][0];
        assert_eq!((&found["stage"], &found["sequence"]), (&json!("aside"), &json!(parked.sequence)), "{trail:#}");
        assert!(found["held_up_by"].as_str().is_some_and(|why| why.contains("none")), "{trail:#}");
        let mut events = file.read(flow.id, 1, 10, usize::MAX).expect("the log").into_iter();
        let order = events.find(|stored| &*stored.event.event_type == FINISHED).expect("an order");
        let order = Uuid::from_bytes(order.event.id).to_string();
        let confirmed = wait::until("what was confirmed to be written down", SOON, async || {
            let trail = plant.agent.run(&["why", &order, "--json"]).json();
            trail["confirmed"].get(0).cloned()
        });
        assert_eq!(confirmed.await["record"], "order");
        plant.agent.kill();
        plant.agent.restart();
        if server.add_equipment(&format!("{} none", plant.id)).await {
            plant.settled(4, 0).await;
            assert_eq!(server.requests(&plant.id).await.len(), 4);
        }
    }
}
