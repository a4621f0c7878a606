//! The mapper of a Modbus line: each scan goes to the mapper of its device.

use std::sync::Arc;
use std::time::Duration;

use plantlink_config::{ModbusLine, Plant};

use super::device::DeviceMapper;
use super::{Entry, FreshIds, Memory};
use crate::source::{Ack, Scan};

/// Keeps what the devices of one line have shown so far.
pub(crate) struct LineMapper {
    plant: Plant,
    devices: Vec<DeviceMapper>,
    wait: Duration,
}

impl LineMapper {
    /// `commit_within` is the most that a power cut may cost; `memory` is what was remembered at the last stop.
    pub(crate) fn new(
        plant: &Plant,
        line: &ModbusLine,
        commit_within: Duration,
        memory: &Memory,
        ids: &FreshIds,
    ) -> Self {
        let devices =
            line.devices.iter().map(|device| DeviceMapper::new(Arc::new(device.into()), memory, ids)).collect();
        LineMapper { plant: plant.clone(), devices, wait: commit_within }
    }

    pub(crate) fn map(&mut self, scan: Scan, ack: Ack) -> Entry {
        let mut entry = Entry::new(ack, self.wait);
        if let Some(device) = self.devices.get_mut(scan.device) {
            entry.stage = device.stage();
            device.map(&self.plant, scan, &mut entry);
        }
        entry
    }
}

#[cfg(test)]
mod tests;
