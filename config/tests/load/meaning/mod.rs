//! What is wrong although it is written right: each case is a file and the problems it has.

mod odoo;
mod tags;

use plantlink_config::Environment;

use crate::folder::Folder;

/// A device, a broker and a center, all right. Cases change a part of it.
const BASE: &str = r#"
plant = { id = "p", gateway = "g" }
[[source.modbus]]
name = "line"
address = "tcp://plc"
[[source.modbus.device]]
name = "press"
unit = 1
every = "1s"
tag = [{ unit_of_measure = "pcs", name = "count", at = "40001", type = "u32" }, { name = "run", at = "coil:1" }]
event = [{ type = "production.counted", good = "count" }]
[[source.mqtt]]
name = "mes"
url = "mqtt://plant"
[[source.mqtt.topic]]
filter = "mes/+"
type = "workorder.finished"
[[destination.mqtt]]
name = "center"
url = "mqtts://center"
[[destination.odoo]]
name = "erp"
url = "https://erp"
database = "d"
login = "l"
api_key = { file = "key" }
[[destination.odoo.record]]
name = "r"
on = "workorder.*"
model = "m.m"
fields = { x = "{order}" }
[[flow]]
name = "all"
events = ["*"]
to = "center"
[[flow]]
name = "orders"
events = ["workorder.*"]
to = "erp"
[heartbeat]
to = ["center"]
"#;

/// The problems, without their places, after a part of the base was replaced.
fn problems(part: &str, by: &str) -> Vec<String> {
    assert_eq!(BASE.matches(part).count(), 1, "{part} has to be there once");
    let folder = Folder::with(&[("plantlink.toml", &BASE.replace(part, by)), ("key", "k")]);
    let own = format!("{}/", folder.path().display());
    let shown = |problem: &plantlink_config::Problem| {
        let shown = problem.to_string().replace(&own, "");
        shown.split_once("  ").map(|(_, problem)| problem.to_owned()).unwrap_or(shown)
    };
    folder.load(Environment::Run).problems.iter().map(shown).collect()
}

#[test]
fn the_base_of_the_cases_is_right() {
    assert_eq!(problems("every = \"1s\"", "every = \"1s\""), Vec::<String>::new());
}

#[test]
fn each_wrong_meaning_is_named_at_the_key_that_has_it() {
    let mut wrong = Vec::new();
    for (part, by, expected) in [CASES, tags::CASES, odoo::CASES].concat() {
        let found = problems(part, by);
        if !matches!(found.as_slice(), [one] if one.starts_with(expected)) {
            wrong.push(format!("{by}\n  expected {expected}\n  found    {}", found.join("\n           ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The part of the base that is replaced, what by, and how the one problem begins.
type Case = (&'static str, &'static str, &'static str);

/// All but those of files beside this one.
const CASES: &[Case] = &[
    // The clock.
    (
        "[heartbeat]",
        "[clock]\nsynced_by = \"kernal\"\n[heartbeat]",
        "clock.synced_by: `kernal` is not allowed here (allowed: kernel, time)",
    ),
    // The buffer's limits.
    (
        "[heartbeat]",
        "[buffer]\nmax_size = \"2 GB\"\n[heartbeat]",
        "buffer.max_size: `2 GB` is not a size (allowed: a whole",
    ),
    (
        "[heartbeat]",
        "[buffer]\nmax_size = \"31MB\"\n[heartbeat]",
        "buffer.max_size: `31MB` is too small (allowed: 32MB and more)",
    ),
    (
        "[heartbeat]",
        "[buffer]\nkeep_delivered = \"long\"\n[heartbeat]",
        "buffer.keep_delivered: `long` is not a length of time",
    ),
    (
        "to = \"erp\"",
        "to = \"erp\"\nwhen_full = \"drop\"",
        "flow[1].when_full: `drop` is not allowed here (allowed: refuse, drop-oldest, thin)",
    ),
    (
        "to = \"erp\"",
        "to = \"erp\"\nwhen_full = \"thin\"",
        "flow[1].when_full: `thin` is for flows of `measurement.sampled` alone, and this one takes `workorder.*` too",
    ),
    (
        "to = \"erp\"",
        "to = \"erp\"\nwhen_full = \"drop-oldest\"",
        "warning: flow[1].when_full: `mes` also feeds `all`, which refuses: it is stopped after this flow has lost its events",
    ),
    (
        "to = \"erp\"",
        "to = \"erp\"\npriority = \"urgent\"",
        "flow[1].priority: `urgent` is not allowed here (allowed: critical, normal, bulk)",
    ),
    (
        "to = \"erp\"",
        "to = \"erp\"\norder = \"live\"",
        "flow[1].order: `live` is not allowed here (allowed: strict, live-first)",
    ),
    // Messages.
    (
        "filter = \"mes/+\"\ntype = \"workorder.finished\"",
        "filter = \"mes/+\"\ntype = \"workorder.finished\"\n[[source.mqtt.topic]]\nfilter = \"mes/a\"\ntype = \"workorder.started\"",
        "source.mqtt[0].topic[1].filter: `mes/a` is never reached: `mes/+` at plantlink.toml:16:10 takes every message first",
    ),
    (
        "filter = \"mes/+\"",
        "filter = \"mes/+/a\"\ntype = \"workorder.started\"\n[[source.mqtt.topic]]\nfilter = \"mes/b/+\"",
        "source.mqtt[0].topic[1].filter: `mes/b/+` and `mes/+/a` at plantlink.toml:16:10 overlap in part",
    ),
    ("filter = \"mes/+\"", "filter = \"mes/+\"\ntime = \"noon\"", "source.mqtt[0].topic[0].time: a constant `time`"),
    ("filter = \"mes/+\"", "filter = \"mes/+\"\nid = \"{/a:unx}\"", "source.mqtt[0].topic[0].id: `unx` is no format"),
    // Links.
    (
        "url = \"mqtt://plant\"",
        "url = \"http://plant\"",
        "source.mqtt[0].url: `http://` is not possible here (allowed: mqtt://, mqtts://)",
    ),
    ("url = \"mqtt://plant\"", "url = \"mqtt://plant/x\"", "source.mqtt[0].url: a broker's URL has no path"),
    (
        "url = \"mqtt://plant\"",
        "url = \"mqtt://plant\"\ntls = {}",
        "source.mqtt[0].tls: `tls` has no effect with mqtt://",
    ),
    (
        "url = \"mqtt://plant\"",
        "url = \"mqtt://plant\"\nsession_expiry = \"0s\"",
        "source.mqtt[0].session_expiry: an interval of zero",
    ),
    (
        "url = \"mqtt://plant\"",
        "url = \"mqtt://plant\"\nclient_id = \"{line}\"",
        "source.mqtt[0].client_id: `line` cannot be looked up here",
    ),
    (
        "url = \"mqtt://plant\"",
        "url = \"mqtt://plant\"\nclient_id = \"\"",
        "source.mqtt[0].client_id: this is no client id",
    ),
    (
        "url = \"mqtt://plant\"",
        "url = \"mqtts://Center\"\nclient_id = \"p.g.center\"",
        "destination.mqtt[0]: the client id `p.g.center` is also that of source.mqtt[0]",
    ),
    (
        "url = \"mqtts://center\"",
        "url = \"mqtts://center\"\nclient_id = \"{plant}.{gateway}.heartbeat\"",
        "heartbeat.to[0]: the client id `p.g.heartbeat` is also that of destination.mqtt[0]",
    ),
    (
        "url = \"mqtts://center\"",
        "url = \"mqtts://center\"\ntls = { ca = \"gone.pem\" }",
        "destination.mqtt[0].tls.ca: cannot read gone.pem: ",
    ),
    (
        "url = \"mqtts://center\"",
        "url = \"mqtts://center\"\ntls = { ca = \".\" }",
        "destination.mqtt[0].tls.ca: cannot read .: it is no file",
    ),
    (
        "url = \"mqtts://center\"",
        "url = \"mqtts://center\"\ntls = { key = \"key\" }",
        "destination.mqtt[0].tls: `key` needs its `certificate`",
    ),
    (
        "url = \"mqtts://center\"",
        "url = \"mqtts://center\"\ntopic = \"\"",
        "destination.mqtt[0].topic: a topic cannot be empty",
    ),
    (
        "url = \"mqtts://center\"",
        "url = \"mqtts://center\"\ntopic = \"{asset.line}\"",
        "destination.mqtt[0].topic: an asset has no `asset.line`",
    ),
    // Secrets.
    ("{ file = \"key\" }", "{ file = 3 }", "destination.odoo[0].api_key.file: expected a string, found a whole number"),
    ("{ file = \"key\" }", "{}", "destination.odoo[0].api_key: this needs one key"),
    ("{ file = \"key\" }", "{ file = \"key\", env = \"X\" }", "destination.odoo[0].api_key: a secret has one place"),
    ("{ file = \"key\" }", "{ file = \"gone\" }", "destination.odoo[0].api_key.file: cannot read gone: "),
    (
        "{ file = \"key\" }",
        "{ env = \"PLANTLINK_NO_SUCH\" }",
        "destination.odoo[0].api_key.env: environment variable `PLANTLINK_NO_SUCH` is not set",
    ),
    (
        "{ file = \"key\" }",
        "{ credential = \"a/b\" }",
        "destination.odoo[0].api_key.credential: `a/b` is not the name of a credential",
    ),
    // Flows and the heartbeat.
    ("name = \"orders\"", "name = \"all\"", "flow[1].name: `all` is there twice"),
    ("name = \"orders\"", "name = \"orders\"\nwas = \"all\"", "flow[1].was: `all` is the name of a flow now"),
    (
        "name = \"orders\"",
        "name = \"orders\"\nfrom = [\"mess\"]",
        "flow[1].from[0]: no device and no MQTT source is named `mess` (did you mean `mes`?)",
    ),
    (
        "name = \"orders\"",
        "name = \"orders\"\nfrom = [\"*\", \"x-*\"]",
        "warning: flow[1].from[1]: no device and no MQTT source is named `x-*`",
    ),
    ("to = [\"center\"]", "to = [\"erp\"]", "heartbeat.to[0]: `erp` is an Odoo database"),
    ("to = [\"center\"]", "to = [\"center\", \"center\"]", "heartbeat.to[1]: `center` is there twice"),
    (
        "to = [\"center\"]",
        "to = [\"cnter\"]",
        "heartbeat.to[0]: no destination is named `cnter` (did you mean `center`?)",
    ),
    // What comes to nothing.
    (
        "event = [{ type = \"production.counted\", good = \"count\" }]",
        "",
        "warning: source.modbus[0].device[0]: `press` is read, and no event is made of it",
    ),
    (
        "events = [\"*\"]",
        "events = [\"work*\"]",
        "warning: source.modbus[0].device[0].event[0]: no flow takes `production.counted` from press",
    ),
    (
        "name = \"press\"\n",
        "name = \"press\"\nstage = \"commissioning\"\n",
        "warning: source.modbus[0].device[0].stage: no flow takes the stage `commissioning`: what `press` tells goes nowhere",
    ),
    (
        "[heartbeat]",
        "[[flow]]\nname = \"late\"\nevents = [\"production.*\"]\nto = \"center\"\n[heartbeat]",
        "warning: flow[2]: earlier flows to `center` take every event that this one matches",
    ),
    (
        "[heartbeat]",
        "[[flow]]\nname = \"typo\"\nevents = [\"prodution.counted\"]\nto = \"center\"\n[heartbeat]",
        "warning: flow[2].events: no source makes an event that this flow takes (did you mean `production.counted`?)",
    ),
    (
        "[\"workorder.*\"]",
        "[\"*\"]",
        "warning: flow[1].to: no record of `erp` takes `production.counted`: these events count as unused",
    ),
    (
        "fields = { x = \"{order}\" }",
        "fields = { x = \"{order}\" }\n[[destination.odoo.record]]\nname = \"counts\"\non = \"production.counted\"\nmodel = \"m.m\"\nfields = { x = \"y\" }",
        "warning: destination.odoo[0].record[1].on: no flow to `erp` brings an event that this record takes",
    ),
    (
        "[heartbeat]",
        "[[destination.mqtt]]\nname = \"spare\"\nurl = \"mqtt://spare\"\n[heartbeat]",
        "warning: destination.mqtt[1]: no flow and no heartbeat goes to `spare`",
    ),
];

#[test]
fn a_credential_without_its_directory_is_a_warning_at_a_desk_and_an_error_for_the_daemon() {
    if std::env::var_os("CREDENTIALS_DIRECTORY").is_some() {
        return;
    }
    let text = BASE.replace("{ file = \"key\" }", "{ credential = \"odoo\" }");
    let folder = Folder::with(&[("plantlink.toml", &text)]);
    let said =
        "destination.odoo[0].api_key.credential: credential `odoo` cannot be read: $CREDENTIALS_DIRECTORY is not set";
    let [desk, daemon] = [Environment::Check, Environment::Run].map(|environment| folder.load(environment));
    assert!(desk.config.is_some() && daemon.config.is_none());
    assert!(
        desk.problems.iter().any(|problem| problem.to_string().contains(&format!("warning: {said}"))),
        "{:?}",
        desk.problems
    );
    assert!(
        daemon.problems.iter().any(|problem| problem.to_string().contains(&format!("  {said}"))),
        "{:?}",
        daemon.problems
    );
}

#[test]
fn a_gateway_may_be_named_after_its_machine() {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let folder = Folder::with(&[("plantlink.toml", "plant = { id = \"p\", gateway = \"gw-{hostname}\" }\n")]);
    let loaded = folder.load(Environment::Run);
    let expected = format!("gw-{}", hostname.trim());
    match loaded.config {
        Some(config) => assert_eq!(*config.plant.gateway, *expected),
        None => assert!(loaded.problems[0].message.contains(&expected), "{:?}", loaded.problems),
    }
}
