//! A counter in a machine: how far it moved, whether it rolled over or was reset, and what it has counted in all.

use plantlink_config::TagType;
use serde::{Deserialize, Serialize};

/// Without a `max_step`, a counter that went down rolled over only if it moved by less than this part of its range.
const ROLLOVER_PART: u64 = 64;

/// What is remembered of one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// What the register showed last.
    raw: u64,
    /// The counter's own value, carried on over rollovers.
    pub(super) total: u64,
}

/// What a new value of the counter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Seen for the first time: nothing is counted.
    First,
    Same,
    /// It went on by so many, over the end of its range or not.
    Counted(u64),
    /// It was reset, or replaced by another: a new epoch, with so many pieces since.
    NewEpoch(u64),
}

/// Takes a new value in.
///
/// `span` is the number of values that the register has (0 stands for 2^64). A step beyond `max_step` is a new epoch
/// with nothing counted; so is what looks like a reset to a value beyond it.
pub(super) fn step(counter: &mut Option<Counter>, raw: u64, span: u64, max_step: Option<u64>) -> Step {
    let Some(before) = counter.replace(Counter { raw, total: raw }) else { return Step::First };
    let most = max_step.unwrap_or(u64::MAX);
    let (moved, rolled) = if raw >= before.raw {
        (raw - before.raw, false)
    } else {
        (raw.wrapping_sub(before.raw).wrapping_add(span), true)
    };
    let values = if span == 0 { u64::MAX } else { span };
    let rollover_most = max_step.unwrap_or(values / ROLLOVER_PART);
    if moved == 0 {
        *counter = Some(before);
        return Step::Same;
    }
    if rolled && moved > rollover_most {
        return Step::NewEpoch(if raw <= most { raw } else { 0 });
    }
    if moved > most {
        return Step::NewEpoch(0);
    }
    *counter = Some(Counter { raw, total: before.total.saturating_add(moved) });
    Step::Counted(moved)
}

/// How many values a counter of this type has; 0 stands for 2^64.
pub(super) fn span(kind: &TagType) -> u64 {
    match kind {
        TagType::U8(_) => 1 << 8,
        TagType::I8(_) => 1 << 7,
        TagType::U16 => 1 << 16,
        TagType::I16 => 1 << 15,
        TagType::U32 => 1 << 32,
        TagType::I32 => 1 << 31,
        TagType::I64 => 1 << 63,
        TagType::Bcd16 => 10_000,
        TagType::Bcd32 => 100_000_000,
        // A float counts exactly up to 2^24 or 2^53 and does not roll over there; it is taken by its value.
        TagType::U64 | TagType::F32 | TagType::F64 => 0,
        // No numbers, so that the configuration refuses them as counters.
        TagType::Bool | TagType::Bit(_) | TagType::Text { .. } | TagType::Bits(_) | TagType::Enum(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const U16: u64 = 1 << 16;

    fn run(span: u64, max_step: Option<u64>, raws: &[u64]) -> (Vec<Step>, u64) {
        let mut counter = None;
        let steps = raws.iter().map(|&raw| step(&mut counter, raw, span, max_step)).collect();
        (steps, counter.unwrap().total)
    }

    #[test]
    fn a_counter_counts_rolls_over_and_is_reset() {
        use Step::{Counted, First, NewEpoch, Same};
        for (span, max_step, raws, steps, total) in [
            (U16, None, vec![10, 10, 13], vec![First, Same, Counted(3)], 13),
            // Over the end of 16 bits: the total goes on, in the same epoch.
            (U16, None, vec![65_534, 2], vec![First, Counted(4)], 65_538),
            (U16, None, vec![65_534, 2, 5], vec![First, Counted(4), Counted(3)], 65_541),
            // Reset by an operator, then seven pieces.
            (U16, None, vec![41_233, 7], vec![First, NewEpoch(7)], 7),
            (U16, None, vec![500, 0], vec![First, NewEpoch(0)], 0),
            // A step that no machine can make.
            (U16, Some(500), vec![100, 40_000], vec![First, NewEpoch(0)], 40_000),
            (U16, Some(500), vec![40_000, 3], vec![First, NewEpoch(3)], 3),
            (U16, Some(500), vec![40_000, 20_000], vec![First, NewEpoch(0)], 20_000),
            (U16, Some(500), vec![65_300, 10], vec![First, Counted(246)], 65_546),
            (1 << 32, None, vec![4_294_967_295, 1], vec![First, Counted(2)], 4_294_967_297),
            (1 << 32, None, vec![41_233, 0], vec![First, NewEpoch(0)], 0),
            (0, None, vec![u64::MAX, 3], vec![First, Counted(4)], u64::MAX),
        ] {
            assert_eq!(run(span, max_step, &raws), (steps, total), "{raws:?}");
        }
    }
}
