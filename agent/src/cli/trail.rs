//! `plantlink why EVENT-ID`: where an event is, and what its destinations said.

use std::error::Error;
use std::fmt::Write as _;

use plantlink_buffer::Reader;
use plantlink_config::Config;
use serde_json::{Value, json};

use crate::control::{ControlError, Found, Request, Stage, Trail, Whereabouts, ask};

pub(super) async fn trail(config: &Config, trail: Trail, is_json: bool) -> Result<String, Box<dyn Error>> {
    let buffer = config.buffer.path.as_path();
    let (whereabouts, status) = match ask(Some(buffer), &Request::Trail(trail)).await {
        Ok(mut answer) => {
            let whereabouts: Whereabouts = serde_json::from_value(answer["trail"].take())?;
            // What holds it up is told where it can be had.
            (whereabouts, ask(Some(buffer), &Request::Status).await.unwrap_or_default())
        }
        Err(ControlError::NotRunning { .. }) if buffer.exists() => (trail.find(&mut Reader::open(buffer)?)?, json!({})),
        Err(error) => return Err(error.into()),
    };
    let blocks: Vec<Option<String>> = whereabouts.found.iter().map(|found| block(found, config, &status)).collect();
    Ok(match is_json {
        true => format!("{}\n", object(trail, &whereabouts, &blocks, config)?),
        false => text(trail, &whereabouts, &blocks, config),
    })
}

/// What keeps an event from being delivered: its flow is paused, or its destination is down.
fn block(found: &Found, config: &Config, status: &Value) -> Option<String> {
    match found.stage {
        Stage::Waiting => {}
        Stage::Delivered | Stage::Refused { .. } | Stage::Dropped => return None,
    }
    let named = |list: &str, name: &str| status[list].as_array()?.iter().find(|entry| entry["name"] == name);
    let paused = named("flows", &found.flow).map(|flow| &flow["paused"]["reason"]);
    let error = named("destinations", destination(found, config)?).map(|destination| &destination["error"]);
    paused.and_then(Value::as_str).or(error.and_then(Value::as_str)).map(str::to_owned)
}

fn destination<'a>(found: &Found, config: &'a Config) -> Option<&'a str> {
    config.flows.iter().find(|flow| *flow.name == *found.flow).map(|flow| &*flow.to)
}

fn object(
    trail: Trail,
    whereabouts: &Whereabouts,
    blocks: &[Option<String>],
    config: &Config,
) -> Result<Value, serde_json::Error> {
    let mut object = serde_json::to_value(whereabouts)?;
    object["event_id"] = json!(trail.event_id);
    for ((found, entry), block) in
        whereabouts.found.iter().zip(object["found"].as_array_mut().into_iter().flatten()).zip(blocks)
    {
        entry["destination"] = json!(destination(found, config));
        entry["held_up_by"] = json!(block);
    }
    Ok(object)
}

fn text(trail: Trail, whereabouts: &Whereabouts, blocks: &[Option<String>], config: &Config) -> String {
    let Some(first) = whereabouts.found.first() else {
        return format!(
            "{}: not among the dead letters and not among the last {} events of any flow. It is older or no longer kept, no \
             flow took it, or it was never recorded here.\n",
            trail.event_id, whereabouts.events_max
        );
    };
    let mut out = format!("{}: {} of {}\n", trail.event_id, first.event_type, first.source);
    for (found, block) in whereabouts.found.iter().zip(blocks) {
        let to = destination(found, config).unwrap_or("no destination: the flow is not configured");
        // Writing into a String cannot fail.
        let _ =
            writeln!(out, "  {} (to {to}), sequence {}, recorded {}", found.flow, found.sequence, found.recorded_at);
        let _ = match (&found.stage, block) {
            (Stage::Delivered, _) => writeln!(out, "    settled: it was delivered, unless somebody gave it up since"),
            (Stage::Waiting, None) => writeln!(out, "    waits: {} events go before it", found.ahead),
            (Stage::Waiting, Some(block)) => {
                writeln!(out, "    waits: {} events go before it, and this holds them up: {block}", found.ahead)
            }
            (Stage::Refused { reason }, _) => writeln!(out, "    refused for good: {reason}"),
            (Stage::Dropped, _) => writeln!(out, "    given up for want of room"),
        };
        if let Some(letter) = &found.letter {
            let code = letter.code.as_deref().unwrap_or("-");
            let _ = writeln!(
                out,
                "    dead letter {}, at {}, offered {} times, code {code}; `plantlink dead show {}` has its body",
                letter.id, letter.at, letter.attempts, letter.id
            );
        }
    }
    out
}
