//! From a path to the place in the files where it stands.

use std::iter::successors;

use crate::document::{Node, Place};
use crate::path::Path;

/// Where each value of the merged files stands: the tree itself, in which every value knows its place.
#[derive(Debug)]
pub(crate) struct Locations {
    root: Node,
}

impl Locations {
    /// The places of everything in the tree.
    pub(crate) fn of(root: Node) -> Self {
        Self { root }
    }

    /// The tree.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Whether there is such a value, right or wrong.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.way(path).count() > path.steps().len()
    }

    /// The place of the value. What is not in the files stands where the table does that it is missing in.
    pub(crate) fn value(&self, path: &Path) -> Place {
        self.way(path).last().map_or(Place::START, |node| node.place)
    }

    /// The values on the way from the top to this one, as far as there are any.
    fn way(&self, path: &Path) -> impl Iterator<Item = &Node> {
        let mut steps = path.steps().iter();
        successors(Some(&self.root), move |node| node.step(steps.next()?))
    }
}

/// Nothing could be read: everything stands at the start.
impl Default for Locations {
    fn default() -> Self {
        Self::of(Node::EMPTY)
    }
}
