//! When to ask the broker whether it is still there, and when to stop believing it. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The state of one connection's keep-alive (MQTT 5, section 3.1.2.10).
#[derive(Debug)]
pub(crate) struct KeepAlive {
    interval: Duration,
    answer: Duration,
    last_sent: Instant,
    /// Any byte is a sign of life: behind a long backlog a PINGRESP takes its time.
    last_heard: Instant,
    /// A PINGREQ has gone out and its PINGRESP has not come.
    asked: Option<Instant>,
    listening: bool,
}

impl KeepAlive {
    pub(crate) fn new(interval: Duration, answer: Duration, now: Instant) -> Self {
        KeepAlive { interval, answer, last_sent: now, last_heard: now, asked: None, listening: true }
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    pub(crate) fn pinged(&mut self, now: Instant) {
        self.last_sent = now;
        self.asked.get_or_insert(now);
    }

    pub(crate) fn answered(&mut self) {
        self.asked = None;
    }

    /// Whether the connection is being read at the moment. Silence counts only while somebody listens.
    pub(crate) fn listen(&mut self, listening: bool, now: Instant) {
        if listening && !self.listening {
            self.last_heard = now;
        }
        self.listening = listening;
    }

    /// When the next PINGREQ is due: after an interval without anything sent, or without anything heard.
    pub(crate) fn ping_at(&self) -> Instant {
        let quiet_since = match self.asked {
            Some(_) => self.last_sent,
            None => self.last_sent.min(self.last_heard),
        };
        quiet_since + self.interval
    }

    /// When the broker counts as gone, unless something is heard before.
    pub(crate) fn dead_at(&self) -> Option<Instant> {
        let asked = self.asked.filter(|_| self.listening)?;
        Some(asked.max(self.last_heard) + self.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);
    const ANSWER: Duration = Duration::from_secs(10);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_ping_is_due_after_an_interval_without_sending_or_without_hearing() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(INTERVAL, ANSWER, start);
        assert_eq!(keep_alive.ping_at(), start + INTERVAL);
        keep_alive.heard(start + seconds(20));
        assert_eq!(keep_alive.ping_at(), start + INTERVAL);
        keep_alive.sent(start + seconds(5));
        assert_eq!(keep_alive.ping_at(), start + seconds(35));
        keep_alive.sent(start + seconds(25));
        assert_eq!(keep_alive.ping_at(), start + seconds(50));
    }

    #[test]
    fn the_broker_is_dead_when_nothing_at_all_follows_a_ping() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(INTERVAL, ANSWER, start);
        assert_eq!(keep_alive.dead_at(), None);
        keep_alive.pinged(start + INTERVAL);
        assert_eq!(keep_alive.dead_at(), Some(start + INTERVAL + ANSWER));
        keep_alive.heard(start + seconds(35));
        assert_eq!(keep_alive.dead_at(), Some(start + seconds(45)));
        keep_alive.answered();
        assert_eq!(keep_alive.dead_at(), None);
    }

    #[test]
    fn silence_does_not_count_while_nobody_listens() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(INTERVAL, ANSWER, start);
        keep_alive.listen(false, start + seconds(1));
        keep_alive.pinged(start + INTERVAL);
        assert_eq!(keep_alive.dead_at(), None);
        keep_alive.listen(true, start + seconds(300));
        assert_eq!(keep_alive.dead_at(), Some(start + seconds(310)));
    }

    #[test]
    fn pings_go_on_while_the_first_one_is_not_answered() {
        let start = Instant::now();
        let mut keep_alive = KeepAlive::new(INTERVAL, ANSWER, start);
        keep_alive.listen(false, start);
        keep_alive.pinged(start + seconds(30));
        assert_eq!(keep_alive.ping_at(), start + seconds(60));
        keep_alive.pinged(start + seconds(60));
        assert_eq!(keep_alive.ping_at(), start + seconds(90));
    }
}
