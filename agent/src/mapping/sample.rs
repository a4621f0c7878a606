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
    /// By the clock that runs from boot.
    due_us: Option<i64>,
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
            tags,
            every_us: sampled.every.map(|every| i64::try_from(every.as_micros()).unwrap_or(i64::MAX)),
            due_us: None,
        }
    }

    /// The sample of this scan, if there is one to report. Without `every` it holds the tags that changed.
    pub(super) fn sample(&mut self, device: &Device, readings: &[Reading], stamp: Stamp) -> Option<Sample> {
        let all = match self.every_us {
            None => false,
            Some(every_us) => {
                if self.due_us.is_some_and(|due_us| stamp.boottime_us < due_us) {
                    return None;
                }
                self.due_us = Some(stamp.boottime_us.saturating_add(every_us));
                true
            }
        };
        // A device that never answered has nothing to say; one that went silent says so once.
        if self.reported.iter().all(Option::is_none) && readings.iter().all(|reading| reading.value.value().is_none()) {
            self.due_us = None;
            return None;
        }
        let mut sample = Sample { data: Map::new(), quality: Map::new() };
        let silent = readings.iter().all(|reading| reading.value.value().is_none());
        let silent_already = self.reported.iter().flatten().all(|value| value.value().is_none());
        for (reported, &place) in self.reported.iter_mut().zip(&self.tags) {
            let Some(reading) = readings.iter().find(|reading| reading.tag == place) else { continue };
            let Some(tag) = device.tags.get(place) else { continue };
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
