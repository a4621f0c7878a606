//! What a person and a monitoring system learn from `plantlink status`: the sentence that matters, and an exit code.

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Rules, Tls};
use plantlink_tests::certificates::Authority;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use serde_json::Value;

use crate::plant::{LATER, Plant, SOON, entry, finished};

/// The sentence of `status --check`, and how it ended.
fn check(agent: &Agent) -> (String, Option<i32>) {
    let said = agent.run(&["status", "--check"]);
    (said.stdout.trim().to_owned(), said.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentence_and_the_exit_code_follow_an_outage() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    plant.drained(&agent, 1, SOON).await;
    assert_eq!(check(&agent), ("All is well: everything is delivered; nothing lost.".to_owned(), Some(0)));
    assert!(agent.run(&["status"]).stdout.starts_with("All is well"));

    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
    plant.publisher().publish_all(&[finished(1)]).await;
    let is_down = |status: &Value| entry(status, "destinations", "central")["state"] == "down";
    let status = agent.wait_until("the outage to be seen", LATER, is_down).await;
    assert_eq!(status["summary"]["level"], "attention", "{status:#}");
    let (sentence, code) = check(&agent);
    assert!(sentence.starts_with("central is unreachable (") && sentence.ends_with("; nothing lost."), "{sentence}");
    assert_eq!(code, Some(1));

    plant.centre_link.set(Mode::Pass);
    plant.drained(&agent, 2, LATER).await;
    agent.wait_until("the end of the outage", LATER, |status| status["summary"]["level"] == "well").await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    assert_eq!(check(&agent), (String::new(), Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_certificate_of_the_configuration_is_told_with_its_end() {
    let authority = Authority::new();
    let centre = Rules { tls: Some(Tls::mutual(&authority)), ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let gateway = authority.client("gw-test");
    let lines = r#"tls = { ca = "ca.pem", certificate = "gw.crt", key = "gw.key" }"#;
    let files = [("ca.pem", authority.certificate()), ("gw.crt", &*gateway.certificate), ("gw.key", &*gateway.key)];
    let agent = Agent::start_with(&plant.config("", lines, ""), &files);
    let status = agent.wait_until("the status", SOON, |_| true).await;
    let told: Vec<_> = status["certificates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|certificate| ["used_by", "role", "validity"].map(|key| certificate[key].as_str().unwrap_or_default()))
        .collect();
    let expected = [["destination central", "client", "good"], ["destination central", "authority", "good"]];
    assert_eq!(told, expected, "{status:#}");
    assert!(status["certificates"][0]["expires_at"].is_string(), "{status:#}");
}
