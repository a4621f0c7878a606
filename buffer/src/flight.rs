//! Flights: messages on their way with QoS 2 (MQTT 5, section 4.3.3), whose packet ids are written down before they are used.
//!
//! A broker that keeps the session keeps the ids too: what is sent again after a crash under the id that it had before is
//! known there. So a flight is recorded by a synced commit before its first PUBLISH, and marked as released by another
//! one before its first PUBREL: from then on none of its messages may be sent again under these ids. Its events are
//! settled when the last PUBCOMP is in, and not before: a broker that forgets the session in between has thrown away what
//! it had received, and the events are still there to be offered again.
//!
//! The commit that releases a flight also settles the one before and records the one after: one sync a flight.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, params};

use crate::error::{Malformed, WriteError};
use crate::flow::{Flow, FlowId, Flows, Flying};
use crate::replay::Replayed;
use crate::settle::{self, Refusal, Settle};
use crate::varint::{self, Cursor};
use crate::waiting::{self, Resume};

/// Messages of one flow that share their way to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// Of the first message, 1 to 65,535. The others follow; 1 comes after 65,535.
    pub first_packet_id: u16,
    /// Whose events.
    pub flow: FlowId,
    /// Where the flow's span stands when these events are next.
    pub from: u64,
    /// In the order of the log.
    pub messages: Vec<Aloft>,
    /// The broker has answered every PUBLISH.
    pub released: bool,
}

/// One message of a flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aloft {
    /// The event's number in the flow.
    pub sequence: u64,
    /// Why the broker will never take it, if it said so. There is nothing to release then.
    pub refused: Option<Refusal>,
}

/// What changes in a destination's flights, in one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fly {
    /// Whose flights.
    pub destination: String,
    /// The session that flights belong to from now on. Those of the one before are forgotten.
    pub session: Option<String>,
    /// The answers to flights that are over.
    pub settle: Vec<Settle>,
    /// The same for flights of events that were offered again.
    pub replayed: Vec<Replayed>,
    /// Answers to events of any flow that were waiting.
    pub resumed: Vec<Resume>,
    /// Flows of which what is open after that waits behind new events from now on.
    pub cuts: Vec<FlowId>,
    /// The first packet ids of flights that are over.
    pub landed: Vec<u16>,
    /// Flights that begin, or are now released.
    pub aloft: Vec<Flight>,
}

impl Flight {
    /// The ids of its messages, in their order.
    pub fn packet_ids(&self) -> impl Iterator<Item = u16> {
        let first = Some(self.first_packet_id);
        std::iter::successors(first, |id| Some(next_packet_id(*id))).take(self.messages.len())
    }

    /// Its first number, and the one behind its last event.
    fn numbers(&self) -> Range<u64> {
        self.from..self.messages.last().map_or(self.from, |last| last.sequence + 1)
    }
}

/// Round robin; 0 is none (MQTT 5, section 2.2.1).
pub fn next_packet_id(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

impl Fly {
    /// Whether something will be sent that must not be sent before this is durable. What only ends flights may be undone
    /// by a power cut: the broker answers the same PUBREL again.
    pub(crate) fn wants_sync(&self) -> bool {
        self.session.is_some() || !self.aloft.is_empty()
    }

    /// What it adds to the file, without its settlements.
    pub(crate) fn bytes(&self) -> usize {
        let session = self.session.as_ref().map_or(0, String::len);
        let messages = self.aloft.iter().flat_map(|flight| &flight.messages);
        session
            + messages
                .map(|message| size_of::<u64>() + message.refused.as_ref().map_or(0, Refusal::bytes))
                .sum::<usize>()
    }
}

/// All open flights, and the session that each destination's belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flights {
    open: Vec<(Arc<str>, Arc<Flight>)>,
    sessions: Vec<(Arc<str>, Arc<str>)>,
}

impl Flights {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let open = connection
            .prepare("SELECT destination, first_packet_id, flow, positions, released FROM flight")?
            .query_map([], |row| {
                let Positions { from, messages } = row.get(3)?;
                let flight =
                    Flight { first_packet_id: row.get(1)?, flow: row.get(2)?, from, messages, released: row.get(4)? };
                Ok((row.get::<_, String>(0)?.into(), flight.into()))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let sessions = connection
            .prepare("SELECT destination, identity FROM session")?
            .query_map([], |row| Ok((row.get::<_, String>(0)?.into(), row.get::<_, String>(1)?.into())))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { open, sessions })
    }

    /// The destination's flights, those that are released first: they were begun before the others.
    pub(crate) fn of(&self, destination: &str) -> Vec<Flight> {
        let mine = self.open.iter().filter(|(owner, _)| **owner == *destination);
        let mut flights: Vec<_> = mine.map(|(_, flight)| (**flight).clone()).collect();
        flights.sort_by_key(|flight| (!flight.released, flight.flow, flight.from));
        flights
    }

    pub(crate) fn session(&self, destination: &str) -> Option<&str> {
        self.sessions.iter().find(|(owner, _)| **owner == *destination).map(|(_, session)| &**session)
    }

    /// The numbers of each flow that may not be given up: what is in flight, and what stands before it in its span,
    /// because a span is settled in order.
    pub(crate) fn held(&self, flows: &Flows) -> Vec<(FlowId, Range<u64>)> {
        let held = self.open.iter().map(|(_, flight)| {
            let numbers = flight.numbers();
            let stands_at = flows.get(flight.flow).ok().and_then(|flow| owed_before(flow, flight.from));
            (flight.flow, stands_at.unwrap_or(numbers.start)..numbers.end)
        });
        held.collect()
    }

    /// Tells every flow who has events of it in flight.
    pub(crate) fn mark(&self, flows: &mut Flows) {
        for flow in flows.iter_mut() {
            let mine = || self.open.iter().filter(|(_, flight)| flight.flow == flow.id);
            let from = mine().map(|(_, flight)| flight.from).min();
            let holder = mine().next().map(|(destination, _)| destination.clone());
            flow.flying = holder.zip(from).map(|(to, from)| Flying { to, from });
        }
    }

    /// Forgets the flights and sessions of destinations that are not served with QoS 2 any more.
    pub(crate) fn keep(&mut self, destinations: &[&str]) {
        self.open.retain(|(destination, _)| destinations.contains(&&**destination));
        self.sessions.retain(|(destination, _)| destinations.contains(&&**destination));
    }

    pub(crate) fn save(&self, transaction: &Connection, before: &Self) -> rusqlite::Result<()> {
        let key = |(destination, flight): &(Arc<str>, Arc<Flight>)| (destination.clone(), flight.first_packet_id);
        for gone in before.open.iter().filter(|row| !self.open.iter().any(|other| key(other) == key(row))) {
            transaction
                .prepare_cached("DELETE FROM flight WHERE destination = ?1 AND first_packet_id = ?2")?
                .execute(params![&*gone.0, gone.1.first_packet_id])?;
        }
        for (destination, flight) in self.open.iter().filter(|row| !before.open.contains(row)) {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO flight (destination, first_packet_id, flow, positions, released)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    &**destination,
                    flight.first_packet_id,
                    flight.flow,
                    positions(flight),
                    flight.released
                ])?;
        }
        if self.sessions != before.sessions {
            transaction.execute("DELETE FROM session", [])?;
            for (destination, identity) in &self.sessions {
                transaction.execute(
                    "INSERT INTO session (destination, identity) VALUES (?1, ?2)",
                    params![&**destination, &**identity],
                )?;
            }
        }
        Ok(())
    }
}

/// Forgets all flights with their sessions, where some may have been forgotten already: a broker that keeps a session may
/// take new messages for those that it has under the same ids. What was in flight is offered again, in doubt once more.
pub(crate) fn forget_all(transaction: &Connection) -> rusqlite::Result<()> {
    transaction.execute_batch("DELETE FROM flight; DELETE FROM session")
}

/// Applies a change to the state and the dead letters; the rows are written with the rest of the state.
pub(crate) fn fly(
    work: &Fly,
    committed: &Flows,
    flows: &mut Flows,
    flights: &mut Flights,
    transaction: &Connection,
) -> Result<(), WriteError> {
    for settled in &work.settle {
        settle::settle(settled, committed, flows, transaction)?;
    }
    for Replayed { flow, range, events } in &work.replayed {
        flows.get_mut(*flow)?.replayed(range, *events);
    }
    for Resume { flow, outcomes } in &work.resumed {
        waiting::resume(transaction, flows.get_mut(*flow)?, outcomes)?;
    }
    for flow in &work.cuts {
        flows.get_mut(*flow)?.cut();
    }
    let destination: Arc<str> = work.destination.as_str().into();
    if let Some(session) = &work.session {
        flights.open.retain(|(owner, _)| *owner != destination);
        flights.sessions.retain(|(owner, _)| *owner != destination);
        flights.sessions.push((destination.clone(), session.as_str().into()));
    }
    let replaced = |id: u16| work.landed.contains(&id) || work.aloft.iter().any(|flight| flight.first_packet_id == id);
    flights.open.retain(|(owner, flight)| *owner != destination || !replaced(flight.first_packet_id));
    flights.open.extend(work.aloft.iter().map(|flight| (destination.clone(), Arc::new(flight.clone()))));
    flights.mark(flows);
    Ok(())
}

/// Where the owed span stands that has this number.
fn owed_before(flow: &Flow, number: u64) -> Option<u64> {
    let span = flow.spans.iter().find(|span| span.is_owed() && (span.next..span.end(flow.next)).contains(&number))?;
    Some(span.next)
}

/// `flight.positions`: where the span stood, then for each message the numbers left out before it and whether it was
/// refused, with code and reason if it was.
struct Positions {
    from: u64,
    messages: Vec<Aloft>,
}

fn positions(flight: &Flight) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(flight.messages.len() + 8);
    varint::put(&mut bytes, flight.from);
    let mut expected = flight.from;
    for message in &flight.messages {
        let gap = message.sequence.saturating_sub(expected);
        varint::put(&mut bytes, (gap << 1) | u64::from(message.refused.is_some()));
        if let Some(Refusal { code, reason }) = &message.refused {
            varint::put_bytes(&mut bytes, code.as_bytes());
            varint::put_bytes(&mut bytes, reason.as_bytes());
        }
        expected = message.sequence + 1;
    }
    bytes
}

impl Positions {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let from = cursor.number()?;
        let mut expected = from;
        let mut messages = Vec::new();
        while !cursor.is_empty() {
            let mark = cursor.number()?;
            let sequence = expected.checked_add(mark >> 1).ok_or(Malformed("a flight is past the end of its log"))?;
            let refused = match mark & 1 {
                0 => None,
                _ => Some(Refusal { code: text(cursor.bytes()?)?, reason: text(cursor.bytes()?)? }),
            };
            messages.push(Aloft { sequence, refused });
            expected = sequence.saturating_add(1);
        }
        Ok(Self { from, messages })
    }
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a reason is not UTF-8"))
}

impl FromSql for Positions {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_blob()?).map_err(FromSqlError::other)
    }
}
