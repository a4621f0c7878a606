//! Lists in which what is wrong was reported and left out, while the rest keeps its place.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::path::Path;

/// A list as the lint leaves it. For the schema it is a plain list.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Items<T>(Vec<Option<T>>);

/// One text, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(#[schemars(length(min = 1))] Items<String>),
}

impl<T> Items<T> {
    /// What is right, each with its own path. `at` is the list's.
    pub(crate) fn iter<'a>(&'a self, at: &Path) -> impl Iterator<Item = (Path, &'a T)> + use<'a, T> {
        let list = at.clone();
        self.0.iter().enumerate().filter_map(move |(index, item)| Some((list.item(index), item.as_ref()?)))
    }
}

impl<T, const N: usize> From<[T; N]> for Items<T> {
    fn from(items: [T; N]) -> Self {
        Self(items.into_iter().map(Some).collect())
    }
}

impl OneOrMany {
    /// The texts, each with its own path. `at` is the key's.
    pub(crate) fn texts(&self, at: &Path) -> Vec<(Path, &str)> {
        match self {
            Self::One(text) => vec![(at.clone(), text)],
            Self::Many(items) => items.iter(at).map(|(at, text)| (at, text.as_str())).collect(),
        }
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: JsonSchema> JsonSchema for Items<T> {
    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}
