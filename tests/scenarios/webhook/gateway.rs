//! A real gateway before the endpoint, and before Odoo: keys, limits, slow and dead servers, client certificates, a proxy.

use std::time::Duration;

use plantlink_tests::certificates::Authority;
use plantlink_tests::nginx::{Gateway, Nginx};
use plantlink_tests::odoo::{DATABASE, KEY, LOGIN, Odoo};
use plantlink_tests::webhook::{Manner, Webhook};

use super::{Plant, config, destination, flow, url};
use crate::plant::{LATER, SOON, entry};

/// What lets in whoever has the key.
const WITH_KEY: &str = "if ($http_x_api_key != s3cret) { return 401; }";
const KEY_LINES: &str = "headers = { X-Api-Key = { file = \"api-key\" } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_gateway_refuses_pauses_until_the_right_one_is_in_its_file() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    let nginx = Nginx::start(&Gateway::with(WITH_KEY), endpoint.port()).await;
    let mut plant = Plant::start(&url(nginx.port()), KEY_LINES, &[("api-key", "0123wrong")]).await;
    plant.finish(3).await;
    let reason = plant.paused("the endpoint answers 401").await;
    assert!(!reason.contains("0123wrong") && !plant.agent.log().contains("0123wrong"), "the key is shown");
    assert_eq!(endpoint.posted().len(), 0);
    plant.agent.write("api-key", "s3cret\n");
    plant.settled(3, 0).await;
    let resumed = |status: &_| flow(status)["paused"].is_null();
    plant.agent.wait_until("the flow to go on", SOON, resumed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_limits_loses_no_event_and_makes_no_dead_letter() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    let rules = "limit_req zone=limit burst=2 nodelay; limit_req_status 429;";
    let nginx = Nginx::start(&Gateway::with(rules), endpoint.port()).await;
    let mut plant = Plant::start(&url(nginx.port()), "", &[]).await;
    plant.finish(12).await;
    plant.settled(12, 0).await;
    assert_eq!(endpoint.taken().len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_slow_and_one_that_is_away_cost_patience_alone() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    let nginx = Nginx::start(&Gateway::with("proxy_read_timeout 1s;"), endpoint.port()).await;
    let mut plant = Plant::start(&url(nginx.port()), "", &[]).await;
    endpoint.set_takes(Duration::from_secs(3));
    plant.finish(2).await;
    let down = |status: &_| entry(status, "destinations", "centre")["state"] == "down";
    plant.agent.wait_until("the gateway to give up the endpoint", LATER, down).await;
    endpoint.set_takes(Duration::ZERO);
    endpoint.answer_next(&[503, 502, 408]);
    plant.finish(3).await;
    plant.settled(5, 0).await;
    assert_eq!(endpoint.taken().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_asks_for_a_certificate_and_whoever_has_none_loses_nothing() {
    let authority = Authority::new();
    let endpoint = Webhook::start(Manner::Verdicts).await;
    let nginx = Nginx::start(&Gateway::mutual(&authority), endpoint.port()).await;
    let client = authority.client("gw-test");
    let files =
        [("ca.pem", authority.certificate()), ("gw.crt", client.certificate.as_str()), ("gw.key", client.key.as_str())];
    let url = format!("https://localhost:{}/events", nginx.port());
    let mut plant = Plant::start(&url, "tls = { ca = \"ca.pem\" }", &files).await;
    plant.finish(4).await;
    plant.paused("SSL certificate").await;
    plant.agent.terminate().await;
    let tls = "tls = { ca = \"ca.pem\", certificate = \"gw.crt\", key = \"gw.key\" }";
    plant.agent.reconfigure(&config(&plant.mes, &destination(&url, tls)));
    plant.agent.restart();
    plant.settled(4, 0).await;
    assert_eq!(endpoint.taken().len(), 4);
}

/// The name is one that only the proxy knows the way to.
#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy_with_its_user_and_password() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    // `gw:s3cret` in base64.
    let rules = "if ($http_proxy_authorization != \"Basic Z3c6czNjcmV0\") { return 407; } proxy_set_header Host $host;";
    let nginx = Nginx::start(&Gateway::with(rules), endpoint.port()).await;
    let proxy = format!(
        "proxy = {{ url = \"http://127.0.0.1:{}\", username = \"gw\", password = {{ file = \"password\" }} }}",
        nginx.port()
    );
    let mut plant = Plant::start("http://hooks.invalid/events", &proxy, &[("password", "wrong")]).await;
    plant.finish(3).await;
    plant.paused("the endpoint answers 407").await;
    plant.agent.write("password", "s3cret");
    plant.settled(3, 0).await;
    assert!(endpoint.posted().iter().all(|posted| posted.header("host") == "hooks.invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn odoo_is_reached_through_a_proxy_with_a_gateways_key() {
    let odoo = Odoo::start().await.expect("a port for Odoo");
    let port = odoo.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port in Odoo's URL");
    let nginx = Nginx::start(&Gateway::with(WITH_KEY), port).await;
    let to = format!(
        r#"
[[destination.odoo]]
name = "centre"
url = "http://odoo.invalid"
database = "{DATABASE}"
login = "{LOGIN}"
api_key = {{ file = "odoo-key" }}
{KEY_LINES}
proxy = {{ url = "http://127.0.0.1:{}" }}

[[destination.odoo.record]]
name = "finished"
on = "workorder.finished"
model = "maintenance.request"
fields = {{ name = "{{order}}" }}
"#,
        nginx.port()
    );
    let mut plant = Plant::start_with(&to, &[("odoo-key", KEY), ("api-key", "0123wrong")]).await;
    plant.finish(3).await;
    let refused = |status: &_| {
        let reason = &entry(status, "destinations", "centre")["error"];
        reason.as_str().is_some_and(|reason| reason.contains("401"))
    };
    plant.agent.wait_until("the gateway to refuse the key", LATER, refused).await;
    plant.agent.write("api-key", "s3cret");
    plant.settled(3, 0).await;
    assert_eq!(odoo.loads().iter().map(|load| load.rows.len()).sum::<usize>(), 3);
}
