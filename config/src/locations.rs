//! From a path to the place in the files where it stands.

use std::collections::HashMap;

use crate::{
    document::{Entry, Node, Place, Value},
    path::Path,
};

/// Where each value of the merged files stands.
#[derive(Debug, Default)]
pub(crate) struct Locations {
    places: HashMap<Path, Place>,
}

impl Locations {
    /// The places of everything in the tree.
    pub(crate) fn of(tree: &Node) -> Self {
        let mut locations = Self::default();
        locations.take_in(tree, Path::top());
        locations
    }

    /// Whether there is such a value, right or wrong.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.places.contains_key(path)
    }

    /// The place of the value. What is not in the files stands where the table does that it is missing in.
    pub(crate) fn value(&self, path: &Path) -> Place {
        let mut path = Some(path.clone());
        while let Some(at) = path {
            if let Some(place) = self.places.get(&at) {
                return *place;
            }
            path = at.parent();
        }
        Place::START
    }

    fn take_in(&mut self, node: &Node, path: Path) {
        match &node.value {
            Value::Table(entries) => {
                for Entry { key, node, .. } in entries {
                    self.take_in(node, path.key(key));
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.take_in(item, path.item(index));
                }
            }
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Moment => {}
        }
        self.places.insert(path, node.place);
    }
}
