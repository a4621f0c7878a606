//! A damaged database as rows: what its trees still lead to, and what lies on pages that they no longer lead to.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use rusqlite::types::Value;

use super::node::{self, Node, Row};
use super::pages::Pages;

pub(super) struct Damaged {
    pages: Pages,
    /// Where the tree of each table and index begins, by name.
    roots: BTreeMap<String, u32>,
    /// The pages that a tree has led to, with where it begins.
    seen: HashMap<u32, u32>,
}

impl Damaged {
    /// `roots` are those of a new buffer: where the file does not say where a tree begins, it begins there.
    pub(super) fn open(path: &Path, roots: BTreeMap<String, u32>) -> io::Result<Self> {
        let mut damaged = Self { pages: Pages::open(path)?, roots, seen: HashMap::new() };
        let mut found = BTreeMap::new();
        damaged.walk(1, &mut |row| {
            if let [_, Value::Text(name), _, Value::Integer(root), _] = row.values.as_slice()
                && let Ok(root) = u32::try_from(*root)
            {
                found.insert(name.clone(), root);
            }
            Ok::<_, io::Error>(())
        })?;
        damaged.roots.extend(found);
        Ok(damaged)
    }

    /// Whether there is a write-ahead log that can be read, from its first commit to its last.
    pub(super) fn has_log(&self) -> bool {
        self.pages.has_log()
    }

    /// Gives all rows of a table or an index that can be reached, in no order, and says whether those are all it has.
    pub(super) fn rows<E>(&mut self, name: &str, mut each: impl FnMut(Row) -> Result<(), E>) -> Result<bool, E> {
        match self.roots.get(name) {
            Some(root) => self.walk(*root, &mut each),
            None => Ok(false),
        }
    }

    /// Gives the rows of tables on pages that the tree of this one has not led to, except those that are known to be free.
    /// Where pages have changed places, another tree may have.
    pub(super) fn strays<E>(&mut self, name: &str, mut each: impl FnMut(Row) -> Result<(), E>) -> Result<(), E> {
        for number in 2..=self.pages.count() {
            let is_stray = self.seen.get(&number) != self.roots.get(name)
                && self.pages.read(number).is_some_and(|page| node::is_table_leaf(&page))
                && !self.pages.is_free(number);
            if is_stray {
                Node::read(&self.pages, number).rows.into_iter().try_for_each(&mut each)?;
            }
        }
        Ok(())
    }

    fn walk<E>(&mut self, root: u32, each: &mut impl FnMut(Row) -> Result<(), E>) -> Result<bool, E> {
        let mut is_whole = true;
        let mut ahead = vec![root];
        while let Some(number) = ahead.pop() {
            // A page belongs to one tree, once: damage must not lead in circles.
            if self.seen.contains_key(&number) {
                is_whole = false;
                continue;
            }
            self.seen.insert(number, root);
            let Node { children, rows, is_whole: is_readable } = Node::read(&self.pages, number);
            is_whole &= is_readable;
            ahead.extend(children);
            rows.into_iter().try_for_each(&mut *each)?;
        }
        Ok(is_whole)
    }
}
