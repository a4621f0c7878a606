//! A tag of the configuration that somebody asks about.

use plantlink_config::{Config, Derivation, Device, ModbusLine, Source, Tag};

use crate::unknown::unknown;

/// So many devices are named that have a tag of the same name.
const NAMED_MAX: usize = 5;

/// It is not clear which tag is meant.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubjectError {
    #[error("no device has a tag `{tag}` ({known}); `plantlink read DEVICE` lists those of a device")]
    Unknown { tag: String, known: String },
    #[error("{count} devices have a tag `{tag}`: say which is meant, as in {}", named.join(", "))]
    Ambiguous { tag: String, count: usize, named: Vec<String> },
}

/// The tag, and where it is read.
pub(super) struct Subject<'a> {
    pub(super) line: &'a ModbusLine,
    pub(super) device: &'a Device,
    /// The tag's place in the device's list.
    pub(super) place: usize,
    pub(super) tag: &'a Tag,
}

impl<'a> Subject<'a> {
    /// `text` is `DEVICE/TAG`, or the tag's name alone where one device has it.
    pub(super) fn find(text: &str, config: &'a Config) -> Result<Self, SubjectError> {
        let lines = || {
            config.sources.iter().filter_map(|source| match source {
                Source::Modbus(line) => Some(line),
                Source::Mqtt(_) => None,
            })
        };
        let devices = || lines().flat_map(|line| line.devices.iter().map(move |device| (line, device)));
        let is_meant = |device: &Device, tag: &Tag| {
            *tag.name == *text
                || text.strip_prefix(&*device.name).and_then(|rest| rest.strip_prefix('/')) == Some(&*tag.name)
        };
        let mut found: Vec<Self> = devices()
            .flat_map(|(line, device)| {
                let tags = device.tags.iter().enumerate().filter(move |(_, tag)| is_meant(device, tag));
                tags.map(move |(place, tag)| Subject { line, device, place, tag })
            })
            .collect();
        match (found.pop(), found.is_empty()) {
            (Some(subject), true) => Ok(subject),
            (Some(last), false) => {
                found.push(last);
                let named = found.iter().take(NAMED_MAX).map(Subject::name).collect();
                Err(SubjectError::Ambiguous { tag: text.to_owned(), count: found.len(), named })
            }
            (None, _) => {
                let name = |device: &Device, tag: &Tag| match text.contains('/') {
                    true => format!("{}/{}", device.name, tag.name),
                    false => tag.name.to_string(),
                };
                let names: Vec<String> =
                    devices().flat_map(|(_, device)| device.tags.iter().map(move |tag| name(device, tag))).collect();
                let known = unknown(text, names.iter().map(String::as_str));
                Err(SubjectError::Unknown { tag: text.to_owned(), known })
            }
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.device.name, self.tag.name)
    }

    /// The events that are made of the tag, by type, and the keys that its value has in them.
    pub(super) fn keys(&self) -> Vec<(String, String)> {
        let keys = |derivation: &Derivation| -> Vec<(String, String)> {
            let Some(key) = derivation.key_of(&self.tag.name) else { return Vec::new() };
            derivation.event_types().into_iter().map(|event_type| (event_type.to_owned(), key.clone())).collect()
        };
        self.device.events.iter().flat_map(keys).collect()
    }
}
