//! The file as a whole: its tables, and the checks that go across them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Config;
use crate::buffer::BufferTable;
use crate::check::Check;
use crate::clients::check_clients;
use crate::clock::Clock;
use crate::coverage::{RecordSet, check_coverage};
use crate::destination::DestinationTables;
use crate::flow::{FlowTable, flows};
use crate::heartbeat::HeartbeatTable;
use crate::items::Items;
use crate::path::Path;
use crate::plant::PlantTable;
use crate::profile::ProfileTable;
use crate::record::RecordTable;
use crate::report::code;
use crate::source::SourceTables;

/// The configuration of a plantlink gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileTables {
    /// Files with more tables, relative to this one; `*` in a file's name stands for any text.
    #[serde(default)]
    #[expect(dead_code, reason = "included files are read before this is")]
    include: Items<String>,
    /// Which plant this is, and which gateway in it.
    #[schemars(required)]
    plant: Option<PlantTable>,
    /// The gateway's clock.
    #[serde(default)]
    clock: Clock,
    /// The buffer on disk.
    #[serde(default)]
    buffer: BufferTable,
    /// Tags and events that many devices share, by name.
    #[serde(default)]
    profile: BTreeMap<String, Option<ProfileTable>>,
    /// What events become in Odoo, for the destinations whose `records` name it: sets of records by name.
    #[serde(default)]
    records: BTreeMap<String, Option<Items<RecordTable>>>,
    /// Where events come from.
    #[serde(default)]
    source: SourceTables,
    /// Where events go.
    #[serde(default)]
    destination: DestinationTables,
    /// Which events go where.
    #[serde(default)]
    flow: Items<FlowTable>,
    /// The sign of life.
    heartbeat: Option<HeartbeatTable>,
}

impl FileTables {
    /// Checks everything, and reports on the way. What comes back is complete only when no error was reported.
    pub(crate) fn check(&self, hash: String, check: &mut Check<'_>) -> Option<Config> {
        let top = Path::top();
        check.plant = self.plant.as_ref().and_then(|plant| plant.check(&top.key("plant"), check));
        let buffer = self.buffer.check(&top.key("buffer"), check);
        self.check_profiles(&top.key("profile"), check);
        let sources = self.source.check(&top.key("source"), check);
        self.check_record_sets(&top.key("records"), check);
        let destinations = self.destination.check(&top.key("destination"), check);
        let names = self.destination.names();
        let flows = flows(&self.flow, &self.source.event_sources(&sources), &names, &top.key("flow"), check);
        let heartbeat = self.heartbeat.as_ref().and_then(|beat| beat.check(&names, &top.key("heartbeat"), check));
        let plant = check.plant.clone()?;
        let config =
            Config { hash, plant, clock: self.clock, buffer: buffer?, sources, destinations, flows, heartbeat };
        check_clients(&config, check);
        if !check.report.has_errors() {
            check_coverage(&config, &self.sets(), check);
        }
        Some(config)
    }

    /// What the Odoo destinations have of sets, before records of their own.
    fn sets(&self) -> Vec<Vec<RecordSet<'_>>> {
        let set = |name| {
            let records = self.records.get(name).and_then(Option::as_ref);
            RecordSet { name, records: records.map_or(0, |records| records.iter(&Path::top()).count()) }
        };
        self.destination.record_sets().into_iter().map(|names| names.into_iter().map(set).collect()).collect()
    }

    /// Records are checked at each destination that has them.
    fn check_record_sets(&self, at: &Path, check: &mut Check<'_>) {
        let named = self.destination.record_sets().concat();
        for key in self.records.keys() {
            let at = at.key(key);
            let Some(name) = check.name(Some(key), &at) else { continue };
            if !named.contains(&key.as_str()) {
                check.report.warning(code::UNUSED, &at, format!("no destination has the records `{name}`"));
            }
        }
    }

    /// A profile's tags and events are checked at each device that has it; without one they are not.
    fn check_profiles(&self, at: &Path, check: &mut Check<'_>) {
        for (key, table) in &self.profile {
            let at = at.key(key);
            let Some(name) = check.name(Some(key), &at) else { continue };
            if !self.source.profiles().contains(&key.as_str()) {
                check.report.warning(code::UNUSED, &at, format!("no device has the profile `{name}`"));
            }
            if let Some(table) = table {
                let profile = table.check(name, &at, check);
                check.profiles.insert(key.clone(), profile);
            }
        }
    }
}
