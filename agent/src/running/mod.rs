//! What runs: the tasks of the configuration in force, and the change to another one.

mod crew;
mod destinations;
mod heartbeats;
mod seal;
mod shelf;
mod sources;

use std::collections::BTreeMap;

use plantlink_buffer::{FlowId, FlowState};
use plantlink_config::{Config, Flow};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::{Lines, Reconcilers};
use crate::flow_ids::configured;
use crate::health::service_level;
use crate::premises::Premises;
use crate::run::RunError;
use crate::status::Reporter;
pub(crate) use crew::Crew;
use destinations::Destinations;
use seal::Sealer;
use sources::Sources;
#[cfg(test)]
pub(crate) use sources::restore;

/// The name under which the service levels are watched: there is one watch.
const WATCH: &str = "service levels";

/// Every task that depends on the configuration.
pub(crate) struct Running {
    premises: Premises,
    reporter: Reporter,
    sealer: Sealer,
    sources: Sources,
    destinations: Destinations,
    heartbeats: Crew<heartbeats::Brief>,
    watch: Crew<Vec<(FlowId, Flow)>>,
}

impl Running {
    /// Nothing runs yet.
    pub(crate) fn new(premises: Premises, reporter: Reporter) -> Self {
        let (plant, office) = (CancellationToken::new(), CancellationToken::new());
        Running {
            premises,
            reporter,
            sealer: Sealer::default(),
            sources: Sources::new(plant),
            destinations: Destinations::new(office.clone()),
            heartbeats: Crew::new(office.clone()),
            watch: Crew::new(office),
        }
    }

    /// The Modbus lines that are held, now and after each change.
    pub(crate) fn lines(&self) -> watch::Receiver<Lines> {
        self.sources.lines()
    }

    /// The destinations that can compare what they confirmed with what they hold, now and after each change.
    pub(crate) fn reconcilers(&self) -> watch::Receiver<Reconcilers> {
        self.destinations.reconcilers()
    }

    /// Starts everything, the office before the plant.
    pub(crate) async fn start(&mut self, config: &Config, flows: &[FlowState]) -> Result<(), RunError> {
        self.office(config, flows).await?;
        let wanted = sources::wanted(config, &self.sealer);
        self.sources.hire(wanted, &self.premises, false);
        Ok(())
    }

    /// Whose credentials are others than those that they were started with, while the rest is the same.
    pub(crate) fn renewed(&self, config: &Config, flows: &[FlowState]) -> Vec<String> {
        let (sources, destinations) =
            (sources::wanted(config, &self.sealer), destinations::wanted(config, flows, &self.sealer));
        let names = self.sources.renewed(&sources).into_iter().chain(self.destinations.renewed(&destinations));
        names.map(|name| format!("credentials of {name}")).collect()
    }

    /// Goes over from one configuration to another. Whatever is the same in both, its secrets too, does not notice. The
    /// plant comes first: an office that takes its time holds up no source.
    pub(crate) async fn follow(&mut self, before: &Config, next: &Config, flows: &[FlowState]) -> Result<(), RunError> {
        let wanted = sources::wanted(next, &self.sealer);
        let have_ended = self.sources.dismiss(&wanted).await?;
        self.premises.health.follow(before, next);
        self.sources.hire(wanted, &self.premises, have_ended);
        self.office(next, flows).await
    }

    async fn office(&mut self, config: &Config, flows: &[FlowState]) -> Result<(), RunError> {
        let wanted = destinations::wanted(config, flows, &self.sealer);
        let have_ended = self.destinations.dismiss(&wanted, &self.premises).await?;
        self.destinations.hire(wanted, &self.premises, have_ended);
        let beating = heartbeats::wanted(config, &self.sealer);
        heartbeats::follow(&mut self.heartbeats, beating, &self.premises, &self.reporter).await?;
        self.watch_levels(configured(config, flows)).await
    }

    async fn watch_levels(&mut self, flows: Vec<(FlowId, &Flow)>) -> Result<(), RunError> {
        let flows: Vec<_> = flows.into_iter().map(|(id, flow)| (id, flow.clone())).collect();
        self.watch.dismiss(&BTreeMap::from([(WATCH.to_owned(), flows.clone())])).await?;
        if !self.watch.has(WATCH) {
            let Premises { store, health, readers, .. } = self.premises.clone();
            let (reader, levels, promises) = (readers.open()?, store.levels(), flows.clone());
            let watch = |stop| service_level::watch(promises, reader, levels, health, stop);
            self.watch.hire_unfailing(WATCH.to_owned(), flows, watch);
        }
        Ok(())
    }

    /// Waits for the first task that fails.
    pub(crate) async fn failure(&mut self) -> RunError {
        tokio::select! {
            error = self.sources.failure() => error,
            error = self.destinations.failure() => error,
            error = self.heartbeats.failure() => error,
            error = self.watch.failure() => error,
        }
    }

    /// Ends everything, the plant before the office.
    pub(crate) async fn stop(&mut self) -> Result<(), RunError> {
        let sources = self.sources.stop().await;
        let destinations = self.destinations.stop().await;
        let beside = self.heartbeats.stop().await.and(self.watch.stop().await);
        sources.and(destinations).and(beside)
    }
}
