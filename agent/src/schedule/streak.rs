//! Refusals in a row for one reason: from some number on it is not the events that are at fault.

use crate::destination::Outcome;

/// So many refusals in a row for one reason, and with no success between, pause the flow.
pub(super) const STREAK_MAX: u32 = 20;

/// The latest refusals of one flow. A start forgets them, so that each start may give up as many again, less one.
#[derive(Debug, Default)]
pub(super) struct Streak {
    reason: String,
    length: u32,
}

impl Streak {
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
    fn another_reason_and_a_success_behind_them_show_that_it_is_not_the_flow() {
        let mut streak = Streak::default();
        assert_eq!(see(&mut streak, &[refused("no", 19), refused("never", 19)].concat()), None);
        assert_eq!(see(&mut streak, &[refused("never", 40), vec![Outcome::Unheard]].concat()), None);
    }
}
