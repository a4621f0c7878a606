//! Which tags of a device are read when: those of one interval together, and with each what cannot be used without it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use plantlink_config::Device;
use tokio::time::Instant;

use super::timetable::Timetable;

/// The rounds of a device, the most frequent first. Their grids begin at one point, so that rounds whose intervals are
/// multiples of each other fall due together and share requests.
#[derive(Debug)]
pub(crate) struct Rounds(Vec<Round>);

#[derive(Debug)]
struct Round {
    /// The places of its tags, ascending.
    tags: Vec<usize>,
    timetable: Timetable,
}

impl Rounds {
    /// All are due at `start`, then on their grids from `start + phase` on.
    pub(crate) fn new(device: &Device, start: Instant, phase: Duration) -> Self {
        let round = |(every, tags)| Round { tags, timetable: Timetable::new(start, phase, every) };
        Rounds(by_interval(device).into_iter().map(round).collect())
    }

    /// When the next pass shall begin. A silent device is asked for its most frequent round alone.
    pub(crate) fn due(&self, silent: bool) -> Option<Instant> {
        let rounds = if silent { self.0.get(..1)? } else { &self.0 };
        rounds.iter().map(|round| round.timetable.due()).min()
    }

    /// Which rounds a pass that begins now serves, in their order.
    pub(crate) fn serving(&self, now: Instant, silent: bool) -> Vec<bool> {
        self.0
            .iter()
            .enumerate()
            .map(|(place, round)| round.timetable.due() <= now && (place == 0 || !silent))
            .collect()
    }

    /// The places of the tags of those rounds, ascending.
    pub(crate) fn tags(&self, served: &[bool]) -> Vec<usize> {
        let rounds = self.0.iter().zip(served).filter(|(_, served)| **served);
        rounds.flat_map(|(round, _)| &round.tags).copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The device answered a pass that began at `started`. After a silence everything is due.
    pub(crate) fn answered(&mut self, served: &[bool], started: Instant, was_silent: bool) {
        for (round, served) in self.0.iter_mut().zip(served) {
            match (served, was_silent) {
                (true, _) => round.timetable.answered(started),
                (false, true) => round.timetable.at_once(started),
                (false, false) => {}
            }
        }
    }

    /// The device was silent in a pass that began at `started`.
    pub(crate) fn silent(&mut self, started: Instant) {
        if let Some(round) = self.0.first_mut() {
            round.timetable.silent(started);
        }
    }

    /// Puts the next pass over a silent device off until `moment` is over.
    pub(crate) fn put_off(&mut self, now: Instant, moment: Instant) {
        if let Some(round) = self.0.first_mut() {
            round.timetable.put_off(now, moment);
        }
    }

    /// Makes everything due at `now`, as if the device had never been silent.
    pub(crate) fn at_once(&mut self, now: Instant) {
        self.0.iter_mut().for_each(|round| round.timetable.at_once(now));
    }
}

/// The places of the tags that are read at each interval, the shortest first. A tag brings along the one that holds its
/// power of ten, and one that leads to events the other tags of these: what is used together is of one pass.
pub(crate) fn by_interval(device: &Device) -> Vec<(Duration, Vec<usize>)> {
    let places: BTreeMap<&str, usize> =
        device.tags.iter().enumerate().map(|(place, tag)| (&*tag.name, place)).collect();
    let place = |name: &str| places.get(name).copied();
    let mut rounds: BTreeMap<Duration, BTreeSet<usize>> = BTreeMap::new();
    for (own, tag) in device.tags.iter().enumerate() {
        rounds.entry(tag.every).or_default().insert(own);
    }
    for event in &device.events {
        let Some((leader, beside)) = event.together() else { continue };
        let Some(leader) = place(leader) else { continue };
        let others: Vec<usize> = beside.into_iter().filter_map(place).collect();
        rounds.values_mut().filter(|round| round.contains(&leader)).for_each(|round| round.extend(&others));
    }
    let exponent = |tag: &usize| device.tags.get(*tag)?.scale_from.as_deref().and_then(place);
    let complete = |mut round: BTreeSet<usize>| {
        let exponents: Vec<usize> = round.iter().filter_map(exponent).collect();
        round.extend(exponents);
        round.into_iter().collect()
    };
    rounds.into_iter().map(|(every, round)| (every, complete(round))).collect()
}

#[cfg(test)]
mod tests {
    use plantlink_config::{Counted, DataTemplate, Derivation, Tag, TagName, TagType, Template};

    use super::super::fake::{device, tag};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn every(seconds: u32, name: &str) -> Tag {
        let tag = tag(plantlink_config::Table::Holding, 0, TagType::U16);
        Tag { name: TagName::new(name).unwrap(), every: SECOND * seconds, ..tag }
    }

    #[test]
    fn what_is_used_together_is_read_together() {
        let power = Tag { scale_from: TagName::new("factor"), ..every(5, "power") };
        let tags = vec![every(1, "good"), every(10, "scrap"), every(60, "order"), power, every(10, "factor")];
        let counted = Counted {
            good: TagName::new("good").unwrap(),
            scrap: TagName::new("scrap"),
            rework: None,
            max_step: None,
            accumulate: Duration::ZERO,
            data: vec![("order".into(), DataTemplate::Template(Template::new("{plant}/{order}").unwrap()))],
        };
        let device = Device { events: vec![Derivation::Counted(counted)], ..device(1, tags) };
        let expected = [(1, vec![0, 1, 2]), (5, vec![3, 4]), (10, vec![1, 4]), (60, vec![2])];
        assert_eq!(by_interval(&device), expected.map(|(seconds, tags)| (SECOND * seconds, tags)));
    }

    #[test]
    fn rounds_that_fall_due_together_are_one_pass() {
        let start = Instant::now();
        let mut rounds = Rounds::new(&device(1, vec![every(1, "fast"), every(3, "slow")]), start, SECOND / 4);
        let mut passes = Vec::new();
        for _ in 0..8 {
            let due = rounds.due(false).unwrap();
            let served = rounds.serving(due, false);
            passes.push(((due - start).as_millis(), rounds.tags(&served)));
            rounds.answered(&served, due, false);
        }
        let both = || vec![0, 1];
        let fast = || vec![0];
        let expected = [
            (0, both()),
            (250, both()),
            (1250, fast()),
            (2250, fast()),
            (3250, both()),
            (4250, fast()),
            (5250, fast()),
            (6250, both()),
        ];
        assert_eq!(passes, expected);
    }

    #[test]
    fn a_silent_device_is_asked_for_one_round_and_then_for_all() {
        let start = Instant::now();
        let mut rounds = Rounds::new(&device(1, vec![every(1, "fast"), every(3, "slow")]), start, Duration::ZERO);
        rounds.silent(start);
        let probe = rounds.due(true).unwrap();
        assert_eq!((probe, rounds.serving(probe, true)), (start + SECOND, vec![true, false]));
        rounds.answered(&[true, false], probe, true);
        assert_eq!((rounds.due(false), rounds.serving(probe, false)), (Some(probe), vec![false, true]));
    }
}
