//! What an Odoo destination remembers of its records, and when it compares that.

use std::time::Duration;

use plantlink_config::{Daily, Destination, Environment, OdooDestination};

use crate::folder::Folder;

/// A destination with further keys, and a record of this name.
fn folder(keys: &str, record: &str) -> Folder {
    let text = format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
[[source.mqtt]]
name = "mes"
url = "mqtt://plant"
topic = [{{ filter = "mes/+", type = "workorder.finished" }}]
[[destination.odoo]]
name = "erp"
url = "https://erp.example"
database = "prod"
login = "agent"
api_key = {{ file = "key" }}
{keys}
record = [{{ name = "{record}", on = "*", model = "x_event", fields = {{ x_name = "{{event_id}}" }} }}]
[[flow]]
name = "all"
events = ["*"]
to = "erp"
"#
    );
    Folder::with(&[("plantlink.toml", &text), ("key", "secret")])
}

fn problem(keys: &str, record: &str) -> String {
    let problems = folder(keys, record).load(Environment::Run).problems;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    problem.to_string()
}

fn destination(keys: &str) -> OdooDestination {
    let loaded = folder(keys, "event").load(Environment::Run);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    match loaded.config.unwrap().destinations.pop() {
        Some(Destination::Odoo(odoo)) => odoo,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_confirmed_is_kept_for_thirty_days_and_compared_only_when_somebody_asks_unless_the_file_says_otherwise() {
    let plain = destination("");
    assert_eq!((plain.keep_confirmed, plain.reconcile), (Duration::from_hours(30 * 24), None));
    let given = destination("keep_confirmed = \"90d\"\nreconcile = \"daily 03:10\"");
    assert_eq!(given.keep_confirmed, Duration::from_hours(90 * 24));
    assert_eq!(given.reconcile, Some(Daily { hour: 3, minute: 10 }));
}

#[test]
fn a_moment_that_is_none_and_a_memory_of_no_length_are_refused_with_what_is_allowed() {
    let said = problem("reconcile = \"3am\"", "event");
    assert!(said.contains("reconcile: `3am` is no moment of every day (allowed: `daily` and a time"), "{said}");
    let said = problem("keep_confirmed = \"0s\"", "event");
    assert!(said.contains("keep_confirmed: an interval of zero is not possible"), "{said}");
    let said = problem("reconsile = \"daily 03:10\"", "event");
    assert!(said.contains("did you mean `reconcile`?"), "{said}");
}

#[test]
fn no_record_has_the_name_of_the_one_that_a_restored_database_is_known_by() {
    let said = problem("", "Installation");
    assert!(said.contains("record[0].name: `installation` is the record by which"), "{said}");
}
