//! A report that fits: what is not told of one that would be too long for a message.

use schemars::JsonSchema;
use serde::Serialize;

use super::{FlowStatus, Named, Report};
use crate::health::{DeviceHealth, SourceHealth, State};

/// So many of each kind are told where not even those with a trouble fit.
const TOLD: usize = 20;

/// How many of each kind are not told. Those that are well go first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct LeftOut {
    /// Tags without a value.
    faults: usize,
    /// Their messages are not told either.
    sources: usize,
    devices: usize,
    flows: usize,
    certificates: usize,
}

impl Report {
    /// As JSON of at most so many bytes, as long as that holds some of each kind: everything, else all but the faults of
    /// tags, else only the sources, devices and flows that have a trouble, else some of those.
    pub(crate) fn within(mut self, bytes: usize) -> Vec<u8> {
        for shorten in [Report::without_faults, Report::with_troubles, Report::with_some] {
            let json = self.json();
            if json.len() <= bytes {
                return json;
            }
            let mut left_out = self.left_out.unwrap_or_default();
            shorten(&mut self, &mut left_out);
            self.left_out = Some(left_out);
        }
        self.json()
    }

    fn json(&self) -> Vec<u8> {
        // Numbers, texts and lists of them: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn without_faults(&mut self, left_out: &mut LeftOut) {
        for device in &mut self.status.devices {
            left_out.faults += device.what.faults.len();
            device.what.faults.clear();
        }
    }

    fn with_troubles(&mut self, left_out: &mut LeftOut) {
        left_out.sources += keep(&mut self.status.sources, has_source_trouble);
        left_out.devices += keep(&mut self.status.devices, has_device_trouble);
        left_out.flows += keep(&mut self.status.flows, has_flow_trouble);
        self.without_messages();
    }

    fn with_some(&mut self, left_out: &mut LeftOut) {
        left_out.sources += cut(&mut self.status.sources);
        left_out.devices += cut(&mut self.status.devices);
        left_out.flows += cut(&mut self.status.flows);
        left_out.certificates += cut(&mut self.status.certificates);
        self.without_messages();
    }

    /// Those of the sources that are not told.
    fn without_messages(&mut self) {
        let sources = &self.status.sources;
        if let Some(ledger) = &mut self.status.ledger {
            ledger.sources.retain(|name, _| sources.iter().any(|source| *source.name == **name));
        }
    }
}

fn keep<T>(all: &mut Vec<T>, wanted: fn(&T) -> bool) -> usize {
    let before = all.len();
    all.retain(wanted);
    before - all.len()
}

fn cut<T>(all: &mut Vec<T>) -> usize {
    let before = all.len();
    all.truncate(TOLD);
    before - all.len()
}

fn has_source_trouble(source: &Named<SourceHealth>) -> bool {
    source.what.condition.state != State::Up || source.what.condition.error.is_some()
}

fn has_device_trouble(device: &Named<DeviceHealth>) -> bool {
    let DeviceHealth { condition, stale_s, unexpected_firmware, .. } = &device.what;
    condition.state != State::Up || condition.error.is_some() || stale_s.is_some() || unexpected_firmware.is_some()
}

fn has_flow_trouble(flow: &FlowStatus) -> bool {
    flow.depth > 0 || flow.dead > 0 || flow.dropped > 0 || flow.late_since.is_some() || flow.paused.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::summary::tests::{device, well};
    use super::*;

    const BYTES_MAX: usize = 100_000;

    fn told(report: Report) -> Value {
        let json = report.within(BYTES_MAX);
        assert!(json.len() <= BYTES_MAX, "{} bytes", json.len());
        serde_json::from_slice(&json).unwrap()
    }

    /// A plant of so many devices, of which each so-many-th is down.
    fn plant(devices: usize, down: usize) -> Report {
        let mut status = well();
        status.devices = (0..devices)
            .map(|index| {
                let mut device = device(&format!("press-{index}"));
                if index % down == 0 {
                    device.what.condition.turn(State::Down, Some(&"no answer ".repeat(40)));
                }
                device
            })
            .collect();
        Report::of(status)
    }

    #[test]
    fn a_report_that_fits_is_whole() {
        let report = told(plant(100, 10));
        assert_eq!((report["devices"].as_array().unwrap().len(), &report["left_out"]), (100, &Value::Null));
    }

    #[test]
    fn of_a_large_plant_the_devices_with_a_trouble_are_told() {
        let report = told(plant(5_000, 100));
        let devices = report["devices"].as_array().unwrap();
        assert_eq!((devices.len(), &report["left_out"]["devices"]), (50, &4_950.into()));
        assert!(devices.iter().all(|device| device["state"] == "down"), "{devices:#?}");
        assert!(report["summary"]["sentence"].as_str().unwrap().contains("and 47 more are down"), "{report:#}");
    }

    #[test]
    fn where_everything_is_down_some_devices_are_told_and_the_others_counted() {
        let report = told(plant(5_000, 1));
        let told = report["devices"].as_array().unwrap().len();
        assert_eq!((told, &report["left_out"]["devices"]), (TOLD, &(5_000 - TOLD).into()));
    }
}
