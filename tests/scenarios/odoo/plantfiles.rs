//! The ready files of `packaging/odoo`: what each makes of events in the database, once, and beside what people do there.

use std::io::Write as _;
use std::process::Stdio;

use plantlink_tests::agent::{Agent, Printed};
use serde_json::{Value, json};

use super::plant::new_id;
use super::ready_plant::{Plant, STARTED};
use super::server::Place;
use super::shop::{OPERATION, Shop};

const MODEL: &str = "x_plant_event";

/// An administrator makes the custom model, and hands the key over on standard input.
fn make_model(agent: &Agent, login: &str, key: &str) -> Printed {
    let mut child = agent
        .command_with("odoo", &["make-model", "erp", "--login", login])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    child.stdin.take().expect("a pipe").write_all(format!("{key}\n").as_bytes()).expect("the key is read");
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command prints UTF-8");
    Printed { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status }
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_that_need_a_person_become_requests_without_owner_and_the_others_none() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.lets_manage_equipment().await {
            continue;
        }
        let id = new_id();
        let mut plant = Plant::start(&server, &id, &["maintenance-requests"], &["alarm.raised"]).await;
        let alarm = |severity: &str| {
            let text = format!("{id} {severity}");
            (
                "alarm.raised",
                json!({"alarm_id": text, "code": "E1", "text": text, "severity": severity, "repeat_count": 0}),
            )
        };
        plant.deliver(&[alarm("critical"), alarm("fault"), alarm("warning")]).await;
        let fields = ["name", "priority", "maintenance_type", "request_date", "owner_user_id"];
        let found =
            server.look("maintenance.request", json!([["name", "=like", format!("mes: {id} %")]]), &fields).await;
        let row = |severity: &str, priority: &str| {
            json!({
                "name": format!("mes: {id} {severity}"), "priority": priority, "maintenance_type": "corrective",
                "request_date": "2026-11-20", "owner_user_id": false,
            })
        };
        assert_eq!(without_ids(found), [row("critical", "3"), row("fault", "2")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_become_entries_of_the_work_center_with_their_reason_and_their_times() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.has(&["mrp.workcenter.productivity"]).await {
            continue;
        }
        let id = new_id();
        let shop = Shop::enter(&server, &id).await;
        let mut plant = Plant::start(&server, &id, &["downtime"], &["machine.state_changed"]).await;
        let after = |state: &str, mode: &str| {
            let at = |minute: u8| format!("2026-11-20T07:{minute:02}:00Z");
            let previous = json!({
                "interval_id": "i", "state": state, "mode": mode, "vendor_state": format!("{state} {mode}"), "since_at": at(10),
                "duration_s": 1200,
            });
            let data = json!({
                "state": "executing", "mode": "processing", "vendor_state": "run", "interval_id": "j", "since_at": at(30),
                "previous": previous, "asset": {"workcenter": shop.workcenter},
            });
            ("machine.state_changed", data)
        };
        let stops = [
            after("out_of_service", "none"),
            after("not_executing", "setup"),
            after("not_executing", "none"),
            after("executing", "processing"),
            after("not_available", "none"),
        ];
        plant.deliver(&stops).await;
        let mine = json!([["workcenter_id.code", "=", shop.workcenter]]);
        let found = server
            .look("mrp.workcenter.productivity", mine, &["loss_id", "date_start", "date_end", "description"])
            .await;
        let mut told = Vec::new();
        for stop in found {
            assert_eq!(
                (&stop["date_start"], &stop["date_end"]),
                (&json!("2026-11-20 07:10:00"), &json!("2026-11-20 07:30:00"))
            );
            let loss = if server.fake().is_some() { stop["loss_id"].clone() } else { stop["loss_id"][0].clone() };
            let name = server.look("mrp.workcenter.productivity.loss", json!([["id", "=", loss]]), &["name"]).await;
            told.push((stop["description"].clone(), name[0]["name"].clone()));
        }
        told.sort_by_key(|(description, _)| description.to_string());
        let expected = [
            ("not_executing none", "Material Availability"),
            ("not_executing setup", "Setup and Adjustments"),
            ("out_of_service none", "Equipment Failure"),
        ];
        assert_eq!(told, expected.map(|(description, loss)| (json!(description), json!(loss))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_that_a_person_has_typed_in_before_is_delivered_and_the_others_are_made() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.has(&["stock.lot"]).await {
            continue;
        }
        let id = new_id();
        let shop = Shop::enter(&server, &id).await;
        server.enter("stock.lot", json!({"name": format!("{id}-1"), "product_id": shop.product_id})).await;
        let mut plant = Plant::start(&server, &id, &["lots"], &["lot.produced"]).await;
        let lot = |number: u8| {
            let data = json!({"lot": format!("{id}-{number}"), "product": shop.product, "quantity": 10, "unit_of_measure": "pcs"});
            ("lot.produced", data)
        };
        plant.deliver(&[lot(1), lot(2)]).await;
        let found = server.look("stock.lot", json!([["name", "=like", format!("{id}-%")]]), &["name"]).await;
        assert_eq!(without_ids(found), [1, 2].map(|number| json!({"name": format!("{id}-{number}")})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_order_is_begun_counted_and_finished_and_then_left_alone() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.has(&["mrp.workorder", "mrp.bom"]).await {
            continue;
        }
        let id = new_id();
        let shop = Shop::enter(&server, &id).await;
        let types = ["workorder.started", "workorder.finished"];
        let mut plant = Plant::start(&server, &id, &["work-orders"], &types).await;
        let said = |more: Value| of_order(&shop, more);
        let has = |found: &Value, state: &str, quantity: f64| {
            assert_eq!((&found["state"], found["qty_producing"].as_f64()), (&json!(state), Some(quantity)), "{found}");
        };
        plant.deliver(&[("workorder.started", said(json!({})))]).await;
        let found = shop.work_order(&server).await;
        assert_eq!((&found["state"], &found["date_start"]), (&json!("progress"), &json!("2026-11-20 08:01:00")));
        plant.deliver(&[("workorder.finished", said(json!({"good": 7, "final": false})))]).await;
        has(&shop.work_order(&server).await, "progress", 7.0);
        plant.deliver(&[("workorder.finished", said(json!({"good": 12})))]).await;
        let found = shop.work_order(&server).await;
        has(&found, "done", 12.0);
        assert_eq!(found["date_finished"], "2026-11-20 08:03:00");
        // What is said of it afterwards would move stock.
        let late = [("workorder.started", said(json!({}))), ("workorder.finished", said(json!({"good": 99})))];
        plant.deliver(&late).await;
        has(&shop.work_order(&server).await, "done", 12.0);
    }
}

/// What a MES says of the order's one operation.
fn of_order(shop: &Shop, more: Value) -> Value {
    let mut data = json!({"order": shop.order, "operation": OPERATION});
    let more = more.as_object().cloned().unwrap_or_default();
    more.into_iter().for_each(|(key, value)| data[key] = value);
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_closed_once_with_what_was_made_unless_odoo_asks_or_nothing_was_made() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.has(&["mrp.workorder", "mrp.bom"]).await {
            continue;
        }
        let id = new_id();
        let sets = ["work-orders", "close-orders"];
        let mut plant = Plant::start(&server, &id, &sets, &["workorder.finished"]).await;
        let finished = |shop: &Shop, more: Value| ("workorder.finished", of_order(shop, more));
        let closed = json!({"state": "done", "qty_produced": 12.0});

        let shop = Shop::enter(&server, &id).await;
        plant.deliver(&[finished(&shop, json!({"good": 7, "final": false}))]).await;
        assert_eq!(shop.order(&server).await["state"], "progress");
        plant.deliver(&[finished(&shop, json!({"good": 12}))]).await;
        assert_eq!(shop.order(&server).await, closed);
        plant.deliver(&[finished(&shop, json!({"good": 99}))]).await;
        assert_eq!(shop.order(&server).await, closed);

        // Odoo asks whether less was consumed, and somebody answers.
        let asked = Shop::enter(&server, &format!("{id}-asked")).await;
        asked.finish_with_less(&server, 12).await;
        plant.send(&[finished(&asked, json!({"good": 12}))]).await;
        plant.settled(1).await;
        assert_eq!(asked.order(&server).await["state"], "to_close");
        let dead = plant.agent.run(&["dead", "list", "--reason", "*Consumption Warning*"]).stdout;
        assert!(dead.contains("a person has to decide"), "{dead}");
        asked.close(&server).await;
        assert!(plant.agent.run(&["dead", "retry", "--all"]).status.success());
        plant.settled(0).await;
        assert_eq!(asked.order(&server).await, closed);

        // Odoo would enter all that was ordered.
        let empty = Shop::enter(&server, &format!("{id}-empty")).await;
        plant.send(&[finished(&empty, json!({"good": 0}))]).await;
        plant.settled(1).await;
        assert_eq!(empty.order(&server).await, json!({"state": "to_close", "qty_produced": 0.0}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_s_total_is_the_quantity_of_the_open_work_order_at_its_work_center() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.has(&["mrp.workorder", "mrp.bom"]).await {
            continue;
        }
        let id = new_id();
        let shop = Shop::enter(&server, &id).await;
        let mut plant = Plant::start(&server, &id, &["order-counts"], &["production.counted"]).await;
        let counted = |total: u64| {
            let data = json!({
                "good": 1, "good_total": total, "counter_epoch": 1, "from_at": "2026-11-20T07:00:00Z",
                "to_at": "2026-11-20T07:01:00Z", "unit_of_measure": "pcs", "cause": "interval", "order": shop.order,
                "asset": {"workcenter": shop.workcenter},
            });
            ("production.counted", data)
        };
        plant.deliver(&[counted(3), counted(4), counted(5)]).await;
        assert_eq!(shop.work_order(&server).await["qty_producing"], 5.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_and_a_machine_are_equipment_in_step_and_a_person_s_fields_stay() {
    for place in Place::each() {
        let server = place.open().await;
        if !server.lets_manage_equipment().await {
            continue;
        }
        let id = new_id();
        let types = [STARTED, "device.described", "device.online", "device.offline"];
        let mut plant = Plant::start(&server, &id, &["equipment"], &types).await;
        let described = json!({"cause": "start", "vendor": "ACME", "model": "P-4000", "serial": id, "tags": []});
        let offline = json!({"cause": "timeout", "last_good_at": null, "planned": false});
        plant.deliver(&[("device.described", described), ("device.offline", offline)]).await;
        let release = concat!("plantlink ", env!("CARGO_PKG_VERSION"));
        let name = server.look("maintenance.equipment", json!([["model", "=", release]]), &["name"]).await;
        assert!(name.iter().any(|gateway| gateway["name"] == "Gateway gw-test"), "{name:?}");
        let mine = json!([["serial_no", "=", id]]);
        let fields = ["name", "model", "partner_ref", "note"];
        let machine = server.look("maintenance.equipment", mine.clone(), &fields).await;
        let [machine] = machine.as_slice() else { panic!("one machine: {machine:?}") };
        assert_eq!(
            (&machine["name"], &machine["model"], &machine["partner_ref"]),
            (&json!("mes"), &json!("P-4000"), &json!("ACME"))
        );
        assert!(
            machine["note"].as_str().is_some_and(|note| note.contains("device.offline since 2026-11-20")),
            "{machine}"
        );
        let online = json!({"offline_s": 60, "was_planned": false});
        plant.deliver(&[("device.online", online)]).await;
        let machine = server.look("maintenance.equipment", mine, &fields).await;
        assert!(machine[0]["note"].as_str().is_some_and(|note| note.contains("device.online since")), "{machine:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_custom_model_is_made_once_and_takes_counts_measurements_alarms_and_quality() {
    for place in Place::each() {
        let server = place.open().await;
        let Some(administrator) = server.administrator() else { continue };
        let id = new_id();
        if let Some(odoo) = server.fake() {
            odoo.database(|db| db.remove_model(MODEL));
        }
        let types =
            ["production.counted", "consumption.counted", "measurement.sampled", "alarm.raised", "alarm.cleared"];
        let mut plant = Plant::start(&server, &id, &["plant-events"], &types).await;
        let made = make_model(&plant.agent, &administrator.login, &administrator.key);
        assert!(made.status.success(), "{} {}", made.stdout, made.stderr);
        let again = make_model(&plant.agent, &administrator.login, &administrator.key);
        assert!(again.stdout.ends_with("everything was there already\n"), "{}", again.stdout);
        assert!(!again.stdout.contains("made"), "{}", again.stdout);
        let refused = make_model(&plant.agent, &administrator.login, "0123456789abcdef");
        assert!(!refused.status.success() && refused.stderr.contains("API key"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("0123456789abcdef"), "{}", refused.stderr);

        let (from, to) = ("2026-11-20T07:00:00Z", "2026-11-20T07:05:00Z");
        let count = json!({
            "good": 5, "scrap": 1, "good_total": 50, "counter_epoch": 1, "from_at": from, "to_at": to, "unit_of_measure": "pcs",
            "cause": "interval", "order": id,
        });
        let meter = json!({
            "medium": "electricity", "delta": 1.5, "total": 80, "counter_epoch": 1, "unit_of_measure": "kW.h", "from_at": from,
            "to_at": to, "order": id,
        });
        let (warm, cold) = (format!("{id}_warm"), format!("{id}_cold"));
        let sample = json!({warm.as_str(): 61.5, cold.as_str(): -3, "state": "run", "gone": null});
        let alarm = json!({"alarm_id": id, "code": "E1", "text": id, "severity": "fault", "repeat_count": 0});
        let cleared = json!({"alarm_id": id, "code": "E1", "text": id, "raised_at": from, "duration_s": 60});
        let events = [
            ("production.counted", count),
            ("consumption.counted", meter),
            ("measurement.sampled", sample),
            ("alarm.raised", alarm),
            ("alarm.cleared", cleared),
        ];
        plant.deliver(&events).await;
        let fields = ["x_kind", "x_name", "x_at", "x_until", "x_quantity", "x_unit"];
        let counts = server.look(MODEL, json!([["x_order", "=", id]]), &fields).await;
        let at = |text: &str| json!(text);
        let (from, to) = (at("2026-11-20 07:00:00"), at("2026-11-20 07:05:00"));
        let expected = [
            json!({"x_kind": "count", "x_name": "interval", "x_at": from, "x_until": to, "x_quantity": 5.0, "x_unit": "pcs"}),
            json!({"x_kind": "consumption", "x_name": "electricity", "x_at": from, "x_until": to, "x_quantity": 1.5, "x_unit": "kW.h"}),
        ];
        assert_eq!(without_ids(counts), expected);
        let numbers = server.look(MODEL, json!([["x_name", "in", [warm, cold]]]), &["x_name", "x_quantity"]).await;
        let mut numbers = without_ids(numbers);
        numbers.sort_by_key(|number| number["x_name"].to_string());
        assert_eq!(numbers, [json!({"x_name": cold, "x_quantity": -3.0}), json!({"x_name": warm, "x_quantity": 61.5})]);
        let alarms =
            server.look(MODEL, json!([["x_name", "=", id]]), &["x_kind", "x_at", "x_until", "x_severity"]).await;
        let alarm = json!({
            "x_kind": "alarm", "x_at": "2026-11-20 08:04:00", "x_until": "2026-11-20 08:05:00", "x_severity": "fault",
        });
        assert_eq!(without_ids(alarms), [alarm]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measured_characteristic_becomes_a_record_with_its_limits_and_what_was_made_of_it() {
    for place in Place::each() {
        let server = place.open().await;
        let Some(administrator) = server.administrator() else { continue };
        let id = new_id();
        let mut plant = Plant::start(&server, &id, &["quality"], &["quality.measured"]).await;
        let made = make_model(&plant.agent, &administrator.login, &administrator.key);
        assert!(made.status.success(), "{} {}", made.stdout, made.stderr);
        let measured = json!({
            "characteristic": "diameter", "value": 12.02, "unit_of_measure": "mm", "lower": 11.9, "upper": 12.1, "evaluation": "ok",
            "result": "completed", "lot": id,
        });
        plant.deliver(&[("quality.measured", measured)]).await;
        let fields = ["x_kind", "x_name", "x_quantity", "x_lower", "x_upper", "x_evaluation"];
        let found = server.look(MODEL, json!([["x_lot", "=", id]]), &fields).await;
        let expected = json!({
            "x_kind": "quality", "x_name": "diameter", "x_quantity": 12.02, "x_lower": 11.9, "x_upper": 12.1, "x_evaluation": "ok",
        });
        assert_eq!(without_ids(found), [expected]);
    }
}

fn without_ids(mut records: Vec<Value>) -> Vec<Value> {
    for record in &mut records {
        if let Some(record) = record.as_object_mut() {
            record.remove("id");
        }
    }
    records
}
