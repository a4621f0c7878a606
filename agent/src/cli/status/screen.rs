//! What `plantlink status` shows: one screen, the sentence that matters first.

use std::fmt::Write as _;

use serde_json::Value;

use super::sentence;
use crate::cli::answer::{items, number, text};
use crate::human::{bytes, count, millis, moment, seconds};

pub(super) fn screen(status: &Value) -> String {
    let mut out = String::new();
    // Here as below: writing into a String cannot fail.
    let _ = writeln!(out, "{}\n", sentence(status));
    agent(&mut out, status);
    section(&mut out, status, "sources", |one| source(one, status));
    section(&mut out, status, "devices", device);
    section(&mut out, status, "destinations", |destination| restraint(destination).join("; "));
    section(&mut out, status, "heartbeats", |_| String::new());
    certificates(&mut out, status);
    let _ = writeln!(out, "\nflows");
    for one in items(status, "flows") {
        let _ = writeln!(out, "  {}", flow(one));
    }
    out
}

/// The agent itself, its buffer and its start.
fn agent(out: &mut String, status: &Value) {
    let _ = writeln!(
        out,
        "plantlink {} of {}/{}, up {}, clock {}, buffer {} of {}{}",
        text(status, "version"),
        text(status, "plant"),
        text(status, "gateway"),
        seconds(number(status, "uptime_s")),
        text(status, "clock"),
        bytes(status.pointer("/buffer/bytes").and_then(Value::as_u64).unwrap_or(0)),
        bytes(status.pointer("/buffer/bytes_max").and_then(Value::as_u64).unwrap_or(0)),
        status
            .pointer("/buffer/free_bytes")
            .and_then(Value::as_u64)
            .map_or_else(String::new, |free| format!(" ({} free on the disk)", bytes(free))),
    );
    if let Some("crash" | "log-lost") = status.pointer("/buffer/last_stop").and_then(Value::as_str) {
        let _ = writeln!(out, "started at {} after a crash, a kill or a power cut", text(status, "started_at"));
    }
    if let Some(process) = status.get("process") {
        let _ = writeln!(
            out,
            "processor time {}, memory {}, {} at most",
            millis(number(process, "cpu_ms")),
            bytes(number(process, "memory_bytes")),
            bytes(number(process, "memory_bytes_max")),
        );
    }
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
}

fn source(source: &Value, status: &Value) -> String {
    let counts = status.pointer("/ledger/sources").and_then(|sources| sources.get(text(source, "name")));
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
    let last = |what: &str, at: &str| {
        let said = source.pointer(at).and_then(Value::as_str);
        said.map_or_else(String::new, |said| format!("; last {what}: {said}"))
    };
    let rejected = last("rejected", "/last_rejected/reason");
    let unmapped = last("without a mapping", "/last_unmapped/reason");
    let retained = last("left out as retained", "/last_retained/reason");
    format!("{counted}{rejected}{unmapped}{retained}")
}

fn device(device: &Value) -> String {
    let firmware = device.get("unexpected_firmware").and_then(Value::as_str);
    let firmware = firmware.map_or_else(String::new, |found| format!("; unexpected firmware: {found}"));
    let profile = device.get("profile").and_then(Value::as_str);
    let profile = profile.map_or_else(String::new, |profile| format!(", profile {profile}"));
    // For so long a device that should have had good values had none.
    let stale = device.get("stale_s").and_then(Value::as_u64).map(seconds);
    let stale = stale.map_or_else(String::new, |age| format!("; stale: no good value for {age}"));
    let good = count(number(device, "tags_good"), "tag");
    format!("{good} good, {} bad{profile}{stale}{firmware}", number(device, "tags_bad"))
}

/// What a flow has had and has, then what is special about it.
fn flow(flow: &Value) -> String {
    let oldest = flow.get("oldest_age_s").and_then(Value::as_u64);
    let oldest = oldest.map_or_else(String::new, |age| format!(" (oldest {}{})", seconds(age), done(flow)));
    let dropped_at = flow.get("last_dropped_at").and_then(Value::as_str);
    let dropped_at = dropped_at.map_or_else(String::new, |at| format!(" (the last at {})", moment(at)));
    let mut line = format!(
        "{:<16} {} waiting{oldest}, {} delivered, {} dead, {} dropped{dropped_at}",
        text(flow, "name"),
        number(flow, "depth"),
        number(flow, "delivered"),
        number(flow, "dead"),
        number(flow, "dropped"),
    );
    for remark in remarks(flow) {
        line.push_str("; ");
        line.push_str(&remark);
    }
    line
}

fn remarks(flow: &Value) -> Vec<String> {
    let reason = |at: &str| flow.pointer(at).and_then(Value::as_str);
    let mut remarks = Vec::new();
    for (count, word) in [
        ("replaying", "to go out again"),
        ("replay_lost", "gone before they could go out again"),
        ("unused", "that no record takes"),
        ("unheard", "while nobody was subscribed"),
    ] {
        if number(flow, count) > 0 {
            remarks.push(format!("{} {word}", number(flow, count)));
        }
    }
    let p99_ms = flow.pointer("/delay/p99_ms").and_then(Value::as_u64);
    remarks.extend(p99_ms.map(|p99_ms| format!("delay up to {}", millis(p99_ms))));
    if let Some(since) = flow.get("late_since").and_then(Value::as_str) {
        remarks.push(format!("late since {} ({} promised)", moment(since), millis(number(flow, "max_delay_ms"))));
    }
    if flow.get("retired") == Some(&Value::Bool(true)) {
        remarks.push("retired".to_owned());
    }
    remarks.extend(reason("/paused/reason").map(|reason| format!("paused: {reason}")));
    let waiting = number(flow, "waiting");
    remarks.extend(reason("/last_waiting/reason").map(|reason| format!("{waiting} wait: {reason}")));
    remarks.extend(reason("/last_dead/reason").map(|reason| format!("last dead letter: {reason}")));
    remarks
}

fn certificates(out: &mut String, status: &Value) {
    let mut heading = Some("\ncertificates");
    for certificate in items(status, "certificates") {
        if let Some(heading) = heading.take() {
            let _ = writeln!(out, "{heading}");
        }
        let expires = certificate.get("expires_at").and_then(Value::as_str);
        let _ = writeln!(
            out,
            "  {:<16} {:<8} {} of {}, {}",
            text(certificate, "role"),
            text(certificate, "validity"),
            text(certificate, "from"),
            text(certificate, "used_by"),
            expires.map_or_else(|| "cannot be read".to_owned(), |at| format!("expires at {at}")),
        );
    }
}

/// Why a destination is not offered everything at once, and what will keep it from being offered anything soon.
fn restraint(destination: &Value) -> Vec<String> {
    let said = |key: &str| destination.get(key).and_then(Value::as_str);
    let mut said_so = Vec::new();
    said_so.extend(said("trouble").map(str::to_owned));
    said_so.extend(said("breaker_open_since").map(|since| format!("breaker open since {}", moment(since))));
    said_so.extend(said("until").map(|until| format!("left alone until {}", moment(until))));
    if let Some(held) = destination.get("held_back").filter(|held| !held.is_null()) {
        said_so.push(format!("events wait for its {} since {}", text(held, "by"), moment(text(held, "since"))));
    }
    if let Some(compared) = destination.get("reconciled").filter(|compared| !compared.is_null()) {
        said_so.push(comparison(compared));
    }
    if let Some(expires) = destination.get("expires").filter(|expires| expires["soon"] == true) {
        said_so.push(format!("{} ends at {}", text(expires, "of"), text(expires, "at")));
    }
    said_so
}

/// What the last comparison with the destination came to.
fn comparison(compared: &Value) -> String {
    let at = text(compared, "at");
    match compared.get("counts").filter(|counts| !counts.is_null()) {
        Some(counts) => format!(
            "reconciled at {at}: {} confirmed, {} gone, {} never confirmed",
            number(counts, "confirmed"),
            number(counts, "gone"),
            number(counts, "never_confirmed"),
        ),
        None => format!("could not be reconciled at {at} ({})", text(compared, "error")),
    }
}

/// When the last event of a flow will be delivered.
fn done(flow: &Value) -> String {
    flow.get("empty_in_s")
        .and_then(Value::as_u64)
        .map_or_else(String::new, |left| format!(", done in {}", seconds(left)))
}

fn flash(status: &Value, key: &str) -> Option<u64> {
    status.get("buffer")?.get("flash")?.get(key)?.as_u64()
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
            let _ = write!(out, " since {}", moment(since));
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
