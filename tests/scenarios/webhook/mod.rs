//! The webhook destination: what goes out, what the endpoint's answers come to, and a real gateway in between.

mod gateway;

use std::collections::BTreeSet;
use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Broker;
use plantlink_tests::client::{Publisher, Version};
use plantlink_tests::proxy::{Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use plantlink_tests::webhook::{Limit, Manner, Verdict, Webhook};
use serde_json::Value;

use crate::plant::{FINISHED, LATER, SITE, SOON, assert_accounted, entry, finished};

/// A MES whose orders go to an endpoint.
struct Plant {
    agent: Agent,
    mes: Broker,
    publisher: Publisher,
    published: usize,
}

impl Plant {
    /// An agent that posts to `url`, with further lines of the destination and files beside its configuration.
    async fn start(url: &str, lines: &str, files: &[(&str, &str)]) -> Plant {
        Plant::start_with(&destination(url, lines), files).await
    }

    /// An agent with this destination.
    async fn start_with(destination: &str, files: &[(&str, &str)]) -> Plant {
        let mes = Broker::start().await;
        let agent = Agent::start_with(&config(&mes, destination), files);
        let publisher = Publisher::new(mes.back_door("mes-sender", Version::V311));
        wait::until("the subscription of mes", SOON, async || {
            mes.log().contains("mill-07.gw-test.mes 1 mes/").then_some(())
        })
        .await;
        Plant { agent, mes, publisher, published: 0 }
    }

    /// The MES finishes so many orders, with the next numbers.
    async fn finish(&mut self, orders: usize) {
        let numbers = self.published..self.published + orders;
        self.publisher.publish_all(&numbers.map(finished).collect::<Vec<_>>()).await;
        self.published += orders;
    }

    /// Waits until so many events are delivered and so many are dead letters, and none waits.
    async fn settled(&self, delivered: u64, dead: u64) -> Value {
        let what = format!("{delivered} events to be delivered and {dead} to be dead");
        let status = self.agent.wait_until(&what, LATER, |status| {
            let flow = flow(status);
            (&flow["delivered"], &flow["dead"], &flow["depth"]) == (&delivered.into(), &dead.into(), &0.into())
        });
        let status = status.await;
        assert_accounted(&status);
        status
    }

    /// Waits until the flow is paused because of this. All of its events wait, and none is a dead letter.
    async fn paused(&self, because: &str) -> String {
        let status = self.agent.wait_until("the flow to be paused", LATER, |status| {
            let flow = flow(status);
            let paused = flow["paused"]["reason"].as_str().is_some_and(|reason| reason.contains(because));
            paused && flow["depth"] == self.published
        });
        let status = status.await;
        assert_eq!(flow(&status)["dead"], 0, "{status:#}");
        flow(&status)["paused"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

fn flow(status: &Value) -> &Value {
    entry(status, "flows", "all")
}

fn config(mes: &Broker, destination: &str) -> String {
    let port = mes.port();
    format!(
        r#"{SITE}
[[source.mqtt]]
name = "mes"
url = "mqtt://localhost:{port}"

[[source.mqtt.topic]]
filter = "mes/{{line}}/finished"
type = "{FINISHED}"
id = "{{/number}}"
data = {{ order = "{{/order}}", number = "{{/number}}", line = "{{line}}", good = "{{/good}}" }}

{destination}

[[flow]]
name = "all"
events = ["workorder.*"]
to = "centre"
"#
    )
}

fn destination(url: &str, lines: &str) -> String {
    format!("[[destination.webhook]]\nname = \"centre\"\nurl = \"{url}\"\n{lines}")
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/events?line=3")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_posted_alone_signed_and_with_a_key_that_is_its_id() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    let lines = "signing_key = { file = \"signing-key\" }\nheaders = { X-Tenant = \"mill\", X-Api-Key = { file = \"api-key\" } }";
    let files = [("signing-key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), ("api-key", "s3cret\n")];
    let mut plant = Plant::start(&url(endpoint.port()), lines, &files).await;
    plant.finish(3).await;
    plant.settled(3, 0).await;
    let posted = endpoint.posted();
    assert_eq!(posted.len(), 3);
    for posted in &posted {
        let event: Value = serde_json::from_str(&posted.text()).expect("one event");
        let id = event["event_id"].as_str().expect("an id");
        assert_eq!((posted.header("webhook-id"), posted.header("idempotency-key")), (id, id));
        assert!(posted.header("webhook-signature").starts_with("v1,"));
        assert!(posted.header("webhook-timestamp").parse::<u64>().is_ok());
        let trace = event["metadata"]["trace_id"].as_str().expect("a trace");
        assert!(posted.header("traceparent").starts_with(&format!("00-{trace}-")));
        let own = ["content-type", "x-tenant", "x-api-key"].map(|name| posted.header(name));
        assert_eq!(own, ["application/json", "mill", "s3cret"]);
    }
    assert!(!plant.agent.log().contains("s3cret"), "the key is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_packed_and_each_event_of_it_gets_its_own_verdict() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    endpoint.set_verdict(7, Verdict::Reject);
    endpoint.set_verdict(11, Verdict::Later);
    let lines = "batch = 50\ncompression = \"gzip\"\nformat = \"cloudevents\"";
    let mut plant = Plant::start(&url(endpoint.port()), lines, &[]).await;
    plant.finish(40).await;
    let status = plant.settled(39, 1).await;
    assert_eq!(flow(&status)["paused"], Value::Null);
    let dead = plant.agent.wait_until("the dead letter's reason", SOON, |status| flow(status)["last_dead"].is_object());
    assert_eq!(flow(&dead.await)["last_dead"]["reason"], "no such order");
    assert_eq!(endpoint.taken().len(), 39);
    let posted = endpoint.posted();
    assert!(posted.iter().all(|posted| posted.header("content-encoding") == "gzip"));
    assert!(posted.iter().all(|posted| posted.header("content-type") == "application/cloudevents-batch+json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_spoils_its_batch_is_found_alone_and_its_neighbors_are_delivered() {
    let endpoint = Webhook::start(Manner::Whole).await;
    // All of them gather, so that the first batch has the bad one in it.
    endpoint.answer_next(&[503]);
    endpoint.set_verdict(17, Verdict::Reject);
    let mut plant = Plant::start(&url(endpoint.port()), "batch = 50", &[]).await;
    plant.finish(40).await;
    let status = plant.settled(39, 1).await;
    assert_eq!(flow(&status)["paused"], Value::Null);
    let dead = plant.agent.wait_until("the dead letter's reason", SOON, |status| flow(status)["last_dead"].is_object());
    assert_eq!(flow(&dead.await)["last_dead"]["reason"], "the endpoint answers 422: no such order");
    assert_eq!(endpoint.taken().len(), 39);
}

/// The twentieth refusal in a row makes no dead letter any more.
async fn paused_by_a_row(plant: &Plant) {
    let paused = plant.agent.wait_until("the flow to be paused", LATER, |status| {
        let flow = flow(status);
        flow["paused"]["reason"].as_str().is_some_and(|reason| reason.contains("20 events in a row"))
    });
    assert_eq!(flow(&paused.await)["dead"], 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refusals_in_a_row_pause_the_flow_until_an_event_is_taken() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    endpoint.refuse(Some(422));
    let mut plant = Plant::start(&url(endpoint.port()), "", &[]).await;
    plant.finish(30).await;
    paused_by_a_row(&plant).await;
    endpoint.refuse(None);
    plant.settled(11, 19).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_refusals_in_a_row_gives_up_no_more_events_than_one_row() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    endpoint.refuse(Some(422));
    let mut plant = Plant::start(&url(endpoint.port()), "", &[]).await;
    plant.finish(30).await;
    for start in 0..2 {
        if start > 0 {
            plant.agent.kill();
            plant.agent.restart();
        }
        paused_by_a_row(&plant).await;
    }
    endpoint.refuse(None);
    plant.settled(11, 19).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_doubt_at_a_kill_comes_again_under_the_same_key() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    let link = Proxy::start(endpoint.port(), Random::new(1)).await;
    let mut plant = Plant::start(&url(link.port()), "", &[]).await;
    link.set(Mode::StallAnswers);
    plant.finish(5).await;
    wait::until("the first event to arrive", SOON, async || (!endpoint.taken().is_empty()).then_some(())).await;
    plant.agent.kill();
    link.set(Mode::Pass);
    plant.agent.restart();
    plant.settled(5, 0).await;
    assert_eq!(endpoint.taken().len(), 5);
    let keys: Vec<String> = endpoint.posted().iter().map(|posted| posted.header("webhook-id").to_owned()).collect();
    assert_eq!(keys.first(), keys.get(1), "the event in doubt");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_the_endpoint_tells_of_is_never_overrun() {
    let endpoint = Webhook::start(Manner::Verdicts).await;
    endpoint.set_limit(Some(Limit { requests: 10, window: Duration::from_secs(1) }));
    let mut plant = Plant::start(&url(endpoint.port()), "", &[]).await;
    plant.finish(25).await;
    plant.settled(25, 0).await;
    assert_eq!((endpoint.overruns(), endpoint.taken().len()), (0, 25));
}
