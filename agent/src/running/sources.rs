//! The left half as it runs: a task for each source.

use std::collections::BTreeMap;
use std::time::Duration;

use plantlink_buffer::{ReadError, Reader};
use plantlink_config::{Config, Plant, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::crew::Crew;
use super::seal::{Seal, Sealer};
use crate::collect::{Audience, collect};
use crate::control::Lines;
use crate::mapping::{FreshIds, LineMapper, Mapper, Memory, MessageMapper, Receipts, remembered_filters};
use crate::premises::Premises;
use crate::run::RunError;
use crate::source::modbus::{Desk, Line};
use crate::source::mqtt::Subscription;

/// All that a source's task depends on.
#[derive(Clone, PartialEq)]
pub(super) struct Brief {
    source: Source,
    plant: Plant,
    /// How long what it brings may wait for company before its commit.
    wait: Duration,
    seal: Seal,
}

/// The sources that run.
pub(super) struct Sources {
    crew: Crew<Brief>,
    /// By the name of the line: its address, and where it is asked.
    desks: BTreeMap<String, (String, Desk)>,
    lines: watch::Sender<Lines>,
}

/// The sources of a configuration, by name.
pub(super) fn wanted(config: &Config, sealer: &Sealer) -> BTreeMap<String, Brief> {
    let brief = |source: &Source| Brief {
        source: source.clone(),
        plant: config.plant.clone(),
        wait: match source {
            Source::Modbus(_) => config.buffer.commit_within,
            Source::Mqtt(_) => config.buffer.linger,
        },
        seal: sealer.seal(&source.credentials()),
    };
    config.sources.iter().map(|source| (source.name().to_string(), brief(source))).collect()
}

impl Sources {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Sources { crew: Crew::new(stop), desks: BTreeMap::new(), lines: watch::Sender::new(Lines::new(Vec::new())) }
    }

    /// The Modbus lines that are held, now and after each change.
    pub(super) fn lines(&self) -> watch::Receiver<Lines> {
        self.lines.subscribe()
    }

    /// Ends those that are to run no longer, or otherwise, and says whether there were any.
    pub(super) async fn dismiss(&mut self, wanted: &BTreeMap<String, Brief>) -> Result<bool, RunError> {
        Ok(!self.crew.dismiss(wanted).await?.is_empty())
    }

    /// Starts those that do not run yet. Where others have just ended, all that these brought is on disk first.
    pub(super) fn hire(&mut self, wanted: BTreeMap<String, Brief>, premises: &Premises, have_ended: bool) {
        self.desks.retain(|name, _| self.crew.has(name));
        for (name, brief) in wanted {
            if self.crew.has(&name) {
                continue;
            }
            let (work, premises) = (brief.clone(), premises.clone());
            match &brief.source {
                Source::Modbus(line) => {
                    let modbus = Line::new(line, premises.store.clock());
                    self.desks.insert(name.clone(), (line.address.to_string(), modbus.desk()));
                    self.crew.hire(name, brief, |stop| tend(work, premises, have_ended, |_| modbus, stop));
                }
                Source::Mqtt(mqtt) => {
                    let (mqtt, clock) = (mqtt.clone(), premises.store.clock());
                    let open =
                        move |memory: &Memory| Subscription::new(&mqtt, remembered_filters(&mqtt.name, memory), clock);
                    self.crew.hire(name, brief, |stop| tend(work, premises, have_ended, open, stop));
                }
            }
        }
        self.lines.send_replace(Lines::new(self.desks.values().cloned().collect()));
    }

    /// Those that stay as they are but for their credentials.
    pub(super) fn renewed<'a>(&self, wanted: &'a BTreeMap<String, Brief>) -> Vec<&'a str> {
        let is_renewed = |known: &Brief, brief: &Brief| known.source == brief.source && known.seal != brief.seal;
        self.crew.those(wanted, is_renewed)
    }

    pub(super) async fn failure(&mut self) -> RunError {
        self.crew.failure().await
    }

    pub(super) async fn stop(&mut self) -> Result<(), RunError> {
        self.crew.stop().await
    }
}

/// Runs a source with what it remembers, until stop.
async fn tend<S: crate::source::Source>(
    brief: Brief,
    premises: Premises,
    have_ended: bool,
    open: impl FnOnce(&Memory) -> S,
    stop: CancellationToken,
) -> Result<(), RunError> {
    if have_ended && stop.run_until_cancelled(premises.recorded()).await.transpose()?.is_none() {
        return Ok(());
    }
    let Brief { source, plant, wait, .. } = brief;
    let name = source.name().clone();
    let tap = premises.tap.source(&source);
    let (mapper, memory) = premises.read(move |reader| restore(&source, &plant, wait, &reader)).await?;
    let Premises { store, health, .. } = premises;
    let opened = open(&memory);
    // It is that of all sources, and each of them would keep it for as long as it runs.
    drop(memory);
    collect(opened, mapper, store, Audience { source: name, health, tap }, stop).await?;
    Ok(())
}

/// A source's mapper, and all that the agent remembers. Entries may `wait` for company before their commit.
pub(crate) fn restore(
    source: &Source,
    plant: &Plant,
    wait: Duration,
    reader: &Reader,
) -> Result<(Mapper, Memory), ReadError> {
    let memory: Memory = reader.memory()?.into_iter().collect();
    let ids = FreshIds::ByChance;
    let mapper = match source {
        Source::Modbus(line) => Mapper::Line(LineMapper::new(plant, line, wait, &memory, &ids)),
        Source::Mqtt(mqtt) => {
            let senders = reader.senders(&mqtt.name)?;
            let mut receipts = Receipts::new(mqtt, reader.epoch()?, &memory);
            receipts.restore(reader.receipts(&mqtt.name, receipts.session())?);
            Mapper::Messages(Box::new(MessageMapper::new(plant, mqtt, wait, &memory, senders, receipts, &ids)))
        }
    };
    Ok((mapper, memory))
}
