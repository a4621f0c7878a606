//! `load`: create once, skip, overwrite or refuse, all or nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cell::{Cell, Complaint, Naming, convert, with_module};
use super::database::{Database, Snapshot, User, Values};
use super::refusal::{RpcError, barred, not_allowed};
use super::schema::{Field, Model, Rule};

/// After this many errors Odoo looks at no further row.
const ERRORS_MAX: usize = 10;

/// The call as it came, and what surrounds it.
pub(super) struct Load<'a> {
    pub(super) model: &'static Model,
    pub(super) user: &'a User,
    pub(super) columns: &'a [String],
    pub(super) rows: &'a [Vec<Value>],
    pub(super) context: &'a Map<String, Value>,
    pub(super) snapshot: Snapshot,
    /// What PostgreSQL says, in its own language, to the one who lost a race.
    pub(super) conflict: &'static str,
    /// Whether every row has lost a race that nobody else can see.
    pub(super) every_row_lost: bool,
}

enum Column {
    ExternalId,
    DatabaseId,
    Field(&'static Field, Naming),
}

/// A row whose cells were all taken.
struct Row {
    index: usize,
    external_id: Option<String>,
    database_id: Option<i64>,
    values: Values,
}

/// Why one row cannot be written.
struct RowError {
    message: String,
    field: Option<&'static str>,
    moreinfo: Option<&'static str>,
    /// A rule over the whole record fails the batch first, and Odoo then blames the first row for it too.
    blames_first: bool,
}

impl RowError {
    fn new(message: impl Into<String>) -> Self {
        RowError { message: message.into(), field: None, moreinfo: None, blames_first: false }
    }
}

impl Load<'_> {
    /// The result of the call; an error is one that fails it as a whole.
    pub(super) fn run(&self, database: &mut Database) -> Result<Value, RpcError> {
        let columns: Vec<Column> = self.columns.iter().map(|name| self.column(name)).collect::<Result<_, _>>()?;
        let mut messages = Vec::new();
        let rows = self.convert_rows(database, &columns, &mut messages)?;
        messages.extend(self.row_errors(database, &rows));
        if messages.iter().any(|message| message["type"] == "error") {
            self.leave_ghosts(database, &columns);
            return Ok(json!({"ids": false, "messages": messages, "nextrow": 0}));
        }
        let ids = self.write(database, rows);
        Ok(json!({"ids": ids, "messages": messages, "nextrow": 0}))
    }

    /// A cell that is refused is left out, and the row is written without it before all of it is taken back.
    fn leave_ghosts(&self, database: &mut Database, columns: &[Column]) {
        let Some(place) = columns.iter().position(|column| matches!(column, Column::ExternalId)) else { return };
        for name in self.rows.iter().filter_map(|row| row.get(place)?.as_str()).map(with_module) {
            if database.external_id(&name).is_none() {
                database.add_ghost(&name, self.model.name);
            }
        }
    }

    fn column(&self, name: &str) -> Result<Column, RpcError> {
        let (field, naming) = match name {
            "id" => return Ok(Column::ExternalId),
            ".id" => return Ok(Column::DatabaseId),
            _ => match name.split_once('/') {
                None => (name, Naming::Plain),
                Some((field, "id")) => (field, Naming::ExternalId),
                Some((field, ".id")) => (field, Naming::DatabaseId),
                Some((field, _)) => (field, Naming::Plain),
            },
        };
        let found = self.model.field(field).ok_or_else(|| RpcError::value(format!("Invalid field name '{field}'")))?;
        Ok(Column::Field(found, naming))
    }

    /// Odoo converts the cells of all rows, of existing records too, before it looks for anything.
    fn convert_rows(
        &self,
        database: &Database,
        columns: &[Column],
        messages: &mut Vec<Value>,
    ) -> Result<Vec<Row>, RpcError> {
        let mut rows = Vec::new();
        for (index, cells) in self.rows.iter().enumerate() {
            let mut row = Row { index, external_id: None, database_id: None, values: Values::new() };
            let mut refused = false;
            for (column, cell) in columns.iter().zip(cells) {
                match column {
                    Column::ExternalId => row.external_id = cell.as_str().filter(|id| !id.is_empty()).map(with_module),
                    Column::DatabaseId => row.database_id = cell.as_i64().or_else(|| cell.as_str()?.parse().ok()),
                    Column::Field(field, naming) => {
                        let value = match convert(database, field, *naming, cell)? {
                            Cell::Value(value) => value,
                            Cell::Warned(value, complaint) => {
                                messages.push(cell_message(index, field, "warning", complaint));
                                value
                            }
                            Cell::Refused(complaint) => {
                                messages.push(cell_message(index, field, "error", complaint));
                                refused = true;
                                continue;
                            }
                        };
                        row.values.insert(field.name.to_owned(), value);
                    }
                }
            }
            if !refused {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn row_errors(&self, database: &Database, rows: &[Row]) -> Vec<Value> {
        let mut errors = BTreeMap::new();
        let mut interrupted = false;
        for (tried, row) in rows.iter().enumerate() {
            let Err(error) = self.check(database, row) else { continue };
            if error.blames_first && rows.len() > 1 && errors.is_empty() {
                errors.insert(0, row_message(0, &error));
            }
            errors.insert(row.index, row_message(row.index, &error));
            if errors.len() >= ERRORS_MAX && errors.len() * 10 > tried {
                interrupted = true;
                break;
            }
        }
        let mut messages: Vec<Value> = errors.into_values().collect();
        if interrupted {
            messages.push(json!({
                "type": "warning",
                "message": "Found more than 10 errors and more than one error per 10 records, \
                            interrupted to avoid showing too many errors.",
            }));
        }
        messages
    }

    fn check(&self, database: &Database, row: &Row) -> Result<(), RowError> {
        if self.every_row_lost || self.lost_a_race(database, row) {
            return Err(RowError::new(self.conflict));
        }
        let existing = row.external_id.as_deref().and_then(|name| Some((name, database.external_id(name)?)));
        if let Some((name, to)) = existing {
            if to.model != self.model.name {
                return Err(RowError::new(format!(
                    "For external id {name} when trying to create/update a record of model {} found record of different \
                     model {} ({})",
                    self.model.name, to.model, to.id
                )));
            }
            if self.skips(to.noupdate) {
                return Ok(());
            }
        }
        if row.external_id.is_none() && row.database_id.is_none() && self.is_update() {
            return Err(RowError {
                moreinfo: Some("Resolve other errors first"),
                ..RowError::new("Unknown error during import: <class 'KeyError'>: 'record'")
            });
        }
        if let Some(id) = row.database_id
            && database.record(self.model.name, id).is_none()
        {
            return Err(RowError {
                field: Some(".id"),
                ..RowError::new(format!("Unknown database identifier '{id}'"))
            });
        }
        if row.external_id.as_deref().is_some_and(|name| name.contains(' ')) {
            return Err(RowError::new("External IDs cannot contain spaces"));
        }
        if row.values.values().any(|value| value.as_str().is_some_and(|text| text.contains('\0'))) {
            return Err(RowError {
                moreinfo: Some("Resolve other errors first"),
                ..RowError::new(
                    "Unknown error during import: <class 'ValueError'>: A string literal cannot contain NUL (0x00) characters.",
                )
            });
        }
        if existing.is_none() && row.database_id.is_none() {
            self.check_new(row)?;
        }
        check_rule(database, self.model, row.external_id.as_deref(), &row.values)
            .map_err(|message| RowError { blames_first: true, ..RowError::new(message) })
    }

    fn check_new(&self, row: &Row) -> Result<(), RowError> {
        if !self.user.may_create.contains(self.model.name) {
            return Err(RowError::new(not_allowed(self.model)));
        }
        let empty = |field: &&Field| field.required && row.values.get(field.name).is_none_or(Value::is_null);
        if let Some(field) = self.model.fields.iter().find(empty) {
            let message = format!("Missing required value for the field '{}' ({})", field.label, field.name);
            return Err(RowError { field: Some(field.name), ..RowError::new(message) });
        }
        if !self.user.may_have(self.model.name, &row.values) {
            return Err(RowError { blames_first: true, ..RowError::new(barred(self.user, self.model)) });
        }
        Ok(())
    }

    /// PostgreSQL's REPEATABLE READ: another transaction made this external id, or wrote the equipment whose counters this
    /// row would change, after this one had begun.
    fn lost_a_race(&self, database: &Database, row: &Row) -> bool {
        let made = row.external_id.as_deref().is_some_and(|name| database.made_since(self.snapshot, name));
        let equipment = row.values.get("equipment_id").and_then(Value::as_i64);
        made || equipment.is_some_and(|id| database.changed_since(self.snapshot, "maintenance.equipment", id))
    }

    fn is_update(&self) -> bool {
        self.context.get("mode").and_then(Value::as_str) == Some("update")
    }

    /// A record whose external id is marked `noupdate` is left alone in mode `update`.
    fn skips(&self, noupdate: bool) -> bool {
        noupdate && self.is_update()
    }

    fn write(&self, database: &mut Database, rows: Vec<Row>) -> Vec<i64> {
        database.commit();
        let noupdate = self.context.get("noupdate").and_then(Value::as_bool).unwrap_or_default();
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let existing = row.external_id.as_deref().and_then(|name| database.external_id(name));
            let (id, skipped) = match (existing, row.database_id) {
                (Some(to), _) => (Some(to.id), self.skips(to.noupdate)),
                (None, id) => (id, false),
            };
            let equipment = row.values.get("equipment_id").and_then(Value::as_i64);
            let id = match id {
                Some(id) => {
                    if !skipped {
                        database.write(self.model.name, id, row.values);
                    }
                    id
                }
                None => database.create(self.model.name, row.external_id.as_deref(), noupdate, row.values),
            };
            if let Some(equipment) = equipment.filter(|_| !skipped) {
                // The equipment counts its requests.
                database.write("maintenance.equipment", equipment, Values::new());
            }
            ids.push(id);
        }
        ids
    }
}

/// Checks what a model demands of a record as a whole; the error is Odoo's sentence.
pub(super) fn check_rule(
    database: &Database,
    model: &Model,
    external_id: Option<&str>,
    values: &Values,
) -> Result<(), String> {
    let text = |field: &str| values.get(field).and_then(Value::as_str);
    match model.rule {
        Rule::Nothing => Ok(()),
        Rule::EndsAfterStart { start, end, text: refusal } => match (text(start), text(end)) {
            (Some(start), Some(end)) if end < start => Err(refusal.to_owned()),
            _ => Ok(()),
        },
        Rule::OneLotPerProduct => {
            let itself = external_id.and_then(|name| database.external_id(name)).map(|to| to.id);
            let same = |field: &str, other: &Values| other.get(field) == values.get(field);
            let taken = database
                .records("stock.lot")
                .any(|(id, lot)| Some(id) != itself && same("name", lot) && same("product_id", lot));
            if !taken {
                return Ok(());
            }
            let product =
                values.get("product_id").and_then(Value::as_i64).and_then(|id| database.record("product.product", id));
            let of_product = |field: &str| product.and_then(|product| product.get(field)?.as_str()).unwrap_or_default();
            Err(format!(
                "The combination of lot/serial number and product must be unique within a company including when no company is \
                 defined.\nThe following combinations contain duplicates:\n - Product: [{}] {}, Lot/Serial Number: {}",
                of_product("default_code"),
                of_product("name"),
                text("name").unwrap_or_default()
            ))
        }
    }
}

fn cell_message(row: usize, field: &Field, kind: &str, complaint: Complaint) -> Value {
    let mut message = json!({
        "rows": {"from": row, "to": row}, "type": kind, "record": row, "field": field.name, "message": complaint.message,
    });
    if let Some(moreinfo) = complaint.moreinfo {
        message["moreinfo"] = moreinfo;
    }
    if kind == "error" {
        message["field_name"] = json!(field.label);
    }
    message
}

fn row_message(row: usize, error: &RowError) -> Value {
    let mut message =
        json!({"rows": {"from": row, "to": row}, "record": row, "type": "error", "message": error.message});
    if let Some(field) = error.field {
        message["field"] = json!(field);
    }
    if let Some(moreinfo) = error.moreinfo {
        message["moreinfo"] = json!(moreinfo);
    }
    message
}
