//! Connections that end while one event alone is on its way: from some number on it is the event.
//!
//! MQTT 3.1.1 has no words for a refusal. A broker that finds a packet too large, or does not let us publish to its topic,
//! closes the connection, as a broken link does. What tells the two apart is that a link breaks at any time, and a broker
//! each time with the same event, a moment after it let us in.

use plantlink_buffer::Refusal;

/// So often in a row, with the pauses between attempts, which grow, and nothing else in between.
const BREAKS_MAX: u32 = 4;
/// What such a refusal is called, where the destination has no name for it.
const CODE: &str = "connection_closed";

/// The latest breaks of one flow.
#[derive(Debug, Default)]
pub(super) struct Breaks {
    sequence: u64,
    count: u32,
}

impl Breaks {
    /// The connection ended while this event alone was on its way. Says what that comes to, once it is clear.
    pub(super) fn alone(&mut self, sequence: u64, how: &str) -> Option<Refusal> {
        if self.sequence != sequence {
            *self = Breaks { sequence, count: 0 };
        }
        self.count += 1;
        (self.count >= BREAKS_MAX).then(|| {
            self.end();
            let reason =
                format!("the connection ends whenever this event is offered, maybe because of its size: {how}");
            Refusal { code: CODE.to_owned(), reason }
        })
    }

    /// Something else has happened.
    pub(super) fn end(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_breaks_in_a_row_with_the_same_event_alone_are_its_fault() {
        let mut breaks = Breaks::default();
        let mut alone = |sequence| breaks.alone(sequence, "reset").is_some();
        assert_eq!([7, 7, 7, 8, 8, 8].map(&mut alone), [false; 6]);
        breaks.end();
        let mut alone = |sequence| breaks.alone(sequence, "reset").is_some();
        assert_eq!([8, 8, 8, 8].map(&mut alone), [false, false, false, true]);
    }
}
