//! What stays known when another configuration is taken up: all of what is the same in both.

use std::collections::BTreeMap;

use plantlink_config::{Config, Source};

use super::published::Publishers;
use super::{Health, Picture};
use crate::reload::Reload;

impl Health {
    /// From now on this is the picture of `next`. What is new or other there is not known yet.
    pub(crate) fn follow(&self, before: &Config, next: &Config) {
        let Health { picture: fresh, lines: fresh_lines, publishers: fresh_publishers } = Health::new(next);
        let mut lines = self.lines.write();
        let mut publishers = self.publishers.lock();
        let mut picture = self.picture.lock();
        let (mut fresh, mut fresh_lines, mut fresh_publishers) =
            (fresh.lock(), fresh_lines.write(), fresh_publishers.lock());
        for source in next.sources.iter().filter(|source| before.sources.contains(source)) {
            keep(source.name(), &mut picture.sources, &mut fresh.sources);
            match source {
                Source::Mqtt(mqtt) => {
                    let devices = publishers.get(&mqtt.name).into_iter().flat_map(Publishers::names);
                    // Those that are there because they were heard of are not in the new configuration's picture.
                    fresh.devices.extend(devices.filter_map(|name| picture.devices.remove_entry(name)));
                    keep(&mqtt.name, &mut publishers, &mut fresh_publishers);
                }
                Source::Modbus(line) => {
                    keep(&line.name, &mut lines, &mut fresh_lines);
                    for device in &line.devices {
                        keep(&device.name, &mut picture.devices, &mut fresh.devices);
                    }
                }
            }
        }
        for destination in next.destinations.iter().filter(|destination| before.destinations.contains(destination)) {
            keep(destination.name(), &mut picture.destinations, &mut fresh.destinations);
        }
        for flow in &next.flows {
            // Its counts are since the start, whatever has become of it. Whether it stands still shows anew.
            keep(&flow.name, &mut picture.flows, &mut fresh.flows);
            if let Some(health) = fresh.flows.get_mut(&flow.name).filter(|_| !before.flows.contains(flow)) {
                health.resume();
            }
        }
        for name in next.heartbeat.iter().flat_map(|heartbeat| &heartbeat.to) {
            keep(name, &mut picture.heartbeats, &mut fresh.heartbeats);
        }
        std::mem::swap(&mut *lines, &mut *fresh_lines);
        std::mem::swap(&mut *publishers, &mut *fresh_publishers);
        let Picture { disk, reload, .. } = std::mem::take(&mut *picture);
        *picture = Picture { disk, reload, ..std::mem::take(&mut *fresh) };
    }

    /// What came of the last attempt to take up another configuration.
    pub(crate) fn reloaded(&self, reload: Reload) {
        self.picture.lock().reload = Some(reload);
    }
}

fn keep<K: Ord, V>(name: &K, known: &mut BTreeMap<K, V>, fresh: &mut BTreeMap<K, V>) {
    if let (Some(known), Some(fresh)) = (known.remove(name), fresh.get_mut(name)) {
        *fresh = known;
    }
}
