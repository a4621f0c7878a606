//! `plantlink check --online`: what only the plant and the office can tell, each with its place in the file.

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Broker;
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::odoo::{GUEST, KEY, LOGIN, Odoo, Version};
use plantlink_tests::ports;
use serde_json::Value;

fn config(line: u16, broker: u16, odoo: &str, login: &str, records: &str) -> String {
    format!(
        r#"
[plant]
id = "mill-07"
gateway = "gw-1"

[buffer]
path = "buffer.db"

[[source.modbus]]
name = "line-3"
address = "tcp://127.0.0.1:{line}"
[[source.modbus.device]]
name = "press-12"
unit = 3
every = "1s"
tag = [{{ name = "good", at = "holding:12", type = "u16" }}]

[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1:{broker}"
[[source.mqtt.topic]]
filter = "mes/+/finished"
type = "workorder.finished"
id = "{{/order}}"

[[destination.odoo]]
name = "erp"
url = "{odoo}"
database = "lab18"
login = "{login}"
api_key = {{ file = "odoo-key" }}
{records}

[[flow]]
name = "all"
events = ["workorder.finished"]
to = "erp"
"#
    )
}

const RIGHT: &str = r#"
[[destination.odoo.record]]
name = "order"
on = "workorder.finished"
model = "maintenance.request"
fields = { name = "{order}", priority = "2", "equipment_id/id" = "plant_mill01.eq_mill01" }
"#;

const WRONG: &str = r#"
[[destination.odoo.record]]
name = "order"
on = "workorder.finished"
model = "maintenance.request"
fields = { priority = "urgent", descripton = "{order}", "equipment_id/id" = "plant_mill01.wc_01" }

[[destination.odoo.record]]
name = "stop"
on = "workorder.finished"
model = "mrp.workcenter.productivity"
fields = { "workcenter_id/id" = "plant_mill01.wc_99", "loss_id/id" = "mrp.block_reason1", "description/id" = "x.y" }

[[destination.odoo.record]]
name = "check"
on = "workorder.finished"
model = "quality.check"
fields = { name = "{order}" }
"#;

/// The place, code and sentence of each problem, but for what is read for nothing: the plant of these scenarios is small.
fn problems(report: &Value) -> Vec<(&str, &str, &str)> {
    let problems = report["problems"].as_array().expect("a list of problems");
    problems
        .iter()
        .map(|found| {
            let text = |key: &str| found[key].as_str().unwrap_or_default();
            (text("path"), text("code"), text("message"))
        })
        .filter(|(_, code, _)| *code != "unused")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plant_and_an_office_that_answer_as_they_should_have_no_problem() {
    let mut line = ModbusLine::start(&[3]).await;
    line.set(3, Table::Holding, 12, &[7]).await;
    let broker = Broker::start().await;
    for version in [Version::Eighteen, Version::Nineteen] {
        let odoo = Odoo::start().await.expect("the fake Odoo finds a port");
        odoo.set_manners(|manners| manners.version = version);
        let toml = config(line.port(), broker.port(), &odoo.url(), LOGIN, RIGHT);
        let checked = Agent::prepare(&toml, &[("odoo-key", KEY)]).run(&["check", "--online", "--json"]);
        let report = checked.json();
        assert!(checked.status.success(), "{report:#}");
        assert_eq!(problems(&report), [], "{report:#}");
        let met: Vec<&str> =
            report["met"].as_array().into_iter().flatten().filter_map(|met| met["path"].as_str()).collect();
        assert_eq!(met, ["source.modbus[0].device[0]", "source.mqtt[0]", "destination.odoo[0]"]);
        assert_eq!(odoo.loads(), [], "nothing is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_odoo_is_told_at_its_key() {
    let mut line = ModbusLine::start(&[3]).await;
    line.set(3, Table::Holding, 12, &[7]).await;
    let broker = Broker::start().await;
    let odoo = Odoo::start().await.expect("the fake Odoo finds a port");
    odoo.database(|db| {
        db.set_key(GUEST, "guest-key");
        db.set_key_expiry(GUEST, "2000-01-01 00:00:00");
    });
    let toml = config(line.port(), broker.port(), &odoo.url(), GUEST, WRONG);
    let checked = Agent::prepare(&toml, &[("odoo-key", "guest-key")]).run(&["check", "--online", "--json"]);
    assert_eq!(checked.status.code(), Some(78));
    let report = checked.json();
    let found = problems(&report);
    for (path, code, words) in [
        ("api_key", "expiry", "ends at 2000-01-01"),
        ("record[0].fields.priority", "unknown-value", "allowed: 0, 1, 2, 3"),
        ("record[0].fields.descripton", "unknown-field", "no field `descripton`"),
        ("record[0].fields.\"equipment_id/id\"", "unknown-record", "`mrp.workcenter`"),
        ("record[0].fields", "missing-field", "`name` (Subjects)"),
        ("record[1].model", "right", "may not create"),
        ("record[1].fields.\"workcenter_id/id\"", "unknown-record", "plant_mill01.wc_99"),
        ("record[1].fields.\"description/id\"", "no-relation", "is a char"),
        ("record[2].model", "refused", "quality.check"),
    ] {
        let path = format!("destination.odoo[0].{path}");
        let is_there = found.iter().any(|(at, kind, text)| *at == path && *kind == code && text.contains(words));
        assert!(is_there, "no {code} with {words} at {path}: {report:#}");
    }
    assert_eq!(found.len(), 9, "{report:#}");
    let misspelled = report["problems"].as_array().into_iter().flatten().find(|found| found["code"] == "unknown-field");
    assert_eq!(misspelled.map(|found| &found["help"]), Some(&Value::from("did you mean `description`?")));
    let lines = toml.lines().position(|line| line.contains("descripton")).map(|line| line + 1);
    assert_eq!(misspelled.and_then(|found| found["line"].as_u64()), lines.and_then(|line| u64::try_from(line).ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_cannot_be_kept_and_a_record_that_was_refused_are_told() {
    let mut line = ModbusLine::start(&[3]).await;
    line.set(3, Table::Holding, 12, &[7]).await;
    let broker = Broker::start().await;
    let odoo = Odoo::start().await.expect("the fake Odoo finds a port");
    odoo.database(|db| {
        db.set_right(LOGIN, "ir.attachment", false);
        db.add_ghost("plant_mill01.eq_refused", "maintenance.equipment");
    });
    let record = RIGHT.replace("eq_mill01", "eq_refused");
    let toml = config(line.port(), broker.port(), &odoo.url(), LOGIN, &record);
    let checked = Agent::prepare(&toml, &[("odoo-key", KEY)]).run(&["check", "--online", "--json"]);
    let report = checked.json();
    let found = problems(&report);
    let [(marker, "right", why), (field, "unknown-record", missing)] = found.as_slice() else { panic!("{report:#}") };
    assert_eq!(
        (*marker, *field),
        ("destination.odoo[0].database", "destination.odoo[0].record[0].fields.\"equipment_id/id\"")
    );
    assert!(why.contains("restored") && why.contains("ir.attachment"), "{why}");
    assert!(missing.contains("plant_mill01.eq_refused"), "{missing}");
    assert_eq!(odoo.loads(), [], "nothing is written");
}

const LOOKUPS: &str = r#"
[[destination.odoo.record]]
name = "order"
on = "workorder.finished"
model = "maintenance.request"
fields = { name = "{order}", equipment_id = { find = "maintenance.equipment", by = "name", value = "{device}", missing = "empty" } }

[[destination.odoo.record]]
name = "stop"
on = "workorder.*"
model = "mrp.workcenter.productivity"
[destination.odoo.record.fields]
workcenter_id = { find = "mrp.workcenter", by = "name", value = "{center}", missing = "wait" }
"loss_id/id" = "mrp.block_reason1"

[[destination.odoo.record]]
name = "gear"
on = "workorder.finished"
mode = "update"
by = { default_code = "{product}" }
while = { name = "Gear" }
model = "product.product"
fields = { name = "Gear" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_records_look_up_is_tried_for_every_device_and_for_the_events_that_are_given() {
    let mut line = ModbusLine::start(&[3]).await;
    line.set(3, Table::Holding, 12, &[7]).await;
    let broker = Broker::start().await;
    let odoo = Odoo::start().await.expect("the fake Odoo finds a port");
    odoo.database(|db| db.set_right(LOGIN, "product.product", true));
    let toml = config(line.port(), broker.port(), &odoo.url(), LOGIN, LOOKUPS);
    let events = r#"{"event_type":"workorder.finished","source":"mill-07/mes","data":{"center":"WC-01","product":"GEAR"},"metadata":{}}
{"event_type":"workorder.finished","source":"mill-07/mes","data":{"center":"WC-09","product":"NUT"},"metadata":{}}"#;
    let agent = Agent::prepare(&toml, &[("odoo-key", KEY), ("events.jsonl", events)]);
    let checked = agent.run(&["check", "--online", "--json"]);
    let report = checked.json();
    assert!(checked.status.success(), "{report:#}");
    assert_eq!(
        unknown_records(&report),
        ["there is no maintenance.equipment with name = `press-12` (press-12): the field stays empty"]
    );
    assert!(says(&report, "record stop: what `workcenter_id` finds depends on the event"), "{report:#}");

    let checked = agent.run(&["check", "--online", "--json", "--event", "events.jsonl"]);
    let report = checked.json();
    let wanted = [
        "there is no maintenance.equipment with name = `mes` (workorder.finished of mes): the field stays empty",
        "there is no maintenance.equipment with name = `press-12` (press-12): the field stays empty",
        "there is no mrp.workcenter with name = `WC-09` (workorder.finished of mes): the event waits until there is one",
        "there is no product.product with default_code = `NUT` (workorder.finished of mes): the event waits until there is one",
    ];
    assert_eq!(unknown_records(&report), wanted);
    assert!(says(&report, "record stop: `workcenter_id` finds WC-01"), "{report:#}");
    assert!(says(&report, "record gear: `by` finds default_code = `GEAR`"), "{report:#}");
    assert_eq!(odoo.loads(), [], "nothing is written");

    agent.write("events.jsonl", "{\"event_type\":\"workorder.finished\"}");
    let checked = agent.run(&["check", "--online", "--event", "events.jsonl"]);
    assert!(
        !checked.status.success() && checked.stderr.contains("events.jsonl:1: this is no event"),
        "{}",
        checked.stderr
    );
}

fn unknown_records(report: &Value) -> Vec<&str> {
    let found = problems(report).into_iter().filter(|(_, code, _)| *code == "unknown-record");
    found.map(|(_, _, message)| message).collect()
}

fn says(report: &Value, words: &str) -> bool {
    let met = report["met"].as_array().into_iter().flatten();
    met.filter_map(|met| met["message"].as_str()).any(|message| message.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_told_with_the_key_that_leads_there() {
    let dead = ports::free();
    let toml = config(dead, dead, &format!("http://127.0.0.1:{dead}"), LOGIN, RIGHT);
    let checked = Agent::prepare(&toml, &[("odoo-key", KEY)]).run(&["check", "--online", "--json"]);
    assert_eq!(checked.status.code(), Some(78));
    let report = checked.json();
    let found: Vec<(&str, &str)> = problems(&report).into_iter().map(|(path, code, _)| (path, code)).collect();
    let wanted = ["source.modbus[0].address", "source.mqtt[0].url", "destination.odoo[0].url"];
    assert_eq!(found, wanted.map(|path| (path, "unreachable")), "{report:#}");
}
