//! When a device is scanned: on a grid of its interval, late scans never piling up, a silent device ever more rarely.

use std::time::Duration;

use tokio::time::Instant;

/// A silent device is asked again within this time, or within its interval where that is longer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The timetable of one device.
#[derive(Debug)]
pub(crate) struct Timetable {
    /// A point of the grid.
    origin: Instant,
    every: Duration,
    due: Instant,
    /// Scans without an answer, in a row.
    misses: u32,
}

impl Timetable {
    /// The first scan is due at `start`, the following ones every `every` from `start + phase` on: phases of their own
    /// keep the devices of a line out of each other's way. `every` is not zero.
    pub(crate) fn new(start: Instant, phase: Duration, every: Duration) -> Self {
        Timetable { origin: start + phase, every, due: start, misses: 0 }
    }

    /// When the next scan shall begin.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// The device answered a scan that began at `started`. That scan served every point of the grid that had passed by
    /// then; on a line that is too slow for its intervals, the next one is at most one scan overdue.
    pub(crate) fn answered(&mut self, started: Instant) {
        self.misses = 0;
        self.due = self.next_after(started);
    }

    /// The device was silent in a scan that began at `started`. It is asked at its next point of the grid, then at every
    /// second, fourth, eighth.
    pub(crate) fn silent(&mut self, started: Instant) {
        let pause = self.every.saturating_mul(2_u32.saturating_pow(self.misses)).min(SILENCE_MAX.max(self.every));
        self.misses = self.misses.saturating_add(1);
        self.due = self.next_after(started + (pause - self.every));
    }

    /// Puts the next scan off until `moment` is over, by no more than a silent device is put off.
    pub(crate) fn put_off(&mut self, now: Instant, moment: Instant) {
        let put_off = self.next_after(moment.min(now + SILENCE_MAX));
        self.due = self.due.max(put_off);
    }

    /// Makes the next scan due at `now`, as if the device had never been silent.
    pub(crate) fn at_once(&mut self, now: Instant) {
        self.misses = 0;
        self.due = now;
    }

    /// The first point of the grid after `moment`.
    fn next_after(&self, moment: Instant) -> Instant {
        let Some(elapsed) = moment.checked_duration_since(self.origin) else { return self.origin };
        let into = elapsed.as_nanos() % self.every.as_nanos();
        moment + (self.every - Duration::from_nanos_u128(into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn every_second() -> (Instant, Timetable) {
        let start = Instant::now();
        (start, Timetable::new(start, Duration::ZERO, SECOND))
    }

    #[test]
    fn the_first_scan_is_at_once_and_the_others_in_phase() {
        let start = Instant::now();
        let mut timetable = Timetable::new(start, seconds(0.25), SECOND);
        assert_eq!(timetable.due(), start);
        for point in [0.25, 1.25, 2.25] {
            timetable.answered(timetable.due());
            assert_eq!(timetable.due(), start + seconds(point));
        }
    }

    #[test]
    fn a_late_scan_serves_the_points_that_it_missed() {
        let (start, mut timetable) = every_second();
        timetable.answered(start + seconds(3.5));
        assert_eq!(timetable.due(), start + seconds(4.0));
    }

    #[test]
    fn a_scan_that_takes_longer_than_the_interval_is_followed_by_one_at_once() {
        let (start, mut timetable) = every_second();
        timetable.answered(start);
        let ended = start + seconds(1.3);
        assert!(timetable.due() <= ended);
        timetable.answered(ended);
        assert_eq!(timetable.due(), start + seconds(2.0));
    }

    #[test]
    fn a_silent_device_is_asked_ever_more_rarely_but_every_minute() {
        let (start, mut timetable) = every_second();
        let mut before = start;
        let pauses: Vec<u64> = (0..9)
            .map(|_| {
                timetable.silent(timetable.due());
                let pause = timetable.due() - before;
                before = timetable.due();
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_device_that_answers_again_is_back_on_its_interval() {
        let (start, mut timetable) = every_second();
        for _ in 0..5 {
            timetable.silent(timetable.due());
        }
        let answered = timetable.due();
        timetable.answered(answered);
        assert_eq!(timetable.due(), answered + SECOND);
        timetable.silent(timetable.due());
        assert_eq!(timetable.due(), answered + 2 * SECOND);
        timetable.at_once(start);
        assert_eq!(timetable.due(), start);
    }

    #[test]
    fn a_scan_is_put_off_to_its_next_point_but_no_more_than_a_minute_and_never_brought_forward() {
        let (start, mut timetable) = every_second();
        timetable.silent(start);
        for (moment, due) in [(0.5, 1.0), (20.5, 21.0), (3.0, 21.0), (600.0, 61.0)] {
            timetable.put_off(start, start + seconds(moment));
            assert_eq!(timetable.due(), start + seconds(due));
        }
    }

    #[test]
    fn silence_does_not_make_a_slow_device_faster_or_slower() {
        let start = Instant::now();
        let hour = Duration::from_secs(3600);
        let mut timetable = Timetable::new(start, Duration::ZERO, hour);
        timetable.silent(start);
        timetable.silent(start + hour);
        assert_eq!(timetable.due(), start + 2 * hour);
    }
}
