//! A webhook, and what every HTTP server may have: what is refused, what is left out, and that Odoo takes the same keys.

use std::time::Duration;

use plantlink_config::{
    Compression, Destination, EnvelopeFormat, Environment, HeaderValue, Proxy, Secret, WebhookDestination,
};

use crate::folder::Folder;

fn folder(url: &str, lines: &str) -> Folder {
    let file = format!(
        r#"
plant = {{ id = "p", gateway = "g" }}
[[source.mqtt]]
name = "mes"
url = "mqtt://plant"
topic = [{{ filter = "mes/+", type = "workorder.finished" }}]
[[destination.webhook]]
name = "hook"
url = "{url}"
{lines}
[[flow]]
name = "all"
events = ["*"]
to = "hook"
"#
    );
    Folder::with(&[("plantlink.toml", &file), ("key", "s3cret")])
}

fn webhook(lines: &str) -> WebhookDestination {
    let folder = folder("https://hook/a/?b=c", lines);
    let loaded = folder.load(Environment::Run);
    let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems));
    let [Destination::Webhook(webhook)] = config.destinations.as_slice() else { panic!("{:?}", config.destinations) };
    webhook.clone()
}

#[test]
fn a_webhook_needs_a_name_and_a_url_that_stays_as_it_is_written() {
    let webhook = webhook("");
    assert_eq!(webhook.http.url, "https://hook/a/?b=c");
    assert_eq!((webhook.batch, webhook.timeout), (1, Duration::from_secs(30)));
    assert_eq!((webhook.format, webhook.compression), (EnvelopeFormat::Plant, Compression::None));
    assert_eq!((webhook.signing_key, webhook.http.headers, webhook.http.proxy), (None, Vec::new(), None));
}

#[test]
fn header_fields_are_texts_or_secrets_and_a_proxy_may_ask_who_comes() {
    let folder = folder(
        "http://hook",
        "headers = { X-Tenant = \"mill\", X-Api-Key = { file = \"key\" } }\n\
         proxy = { url = \"http://proxy:3128/\", username = \"gw\", password = { file = \"key\" } }",
    );
    let key = Secret::File(folder.path().join("key"));
    let config = folder.load(Environment::Run).config.unwrap();
    let [Destination::Webhook(webhook)] = config.destinations.as_slice() else { panic!("{:?}", config.destinations) };
    let named = |name: &str, value| (name.to_owned(), value);
    assert_eq!(
        webhook.http.headers,
        [named("x-api-key", HeaderValue::Secret(key.clone())), named("x-tenant", HeaderValue::Text("mill".to_owned())),]
    );
    let proxy = Proxy { url: "http://proxy:3128".to_owned(), user: Some(("gw".to_owned(), key)) };
    assert_eq!(webhook.http.proxy, Some(proxy));
}

#[test]
fn what_a_webhook_cannot_have_is_refused_with_its_place() {
    let hook = "destination.webhook[0]";
    for (url, lines, expected) in [
        ("ftp://hook", "", ".url: `ftp://` is not possible here (allowed: https://, http://)"),
        ("http://hook/#a", "", ".url: the URL cannot have a `#` here"),
        (
            "https://gw:key@hook",
            "",
            ".url: a URL holds no user and no password here (use `headers = { Authorization = { credential = \"name\" } }`)",
        ),
        ("http://hook", "batch = 0", ".batch: 0 is out of range (allowed: 1 to 1000)"),
        ("http://hook", "timeout = \"11m\"", ".timeout: the time for an answer is out of range (allowed: 1s to 10m)"),
        ("http://hook", "timeout = \"999ms\"", ".timeout: the time for an answer is out of range (allowed: 1s to 10m)"),
        ("http://hook", "compresion = \"gzip\"", ": unknown key `compresion` (did you mean `compression`?)"),
        ("http://hook", "tls = {}", ".tls: `tls` has no effect with http:// (write https:// in `url`)"),
        (
            "http://hook",
            "headers = { \"a b\" = \"c\" }",
            ".headers.\"a b\": `a b` is not the name of a header field (allowed: letters, digits and `-`)",
        ),
        (
            "http://hook",
            "headers = { Content-Type = \"text/plain\" }",
            ".headers.Content-Type: `Content-Type` is set by the agent itself",
        ),
        (
            "http://hook",
            "headers = { X-A = \"b\", x-a = \"c\" }",
            ".headers.x-a: `x-a` is there twice: the names of header fields have no case",
        ),
        (
            "http://hook",
            "headers = { Authorization = \"Bearer x\" }",
            ".headers.Authorization: what `authorization` holds is a secret, and a secret never stands in the file (use \
             { credential = \"name\" }, { file = \"path\" } or { env = \"NAME\" })",
        ),
        (
            "http://hook",
            "headers = { X-A = \"caf\u{e9}\" }",
            ".headers.X-A: a header field holds printable ASCII alone",
        ),
        ("http://hook", "proxy = {}", ".proxy: missing key `url`"),
        (
            "http://hook",
            "proxy = { url = \"socks5://proxy\" }",
            ".proxy.url: a proxy is not reached by `socks5://` (allowed: http://host:port)",
        ),
        (
            "http://hook",
            "proxy = { url = \"http://proxy/a\" }",
            ".proxy.url: a proxy's URL has no path (allowed: http://host:port)",
        ),
        (
            "http://hook",
            "proxy = { url = \"http://gw:key@proxy\" }",
            ".proxy.url: a URL holds no user and no password here (use `username` and `password = { credential = \"name\" }`)",
        ),
        (
            "http://hook",
            "proxy = { url = \"http://proxy\", username = \"gw\" }",
            ".proxy: `username` needs its `password`",
        ),
        (
            "http://hook",
            "proxy = { url = \"http://proxy\", username = \"a:b\", password = { file = \"key\" } }",
            ".proxy.username: a proxy's user is not empty and has no `:` in it",
        ),
    ] {
        let problems = folder(url, lines).problems(Environment::Run);
        let [problem] = problems.as_slice() else { panic!("{lines}: {problems:?}") };
        let (_, told) = problem.split_once("  ").unwrap();
        assert_eq!(told, format!("{hook}{expected}"), "{url} {lines}");
    }
}

#[test]
fn a_heartbeat_does_not_go_to_a_webhook() {
    let problems = folder("http://hook", "[heartbeat]\nto = [\"hook\"]").problems(Environment::Run);
    let told = problems.first().unwrap();
    assert!(told.ends_with("`hook` is a webhook, and a heartbeat goes to MQTT destinations"), "{told}");
}
