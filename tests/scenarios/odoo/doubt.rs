//! In doubt: wherever a call ends, and whoever comes first, the number of records is right.

use plantlink_tests::client::Message;
use plantlink_tests::odoo::Version;
use plantlink_tests::proxy::{Cut, Direction, Mode};

use super::assert_once;
use super::plant::{Plant, Setup, alarm, new_id};
use super::server::{Place, Server};
use crate::plant::{LATER, SOON, entry};

/// The stages of a call at which its connection ends: after so many bytes in one direction. The head of a request is some 200
/// bytes long, and no `load` is shorter than 600; the first byte of an answer comes after the commit.
const STAGES: &[(&str, Direction, u64)] = &[
    ("before the headers", Direction::ToTarget, 0),
    ("within the headers", Direction::ToTarget, 60),
    ("within the body", Direction::ToTarget, 500),
    ("after the commit", Direction::Answers, 0),
    ("within the answer", Direction::Answers, 100),
];
/// How many alarms each stage meets.
const ALARMS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cut_at_any_stage_makes_each_record_once() {
    for place in Place::each() {
        cut_at_every_stage(&place.open().await).await;
    }
    cut_at_every_stage(&Place::nineteen().await).await;
}

async fn cut_at_every_stage(server: &Server) {
    let mut plant = Plant::start(server).await;
    plant.publish(&[alarm(0)]).await;
    plant.settled(1, 0).await;
    let mut sent = 1;
    for &(stage, direction, bytes) in STAGES {
        plant.is("up", SOON).await;
        plant.link.set(Mode::CutAfter { direction, bytes });
        let alarms: Vec<Message> = (sent..sent + ALARMS).map(alarm).collect();
        plant.publish(&alarms).await;
        println!("cut {stage}");
        plant.is("down", SOON).await;
        plant.link.set(Mode::Pass);
        sent += ALARMS;
        plant.settled(u64::try_from(sent).unwrap_or_default(), 0).await;
    }
    assert_once(server, &plant, sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_overtakes_the_first_call_makes_no_second_record() {
    for version in [Version::Eighteen, Version::Nineteen] {
        let server = Place::Fake.open().await;
        let odoo = server.fake().expect("only the fake can be held before its commit");
        odoo.set_manners(|manners| manners.version = version);
        let mut plant = Plant::start(&server).await;
        plant.publish(&[alarm(0)]).await;
        plant.settled(1, 0).await;
        let held = odoo.hold_next();
        let alarms: Vec<Message> = (1..31).map(alarm).collect();
        plant.publish(&alarms).await;
        odoo.underway(1).await;
        plant.link.cut(Cut::Reset);
        odoo.underway(2).await;
        held.release();
        plant.settled(31, 0).await;
        assert_once(&server, &plant, 31).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_delivered_though_its_machine_is_gone_and_what_is_new_waits_for_the_machine() {
    for place in Place::each() {
        let server = place.open().await;
        let id = new_id();
        let machine = format!("{}.machine", id.replace('-', "_"));
        if !server.import_equipment(&machine, &id).await {
            continue;
        }
        let record = format!(
            r#"
[[destination.odoo.record]]
name = "alarm"
on = "alarm.raised"
model = "maintenance.request"
fields = {{ name = "{{plant}} {{code}}", "equipment_id/id" = "{machine}" }}
"#
        );
        let mut plant =
            Plant::start_with(&server, id.clone(), Setup { record: Some(record), ..Setup::default() }).await;
        plant.publish(&[alarm(0)]).await;
        plant.settled(1, 0).await;
        plant.lose_answers();
        plant.publish(&[alarm(1)]).await;
        plant.held("Odoo to commit what it does not get to answer", |held| held == 2).await;
        server.remove_external_id(&machine).await;
        plant.cut_and_mend().await;
        plant.settled(2, 0).await;

        plant.publish(&[alarm(2)]).await;
        let waiting =
            plant.shows("the new one to wait", |flow| flow["waiting"] == 1 && flow["last_waiting"].is_object()).await;
        let reason = waiting["last_waiting"]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("No matching record found") && reason.contains(&machine), "{waiting:#}");
        server.import_equipment(&machine, &format!("{id} again")).await;
        plant.settled(3, 0).await;
        assert_once(&server, &plant, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_behind_a_proxy_at_every_large_call_gets_smaller_ones() {
    let server = Place::Fake.open().await;
    let odoo = server.fake().expect("only the fake can be told to");
    let mut plant = Plant::start(&server).await;
    plant.publish(&[alarm(0)]).await;
    plant.settled(1, 0).await;
    odoo.set_manners(|manners| manners.rows_max = Some(8));
    let alarms: Vec<Message> = (1..101).map(alarm).collect();
    plant.publish(&alarms).await;
    plant.agent.wait_until("all to be delivered", LATER, |status| entry(status, "flows", "office")["depth"] == 0).await;
    plant.settled(101, 0).await;
    assert_once(&server, &plant, 101).await;
}
