//! What may stand in the file, read from the JSON Schema of the TOML types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value as Json;

/// What may stand at one place.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any value but a date or a time: what stands there is the owner's.
    Any,
    /// A string, perhaps with an example of one.
    Text(Option<String>),
    /// One of these words.
    Choice(Vec<String>),
    Boolean,
    Number,
    /// A whole number between these, both allowed.
    Integer(i128, i128),
    /// A list of at least so many.
    List(Box<Shape>, usize),
    Table(TableShape),
    /// Tables that the word under `type` tells apart.
    Tagged {
        known: Vec<(String, TableShape)>,
        /// The table of words that are the owner's own; `None`: there are none.
        own: Option<TableShape>,
    },
    /// One of these, told apart by the kind of value.
    Either(Vec<Shape>),
}

/// What may stand in one table.
#[derive(Debug)]
pub(crate) struct TableShape {
    /// The documentation's first sentence, for who has written no table at all.
    pub(crate) summary: Option<String>,
    pub(crate) keys: Vec<(String, Shape)>,
    pub(crate) required: Vec<String>,
    /// What keys of the owner's own may hold; `None`: there are none.
    pub(crate) others: Option<Box<Shape>>,
}

/// The JSON Schema (draft 7, which editors know) of a TOML type. Nothing is `null` in TOML.
pub(crate) fn schema_of<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(without_null));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn without_null(schema: &mut schemars::Schema) {
    let null = Json::from("null");
    if let Some(Json::Array(types)) = schema.get_mut("type") {
        types.retain(|known| *known != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Json::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Json::Array(choices)) = schema.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type") != Some(&null));
    if let [Json::Object(only)] = choices.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            // What the field says of itself comes before what its type says.
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}

impl Shape {
    /// Reads one schema. What the TOML types do not use is taken for [`Shape::Any`].
    pub(crate) fn of(schema: &Json) -> Self {
        if let Some(words) = words(schema) {
            return Self::Choice(words);
        }
        if let Some(choices) = list(schema, "oneOf") {
            return Self::tagged(choices);
        }
        if let Some(choices) = list(schema, "anyOf") {
            return Self::Either(choices.iter().map(Self::of).collect());
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("string") => {
                Self::Text(list(schema, "examples").and_then(|all| all.first()?.as_str()).map(str::to_owned))
            }
            Some("boolean") => Self::Boolean,
            Some("number") => Self::Number,
            Some("integer") => Self::Integer(limit(schema, "minimum", i64::MIN), limit(schema, "maximum", i64::MAX)),
            Some("array") => {
                let items = schema.get("items").map_or(Self::Any, Self::of);
                let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
                Self::List(Box::new(items), usize::try_from(least).unwrap_or(usize::MAX))
            }
            Some("object") => Self::Table(TableShape::of(schema)),
            Some(_) | None => Self::Any,
        }
    }

    /// Tables of which one at most is for any other word than the rest have.
    fn tagged(choices: &[Json]) -> Self {
        let (known, others): (Vec<&Json>, Vec<&Json>) = choices.iter().partition(|choice| tag(choice).is_some());
        let known = known.into_iter().filter_map(|choice| Some((tag(choice)?, TableShape::of(choice)))).collect();
        match others.as_slice() {
            [] => Self::Tagged { known, own: None },
            [own] => Self::Tagged { known, own: Some(TableShape::of(own)) },
            _ => Self::Any,
        }
    }

    /// In words, as in "expected a string".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Any => "a value".to_owned(),
            Self::Text(_) | Self::Choice(_) => "a string".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Integer(..) => "a whole number".to_owned(),
            Self::List(items, _) => match **items {
                Self::Text(_) | Self::Choice(_) => "a list of strings".to_owned(),
                Self::Table(_) | Self::Tagged { .. } => "a list of tables".to_owned(),
                Self::Any | Self::Boolean | Self::Number | Self::Integer(..) | Self::List(..) | Self::Either(_) => {
                    "a list".to_owned()
                }
            },
            Self::Table(_) | Self::Tagged { .. } => "a table".to_owned(),
            Self::Either(choices) => {
                let choices: Vec<String> = choices.iter().map(Self::expected).collect();
                choices.join(" or ")
            }
        }
    }
}

impl TableShape {
    fn of(schema: &Json) -> Self {
        let keys = schema.get("properties").and_then(Json::as_object).into_iter().flatten();
        let others = match schema.get("additionalProperties") {
            Some(Json::Bool(false)) => None,
            Some(others) => Some(Box::new(Shape::of(others))),
            None => Some(Box::new(Shape::Any)),
        };
        Self {
            summary: schema
                .get("description")
                .and_then(Json::as_str)
                .and_then(|text| text.lines().next())
                .map(str::to_owned),
            keys: keys.map(|(key, schema)| (key.clone(), Shape::of(schema))).collect(),
            required: list(schema, "required")
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect(),
            others,
        }
    }

    /// A table whose keys are all the owner's own.
    pub(crate) fn open() -> Self {
        Self { summary: None, keys: Vec::new(), required: Vec::new(), others: Some(Box::new(Shape::Any)) }
    }

    /// What may stand under a key.
    pub(crate) fn key(&self, key: &str) -> Option<&Shape> {
        let known = self.keys.iter().find(|(known, _)| known == key).map(|(_, shape)| shape);
        known.or(self.others.as_deref())
    }
}

/// The words of a choice, which schemars writes as `enum`, as `const`, or as `oneOf` of these when they are documented.
fn words(schema: &Json) -> Option<Vec<String>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word.as_str()?.to_owned()]);
    }
    if let Some(words) = list(schema, "enum") {
        return words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
    }
    let nested: Option<Vec<Vec<String>>> = list(schema, "oneOf")?.iter().map(words).collect();
    nested.map(|words| words.concat())
}

/// The word by which a table of a tagged choice is known.
pub(crate) fn tag(schema: &Json) -> Option<String> {
    schema.pointer("/properties/type/const").and_then(Json::as_str).map(str::to_owned)
}

fn list<'a>(schema: &'a Json, key: &str) -> Option<&'a [Json]> {
    schema.get(key).and_then(Json::as_array).map(Vec::as_slice)
}

fn limit(schema: &Json, key: &str, otherwise: i64) -> i128 {
    let limit = schema.get(key);
    let unsigned = || limit.and_then(Json::as_u64).map(i128::from);
    limit.and_then(Json::as_i64).map(i128::from).or_else(unsigned).unwrap_or(i128::from(otherwise))
}
