//! Every device of a line is read once, all of its tags.

use std::path::Path;

use plantlink_config::{Device, KeyPath, ModbusLine};

use super::{Asked, REFUSED, UNREACHABLE};
use crate::chain::chain;
use crate::cli::access::Access;
use crate::cli::read::quality;
use crate::source::modbus::{LineTime, Seen, inspect};

/// The most tags that are named in one problem.
const NAMED_MAX: usize = 5;

pub(super) async fn ask(line: &ModbusLine, buffer: &Path, at: &KeyPath, asked: &mut Asked<'_>) {
    let mut access = match Access::open(Some(buffer), line).await {
        Ok(access) => access,
        Err(error) => return asked.error(&at.key("address"), UNREACHABLE, chain(&error)),
    };
    for (number, device) in line.devices.iter().enumerate() {
        let at = at.key("device").item(number);
        let places: Vec<usize> = (0..device.tags.len()).collect();
        let read = inspect(device, LineTime::of(line), &places, async |question| access.ask(question).await).await;
        match read {
            Ok(seen) => judge(device, &seen, &at, asked),
            Err(error) => asked.error(&at, UNREACHABLE, chain(&error)),
        }
    }
}

/// One problem for a device: that it does not answer, or which of its tags have no value.
fn judge(device: &Device, seen: &[Option<Seen>], at: &KeyPath, asked: &mut Asked<'_>) {
    let tags = device.tags.iter().zip(seen).filter_map(|(tag, seen)| Some((tag, seen.as_ref()?)));
    let bad: Vec<(&str, String)> = tags
        .filter(|(_, seen)| seen.value.value().is_none())
        .map(|(tag, seen)| (&*tag.name, quality(&seen.value)))
        .collect();
    let Some((_, reason)) = bad.first() else {
        return asked.met(at, format!("device {}: every tag has a value ({})", device.name, device.tags.len()));
    };
    if bad.len() == device.tags.len() {
        return asked.error(at, UNREACHABLE, format!("no tag of `{}` has a value: {reason}", device.name));
    }
    let mut named: Vec<String> =
        bad.iter().take(NAMED_MAX).map(|(name, reason)| format!("`{name}` ({reason})")).collect();
    if bad.len() > NAMED_MAX {
        named.push(format!("{} more", bad.len() - NAMED_MAX));
    }
    let message = format!("{} of {} tags have no value: {}", bad.len(), device.tags.len(), named.join(", "));
    asked.error(at, REFUSED, message);
}
