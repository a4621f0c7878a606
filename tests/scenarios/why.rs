//! `plantlink why EVENT-ID` of events that their flow does not have any more: what it says is true, and no more than is known.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::wait;
use serde_json::{Value, json};

use crate::disk::{orders as large_orders, refuse};
use crate::plant::{FINISHED, LATER, Plant, SOON, entry, event_id, finished, number, sum};

/// More than fits into the smallest buffer.
const LARGE: usize = 1_200;
/// Delivered events are deleted by the thousand.
const MANY: usize = 3_000;

/// What it says of an order, to a script and to a person.
fn why(agent: &Agent, order: usize) -> (Value, String) {
    let id = event_id(FINISHED, &number(order));
    (agent.run(&["why", &id, "--json"]).json(), agent.run(&["why", &id]).stdout)
}

/// Waits until the agent has taken in so many messages.
async fn mapped(agent: &Agent, messages: usize) -> Value {
    let all = |status: &Value| status["ledger"]["sources"]["mes"]["mapped"] == messages;
    agent.wait_until("the orders to be taken in", LATER, all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_a_full_buffer_gave_up_why_says_how_many_and_which_and_not_that_it_was_delivered() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "when_full = \"drop-oldest\"");
    let agent = Agent::start(&toml.replace("[buffer]", "[buffer]\nmax_size = \"32MB\""));
    plant.subscribed("mes").await;
    refuse(&plant);
    plant.publisher().publish_all(&large_orders(0..LARGE)).await;
    let status = mapped(&agent, LARGE).await;
    let dropped = sum(&status, "dropped");
    assert!((1..LARGE as u64).contains(&dropped), "{status:#}");

    let accounted = |gone: &Value| {
        let losses = gone["losses"].as_array()?;
        let count: u64 = losses.iter().filter_map(|loss| loss["count"].as_u64()).sum();
        (gone["dropped"] == count && count >= dropped).then_some(())
    };
    // While it is told of, a loss may be between its two places.
    let (oldest, said) = wait::until("an account of all that went", SOON, async || {
        let (oldest, said) = why(&agent, 0);
        accounted(&oldest["gone"][0]).map(|()| (oldest, said))
    })
    .await;
    assert_eq!(oldest["found"], json!([]), "{oldest:#}");
    let gone = &oldest["gone"][0];
    assert_eq!((&gone["flow"], &gone["destination"]), (&json!("all"), &json!("central")), "{oldest:#}");
    assert_eq!(gone["all_delivered"], false, "{oldest:#}");
    let losses = gone["losses"].as_array().expect("what went");
    assert!(losses.iter().all(|loss| loss["cause"] == "full"), "{oldest:#}");
    assert!(losses.iter().any(|loss| loss["first_sequence"] == 1), "{oldest:#}");
    assert!(said.contains("delivered or given up, which is no longer known"), "{said}");
    let (latest, said) = why(&agent, LARGE - 1);
    assert_eq!(latest["found"][0]["stage"], "waiting", "{latest:#}");
    assert!(said.contains("this holds them up: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flow_that_was_dropped_why_says_how_much_of_it_went() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "");
    let mut agent = Agent::start(&toml);
    plant.subscribed("mes").await;
    refuse(&plant);
    plant.publisher().publish_all(&(0..30).map(finished).collect::<Vec<Message>>()).await;
    mapped(&agent, 30).await;
    agent.reconfigure(&toml.replace("name = \"all\"", "name = \"others\""));
    agent.restart();
    agent.wait_until("the retired flow", SOON, |status| entry(status, "flows", "all")["retired"] == true).await;
    let dropped = agent.run(&["flows", "drop", "all", "--yes", "--json"]).json()["dropped"].as_u64().expect("a number");
    assert!(dropped >= 30, "{dropped}");
    let (trail, said) = why(&agent, 0);
    assert_eq!(trail["found"], json!([]), "{trail:#}");
    let gone = &trail["gone"][0];
    assert_eq!((&gone["flow"], &gone["dropped"]), (&json!("all"), &json!(dropped)), "{trail:#}");
    assert!(said.contains("delivered or given up, which is no longer known"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flow_that_never_gave_up_anything_why_knows_that_what_is_gone_was_delivered() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "").replace("[buffer]", "[buffer]\nkeep_delivered = \"0s\"");
    let agent = Agent::start(&toml);
    plant.subscribed("mes").await;
    let mut mes = plant.publisher();
    mes.publish_all(&(0..MANY).map(finished).collect::<Vec<Message>>()).await;
    plant.drained(&agent, MANY as u64, LATER).await;
    // They go with the next commit.
    mes.publish_all(&[finished(MANY)]).await;
    plant.drained(&agent, MANY as u64 + 1, LATER).await;
    let (trail, said) = why(&agent, 0);
    assert_eq!(trail["found"], json!([]), "{trail:#}");
    let gone = &trail["gone"][0];
    assert_eq!((&gone["all_delivered"], &gone["losses"]), (&json!(true), &json!([])), "{trail:#}");
    assert!(said.contains("what it had before was delivered"), "{said}");
    assert_eq!(why(&agent, MANY).0["found"][0]["stage"], "delivered");
}
