//! Another configuration while events flow: all of it or nothing, and what stays the same does not notice.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Broker, Rules};
use plantlink_tests::client::Message;
use plantlink_tests::ledger::Arrival;
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::proxy::{Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::{Value, json};

use crate::disk::{orders as large_orders, refuse};
use crate::plant::{FINISHED, LATER, Plant, SITE, SOON, assert_accounted, entry, finished, hang_up, number, sum};

/// Large messages: more than fits into the smallest buffer.
const LARGE: usize = 1_200;

/// A line with one press whose speed is sampled.
fn line(name: &str, port: u16, every: &str) -> String {
    format!(
        r#"
[[source.modbus]]
name = "{name}"
address = "tcp://127.0.0.1:{port}"
[[source.modbus.device]]
name = "{name}-press"
unit = 1
every = "{every}"
tag = [{{ name = "good", at = "holding:0", type = "u32" }}]
event = [{{ type = "production.counted", good = "good" }}]
"#
    )
}

/// How often a client of the agent has connected.
fn connects(broker: &Broker, client: &str) -> usize {
    broker.log().matches(&format!(" as mill-07.gw-test.{client} (")).count()
}

/// What the acts on record say, oldest first.
fn acts(plant: &Plant) -> Vec<Value> {
    plant.ledger().events("audit.recorded").map(|act| act.envelope()["data"].clone()).collect()
}

async fn orders(plant: &Plant, agent: &Agent, numbers: std::ops::Range<usize>) {
    let end = numbers.end as u64;
    let messages: Vec<Message> = numbers.map(finished).collect();
    plant.publisher().publish_all(&messages).await;
    plant.drained(agent, end, LATER).await;
}

fn assert_all_orders(plant: &Plant, count: usize) {
    let produced: Vec<String> = (0..count).map(number).collect();
    plant.ledger().compare(FINISHED, "number", &produced).assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_same_in_both_files_does_not_notice_the_change() {
    let mut random = Random::new(7);
    let plant = Plant::start().await;
    let (mut steady, mut other) = (ModbusLine::start(&[1]).await, ModbusLine::start(&[1]).await);
    let wire = Proxy::start(steady.port(), random.fork()).await;
    let other_port = other.port();
    let rest = |every: &str| {
        let lines = [line("steady", wire.port(), "50ms"), line("other", other_port, every)].concat();
        plant.config("", "", &lines)
    };
    steady.set_u32(1, Table::Holding, 0, 100).await;
    other.set_u32(1, Table::Holding, 0, 100).await;
    let mut agent = Agent::start(&rest("100ms"));
    plant.subscribed("mes").await;
    orders(&plant, &agent, 0..50).await;
    let before = agent.wait_until("both lines to be up", SOON, |status| {
        ["steady", "other"].iter().all(|line| entry(status, "sources", line)["state"] == "up")
    });
    let before = before.await;

    // Another interval for one line, a larger buffer, and a comment that moves every table.
    agent.reconfigure(&format!("# changed\n{}", rest("200ms").replace("path =", "max_size = \"1GB\"\npath =")));
    let reload = hang_up(&agent).await;
    assert_eq!(reload["applied"], true, "{reload:#}");
    assert_eq!(reload["changed"], json!(["buffer", "source other"]));
    let after = agent.wait_until("the changed line", SOON, |status| {
        let other = entry(status, "sources", "other");
        other["state"] == "up" && other["since"] != entry(&before, "sources", "other")["since"]
    });
    let after = after.await;
    assert_eq!(after["buffer"]["bytes_max"], 1_000_000_000);
    assert_ne!(after["config_hash"], before["config_hash"]);
    for (list, name) in
        [("sources", "steady"), ("sources", "mes"), ("devices", "steady-press"), ("destinations", "central")]
    {
        assert_eq!(entry(&after, list, name)["since"], entry(&before, list, name)["since"], "{name}");
    }
    orders(&plant, &agent, 50..100).await;

    // The connections say it too: none of them was made again.
    assert_eq!(wire.connections(), 1);
    assert_eq!((connects(&plant.mes, "mes"), connects(&plant.centre, "central")), (1, 1));
    // A line that was started again goes on with the count that it had.
    for line in [&mut steady, &mut other] {
        line.set_u32(1, Table::Holding, 0, 103).await;
    }
    for press in ["steady-press", "other-press"] {
        let counted = |arrival: &&Arrival| arrival.envelope()["source"] == format!("mill-07/{press}");
        let total = wait::until("the pieces", SOON, async || {
            plant.ledger().events("production.counted").find(counted).map(|counted| counted.envelope()["data"].clone())
        });
        let counted = total.await;
        assert_eq!((&counted["good"], &counted["good_total"]), (&json!(3), &json!(103)), "{press}");
    }
    assert_all_orders(&plant, 100);
    assert_accounted(&agent.status().expect("the agent answers"));
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_is_reported_and_an_identical_one_is_none() {
    let plant = Plant::start().await;
    let config = plant.config("", "", "");
    let agent = Agent::start(&config);
    plant.subscribed("mes").await;
    orders(&plant, &agent, 0..10).await;
    let hash = agent.status().expect("the agent answers")["config_hash"].clone();

    let broken = config.replace("events = [", "event = [").replace("\"gw-test\"", "\"gw-other\"");
    agent.reconfigure(&broken);
    agent.hang_up();
    let refused = "the configuration is not taken up";
    wait::until("the broken file to be refused", SOON, async || agent.log().contains(refused).then_some(())).await;
    // While it stands there, nothing tells the command where the buffer is.
    agent.reconfigure(&config);
    let reload = agent.status().expect("the agent answers")["reload"].clone();
    assert_eq!((&reload["applied"], &reload["changed"]), (&json!(false), &json!([])), "{reload:#}");
    let problems = reload["problems"].as_array().expect("a list of problems");
    assert!(
        problems
            .iter()
            .any(|problem| problem.as_str().is_some_and(|problem| problem.contains("did you mean `events`")))
    );
    assert!(agent.log().contains("unknown key `event`"), "{}", agent.log_end());
    // A gateway is not renamed while it runs, even where the rest is right.
    agent.reconfigure(&config.replace("\"gw-test\"", "\"gw-other\""));
    let reload = hang_up(&agent).await;
    assert_eq!(reload["applied"], false);
    assert!(reload["problems"][0].as_str().is_some_and(|problem| problem.contains("restart the agent")), "{reload:#}");

    agent.reconfigure(&config);
    let reload = hang_up(&agent).await;
    assert_eq!((&reload["applied"], &reload["changed"]), (&json!(true), &json!([])), "{reload:#}");
    orders(&plant, &agent, 10..20).await;
    assert_eq!(agent.status().expect("the agent answers")["config_hash"], hash);
    assert_eq!((connects(&plant.mes, "mes"), connects(&plant.centre, "central")), (1, 1));
    assert_eq!(acts(&plant), Vec::<Value>::new(), "nothing has changed, and nothing of that kind is on record");
    assert_all_orders(&plant, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_flows_and_destinations_take_up_work_and_what_is_removed_stops() {
    let plant = Plant::start().await;
    let press = ModbusLine::start(&[1]).await;
    let both =
        |flows: &str, more: &str| format!("{SITE}{}{}{flows}{more}", plant.mes_source(""), plant.destination(""));
    let flow = |name: &str, events: &str, to: &str| {
        format!("[[flow]]\nname = \"{name}\"\nevents = [\"{events}\"]\nto = \"{to}\"\n")
    };
    let orders_to_centre = flow("orders", "workorder.*", "central");
    let agent = Agent::start(&both(&orders_to_centre, &line("press", press.port(), "100ms")));
    plant.subscribed("mes").await;
    orders(&plant, &agent, 0..10).await;

    // The flow goes to another destination from now on, and the line is gone.
    let second = Broker::start().await;
    let office = format!("[[destination.mqtt]]\nname = \"office\"\nurl = \"mqtt://localhost:{}\"\n", second.port());
    agent.reconfigure(&both(&flow("orders", "workorder.*", "office"), &office));
    let reload = hang_up(&agent).await;
    assert_eq!(reload["changed"], json!(["source press", "destination office", "flow orders"]), "{reload:#}");
    let messages: Vec<Message> = (10..30).map(finished).collect();
    plant.publisher().publish_all(&messages).await;
    let status = agent
        .wait_until("the orders at the other destination", SOON, |status| {
            entry(status, "flows", "orders")["delivered"] == 30
        })
        .await;
    assert_accounted(&status);
    assert_eq!(entry(&status, "sources", "press"), &Value::Null);
    assert_eq!(entry(&status, "devices", "press-press"), &Value::Null);
    assert_eq!((connects(&second, "office"), connects(&plant.mes, "mes")), (1, 1));
    assert_eq!(plant.ledger().events(FINISHED).count(), 10, "the centre gets no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_file_is_read_again() {
    let rules = Rules { users: vec![("plantlink", "first")], ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), rules, Random::new(3)).await;
    let lines = "username = \"plantlink\"\npassword = { file = \"password\" }";
    let agent = Agent::start_with(&plant.config("", lines, ""), &[("password", "first")]);
    plant.subscribed("mes").await;
    orders(&plant, &agent, 0..10).await;
    plant.centre.set_users(&[("plantlink", "second")]);
    plant.centre.reload();
    agent.write("password", "second");
    let reload = hang_up(&agent).await;
    assert_eq!(reload["changed"], json!(["credentials of central"]), "{reload:#}");
    wait::until("a second connection", SOON, async || (connects(&plant.centre, "central") == 2).then_some(())).await;
    orders(&plant, &agent, 10..20).await;
    assert_all_orders(&plant, 20);
    assert_eq!(connects(&plant.mes, "mes"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_and_every_act_is_on_record_with_who_did_it() {
    let plant = Plant::start().await;
    let config = plant.config("", "", "");
    let mut agent = Agent::start(&config);
    plant.subscribed("mes").await;
    orders(&plant, &agent, 0..10).await;
    let hash = || agent.status().expect("the agent answers")["config_hash"].clone();
    let first = hash();

    let other = config.replace("name = \"all\"", "name = \"everything\"");
    agent.reconfigure(&other);
    let reloaded = agent.run(&["reload", "--json"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    let user = reloaded.json()["by"].clone();
    assert!(user.as_str().is_some_and(|user| !user.is_empty() && user != "SIGHUP"), "{reloaded:?}");
    let second = hash();
    assert!(agent.run(&["replay", "everything", "--since", "1h"]).status.success());
    assert!(agent.run(&["flows", "drop", "all", "--yes"]).status.success());
    agent.reconfigure(&config.replace("name = \"all\"", "name = \"third\""));
    hang_up(&agent).await;
    let third = hash();
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    agent.reconfigure(&other);
    assert!(agent.run(&["flows", "drop", "third", "--yes"]).status.success());
    agent.restart();

    let flows = |flows: &[&str]| flows.iter().map(|flow| format!("flow {flow}")).collect::<Vec<_>>();
    let expected = [
        json!({"action": "config", "by": user, "old": first, "new": second, "changed": flows(&["all", "everything"])}),
        json!({"action": "replay", "by": user, "changed": flows(&["everything"])}),
        json!({"action": "drop", "by": user, "changed": flows(&["all"])}),
        json!({"action": "config", "by": "SIGHUP", "old": second, "new": third, "changed": flows(&["everything", "third"])}),
        json!({"action": "drop", "by": user, "changed": flows(&["third"])}),
        json!({"action": "config", "by": "start", "old": third, "new": second, "changed": []}),
    ];
    let seen = wait::within(LATER, async || (acts(&plant).len() >= expected.len()).then_some(())).await;
    assert_eq!(acts(&plant).len(), expected.len(), "{seen:?} {:#?}", acts(&plant));
    for act in expected {
        assert!(acts(&plant).contains(&act), "{act:#} in {:#?}", acts(&plant));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_ends_the_command_with_78_and_the_place_of_each_problem() {
    let plant = Plant::start().await;
    let config = plant.config("", "", "");
    let agent = Agent::start(&config);
    agent.wait_until("the agent to run", SOON, |_| true).await;
    agent.reconfigure(&config.replace("\"gw-test\"", "\"gw-other\""));
    let refused = agent.run(&["reload"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    assert!(refused.stderr.contains("plant.gateway: cannot change from `gw-test` to `gw-other`"), "{refused:?}");
    agent.reconfigure(&config.replace("[[flow]]", "[[flows]]"));
    let refused = agent.run(&["reload"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    assert!(refused.stderr.contains("did you mean `flow`"), "{refused:?}");
}

/// How often the agent is stopped: `PLANTLINK_STOPS`, or 6.
fn stops() -> usize {
    std::env::var("PLANTLINK_STOPS").map_or(6, |stops| stops.parse().expect("PLANTLINK_STOPS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_midst_of_reloads_outages_and_drains_loses_nothing() {
    const ORDERS: usize = 200;
    const WINDOW: usize = 12;
    let mut random = Random::seeded();
    let plant = Plant::start_with(Rules::default(), Rules::default(), random.fork()).await;
    let press = ModbusLine::start(&[1]).await;
    let config = |turn: usize| {
        let lines = line("press", press.port(), if turn.is_multiple_of(2) { "50ms" } else { "100ms" });
        // A destination of another window is another one, and so is what flies to it.
        plant.config("", &format!("qos = 2\nwindow = {}", WINDOW - turn % 3), &lines)
    };
    let mut agent = Agent::start(&config(0));
    plant.subscribed("mes").await;
    let stops = stops();
    let mut publisher = plant.publisher();
    for turn in 1..=stops {
        agent.wait_until("the agent to run", SOON, |_| true).await;
        refuse(&plant);
        let messages: Vec<Message> = ((turn - 1) * ORDERS..turn * ORDERS).map(finished).collect();
        publisher.publish_all(&messages).await;
        plant.centre_link.set(Mode::Pass);
        tokio::time::sleep(Duration::from_millis(random.within(0..1_500))).await;
        agent.reconfigure(&config(turn));
        agent.hang_up();
        tokio::time::sleep(Duration::from_millis(random.within(0..300))).await;
        assert!(agent.terminate().await.success(), "{}", agent.log_end());
        agent.restart();
    }
    plant.drained(&agent, (stops * ORDERS) as u64, LATER).await;
    assert_all_orders(&plant, stops * ORDERS);
    // Only where a cut leaves it in doubt whether the broker still knows what was on its way.
    assert!(plant.ledger().resent() <= stops * 2 * WINDOW, "{} were sent again", plant.ledger().resent());
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_is_given_more_room_and_another_destination_while_it_is_full() {
    let plant = Plant::start().await;
    let small = plant.config("", "window = 10", "").replace("[buffer]", "[buffer]\nmax_size = \"32MB\"");
    let agent = Agent::start(&small);
    plant.subscribed("mes").await;
    refuse(&plant);
    let messages = large_orders(0..LARGE);
    let mut mes = plant.publisher();
    let sent = tokio::spawn(async move { mes.publish_all(&messages).await });
    let full = |status: &Value| status["buffer"]["disk"]["state"] == "down";
    agent.wait_until("the buffer to be full", LATER, full).await;
    // What is offered to the destination does not wait for room.
    let other = small.replace("window = 10", "window = 20");
    agent.reconfigure(&other);
    assert_eq!(hang_up(&agent).await["changed"], json!(["destination central"]));
    plant.centre_link.set(Mode::Pass);
    agent.wait_until("events to be delivered", LATER, |status| sum(status, "delivered") > 0).await;
    refuse(&plant);

    agent.reconfigure(&other.replace("32MB", "1GB"));
    assert_eq!(hang_up(&agent).await["changed"], json!(["buffer"]));
    agent
        .wait_until("everything to be taken in", LATER, |status| status["ledger"]["sources"]["mes"]["mapped"] == LARGE)
        .await;
    sent.await.expect("the MES");
    plant.centre_link.set(Mode::Pass);
    plant.drained(&agent, LARGE as u64, LATER).await;
    assert_all_orders(&plant, LARGE);
    assert_eq!(connects(&plant.mes, "mes"), 1);
}
