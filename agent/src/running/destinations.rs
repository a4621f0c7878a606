//! The right half as it runs: a task for each destination.

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_buffer::{FlowId, FlowState, ReadError, Reader, Readers};
use plantlink_config::{Config, Destination, Flow, MqttDestination, MqttQos, Name, OdooDestination};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::crew::Crew;
use super::seal::{Seal, Sealer};
use super::shelf::BufferShelf;
use crate::control::Reconcilers;
use crate::deliver::deliver;
use crate::destination::mqtt::Broker;
use crate::destination::odoo::{Desk, Odoo, Office, Reconciler, Save, Shelf, Visitors, desk};
use crate::destination::webhook::Webhook;
use crate::flow_ids::served;
use crate::fly::{Recorded, fly};
use crate::greeting::greet;
use crate::premises::Premises;
use crate::run::RunError;
use crate::schedule::Schedule;
use crate::store::Store;

/// All that a destination's task depends on.
#[derive(Clone, PartialEq)]
pub(super) struct Brief {
    destination: Destination,
    flows: Vec<(FlowId, Flow)>,
    seal: Seal,
}

/// The destinations that run.
pub(super) struct Destinations {
    crew: Crew<Brief>,
    /// Of those that can compare what they confirmed with what they hold.
    desks: BTreeMap<String, (Name, Desk)>,
    reconcilers: watch::Sender<Reconcilers>,
}

/// The destinations of a configuration with the flows that they serve, by name.
pub(super) fn wanted(config: &Config, flows: &[FlowState], sealer: &Sealer) -> BTreeMap<String, Brief> {
    let brief = |destination: &Destination| Brief {
        destination: destination.clone(),
        flows: served(config, destination.name(), flows).into_iter().map(|(id, flow)| (id, flow.clone())).collect(),
        seal: sealer.seal(&destination.credentials()),
    };
    config.destinations.iter().map(|destination| (destination.name().to_string(), brief(destination))).collect()
}

impl Brief {
    /// The broker that takes each event once; none but these have flights.
    fn flies_to(&self) -> Option<&MqttDestination> {
        match &self.destination {
            Destination::Mqtt(broker) => match broker.qos {
                MqttQos::ExactlyOnce => Some(broker),
                MqttQos::AtLeastOnce => None,
            },
            Destination::Odoo(_) | Destination::Webhook(_) => None,
        }
    }
}

impl Destinations {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Destinations { crew: Crew::new(stop), desks: BTreeMap::new(), reconcilers: watch::Sender::default() }
    }

    /// Ends those that are to run no longer, or otherwise, and says whether there were any. What is in flight where nobody
    /// will finish it is forgotten, as by a start.
    pub(super) async fn dismiss(
        &mut self,
        wanted: &BTreeMap<String, Brief>,
        premises: &Premises,
    ) -> Result<bool, RunError> {
        let left = self.crew.dismiss(wanted).await?;
        for broker in left.iter().filter_map(Brief::flies_to) {
            if wanted.get(&*broker.name).and_then(Brief::flies_to).is_none() {
                premises.store.forget_flights(&broker.name)?;
            }
        }
        Ok(!left.is_empty())
    }

    /// Starts those that do not run yet. Where others have just ended, all that these were answered is on disk first.
    pub(super) fn hire(&mut self, wanted: BTreeMap<String, Brief>, premises: &Premises, have_ended: bool) {
        self.desks.retain(|name, _| self.crew.has(name));
        for (name, brief) in wanted {
            if !self.crew.has(&name) {
                let (desk, visitors) = desk();
                match &brief.destination {
                    Destination::Odoo(odoo) => drop(self.desks.insert(name.clone(), (odoo.name.clone(), desk))),
                    Destination::Mqtt(_) | Destination::Webhook(_) => {}
                }
                let (work, premises) = (brief.clone(), premises.clone());
                self.crew.hire(name, brief, |stop| serve(work, premises, have_ended, visitors, stop));
            }
        }
        self.reconcilers.send_replace(Reconcilers::new(self.desks.values().cloned().collect()));
    }

    /// Where comparisons are asked for, now and after each change.
    pub(super) fn reconcilers(&self) -> watch::Receiver<Reconcilers> {
        self.reconcilers.subscribe()
    }

    /// Those that stay as they are but for their credentials.
    pub(super) fn renewed<'a>(&self, wanted: &'a BTreeMap<String, Brief>) -> Vec<&'a str> {
        let is_renewed =
            |known: &Brief, brief: &Brief| known.destination == brief.destination && known.seal != brief.seal;
        self.crew.those(wanted, is_renewed)
    }

    pub(super) async fn failure(&mut self) -> RunError {
        self.crew.failure().await
    }

    pub(super) async fn stop(&mut self) -> Result<(), RunError> {
        self.crew.stop().await
    }
}

/// Serves a destination until stop, beginning with what was in flight to it and what it remembers.
async fn serve(
    brief: Brief,
    premises: Premises,
    have_ended: bool,
    visitors: Visitors,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let Brief { destination, flows, .. } = brief;
    let name = destination.name().clone();
    if have_ended && stop.run_until_cancelled(premises.settled(&name)).await.transpose()?.is_none() {
        return Ok(());
    }
    let whose = name.clone();
    let (reader, recorded) = premises.read(move |reader| recorded(reader, &whose)).await?;
    let Premises { site, store, health, readers, .. } = premises;
    let served: Vec<_> = flows.iter().map(|(id, flow)| (*id, flow)).collect();
    let (levels, pacing) = (store.levels(), destination.pacing());
    let mut schedule = Schedule::new(name.clone(), site.clone(), &served, reader, levels, pacing, health.clone());
    schedule.recall().await?;
    match &destination {
        Destination::Mqtt(broker) if broker.qos == MqttQos::ExactlyOnce => {
            fly(broker.clone(), recorded, schedule, store, health, stop).await?;
        }
        Destination::Mqtt(broker) => deliver(name, Broker::new(broker), schedule, store, health, stop).await?,
        Destination::Odoo(config) => {
            let Backroom { save, shelf } = Backroom::of(config, &store, &readers);
            let office = Office::new(config, &site, &recorded.kept, save.clone());
            let flows = flows.iter().map(|(id, flow)| (*id, flow.name.clone())).collect();
            let (rows, whole) = (recorded.kept, health.clone());
            let reconciler =
                Reconciler::new(config, site.clone(), flows, readers, shelf.clone(), office.clone(), whole);
            let mut odoo = Odoo::new(config, &site, office, rows, save, shelf);
            let delivering = async {
                greet(&name, &mut odoo, &mut schedule, &health, &stop).await;
                deliver(name.clone(), odoo, schedule, store, health, stop.clone()).await
            };
            tokio::select! {
                delivered = delivering => delivered?,
                () = reconciler.serve(visitors) => {}
            }
        }
        Destination::Webhook(webhook) => deliver(name, Webhook::new(webhook), schedule, store, health, stop).await?,
    }
    Ok(())
}

/// Where an Odoo destination writes down what it remembers.
struct Backroom {
    save: Save,
    shelf: Arc<dyn Shelf>,
}

impl Backroom {
    fn of(config: &OdooDestination, store: &Store, readers: &Readers) -> Self {
        let (keeper, keeps_for) = (store.clone(), config.name.clone());
        let shelf = BufferShelf {
            destination: config.name.clone(),
            keep: config.keep_confirmed,
            store: store.clone(),
            readers: readers.clone(),
        };
        // A writer that has stopped ends the process with the next settlement.
        Backroom { save: Arc::new(move |rows| drop(keeper.keep(&keeps_for, rows))), shelf: Arc::new(shelf) }
    }
}

fn recorded(reader: Reader, destination: &Name) -> Result<(Reader, Recorded), ReadError> {
    let (flights, session) = reader.flights(destination)?;
    let kept = reader.kept(destination)?;
    Ok((reader, Recorded { flights, session, kept }))
}
