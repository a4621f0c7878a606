//! What the catalogue promises of its types.

use std::collections::HashSet;

use plantlink_config::EnvelopeFormat;
use serde_json::json;

use super::*;

fn misfit(event_type: &str, data: Value) -> Option<String> {
    check(event_type, data.as_object().unwrap()).err().map(|misfit| misfit.to_string())
}

#[test]
fn the_catalogue_has_twenty_types_each_once() {
    let names: HashSet<&str> = all().map(|standard| standard.name).collect();
    assert_eq!((names.len(), all().count()), (20, 20));
}

#[test]
fn data_that_does_not_fit_is_told_with_its_path_and_what_is_allowed() {
    let state = json!({
        "state": "executing", "mode": "processing", "vendor_state": "run", "interval_id": "i2", "since_at": "2026-11-20T08:15:30Z",
        "previous": {"interval_id": "i1", "state": "idle"},
    });
    for (event_type, data, expected) in [
        ("workorder.finished", json!({"order": "7", "good": 3, "colour": 1, "scrap": null}), None),
        ("workorder.finished", json!({"order": "7", "good": 3, "final": true}), None),
        ("workorder.finished", json!({"order": "7"}), Some("`good` is missing, which workorder.finished requires")),
        (
            "workorder.finished",
            json!({"order": "7", "good": null}),
            Some("`good` is missing, which workorder.finished requires"),
        ),
        (
            "workorder.finished",
            json!({"order": "7", "good": -1}),
            Some("`good` is -1, where workorder.finished has a number that is not negative"),
        ),
        (
            "workorder.finished",
            json!({"order": "", "good": 1}),
            Some("`order` is \"\", where workorder.finished has a text that is not empty"),
        ),
        (
            "workorder.finished",
            json!({"order": "7", "good": 3, "started_at": "yesterday"}),
            Some("`started_at` is \"yesterday\", where workorder.finished has a time like 2026-11-20T08:15:30Z"),
        ),
        (
            "machine.state_changed",
            state,
            Some(
                "`previous.state` is \"idle\", where machine.state_changed has executing, not_executing, out_of_service, not_available",
            ),
        ),
        ("measurement.sampled", json!({"speed": 1.5, "heat": null, "lamps": ["red"]}), None),
        (
            "measurement.sampled",
            json!({"speed": {"now": 1}}),
            Some(
                "`speed` is {\"now\":1}, where measurement.sampled has a number, a text, true, false, null or a list of texts",
            ),
        ),
        (
            "lot.produced",
            json!({"lot": "L", "product": "P", "quantity": 1, "unit_of_measure": "pcs", "consumed_lots": ["a", 2]}),
            Some("`consumed_lots.1` is 2, where lot.produced has a text that is not empty"),
        ),
        ("maintenance.requested", json!({"good": {}}), None),
    ] {
        assert_eq!(misfit(event_type, data).as_deref(), expected);
    }
}

#[test]
fn a_time_is_one_that_a_schema_takes_as_well() {
    for (text, fits) in [
        ("2026-11-20T08:15:30Z", true),
        ("2026-11-20T08:15:30.125+01:00", true),
        ("2026-11-20 08:15:30Z", false),
        ("2026-11-20T08:15Z", false),
        ("2026-11-20T08:15:30", false),
        ("2026-11-20T08:15:30+01:00[Europe/Berlin]", false),
        ("20261120T081530Z", false),
        ("", false),
    ] {
        let data = json!({"alarm_id": "a", "code": "1", "text": "", "duration_s": 0.5, "raised_at": text});
        assert_eq!(misfit("alarm.cleared", data).is_none(), fits, "{text}");
    }
}

#[test]
fn a_number_where_an_identifier_belongs_becomes_its_text() {
    let Value::Object(mut data) = json!({"order": 42, "good": 3, "operation": 1.5, "line": 3}) else { unreachable!() };
    conform("workorder.finished", &mut data);
    assert_eq!(Value::from(data), json!({"order": "42", "good": 3, "operation": "1.5", "line": 3}));
}

#[test]
fn a_name_that_is_nearly_right_is_found() {
    assert_eq!(like("production.count"), Some("production.counted"));
    assert_eq!(like("maintenance.requested"), None);
}

#[test]
fn each_schema_names_its_type_and_what_its_data_requires() {
    for (format, key) in [(EnvelopeFormat::Plant, "event_type"), (EnvelopeFormat::CloudEvents, "type")] {
        for standard in all() {
            let schema = schema(Some(standard), format);
            assert_eq!(schema["properties"][key]["const"], standard.name);
            assert_eq!(schema["properties"]["data"]["type"], "object");
        }
        let order = schema(find("workorder.started"), format);
        let data = &order["properties"]["data"];
        assert_eq!(data["required"], json!(["order"]));
        assert_eq!(data["properties"]["quantity_planned"]["type"], json!(["number", "null"]));
    }
}
