//! How Odoo says that a record rule keeps a user from a record, in every language that it speaks.
//!
//! Odoo writes that sentence in the language of the user's own preferences, whatever language the call asks for, and `load`
//! passes on the sentence alone, without the name of an exception. What no translation changes is whom it names, by the user's id,
//! and what, by the model's technical name.

/// Who writes to what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) uid: i64,
    pub(super) model: &'a str,
}

impl Writer<'_> {
    /// Whether the sentence says that a rule keeps this user from a record of this model.
    pub(super) fn is_barred_by(self, sentence: &str) -> bool {
        sentence.contains(&format!("(id={})", self.uid)) && sentence.contains(self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_known_in_every_language_by_whom_it_keeps_from_what() {
        let writer = Writer { uid: 6, model: "maintenance.request" };
        for sentence in [
            "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, Plant (id=6) doesn't have 'create' \
             access to:\n- Maintenance Request, E7 (maintenance.request: 12)\n\nBlame the following rules:\n- Only own",
            "Oh-oh! Es sieht so aus, als wären Sie über einige streng geheime Datensätze gestolpert.\n\nEs tut uns leid, Plant \
             (id=6) hat keinen „erstellen“-Zugriff auf:\n- Wartungsanfrage (maintenance.request)",
            "抱歉，Plant (id=6) 无权“创建”：\n- 维护请求（maintenance.request）",
        ] {
            assert!(writer.is_barred_by(sentence), "{sentence}");
        }
        for sentence in [
            "You are not allowed to create 'Maintenance Request' (maintenance.request) records.",
            "Sorry, Plant (id=6) doesn't have 'read' access to:\n- Equipment, Mill (maintenance.equipment: 3)",
            "Sorry, Somebody (id=61) doesn't have 'create' access to:\n- Maintenance Request (maintenance.request)",
        ] {
            assert!(!writer.is_barred_by(sentence), "{sentence}");
        }
    }
}
