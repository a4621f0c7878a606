//! Answers as endpoints and the proxies before them give them.

use serde_json::{Value, json};

use super::*;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn answered(status: u16, body: &[u8]) -> Result<Taken, Setback> {
    let answer =
        Answer { status, retry_after: Some(Duration::from_secs(7)), body: body.to_owned(), ..Answer::default() };
    of(&answer, &[id(1), id(2), id(3)])
}

/// The outcomes of three events by what the endpoint says of them.
fn outcomes(results: Value) -> Vec<Outcome> {
    answered(200, json!({ "results": results }).to_string().as_bytes()).unwrap().outcomes
}

fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected(Refusal { code: CODE.to_owned(), reason: reason.to_owned() })
}

#[test]
fn a_success_that_names_no_event_has_taken_all_of_them() {
    for body in ["", "ok", "{}", "[]", r#"{"results":3}"#, r#"{"results":[{"row":1}]}"#, "<html></html>"] {
        for status in [200, 202, 204] {
            assert_eq!(answered(status, body.as_bytes()).unwrap().outcomes, vec![Outcome::Delivered; 3], "{body}");
        }
    }
}

#[test]
fn each_event_gets_the_verdict_under_its_own_id() {
    let results = json!([
        {"event_id": id(3), "status": "ok"},
        {"event_id": id(1), "status": "duplicate"},
        {"event_id": id(2), "status": "rejected", "reason": "no such order"},
        {"event_id": id(9), "status": "rejected", "reason": "not one of these"},
    ]);
    assert_eq!(outcomes(results), [Outcome::Delivered, rejected("no such order"), Outcome::Delivered]);
    assert_eq!(
        outcomes(json!([{"event_id": id(1), "status": "rejected"}])),
        [rejected("the endpoint rejects it without a reason")]
    );
}

#[test]
fn from_the_first_event_on_that_is_to_come_again_or_is_not_named_nothing_is_decided() {
    let retry = json!([
        {"event_id": id(1), "status": "ok"}, {"event_id": id(2), "status": "retry"}, {"event_id": id(3), "status": "ok"},
    ]);
    assert_eq!(outcomes(retry), [Outcome::Delivered]);
    assert_eq!(
        outcomes(json!([{"event_id": id(1), "status": "ok"}, {"event_id": id(3), "status": "ok"}])),
        [Outcome::Delivered]
    );
    assert_eq!(outcomes(json!([])), []);
}

#[test]
fn a_word_that_is_no_verdict_stops_everything_and_is_told() {
    for results in [json!([{"event_id": id(1), "status": "failed"}]), json!([{"event_id": id(1)}])] {
        let answer = answered(200, json!({ "results": results }).to_string().as_bytes());
        let Err(Setback::Denied { reason }) = answer else { panic!("{answer:?}") };
        assert!(reason.contains("(known: ok, duplicate, rejected, retry)"), "{reason}");
    }
}

#[test]
fn a_status_tells_who_can_act() {
    for (status, kind) in [
        (307, "unreachable"),
        (400, "refused"),
        (401, "denied"),
        (403, "denied"),
        (404, "denied"),
        (405, "denied"),
        (407, "denied"),
        (408, "unreachable"),
        (409, "refused"),
        (410, "denied"),
        (413, "too large"),
        (415, "denied"),
        (422, "refused"),
        (425, "unreachable"),
        (429, "busy"),
        (500, "unreachable"),
        (502, "unreachable"),
        (503, "busy"),
        (504, "unreachable"),
    ] {
        let found = match answered(status, b"why not").unwrap_err() {
            Setback::Refused { .. } => "refused",
            Setback::TooLarge { .. } => "too large",
            Setback::Unanswered(_) => "unanswered",
            Setback::Unreachable(_) => "unreachable",
            Setback::Busy { retry_after } => {
                assert_eq!(retry_after, Some(Duration::from_secs(7)));
                "busy"
            }
            Setback::Denied { .. } => "denied",
        };
        assert_eq!(found, kind, "{status}");
    }
}

#[test]
fn a_refusal_is_told_with_the_endpoints_own_words() {
    let Err(Setback::Refused { reason }) = answered(422, b" order is missing\n") else { panic!("not refused") };
    assert_eq!(reason, "the endpoint answers 422: order is missing");
    let Err(Setback::Refused { reason }) = answered(400, b"") else { panic!("not refused") };
    assert_eq!(reason, "the endpoint answers 400");
}

#[test]
fn a_certificate_that_nginx_does_not_accept_is_not_the_events_fault() {
    let page = b"<html>\n<head><title>400 No required SSL certificate was sent</title></head>\n</html>";
    assert!(matches!(answered(400, page), Err(Setback::Denied { .. })));
}
