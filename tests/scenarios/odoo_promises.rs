//! What no single exchange can show of the fake Odoo: races, doubt, and a person at the same records.

use std::collections::BTreeSet;

use plantlink_tests::odoo::{Fault, LOGIN, Odoo};
use plantlink_tests::odoo_client::{post, send};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::odoo_exchanges::recording;
use crate::odoo_request::{create_once, deliver, load};

/// The client gave up, Odoo did not; the resend overtakes the commit and is refused; the one after it gets the ids.
#[tokio::test]
async fn a_resend_that_overtakes_the_first_makes_no_second_record() {
    let recorded = recording("jsonrpc-in-doubt");
    let context = &recorded["request"]["context"];
    let rows = recorded["request"]["rows"].as_u64().unwrap();
    let rows: Vec<Value> = (0..rows).map(|row| json!([format!("plant_mill01.evt_{row}"), "in doubt"])).collect();
    let body = load("maintenance.request", json!(["id", "name"]), rows, context.clone());
    let odoo = Odoo::start().await.unwrap();

    let held = odoo.hold_next();
    let first = tokio::spawn(send(odoo.url(), post(), body.to_string()));
    odoo.underway(1).await;
    first.abort();
    let second = tokio::spawn(send(odoo.url(), post(), body.to_string()));
    odoo.underway(2).await;
    assert_eq!(odoo.database(|db| db.count("maintenance.request")), 0);
    held.release();

    let refused = second.await.unwrap().json();
    assert_eq!(refused["result"]["ids"], json!(false));
    let messages = refused["result"]["messages"].as_array().unwrap();
    let recorded_messages = recorded["steps"][1]["response"]["messages"].as_array().unwrap();
    assert_eq!(messages[0]["message"], recorded_messages[0]["message"]);
    assert_eq!(recorded_messages.last(), Some(&json!(format!("... {} messages", messages.len()))));

    let third = send(odoo.url(), post(), body.to_string()).await.json();
    let ids: BTreeSet<i64> = serde_json::from_value(third["result"]["ids"].clone()).unwrap();
    assert_eq!(json!(format!("{0} ids, {0} distinct", ids.len())), recorded["steps"][2]["response"]["ids"]);
    assert_eq!(json!(odoo.database(|db| db.count("maintenance.request"))), recorded["steps"][2]["records_in_odoo"]);
}

#[tokio::test]
async fn a_person_s_edit_survives_a_resend_and_not_a_plain_load() {
    let odoo = Odoo::start().await.unwrap();
    let row = json!(["plant_mill01.evt_1", "as sent"]);
    let name =
        |odoo: &Odoo| odoo.database(|db| db.find("plant_mill01.evt_1").and_then(|values| values.get("name").cloned()));
    deliver(&odoo, row.clone(), create_once()).await;
    odoo.database(|db| db.edit("plant_mill01.evt_1", "name", json!("as a person has it")));
    deliver(&odoo, row.clone(), create_once()).await;
    assert_eq!(name(&odoo), Some(json!("as a person has it")));
    deliver(&odoo, row, json!({})).await;
    assert_eq!(name(&odoo), Some(json!("as sent")));
}

#[tokio::test]
async fn an_import_by_a_person_is_overwritten_by_the_create_once_context() {
    let odoo = Odoo::start().await.unwrap();
    odoo.database(|db| db.insert("maintenance.request", Some("plant_mill01.evt_1"), [("name", json!("imported"))]));
    deliver(&odoo, json!(["plant_mill01.evt_1", "as sent"]), create_once()).await;
    assert_eq!(odoo.database(|db| db.find("plant_mill01.evt_1").unwrap()["name"].clone()), json!("as sent"));
}

#[tokio::test]
async fn a_deleted_record_is_made_again_under_a_new_id() {
    let odoo = Odoo::start().await.unwrap();
    let row = json!(["plant_mill01.evt_1", "as sent"]);
    deliver(&odoo, json!(["plant_mill01.evt_0", "older"]), create_once()).await;
    let first = deliver(&odoo, row.clone(), create_once()).await["result"]["ids"].clone();
    deliver(&odoo, json!(["plant_mill01.evt_2", "newer"]), create_once()).await;
    odoo.database(|db| db.delete("plant_mill01.evt_1"));
    let second = deliver(&odoo, row, create_once()).await["result"]["ids"].clone();
    assert_ne!(first, second);
    assert_eq!(odoo.database(|db| db.count("maintenance.request")), 3);
}

#[tokio::test]
async fn an_archived_record_keeps_its_id_and_stays_archived() {
    let odoo = Odoo::start().await.unwrap();
    let row = json!(["plant_mill01.evt_1", "as sent"]);
    let first = deliver(&odoo, row.clone(), create_once()).await;
    odoo.database(|db| db.edit("plant_mill01.evt_1", "archive", json!(true)));
    assert_eq!(deliver(&odoo, row, create_once()).await, first);
    assert_eq!(odoo.database(|db| db.find("plant_mill01.evt_1").unwrap()["archive"].clone()), json!(true));
}

#[tokio::test]
async fn a_user_without_the_right_gets_the_ids_of_what_is_there() {
    let odoo = Odoo::start().await.unwrap();
    let row = json!(["plant_mill01.evt_1", "as sent"]);
    let created = deliver(&odoo, row.clone(), create_once()).await;
    odoo.database(|db| db.set_right(LOGIN, "maintenance.request", false));
    assert_eq!(deliver(&odoo, row, create_once()).await, created);
    let refused = deliver(&odoo, json!(["plant_mill01.evt_2", "new"]), create_once()).await;
    assert_eq!(refused["result"]["ids"], json!(false));
}

#[tokio::test]
async fn a_dead_worker_stores_nothing_and_a_lost_answer_everything() {
    for (fault, stored) in [(Fault::DeadWorker, 0), (Fault::LostAnswer, 1)] {
        let odoo = Odoo::start().await.unwrap();
        odoo.fail_next(fault);
        let body =
            load("maintenance.request", json!(["id", "name"]), vec![json!(["plant_mill01.evt_1", "x"])], create_once());
        assert_eq!(send(odoo.url(), post(), body.to_string()).await.raw, "");
        assert_eq!(odoo.database(|db| db.count("maintenance.request")), stored);
    }
}

#[tokio::test]
async fn a_proxy_that_gives_up_does_not_stop_odoo() {
    for (fault, stored) in [(Fault::BadGateway, 0), (Fault::GatewayTimeout, 1)] {
        let odoo = Odoo::start().await.unwrap();
        odoo.fail_next(fault);
        let body =
            load("maintenance.request", json!(["id", "name"]), vec![json!(["plant_mill01.evt_1", "x"])], create_once());
        assert!(send(odoo.url(), post(), body.to_string()).await.status() > 500);
        assert_eq!(odoo.database(|db| db.count("maintenance.request")), stored);
    }
}

#[tokio::test]
async fn a_server_that_stops_and_starts_again_has_kept_its_records() {
    let mut odoo = Odoo::start().await.unwrap();
    deliver(&odoo, json!(["plant_mill01.evt_1", "as sent"]), create_once()).await;
    odoo.stop().await;
    let address = odoo.url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).await.is_err());
    odoo.start_again().await.unwrap();
    assert!(TcpStream::connect(&address).await.is_ok());
    assert_eq!(odoo.database(|db| db.count("maintenance.request")), 1);
}
