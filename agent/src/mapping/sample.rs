//! `measurement.sampled`: what a scan has to report, or all tags from time to time.

use std::iter::repeat_n;

use plantlink_config::{Sampled, SampledTags};
use serde_json::{Map, Value};

use super::device::reading_of;
use super::mapped::MappedDevice;
use super::{Memory, Remembered, json};
use crate::reading::Reading;
use crate::source::Scan;

/// One sampling derivation of one device.
pub(super) struct Sampler {
    /// The places of its tags in the device's list.
    tags: Vec<usize>,
    timing: Timing,
}

enum Timing {
    /// With the tags that are reported by exception.
    ByException,
    Periodic(Period),
}

/// After a restart, a shorter period begins anew: to remember it would cost more flash than its samples do.
const REMEMBERED_FROM_US: i64 = 60_000_000;

/// When all tags are sampled.
struct Period {
    owner: String,
    every_us: i64,
    /// By place in the sampler's tags and the clock that runs from boot. `None`: when the tag is read next. Tags that are
    /// read at different intervals fall due in different scans.
    due_us: Vec<Option<i64>>,
}

/// What there is to report: the data, and the tags that are not good with their quality.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) data: Map<String, Value>,
    pub(super) quality: Map<String, Value>,
}

impl Sampler {
    /// `place` is that of the derivation among the device's.
    pub(super) fn new(sampled: &Sampled, place: usize, device: &MappedDevice, memory: &Memory) -> Self {
        let tags: Vec<usize> = match &sampled.tags {
            SampledTags::All => (0..device.tags.len()).collect(),
            SampledTags::These(names) => {
                names.iter().filter_map(|name| device.tags.iter().position(|tag| tag.name == *name)).collect()
            }
        };
        let timing = sampled.every.map_or(Timing::ByException, |every| {
            let owner = format!("sample/{}/{place}", device.name);
            let due_us = memory.get(&owner).and_then(|bytes| due_times(bytes, tags.len()));
            let due_us = due_us.unwrap_or_else(|| vec![None; tags.len()]);
            Timing::Periodic(Period { owner, every_us: i64::try_from(every.as_micros()).unwrap_or(i64::MAX), due_us })
        });
        Sampler { tags, timing }
    }

    /// The places of the tags that it wants to know of when they have news.
    pub(super) fn by_exception(&self) -> &[usize] {
        match self.timing {
            Timing::ByException => &self.tags,
            Timing::Periodic(_) => &[],
        }
    }

    /// The sample of this scan, if there is one to report. `news` are the places of the tags with news, in order.
    pub(super) fn sample(
        &mut self,
        device: &MappedDevice,
        scan: &Scan,
        news: &[usize],
        memory: &mut Vec<Remembered>,
    ) -> Option<Sample> {
        let sample = match &mut self.timing {
            Timing::ByException if news.is_empty() => return None,
            Timing::ByException => {
                let tags = self.tags.iter().filter(|place| news.binary_search(place).is_ok());
                Sample::of(tags, device, &scan.readings)
            }
            Timing::Periodic(period) => {
                let due = period.take(&self.tags, scan);
                if !due.is_empty() {
                    memory.extend(period.remembered());
                }
                Sample::of(due.iter(), device, &scan.readings)
            }
        };
        (!sample.data.is_empty()).then_some(sample)
    }

    /// The sample of a device that went silent: none of its tags has a value any more.
    pub(super) fn silenced(
        &mut self,
        device: &MappedDevice,
        readings: &[Reading],
        memory: &mut Vec<Remembered>,
    ) -> Option<Sample> {
        if let Timing::Periodic(period) = &mut self.timing {
            memory.extend(period.reset());
        }
        let sample = Sample::of(self.tags.iter(), device, readings);
        (!sample.data.is_empty()).then_some(sample)
    }

    /// The sample of values that come late: they say nothing of now, and nothing is remembered of them.
    pub(super) fn late(&self, device: &MappedDevice, readings: &[Reading]) -> Option<Sample> {
        let sample = Sample::of(self.tags.iter(), device, readings);
        (!sample.data.is_empty()).then_some(sample)
    }
}

impl Period {
    /// The places of the tags that the scan has read and that are due; they are due again after the interval.
    fn take(&mut self, tags: &[usize], scan: &Scan) -> Vec<usize> {
        let now_us = scan.stamp.boottime_us;
        let mut taken = Vec::new();
        for (&place, due_us) in tags.iter().zip(&mut self.due_us) {
            // A time further away than the interval is of a clock that began again with a boot.
            let waits = due_us.is_some_and(|due_us| (1..=self.every_us).contains(&due_us.saturating_sub(now_us)));
            if !waits && reading_of(&scan.readings, place).is_some() {
                *due_us = Some(now_us.saturating_add(self.every_us));
                taken.push(place);
            }
        }
        taken
    }

    /// Tags that fall due together stand together in most lists: each stretch of them is one item.
    fn remembered(&self) -> Option<Remembered> {
        let stretches: Vec<Stretch> =
            self.due_us.chunk_by(PartialEq::eq).filter_map(|due| Some((due.len(), *due.first()?))).collect();
        self.is_remembered().then(|| (self.owner.clone(), Some(json(&stretches))))
    }

    fn reset(&mut self) -> Option<Remembered> {
        self.due_us.fill(None);
        self.is_remembered().then(|| (self.owner.clone(), None))
    }

    fn is_remembered(&self) -> bool {
        self.every_us >= REMEMBERED_FROM_US
    }
}

/// So many tags in a row, and when they are due.
type Stretch = (usize, Option<i64>);

/// When so many tags are due, as a period remembered it; `None` when it was a period of other tags.
fn due_times(bytes: &[u8], tags: usize) -> Option<Vec<Option<i64>>> {
    let stretches: Vec<Stretch> = serde_json::from_slice(bytes).ok()?;
    let count = stretches.iter().try_fold(0_usize, |count, (length, _)| count.checked_add(*length))?;
    (count == tags).then(|| stretches.into_iter().flat_map(|(length, due_us)| repeat_n(due_us, length)).collect())
}

impl Sample {
    fn of<'a>(tags: impl Iterator<Item = &'a usize>, device: &MappedDevice, readings: &[Reading]) -> Self {
        let mut sample = Sample::default();
        for &place in tags {
            let (Some(reading), Some(tag)) = (reading_of(readings, place), device.tags.get(place)) else { continue };
            let value = reading.value.value().map_or(Value::Null, crate::reading::Value::to_json);
            sample.data.insert(tag.name.to_string(), value);
            if let Some(doubt) = reading.value.doubt() {
                sample.quality.insert(tag.name.to_string(), doubt.into());
            }
        }
        sample
    }
}
