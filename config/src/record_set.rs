//! Sets of records: what a file of its own makes of events in Odoo, for every destination that names it.

use crate::document::{Entry, Node, Value};
use crate::expand::{list_mut, set_list};
use crate::path::Path;
use crate::report::{Report, code};
use crate::spelling::nearest;

/// Puts the records of the sets that a destination names before its own. Every value keeps its place in its own file.
pub(crate) fn join(root: &mut Node, report: &mut Report, report_missing: bool) {
    let sets = root.get("records").map(|entry| entry.node.clone());
    let at = Path::top().key("destination").key("odoo");
    for (index, odoo) in list_mut(root, &["destination", "odoo"]).iter_mut().enumerate() {
        let at = at.item(index);
        let (records, broken) = named(odoo, sets.as_ref(), &at.key("records"), report);
        let records = [records, odoo.list("record").to_vec()].concat();
        if !records.is_empty() {
            set_list(odoo, "record", records);
        } else if report_missing && !broken && odoo.get("record").is_none() {
            let message = "a destination needs records (allowed: `record`, or `records` that names sets of them)";
            report.error(code::MISSING_KEY, &at, message);
        }
    }
}

/// The records of the sets that a destination names, and whether one of these is not there.
fn named(odoo: &Node, sets: Option<&Node>, at: &Path, report: &mut Report) -> (Vec<Node>, bool) {
    let mut records = Vec::new();
    let mut broken = false;
    for (index, name) in odoo.list("records").iter().enumerate() {
        // What is no text is the lint's to report.
        let Value::Text(name) = &name.value else {
            broken = true;
            continue;
        };
        if let Some(Entry { node: Node { value: Value::List(set), .. }, .. }) = sets.and_then(|sets| sets.get(name)) {
            records.extend_from_slice(set);
            continue;
        }
        broken = true;
        let names: Vec<&str> = match sets.map(|sets| &sets.value) {
            Some(Value::Table(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            Some(_) | None => Vec::new(),
        };
        let allowed = if names.is_empty() {
            "there is none: is its file among `include`?".to_owned()
        } else {
            format!("allowed: {}", names.join(", "))
        };
        let message = format!("there is no set of records `{name}` ({allowed})");
        report.error(code::UNKNOWN_NAME, &at.item(index), message).did_you_mean(nearest(name, names.iter().copied()));
    }
    (records, broken)
}
