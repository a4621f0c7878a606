//! What an answer means: pure, from a status and a body to what becomes of each event.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::CODE;
use crate::clip::clip;
use crate::destination::{Cause, Outcome, Refusal};
use crate::http::Answer;

/// What was taken of a request, or refused by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Of the first events; the endpoint wants the others later.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) retry_after: Option<Duration>,
}

/// What kept a request from being taken.
#[derive(Debug)]
pub(super) enum Setback {
    /// Something in it is not accepted; which event, and whether any, shows only when it is refused alone.
    Refused { reason: String },
    /// A request of this size is not let through.
    TooLarge { reason: String },
    /// The connection ended or the time ran out: done or not done. It may be that the request was too much.
    Unanswered(Cause),
    /// Nothing is known, and asking for less would not help.
    Unreachable(Cause),
    /// The endpoint asks for patience.
    Busy { retry_after: Option<Duration> },
    /// Nothing about the events is wrong, and only a person can mend it.
    Denied { reason: String },
}

/// Why an answer decides nothing.
#[derive(Debug, thiserror::Error)]
enum Undecided {
    #[error("the endpoint redirects to {location}: `url` is not its address")]
    Redirect { location: String },
    #[error("the endpoint answers {status}{}", said(.text))]
    Status { status: u16, text: String },
}

/// The answer's body, where it speaks of single events.
#[derive(Deserialize)]
struct Results {
    results: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    event_id: Uuid,
    #[serde(default)]
    status: String,
    reason: Option<String>,
}

/// What an answer comes to for the events that were posted.
pub(super) fn of(answer: &Answer, posted: &[Uuid]) -> Result<Taken, Setback> {
    let Answer { status, retry_after, used_up: _, location, body } = answer;
    let text = || clip(String::from_utf8_lossy(body).trim().to_owned());
    let refusal = || Undecided::Status { status: *status, text: text() }.to_string();
    let undecided = |undecided: Undecided| Setback::Unreachable(undecided.into());
    Err(match *status {
        200..=299 => return of_results(body, posted, *retry_after),
        300..=399 => {
            let location = location.clone().unwrap_or_else(|| "another address".to_owned());
            undecided(Undecided::Redirect { location })
        }
        // 410 is an address that is gone, and 415 a format or a compression that it does not take: no other event fares better.
        401 | 403 | 404 | 405 | 407 | 410 | 415 => Setback::Denied { reason: refusal() },
        // How nginx refuses a client's certificate, or that there is none.
        400 if text().contains("SSL certificate") => Setback::Denied { reason: refusal() },
        413 => Setback::TooLarge { reason: refusal() },
        429 | 503 => Setback::Busy { retry_after: *retry_after },
        408 | 425 => undecided(Undecided::Status { status: *status, text: text() }),
        400..=499 => Setback::Refused { reason: refusal() },
        _ => undecided(Undecided::Status { status: *status, text: text() }),
    })
}

/// A success that speaks of no event has taken all of them.
fn of_results(body: &[u8], posted: &[Uuid], retry_after: Option<Duration>) -> Result<Taken, Setback> {
    let Ok(Results { results }) = serde_json::from_slice(body) else {
        return Ok(Taken { outcomes: vec![Outcome::Delivered; posted.len()], retry_after });
    };
    let named: HashMap<Uuid, Named> = results.into_iter().map(|named| (named.event_id, named)).collect();
    let mut outcomes = Vec::with_capacity(posted.len());
    for id in posted {
        // What it does not name it has not decided.
        let Some(Named { event_id, status, reason }) = named.get(id) else { break };
        outcomes.push(match status.as_str() {
            "ok" | "duplicate" => Outcome::Delivered,
            "rejected" => Outcome::Rejected(Refusal {
                code: CODE.to_owned(),
                reason: reason.clone().map_or_else(|| "the endpoint rejects it without a reason".to_owned(), clip),
            }),
            "retry" => break,
            other => {
                let reason = format!(
                    "the endpoint answers `{}` as the status of event {event_id} (known: ok, duplicate, rejected, retry)",
                    clip(other.to_owned())
                );
                return Err(Setback::Denied { reason });
            }
        });
    }
    Ok(Taken { outcomes, retry_after })
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests;
