//! What was handed out and is not settled yet, where a destination has more than one batch on its way.

use std::ops::Range;

use plantlink_buffer::FlowId;

/// The numbers of each flow that nobody else is to be offered.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<(FlowId, Range<u64>)>);

impl Claims {
    pub(super) fn add(&mut self, flow: FlowId, numbers: Range<u64>) {
        self.0.push((flow, numbers));
    }

    pub(super) fn remove(&mut self, flow: FlowId, numbers: &Range<u64>) {
        self.0.retain(|(owner, claimed)| *owner != flow || claimed != numbers);
    }

    pub(super) fn has(&self, flow: FlowId) -> bool {
        self.0.iter().any(|(owner, _)| *owner == flow)
    }

    /// The first of these numbers that nobody has claimed, up to the next that somebody has.
    pub(super) fn free(&self, flow: FlowId, numbers: Range<u64>) -> Range<u64> {
        let mine = || self.0.iter().filter(|(owner, _)| *owner == flow).map(|(_, claimed)| claimed);
        let mut from = numbers.start;
        while let Some(claimed) = mine().find(|claimed| claimed.contains(&from)) {
            from = claimed.end;
        }
        let claimed_from = mine().map(|claimed| claimed.start).filter(|start| *start >= from).min();
        from..claimed_from.unwrap_or(u64::MAX).min(numbers.end)
    }
}
