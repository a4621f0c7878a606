//! Record rules: a user who lacks a group pauses the flow, and a record that is somebody else's becomes a dead letter.

use plantlink_tests::client::Message;
use plantlink_tests::odoo::{ADMINISTRATOR, LOGIN, Language, Version};
use serde_json::json;

use super::plant::{Plant, Setup, flow, new_id};
use super::resumed;
use super::server::{Place, Server};
use crate::plant::LATER;

/// One request for each alarm, with the owner that the alarm names.
const OWNED: &str = r#"
[[destination.odoo.record]]
name = "alarm"
on = "alarm.raised"
model = "maintenance.request"
fields = { name = "{plant} {alarm_id}", "owner_user_id/.id" = "{owner}" }
"#;

/// Nobody's where the owner is missing.
fn of(owner: Option<i64>, number: usize) -> Message {
    let alarm = json!({
        "alarm_id": format!("alarm-{number}"), "code": "E1", "text": "oil is low", "severity": "fault", "repeat_count": 0,
        "owner": owner,
    });
    Message::new("mes/L3/alarms", alarm.to_string())
}

async fn plant(server: &Server) -> Plant<'_> {
    if let Some(fake) = server.fake() {
        fake.database(|db| {
            for login in [ADMINISTRATOR, LOGIN] {
                let id = db.user_id(login).expect("a user of the lab");
                db.set_next_id("res.users", id);
                db.insert("res.users", None, [("login", json!(login))]);
            }
        });
    }
    Plant::start_with(server, new_id(), Setup { record: Some(OWNED.to_owned()), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_group_pauses_the_flow_and_with_it_everything_is_delivered() {
    for place in Place::each() {
        for (version, language) in [
            (Version::Eighteen, Language::English),
            (Version::Eighteen, Language::German),
            (Version::Nineteen, Language::English),
        ] {
            let server = place.open().await;
            if let Some(fake) = server.fake() {
                fake.set_manners(|manners| manners.version = version);
            } else if (version, language) != (Version::Eighteen, Language::English) {
                // A real server has the version that it has, and its user a language.
                continue;
            }
            let Some(barred) = server.bar_from_requests_of_others(language).await else { continue };
            let mut plant = plant(&server).await;
            let alarms: Vec<Message> = (0..30).map(|number| of(None, number)).collect();
            plant.publish(&alarms).await;
            let reason = plant.paused(30, "record rule").await;
            assert!(reason.contains("`maintenance.request`") && reason.contains("Equipment Manager"), "{reason}");

            barred.lift().await;
            resumed(&plant, 30).await;
            assert_eq!(server.requests(&plant.id).await.len(), 30);
            barred.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_somebody_else_s_is_a_dead_letter_wherever_it_stands_and_the_flow_goes_on() {
    for place in Place::each() {
        let server = place.open().await;
        let Some(barred) = server.bar_from_requests_of_others(Language::English).await else { continue };
        let (own, other) =
            (Some(barred.owner), Some(server.user_id(&server.administrator().expect("one").login).await));
        let mut plant = plant(&server).await;
        // Where nothing was ever taken, the first wait until something is.
        plant.publish(&[of(other, 0), of(other, 1)]).await;
        plant.shows("both to wait", |flow| flow["waiting"] == 2).await;
        plant.publish(&[of(own, 2), of(own, 3), of(other, 4), of(own, 5)]).await;
        plant.settled(3, 3).await;
        // One alone, and one alone after a start.
        plant.publish(&[of(other, 6)]).await;
        plant.settled(3, 4).await;
        plant.agent.kill();
        plant.agent.restart();
        plant.publish(&[of(other, 7)]).await;
        plant.settled(3, 5).await;
        plant.publish(&[of(own, 8)]).await;
        plant.settled(4, 5).await;
        let status = plant.agent.wait_until("a status", LATER, |_| true).await;
        let reason = flow(&status)["last_dead"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("(maintenance.request)"), "{reason}");
        assert_eq!(server.requests(&plant.id).await.len(), 4);
        barred.end().await;
    }
}
