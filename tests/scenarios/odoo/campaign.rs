//! A campaign: random cuts, kills and refusals between the agent and Odoo, and a person at the same records.

use std::collections::BTreeMap;
use std::time::Duration;

use plantlink_tests::client::Message;
use plantlink_tests::odoo::{Fault, LOGIN};
use plantlink_tests::proxy::{Cut, Direction, Mode};
use plantlink_tests::random::Random;
use tokio::time::sleep;

use super::plant::{Plant, alarm, alarm_with};
use super::server::{Place, Server};

/// How many troubles there are: `PLANTLINK_ODOO_CAMPAIGN`, or 10.
fn troubles() -> u64 {
    std::env::var("PLANTLINK_ODOO_CAMPAIGN")
        .map_or(10, |count| count.parse().expect("PLANTLINK_ODOO_CAMPAIGN is a number"))
}

/// What a call ends with that only the fake can be told to.
const FAULTS: [Fault; 6] =
    [Fault::DeadWorker, Fault::LostAnswer, Fault::ConnectionCut, Fault::Race, Fault::BadGateway, Fault::GatewayTimeout];

/// One thing that goes wrong; those with a time last so many milliseconds.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The agent is killed and started again.
    Kill,
    /// What is under way is cut.
    Cut(Cut),
    /// Every call is cut after so many bytes of it or of its answer.
    CutAfter(Direction, u64, u64),
    /// Every call is cut anywhere.
    Chopped(u64),
    /// Nobody listens.
    Refuse(u64),
    /// Calls arrive, and in the end nobody knows their answers.
    Unanswered(u64),
    /// Odoo or its proxy fails at the next call.
    Fails(Fault),
    /// Nobody may create requests.
    Forbid(u64),
}

impl Trouble {
    fn draw(random: &mut Random) -> Trouble {
        let millis = random.within(20..400);
        match random.within(0..12) {
            0 | 1 => Trouble::Kill,
            2 => Trouble::Cut(Cut::Close),
            3 | 4 => Trouble::Cut(Cut::Reset),
            5 => Trouble::CutAfter(Direction::ToTarget, random.within(0..2_000), millis),
            6 => Trouble::CutAfter(Direction::Answers, random.within(0..300), millis),
            7 => Trouble::Chopped(millis),
            8 => Trouble::Refuse(millis),
            9 => Trouble::Unanswered(millis),
            10 => Trouble::Forbid(millis),
            _ => Trouble::Fails(FAULTS[usize::try_from(random.within(0..6)).unwrap_or_default()]),
        }
    }

    async fn strike(self, plant: &mut Plant<'_>, server: &Server) {
        match self {
            Trouble::Kill => {
                plant.agent.kill();
                plant.agent.restart();
            }
            Trouble::Cut(cut) => plant.link.cut(cut),
            Trouble::CutAfter(direction, bytes, millis) => {
                link_is(plant, Mode::CutAfter { direction, bytes }, millis).await;
            }
            Trouble::Chopped(millis) => link_is(plant, Mode::Chop { bytes: 50..3_000, millis: 1..200 }, millis).await,
            Trouble::Refuse(millis) => {
                plant.link.cut(Cut::Reset);
                link_is(plant, Mode::Refuse, millis).await;
            }
            Trouble::Unanswered(millis) => link_is(plant, Mode::StallAnswers, millis).await,
            Trouble::Fails(fault) => match server.fake() {
                Some(fake) => fake.fail_next(fault),
                None => plant.link.cut(Cut::Close),
            },
            Trouble::Forbid(millis) => match server.fake() {
                Some(fake) => {
                    fake.database(|db| db.set_right(LOGIN, "maintenance.request", false));
                    sleep(Duration::from_millis(millis)).await;
                    fake.database(|db| db.set_right(LOGIN, "maintenance.request", true));
                }
                None => link_is(plant, Mode::Stall, millis).await,
            },
        }
    }
}

/// The link is so for a while, and then everything passes; what was under way has no answer.
async fn link_is(plant: &Plant<'_>, mode: Mode, millis: u64) {
    plant.link.set(mode);
    sleep(Duration::from_millis(millis)).await;
    plant.link.cut(Cut::Reset);
    plant.link.set(Mode::Pass);
}

/// What was published, and what a person has written over it.
#[derive(Default)]
struct Story {
    published: usize,
    good: usize,
    bad: usize,
    /// Names by external id.
    edits: BTreeMap<String, String>,
}

impl Story {
    /// A few alarms, of which now and then one has a priority that Odoo does not know.
    fn alarms(&mut self, random: &mut Random) -> Vec<Message> {
        let count = random.within(1..8);
        let mut alarms = Vec::new();
        for _ in 0..count {
            let is_bad = !alarms.is_empty() && random.one_in(8);
            let number = self.published;
            alarms.push(if is_bad { alarm_with(number, "urgent") } else { alarm(number) });
            self.published += 1;
            *(if is_bad { &mut self.bad } else { &mut self.good }) += 1;
        }
        alarms
    }

    /// A person gives one of the requests another name.
    async fn edit(&mut self, plant: &Plant<'_>, server: &Server, random: &mut Random) {
        let requests = server.requests(&plant.id).await;
        let chosen = random.within(0..u64::try_from(requests.len()).unwrap_or_default());
        let Some(request) = requests.get(usize::try_from(chosen).unwrap_or_default()) else { return };
        let name = format!("{} as a person has it, {}", plant.id, self.published);
        server.rename(request, &name).await;
        self.edits.insert(request.external_id.clone(), name);
    }

    /// Each good alarm has one request, and each request is as a person has left it.
    async fn assert_told(&self, plant: &Plant<'_>, server: &Server) {
        let requests = server.requests(&plant.id).await;
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for request in &requests {
            names.insert(&request.external_id, &request.name);
        }
        assert_eq!((requests.len(), names.len()), (self.good, self.good), "requests, and external ids");
        for (external_id, name) in &self.edits {
            assert_eq!(names.get(external_id.as_str()), Some(&name.as_str()), "{external_id} was overwritten");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_cuts_kills_and_refusals_neither_lose_nor_double_nor_overwrite_a_record() {
    let mut random = Random::seeded();
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        let mut story = Story::default();
        for number in 0..troubles() {
            plant.publish(&story.alarms(&mut random)).await;
            sleep(Duration::from_millis(random.within(0..200))).await;
            let trouble = Trouble::draw(&mut random);
            trouble.strike(&mut plant, &server).await;
            if random.one_in(8) {
                story.edit(&plant, &server, &mut random).await;
            }
            plant.settled(as_u64(story.good), as_u64(story.bad)).await;
            if number % 100 == 99 {
                println!("{} troubles on {}, {} events", number + 1, server.url, story.published);
            }
        }
        story.assert_told(&plant, &server).await;
    }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
