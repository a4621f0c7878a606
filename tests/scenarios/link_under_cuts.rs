//! Both links are closed or reset in the middle of packets all the time; everything arrives.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Rules;
use plantlink_tests::client::Message;
use plantlink_tests::proxy::Mode;
use plantlink_tests::random::Random;

use crate::plant::{FINISHED, Plant, assert_accounted, finished, number};

const MESSAGES: usize = 20_000;
const LIMIT: Duration = Duration::from_secs(400);
/// The window of the destination: the most that a cut can leave unanswered.
const WINDOW: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_messages_survive_links_that_are_cut_all_the_time() {
    let plant = Plant::start_with(Rules::default(), Rules::default(), Random::seeded()).await;
    // A cut that comes before a connection has got anywhere doubles the pause before the next one, so most of them come later.
    let chop = Mode::Chop { bytes: 100..300_000, millis: 2..400 };
    plant.mes_link.set(chop.clone());
    plant.centre_link.set(chop);
    let agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    let messages: Vec<Message> = (0..MESSAGES).map(finished).collect();
    plant.publisher().publish_all(&messages).await;
    plant.drained(&agent, MESSAGES as u64, LIMIT).await;

    let cuts = plant.centre_link.connections();
    println!("{} connections to the plant, {cuts} to the centre", plant.mes_link.connections());
    assert!(plant.mes_link.connections() > 5 && cuts > 5, "the links were hardly cut");
    let produced: Vec<String> = (0..MESSAGES).map(number).collect();
    let ledger = plant.ledger();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(ledger.misplaced(), Vec::<String>::new());
    assert!(ledger.resent() <= cuts * WINDOW, "{} events were sent again after {cuts} cuts", ledger.resent());
    assert_accounted(&agent.status().expect("the agent still answers"));
}
