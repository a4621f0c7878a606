//! How fast a destination may be offered events, and how late a flow may be: what is refused, and what is warned of.

use plantlink_config::{Environment, Rate};

use crate::folder::Folder;

/// The file with further keys of a destination and a flow.
fn file(destination: &str, flow: &str) -> String {
    format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
[[source.mqtt]]
name = "mes"
url = "mqtt://plant"
topic = [{{ filter = "mes/+", type = "workorder.finished" }}]
[[destination.mqtt]]
name = "center"
url = "mqtts://center"
{destination}
[[flow]]
name = "all"
events = ["*"]
to = "center"
{flow}
"#
    )
}

/// The problems, without their places, of a destination and a flow with further keys.
fn problems(destination: &str, flow: &str) -> Vec<String> {
    let problems = Folder::with(&[("plantlink.toml", &file(destination, flow))]).load(Environment::Run).problems;
    let shown = |problem: &plantlink_config::Problem| {
        let shown = problem.to_string();
        shown.split_once("  ").map(|(_, problem)| problem.to_owned()).unwrap_or(shown)
    };
    problems.iter().map(shown).collect()
}

#[test]
fn a_pace_that_is_none_is_refused_and_one_without_effect_is_warned_of() {
    for (destination, flow, expected) in [
        ("rate = { burst = 5 }", "", "destination.mqtt[0].rate: missing key `per_second`"),
        (
            "rate = { per_second = 0 }",
            "",
            "destination.mqtt[0].rate.per_second: 0 is out of range (allowed: 1 to 1000000)",
        ),
        (
            "drain = {}",
            "",
            "destination.mqtt[0].drain: `drain` says nothing (allowed: `per_second`, `start_within`, or both)",
        ),
        (
            "drain = { start_within = \"0s\" }",
            "",
            "destination.mqtt[0].drain.start_within: an interval of zero is not possible (allowed: 1ms and longer)",
        ),
        (
            "drain = { per_secnd = 5, start_within = \"5m\" }",
            "",
            "destination.mqtt[0].drain: unknown key `per_secnd` (did you mean `per_second`?)",
        ),
        (
            "rate = { per_second = 50 }\ndrain = { per_second = 50 }",
            "",
            "warning: destination.mqtt[0].drain.per_second: this has no effect: `rate` allows 50 a second for all events",
        ),
        ("", "max_delay = \"0s\"", "flow[0].max_delay: an interval of zero is not possible (allowed: 1ms and longer)"),
    ] {
        let found = problems(destination, flow);
        assert_eq!(found, [expected], "{destination}{flow}");
    }
}

#[test]
fn a_burst_that_is_left_out_is_what_goes_in_a_second() {
    let loaded = Folder::with(&[("plantlink.toml", &file("rate = { per_second = 50 }", ""))]).load(Environment::Run);
    let config = loaded.config.unwrap();
    assert_eq!(config.destinations[0].pacing().rate, Some(Rate { per_second: 50, burst: 50 }));
}
