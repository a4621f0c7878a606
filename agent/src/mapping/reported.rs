//! What was reported of the tags of a device, over restarts.

use std::collections::{BTreeMap, BTreeSet};

use plantlink_buffer::Stamp;
use plantlink_config::Device;

use super::report::{Report, Rule};
use super::{Memory, Remembered, json};
use crate::reading::Reading;

/// So many tags, in the order of the device's list, share a row of memory: a change of one writes about a page, and a scan
/// in which thousands change writes few rows.
const ROW: usize = 64;

/// The tags of a device that are reported by exception.
pub(super) struct Reported {
    /// Names the rows, followed by their numbers.
    owner: String,
    /// By place in the device's list.
    tags: Vec<Tracked>,
}

struct Tracked {
    name: String,
    /// `None`: nobody wants to know of it.
    rule: Option<Rule>,
    last: Option<Report>,
}

impl Reported {
    /// `wanted` are the places of the tags that somebody wants to know of.
    pub(super) fn new(device: &Device, wanted: impl Iterator<Item = usize>, memory: &Memory) -> Self {
        let owner = format!("report/{}", device.name);
        let mut tags: Vec<Tracked> =
            device.tags.iter().map(|tag| Tracked { name: tag.name.to_string(), rule: None, last: None }).collect();
        for place in wanted {
            if let (Some(tracked), Some(tag)) = (tags.get_mut(place), device.tags.get(place)) {
                tracked.rule = Some(Rule::new(tag));
            }
        }
        for (row, tags) in tags.chunks_mut(ROW).enumerate() {
            let remembered = memory.get(&row_owner(&owner, row)).and_then(|bytes| serde_json::from_slice(bytes).ok());
            let mut remembered: BTreeMap<String, Report> = remembered.unwrap_or_default();
            for tag in tags.iter_mut().filter(|tag| tag.rule.is_some()) {
                tag.last = remembered.remove(&tag.name);
            }
        }
        Reported { owner, tags }
    }

    /// The places of the tags whose readings are to be reported now, in their order; they count as reported.
    pub(super) fn take(&mut self, readings: &[Reading], stamp: Stamp, memory: &mut Vec<Remembered>) -> Vec<usize> {
        let at_us = stamp.boottime_us;
        let mut news = Vec::new();
        for reading in readings {
            let Some(tag) = self.tags.get_mut(reading.tag) else { continue };
            if tag.rule.is_some_and(|rule| rule.asks_for(&reading.value, at_us, tag.last.as_ref())) {
                tag.last = Some(Report::new(&reading.value, at_us));
                news.push(reading.tag);
            }
        }
        let rows: BTreeSet<usize> = news.iter().map(|place| place / ROW).collect();
        memory.extend(rows.into_iter().map(|row| self.remembered(row)));
        news
    }

    /// Whatever is read next is news.
    pub(super) fn forget(&mut self, memory: &mut Vec<Remembered>) {
        for (row, tags) in self.tags.chunks_mut(ROW).enumerate() {
            if tags.iter().any(|tag| tag.last.is_some()) {
                tags.iter_mut().for_each(|tag| tag.last = None);
                memory.push((row_owner(&self.owner, row), None));
            }
        }
    }

    fn remembered(&self, row: usize) -> Remembered {
        let tags = self.tags.iter().skip(row * ROW).take(ROW);
        let reports: BTreeMap<&str, &Report> = tags.filter_map(|tag| Some((&*tag.name, tag.last.as_ref()?))).collect();
        (row_owner(&self.owner, row), Some(json(&reports)))
    }
}

fn row_owner(owner: &str, row: usize) -> String {
    format!("{owner}/{row}")
}
