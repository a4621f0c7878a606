//! `plantlink why EVENT-ID`: where an event is, and what its destinations said.

use std::error::Error;
use std::fmt::Write as _;

use plantlink_buffer::Reader;
use plantlink_config::{Config, Stage as PlantStage};
use serde_json::{Value, json};

use super::answer::part;
use super::form::Form;
use super::gone;
use crate::control::{ControlError, Found, Gone, Request, Stage, Trail, Whereabouts, ask};

pub(super) async fn trail(config: &Config, trail: Trail, form: Form) -> Result<String, Box<dyn Error>> {
    let buffer = config.buffer.path.as_path();
    let (mut whereabouts, status) = match ask(Some(buffer), &Request::Trail(trail)).await {
        Ok(answer) => {
            let whereabouts: Whereabouts = serde_json::from_value(part(answer, "trail")?)?;
            // What holds it up is told where it can be had.
            (whereabouts, ask(Some(buffer), &Request::Status).await.ok())
        }
        Err(ControlError::NotRunning { .. }) if buffer.exists() => (trail.find(&mut Reader::open(buffer)?)?, None),
        Err(error) => return Err(error.into()),
    };
    let found = &whereabouts.found;
    whereabouts.gone.retain(|gone| may_have_had(gone, found, config));
    let blocks: Vec<Option<String>> = found.iter().map(|found| block(found, config, status.as_ref())).collect();
    Ok(match form {
        Form::Scripts => format!("{}\n", object(trail, &whereabouts, &blocks, config)?),
        Form::People => text(trail, &whereabouts, &blocks, config),
    })
}

/// Whether a flow without the event would take such a one. Where nothing was found nobody knows what it was.
fn may_have_had(gone: &Gone, found: &[Found], config: &Config) -> bool {
    let Some(flow) = config.flows.iter().find(|flow| *flow.name == *gone.flow) else { return true };
    let takes = |found: &Found| {
        let stages = [PlantStage::Production, PlantStage::Commissioning];
        stages.into_iter().any(|stage| flow.takes(&found.event_type, &found.source, stage))
    };
    // Within one destination one flow takes an event.
    found.iter().all(|found| destination(&found.flow, config) != Some(&*flow.to) && takes(found))
}

/// What keeps an event from being delivered, as far as that can be had.
fn block(found: &Found, config: &Config, status: Option<&Value>) -> Option<String> {
    match (&found.stage, status) {
        (Stage::Waiting | Stage::Aside, None) => Some("no agent is running".to_owned()),
        (Stage::Waiting, Some(status)) => obstacle(found, config, status),
        (Stage::Aside, Some(status)) => lack(found, status),
        (Stage::Delivered | Stage::Refused { .. } | Stage::Settled { .. }, _) => None,
    }
}

/// Why the flow does not go on, if it does not.
fn obstacle(found: &Found, config: &Config, status: &Value) -> Option<String> {
    let paused = named(status, "flows", &found.flow).map(|flow| &flow["paused"]["reason"]);
    let destination = destination(&found.flow, config).and_then(|name| named(status, "destinations", name));
    let error = destination.map(|destination| &destination["error"]);
    let limit = destination.and_then(|destination| destination["held_back"]["by"].as_str());
    let said = paused.and_then(Value::as_str).or(error.and_then(Value::as_str)).map(str::to_owned);
    said.or(limit.map(|limit| format!("the destination's limit `{limit}`")))
}

/// What was missing last. That of each event is not kept.
fn lack(found: &Found, status: &Value) -> Option<String> {
    let reason = named(status, "flows", &found.flow)?["last_waiting"]["reason"].as_str()?;
    Some(format!("of the last one that was put aside: {reason}"))
}

fn named<'a>(status: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    status[list].as_array()?.iter().find(|entry| entry["name"] == name)
}

fn destination<'a>(flow: &str, config: &'a Config) -> Option<&'a str> {
    config.flows.iter().find(|known| *known.name == *flow).map(|flow| &*flow.to)
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
        entry["destination"] = json!(destination(&found.flow, config));
        entry["held_up_by"] = json!(block);
    }
    for (gone, entry) in whereabouts.gone.iter().zip(object["gone"].as_array_mut().into_iter().flatten()) {
        entry["destination"] = json!(destination(&gone.flow, config));
    }
    Ok(object)
}

fn text(trail: Trail, whereabouts: &Whereabouts, blocks: &[Option<String>], config: &Config) -> String {
    let Whereabouts { found, gone, confirmed, made_at } = whereabouts;
    let mut out = headline(trail, whereabouts);
    let to = |flow: &str| destination(flow, config).unwrap_or("no destination: the flow is not configured");
    // Writing into a String cannot fail.
    for (found, block) in found.iter().zip(blocks) {
        let _ = writeln!(
            out,
            "  {} (to {}), sequence {}, recorded {}",
            found.flow,
            to(&found.flow),
            found.sequence,
            found.recorded_at
        );
        let _ = writeln!(out, "    {}", stands(found, block.as_deref()));
        if let Some(letter) = &found.letter {
            let code = letter.code.as_deref().unwrap_or("-");
            let _ = writeln!(
                out,
                "    dead letter {}, at {}, offered {} times, code {code}; `plantlink dead show {}` has its body",
                letter.id, letter.at, letter.attempts, letter.id
            );
        }
    }
    for gone in gone {
        out.push_str(&gone::text(gone, to(&gone.flow), made_at.as_deref()));
    }
    for confirmed in confirmed {
        let record = match confirmed.id {
            Some(id) => format!("has its record {} with the id {id}", confirmed.record),
            None => format!("refused its record {} for good", confirmed.record),
        };
        let _ = writeln!(out, "  {} confirmed at {} that it {record}", confirmed.destination, confirmed.at);
    }
    out
}

fn headline(trail: Trail, whereabouts: &Whereabouts) -> String {
    let Whereabouts { found, gone, confirmed, made_at } = whereabouts;
    if let Some(first) = found.first() {
        return format!("{}: {} of {}\n", trail.event_id, first.event_type, first.source);
    }
    if gone.is_empty() && confirmed.is_empty() {
        return format!(
            "{}: not among the dead letters and not in the log of any flow, and all of them still have everything: no flow \
             took it, or it was never recorded here.\n",
            trail.event_id
        );
    }
    let made = made_at.as_ref().map(|at| format!("; made at {at}, as its id says")).unwrap_or_default();
    format!(
        "{}: not among the dead letters and not found in the log of any flow{made}. If it was recorded here:\n",
        trail.event_id
    )
}

/// How far it has come in a flow that has it.
fn stands(found: &Found, block: Option<&str>) -> String {
    match (&found.stage, block) {
        (Stage::Delivered, _) => "delivered".to_owned(),
        (Stage::Waiting, None) => format!("waits: {} events go before it", found.ahead),
        (Stage::Waiting, Some(block)) => {
            format!("waits: {} events go before it, and this holds them up: {block}", found.ahead)
        }
        (Stage::Aside, None) => {
            "waits for something that its destination does not have; the others of the flow go on".to_owned()
        }
        (Stage::Aside, Some(block)) => {
            format!("waits for something that its destination does not have; the others of the flow go on ({block})")
        }
        (Stage::Refused { reason }, _) => format!("refused for good: {reason}"),
        (Stage::Settled { doubt }, _) => doubt.to_string(),
    }
}
