//! Everything that stands while the demonstration is played, the order in which it happens, and the end of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::agent::Agent;
use super::ledger::{Count, Ledger};
use super::mes::{MAINTENANCE, Mes};
use super::odoo::Odoo;
use super::press::{Line, REGISTER_LIST};
use super::report::Report;
use super::screen::{Moment, Scene, Screen};
use super::settings::{self, Places};
use super::uplink::Uplink;
use super::{DemoError, Script, SharedLedger, broker, centre};

/// How often the screen is renewed and the state of the run looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the way from the machines to the centre may take to stand.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the last events may take. Longer than the agent's longest pause between two attempts, which is a minute.
const EMPTY_LIMIT: Duration = Duration::from_secs(90);
/// How long the account must balance with nothing left before it is closed: what is repeated comes late.
const CALM: Duration = Duration::from_secs(1);

pub(super) struct Stage {
    ledger: SharedLedger,
    line: Line,
    plant: String,
    plant_broker_port: u16,
    uplink: Uplink,
    agent: Agent,
    odoo: Option<Odoo>,
    backlog: Option<u64>,
    backlog_max: u64,
    directory: TempDir,
    _centre: AbortOnDropHandle<()>,
}

impl Stage {
    /// Starts everything, the agent last.
    pub(super) async fn set(odoo_url: Option<&str>, screen: &Screen) -> Result<Stage, DemoError> {
        let failed = |what| move |cause| DemoError::SetUp { what, cause };
        let odoo = odoo_url.map(Odoo::from_environment).transpose()?;
        let directory = TempDir::with_prefix("plantlink-demo-").map_err(failed("a folder for the buffer"))?;
        // A name of its own, so that an Odoo server can tell the records of this run from those of all others.
        let plant = format!("demo-{:08x}", Uuid::now_v7().as_u128() as u32);
        if let Some(odoo) = &odoo {
            // A server that cannot be counted at the end is better known of now.
            odoo.requests(&plant).await?;
        }
        let ledger = SharedLedger::default();

        let line = Line::start().await.map_err(failed("the press line"))?;
        let plant_broker_port = broker::start("plant-broker").await.map_err(failed("the plant's broker"))?;
        let centre_broker_port = broker::start("centre-broker").await.map_err(failed("the centre's broker"))?;
        let uplink = Uplink::start(centre_broker_port).await.map_err(failed("the link to the centre"))?;
        let centre = centre::listen(centre_broker_port, &plant, ledger.clone()).await?;

        let settings = directory.path().join("plantlink.toml");
        let text = settings::text(&Places {
            plant: &plant,
            buffer: &directory.path().join("buffer.db"),
            modbus_port: line.port(),
            plant_broker_port,
            uplink_port: uplink.port(),
            odoo: odoo.as_ref().map(Odoo::place),
        });
        std::fs::write(&settings, text).map_err(failed("the agent's configuration"))?;
        let agent = Agent::start(&settings, directory.path()).map_err(failed("the agent"))?;

        screen.say(&format!("two presses on Modbus TCP at 127.0.0.1:{}", line.port()));
        screen.say(&format!(
            "the plant's MQTT broker at 127.0.0.1:{plant_broker_port}, the centre's at 127.0.0.1:{centre_broker_port}"
        ));
        screen.say(&format!("the agent runs with {}", settings.display()));
        Ok(Stage {
            ledger,
            line,
            plant,
            plant_broker_port,
            uplink,
            agent,
            odoo,
            backlog: None,
            backlog_max: 0,
            directory,
            _centre: centre,
        })
    }

    /// Plays from the first event to the last.
    pub(super) async fn play(&mut self, script: &Script, screen: &mut Screen) -> Result<Report, DemoError> {
        let mut mes = Mes::new(self.plant_broker_port, &self.plant, self.ledger.clone());
        self.wait_for_first_events(&mut mes, screen).await?;
        let shift_end = CancellationToken::new();
        let shift = async {
            let produced = self.produce(script, screen).await;
            shift_end.cancel();
            produced
        };
        let (produced, ()) = tokio::join!(shift, mes.work(&shift_end));
        produced?;
        self.empty(script, screen).await?;
        let count = self.count();
        let odoo = match &self.odoo {
            Some(odoo) => {
                let held = odoo.requests(&self.plant).await?;
                Some(self.ledger.with(|ledger| ledger.messages_held(MAINTENANCE, &held)))
            }
            None => None,
        };
        Ok(Report::new(count, self.backlog_max, mes.sent_twice, odoo))
    }

    /// Takes the stage down. What a failed run leaves behind is kept for whoever wants to know why.
    pub(super) async fn end(mut self, played: Result<Report, DemoError>) -> Result<Report, DemoError> {
        // A process that cannot be stopped in order is killed when it is dropped; the count is not worse for it.
        let _ = self.agent.stop().await;
        let mut report = played?;
        if !report.is_clean() {
            report.left_in = Some(self.directory.keep());
        }
        Ok(report)
    }

    /// Production begins only when each machine and the MES are known to be heard, since a counter counts from the first
    /// look at it, and a message that is published before anybody subscribed goes nowhere.
    async fn wait_for_first_events(&mut self, mes: &mut Mes, screen: &mut Screen) -> Result<(), DemoError> {
        let begin = Instant::now();
        loop {
            let heard = |ledger: &mut Ledger| {
                let presses = REGISTER_LIST.iter().all(|(name, _, _)| ledger.knows(name));
                (presses, ledger.knows_mes())
            };
            let (presses, mes_heard) = self.ledger.with(heard);
            if presses && mes_heard {
                return Ok(());
            }
            if begin.elapsed() > START_LIMIT {
                let missing = if presses { "MES" } else { "presses" };
                return Err(DemoError::Silent { missing, limit: START_LIMIT, last_words: self.agent.last_words() });
            }
            if !mes_heard {
                mes.knock().await?;
            }
            self.look(Scene::Starting, begin.elapsed(), screen).await?;
        }
    }

    async fn produce(&mut self, script: &Script, screen: &mut Screen) -> Result<(), DemoError> {
        let begin = Instant::now();
        let mut scene = Scene::Producing;
        self.line.set_running(true);
        while begin.elapsed() < script.production {
            if scene == Scene::Producing && script.joined_at > script.cut_at && begin.elapsed() >= script.cut_at {
                self.uplink.cut();
                scene = Scene::Outage;
            }
            if scene == Scene::Outage && begin.elapsed() >= script.joined_at {
                self.uplink.join();
                self.ledger.with(|ledger| ledger.outage_ended(Timestamp::now()));
                scene = Scene::Recovered;
            }
            self.look(scene, begin.elapsed(), screen).await?;
        }
        self.line.set_running(false);
        Ok(())
    }

    /// Waits until both sides agree and nothing is left in between, but not for ever: what is missing then is lost.
    async fn empty(&mut self, script: &Script, screen: &mut Screen) -> Result<(), DemoError> {
        let begin = Instant::now();
        let mut calm_since = None;
        while begin.elapsed() < EMPTY_LIMIT {
            self.look(Scene::Emptying, script.production + begin.elapsed(), screen).await?;
            let is_empty = self.count().total().lost == 0 && self.backlog == Some(0);
            calm_since = if is_empty { calm_since.or(Some(Instant::now())) } else { None };
            if calm_since.is_some_and(|since| since.elapsed() >= CALM) {
                break;
            }
        }
        Ok(())
    }

    /// Waits a little, asks the agent for its backlog and shows everything.
    async fn look(&mut self, scene: Scene, elapsed: Duration, screen: &mut Screen) -> Result<(), DemoError> {
        tokio::time::sleep(LOOK_EVERY).await;
        let ended = self.agent.ended().map_err(|cause| DemoError::SetUp { what: "the watch over the agent", cause })?;
        if let Some(status) = ended {
            return Err(DemoError::AgentEnded { status: status.to_string(), last_words: self.agent.last_words() });
        }
        self.backlog = self.agent.backlog().await;
        self.backlog_max = self.backlog_max.max(self.backlog.unwrap_or(0));
        let count = self.count();
        screen.show(&Moment {
            scene,
            elapsed,
            pieces: count.pieces.produced,
            messages: count.messages.produced,
            received: count.received,
            backlog: self.backlog,
            backlog_max: self.backlog_max,
        });
        Ok(())
    }

    fn count(&self) -> Count {
        self.ledger.with(|ledger| {
            for (press, pieces) in self.line.pieces() {
                ledger.made(press, pieces);
            }
            ledger.count()
        })
    }
}
