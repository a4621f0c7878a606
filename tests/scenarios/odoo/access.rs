//! How the agent comes in: over either API, with a key that is wrong, replaced or about to end, and past pages for people.

use plantlink_tests::client::Message;
use plantlink_tests::odoo::{Fault, LOGIN, Odoo, Page, Version};
use plantlink_tests::wait;

use super::plant::{Plant, Setup, alarm, finished, flow, new_id};
use super::server::{Place, Server};
use super::{assert_once, resumed};
use crate::plant::{LATER, SOON, entry};

fn fake(server: &Server) -> &Odoo {
    server.fake().expect("this scenario is the fake's")
}

#[tokio::test(flavor = "multi_thread")]
async fn over_json_2_each_event_becomes_one_record_through_races_dead_workers_and_a_failing_proxy() {
    let server = Place::nineteen().await;
    let faults = [Fault::Race, Fault::DeadWorker, Fault::LostAnswer, Fault::ConnectionCut, Fault::GatewayTimeout];
    server.fail_next(&faults);
    let mut plant = Plant::start(&server).await;
    let messages: Vec<Message> = (0..60).flat_map(|number| [alarm(number), finished(number)]).collect();
    plant.publish(&messages).await;
    plant.settled(120, 0).await;
    assert_once(&server, &plant, 120).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_agent_out_is_said_before_there_is_any_event_and_ends_when_the_key_is_replaced() {
    for version in [Version::Eighteen, Version::Nineteen] {
        let server = Place::Fake.open().await;
        fake(&server).set_manners(|manners| manners.version = version);
        let wrong = "0123456789abcdef0123456789abcdef01234567";
        let setup = Setup { key: Some(wrong.to_owned()), ..Setup::default() };
        let mut plant = Plant::start_with(&server, new_id(), setup).await;
        let reason = plant.paused(0, "API key").await;
        assert!(reason.contains(&server.user.login) && reason.contains(&server.database), "{reason}");
        plant.set_key(&server.user.key);
        plant.shows("no pause any more", |flow| flow["paused"].is_null()).await;
        plant.publish(&[alarm(0)]).await;
        plant.settled(1, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_replaced_in_its_file_is_taken_up_without_a_pause() {
    let server = Place::nineteen().await;
    let mut plant = Plant::start(&server).await;
    plant.publish(&[alarm(0)]).await;
    plant.settled(1, 0).await;
    plant.set_key("renewed");
    fake(&server).database(|db| db.set_key(LOGIN, "renewed"));
    plant.publish(&[alarm(1)]).await;
    plant.settled(2, 0).await;
    assert!(!plant.agent.log().contains("refuses us"), "{}", plant.agent.log_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_soon_is_announced_in_the_status_and_once_in_the_log() {
    let server = Place::nineteen().await;
    fake(&server).database(|db| db.set_key_expiry(LOGIN, "2000-01-02 03:04:05"));
    let mut plant = Plant::start(&server).await;
    plant.publish(&[alarm(0), alarm(1)]).await;
    plant.settled(2, 0).await;
    let known = plant
        .agent
        .wait_until("the key's end", SOON, |status| entry(status, "destinations", "erp")["expires"]["soon"] == true);
    let status = known.await;
    let expires = &entry(&status, "destinations", "erp")["expires"];
    assert!(expires["at"].as_str().is_some_and(|at| at.starts_with("2000-01-02T03:04:05")), "{expires}");
    wait::until("the warning", SOON, async || plant.agent.log().contains("expires soon").then_some(())).await;
    assert_eq!(plant.agent.log().matches("expires soon").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_and_a_maintenance_page_are_no_answers_and_are_waited_out() {
    let server = Place::nineteen().await;
    let mut plant = Plant::start(&server).await;
    for (page, words) in [(Page::Login, "redirects to /web/login"), (Page::Maintenance, "with a page")] {
        fake(&server).set_manners(|manners| manners.page = Some(page));
        let before = flow(&plant.agent.wait_until("a status", SOON, |_| true).await)["delivered"].as_u64();
        let before = usize::try_from(before.unwrap_or_default()).unwrap_or_default();
        plant.publish(&[alarm(before), finished(before)]).await;
        let down = plant.agent.wait_until("the page to be told", LATER, |status| {
            let erp = entry(status, "destinations", "erp");
            erp["state"] == "down" && erp["error"].as_str().is_some_and(|error| error.contains(words))
        });
        down.await;
        fake(&server).set_manners(|manners| manners.page = None);
        resumed(&plant, u64::try_from(before + 2).unwrap_or_default()).await;
    }
    assert_once(&server, &plant, 4).await;
}
