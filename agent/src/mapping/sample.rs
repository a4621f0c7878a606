//! `measurement.sampled`: what changed in a scan, or all of it from time to time.

use plantlink_buffer::Stamp;
use plantlink_config::{Device, Sampled, SampledTags};
use serde_json::{Map, Value};

use crate::reading::{Quality, Reading};

/// One sampling derivation of one device.
pub(super) struct Sampler {
    /// The places of its tags in the device's list.
    tags: Vec<usize>,
    every_us: Option<i64>,
    /// What was reported last, by place in `tags`.
    reported: Vec<Option<Quality<crate::reading::Value>>>,
    /// When each is to be reported again, by place in `tags` and the clock that runs from boot. Tags that are read at
    /// different intervals fall due at different scans.
    due_us: Vec<Option<i64>>,
}

/// What a scan has to report: the data, and the tags that are not good with their quality.
pub(super) struct Sample {
    pub(super) data: Map<String, Value>,
    pub(super) quality: Map<String, Value>,
}

impl Sampler {
    pub(super) fn new(sampled: &Sampled, device: &Device) -> Self {
        let tags: Vec<usize> = match &sampled.tags {
            SampledTags::All => (0..device.tags.len()).collect(),
            SampledTags::These(names) => {
                names.iter().filter_map(|name| device.tags.iter().position(|tag| tag.name == *name)).collect()
            }
        };
        Sampler {
            reported: vec![None; tags.len()],
            every_us: sampled.every.map(|every| i64::try_from(every.as_micros()).unwrap_or(i64::MAX)),
            due_us: vec![None; tags.len()],
            tags,
        }
    }

    /// The sample of this scan, if there is one to report. Without `every` it holds the tags that changed.
    pub(super) fn sample(&mut self, device: &Device, readings: &[Reading], stamp: Stamp) -> Option<Sample> {
        // A device that never answered has nothing to say; one that went silent says so once.
        if self.reported.iter().all(Option::is_none) && readings.iter().all(|reading| reading.value.value().is_none()) {
            return None;
        }
        let mut sample = Sample { data: Map::new(), quality: Map::new() };
        let silent = readings.iter().all(|reading| reading.value.value().is_none());
        let silent_already = self.reported.iter().flatten().all(|value| value.value().is_none());
        for ((reported, due_us), &place) in self.reported.iter_mut().zip(&mut self.due_us).zip(&self.tags) {
            let found = readings.binary_search_by_key(&place, |reading| reading.tag);
            let Some(reading) = found.ok().and_then(|at| readings.get(at)) else { continue };
            let Some(tag) = device.tags.get(place) else { continue };
            let all = match self.every_us {
                None => false,
                Some(_) if due_us.is_some_and(|due_us| stamp.boottime_us < due_us) => continue,
                Some(every_us) => {
                    *due_us = Some(stamp.boottime_us.saturating_add(every_us));
                    true
                }
            };
            // Another reason for the same silence is no news.
            let changed =
                reported.as_ref() != Some(&reading.value) && !(silent && silent_already && reported.is_some());
            if !changed && (!all || silent_already) {
                continue;
            }
            *reported = Some(reading.value.clone());
            let (value, doubt) = match &reading.value {
                Quality::Good(value) => (value.to_json(), None),
                Quality::Bad(fault) => (Value::Null, Some(format!("bad: {fault}"))),
            };
            sample.data.insert(tag.name.to_string(), value);
            if let Some(doubt) = doubt {
                sample.quality.insert(tag.name.to_string(), Value::from(doubt));
            }
        }
        (!sample.data.is_empty()).then_some(sample)
    }
}
