//! The tags of a device, for who refers to them by name.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
};

use crate::{check::Check, items::Items, name::TagName, path::Path, report::code, spelling::nearest, tag::Tag};

/// For so many unknown names the nearest spelling is looked for, which takes a while among thousands of tags. Where there
/// are more, the spelling is not the mistake.
const SUGGESTIONS_MAX: usize = 100;

/// The tags of a device, right and wrong ones.
pub(crate) struct KnownTags<'a> {
    /// The names of all, also of those with something wrong in them.
    pub(crate) names: &'a [&'a str],
    /// By name; `None` for those with something wrong in them.
    by_name: HashMap<&'a str, Option<&'a Tag>>,
    /// Names that were looked for in vain.
    unknown: Cell<usize>,
}

impl<'a> KnownTags<'a> {
    /// `tags` are those of the names in which everything is right.
    pub(crate) fn new(names: &'a [&'a str], tags: &'a [Tag]) -> Self {
        let mut by_name: HashMap<_, _> = names.iter().map(|name| (*name, None)).collect();
        // Of two with one name the first counts; that there are two was reported.
        by_name.extend(tags.iter().rev().map(|tag| (&*tag.name, Some(tag))));
        KnownTags { names, by_name, unknown: Cell::new(0) }
    }

    /// The tags of a list, each once.
    pub(crate) fn sampled(&self, items: &Items<String>, at: &Path, check: &mut Check<'_>) -> Vec<TagName> {
        let mut names = Vec::new();
        let mut known = HashSet::new();
        for (at, text) in items.iter(at) {
            let Some(tag) = self.tag(text, &at, check) else { continue };
            if known.insert(&tag.name) {
                names.push(tag.name.clone());
            } else {
                check.report.error(code::DUPLICATE, &at, format!("`{text}` is there twice"));
            }
        }
        names
    }

    /// The tag of this name. Nothing is said of one that is there and wrong: that was said before.
    fn tag(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<&'a Tag> {
        if let Some(tag) = self.by_name.get(text) {
            return *tag;
        }
        let unknown = self.unknown.replace(self.unknown.get() + 1);
        let nearest = if unknown < SUGGESTIONS_MAX { nearest(text, self.names.iter().copied()) } else { None };
        check.report.error(code::UNKNOWN_NAME, at, format!("the device has no tag `{text}`")).did_you_mean(nearest);
        None
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
