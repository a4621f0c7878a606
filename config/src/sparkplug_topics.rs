//! The topics of Sparkplug B: what a table subscribes to, and what mappings of other messages should leave alone.

use crate::check::Check;
use crate::path::Path;
use crate::report::code;
use crate::sparkplug::SparkplugMapping;
use crate::topic_filter::TopicFilter;

/// The first level of every topic (Sparkplug 3.0, 4.1).
const NAMESPACE: &str = "spBv1.0";
/// What a node and its devices publish. Commands are for them, and nobody else's to read.
const OF_NODE: [&str; 3] = ["NBIRTH", "NDATA", "NDEATH"];
const OF_DEVICE: [&str; 3] = ["DBIRTH", "DDATA", "DDEATH"];

/// All that nodes and their devices publish, `+` standing for any group or node.
pub(crate) fn published(group: &str, node: &str) -> Vec<TopicFilter> {
    let of_node = OF_NODE.map(|what| format!("{NAMESPACE}/{group}/{what}/{node}"));
    let of_device = OF_DEVICE.map(|what| format!("{NAMESPACE}/{group}/{what}/{node}/+"));
    of_node.iter().chain(&of_device).filter_map(|filter| TopicFilter::new(filter).ok()).collect()
}

/// Reports a topic mapping that is meant for what Sparkplug publishes. `tables` are those of the same source, which take
/// their messages first.
pub(crate) fn check_apart(filter: &TopicFilter, tables: &[SparkplugMapping], at: &Path, check: &mut Check<'_>) {
    if tables.iter().flat_map(SparkplugMapping::filters).any(|taken| taken.covers(filter)) {
        let message = format!("`{filter}` is never reached: a table of `sparkplug` takes every message first");
        check.report.error(code::CONFLICT, at, message);
        return;
    }
    // A wider filter may well be meant for the rest.
    let is_meant = filter.as_subscription().split('/').next() == Some(NAMESPACE);
    if is_meant && published("+", "+").iter().any(|published| published.overlaps(filter)) {
        let message = format!("`{filter}` matches messages of Sparkplug B, which are no JSON: they are rejected");
        check.report.warning(code::CONFLICT, at, message).help("[[source.mqtt.sparkplug]] reads them");
    }
}
