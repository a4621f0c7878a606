//! Devices that publish: known once they are heard of, by what their birth certificates name.

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_config::Name;

use super::device::{DeviceHealth, KnownDevice};
use super::{DeviceTurn, Health, Turned};
use crate::clock::Time;
use crate::mapping::{Heard, MappedDevice};

/// The devices of one source.
#[derive(Default)]
pub(super) struct Publishers(BTreeMap<Name, Publisher>);

/// A device with the certificate by which its tags are known.
struct Publisher {
    device: Arc<MappedDevice>,
    known: KnownDevice,
}

impl Publishers {
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    fn known(&mut self, device: Arc<MappedDevice>) -> &KnownDevice {
        let publisher = |device: Arc<MappedDevice>| Publisher { known: KnownDevice::published(&device), device };
        let known = self.0.entry(device.name.clone()).or_insert_with(|| publisher(device.clone()));
        if !Arc::ptr_eq(&known.device, &device) {
            *known = publisher(device);
        }
        &known.known
    }
}

impl Health {
    /// Takes in what a device has published, and tells if it turned.
    pub(crate) fn heard(&self, source: &Name, heard: Heard) -> Option<DeviceTurn> {
        let Heard { device, scan } = heard;
        let mut publishers = self.publishers.lock();
        let publishers = publishers.get_mut(source)?;
        let mut picture = self.picture.lock();
        let fresh = || DeviceHealth::published(source, device.profile.as_ref(), Time::now());
        let health = picture.devices.entry(device.name.clone()).or_insert_with(fresh);
        let known = publishers.known(device);
        match health.take(known, &scan?) {
            (Turned::Yes, fault) => Some(DeviceTurn { device: known.name.clone(), fault }),
            (Turned::No, _) => None,
        }
    }

    /// What the devices of a source publish is missed from now on.
    pub(super) fn lose_sight(&self, source: &Name) {
        let publishers = self.publishers.lock();
        let mut picture = self.picture.lock();
        for name in publishers.get(source).iter().flat_map(|publishers| publishers.names()) {
            if let Some(device) = picture.devices.get_mut(name) {
                device.unheard();
            }
        }
    }
}
