//! The fake Odoo answers as real servers did: every recorded exchange is replayed.

mod setup;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use plantlink_tests::odoo::{Database, Fault, GUEST, LOGIN, Language, Manners, Odoo, Version};
use plantlink_tests::odoo_client::{Answer, send};
use serde_json::{Value, json};
use setup::*;

/// How the fake is brought into the state in which the real server answered.
enum Scene {
    /// The lab as it starts.
    Lab,
    Database(fn(&mut Database)),
    Manners(fn(&mut Manners)),
    Fails(Fault),
    /// Another client's call, made of the recorded one, commits while the recorded one is underway.
    Against(fn(&mut Value), Language),
    /// The recorded request is the second of its kind.
    Again(fn(&mut Database)),
}

const SCENES: &[(&str, Scene)] = &[
    ("health-db-down", Scene::Database(|db| db.set_up(false))),
    ("health-ok", Scene::Lab),
    ("json-version", Scene::Lab),
    ("json-version-on-odoo18", Scene::Lab),
    ("json2-on-odoo18-redirect", Scene::Lab),
    ("json2-context-get", Scene::Lab),
    ("json2-error-broken-json", Scene::Lab),
    ("json2-error-chunked", Scene::Lab),
    ("json2-error-connection-cut", Scene::Fails(Fault::ConnectionCut)),
    ("json2-error-content-type", Scene::Lab),
    ("json2-error-db-down", Scene::Database(|db| db.set_up(false))),
    ("json2-error-gzip-body", Scene::Lab),
    ("json2-error-load-json-bool", Scene::Lab),
    ("json2-error-load-unknown-field", Scene::Lab),
    ("json2-error-missing-arg", Scene::Lab),
    ("json2-error-missing-record", Scene::Lab),
    ("json2-error-no-db", Scene::Lab),
    ("json2-error-private-method", Scene::Lab),
    ("json2-error-unknown-method", Scene::Lab),
    ("json2-error-unknown-model", Scene::Lab),
    ("json2-error-user-deactivated", Scene::Database(|db| db.set_active(LOGIN, false))),
    ("json2-error-validation", Scene::Database(|db| db.set_right(LOGIN, "hr.attendance", true))),
    ("json2-error-wrong-key", Scene::Database(nobody_has_the_key)),
    ("json2-has-access", Scene::Lab),
    ("json2-has-access-no", Scene::Database(|db| db.set_right(LOGIN, "mrp.production", false))),
    ("json2-load-bad-datetime", Scene::Lab),
    ("json2-load-bad-row", Scene::Lab),
    ("json2-load-busy-neighbour", Scene::Against(rename_rows, Language::English)),
    ("json2-load-create", Scene::Database(|db| db.set_next_id("maintenance.request", 11_057))),
    ("json2-load-id-other-model", Scene::Database(|db| mill_01_with_id(db, 23_494))),
    ("json2-load-name-ambiguous", Scene::Database(|db| two_machines_of_one_name(db, 60_619))),
    ("json2-load-noaccess", Scene::Database(|db| db.set_right(LOGIN, "mrp.workcenter.productivity", false))),
    ("json2-load-race-loser", Scene::Against(|_| {}, Language::English)),
    (
        "json2-load-record-rule",
        Scene::Database(|db| db.set_rule(LOGIN, "maintenance.request", "owner_user_id", json!(5))),
    ),
    ("json2-load-repeat", Scene::Again(|db| db.set_next_id("maintenance.request", 11_057))),
    ("json2-load-resend-after-edit", Scene::Database(|db| first_request_renamed_by_a_person(db, 11_057, 11_059))),
    ("json2-object-reference", Scene::Lab),
    ("json2-object-reference-unknown", Scene::Lab),
    ("json2-quant-apply-twice", Scene::Again(quant)),
    ("json2-result-none", Scene::Database(work_order)),
    ("jsonrpc-authenticate-apikey", Scene::Lab),
    ("jsonrpc-authenticate-wrong", Scene::Lab),
    ("jsonrpc-context-get", Scene::Lab),
    ("jsonrpc-error-access", Scene::Lab),
    ("jsonrpc-error-broken-json", Scene::Lab),
    ("jsonrpc-error-connection-cut", Scene::Fails(Fault::ConnectionCut)),
    ("jsonrpc-error-db-down", Scene::Database(|db| db.set_up(false))),
    ("jsonrpc-error-load-json-bool", Scene::Lab),
    ("jsonrpc-error-load-unknown-field", Scene::Lab),
    ("jsonrpc-error-no-db", Scene::Lab),
    ("jsonrpc-error-unknown-method", Scene::Lab),
    ("jsonrpc-error-unknown-model", Scene::Lab),
    ("jsonrpc-error-user-deactivated", Scene::Database(|db| db.set_active(GUEST, false))),
    ("jsonrpc-error-validation", Scene::Lab),
    ("jsonrpc-error-wrong-key", Scene::Database(|db| db.set_key(LOGIN, "renewed"))),
    ("jsonrpc-execute-ok", Scene::Database(|db| db.set_time_zone(LOGIN, "Europe/Rome"))),
    ("jsonrpc-has-access", Scene::Lab),
    ("jsonrpc-has-access-no", Scene::Lab),
    ("jsonrpc-load-bad-datetime", Scene::Lab),
    ("jsonrpc-load-bad-row", Scene::Lab),
    ("jsonrpc-load-bad-row-misattributed", Scene::Lab),
    ("jsonrpc-load-busy-neighbour", Scene::Against(rename_rows, Language::English)),
    ("jsonrpc-load-create", Scene::Database(|db| db.set_next_id("maintenance.request", 68_766))),
    ("jsonrpc-load-downtime", Scene::Database(|db| db.set_next_id("mrp.workcenter.productivity", 67_696))),
    ("jsonrpc-load-dup-in-batch", Scene::Database(|db| db.set_next_id("maintenance.request", 68_798))),
    ("jsonrpc-load-id-other-model", Scene::Database(|db| mill_01_with_id(db, 20_569))),
    ("jsonrpc-load-lot-exists", Scene::Database(lot_typed_in_by_a_person)),
    ("jsonrpc-load-many-errors", Scene::Lab),
    ("jsonrpc-load-mo", Scene::Lab),
    ("jsonrpc-load-name-ambiguous", Scene::Database(|db| two_machines_of_one_name(db, 63_281))),
    ("jsonrpc-load-noaccess", Scene::Lab),
    ("jsonrpc-load-plain-overwrites", Scene::Database(request_before_it_is_overwritten)),
    ("jsonrpc-load-race-loser", Scene::Against(|_| {}, Language::English)),
    ("jsonrpc-load-race-loser-german", Scene::Against(|_| {}, Language::German)),
    (
        "jsonrpc-load-record-rule",
        Scene::Database(|db| db.set_rule(LOGIN, "maintenance.request", "owner_user_id", json!(6))),
    ),
    ("jsonrpc-load-record-rule-german", Scene::Database(ruled_in_german)),
    ("jsonrpc-load-repeat", Scene::Again(|db| db.set_next_id("maintenance.request", 68_766))),
    ("jsonrpc-load-resend-after-edit", Scene::Database(|db| first_request_renamed_by_a_person(db, 68_766, 68_768))),
    ("jsonrpc-load-row-without-id", Scene::Lab),
    ("jsonrpc-mark-done-ok", Scene::Database(|db| order(db, 5.0))),
    ("jsonrpc-mark-done-wizard", Scene::Database(|db| order(db, 0.0))),
    ("jsonrpc-object-reference", Scene::Lab),
    ("jsonrpc-object-reference-refused", Scene::Database(request_that_was_refused)),
    ("jsonrpc-object-reference-unknown", Scene::Lab),
    ("jsonrpc-result-none", Scene::Database(work_order)),
    ("jsonrpc-scrap-validate-twice", Scene::Again(scrap)),
    ("jsonrpc-version", Scene::Lab),
    ("proxy-413", Scene::Manners(|manners| manners.body_max = Some(1 << 20))),
    ("proxy-502", Scene::Fails(Fault::BadGateway)),
    ("proxy-504", Scene::Fails(Fault::GatewayTimeout)),
];

/// Recorded as steps and not as one request and answer: a test of its own below.
const STORIES: &[&str] = &["jsonrpc-in-doubt", "json2-in-doubt"];

/// The refusal has the same form, and names one group more: that of another release.
const OTHER_GROUPS: &str = "json2-error-access";

/// What the fake does not serve, by the beginning of the file's name: automation rules.
const NOT_SERVED: &[&str] = &["webhook-"];

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_recorded() {
    let mut wrong = Vec::new();
    for (name, scene) in SCENES {
        if let Err(difference) = replay(name, scene).await {
            wrong.push(format!("{name}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recorded_exchange_is_replayed_or_listed_as_not_served() {
    let listed: BTreeSet<&str> =
        SCENES.iter().map(|(name, _)| *name).chain(STORIES.iter().copied()).chain([OTHER_GROUPS]).collect();
    let recorded: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().path().file_stem()?.to_string_lossy().into_owned()))
        .filter(|name| listed.contains(name.as_str()) || !NOT_SERVED.iter().any(|start| name.starts_with(start)))
        .collect();
    assert_eq!(recorded, listed.into_iter().map(str::to_owned).collect());
}

#[tokio::test]
async fn a_refused_right_has_the_recorded_form_in_json_2() {
    let recorded = recording(OTHER_GROUPS);
    let odoo = Odoo::start().await.unwrap();
    odoo.set_manners(|manners| manners.version = Version::Nineteen);
    let answer = send(odoo.url(), head(&recorded["request"]), recorded["request"]["body"].to_string()).await;
    let start = |body: &Value| {
        body["message"].as_str().and_then(|text| text.split_once("\n\t")).map(|(start, _)| start.to_owned())
    };
    let (found, wanted) = (answer.json(), &recorded["response"]["body"]);
    assert_eq!((json!(answer.status()), &found["name"]), (recorded["response"]["status"].clone(), &wanted["name"]));
    assert_eq!(start(&found), start(wanted));
}

async fn replay(name: &str, scene: &Scene) -> Result<(), String> {
    let recorded = recording(name);
    let odoo = Odoo::start().await.map_err(|error| error.to_string())?;
    if recorded["odoo"].as_str().is_some_and(|version| version.starts_with("19")) {
        odoo.set_manners(|manners| manners.version = Version::Nineteen);
        odoo.database(|db| db.set_user_id(LOGIN, 5));
    }
    let head = head(&recorded["request"]);
    let mut body = recorded["request"]["body"].clone();
    if let Some(cell) = body.pointer_mut("/data/0/1").filter(|cell| **cell == json!("(2 MB of text)")) {
        *cell = json!("x".repeat(2 << 20));
    }
    let text = match &body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
    };
    let answer = match scene {
        Scene::Lab => send(odoo.url(), head, text).await,
        Scene::Database(change) => {
            odoo.database(change);
            send(odoo.url(), head, text).await
        }
        Scene::Manners(change) => {
            odoo.set_manners(change);
            send(odoo.url(), head, text).await
        }
        Scene::Fails(fault) => {
            odoo.fail_next(*fault);
            send(odoo.url(), head, text).await
        }
        Scene::Again(change) => {
            odoo.database(change);
            send(odoo.url(), head.clone(), text.clone()).await;
            send(odoo.url(), head, text).await
        }
        Scene::Against(change, language) => {
            odoo.set_manners(|manners| manners.language = *language);
            let held = odoo.hold_next();
            let mut other = body.clone();
            change(&mut other);
            let winner = tokio::spawn(send(odoo.url(), head.clone(), other.to_string()));
            odoo.underway(1).await;
            let loser = tokio::spawn(send(odoo.url(), head, text));
            odoo.underway(2).await;
            held.release();
            winner.await.map_err(|error| error.to_string())?;
            loser.await.map_err(|error| error.to_string())?
        }
    };
    compare(&answer, &recorded["response"])
}

/// Everything but the clock, the length of a traceback and the proxy's way with connections.
fn compare(answer: &Answer, recorded: &Value) -> Result<(), String> {
    let wanted = &recorded["body"];
    let body = if wanted.is_string() { Value::from(answer.body()) } else { answer.json() };
    let headers = ["Content-Type", "Location"].map(|name| json!(answer.header(name)));
    let wanted_headers = ["Content-Type", "Location"].map(|name| recorded["headers"][name].clone());
    let (found, wanted) =
        ((json!(answer.status()), headers, body), (recorded["status"].clone(), wanted_headers, wanted.clone()));
    if found == wanted { Ok(()) } else { Err(format!("answered\n{found:#?}\nrecorded\n{wanted:#?}")) }
}

fn head(request: &Value) -> String {
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value.as_str()?)));
    format!("{}\r\n{}", request["line"].as_str().unwrap_or_default(), headers.collect::<String>())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("odoo-exchanges")
}

pub(crate) fn recording(name: &str) -> Value {
    let path = folder().join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
