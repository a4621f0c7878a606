//! For whom a command answers.

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In words and columns.
    People,
    /// In JSON.
    Scripts,
}

impl Form {
    /// As `--json` was given or not.
    pub(super) fn wanted(json: bool) -> Self {
        if json { Form::Scripts } else { Form::People }
    }
}
