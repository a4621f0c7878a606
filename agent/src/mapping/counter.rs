//! A counter in a machine: how far it moved, whether it rolled over or was reset, and what it has counted in all.

use plantlink_config::TagType;
use serde::{Deserialize, Serialize};

use super::mapped::{MappedTag, Scale};
use super::quantity::Quantity;

/// Without a `max_step`, a counter that went down rolled over only if it moved by less than this part of its range.
const ROLLOVER_PART: u32 = 64;

/// A float that went down by no more than this part of itself was rounded by its device, not reset.
const ROUNDING_PART: u32 = 100_000;

/// What is remembered of one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// What the device showed last.
    shown: Quantity,
    /// The counter's own value, carried on over rollovers.
    pub(super) total: Quantity,
}

/// How a counter may move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gait {
    /// Where it begins again at zero; `None`: nowhere.
    pub(super) span: Option<Quantity>,
    /// A larger step is of a counter that was replaced.
    pub(super) max_step: Option<Quantity>,
    /// Whether its device may round what it shows up and down.
    pub(super) is_rounded: bool,
}

/// What a new value of the counter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Seen for the first time: nothing is counted.
    First,
    Same,
    /// It went on by so much, over the end of its range or not.
    Counted(Quantity),
    /// It was reset, or replaced by another: a new epoch, with so much since.
    NewEpoch(Quantity),
}

impl Gait {
    /// As the tag's type and scale have it.
    pub(super) fn new(tag: &MappedTag, max_step: Option<Quantity>) -> Self {
        let span = match tag.scale {
            Scale::Fixed(scale) => values(&tag.kind).and_then(|values| Quantity::nearest(values * scale)),
            // Nobody knows where the range ends in the tag's unit.
            Scale::Read => None,
        };
        Gait { span, max_step, is_rounded: matches!(tag.kind, TagType::F32 | TagType::F64) }
    }

    /// Takes a new value in: what is remembered from now on, and what the value means.
    ///
    /// A step beyond `max_step` is a new epoch with nothing counted; so is what looks like a reset to a value beyond it.
    pub(super) fn step(&self, before: Option<Counter>, shown: Quantity) -> (Counter, Step) {
        let anew = Counter { shown, total: shown };
        let Some(before) = before else { return (anew, Step::First) };
        let fits = |moved: &Quantity| self.max_step.is_none_or(|most| *moved <= most);
        let counted = |moved| (Counter { shown, total: before.total.plus(moved) }, Step::Counted(moved));
        let Some(back) = before.shown.minus(shown) else {
            return match shown.minus(before.shown).filter(fits) {
                Some(moved) => counted(moved),
                None => (anew, Step::NewEpoch(Quantity::ZERO)),
            };
        };
        if back == Quantity::ZERO || self.is_rounded && back <= before.shown.divided(ROUNDING_PART) {
            return (before, Step::Same);
        }
        let rolled = self.span.and_then(|span| {
            let most = self.max_step.unwrap_or(span.divided(ROLLOVER_PART));
            span.minus(back).filter(|moved| *moved <= most)
        });
        match rolled {
            Some(moved) => counted(moved),
            None => (anew, Step::NewEpoch(Some(shown).filter(fits).unwrap_or(Quantity::ZERO))),
        }
    }
}

/// How many values a counter of this type has before it begins again at zero.
fn values(kind: &TagType) -> Option<f64> {
    let bits = match kind {
        TagType::I8(_) => 7,
        TagType::U8(_) => 8,
        TagType::I16 => 15,
        TagType::U16 => 16,
        TagType::I32 => 31,
        TagType::U32 => 32,
        TagType::I64 => 63,
        TagType::U64 => 64,
        TagType::Bcd16 => return Some(1e4),
        TagType::Bcd32 => return Some(1e8),
        // A float counts exactly up to 2^24 or 2^53 and does not roll over there.
        TagType::F32 | TagType::F64 => return None,
        // No numbers, so that the configuration refuses them as counters.
        TagType::Bool | TagType::Bit(_) | TagType::Text { .. } | TagType::Bits(_) | TagType::Enum(_) => return None,
    };
    Some(2_f64.powi(bits))
}

#[cfg(test)]
mod tests {
    use plantlink_config::{Name, TagName};

    use super::*;

    fn tag(kind: TagType, scale: Scale) -> MappedTag {
        let name = TagName::new(&Name::new("energy").unwrap()).unwrap();
        MappedTag { scale, ..MappedTag::announced(name, kind) }
    }

    fn run(kind: TagType, scale: f64, max_step: Option<f64>, shown: &[f64]) -> (Vec<Step>, Quantity) {
        let gait = Gait::new(&tag(kind, Scale::Fixed(scale)), max_step.and_then(Quantity::nearest));
        let mut counter = None;
        let mut steps = Vec::new();
        for shown in shown {
            let (next, step) = gait.step(counter, Quantity::nearest(*shown).unwrap());
            counter = Some(next);
            steps.push(step);
        }
        (steps, counter.unwrap().total)
    }

    #[test]
    fn a_counter_counts_rolls_over_and_is_reset() {
        use Step::{First, Same};
        use TagType::{Bcd16, F32, U16, U32, U64};
        let counted = |moved| Step::Counted(Quantity::nearest(moved).unwrap());
        let new_epoch = |moved| Step::NewEpoch(Quantity::nearest(moved).unwrap());
        for (kind, scale, max_step, shown, steps, total) in [
            (U16, 1.0, None, vec![10.0, 10.0, 13.0], vec![First, Same, counted(3.0)], 13.0),
            // Over the end of 16 bits: the total goes on, in the same epoch.
            (U16, 1.0, None, vec![65_534.0, 2.0, 5.0], vec![First, counted(4.0), counted(3.0)], 65_541.0),
            (Bcd16, 1.0, None, vec![9_999.0, 1.0], vec![First, counted(2.0)], 10_001.0),
            (U32, 1.0, None, vec![4_294_967_295.0, 1.0], vec![First, counted(2.0)], 4_294_967_297.0),
            (U16, 0.1, None, vec![6_553.4, 0.2], vec![First, counted(0.4)], 6_553.8),
            // Reset by an operator, then seven pieces.
            (U16, 1.0, None, vec![41_233.0, 7.0], vec![First, new_epoch(7.0)], 7.0),
            (U16, 1.0, None, vec![500.0, 0.0], vec![First, new_epoch(0.0)], 0.0),
            (U32, 1.0, None, vec![41_233.0, 0.0], vec![First, new_epoch(0.0)], 0.0),
            (U64, 1.0, None, vec![41_233.0, 3.0], vec![First, new_epoch(3.0)], 3.0),
            // A step that no machine can make.
            (U16, 1.0, Some(500.0), vec![100.0, 40_000.0], vec![First, new_epoch(0.0)], 40_000.0),
            (U16, 1.0, Some(500.0), vec![40_000.0, 3.0], vec![First, new_epoch(3.0)], 3.0),
            (U16, 1.0, Some(500.0), vec![40_000.0, 20_000.0], vec![First, new_epoch(0.0)], 20_000.0),
            (U16, 1.0, Some(500.0), vec![65_300.0, 10.0], vec![First, counted(246.0)], 65_546.0),
            // A float has no end to roll over, and its device may round it down by a trifle.
            (F32, 1.0, None, vec![16_777_216.0, 4.0], vec![First, new_epoch(4.0)], 4.0),
            (F32, 1.0, None, vec![1_000.5, 1_000.495, 1_000.75], vec![First, Same, counted(0.25)], 1_000.75),
            (F32, 1.0, None, vec![1_000.5, 900.0], vec![First, new_epoch(900.0)], 900.0),
        ] {
            let total = Quantity::nearest(total).unwrap();
            assert_eq!(run(kind, scale, max_step, &shown), (steps, total), "{shown:?}");
        }
    }

    #[test]
    fn a_counter_whose_power_of_ten_is_read_too_does_not_roll_over() {
        assert_eq!(Gait::new(&tag(TagType::U16, Scale::Read), None).span, None);
    }
}
