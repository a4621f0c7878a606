//! Buttons: when they are pressed, and what their answers mean.

use plantlink_config::{Absent, Button, EventPattern, Existing, Part, Reference, Sharing, Template, Which};
use serde_json::{Map, json};

use super::scripted::*;
use super::*;

/// The order that an alarm's device names is closed, with what the order holds before and after.
async fn closed(state: &str, quantity: f64, after: &str, action: Option<&'static str>) -> (Vec<Button>, Vec<Outcome>) {
    let mut order = record("order", "alarm.*", "mrp.production");
    let device = Part::Look { up: Reference::Name("device".to_owned()), format: None };
    order.fields = Vec::new();
    order.sharing = Sharing::Press {
        on: vec![EventPattern::new("alarm.*").unwrap()],
        existing: Existing {
            which: Which::Having(vec![("name".to_owned(), Template { parts: vec![device] })]),
            only_while: vec![("state".to_owned(), vec![json!("to_close")])],
            missing: Absent::Wait,
        },
        button: Button::ButtonMarkDone,
    };
    let (server, mut odoo) = odoo(vec![order]);
    server.set(|script| {
        script.found = vec![7];
        script.held =
            Map::from_iter([("state".to_owned(), json!(state)), ("qty_producing".to_owned(), json!(quantity))]);
        script.held_after = Map::from_iter([("state".to_owned(), json!(after))]);
        script.action = action;
    });
    let outcomes = odoo.deliver(&alarms(2)).await.outcomes;
    (server.look(|script| script.pressed.clone()), outcomes)
}

#[tokio::test(start_paused = true)]
async fn a_button_is_pressed_once_in_the_state_for_it_and_the_state_says_whether_it_is_done() {
    let done = vec![Outcome::Delivered; 2];
    let once = vec![Button::ButtonMarkDone];
    assert_eq!(closed("to_close", 5.0, "done", None).await, (once.clone(), done.clone()));
    assert_eq!(closed("progress", 5.0, "done", None).await, (Vec::new(), done.clone()), "a work order is still open");
    assert_eq!(closed("to_close", 5.0, "done", Some("Labels")).await, (once, done), "it prints besides");
}

#[tokio::test(start_paused = true)]
async fn what_odoo_asks_a_person_is_the_refusal_and_what_nobody_produced_is_not_closed() {
    let (pressed, outcomes) = closed("to_close", 5.0, "to_close", Some("Consumption Warning")).await;
    let reason = "Odoo answers button_mark_done of mrp.production 7 with `Consumption Warning`: a person has to decide";
    assert_eq!((pressed.len(), outcomes), (2, vec![rejected(reason); 2]));
    let (pressed, outcomes) = closed("to_close", 0.0, "done", None).await;
    let reason = "nothing was entered as produced for mrp.production 7: closing it would enter all that was ordered";
    assert_eq!((pressed, outcomes), (Vec::new(), vec![rejected(reason); 2]));
}
