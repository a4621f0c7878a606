//! The events that lookups are tried with: those that somebody gave, and what is known of every device.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plantlink_config::{Config, Device, Flow, Name, Source};

use crate::destination::odoo::Example;
use crate::envelope::Site;

/// The file of events is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExamplesError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{}:{line}: this is no event as `tail --json` and `simulate --json` print it", path.display())]
    NoEvent {
        path: PathBuf,
        line: usize,
        #[source]
        cause: serde_json::Error,
    },
}

/// The lines of a file, for every destination to read.
#[derive(Debug, Default)]
pub(crate) struct Given {
    path: PathBuf,
    text: String,
}

impl Given {
    pub(crate) fn read(path: &Path) -> Result<Self, ExamplesError> {
        let text = fs::read_to_string(path).map_err(|cause| ExamplesError::Read { path: path.to_owned(), cause })?;
        Ok(Given { path: path.to_owned(), text })
    }
}

/// What a destination would get: each device whose events a flow brings there, and the events that were given.
pub(super) fn examples(
    config: &Config,
    site: &Arc<Site>,
    destination: &Name,
    given: &Given,
) -> Result<Vec<Example>, ExamplesError> {
    let flows = || config.flows.iter().filter(|flow| flow.to == *destination);
    let mut examples = Vec::new();
    for device in devices(config) {
        let flow = flows().find(|flow| brings(flow, device));
        examples.extend(flow.map(|flow| Example::of_device(site, &flow.name, device)));
    }
    let Some(flow) = flows().next() else { return Ok(examples) };
    for (number, line) in given.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let no_event = |cause| ExamplesError::NoEvent { path: given.path.clone(), line: number + 1, cause };
        examples.push(Example::read(site, &flow.name, line).map_err(no_event)?);
    }
    Ok(examples)
}

fn devices(config: &Config) -> impl Iterator<Item = &Device> {
    config.sources.iter().flat_map(|source| match source {
        Source::Modbus(line) => line.devices.as_slice(),
        Source::Mqtt(_) => &[],
    })
}

fn brings(flow: &Flow, device: &Device) -> bool {
    flow.stages.contains(&device.stage)
        && flow.from.as_ref().is_none_or(|from| from.iter().any(|pattern| pattern.matches(&device.name)))
}
