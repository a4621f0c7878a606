//! Verdicts over every recorded answer, and over what no record shows.

use std::fmt::Debug;
use std::path::Path;

use serde_json::json;

use super::*;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/odoo-exchanges")
}

/// The recorded answer, and how many rows its request had.
fn recorded(name: &str) -> (Answer, usize) {
    let text = std::fs::read(folder().join(name).with_extension("json")).unwrap();
    let exchange: Value = serde_json::from_slice(&text).unwrap();
    let response = &exchange["response"];
    let body = match &response["body"] {
        Value::String(text) => text.clone(),
        json @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            json.to_string()
        }
    };
    let rows = ["/request/body/params/args/5/1", "/request/body/data"];
    let rows = rows.iter().find_map(|rows| exchange.pointer(rows)).and_then(Value::as_array).map_or(0, Vec::len);
    let answer = Answer {
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        location: response["headers"]["Location"].as_str().map(str::to_owned),
        body: body.into_bytes(),
        ..Answer::default()
    };
    (answer, rows)
}

/// The verdict in a word, and what a person reads.
fn told<T: Debug>(verdict: Result<T, Setback>) -> (&'static str, String) {
    match verdict {
        Ok(done) => ("done", format!("{done:?}")),
        Err(Setback::Race { certain: true, reason }) => ("race", reason),
        Err(Setback::Race { certain: false, reason }) => ("race?", reason),
        Err(Setback::Refused { reason }) => ("refused", reason),
        Err(Setback::Barred { reason }) => ("barred", reason),
        Err(Setback::TooLarge) => ("too large", String::new()),
        Err(Setback::Unanswered(cause)) => ("unanswered", cause.to_string()),
        Err(Setback::Unreachable(cause)) => ("unreachable", cause.to_string()),
        Err(Setback::Busy { retry_after }) => ("busy", format!("{retry_after:?}")),
        Err(Setback::Denied(Denial::Database)) => ("no database", String::new()),
        Err(Setback::Denied(denial)) => ("denied", format!("{denial:?}")),
        Err(Setback::Paused { reason }) => ("paused", reason),
    }
}

/// Every recorded answer to `load`, also of JSON-RPC's neighbors that a wrong address reaches, and the beginning of its
/// sentence.
const LOADS: &[(&str, &str, &str)] = &[
    ("json-version-on-odoo18", "unreachable", "the server redirects to /web/login"),
    ("json2-on-odoo18-redirect", "unreachable", "the server redirects to /web/login"),
    ("jsonrpc-error-broken-json", "unreachable", "the server answers 400: Invalid JSON data"),
    ("jsonrpc-error-connection-cut", "unreachable", "Odoo cannot use its database: cursor already closed"),
    ("jsonrpc-error-db-down", "unreachable", "Odoo cannot use its database: connection to server at"),
    ("jsonrpc-error-load-json-bool", "refused", "'bool' object has no attribute"),
    ("jsonrpc-error-load-unknown-field", "paused", "Invalid field name 'torque'"),
    ("jsonrpc-error-unknown-model", "paused", "Object quality.check doesn't exist"),
    ("jsonrpc-load-bad-datetime", "refused", "'2026-11-20T08:00:00Z' does not seem to be a valid datetime"),
    ("jsonrpc-load-bad-row", "refused", "No matching record found for external id 'plant_mill01.eq_unknown'"),
    ("jsonrpc-load-bad-row-misattributed", "refused", "\"Check Out\" time cannot be earlier"),
    ("jsonrpc-load-busy-neighbour", "race", "could not serialize access"),
    ("jsonrpc-load-create", "done", ""),
    ("jsonrpc-load-downtime", "done", ""),
    ("jsonrpc-load-dup-in-batch", "done", ""),
    ("jsonrpc-load-id-other-model", "refused", "For external id plant_mill01.eq_mill01"),
    ("jsonrpc-load-lot-exists", "refused", "The combination of lot/serial number and product must be unique"),
    ("jsonrpc-load-many-errors", "refused", "Missing required value for the field 'Subjects'"),
    ("jsonrpc-load-mo", "done", ""),
    ("jsonrpc-load-name-ambiguous", "done", ""),
    ("jsonrpc-load-noaccess", "paused", "You are not allowed to create 'Workcenter Productivity Log'"),
    ("jsonrpc-load-plain-overwrites", "done", ""),
    ("jsonrpc-load-race-loser", "race", "could not serialize access"),
    ("jsonrpc-load-race-loser-german", "race", "FEHLER:  konnte Zugriff nicht serialisieren"),
    ("jsonrpc-load-record-rule", "barred", "Uh-oh! Looks like"),
    ("jsonrpc-load-record-rule-german", "barred", "Oh-oh! Es sieht so aus"),
    ("jsonrpc-load-repeat", "done", ""),
    ("jsonrpc-load-resend-after-edit", "done", ""),
    ("jsonrpc-load-row-without-id", "refused", "Unknown error during import: <class 'KeyError'>"),
    ("proxy-413", "too large", ""),
    ("proxy-502", "unanswered", "a proxy before Odoo answers 502"),
    ("proxy-504", "unanswered", "a proxy before Odoo answers 504"),
];

/// Every recorded answer to another method.
const CALLS: &[(&str, &str, &str)] = &[
    ("jsonrpc-context-get", "done", ""),
    ("jsonrpc-error-access", "paused", "You are not allowed to create 'Resources'"),
    ("jsonrpc-error-no-db", "no database", ""),
    ("jsonrpc-error-unknown-method", "refused", "The method 'maintenance.request.nope' does not exist"),
    ("jsonrpc-error-user-deactivated", "denied", ""),
    ("jsonrpc-error-validation", "refused", "\"Check Out\" time cannot be earlier"),
    ("jsonrpc-error-wrong-key", "denied", ""),
    ("jsonrpc-execute-ok", "done", ""),
    ("jsonrpc-has-access", "done", "Bool(true)"),
    ("jsonrpc-has-access-no", "done", "Bool(false)"),
    ("jsonrpc-mark-done-ok", "done", "Bool(true)"),
    ("jsonrpc-mark-done-wizard", "done", "Object"),
    ("jsonrpc-object-reference", "done", "Array"),
    ("jsonrpc-object-reference-refused", "done", "Array"),
    ("jsonrpc-object-reference-unknown", "refused", "External ID not found in the system"),
    ("jsonrpc-result-none", "done", "Null"),
    ("jsonrpc-scrap-validate-twice", "done", "Bool(true)"),
    ("jsonrpc-version", "done", "Object"),
];

const LOGINS: &[(&str, &str, &str)] =
    &[("jsonrpc-authenticate-apikey", "done", "6"), ("jsonrpc-authenticate-wrong", "denied", "")];

/// The same from JSON-2.
const JSON2_LOADS: &[(&str, &str, &str)] = &[
    ("json2-error-broken-json", "unreachable", "Odoo failed with werkzeug.exceptions.BadRequest: could not parse"),
    (
        "json2-error-chunked",
        "unreachable",
        "Odoo failed with werkzeug.exceptions.UnprocessableEntity: missing a required",
    ),
    ("json2-error-connection-cut", "unreachable", "Odoo cannot use its database: cursor already closed"),
    ("json2-error-content-type", "unreachable", "the server answers 415 with a page"),
    ("json2-error-db-down", "no database", ""),
    ("json2-error-gzip-body", "unreachable", "Odoo failed with werkzeug.exceptions.BadRequest: could not parse"),
    ("json2-error-load-json-bool", "refused", "'bool' object has no attribute"),
    ("json2-error-load-unknown-field", "paused", "Invalid field name 'torque'"),
    (
        "json2-error-missing-arg",
        "unreachable",
        "Odoo failed with werkzeug.exceptions.UnprocessableEntity: missing a required",
    ),
    ("json2-error-no-db", "no database", ""),
    ("json2-error-unknown-model", "paused", "the model 'quality.check' does not exist"),
    ("json2-error-wrong-key", "denied", "Key"),
    ("json2-load-bad-datetime", "refused", "'2026-11-20T08:00:00Z' does not seem to be a valid datetime"),
    ("json2-load-bad-row", "refused", "No matching record found for external id 'plant_mill01.eq_unknown'"),
    ("json2-load-busy-neighbour", "race", "could not serialize access"),
    ("json2-load-create", "done", ""),
    ("json2-load-id-other-model", "refused", "For external id plant_mill01.eq_mill01"),
    ("json2-load-name-ambiguous", "done", ""),
    ("json2-load-noaccess", "paused", "You are not allowed to create 'Workcenter Productivity Log'"),
    ("json2-load-race-loser", "race", "could not serialize access"),
    ("json2-load-record-rule", "barred", "Uh-oh! Looks like"),
    ("json2-load-repeat", "done", ""),
    ("json2-load-resend-after-edit", "done", ""),
    ("json2-on-odoo18-redirect", "unreachable", "the server redirects to /web/login"),
    ("proxy-413", "too large", ""),
    ("proxy-502", "unanswered", "a proxy before Odoo answers 502"),
    ("proxy-504", "unanswered", "a proxy before Odoo answers 504"),
];

/// The same from JSON-2.
const JSON2_CALLS: &[(&str, &str, &str)] = &[
    ("json2-context-get", "done", "Object"),
    ("json2-error-access", "paused", "You are not allowed to create 'Resources'"),
    ("json2-error-missing-record", "refused", "Record does not exist or has been deleted."),
    ("json2-error-private-method", "paused", "Private methods"),
    ("json2-error-unknown-method", "paused", "The method 'maintenance.request.nope' does not exist"),
    ("json2-error-user-deactivated", "denied", "Key"),
    ("json2-error-validation", "refused", "\"Check Out\" time cannot be earlier"),
    ("json2-has-access", "done", "Bool(true)"),
    ("json2-has-access-no", "done", "Bool(false)"),
    ("json2-object-reference", "done", "Array"),
    ("json2-object-reference-unknown", "refused", "External ID not found in the system"),
    ("json2-quant-apply-twice", "done", "Null"),
    ("json2-result-none", "done", "Null"),
];

/// Recorded as stories of several requests, whose answers have the forms of `load-race-loser` and `load-create`.
const STORIES: &[&str] = &["jsonrpc-in-doubt", "json2-in-doubt"];

/// The result of a `load` over the API that the answer was recorded from, or made up for.
fn loads(api: OdooApi) -> impl Fn(&Answer, usize) -> Result<Vec<i64>, Setback> {
    // Who has written what was recorded with a record rule.
    let uid = match api {
        OdooApi::JsonRpc => 6,
        OdooApi::Json2 => 5,
    };
    move |answer, rows| of_load(of_call(api, answer)?, rows, Writer { uid, model: "maintenance.request" })
}

fn assert_told<T: Debug>(table: &[(&str, &str, &str)], verdict: impl Fn(&Answer, usize) -> Result<T, Setback>) {
    for (name, word, start) in table {
        let (answer, rows) = recorded(name);
        let (told_word, sentence) = told(verdict(&answer, rows));
        assert_eq!(told_word, *word, "{name}: {sentence}");
        assert!(sentence.starts_with(start) || *word == "done" && start.is_empty(), "{name}: {sentence}");
    }
}

#[test]
fn every_recorded_answer_has_its_verdict() {
    assert_told(LOADS, loads(OdooApi::JsonRpc));
    assert_told(JSON2_LOADS, loads(OdooApi::Json2));
    assert_told(CALLS, |answer, _| of_call(OdooApi::JsonRpc, answer));
    assert_told(JSON2_CALLS, |answer, _| of_call(OdooApi::Json2, answer));
    assert_told(LOGINS, |answer, _| of_login(answer));
}

#[test]
fn no_recorded_exchange_with_an_api_is_without_a_verdict() {
    let tables = [LOADS, JSON2_LOADS, CALLS, JSON2_CALLS, LOGINS];
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy();
        let judged = tables.iter().any(|table| table.iter().any(|(listed, _, _)| *listed == name));
        let is_of_an_api = ["jsonrpc-", "json2-", "proxy-"].iter().any(|start| name.starts_with(start));
        assert!(judged || STORIES.contains(&&*name) || !is_of_an_api, "{name}");
    }
}

fn loaded(ids: Value, messages: Value) -> Answer {
    let body = json!({"jsonrpc": "2.0", "id": 1, "result": {"ids": ids, "messages": messages, "nextrow": 0}});
    Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() }
}

fn failed(name: &str, message: &str) -> Answer {
    let error = json!({"code": 200, "message": "Odoo Server Error", "data": {"name": name, "message": message}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "error": error});
    Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() }
}

#[test]
fn nothing_less_than_an_id_for_every_row_is_success() {
    for ids in [json!([]), json!([1]), json!([1, 2, 3]), json!([1, null]), json!(true), json!(null), json!(7)] {
        assert_eq!(told(loads(OdooApi::JsonRpc)(&loaded(ids.clone(), json!([])), 2)).0, "unreachable", "{ids}");
    }
    assert_eq!(told(loads(OdooApi::JsonRpc)(&loaded(json!([1, 2]), json!([])), 2)).0, "done");
    assert_eq!(told(loads(OdooApi::JsonRpc)(&loaded(json!(false), json!([])), 2)).0, "refused");
}

#[test]
fn a_race_is_known_by_its_shape_in_any_language_and_a_row_s_own_fault_is_none() {
    let lost = "HIBA:  a párhuzamos módosítás miatt a hozzáférés nem sorosítható\n";
    let error = |text: &str| json!({"type": "error", "message": text});
    let with_field = json!({"type": "error", "message": lost, "field": "name"});
    let hint = json!({"type": "warning", "message": "Found more than 10 errors"});
    for (messages, word) in [
        (json!([error(lost), error(lost), hint]), "race?"),
        (json!([error(lost), error("another text\n")]), "refused"),
        (json!([error(lost), with_field]), "refused"),
        (json!([error("a sentence without a line break")]), "refused"),
        (json!([error("deadlock detected\nDETAIL:  Process 1 waits")]), "race"),
        (json!([error("could not obtain lock on row in relation \"x\"\n")]), "race"),
    ] {
        assert_eq!(told(loads(OdooApi::JsonRpc)(&loaded(json!(false), messages.clone()), 2)).0, word, "{messages}");
    }
}

#[test]
fn a_missing_right_pauses_only_when_it_is_the_only_complaint() {
    let refused = json!({"type": "error", "message": "You are not allowed to create 'X' (x) records."});
    let other = json!({"type": "error", "message": "Missing required value", "field": "name"});
    assert_eq!(told(loads(OdooApi::JsonRpc)(&loaded(json!(false), json!([refused, refused])), 2)).0, "paused");
    assert_eq!(told(loads(OdooApi::JsonRpc)(&loaded(json!(false), json!([refused, other])), 2)).0, "refused");
}

#[test]
fn what_postgresql_refuses_to_store_is_suspected_and_its_absence_is_not() {
    for (name, word) in [
        ("psycopg2.errors.NotNullViolation", "refused"),
        ("psycopg2.IntegrityError", "refused"),
        ("psycopg2.OperationalError", "unreachable"),
        ("psycopg2.errors.SerializationFailure", "race"),
        ("psycopg2.errors.DeadlockDetected", "race"),
        ("odoo.exceptions.LockError", "race"),
        ("psycopg2.errors.AdminShutdown", "unreachable"),
        ("werkzeug.exceptions.ClientDisconnected", "unreachable"),
        ("odoo.exceptions.MissingError", "refused"),
    ] {
        assert_eq!(told(loads(OdooApi::JsonRpc)(&failed(name, "why"), 1)).0, word, "{name}");
    }
}

#[test]
fn a_page_is_never_an_answer() {
    let page = |status| Answer { status, body: b"\n<!doctype html><title>Down</title>".to_vec(), ..Answer::default() };
    for status in [200, 401, 403, 404, 500] {
        let (word, sentence) = told(loads(OdooApi::JsonRpc)(&page(status), 1));
        assert_eq!(word, "unreachable");
        assert!(sentence.contains(&status.to_string()) && sentence.contains("page"), "{sentence}");
    }
}

#[test]
fn a_proxy_that_gives_up_is_no_answer_to_a_call_that_may_have_been_too_long() {
    for status in [502, 504] {
        let answer = Answer { status, ..Answer::default() };
        assert_eq!(told(loads(OdooApi::Json2)(&answer, 1)).0, "unanswered");
    }
}

#[test]
fn an_external_id_whose_record_nobody_sees_leads_nowhere() {
    let led = |answer: Value| of_reference(Ok(answer)).map(|found| found.map(|referent| referent.id));
    assert!(matches!(led(json!(["maintenance.request", 7])), Ok(Some(7))));
    assert!(matches!(led(json!(["maintenance.request", false])), Ok(None)));
    assert!(matches!(led(json!("maintenance.request")), Err(Setback::Unreachable(_))));
}

#[test]
fn a_refusal_names_the_cell_that_leads_nowhere() {
    for (reason, cell) in [
        ("No matching record found for external id 'a.eq_1' in field 'Equipment'", Some("a.eq_1")),
        ("No matching record found for database id '7' in field 'Equipment' and the following error", Some("7")),
        ("No matching record found for name 'Ada's mill' in field 'Equipment'", Some("Ada's mill")),
        ("Value 'urgent' not found in selection field 'Priority'", None),
        ("No matching record found for whatever", None),
    ] {
        assert_eq!(names_nothing(reason), cell, "{reason}");
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let after = Some(Duration::from_secs(7));
    for status in [429, 503] {
        let answer = Answer { status, retry_after: after, ..Answer::default() };
        assert_eq!(told(loads(OdooApi::JsonRpc)(&answer, 1)), ("busy", format!("{after:?}")));
    }
}

#[test]
fn a_long_foreign_text_is_cut_between_its_letters() {
    let quoted = quoted(&"ä".repeat(QUOTED_MAX * 2));
    assert_eq!(quoted.chars().count(), QUOTED_MAX + 3);
}
