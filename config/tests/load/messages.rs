//! Topics of an MQTT source: which filters are asked for, and what may be said of their messages.

use crate::folder::Folder;
use plantlink_config::{Environment, MqttSource, Source};

/// A source with these tables, and where its events go.
fn source(tables: &str) -> Folder {
    let plant = format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
destination.mqtt = [{{ name = "center", url = "mqtt://center" }}]
flow = [{{ name = "all", events = ["*"], to = "center" }}]
[[source.mqtt]]
name = "mes"
url = "mqtt://plant"
{tables}"#
    );
    Folder::with(&[("plantlink.toml", &plant)])
}

fn topic(filter: &str, keys: &str) -> String {
    format!("[[source.mqtt.topic]]\nfilter = \"{filter}\"\ntype = \"plant.note\"\n{keys}\n")
}

fn loaded(tables: &str) -> MqttSource {
    let loaded = source(tables).load(Environment::Run);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let Some(Source::Mqtt(source)) = loaded.config.unwrap().sources.pop() else { panic!("no MQTT source") };
    source
}

fn problem(tables: &str) -> String {
    let problems = source(tables).load(Environment::Run).problems;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    problem.to_string()
}

#[test]
fn a_filter_that_another_one_covers_is_not_subscribed_twice() {
    let tables =
        [topic("mes/{line}/urgent", ""), topic("mes/+/+", ""), topic("mes/#", ""), topic("other", "")].concat();
    assert_eq!(loaded(&tables).subscriptions(), ["mes/#", "other"]);
}

#[test]
fn retained_messages_are_no_events_unless_the_source_wants_them() {
    assert!(!loaded(&topic("mes/#", "")).retained);
    assert!(loaded(&format!("retained = true\n{}", topic("mes/#", ""))).retained);
}

#[test]
fn each_is_a_json_pointer() {
    let each = loaded(&topic("mes/#", "each = \"/a~1b/0\"")).topics[0].each.clone();
    assert_eq!(each.as_deref(), Some("/a~1b/0"));
    for wrong in ["positions", "", "/a~b"] {
        let said = problem(&topic("mes/#", &format!("each = \"{wrong}\"")));
        assert!(said.contains(&format!("`{wrong}` is no JSON pointer")), "{said}");
    }
}

#[test]
fn a_format_that_is_none_is_told_with_the_nearest_one() {
    let said = problem(&topic("mes/#", "time = \"{/ts:unixms}\""));
    assert!(said.contains("`unixms` is no format (allowed: date, datetime, unix, unix_ms)"), "{said}");
    assert!(said.contains("did you mean `unix_ms`?"), "{said}");
}
