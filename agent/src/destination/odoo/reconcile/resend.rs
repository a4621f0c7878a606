//! Writing again what Odoo lacks: the records of single events, and intervals with their ends.

use std::collections::{BTreeMap, HashSet};

use plantlink_buffer::ReadError;

use super::super::book::{Book, MEMOS_MAX};
use super::super::clerk::{Clerk, Fate};
use super::super::ends::Ends;
use super::super::office::Office;
use super::super::reconciled::{ReconcileError, Tally};
use super::super::record::module;
use super::super::register::Register;
use super::super::survey::{Begun, Place};
use super::super::verdict::Setback;
use super::Reconciler;
use crate::aside::aside;
use crate::envelope::Envelope;

/// So many are sent at once.
const EVENTS_AT_ONCE: usize = 100;

/// The writing of one comparison.
pub(super) struct Resend<'a> {
    reconciler: &'a Reconciler,
    clerk: Clerk<Office>,
    tally: &'a mut Tally,
}

impl<'a> Resend<'a> {
    pub(super) fn new(reconciler: &'a Reconciler, tally: &'a mut Tally) -> Self {
        let register = Register::ignoring_what_was(reconciler.shelf.clone());
        let clerk = Clerk::new(reconciler.office.clone(), module(&reconciler.site.plant), Book::blank(), register);
        Resend { reconciler, clerk, tally }
    }

    /// Makes the records of single events.
    pub(super) async fn singles(&mut self, places: Vec<Place>) -> Result<(), ReconcileError> {
        let sent = self.send(places).await;
        self.clerk.finish();
        self.tally.not_resent += sent?;
        Ok(())
    }

    /// Makes intervals again, and ends those that are over.
    pub(super) async fn intervals(&mut self, begun: Vec<Begun>) -> Result<(), ReconcileError> {
        // The book holds each from its begin to its end.
        for begun in begun.chunks(MEMOS_MAX) {
            self.clerk.book = Book::blank();
            self.tally.not_resent += self.send(begun.iter().map(|begun| begun.place).collect()).await?;
            // They are looked for only now: whoever delivers the end of an interval that is there again ends it there.
            let ends = self.ends(begun).await?;
            self.send(ends).await?;
            // Nor is anything confirmed before: where the end could not be written, the next comparison begins anew.
            self.clerk.finish();
        }
        Ok(())
    }

    async fn ends(&self, begun: &[Begun]) -> Result<Vec<Place>, ReconcileError> {
        let Reconciler { site, mappings, flows, readers, .. } = self.reconciler;
        let intervals: HashSet<_> = begun.iter().map(|begun| (begun.place.record, begun.key.clone())).collect();
        let ends = Ends { site: site.clone(), mappings: mappings.clone(), intervals };
        let (flows, readers) = (flows.clone(), readers.clone());
        Ok(aside(move || ends.find(&flows, &mut readers.open()?)).await?)
    }

    /// Writes what these events say to their records. Tells how many could not be had or were refused.
    async fn send(&mut self, places: Vec<Place>) -> Result<u64, ReconcileError> {
        let mut by_record: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for place in places {
            by_record.entry(place.record).or_default().push(place);
        }
        let mut failed = 0;
        for (record, places) in by_record {
            for places in places.chunks(EVENTS_AT_ONCE) {
                let events = self.events(places.to_vec()).await?;
                failed += places.len().saturating_sub(events.len()) as u64;
                failed += self.write(record, &events).await?;
            }
        }
        Ok(failed)
    }

    async fn events(&self, places: Vec<Place>) -> Result<Vec<Envelope>, ReconcileError> {
        let Reconciler { site, flows, readers, .. } = self.reconciler;
        let (site, flows, readers) = (site.clone(), flows.clone(), readers.clone());
        let read = aside(move || {
            let mut reader = readers.open()?;
            let mut events = Vec::with_capacity(places.len());
            for Place { flow, sequence, .. } in places {
                let Some((_, name)) = flows.iter().find(|(id, _)| *id == flow) else { continue };
                let stored = reader.read(flow, sequence, 1, 0)?;
                let stored = stored.into_iter().find(|stored| stored.sequence == sequence);
                if let Some(stored) = stored {
                    let recorded = reader.recorded(&stored)?;
                    events.push(Envelope::new(site.clone(), name.clone(), stored, recorded));
                }
            }
            Ok::<_, ReadError>(events)
        });
        Ok(read.await?)
    }

    /// Sends the rows together, or one by one where they are refused together. Tells how many were refused.
    async fn write(&mut self, record: usize, events: &[Envelope]) -> Result<u64, ReconcileError> {
        let setback = match self.offer(record, events).await {
            Ok(refused) => return Ok(refused),
            Err(setback) => setback,
        };
        let (Setback::Refused { .. } | Setback::Barred { .. } | Setback::TooLarge, true) = (&setback, events.len() > 1)
        else {
            return self.refused(setback);
        };
        let mut refused = 0;
        for event in events {
            refused += match self.offer(record, std::slice::from_ref(event)).await {
                Ok(refused) => refused,
                Err(setback) => self.refused(setback)?,
            };
        }
        Ok(refused)
    }

    async fn offer(&mut self, record: usize, events: &[Envelope]) -> Result<u64, Setback> {
        let Some(mapping) = self.reconciler.mappings.get(record) else { return Ok(0) };
        let written = self.clerk.write(std::slice::from_ref(mapping), events, true, &mut None).await?;
        self.tally.resent += written.made.rows;
        self.tally.found += written.made.found;
        let mut refused = 0;
        for fate in written.fates {
            match fate {
                Fate::Done | Fate::Unused => {}
                Fate::Waits(reason) | Fate::Rejected(reason) => {
                    refused += 1;
                    self.tally.last_refusal = Some(reason);
                }
            }
        }
        Ok(refused)
    }

    /// One row was refused; or nothing more can be done now.
    fn refused(&mut self, setback: Setback) -> Result<u64, ReconcileError> {
        match setback {
            Setback::Refused { reason } | Setback::Barred { reason } => {
                self.tally.last_refusal = Some(reason);
                Ok(1)
            }
            other @ (Setback::Race { .. }
            | Setback::TooLarge
            | Setback::Unanswered(_)
            | Setback::Unreachable(_)
            | Setback::Busy { .. }
            | Setback::Denied(_)
            | Setback::Paused { .. }) => Err(ReconcileError::of(other, &self.reconciler.config)),
        }
    }
}
