//! What Odoo's owner is promised, with the real agent: each fact once, in the right record, never over a person's edit.
//!
//! Every scenario runs against the fake, and against a real server where `ODOO_URL` names one.

mod access;
mod campaign;
mod demo;
mod doubt;
mod gone_intervals;
mod plant;
mod plantfiles;
mod ready_plant;
mod reconcile;
mod records;
mod rules;
mod server;
mod shop;

use std::collections::BTreeSet;

use plant::{Plant, Setup, alarm, alarm_with, finished, flow, new_id, paused};
use plantlink_tests::client::Message;
use plantlink_tests::odoo::Fault;
use plantlink_tests::proxy::{Cut, Mode};
use serde_json::Value;
use server::{Place, Server};

use crate::plant::{LATER, SOON, entry};

#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_orders_become_one_record_each() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        let messages: Vec<Message> = (0..60).flat_map(|number| [alarm(number), finished(number)]).collect();
        plant.publish(&messages).await;
        plant.settled(120, 0).await;
        let requests = server.requests(&plant.id).await;
        assert_eq!(requests.len(), 120);

        let named = |name: &str| {
            let found = requests.iter().find(|request| request.name == format!("{} {name}", plant.id));
            found.unwrap_or_else(|| panic!("no {name} in {requests:#?}"))
        };
        let (alarm, order) = (named("E007"), named("MO/007: 40"));
        assert_eq!(alarm.priority, "2");
        assert!(alarm.description.contains("pressure &lt; 3 bar &amp; falling"), "{alarm:?}");
        assert_eq!(order.request_date, "2026-11-20");
        assert!(order.description.contains("<b>L3</b>"), "{order:?}");
        for (request, record) in [(alarm, "alarm"), (order, "order_2")] {
            let (_, event_id) = request.description.split_once('(').expect("the description ends in the event's id");
            let event_id = event_id.split(')').next().unwrap_or_default();
            let named = format!("plantlink_{}.{event_id}_{record}", plant.id).replace('-', "_");
            assert_eq!(request.external_id, named);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_record() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = with_a_lost_answer(&server).await;
        plant.cut_and_mend().await;
        plant.settled(31, 0).await;
        assert_once(&server, &plant, 31).await;
        assert!(plant.agent.terminate().await.success(), "{}", plant.agent.log_end());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_before_the_answer_makes_no_second_record() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = with_a_lost_answer(&server).await;
        plant.agent.kill();
        plant.link.set(Mode::Pass);
        plant.agent.restart();
        plant.settled(31, 0).await;
        assert_once(&server, &plant, 31).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_changed_survives_a_resend() {
    for place in Place::each() {
        let server = place.open().await;
        let plant = with_a_lost_answer(&server).await;
        let requests = server.requests(&plant.id).await;
        let changed = requests.last().expect("Odoo holds what was answered for nothing");
        let name = format!("{} as a person has it", plant.id);
        server.rename(changed, &name).await;
        plant.cut_and_mend().await;
        plant.settled(31, 0).await;
        assert_once(&server, &plant, 31).await;
        let requests = server.requests(&plant.id).await;
        let renamed = requests.iter().find(|request| request.external_id == changed.external_id);
        assert_eq!(renamed.map(|request| request.name.as_str()), Some(name.as_str()));
    }
}

/// One event has been delivered; then Odoo has committed some of thirty more, and the agent waits for an answer in vain.
async fn with_a_lost_answer(server: &Server) -> Plant<'_> {
    let mut plant = Plant::start(server).await;
    plant.publish(&[alarm(0)]).await;
    plant.settled(1, 0).await;
    plant.lose_answers();
    let messages: Vec<Message> = (1..31).map(alarm).collect();
    plant.publish(&messages).await;
    plant.held("Odoo to commit what it does not get to answer", |held| held > 1).await;
    let status = plant.agent.wait_until("all to be on disk", LATER, |status| flow(status)["matched"] == 31).await;
    assert_eq!(flow(&status)["delivered"], 1, "{status:#}");
    plant
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_a_dead_letter_with_odoos_own_sentence_and_its_neighbors_are_delivered() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        let priority = |number| if number == 17 { "urgent" } else { "1" };
        let messages: Vec<Message> = (0..40).map(|number| alarm_with(number, priority(number))).collect();
        plant.publish(&messages).await;
        plant.settled(39, 1).await;
        let flow = plant.shows("the dead letter's reason", |flow| flow["last_dead"].is_object()).await;
        assert_eq!(flow["last_dead"]["reason"], "Value 'urgent' not found in selection field 'Priority'");
        assert!(flow["paused"].is_null(), "{flow:#}");
        assert_once(&server, &plant, 39).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_pauses_until_the_right_one_is_in_its_file() {
    for place in Place::each() {
        let server = place.open().await;
        let wrong = "0123456789abcdef";
        let mut plant =
            Plant::start_with(&server, new_id(), Setup { key: Some(wrong.to_owned()), ..Setup::default() }).await;
        plant.publish(&[alarm(0), alarm(1), finished(0)]).await;
        let reason = plant.paused(3, "API key").await;
        assert!(reason.contains(&server.user.login) && reason.contains(&server.database), "{reason}");
        assert!(!plant.agent.log().contains(wrong), "the key is in the log");
        plant.set_key(&server.user.key);
        resumed(&plant, 3).await;
        assert_once(&server, &plant, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_database_pauses_and_loses_nothing_until_it_is_corrected() {
    for place in Place::each() {
        let server = place.open().await;
        let wrong = format!("no-such-{}", server.database);
        let setup = Setup { database: Some(wrong.clone()), ..Setup::default() };
        let mut plant = Plant::start_with(&server, new_id(), setup).await;
        plant.publish(&[alarm(0), alarm(1), finished(0)]).await;
        plant.paused(3, &format!("`{wrong}`")).await;
        plant.correct().await;
        resumed(&plant, 3).await;
        assert_once(&server, &plant, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_model_and_then_a_missing_right_pause_until_an_administrator_has_added_them() {
    for place in Place::each() {
        let server = place.open().await;
        let id = new_id();
        let Some(model) = server.custom_model(&id) else { continue };
        let record = format!(
            r#"
[[destination.odoo.record]]
name = "event"
on = "*"
model = "{model}"
fields = {{ x_name = "{{event_id}}" }}
"#
        );
        let mut plant = Plant::start_with(&server, id, Setup { record: Some(record), ..Setup::default() }).await;
        plant.publish(&[alarm(0), alarm(1), finished(0)]).await;
        // Odoo 18 says "doesn't exist", Odoo 19 "does not exist".
        let reason = plant.paused(3, "exist").await;
        assert!(reason.contains(&model), "{reason}");

        server.add_model(&model).await;
        let reason = plant.paused(3, "You are not allowed to create").await;
        assert!(reason.contains(&model), "{reason}");

        server.give_right(&model).await;
        resumed(&plant, 3).await;
        assert_eq!(server.count(&model).await, 3);
        server.remove_model(&model).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_grows_while_odoo_is_down_and_drains_with_nothing_twice() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        let messages: Vec<Message> = (0..400).map(alarm).collect();
        let (before, during) = messages.split_at(150);
        plant.publish(before).await;
        plant.held("Odoo to be in the middle of it", |held| held > 0).await;
        plant.link.set(Mode::Refuse);
        plant.link.cut(Cut::Reset);
        plant.publish(during).await;
        let down = plant.agent.wait_until("the backlog to grow", LATER, |status| {
            flow(status)["matched"] == 400 && entry(status, "destinations", "erp")["state"] == "down"
        });
        let status = down.await;
        assert!(flow(&status)["depth"].as_u64() >= Some(250), "{status:#}");
        plant.link.set(Mode::Pass);
        plant.settled(400, 0).await;
        let up = |status: &Value| entry(status, "destinations", "erp")["state"] == "up";
        plant.agent.wait_until("the destination to be up", SOON, up).await;
        assert_once(&server, &plant, 400).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn races_dead_workers_and_a_failing_proxy_cost_no_event_and_make_none_twice() {
    for place in Place::each() {
        let server = place.open().await;
        let faults = [
            Fault::Race,
            Fault::DeadWorker,
            Fault::LostAnswer,
            Fault::ConnectionCut,
            Fault::BadGateway,
            Fault::GatewayTimeout,
        ];
        if !server.fail_next(&faults) {
            continue;
        }
        let mut plant = Plant::start(&server).await;
        let messages: Vec<Message> = (0..100).map(alarm).collect();
        plant.publish(&messages).await;
        plant.settled(100, 0).await;
        assert_once(&server, &plant, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_record_takes_are_settled_and_counted_as_unused() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        plant.publish(&[paused(0), alarm(0), paused(1), paused(2), finished(0)]).await;
        plant.settled(5, 0).await;
        plant.shows("what is unused", |flow| flow["unused"] == 3).await;
        assert_once(&server, &plant, 2).await;
    }
}

/// The flow goes on by itself and delivers all of its events.
async fn resumed(plant: &Plant<'_>, events: u64) {
    plant.settled(events, 0).await;
    plant.shows("no pause any more", |flow| flow["paused"].is_null()).await;
}

/// Odoo holds so many requests of the plant, each under an external id of its own.
async fn assert_once(server: &Server, plant: &Plant<'_>, requests: usize) {
    let held = server.requests(&plant.id).await;
    let external_ids: BTreeSet<&str> = held.iter().map(|request| request.external_id.as_str()).collect();
    assert_eq!((held.len(), external_ids.len()), (requests, requests), "{held:#?}");
}
