//! The list of a flow's spans: how it is cut, replayed, dropped and kept short.
//!
//! Spans never overlap, so that where one stands names it. Each change here is a change of the flow in hand; it becomes
//! durable with the transaction that it is part of.

use std::ops::Range;

use crate::flow::Flow;
use crate::span::{Span, SpanKind};

/// So many stretches may wait behind the tail. A flow that is cut off more often goes on in the order it has.
const BACKLOGS_MAX: usize = 8;

/// So many spans may a flow have in all; a replay that would need more of them is shortened.
const SPANS_MAX: usize = 64;

impl Flow {
    /// What is open becomes a backlog, and the tail begins anew at the log's end. Whoever was offered some of it finds it
    /// where it stood.
    pub(crate) fn cut(&mut self) {
        let backlogs = self.spans.iter().filter(|span| span.kind == SpanKind::Backlog).count();
        let log_next = self.next;
        let tail = self.spans.iter_mut().find(|span| span.kind == SpanKind::Tail && span.next < log_next);
        let Some(tail) = tail.filter(|_| backlogs < BACKLOGS_MAX) else { return };
        tail.until = Some(log_next);
        tail.kind = SpanKind::Backlog;
        self.spans.push(Span::tail(log_next));
    }

    /// What of the range is settled and still in the log goes out again. What is on its way in another span stays there.
    pub(crate) fn replay(&mut self, range: Range<u64>) {
        let mut from = range.start.max(self.oldest);
        let end = range.end.min(self.covered);
        let mut busy: Vec<Range<u64>> = self.spans.iter().map(|span| span.next..span.end(self.next)).collect();
        busy.sort_by_key(|span| span.start);
        busy.push(end..u64::MAX);
        for span in &mut self.spans {
            // A key that lies in what is replayed now could be the new span's.
            span.first = span.next;
        }
        for span in busy {
            let until = span.start.min(end);
            if from < until && self.spans.len() < SPANS_MAX {
                self.spans.push(Span { first: from, next: from, until: Some(until), kind: SpanKind::Replay, gaps: 0 });
            }
            from = from.max(span.end);
        }
        self.spans.sort_by_key(|span| span.first);
    }

    /// So many events of the range were offered again. A replay may have become shorter meanwhile.
    pub(crate) fn replayed(&mut self, range: &Range<u64>, events: u64) {
        self.replayed += events;
        let begun = |span: &&mut Span| span.kind == SpanKind::Replay && range.contains(&span.next);
        if let Some(span) = self.spans.iter_mut().find(begun) {
            span.next = range.end.min(span.end(self.next));
        }
        self.forget_finished();
    }

    /// Gives up what is left of it and what it keeps, and goes on with an empty log. Does nothing while events of it are in
    /// flight: their answers must find them.
    pub(crate) fn drop_backlog(&mut self) {
        if self.flying.is_some() {
            return;
        }
        self.dropped += self.buffered() + self.waiting;
        self.waiting = 0;
        self.replay_lost += self.replaying();
        self.spans.clear();
        if self.oldest < self.covered {
            let kind = SpanKind::Dropped;
            self.spans.push(Span { first: self.oldest, next: self.oldest, until: Some(self.covered), kind, gaps: 0 });
        }
        self.spans.push(Span::tail(self.next));
    }

    /// The log begins with `oldest` now: what was to be offered again or deleted before it is gone.
    pub(crate) fn begins_with(&mut self, oldest: u64) {
        self.oldest = oldest;
        self.covered = self.covered.max(oldest);
        for span in self.spans.iter_mut().filter(|span| !span.is_owed() && span.next < oldest) {
            let gone = oldest.min(span.end(self.next)) - span.next;
            span.next += gone;
            match span.kind {
                SpanKind::Replay => self.replay_lost += gone,
                SpanKind::Tail | SpanKind::Backlog | SpanKind::Dropped => {}
            }
        }
        self.forget_finished();
    }

    /// Where what was given up ends, as long as some of it is still in the log.
    pub(crate) fn dropped_until(&self) -> Option<u64> {
        self.spans.iter().find(|span| span.kind == SpanKind::Dropped).and_then(|span| span.until)
    }

    /// A closed span of which nothing is left is of no use.
    pub(crate) fn forget_finished(&mut self) {
        self.spans.retain(|span| span.until.is_none_or(|until| span.next < until));
    }

    /// Events still to deliver.
    pub(crate) fn buffered(&self) -> u64 {
        let owed = self.spans.iter().filter(|span| span.is_owed());
        owed.map(|span| span.buffered(self.next)).sum()
    }

    /// Numbers still to offer again.
    pub(crate) fn replaying(&self) -> u64 {
        let replays = self.spans.iter().filter(|span| span.kind == SpanKind::Replay);
        replays.map(|span| span.numbers(self.next)).sum()
    }
}
