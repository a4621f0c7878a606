//! How often the events of a flow were offered and got no answer.

use std::ops::Range;

/// Stretches of the log, each with the number of offers of all of it that ended without an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offers(Vec<(Range<u64>, u32)>);

impl Offers {
    pub(crate) fn unanswered(&mut self, numbers: Range<u64>) {
        if numbers.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == numbers) {
            Some((_, times)) => *times = times.saturating_add(1),
            None => self.0.push((numbers, 1)),
        }
    }

    /// Nobody asks about these any more. A batch begins where its flow stands, so that nothing before them is left.
    pub(crate) fn answered(&mut self, numbers: &Range<u64>) {
        for (known, _) in &mut self.0 {
            if numbers.contains(&known.start) {
                known.start = numbers.end;
            }
        }
        self.0.retain(|(known, _)| !known.is_empty());
    }

    pub(crate) fn of(&self, sequence: u64) -> u32 {
        self.0
            .iter()
            .filter(|(known, _)| known.contains(&sequence))
            .fold(0, |sum, (_, times)| sum.saturating_add(*times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_its_own_offers_and_not_those_of_the_batches_around_it() {
        let mut offers = Offers::default();
        offers.unanswered(1..4);
        offers.unanswered(1..4);
        // Two of them are answered, and the third is offered with others.
        offers.unanswered(1..6);
        offers.answered(&(1..3));
        offers.unanswered(3..8);
        assert_eq!([1, 3, 4, 7, 8].map(|sequence| offers.of(sequence)), [0, 4, 2, 1, 0]);
        offers.answered(&(3..8));
        assert_eq!(offers, Offers::default());
    }
}
