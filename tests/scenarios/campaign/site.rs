//! Where a campaign takes place: the plant with a second destination over HTTP, and the agent between them.

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Broker, Rules};
use plantlink_tests::proxy::Proxy;
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use plantlink_tests::webhook::{Manner, Verdict, Webhook};
use serde_json::{Value, json};

use crate::plant::{Plant, SOON, hang_up};

/// The window of the centre, and the most that one trouble may repeat there.
pub(super) const WINDOW: u64 = 500;
/// The agent's disk, for its buffer alone.
const DISK_BYTES: u64 = 64 << 20;
/// Among so many orders are those that the office refuses.
const REFUSED_AMONG: u64 = 2_000;
/// So many of them at most: too few to be a streak that pauses the flow.
const REFUSED: usize = 10;

/// What the agent may do at the centre, as lines of its access list.
pub(super) const EVERYTHING: &[&str] = &["pattern readwrite #"];
pub(super) const NOTHING: &[&str] = &["pattern read nothing"];

/// A broker.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Mes,
    Centre,
}

/// A link that can be broken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    Mes,
    Centre,
    Office,
}

/// Who asks the agent for a credential.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door {
    Centre,
    Office,
}

/// What a change of the configuration changes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Source,
    Centre,
    Office,
    Flow,
}

/// The configuration is another one after each change.
#[derive(Debug, Default)]
struct Edition {
    source: u64,
    centre: u64,
    office: u64,
    flow: u64,
}

/// The plant, the office, and the agent.
pub(super) struct Site {
    pub(super) plant: Plant,
    pub(super) office: Webhook,
    pub(super) office_link: Proxy,
    pub(super) agent: Agent,
    /// The orders that the office refuses, if there are so many.
    pub(super) refused: Vec<usize>,
    edition: Edition,
    /// How many credentials there have been.
    credentials: u64,
}

impl Site {
    pub(super) async fn start(random: &mut Random) -> Site {
        let centre = Rules { users: vec![("plantlink", "0")], access: EVERYTHING.to_vec(), ..Rules::default() };
        let plant = Plant::start_with(Rules::default(), centre, random.fork()).await;
        let manner = if random.one_in(2) { Manner::Whole } else { Manner::Verdicts };
        let office = Webhook::start(manner).await;
        office.set_key("0");
        let mut refused: Vec<usize> =
            (0..REFUSED).filter_map(|_| usize::try_from(random.within(0..REFUSED_AMONG)).ok()).collect();
        refused.sort_unstable();
        refused.dedup();
        for order in &refused {
            office.set_verdict(*order as u64, Verdict::Reject);
        }
        let office_link = Proxy::start(office.port(), random.fork()).await;
        let agent = Agent::prepare("", &[("password", "0"), ("api-key", "0")]);
        let mut site = Site { plant, office, office_link, agent, refused, edition: Edition::default(), credentials: 0 };
        site.agent.reconfigure(&site.config());
        // Where there can be no such disk, nothing fills it.
        site.agent.mount_small_disk(DISK_BYTES);
        site.agent.restart();
        site
    }

    fn config(&self) -> String {
        let Edition { source, centre, office, flow } = self.edition;
        let mes = format!("window = {}", 100 + source);
        let central = format!(
            "username = \"plantlink\"\npassword = {{ file = \"password\" }}\nwindow = {}",
            WINDOW - centre.min(WINDOW / 2)
        );
        let more = format!(
            r#"
[[destination.webhook]]
name = "office"
url = "http://127.0.0.1:{}/events"
batch = {}
headers = {{ X-Api-Key = {{ file = "api-key" }} }}
[[flow]]
name = "posted"
events = ["workorder.*"]
to = "office"
max_delay = "{}s"
"#,
            self.office_link.port(),
            20 + office,
            30 + flow
        );
        self.plant.config(&mes, &central, &more).replace("\"buffer.db\"", "\"disk/buffer.db\"")
    }

    pub(super) fn link(&self, link: Link) -> &Proxy {
        match link {
            Link::Mes => &self.plant.mes_link,
            Link::Centre => &self.plant.centre_link,
            Link::Office => &self.office_link,
        }
    }

    pub(super) fn broker(&mut self, side: Side) -> &mut Broker {
        match side {
            Side::Mes => &mut self.plant.mes,
            Side::Centre => &mut self.plant.centre,
        }
    }

    /// A door takes another credential from now on; the agent is let in with it once it is in its file.
    pub(super) fn expire(&mut self, door: Door) {
        self.credentials += 1;
        let credential = self.credentials.to_string();
        match door {
            Door::Centre => {
                self.plant.centre.set_users(&[("plantlink", &credential)]);
                self.plant.centre.reload();
            }
            Door::Office => self.office.set_key(&credential),
        }
    }

    /// The agent's file holds what the door takes.
    pub(super) fn renew(&self, door: Door) {
        let file = match door {
            Door::Centre => "password",
            Door::Office => "api-key",
        };
        self.agent.write(file, &self.credentials.to_string());
    }

    /// The agent reads its files again; its configuration is what it was, but for this.
    pub(super) async fn reload(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Source) => self.edition.source += 1,
            Some(Change::Centre) => self.edition.centre += 1,
            Some(Change::Office) => self.edition.office += 1,
            Some(Change::Flow) => self.edition.flow += 1,
            None => {}
        }
        self.is_up().await;
        self.agent.reconfigure(&self.config());
        let reload = hang_up(&self.agent).await;
        assert_eq!(reload["applied"], true, "{reload:#}");
        let changed = reload["changed"].as_array().expect("a list");
        let expected = match change {
            Some(Change::Source) => json!("source mes"),
            Some(Change::Centre) => json!("destination central"),
            Some(Change::Office) => json!("destination office"),
            Some(Change::Flow) => json!("flow posted"),
            None => return,
        };
        assert!(changed.contains(&expected), "{expected} in {reload:#}");
    }

    /// The agent is told to read a file that is none, and refuses it.
    pub(super) async fn reload_broken(&self) {
        let refused = || self.agent.log().matches("the configuration is not taken up").count();
        self.is_up().await;
        let before = refused();
        self.agent.reconfigure(&self.config().replace("[[flow]]", "[[flows]]"));
        self.agent.hang_up();
        wait::until("the broken file to be refused", SOON, async || (refused() > before).then_some(())).await;
        self.agent.reconfigure(&self.config());
    }

    /// Before that, SIGHUP would end it.
    async fn is_up(&self) -> Value {
        self.agent.wait_until("the agent to run", SOON, |_| true).await
    }
}
