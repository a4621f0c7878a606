//! Whose turn it is: the most urgent one that has something, as long as the others are not forgotten.
//!
//! One that was emptied by its turn has had all it wanted. When that holds for all that are as urgent, they let one that is
//! less urgent go before them, once: whoever gets a few events all the time keeps nobody from the line, and waits for one
//! batch of each of its equals and of one other at the most. One that is behind keeps the line from all that are less
//! urgent until it is not, and shares it with its equals.

use plantlink_config::Priority;

/// A part of a flow's log, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The oldest events that have to go; with `live-first` those since the last outage.
    Live,
    /// What waits for something that the destination did not have.
    Waiting,
    /// With `live-first`, what an outage left behind.
    Backlog,
    /// Settled events that go out again.
    Replay,
}

impl Part {
    pub(super) const ALL: [Part; 4] = [Part::Live, Part::Waiting, Part::Backlog, Part::Replay];
}

/// What takes turns.
#[derive(Debug)]
struct Seat {
    urgency: (Priority, Part),
    /// Its last turn emptied it, and nobody less urgent has had one since.
    rests: bool,
    /// The number of its last turn.
    served: u64,
}

/// The parts of all flows of a destination, each with the number that it was given.
#[derive(Debug, Default)]
pub(super) struct Rota {
    seats: Vec<Seat>,
    turns: u64,
}

impl Rota {
    /// Gives the next number, from 0.
    pub(super) fn add(&mut self, priority: Priority, part: Part) -> usize {
        self.seats.push(Seat { urgency: (priority, part), rests: false, served: 0 });
        self.seats.len() - 1
    }

    /// Which of those that have something goes next.
    pub(super) fn choose(&self, ready: &[usize]) -> Option<usize> {
        let seats = ready.iter().filter_map(|index| Some((*index, self.seats.get(*index)?)));
        // One that has had all it wanted still takes turns with an equal that is behind.
        let rest = |urgency| seats.clone().all(|(_, seat)| seat.rests || seat.urgency != urgency);
        // Where all of them rest, nobody has to be let through.
        seats.clone().min_by_key(|(_, seat)| (rest(seat.urgency), seat.urgency, seat.served)).map(|(index, _)| index)
    }

    /// It had a turn, which emptied it or did not.
    pub(super) fn served(&mut self, index: usize, is_emptied: bool) {
        self.turns += 1;
        let Some(seat) = self.seats.get_mut(index) else { return };
        seat.served = self.turns;
        seat.rests = is_emptied;
        let urgency = seat.urgency;
        for more_urgent in self.seats.iter_mut().filter(|seat| seat.urgency < urgency) {
            more_urgent.rests = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Part::{Backlog, Live, Replay};
    use super::*;
    use plantlink_config::Priority::{Bulk, Critical, Normal};

    /// Who goes in so many turns, where each has a number of batches and those with none get a single event before each
    /// turn.
    fn turns(seats: &[(Priority, Part, usize)], count: usize) -> Vec<usize> {
        let mut rota = Rota::default();
        let mut left: Vec<usize> = Vec::new();
        for (priority, part, batches) in seats {
            rota.add(*priority, *part);
            left.push(*batches);
        }
        let trickles: Vec<bool> = left.iter().map(|batches| *batches == 0).collect();
        let mut order = Vec::new();
        for _ in 0..count {
            let ready: Vec<usize> = (0..left.len()).filter(|seat| trickles[*seat] || left[*seat] > 0).collect();
            let Some(seat) = rota.choose(&ready) else { break };
            left[seat] = left[seat].saturating_sub(1);
            rota.served(seat, left[seat] == 0);
            order.push(seat);
        }
        order
    }

    #[test]
    fn equal_ones_take_turns() {
        assert_eq!(turns(&[(Normal, Live, 9), (Normal, Live, 3), (Normal, Live, 9)], 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn what_is_behind_goes_before_everything_less_urgent() {
        assert_eq!(turns(&[(Bulk, Live, 2), (Normal, Live, 2), (Critical, Live, 3)], 9), [2, 2, 2, 1, 1, 0, 0]);
    }

    #[test]
    fn a_few_events_at_a_time_go_before_each_batch_of_the_less_urgent_and_do_not_stop_them() {
        assert_eq!(turns(&[(Bulk, Live, 3), (Critical, Live, 0)], 7), [1, 0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_few_events_at_a_time_wait_for_one_batch_of_an_equal_that_is_behind() {
        assert_eq!(turns(&[(Normal, Live, 0), (Normal, Live, 4), (Bulk, Live, 1)], 9), [0, 1, 0, 1, 0, 1, 0, 1, 2]);
    }

    #[test]
    fn nobody_is_forgotten_while_all_that_are_more_urgent_get_a_few_events_at_a_time() {
        let order = turns(&[(Critical, Live, 0), (Critical, Live, 0), (Normal, Live, 0), (Bulk, Live, 5)], 16);
        for seat in 0..4 {
            assert!(order.iter().filter(|turn| **turn == seat).count() >= 2, "{seat} in {order:?}");
        }
        assert_eq!(order[..4], [0, 1, 2, 0]);
    }

    #[test]
    fn new_events_go_before_each_batch_of_a_backlog_and_a_replay_comes_last() {
        let order = turns(&[(Normal, Live, 0), (Normal, Backlog, 3), (Normal, Replay, 2)], 11);
        assert_eq!(order, [0, 1, 0, 1, 0, 1, 0, 2, 0, 2, 0]);
    }
}
