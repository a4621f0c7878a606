//! The keys of an event's data that its owner adds to those that the derivation fills.

use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::known_tags::KnownTags;
use crate::lookup::Lookup;
use crate::path::Path;
use crate::report::code;
use crate::template::DataTemplate;

/// The owner's keys, none of which may be one of `filled`. `usual` names some of those that the catalogue has for them.
/// `at` is the place of the derivation.
pub(super) fn own_data(
    data: &Map<String, Json>,
    filled: &[&str],
    usual: &str,
    known: &KnownTags<'_>,
    at: &Path,
    check: &mut Check<'_>,
) -> Vec<(String, DataTemplate)> {
    let at = at.key("data");
    for key in data.keys().filter(|key| filled.contains(&key.as_str())) {
        let message = format!("`{key}` is filled by the event itself (allowed: {usual}, and keys of your own)");
        check.report.error(code::CONFLICT, &at.key(key), message);
    }
    Lookup::Tags(known.names).data(data, &at, check)
}
