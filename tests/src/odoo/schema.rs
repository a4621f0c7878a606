//! What a model of the fake Odoo is: fields, labels, who may create, and Odoo's own rules.

/// One model of the database.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
    /// What a user without the right to create is told.
    pub(super) refusal: Refusal,
    pub(super) rule: Rule,
}

impl Model {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The words of a refused `create`: the model that Odoo names (not always the one that was asked for) and the groups that may.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) label: &'static str,
    pub(super) model: &'static str,
    pub(super) groups: &'static [&'static str],
}

/// A field, its label in English, and whether a row without it is refused.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Char,
    Html,
    Integer,
    Float,
    Boolean,
    Date,
    Datetime,
    /// Keys and labels.
    Selection(&'static [(&'static str, &'static str)]),
    /// The model it points to.
    Many2one(&'static str),
}

/// What Odoo checks beyond single values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Nothing,
    /// The end may not lie before the beginning.
    EndsAfterStart {
        start: &'static str,
        end: &'static str,
        text: &'static str,
    },
    /// A lot's name is unique for its product.
    OneLotPerProduct,
}
