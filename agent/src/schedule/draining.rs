//! Which events of a flow are the backlog of an outage. Pure.
//!
//! With `live-first` the backlog is a part of its own. With `strict` it is the flow itself from a return on, when more than
//! an ordinary batch waits, until it is empty: its new events stand behind it, and each one lets an old one go, so that the
//! backlog shrinks whatever joins it.

use plantlink_config::Order;

use super::rota::Part;

/// One flow.
#[derive(Debug)]
pub(super) struct Draining {
    order: Order,
    /// With `strict`, while there is a backlog: the end of the log, as far as its new events were counted.
    up_to: Option<u64>,
}

impl Draining {
    pub(super) fn new(order: Order) -> Self {
        Draining { order, up_to: None }
    }

    /// Whether this part is what an outage left behind, or is offered again.
    pub(super) fn is_backlog(&self, part: Part) -> bool {
        match (part, self.order) {
            (Part::Backlog | Part::Replay, _) => true,
            (Part::Waiting, _) | (Part::Live, Order::LiveFirst) => false,
            (Part::Live, Order::Strict) => self.up_to.is_some(),
        }
    }

    /// How many new events have joined the backlog, up to this end of the log.
    pub(super) fn joined(&mut self, end: u64) -> u64 {
        let Some(up_to) = &mut self.up_to else { return 0 };
        end.saturating_sub(std::mem::replace(up_to, end))
    }

    /// A batch goes, with so much left behind it up to the end of the log; `was_away`: nothing has gone out since the start
    /// or the last outage.
    pub(super) fn goes(&mut self, part: Part, was_away: bool, left: u64, ordinary: usize, end: u64) {
        match (part, self.order) {
            (Part::Waiting | Part::Backlog | Part::Replay, _) | (Part::Live, Order::LiveFirst) => {}
            (Part::Live, Order::Strict) => {
                if left == 0 {
                    self.up_to = None;
                } else if was_away && left > ordinary as u64 {
                    self.up_to.get_or_insert(end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_in_order_has_a_backlog_from_an_outage_until_it_is_empty_and_new_events_join_it() {
        let mut strict = Draining::new(Order::Strict);
        strict.goes(Part::Live, true, 20, 20, 100);
        assert!(!strict.is_backlog(Part::Live), "no more than the next batch");
        strict.goes(Part::Live, true, 21, 20, 100);
        assert!(strict.is_backlog(Part::Live));
        assert_eq!([strict.joined(100), strict.joined(130), strict.joined(130)], [0, 30, 0]);
        strict.goes(Part::Live, false, 5, 20, 130);
        assert!(strict.is_backlog(Part::Live));
        strict.goes(Part::Live, false, 0, 20, 130);
        assert_eq!((strict.is_backlog(Part::Live), strict.joined(150)), (false, 0));
        strict.goes(Part::Live, false, 500, 20, 650);
        assert!(!strict.is_backlog(Part::Live), "what came at once while the destination was up is none");
    }

    #[test]
    fn new_events_of_a_flow_that_goes_live_first_are_no_backlog() {
        let mut live_first = Draining::new(Order::LiveFirst);
        live_first.goes(Part::Live, true, 500, 20, 600);
        assert_eq!((live_first.is_backlog(Part::Live), live_first.joined(700)), (false, 0));
        assert!(live_first.is_backlog(Part::Backlog));
    }
}
