//! The books after a salvage: what is there is counted, and what is not there any more is a loss.
//!
//! Where the books themselves are damaged, nothing that may be undelivered is taken as delivered.

use rusqlite::{Connection, params};
use zstd::bulk::Decompressor;

use super::restore::Found;
use super::sweep::{Hole, Sweep};
use crate::error::WriteError;
use crate::flow::{Flow, FlowId, Flows};
use crate::ledger::Ledger;
use crate::log;
use crate::loss::{Loss, LossCause, Losses, Period};
use crate::receipt::RecentReceipts;
use crate::rewrite::rewrite;
use crate::sender::Senders;
use crate::span::{self, Span};

/// Brings the books of a new buffer in line with the rows that were copied into it. Gives what was lost, and whether
/// sequence numbers may have been given that nobody remembers.
pub(super) fn balance(
    target: &Connection,
    found: &Found,
    decompressor: &mut Decompressor<'static>,
) -> Result<(Vec<Loss>, bool), WriteError> {
    drop_malformed(target)?;
    let mut forgets_numbers = !found.has_all_flows;
    forgets_numbers |= add_flows(target, found)?;
    target.execute_batch(
        "INSERT OR IGNORE INTO boot (id, boot_id) SELECT DISTINCT boot, 'lost-' || boot FROM block
         WHERE boot NOT IN (SELECT id FROM boot)",
    )?;
    let mut flows = Flows::load(target)?;
    let before = flows.clone();
    let mut known = Losses::load(target)?;
    let told = known.clone();
    let mut losses = Vec::new();
    for flow in flows.iter_mut() {
        end_beside(target, flow)?;
        let sweep = Sweep::of(target, flow, decompressor)?;
        let dead = dead_letters(target, flow.id)?;
        let is_sure = balance_flow(flow, &sweep, dead, &mut losses);
        forgets_numbers |= !is_sure;
        bridge(target, flow.id, &sweep.holes, decompressor)?;
        // Spans are found by where they began, and that may have changed.
        target.execute("DELETE FROM span WHERE flow = ?1", params![flow.id])?;
        span::save(target, flow.id, &[], &flow.spans)?;
    }
    flows.save(target, &before)?;
    losses.iter().for_each(|loss| known.add(loss.clone()));
    known.save(target, &told)?;
    Ok((losses, forgets_numbers))
}

/// What is not owed is of no use to a log with holes: what was given up goes at once, and what was offered again has to be
/// asked for again.
fn end_beside(target: &Connection, flow: &mut Flow) -> rusqlite::Result<()> {
    if let Some(until) = flow.dropped_until() {
        log::delete(target, flow.id, 0, until.saturating_sub(1))?;
        flow.oldest = log::oldest(target, flow.id)?.unwrap_or(flow.next);
    }
    flow.replay_lost += flow.replaying();
    flow.spans.retain(Span::is_owed);
    Ok(())
}

/// Rows that fit their tables and mean nothing.
fn drop_malformed(target: &Connection) -> rusqlite::Result<()> {
    target.execute(
        "DELETE FROM flow WHERE next < 1 OR next > ?1 OR min(recorded, matched, delivered, dead, dropped, replayed, replay_lost) < 0
         OR max(recorded, matched, delivered, dead, dropped, replayed, replay_lost) > ?1 OR retired NOT IN (0, 1) OR id NOT BETWEEN 0 AND ?2",
        params![log::SEQUENCE_END, log::FLOW_END],
    )?;
    target.execute(
        "DELETE FROM span WHERE min(first, next, gaps, coalesce(until, 0)) < 0 OR max(first, next, gaps, coalesce(until, 0)) > ?1",
        params![log::SEQUENCE_END],
    )?;
    let flows: Vec<FlowId> =
        target.prepare("SELECT id FROM flow")?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for flow in flows {
        if span::load(target, flow).is_err() {
            target.execute("DELETE FROM span WHERE flow = ?1", params![flow])?;
        }
    }
    clear_unless(
        target,
        "DELETE FROM meta WHERE key = 'unmatched' OR key GLOB 'source:*'",
        Ledger::load(target).is_ok(),
    )?;
    clear_unless(target, "DELETE FROM sender", Senders::load(target).is_ok())?;
    clear_unless(target, "DELETE FROM receipt", RecentReceipts::load(target).is_ok())?;
    clear_unless(target, "DELETE FROM loss", Losses::load(target).is_ok())
}

fn clear_unless(target: &Connection, clear: &str, can_be_loaded: bool) -> rusqlite::Result<()> {
    if can_be_loaded { Ok(()) } else { target.execute_batch(clear) }
}

/// Flows whose rows are gone and whose events are there, and those that an index still names.
fn add_flows(target: &Connection, found: &Found) -> rusqlite::Result<bool> {
    let mut add = target.prepare(
        "INSERT OR IGNORE INTO flow (id, name, next, recorded, matched, delivered, dead, dropped, replayed, replay_lost, retired)
         VALUES (?1, ?2, 1, 0, 0, 0, 0, 0, 0, 0, 1)",
    )?;
    let mut has_added = false;
    for (name, id) in found.names.iter().filter(|(_, id)| (0..i64::from(log::FLOW_END)).contains(id)) {
        has_added |= add.execute(params![id, name])? > 0;
    }
    for flow in log::flows(target)? {
        has_added |= add.execute(params![flow, format!("salvaged-{flow}")])? > 0;
    }
    Ok(has_added)
}

fn dead_letters(target: &Connection, flow: FlowId) -> rusqlite::Result<u64> {
    target.query_row("SELECT count(*) FROM dead WHERE flow = ?1", params![flow], |row| row.get(0))
}

/// Says whether the flow's row could be believed.
fn balance_flow(flow: &mut Flow, sweep: &Sweep, dead: u64, losses: &mut Vec<Loss>) -> bool {
    let settled = flow.delivered + flow.waiting + flow.dead + flow.dropped;
    let buffered = flow.matched.checked_sub(settled);
    let is_believed = sweep.end.is_none_or(|end| end <= flow.next) && dead <= flow.dead;
    let Some(buffered) = buffered.filter(|_| is_believed) else {
        begin_anew(flow, sweep, dead, losses);
        return false;
    };
    if dead < flow.dead {
        let (first, last) = (1, flow.next - 1);
        let count = flow.dead - dead;
        losses.push(Loss { flow: flow.id, cause: LossCause::Damaged, first, last, count, recorded: None });
        flow.dropped += count;
        flow.dead = dead;
    }
    let spans_fit = !flow.spans.is_empty()
        && flow.spans.iter().zip(&sweep.found).all(|(span, found)| {
            span.next <= span.end(flow.next) && span.end(flow.next) <= flow.next && *found <= span.buffered(flow.next)
        })
        && flow.buffered() == buffered;
    if spans_fit {
        take_gaps(flow, sweep, losses);
    } else {
        deliver_all(flow, sweep, buffered, losses);
    }
    true
}

/// The spans say what is still to deliver: what of it is not found is lost.
fn take_gaps(flow: &mut Flow, sweep: &Sweep, losses: &mut Vec<Loss>) {
    let (id, next) = (flow.id, flow.next);
    for (span, found) in flow.spans.iter_mut().zip(&sweep.found) {
        let lost = span.buffered(next) - found;
        if lost > 0 {
            let end = span.end(next);
            losses.extend(sweep.loss(id, span.next, end, next, lost));
            flow.dropped += lost;
            // A reader begins where there is a block.
            span.next = span.next.max(sweep.first.unwrap_or(end)).min(end);
            span.gaps = (end - span.next) - found;
            span.skip_last_gap(next);
        }
    }
}

/// Nobody knows which events are still to deliver, but how many: all that are found are offered, also delivered ones, and
/// all that are missing may have been undelivered.
fn deliver_all(flow: &mut Flow, sweep: &Sweep, buffered: u64, losses: &mut Vec<Loss>) {
    let missing: u64 = sweep.holes.iter().map(Hole::count).sum::<u64>() + sweep.end.map_or(0, |end| flow.next - end);
    let lost = missing.max(buffered.saturating_sub(sweep.events));
    if lost > 0 {
        losses.extend(sweep.loss(flow.id, 1, flow.next, flow.next, lost));
        flow.dropped += lost;
    }
    let again = sweep.events + lost - buffered;
    // Beyond what was delivered there are only numbers that had lost their events before, and dead letters.
    let undelivered = again.min(flow.delivered);
    flow.delivered -= undelivered;
    flow.matched += again - undelivered;
    flow.spans = vec![tail(sweep.first.unwrap_or(flow.next), flow.next, sweep.events)];
}

/// The row is gone or wrong: the counters begin anew with what is found.
fn begin_anew(flow: &mut Flow, sweep: &Sweep, dead: u64, losses: &mut Vec<Loss>) {
    flow.next = flow.next.max(sweep.end.unwrap_or(1));
    let first = sweep.first.unwrap_or(flow.next);
    let lost: u64 = sweep.holes.iter().map(Hole::count).sum();
    if lost > 0 {
        losses.extend(sweep.loss(flow.id, first, sweep.end.unwrap_or(first), flow.next, lost));
    }
    flow.matched = sweep.events + flow.waiting + lost + dead;
    (flow.recorded, flow.delivered, flow.dead, flow.dropped) = (flow.matched, 0, dead, lost);
    flow.spans = vec![tail(first, flow.next, sweep.events)];
}

fn tail(first: u64, next: u64, events: u64) -> Span {
    let mut span = Span { gaps: (next - first) - events, ..Span::tail(first) };
    span.skip_last_gap(next);
    span
}

/// The block after a hole covers it from then on.
fn bridge(
    target: &Connection,
    flow: FlowId,
    holes: &[Hole],
    decompressor: &mut Decompressor<'static>,
) -> Result<(), WriteError> {
    for hole in holes {
        let mut after = Vec::new();
        log::blocks(target, flow, hole.last + 1, |block| {
            after = block.all(decompressor).map_err(|malformed| WriteError::Damaged(malformed.into()))?;
            Ok::<_, WriteError>(false)
        })?;
        if let Some(last) = after.last().map(|stored| stored.sequence) {
            rewrite(target, flow, hole.first, last, &after)?;
        }
    }
    Ok(())
}

impl Sweep {
    /// The loss of so many events from `first` on and before `end`, in a log that ends before `log_next`.
    fn loss(&self, flow: FlowId, first: u64, end: u64, log_next: u64, count: u64) -> Option<Loss> {
        let ahead = Hole { first, last: self.first.map_or(0, |begin| begin - 1), from_us: None, to_us: self.first_us };
        let behind = Hole { first: self.end.unwrap_or(first), last: log_next - 1, from_us: self.last_us, to_us: None };
        let holes = [&ahead].into_iter().chain(&self.holes).chain([&behind]).filter(|hole| hole.last >= hole.first);
        let concerned: Vec<&Hole> = holes.filter(|hole| hole.first < end && hole.last >= first).collect();
        let (begin, last) = match (concerned.first(), concerned.last()) {
            (Some(earliest), Some(latest)) => (earliest.first.max(first), latest.last.min(end - 1)),
            // They are somewhere, and nothing says where.
            _ => (first, end.checked_sub(1)?),
        };
        let from_us = concerned.first().and_then(|hole| hole.from_us);
        let to_us = concerned.last().and_then(|hole| hole.to_us);
        let recorded = from_us.zip(to_us).map(|(from_us, to_us)| Period { from_us, to_us });
        Some(Loss { flow, cause: LossCause::Damaged, first: begin, last, count, recorded })
    }
}
