//! `plantlink status`: what the running agent is doing, on one screen, the sentence that matters first.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Environment, load};
use serde_json::Value;

use super::{ConfigArgs, failed, print};
use crate::control::{Request, ask};

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn status(args: StatusArgs) -> ExitCode {
    // The configuration only says where the buffer is; an agent that runs with an older one is found all the same.
    let buffer = load(&args.config.config, Environment::Check).config.map(|config| config.buffer.path);
    match ask(buffer.as_deref(), &Request::Status).await {
        Ok(status) if args.json => print(&format!("{status}\n")),
        Ok(status) => print(&screen(&status)),
        Err(error) => failed(&error),
    }
}

fn screen(status: &Value) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{}\n", sentence(status));
    let _ = writeln!(
        out,
        "plantlink {} of {}/{}, up {}, clock {}, buffer {} of {}",
        text(status, "version"),
        text(status, "plant"),
        text(status, "gateway"),
        duration(number(status, "uptime_s")),
        text(status, "clock"),
        bytes(status.pointer("/buffer/bytes").and_then(Value::as_u64).unwrap_or(0)),
        bytes(status.pointer("/buffer/bytes_max").and_then(Value::as_u64).unwrap_or(0)),
    );
    if let Some(written) = flash(status, "bytes_written") {
        let each = flash(status, "bytes_per_event").map_or_else(String::new, |each| format!(", {each} bytes an event"));
        let day = flash(status, "bytes_per_day").map_or_else(String::new, |day| format!(", {} a day", bytes(day)));
        let _ = writeln!(out, "written to the disk since the start: {}{each}{day}", bytes(written));
    }
    if let Some(reload) = status.get("reload").filter(|reload| reload["applied"] == false) {
        let _ = writeln!(
            out,
            "the configuration file was not taken up at {} and is not in force; `plantlink check` tells why",
            text(reload, "at"),
        );
    }
    if let Some(salvaged) = status.pointer("/buffer/salvaged").filter(|salvaged| !salvaged.is_null()) {
        let _ = writeln!(
            out,
            "the buffer was damaged and was salvaged at the start: {} events were there, {} are lost; the damaged file is {}",
            number(salvaged, "waiting"),
            number(salvaged, "lost"),
            text(salvaged, "kept"),
        );
    }
    section(&mut out, status, "sources", |source| {
        let name = text(source, "name");
        let counts = status.pointer("/ledger/sources").and_then(|sources| sources.get(name));
        let counted = counts.map_or_else(String::new, |counts| {
            format!(
                "received {}, mapped {}, unmapped {}, rejected {}, repeated {}",
                number(counts, "received"),
                number(counts, "mapped"),
                number(counts, "unmapped"),
                number(counts, "rejected"),
                number(counts, "repeated"),
            )
        });
        let rejected = source.pointer("/last_rejected/reason").and_then(Value::as_str);
        let unmapped = source.pointer("/last_unmapped/reason").and_then(Value::as_str);
        let told =
            |what: &str, said: Option<&str>| said.map_or_else(String::new, |said| format!("; last {what}: {said}"));
        format!("{counted}{}{}", told("rejected", rejected), told("without a mapping", unmapped))
    });
    section(&mut out, status, "devices", |device| {
        let firmware = device.get("unexpected_firmware").and_then(Value::as_str);
        let firmware = firmware.map_or_else(String::new, |found| format!("; unexpected firmware: {found}"));
        let profile = device.get("profile").and_then(Value::as_str);
        let profile = profile.map_or_else(String::new, |profile| format!(", profile {profile}"));
        let stale = stale(device).map_or_else(String::new, |age| format!("; stale: no good value for {age}"));
        format!(
            "{} tags good, {} bad{profile}{stale}{firmware}",
            number(device, "tags_good"),
            number(device, "tags_bad"),
        )
    });
    section(&mut out, status, "destinations", |destination| restraint(destination).join("; "));
    section(&mut out, status, "heartbeats", |_| String::new());
    let _ = writeln!(out, "\nflows");
    for flow in items(status, "flows") {
        let _ = write!(
            out,
            "  {:<16} {} waiting{}, {} delivered, {} dead, {} dropped",
            text(flow, "name"),
            number(flow, "depth"),
            flow.get("oldest_age_s")
                .and_then(Value::as_u64)
                .map_or_else(String::new, |age| format!(" (oldest {})", duration(age))),
            number(flow, "delivered"),
            number(flow, "dead"),
            number(flow, "dropped"),
        );
        for (count, word) in [("replaying", "to go out again"), ("replay_lost", "gone before they could go out again")]
        {
            if number(flow, count) > 0 {
                let _ = write!(out, "; {} {word}", number(flow, count));
            }
        }
        if let Some(p99) = flow.pointer("/delay/p99_ms").and_then(Value::as_u64) {
            let _ = write!(out, "; delay up to {}", millis(p99));
        }
        if let Some(since) = flow.get("late_since").and_then(Value::as_str) {
            let _ = write!(out, "; late since {since} ({} promised)", millis(number(flow, "max_delay_ms")));
        }
        if flow.get("retired") == Some(&Value::Bool(true)) {
            out.push_str("; retired");
        }
        if let Some(reason) = flow.pointer("/paused/reason").and_then(Value::as_str) {
            let _ = write!(out, "; paused: {reason}");
        }
        if let Some(reason) = flow.pointer("/last_waiting/reason").and_then(Value::as_str) {
            let _ = write!(out, "; {} wait: {reason}", number(flow, "waiting"));
        }
        if let Some(reason) = flow.pointer("/last_dead/reason").and_then(Value::as_str) {
            let _ = write!(out, "; last dead letter: {reason}");
        }
        out.push('\n');
    }
    out
}

/// Why a destination is not offered everything at once.
fn restraint(destination: &Value) -> Vec<String> {
    let said = |key: &str| destination.get(key).and_then(Value::as_str);
    let mut said_so = Vec::new();
    said_so.extend(said("trouble").map(str::to_owned));
    said_so.extend(said("breaker_open_since").map(|since| format!("breaker open since {since}")));
    said_so.extend(said("until").map(|until| format!("left alone until {until}")));
    if let Some(held) = destination.get("held_back").filter(|held| !held.is_null()) {
        said_so.push(format!("events wait for its {} since {}", text(held, "by"), text(held, "since")));
    }
    said_so
}

fn flash(status: &Value, key: &str) -> Option<u64> {
    status.get("buffer")?.get("flash")?.get(key)?.as_u64()
}

/// For how long a device that should have had good values had none.
fn stale(device: &Value) -> Option<String> {
    device.get("stale_s").and_then(Value::as_u64).map(duration)
}

/// The one sentence to read if there is time for one.
fn sentence(status: &Value) -> String {
    if status.pointer("/buffer/disk/state").and_then(Value::as_str) == Some("down") {
        let reason = status.pointer("/buffer/disk/error").and_then(Value::as_str).unwrap_or("no reason given");
        return format!("Nothing new is taken in until the buffer can be written to: {reason}.");
    }
    let mut troubles = Vec::new();
    for flow in items(status, "flows") {
        if let Some(reason) = flow.pointer("/paused/reason").and_then(Value::as_str) {
            troubles.push(format!("flow {} is paused ({reason})", text(flow, "name")));
        }
    }
    for flow in items(status, "flows").filter(|flow| flow.get("late_since").is_some_and(Value::is_string)) {
        let oldest = flow
            .get("oldest_age_s")
            .and_then(Value::as_u64)
            .map_or_else(String::new, |age| format!("oldest {}, ", duration(age)));
        let promised = millis(number(flow, "max_delay_ms"));
        troubles.push(format!("flow {} is late ({oldest}{promised} promised)", text(flow, "name")));
    }
    for (kind, word) in
        [("destinations", "destination"), ("sources", "source"), ("devices", "device"), ("heartbeats", "heartbeat to")]
    {
        for thing in items(status, kind).filter(|thing| text(thing, "state") == "down") {
            troubles.push(format!("{word} {} is down", text(thing, "name")));
        }
    }
    for device in items(status, "devices").filter(|device| text(device, "state") != "down") {
        if let Some(age) = stale(device) {
            troubles.push(format!("device {} is stale (no good value for {age})", text(device, "name")));
        }
    }
    for device in items(status, "devices").filter(|device| device.get("unexpected_firmware").is_some()) {
        let profile = device.get("profile").and_then(Value::as_str);
        let written_for = profile.map_or_else(String::new, |profile| format!(" for profile {profile}"));
        troubles.push(format!("device {} has an unexpected firmware{written_for}", text(device, "name")));
    }
    let waiting: u64 = items(status, "flows").map(|flow| number(flow, "depth")).sum();
    let dropped: u64 = items(status, "flows").map(|flow| number(flow, "dropped")).sum();
    let lost = if dropped == 0 { "nothing lost".to_owned() } else { format!("{dropped} events dropped") };
    match (troubles.is_empty(), waiting) {
        (true, 0) => format!("All is well: everything is delivered; {lost}."),
        (true, waiting) => format!("All is well: {waiting} events on their way; {lost}."),
        (false, waiting) => format!("Attention: {}; {waiting} events waiting; {lost}.", troubles.join(", ")),
    }
}

/// A heading and a line for each thing: its name, its state since when, what `more` says, and why it is down.
fn section(out: &mut String, status: &Value, kind: &str, more: impl Fn(&Value) -> String) {
    let mut heading = Some(kind);
    for thing in items(status, kind) {
        if let Some(kind) = heading.take() {
            let _ = writeln!(out, "\n{kind}");
        }
        let _ = write!(out, "  {:<16} {:<8}", text(thing, "name"), text(thing, "state"));
        if let Some(since) = thing.get("since").and_then(Value::as_str) {
            let _ = write!(out, " since {since}");
        }
        for said in [more(thing), text(thing, "error").to_owned()] {
            if !said.is_empty() {
                let _ = write!(out, "; {said}");
            }
        }
        out.push('\n');
        // The first one is the error above.
        for fault in items(thing, "faults").skip(1) {
            let _ = writeln!(out, "  {:<16} {}: {}", "", text(fault, "tag"), text(fault, "reason"));
        }
    }
}

fn items<'a>(status: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    status.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        86_400.. => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

pub(super) fn millis(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000.. => duration(millis / 1_000),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000.. => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flow_that_is_late_is_not_well() {
        for (flow, expected) in [
            (
                json!({"name": "orders", "late_since": null, "max_delay_ms": 60_000}),
                "All is well: everything is delivered",
            ),
            (
                json!({"name": "orders", "depth": 3, "oldest_age_s": 185, "late_since": "2026-11-21T08:00:00Z", "max_delay_ms": 60_000}),
                "Attention: flow orders is late (oldest 3 min, 1 min promised); 3 events waiting",
            ),
        ] {
            assert_eq!(sentence(&json!({ "flows": [flow] })), format!("{expected}; nothing lost."));
        }
    }

    #[test]
    fn a_device_with_old_values_or_another_firmware_is_not_well() {
        for (device, expected) in [
            (json!({"name": "press", "state": "up"}), "All is well: everything is delivered; nothing lost."),
            (
                json!({"name": "press", "state": "up", "stale_s": 95}),
                "Attention: device press is stale (no good value for 1 min); 0 events waiting; nothing lost.",
            ),
            // What is down is told once.
            (
                json!({"name": "press", "state": "down", "stale_s": 95}),
                "Attention: device press is down; 0 events waiting; nothing lost.",
            ),
            (
                json!({"name": "press", "state": "up", "profile": "press-4000 3", "unexpected_firmware": "500"}),
                "Attention: device press has an unexpected firmware for profile press-4000 3; 0 events waiting; nothing lost.",
            ),
        ] {
            assert_eq!(sentence(&json!({ "devices": [device] })), expected);
        }
    }
}
