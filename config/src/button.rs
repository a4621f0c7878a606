//! Buttons of Odoo's forms that an event may press.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::path::Path;
use crate::report::code;

/// A button whose second press does nothing more: of all that Odoo has, only such a one may be pressed without knowing whether the
/// first press was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// A manufacturing order is closed: what was produced and consumed becomes stock. Of what is missing no backorder is made.
    ButtonMarkDone,
}

impl Button {
    /// The method behind it.
    pub fn method(self) -> &'static str {
        match self {
            Self::ButtonMarkDone => "button_mark_done",
        }
    }

    /// The model that has it.
    fn model(self) -> &'static str {
        match self {
            Self::ButtonMarkDone => "mrp.production",
        }
    }

    /// It has to be a button of the record's model.
    pub(crate) fn check(self, model: Option<&str>, at: &Path, check: &mut Check<'_>) {
        if let Some(model) = model.filter(|model| *model != self.model()) {
            let message = format!("`{}` is a button of `{}`, and this is for `{model}`", self.method(), self.model());
            check.report.error(code::CONFLICT, at, message);
        }
    }
}
