//! Buttons pressed on records that are there: after the state was read, and only those that do nothing more when an answer was
//! lost and they are pressed again.

use plantlink_config::{Button, Sharing};
use serde_json::Value;

use super::api::{Pressed, Server};
use super::clerk::{Case, Clerk, Fate};
use super::existing::Standing;
use super::record::Mapping;
use super::verdict::Setback;

/// What was made of a manufacturing order so far.
const PRODUCED: &str = "qty_producing";

impl<S: Server> Clerk<S> {
    /// Presses the button of each record that the events mean and that is in the state for it. Where Odoo asks a question back,
    /// nothing was done, and a person has to answer.
    pub(super) async fn press(&mut self, mapping: &Mapping, cases: Vec<Case<'_>>) -> Result<(), Setback> {
        let Sharing::Press { existing, button, .. } = &mapping.record().sharing else { return Ok(()) };
        for mut case in cases {
            let Some(key) = self.key(mapping, &mut case) else { continue };
            let id = match self.standing(mapping, existing, &key, &mut case).await? {
                Standing::Open(id) => id,
                Standing::Over | Standing::Missing => continue,
            };
            if let Some(reason) = self.hindrance(*button, mapping.model(), id).await? {
                case.turns(Fate::Rejected(reason));
                continue;
            }
            match self.server.press(mapping.model(), id, *button).await? {
                Pressed::Done => {}
                Pressed::Answers(action) => match self.standing(mapping, existing, &key, &mut case).await? {
                    // It is done, and Odoo would print labels besides.
                    Standing::Over => {}
                    Standing::Open(_) => {
                        let (method, model) = (button.method(), mapping.model());
                        let reason =
                            format!("Odoo answers {method} of {model} {id} with `{action}`: a person has to decide");
                        case.turns(Fate::Rejected(reason));
                    }
                    Standing::Missing => continue,
                },
            }
            self.register.took(mapping.label(), id);
        }
        Ok(())
    }

    /// Why the button may not be pressed although the record is in the state for it.
    async fn hindrance(&mut self, button: Button, model: &str, id: i64) -> Result<Option<String>, Setback> {
        match button {
            Button::ButtonMarkDone => {
                let found = self.server.read(model, &[id], &[PRODUCED]).await?;
                let produced = found.get(&id).and_then(|order| order.get(PRODUCED)).and_then(Value::as_f64);
                Ok(produced.is_none_or(|produced| produced <= 0.0).then(|| {
                    format!(
                        "nothing was entered as produced for {model} {id}: closing it would enter all that was ordered"
                    )
                }))
            }
        }
    }
}
