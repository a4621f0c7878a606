//! What a flow can say of an event that it does not have, for a person.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::control::{GivenUp, Gone};

/// Some lines on a flow with its destination, for an event that was made at this moment, if that is known.
pub(super) fn text(gone: &Gone, to: &str, made_at: Option<&str>) -> String {
    let Gone { flow, kept_from, kept_since, unseen, all_delivered, dropped, losses } = gone;
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = match kept_since {
        Some(since) => {
            writeln!(out, "  {flow} (to {to}) has its events from number {kept_from} on, recorded since {since}")
        }
        None => writeln!(out, "  {flow} (to {to}) has no event any more; the next one gets the number {kept_from}"),
    };
    if *unseen > 0 {
        let _ = writeln!(out, "    the first {unseen} numbers of these were not looked at");
    }
    if *all_delivered {
        if *kept_from > 1 {
            let _ = writeln!(out, "    what it had before was delivered: it has never given up an event");
        }
        return out;
    }
    let _ = writeln!(
        out,
        "    delivered or given up, which is no longer known: {dropped} events of this flow were given up so far, as far as \
         its counts go back"
    );
    for loss in losses {
        let _ = writeln!(out, "    {}", account(loss, made_at));
    }
    let named = losses.iter().map(|loss| loss.count).sum();
    let others = dropped.saturating_sub(named);
    if others > 0 && !losses.is_empty() {
        let _ = writeln!(
            out,
            "    {others} others: given up by a person, merged with others, or named by an event that is not kept any more"
        );
    }
    out
}

fn account(loss: &GivenUp, made_at: Option<&str>) -> String {
    let GivenUp { first_sequence, last_sequence, count, cause, policy, from_at, to_at } = loss;
    let mut out = format!("{count} of the numbers {first_sequence} to {last_sequence} (cause {cause}");
    if let Some(policy) = policy {
        let _ = write!(out, ", policy {policy}");
    }
    out.push(')');
    if let (Some(from), Some(to)) = (from_at, to_at) {
        let _ = write!(out, ", recorded from {from} to {to}");
        if made_at.is_some_and(|made| is_within(made, from, to)) {
            out.push_str(", which is when this event was made");
        }
    }
    out
}

/// Whether one moment lies between two others.
fn is_within(moment: &str, from: &str, to: &str) -> bool {
    let parsed = [moment, from, to].map(str::parse::<Timestamp>);
    matches!(parsed, [Ok(moment), Ok(from), Ok(to)] if from <= moment && moment <= to)
}
