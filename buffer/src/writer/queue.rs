//! What waits for the next commit, and when that is due. Time is an argument.

use std::time::Instant;

use super::{Done, GroupLimits, Submission};
use crate::append::Routed;
use crate::work::{Durability, Work};

/// No limits.
const ALL: GroupLimits = GroupLimits { events_max: usize::MAX, bytes_max: usize::MAX };

/// Submissions by kind, each in the order they came.
pub(super) struct Queue {
    limits: GroupLimits,
    appends: Lane,
    settles: Lane,
}

/// Work to commit together.
pub(super) struct Group {
    pub(super) members: Vec<Waiting>,
    pub(super) durability: Durability,
}

pub(super) struct Waiting {
    pub(super) work: Work,
    pub(super) done: Done,
    due: Instant,
}

#[derive(Default)]
struct Lane {
    waiting: Vec<Waiting>,
    /// How many events they hold. One without any counts as one: it costs about as much.
    events: usize,
    /// Of data and metadata, in all logs together.
    bytes: usize,
    /// The earliest time at which one of them is due.
    due: Option<Instant>,
}

impl Queue {
    pub(super) fn new(limits: GroupLimits) -> Self {
        Self { limits, appends: Lane::default(), settles: Lane::default() }
    }

    pub(super) fn push(&mut self, Submission { work, done, wait: _ }: Submission, due: Instant) {
        self.lane(&work).extend([Waiting { work, done, due }]);
    }

    /// There is a group's worth of events.
    pub(super) fn is_full(&self) -> bool {
        self.appends.events >= self.limits.events_max || self.appends.bytes >= self.limits.bytes_max
    }

    /// When the next commit is due; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.appends.due.into_iter().chain(self.settles.due).min()
    }

    /// Everything that waits is due.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.appends.hurry(now);
        self.settles.hurry(now);
    }

    /// The next group that is due. Settlements ride with appends; alone they need no sync. With `one_by_one` no append
    /// has company: where there is no room for all of them, there may be some for the first.
    pub(super) fn take(&mut self, now: Instant, one_by_one: bool) -> Option<Group> {
        if self.is_full() || self.appends.is_due(now) {
            // Settlements come first: the room that they make can be used by the appends.
            let mut members = self.settles.take(ALL);
            let one = GroupLimits { events_max: 1, ..self.limits };
            members.extend(self.appends.take(if one_by_one { one } else { self.limits }));
            return Some(Group { members, durability: Durability::Synced });
        }
        if self.settles.is_due(now) {
            return Some(self.take_settles());
        }
        None
    }

    pub(super) fn has_settles(&self) -> bool {
        !self.settles.waiting.is_empty()
    }

    /// All settlements, due or not. What flights write down before use is synced.
    pub(super) fn take_settles(&mut self) -> Group {
        let members = self.settles.take(ALL);
        let wants_sync = |member: &Waiting| matches!(&member.work, Work::Fly(fly) if fly.wants_sync());
        let durability = if members.iter().any(wants_sync) { Durability::Synced } else { Durability::Written };
        Group { members, durability }
    }

    /// The group waits again, before everything else.
    pub(super) fn put_back(&mut self, group: Group) {
        let behind = [self.appends.take(ALL), self.settles.take(ALL)];
        for member in group.members.into_iter().chain(behind.into_iter().flatten()) {
            self.lane(&member.work).extend([member]);
        }
    }

    fn lane(&mut self, work: &Work) -> &mut Lane {
        // What adds nothing needs no more room than a settlement, and comes in its order with those.
        if work.adds() { &mut self.appends } else { &mut self.settles }
    }
}

impl Lane {
    fn extend(&mut self, waiting: impl IntoIterator<Item = Waiting>) {
        for member in waiting {
            self.events += events(&member.work);
            self.bytes += bytes(&member.work);
            self.due = Some(self.due.map_or(member.due, |due| due.min(member.due)));
            self.waiting.push(member);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn hurry(&mut self, now: Instant) {
        self.waiting.iter_mut().for_each(|member| member.due = member.due.min(now));
        self.due = self.due.map(|due| due.min(now));
    }

    /// The first ones, within these limits, and at least one.
    fn take(&mut self, limits: GroupLimits) -> Vec<Waiting> {
        let (mut taken, mut taken_bytes) = (0, 0);
        let mut count = 0;
        for member in &self.waiting {
            taken += events(&member.work);
            taken_bytes += bytes(&member.work);
            if count > 0 && (taken > limits.events_max || taken_bytes > limits.bytes_max) {
                break;
            }
            count += 1;
        }
        let rest = self.waiting.split_off(count);
        let first = std::mem::take(self).waiting;
        self.extend(rest);
        first
    }
}

fn events(work: &Work) -> usize {
    match work {
        Work::Append(append) => append.events.len().max(1),
        Work::Settle(settle) => settle.outcomes.len().max(1),
        Work::Cut(_)
        | Work::Replay(_)
        | Work::Replayed(_)
        | Work::Drop(_)
        | Work::Keep(_)
        | Work::Confirm(_)
        | Work::Sync(_) => 1,
        Work::Resume(resume) => resume.outcomes.len().max(1),
        Work::Dispose(dispose) => dispose.letters.len().max(1),
        Work::Fly(fly) => fly.settle.iter().map(|settle| settle.outcomes.len()).sum::<usize>().max(1),
    }
}

/// Each log stores an event of its own.
fn bytes(work: &Work) -> usize {
    match work {
        Work::Append(append) => {
            let stored = |routed: &Routed| (routed.event.data.len() + routed.event.metadata.len()) * routed.flows.len();
            append.events.iter().map(stored).sum()
        }
        Work::Settle(_)
        | Work::Fly(_)
        | Work::Cut(_)
        | Work::Replay(_)
        | Work::Replayed(_)
        | Work::Drop(_)
        | Work::Resume(_)
        | Work::Keep(_)
        | Work::Confirm(_)
        | Work::Dispose(_)
        | Work::Sync(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::append::Append;
    use crate::flight::Fly;
    use crate::flow::FlowId;
    use crate::settle::Settle;

    struct Case {
        queue: Queue,
        start: Instant,
    }

    impl Case {
        fn new() -> Self {
            Self { queue: Queue::new(GroupLimits { events_max: 3, bytes_max: 1_000 }), start: Instant::now() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn push(&mut self, work: Work, due_ms: u64) {
            let submission = Submission { work, wait: Duration::ZERO, done: Box::new(|_| ()) };
            self.queue.push(submission, self.at(due_ms));
        }

        /// What a commit at `ms` would hold: "a" for an append, "s" for a settlement, with its first number.
        fn take(&mut self, ms: u64) -> Option<(String, Durability)> {
            let now = self.at(ms);
            self.queue.take(now, false).map(|group| (names(&group), group.durability))
        }
    }

    #[test]
    fn one_by_one_an_append_has_no_company_but_the_settlements() {
        let mut case = Case::new();
        case.push(append("1"), 0);
        case.push(append("2"), 0);
        case.push(settle(7), 0);
        let groups = std::iter::from_fn(|| case.queue.take(case.start, true)).map(|group| names(&group));
        assert_eq!(groups.collect::<Vec<_>>(), ["s7 a1", "a2"]);
    }

    fn names(group: &Group) -> String {
        let name = |member: &Waiting| match &member.work {
            Work::Append(append) => format!("a{}", append.memory[0].0),
            Work::Settle(settle) => format!("s{}", settle.from),
            Work::Fly(fly) => format!("f{}", fly.destination),
            work @ (Work::Cut(_)
            | Work::Replay(_)
            | Work::Replayed(_)
            | Work::Drop(_)
            | Work::Resume(_)
            | Work::Keep(_)
            | Work::Confirm(_)
            | Work::Dispose(_)
            | Work::Sync(_)) => format!("{work:?}"),
        };
        group.members.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    fn append(name: &str) -> Work {
        Work::Append(Append { memory: vec![(name.to_owned(), None)], ..Append::default() })
    }

    fn settle(from: u64) -> Work {
        Work::Settle(Settle { flow: FlowId(1), from, outcomes: Vec::new() })
    }

    fn synced(names: &str) -> Option<(String, Durability)> {
        Some((names.to_owned(), Durability::Synced))
    }

    #[test]
    fn the_most_impatient_append_takes_all_others_and_the_settlements_along() {
        let mut case = Case::new();
        case.push(append("1"), 200);
        case.push(settle(1), 900);
        case.push(append("2"), 50);
        assert_eq!(case.take(49), None);
        assert_eq!(case.queue.due(), Some(case.at(50)));
        assert_eq!(case.take(50), synced("s1 a1 a2"));
        assert_eq!(case.queue.due(), None);
    }

    #[test]
    fn a_settlement_whose_time_is_over_leaves_the_appends_waiting() {
        let mut case = Case::new();
        case.push(append("1"), 200);
        case.push(settle(1), 0);
        case.push(settle(2), 900);
        assert_eq!(case.take(0), Some(("s1 s2".to_owned(), Durability::Written)));
        assert_eq!(case.take(199), None);
        assert_eq!(case.take(200), synced("a1"));
    }

    #[test]
    fn a_flight_is_synced_before_it_begins_and_one_that_only_ends_is_not() {
        let mut case = Case::new();
        let landed = Fly { destination: "1".to_owned(), landed: vec![1], ..Fly::default() };
        let session = Some("new".to_owned());
        case.push(Work::Fly(landed), 0);
        assert_eq!(case.take(0), Some(("f1".to_owned(), Durability::Written)));
        case.push(settle(1), 0);
        case.push(Work::Fly(Fly { destination: "2".to_owned(), session, ..Fly::default() }), 0);
        assert_eq!(case.take(0), synced("s1 f2"));
    }

    #[test]
    fn a_full_group_goes_at_once_and_the_rest_waits_its_own_time() {
        let mut case = Case::new();
        for (name, due_ms) in [("1", 100), ("2", 100), ("3", 100), ("4", 300)] {
            case.push(append(name), due_ms);
        }
        assert_eq!(case.take(0), synced("a1 a2 a3"));
        assert_eq!(case.take(299), None);
        assert_eq!(case.take(300), synced("a4"));
    }

    #[test]
    fn hurry_makes_due_what_waits_and_nothing_that_comes_later() {
        let mut case = Case::new();
        case.push(append("1"), 500);
        let now = case.at(10);
        case.queue.hurry(now);
        assert_eq!(case.take(10), synced("a1"));
        case.push(append("2"), 500);
        assert_eq!(case.take(10), None);
    }

    #[test]
    fn a_group_that_is_put_back_keeps_its_place() {
        let mut case = Case::new();
        case.push(append("1"), 0);
        case.push(settle(1), 0);
        let group = case.queue.take(case.start, false).unwrap();
        case.push(append("2"), 0);
        case.push(settle(2), 0);
        case.queue.put_back(group);
        assert_eq!(case.take(0), synced("s1 s2 a1 a2"));
    }
}
