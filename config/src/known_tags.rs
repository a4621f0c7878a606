//! The tags of a device, for who refers to them by name.

use crate::{check::Check, items::Items, name::TagName, path::Path, report::code, spelling::nearest, tag::Tag};

/// The tags of a device, right and wrong ones.
pub(crate) struct KnownTags<'a> {
    /// The names of all, also of those with something wrong in them.
    pub(crate) names: &'a [&'a str],
    /// Those that are right.
    pub(crate) tags: &'a [Tag],
}

impl KnownTags<'_> {
    /// The tags of a list, each once.
    pub(crate) fn sampled(&self, items: &Items<String>, at: &Path, check: &mut Check<'_>) -> Vec<TagName> {
        let mut names = Vec::new();
        for (at, text) in items.iter(at) {
            let Some(tag) = self.tag(text, &at, check) else { continue };
            if names.contains(&tag.name) {
                check.report.error(code::DUPLICATE, &at, format!("`{text}` is there twice"));
            } else {
                names.push(tag.name.clone());
            }
        }
        names
    }

    /// The tag of this name. Nothing is said of one that is there and wrong: that was said before.
    fn tag(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<&Tag> {
        if !self.names.contains(&text) {
            let nearest = nearest(text, self.names.iter().copied());
            check.report.error(code::UNKNOWN_NAME, at, format!("the device has no tag `{text}`")).did_you_mean(nearest);
        }
        self.tags.iter().find(|tag| *tag.name == *text)
    }

    /// The name of a tag that counts pieces.
    pub(crate) fn counter(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        let tag = self.tag(text, at, check)?;
        if !tag.kind.is_number() {
            let message = format!("`{text}` is of type {}, and a counter is a number", tag.kind.name());
            check.report.error(code::CONFLICT, at, message);
            return None;
        }
        if tag.is_scaled() {
            let message = format!(
                "`{text}` has a scale or an offset, and a counter is taken as it is: it rolls over by its own width"
            );
            check.report.error(code::CONFLICT, at, message);
            return None;
        }
        Some(tag.name.clone())
    }

    /// Whether others can be scaled by the tag of this name.
    pub(crate) fn check_exponent(&self, text: &str, at: &Path, check: &mut Check<'_>) {
        let Some(tag) = self.tag(text, at, check) else { return };
        if !tag.kind.is_whole() || tag.is_scaled() {
            let message =
                format!("`{text}` is no power of ten (allowed: a tag with a whole number that is not scaled)");
            check.report.error(code::CONFLICT, at, message);
        }
    }
}
