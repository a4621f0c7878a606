//! Topics of an MQTT source: which filters are asked for, and what may be said of their messages.

use plantlink_config::{Environment, MqttSource, Source};

use crate::folder::Folder;

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

const PRESS: &str = r#"
[[source.mqtt.sparkplug]]
group = "mill"
node = "edge-1"
device = "press"
tag = [{ name = "good", metric = "Press/Good", type = "u32" }]
event = [{ type = "production.counted", good = "good" }]
"#;

#[test]
fn a_sparkplug_table_subscribes_to_all_that_its_nodes_publish_and_nothing_else() {
    let source = loaded(PRESS);
    let expected =
        ["NBIRTH/edge-1", "NDATA/edge-1", "NDEATH/edge-1", "DBIRTH/edge-1/+", "DDATA/edge-1/+", "DDEATH/edge-1/+"];
    assert_eq!(source.subscriptions(), expected.map(|topic| format!("spBv1.0/mill/{topic}")));
    assert!(source.sparkplug[0].takes("mill", "edge-1", Some("press")));
    assert!(!source.sparkplug[0].takes("mill", "edge-1", None), "the node's own metrics are another table's");
    let both = format!("{PRESS}{}", PRESS.replace("\"press\"", "\"+\""));
    assert_eq!(loaded(&both).subscriptions().len(), 6, "each filter once");
}

#[test]
fn a_sparkplug_table_that_is_wrong_says_what_is_allowed() {
    let other_group = PRESS.replace("mill", "other");
    for (tables, expected) in [
        (PRESS.replace("edge-1", "a/b"), "`a/b` is no Sparkplug id"),
        (PRESS.replace("group = \"mill\"", "group = \"+\""), "`+` is no Sparkplug id"),
        (PRESS.replace("good = \"good\"", "good = \"god\""), "the device has no tag `god`"),
        (format!("{PRESS}{PRESS}"), "this is never reached"),
        (format!("{PRESS}{other_group}"), "for another group"),
        (PRESS.replace("device = \"press\"", "device = \"press\"\nprofile = \"pres\""), "there is no profile `pres`"),
        (PRESS.replace("type = \"u32\"", "at = \"40001\", type = \"u32\""), "unknown key `at`"),
        (String::new(), "missing key `topic`"),
    ] {
        let said = problem(&tables);
        assert!(said.contains(expected), "{said} should say {expected}");
    }
}

#[test]
fn a_filter_that_is_none_hides_no_other_mistake() {
    let tables = topic("mes/#/finished", "").replace("plant.note", "note");
    let problems = source(&tables).load(Environment::Run).problems;
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(matches!(&*said, [filter, event] if filter.contains("last level") && event.contains(".type")), "{said:?}");
}

#[test]
fn a_topic_that_is_meant_for_what_sparkplug_publishes_is_told() {
    let rejected = "no JSON: they are rejected";
    let never = "a table of `sparkplug` takes every message first";
    for (tables, filter, expected) in [
        ("", "spBv1.0/{group}/DDATA/{node}/{device}", Some(rejected)),
        ("", "spBv1.0/#", Some(rejected)),
        ("", "spBv1.0/STATE/{host}", None),
        ("", "#", None),
        (PRESS, "spBv1.0/mill/DDATA/edge-1/press", Some(never)),
        (PRESS, "spBv1.0/mill/DDATA/edge-2/press", Some(rejected)),
        (PRESS, "#", None),
    ] {
        let tables = format!("{}{tables}", topic(filter, ""));
        let problems = source(&tables).load(Environment::Run).problems;
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), expected.into_iter().count(), "{filter}: {said:?}");
        assert!(said.iter().all(|said| expected.is_some_and(|expected| said.contains(expected))), "{filter}: {said:?}");
    }
}

#[test]
fn a_flow_names_sparkplug_devices_by_node_and_device() {
    for (from, expected) in [("edge-1/press", 0), ("edge-1/*", 0), ("*/press", 0), ("edge-1/mill", 1)] {
        let any = PRESS.replace("\"press\"", if expected == 0 { "\"+\"" } else { "\"press\"" });
        let folder = source(&any);
        let file = folder.path().join("plantlink.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("to = \"center\"", &format!("from = [\"{from}\"], to = \"center\"")))
            .unwrap();
        let errors = folder.load(Environment::Run).problems;
        let unknown = errors.iter().filter(|problem| problem.to_string().contains("is named")).count();
        assert_eq!(unknown, expected, "{from}: {errors:?}");
    }
}

#[test]
fn a_profile_serves_what_is_published_without_what_is_about_registers() {
    let profile = r#"
[profile.press]
tag = [{ name = "good", at = "40001", type = "u32", scale = 1.0, unit_of_measure = "pcs" }]
event = [{ type = "production.counted", good = "good" }]
[[source.mqtt.sparkplug]]
group = "mill"
node = "edge-1"
device = "+"
profile = "press"
tag = [{ name = "good", metric = "Press/Good" }]
"#;
    let source = loaded(profile);
    let tags = source.sparkplug[0].tags.as_ref().unwrap();
    assert_eq!((tags.len(), tags[0].metric.as_deref()), (1, Some("Press/Good")));
    assert_eq!(tags[0].unit_of_measure.as_deref(), Some("pcs"));
    assert_eq!(source.sparkplug[0].events.len(), 1);
}
