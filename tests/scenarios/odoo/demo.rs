//! The demonstration with an Odoo: what it sent is counted there, and a server that cannot be counted ends it at once.

use std::process::Output;

use plantlink_tests::agent::program;
use serde_json::Value;
use tokio::process::Command;

use super::server::{Place, Server};

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_finds_in_odoo_what_it_sent() {
    for place in Place::each() {
        let server = place.open().await;
        let run = demonstrate(&server, &server.user.key).await;
        let words = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{}\n{words}", run.status);
        let count: Value = serde_json::from_slice(&run.stdout).expect("the count as JSON");
        let requests = &count["odoo"];
        assert!(requests["produced"].as_u64() > Some(0), "{count}");
        assert_eq!((&requests["lost"], &requests["repeated"]), (&0.into(), &0.into()), "{count}");
        assert_eq!(requests["received"], requests["produced"], "{count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_says_that_the_key_is_wrong_before_it_produces() {
    for place in Place::each() {
        let server = place.open().await;
        let run = demonstrate(&server, "0123456789abcdef").await;
        let words = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success(), "{words}");
        assert!(words.contains("does not accept the login and key"), "{words}");
        assert!(!words.contains("producing"), "{words}");
    }
}

async fn demonstrate(server: &Server, key: &str) -> Output {
    let run = Command::new(program())
        .args(["demo", "--seconds", "9", "--outage", "3", "--json", "--odoo", &server.url])
        .env("ODOO_DB", &server.database)
        .env("ODOO_LOGIN", &server.user.login)
        .env("ODOO_KEY", key)
        .kill_on_drop(true)
        .output();
    run.await.expect("the program starts")
}
