//! What was reported of the tags of a device, and over restarts what was reported of those that change rarely.
//!
//! A row of memory for every change of a lively tag would cost more flash than its events. What is on disk is therefore
//! either the last report of a tag or nothing: after a restart a lively tag is reported once more, and no change is
//! hidden.

use std::collections::{BTreeMap, BTreeSet};

use plantlink_buffer::Stamp;
use plantlink_config::TagName;

use super::mapped::{MappedDevice, MappedTag};
use super::report::{Report, Rule};
use super::{Memory, Remembered, json};
use crate::reading::Reading;

/// So many tags, in the order of the device's list, share a row of memory: a change of one writes about a page, and a scan
/// in which thousands change writes few rows.
const ROW: usize = 64;
/// A tag that is reported again within this time is lively.
const LIVELY_US: i64 = 600_000_000;

/// The tags of a device that are reported by exception.
pub(super) struct Reported {
    /// Names the rows, followed by their numbers.
    owner: String,
    /// By place in the device's list.
    tags: Vec<Tracked>,
}

struct Tracked {
    name: TagName,
    /// `None`: nobody wants to know of it.
    rule: Option<Rule>,
    last: Option<Report>,
    /// The last report is on disk too.
    kept: bool,
}

impl Reported {
    /// `wanted` are the places of the tags that somebody wants to know of.
    pub(super) fn new(device: &MappedDevice, wanted: impl Iterator<Item = usize>, memory: &Memory) -> Self {
        let owner = format!("report/{}", device.name);
        let tracked = |tag: &MappedTag| Tracked { name: tag.name.clone(), rule: None, last: None, kept: false };
        let mut tags: Vec<Tracked> = device.tags.iter().map(tracked).collect();
        for place in wanted {
            if let (Some(tracked), Some(tag)) = (tags.get_mut(place), device.tags.get(place)) {
                tracked.rule = Some(Rule::new(tag));
            }
        }
        for (row, tags) in tags.chunks_mut(ROW).enumerate() {
            let remembered = memory.get(&row_owner(&owner, row)).and_then(|bytes| serde_json::from_slice(bytes).ok());
            let mut remembered: BTreeMap<String, Report> = remembered.unwrap_or_default();
            for tag in tags.iter_mut().filter(|tag| tag.rule.is_some()) {
                tag.last = remembered.remove(&*tag.name);
                tag.kept = tag.last.is_some();
            }
        }
        Reported { owner, tags }
    }

    /// The places of the tags whose readings are to be reported now, in their order; they count as reported.
    pub(super) fn take(&mut self, readings: &[Reading], stamp: Stamp, memory: &mut Vec<Remembered>) -> Vec<usize> {
        let at_us = stamp.boottime_us;
        let mut news = Vec::new();
        let mut rows = BTreeSet::new();
        for reading in readings {
            let Some(tag) = self.tags.get_mut(reading.tag) else { continue };
            if tag.rule.is_some_and(|rule| rule.asks_for(&reading.value, at_us, tag.last.as_ref())) {
                let is_lively = tag.last.as_ref().is_some_and(|last| last.age_us(at_us) < LIVELY_US);
                if tag.kept || !is_lively {
                    rows.insert(reading.tag / ROW);
                }
                tag.kept = !is_lively;
                tag.last = Some(Report::new(&reading.value, at_us));
                news.push(reading.tag);
            }
        }
        memory.extend(rows.into_iter().map(|row| self.remembered(row)));
        news
    }

    /// Whatever is read next is news.
    pub(super) fn forget(&mut self, memory: &mut Vec<Remembered>) {
        for (row, tags) in self.tags.chunks_mut(ROW).enumerate() {
            if tags.iter().any(|tag| tag.kept) {
                memory.push((row_owner(&self.owner, row), None));
            }
            for tag in tags {
                tag.last = None;
                tag.kept = false;
            }
        }
    }

    fn remembered(&self, row: usize) -> Remembered {
        let tags = self.tags.iter().skip(row * ROW).take(ROW).filter(|tag| tag.kept);
        let reports: BTreeMap<&str, &Report> = tags.filter_map(|tag| Some((&*tag.name, tag.last.as_ref()?))).collect();
        (row_owner(&self.owner, row), (!reports.is_empty()).then(|| json(&reports)))
    }
}

fn row_owner(owner: &str, row: usize) -> String {
    format!("{owner}/{row}")
}
