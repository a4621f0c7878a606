//! The tags of a device, for who refers to them by name.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::check::Check;
use crate::items::Items;
use crate::labels::Labels;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::sparkplug::MetricTag;
use crate::spelling::nearest;
use crate::tag::Tag;
use crate::tag_type::TagType;

/// For so many unknown names the nearest spelling is looked for, which takes a while among thousands of tags. Where there
/// are more, the spelling is not the mistake.
const SUGGESTIONS_MAX: usize = 100;

/// What who refers to a tag has to know of it, be it read from registers or published.
#[derive(Clone, Copy)]
pub(crate) struct KnownTag<'a> {
    name: &'a TagName,
    kind: &'a TagType,
    /// Whether its value differs from the raw number.
    is_scaled: bool,
    /// Whether a raw number that counts up from zero makes a value that does.
    counts_up: bool,
    has_unit: bool,
}

impl<'a> From<&'a Tag> for KnownTag<'a> {
    fn from(tag: &'a Tag) -> Self {
        KnownTag {
            name: &tag.name,
            kind: &tag.kind,
            is_scaled: tag.is_scaled(),
            counts_up: tag.offset == 0.0 && tag.scale > 0.0,
            has_unit: tag.unit_of_measure.is_some(),
        }
    }
}

/// A node publishes values.
impl<'a> From<&'a MetricTag> for KnownTag<'a> {
    fn from(tag: &'a MetricTag) -> Self {
        let has_unit = tag.unit_of_measure.is_some();
        KnownTag { name: &tag.name, kind: &tag.kind, is_scaled: false, counts_up: true, has_unit }
    }
}

/// The tags of a device, right and wrong ones.
pub(crate) struct KnownTags<'a> {
    /// The names of all, also of those with something wrong in them.
    pub(crate) names: &'a [&'a str],
    /// By name; `None` for those with something wrong in them.
    by_name: HashMap<&'a str, Option<KnownTag<'a>>>,
    /// Names that were looked for in vain.
    unknown: Cell<usize>,
}

impl<'a> KnownTags<'a> {
    /// `tags` are those of the names in which everything is right.
    pub(crate) fn new(names: &'a [&'a str], tags: impl DoubleEndedIterator<Item = KnownTag<'a>>) -> Self {
        let mut by_name: HashMap<_, _> = names.iter().map(|name| (*name, None)).collect();
        // Of two with one name the first counts; that there are two was reported.
        by_name.extend(tags.rev().map(|tag| (&**tag.name, Some(tag))));
        KnownTags { names, by_name, unknown: Cell::new(0) }
    }

    /// The tags of a list, each once.
    pub(crate) fn sampled(&self, items: &Items<String>, at: &Path, check: &mut Check<'_>) -> Vec<TagName> {
        let mut names = Vec::new();
        let mut known = HashSet::new();
        for (at, text) in items.iter(at) {
            let Some(tag) = self.tag(text, &at, check) else { continue };
            if known.insert(tag.name) {
                names.push(tag.name.clone());
            } else {
                check.report.error(code::DUPLICATE, &at, format!("`{text}` is there twice"));
            }
        }
        names
    }

    /// The tag of this name. Nothing is said of one that is there and wrong: that was said before.
    fn tag(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<KnownTag<'a>> {
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
        if tag.is_scaled {
            let message = format!(
                "`{text}` has a scale or an offset, and a counter is taken as it is: it rolls over by its own width"
            );
            check.report.error(code::CONFLICT, at, message);
            return None;
        }
        Some(tag.name.clone())
    }

    /// The tag of this name that shows the states of a machine, and what its values are.
    pub(crate) fn state(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<(TagName, &'a TagType)> {
        let tag = self.tag(text, at, check)?;
        let is_state = match *tag.kind {
            TagType::Bool | TagType::Bit(_) | TagType::Enum(_) | TagType::Text { .. } => true,
            TagType::U8(_)
            | TagType::U16
            | TagType::U32
            | TagType::U64
            | TagType::I8(_)
            | TagType::I16
            | TagType::I32
            | TagType::I64
            | TagType::Bcd16
            | TagType::Bcd32 => !tag.is_scaled,
            TagType::F32 | TagType::F64 | TagType::Bits(_) => false,
        };
        if !is_state {
            let message = format!(
                "`{text}` shows no states (allowed: a tag of type enum, bool or string, or with a whole number that is not scaled)"
            );
            check.report.error(code::CONFLICT, at, message);
        }
        is_state.then(|| (tag.name.clone(), tag.kind))
    }

    /// The tag of this name, each of whose bits is an alarm, and what they are called. A bool is a word of one bit.
    pub(crate) fn alarm_word(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<(TagName, Vec<Arc<str>>)> {
        let tag = self.tag(text, at, check)?;
        let width = match *tag.kind {
            TagType::Bits(_) | TagType::U16 => Some(16),
            TagType::U8(_) => Some(8),
            TagType::U32 => Some(32),
            TagType::U64 => Some(64),
            TagType::Bool
            | TagType::Bit(_)
            | TagType::I8(_)
            | TagType::I16
            | TagType::I32
            | TagType::I64
            | TagType::F32
            | TagType::F64
            | TagType::Bcd16
            | TagType::Bcd32
            | TagType::Text { .. }
            | TagType::Enum(_) => None,
        };
        let Some(width) = width.filter(|_| !tag.is_scaled) else {
            let message = format!(
                "`{text}` is no word of bits (allowed: a tag of type bits, u8, u16, u32 or u64 that is not scaled; `flag` for a bool)"
            );
            check.report.error(code::CONFLICT, at, message);
            return None;
        };
        let unlabeled = Labels::default();
        let labels = if let TagType::Bits(labels) = tag.kind { labels } else { &unlabeled };
        let names: Vec<Arc<str>> = (0..width).map(|bit| labels.bit(bit)).collect();
        for (bit, name) in names.iter().enumerate() {
            if let Some(other) = names.iter().take(bit).position(|known| known == name) {
                let message = format!(
                    "bits {other} and {bit} of `{text}` are both called `{name}`, and no alarm tells them apart"
                );
                check.report.error(code::CONFLICT, at, message);
                return None;
            }
        }
        Some((tag.name.clone(), names))
    }

    /// The tag of this name, which is true or false.
    pub(crate) fn flag(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        let tag = self.tag(text, at, check)?;
        if !matches!(tag.kind, TagType::Bool | TagType::Bit(_)) {
            let message =
                format!("`{text}` is of type {} (allowed: a tag of type bool, or with a `bit`)", tag.kind.name());
            check.report.error(code::CONFLICT, at, message);
            return None;
        }
        Some(tag.name.clone())
    }

    /// The tag of this name, which is a number.
    pub(crate) fn number(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        let tag = self.tag(text, at, check)?;
        if !tag.kind.is_number() {
            let message = format!("`{text}` is of type {}, and only a number has limits", tag.kind.name());
            check.report.error(code::CONFLICT, at, message);
            return None;
        }
        Some(tag.name.clone())
    }

    /// The name of a tag that meters what is consumed.
    pub(crate) fn meter(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        let tag = self.tag(text, at, check)?;
        let message = if !tag.kind.is_number() {
            format!("`{text}` is of type {}, and a meter is a number", tag.kind.name())
        } else if !tag.counts_up {
            format!("`{text}` has an offset or a negative scale, and a meter counts up from zero")
        } else if !tag.has_unit {
            format!("`{text}` has no `unit_of_measure`, and a quantity is nothing without one")
        } else {
            return Some(tag.name.clone());
        };
        check.report.error(code::CONFLICT, at, message);
        None
    }

    /// Whether others can be scaled by the tag of this name.
    pub(crate) fn check_exponent(&self, text: &str, at: &Path, check: &mut Check<'_>) {
        let Some(tag) = self.tag(text, at, check) else { return };
        if !tag.kind.is_whole() || tag.is_scaled {
            let message =
                format!("`{text}` is no power of ten (allowed: a tag with a whole number that is not scaled)");
            check.report.error(code::CONFLICT, at, message);
        }
    }
}
