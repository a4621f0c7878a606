//! Refusals in a row for one reason: from some number on it is not the events that are at fault.

use plantlink_buffer::FlowState;

use crate::destination::Outcome;

/// So many refusals in a row for one reason, and with no success between, pause the flow.
pub(super) const STREAK_MAX: u32 = 20;

/// The latest refusals of one flow.
#[derive(Debug, Default)]
pub(super) struct Streak {
    reason: String,
    length: u32,
}

impl Streak {
    /// As a start finds it, from the flow's latest dead letters, the latest first: those for one reason whose numbers end
    /// without a gap where the flow stands. Beyond a gap nobody knows whether something was delivered between.
    pub(super) fn recalled(letters: &[(u64, String)], level: &FlowState) -> Self {
        let is_at_end = |number| level.spans.iter().any(|span| span.is_owed() && span.next == number + 1);
        let Some((last, reason)) = letters.first().filter(|(number, _)| is_at_end(*number)) else {
            return Streak::default();
        };
        let expected = (0..=*last).rev();
        let length = letters
            .iter()
            .zip(expected)
            .take_while(|((number, said), expected)| number == expected && said == reason)
            .count();
        Streak { reason: reason.clone(), length: u32::try_from(length).unwrap_or(u32::MAX) }
    }

    /// Takes in the answers to the next events, and says from which of them on the flow is to be paused. An answer to a
    /// later one shows that it is not the flow: a success behind a streak ends it.
    pub(super) fn see<'a>(&mut self, answers: impl Iterator<Item = Option<&'a Outcome>>) -> Option<usize> {
        let mut paused_from = None;
        for (place, answer) in answers.enumerate() {
            match answer {
                Some(Outcome::Delivered | Outcome::Unheard) => {
                    self.length = 0;
                    paused_from = None;
                }
                Some(Outcome::Rejected(refusal)) => {
                    if refusal.reason != self.reason {
                        *self = Streak { reason: refusal.reason.clone(), length: 0 };
                        paused_from = None;
                    }
                    self.length = self.length.saturating_add(1);
                    if self.length >= STREAK_MAX {
                        paused_from = paused_from.or(Some(place));
                    }
                }
                // The destination has not taken it, and has not refused it either.
                Some(Outcome::Unused | Outcome::Waits { .. }) | None => {}
            }
        }
        paused_from
    }

    /// Why the flow is paused.
    pub(super) fn reason(&self) -> String {
        format!("{STREAK_MAX} events in a row were refused: {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use plantlink_buffer::Refusal;

    use super::*;

    fn refused(reason: &str, count: usize) -> Vec<Outcome> {
        vec![Outcome::Rejected(Refusal { code: "0x80".to_owned(), reason: reason.to_owned() }); count]
    }

    fn see(streak: &mut Streak, answers: &[Outcome]) -> Option<usize> {
        streak.see(answers.iter().map(Some))
    }

    #[test]
    fn the_twentieth_refusal_for_one_reason_pauses_and_is_not_given_up_itself() {
        let mut streak = Streak::default();
        assert_eq!(see(&mut streak, &refused("no", 15)), None);
        assert_eq!(see(&mut streak, &[refused("no", 1), vec![Outcome::Unused], refused("no", 9)].concat()), Some(5));
        assert_eq!(see(&mut streak, &refused("no", 1)), Some(0), "as long as the probe is refused as well");
        assert_eq!(streak.reason(), "20 events in a row were refused: no");
        assert_eq!(see(&mut streak, &[Outcome::Delivered]), None);
        assert_eq!(see(&mut streak, &refused("no", 19)), None, "a success ends it");
    }

    #[test]
    fn a_start_goes_on_counting_what_stands_in_a_row_right_before_the_flow() {
        let level = level(101);
        let said = |letters: &[(u64, &str)]| {
            let letters: Vec<_> = letters.iter().map(|(number, reason)| (*number, (*reason).to_owned())).collect();
            let mut streak = Streak::recalled(&letters, &level);
            // How many more it takes.
            see(&mut streak, &refused("no", 40)).map(|place| place + 1)
        };
        for (letters, left) in [
            (vec![], 20),
            (vec![(100, "no")], 19),
            (vec![(100, "no"), (99, "no"), (98, "no")], 17),
            (vec![(100, "no"), (99, "never"), (98, "no")], 19),
            (vec![(100, "no"), (98, "no")], 19),
            (vec![(99, "no"), (98, "no")], 20),
            (vec![(100, "never"), (99, "never")], 20),
        ] {
            assert_eq!(said(&letters), Some(left), "{letters:?}");
        }
    }

    /// A flow that stands at this number.
    fn level(next: u64) -> FlowState {
        let directory = tempfile::tempdir().unwrap();
        let options = plantlink_buffer::Options {
            flows: vec![plantlink_buffer::FlowSpec { name: "orders".to_owned(), was: None }],
            boot_id: String::new(),
            bytes_max: plantlink_buffer::SIZE_MIN,
            keep_delivered: std::time::Duration::ZERO,
        };
        let buffer = plantlink_buffer::Buffer::open(&directory.path().join("buffer.db"), &options).unwrap();
        let mut level = buffer.flows().remove(0);
        level.next = next;
        level.spans[0].next = next;
        level
    }

    #[test]
    fn another_reason_and_a_success_behind_them_show_that_it_is_not_the_flow() {
        let mut streak = Streak::default();
        assert_eq!(see(&mut streak, &[refused("no", 19), refused("never", 19)].concat()), None);
        assert_eq!(see(&mut streak, &[refused("never", 40), vec![Outcome::Unheard]].concat()), None);
    }
}
