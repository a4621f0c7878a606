//! `measurement.sampled`: which tags are sampled, and when.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::interval::Interval;
use crate::items::OneOrMany;
use crate::known_tags::KnownTags;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;

/// Values as they are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Which tags.
    pub tags: SampledTags,
    /// All of them this often, never zero; `None`: in each scan those that changed.
    pub every: Option<Duration>,
}

/// Which tags are sampled.
#[derive(Debug, Clone, PartialEq)]
pub enum SampledTags {
    /// Every tag of the device.
    All,
    /// These, at least one, each once.
    These(Vec<TagName>),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SampledTable {
    /// Tags, or "*" for all.
    #[schemars(required)]
    sample: Option<OneOrMany>,
    /// All of them this often; left out: in each scan those that changed.
    every: Option<Interval>,
}

impl Sampled {
    /// Whether the tag is one of those that are sampled.
    pub(super) fn takes(&self, tag: &TagName) -> bool {
        match &self.tags {
            SampledTags::All => true,
            SampledTags::These(tags) => tags.contains(tag),
        }
    }
}

impl SampledTable {
    pub(super) fn check(
        &self,
        known: &KnownTags<'_>,
        scans: Option<Duration>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Sampled> {
        let every = self.every.as_ref().map(|every| every.check_some(&at.key("every"), &mut check.report));
        if let (Some(Some(every)), Some(scans)) = (every, scans)
            && every < scans
        {
            let message = format!("the device is read every {scans:?} only");
            check.report.warning(code::CONFLICT, &at.key("every"), message);
        }
        let at = at.key("sample");
        let tags = match self.sample.as_ref()? {
            OneOrMany::One(text) if text == "*" => SampledTags::All,
            OneOrMany::One(_) => {
                check.report.error(
                    code::BAD_VALUE,
                    &at,
                    "one text is not enough (allowed: a list of tags, or \"*\" for all)",
                );
                return None;
            }
            OneOrMany::Many(items) => SampledTags::These(known.sampled(items, &at, check)),
        };
        Some(Sampled { tags, every: every.map_or(Some(None), |every| every.map(Some))? })
    }
}
