//! Comparing what Odoo confirmed with what it holds, and sending what it never confirmed.
//!
//! The records are asked for by their database ids, which an ordinary user may do, and which no external id that somebody
//! has removed can mislead. What is sent again is written as by any delivery: nothing is made twice, and nothing that is
//! there is touched.

mod resend;

use std::sync::Arc;

use plantlink_buffer::{Confirmed, FlowId, ReadError, Reader, Readers};
use plantlink_config::{Name, OdooDestination};
use tracing::{info, warn};
use uuid::Uuid;

use super::api::Server as _;
use super::diary::{Diary, SPREAD};
use super::holdings::Holdings;
use super::office::Office;
use super::reconciled::{Asked, Gone, ReconcileError, Reconciled, Tally, Visitors, Wish};
use super::record::Mapping;
use super::register::Shelf;
use super::stand::Stand;
use super::survey::{Survey, Surveyed};
use crate::aside::aside;
use crate::chain::chain;
use crate::clock::Time;
use crate::envelope::Site;
use crate::health::Health;
use crate::slot::Slot;
use resend::Resend;

/// So many records are asked for at once, which takes a server some 30 ms.
const IDS_AT_ONCE: usize = 1_000;
/// The number of no record: Odoo counts from one.
const NO_RECORD: i64 = 0;
/// So many of those that are gone are named.
const NAMED_MAX: usize = 20;

/// Compares for one destination.
pub(crate) struct Reconciler {
    config: OdooDestination,
    site: Arc<Site>,
    flows: Vec<(FlowId, Name)>,
    readers: Readers,
    shelf: Arc<dyn Shelf>,
    mappings: Arc<[Mapping]>,
    office: Office,
    health: Health,
}

impl Reconciler {
    pub(crate) fn new(
        config: &OdooDestination,
        site: Arc<Site>,
        flows: Vec<(FlowId, Name)>,
        readers: Readers,
        shelf: Arc<dyn Shelf>,
        office: Office,
        health: Health,
    ) -> Self {
        Reconciler {
            config: config.clone(),
            flows,
            readers,
            shelf,
            mappings: config.records.iter().map(Mapping::new).collect(),
            site,
            office,
            health,
        }
    }

    /// Compares whenever somebody asks, and at the moment of the configuration. Never ends by itself.
    pub(crate) async fn serve(self, mut visitors: Visitors) {
        let slot = Slot::new(&self.site.plant, &self.site.gateway, &format!("reconcile {}", self.config.name), SPREAD);
        let mut diary = Diary::new(self.config.reconcile, slot);
        loop {
            let asked = tokio::select! {
                asked = visitors.0.recv() => asked,
                () = diary.due() => None,
            };
            let reconciled = self.reconcile(asked.as_ref().map_or_else(Wish::default, |asked| asked.wish)).await;
            self.tell(&reconciled);
            if let Some(Asked { answer, .. }) = asked {
                // Whoever asked may have left; it is in the status all the same.
                let _ = answer.send(reconciled);
            }
        }
    }

    fn tell(&self, reconciled: &Result<Reconciled, ReconcileError>) {
        let name = &self.config.name;
        match reconciled {
            Ok(Reconciled { tally, .. }) => {
                let Tally { confirmed, present, gone, never_confirmed, resent, .. } = *tally;
                info!(destination = %name, confirmed, present, gone, never_confirmed, resent, "reconciled");
                self.health.reconciled(name, Ok(tally.clone()));
            }
            Err(error) => {
                warn!(destination = %name, error = %chain(error), "cannot reconcile");
                self.health.reconciled(name, Err(chain(error)));
            }
        }
    }

    async fn reconcile(&self, wish: Wish) -> Result<Reconciled, ReconcileError> {
        let since_us = wish.since_us.unwrap_or(i64::MIN);
        let (reader, stands, mut holdings) = self.read().await?;
        let mut tally = Tally::default();
        for record in 0..self.mappings.len() {
            self.compare(record, since_us, wish, &mut holdings, &mut tally).await?;
        }
        if wish.accept_database {
            self.bury(&holdings);
            let accepted = self.office.accept().await;
            accepted.map_err(|setback| ReconcileError::of(setback, &self.config))?;
        }
        let gone_records = self.named(&holdings);
        let wants_gone = wish.resend_gone && tally.gone > 0;
        let surveyed = self.survey(reader, stands, holdings, since_us, wants_gone).await?;
        let Surveyed { on_the_way, never, gone, gone_intervals, .. } = surveyed;
        tally.on_the_way = on_the_way;
        tally.never_confirmed = on_the_way + never.len() as u64;
        if wants_gone {
            tally.not_resent = tally.gone.saturating_sub((gone.len() + gone_intervals.len()) as u64);
        }
        let mut resend = Resend::new(self, &mut tally);
        resend.singles([never, gone].concat()).await?;
        resend.intervals(gone_intervals).await?;
        Ok(Reconciled { tally, gone_records })
    }

    /// How far each flow is, and then what was confirmed.
    async fn read(&self) -> Result<(Reader, Vec<Stand>, Holdings), ReconcileError> {
        let (readers, shelf, flows) = (self.readers.clone(), self.shelf.clone(), self.flows.clone());
        let names: Vec<Arc<str>> = self.mappings.iter().map(|mapping| mapping.label().clone()).collect();
        let read = aside(move || {
            let mut reader = readers.open()?;
            let stands = Stand::of(&flows, &mut reader)?;
            let holdings = Holdings::read(&*shelf, &names)?;
            Ok::<_, ReadError>((reader, stands, holdings))
        });
        Ok(read.await?)
    }

    /// Asks a model which of its confirmed records are there. In a database that is to be accepted this comes before anything
    /// new is made, which would get the numbers of what is gone.
    async fn compare(
        &self,
        record: usize,
        since_us: i64,
        wish: Wish,
        holdings: &mut Holdings,
        tally: &mut Tally,
    ) -> Result<(), ReconcileError> {
        let Some(model) = self.mappings.get(record).map(|mapping| mapping.model().to_owned()) else { return Ok(()) };
        let mut office = if wish.accept_database { self.office.to_look() } else { self.office.clone() };
        for holdings in holdings.confirmed(record, since_us).chunks_mut(IDS_AT_ONCE) {
            let ids: Vec<i64> = holdings.iter().filter_map(|holding| holding.id).collect();
            let found = office.read(&model, &ids, &["id"]).await;
            let found = found.map_err(|setback| ReconcileError::of(setback, &self.config))?;
            for holding in holdings {
                holding.is_gone = holding.id.is_none_or(|id| !found.contains_key(&id));
                *(if holding.is_gone { &mut tally.gone } else { &mut tally.present }) += 1;
                tally.confirmed += 1;
            }
        }
        Ok(())
    }

    /// What is gone from a restored database stays so, whichever records get its numbers.
    fn bury(&self, holdings: &Holdings) {
        let buried = holdings.gone().filter_map(|holding| {
            let record = self.mappings.get(holding.record)?.label().clone();
            let event_id = holding.event.to_be_bytes();
            Some(Confirmed { event_id, record, id: Some(NO_RECORD), at_us: holding.at_us })
        });
        let buried: Vec<Confirmed> = buried.collect();
        if !buried.is_empty() {
            self.shelf.put(buried);
        }
    }

    fn named(&self, holdings: &Holdings) -> Vec<Gone> {
        let gone = holdings.gone().filter_map(|holding| {
            let record = self.mappings.get(holding.record)?.record();
            let (name, model) = (record.name.clone(), record.model.clone());
            Some(Gone { event_id: Uuid::from_u128(holding.event), record: name, model, id: holding.id? })
        });
        gone.take(NAMED_MAX).collect()
    }

    /// Goes through the logs.
    async fn survey(
        &self,
        mut reader: Reader,
        stands: Vec<Stand>,
        holdings: Holdings,
        since_us: i64,
        wants_gone: bool,
    ) -> Result<Surveyed, ReconcileError> {
        let (site, mappings, now) = (self.site.clone(), self.mappings.clone(), Time::now());
        let survey = Survey { site, mappings, holdings, now, since_us, wants_gone };
        let surveyed = aside(move || {
            let mut found = Surveyed::default();
            for stand in &stands {
                survey.flow(stand, &mut reader, &mut found)?;
            }
            Ok::<_, ReadError>(found)
        });
        Ok(surveyed.await?)
    }
}
