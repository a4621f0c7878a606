//! The methods beside `load` that a preflight or a test asks for.

use serde_json::{Map, Value, json};

use super::custom_model::{completed, made};
use super::database::{Database, User, Values};
use super::load::check_rule;
use super::refusal::{RpcError, not_allowed};
use super::rpc::Execute;
use super::schema::{Field, Kind, Model};

/// The result of a method of every model; `None` when there is none of this name.
pub(super) fn run(
    database: &mut Database,
    user: &User,
    model: &'static Model,
    execute: &Execute,
) -> Option<Result<Value, RpcError>> {
    Some(match (model.name, execute.method.as_str()) {
        ("res.users", "context_get") => Ok(json!({"lang": "en_US", "tz": user.time_zone, "uid": user.id})),
        ("res.users", "read") => Ok(json!([{"id": user.id, "login": user.login}])),
        ("res.users.apikeys", "search_read") => Ok(own_keys(user)),
        ("ir.model.data", "check_object_reference") => check_object_reference(database, execute),
        (_, "has_access") => has_access(database, user, model, execute),
        (_, "fields_get") => Ok(fields_get(model, &execute.argument(1, "attributes"))),
        // The required fields of these models are those that nothing fills.
        (_, "default_get") => Ok(json!({})),
        (_, "search_count") => Ok(json!(search(database, model, execute).len())),
        (_, "search_read") => Ok(search_read(database, model, execute)),
        (_, "get_metadata") => Ok(get_metadata(database, model, &ids(&execute.argument(0, "ids")))),
        (_, "create") => create(database, user, model, &execute.argument(0, "vals_list")),
        (_, "write") => write(database, user, model, &ids(&execute.argument(0, "ids")), &execute.argument(1, "vals")),
        _ => return None,
    })
}

fn check_object_reference(database: &Database, execute: &Execute) -> Result<Value, RpcError> {
    let text = |at, name| execute.argument(at, name).as_str().unwrap_or_default().to_owned();
    let name = format!("{}.{}", text(0, "module"), text(1, "xml_id"));
    if let Some(to) = database.external_id(&name) {
        let is_seen = database.record(&to.model, to.id).is_some_and(|values| is_shown(values, execute));
        return Ok(json!([to.model, if is_seen { json!(to.id) } else { json!(false) }]));
    }
    let ghost = database.ghost(&name).map(|model| json!([model, false]));
    ghost.ok_or_else(|| RpcError::value(format!("External ID not found in the system: {name}")))
}

/// What is archived is found only by whoever asks for it.
fn is_shown(values: &Values, execute: &Execute) -> bool {
    let context = execute.kwargs.get("context").unwrap_or(&Value::Null);
    context["active_test"] == false || values.get("active") != Some(&json!(false))
}

/// Of records it asks the rules too.
fn has_access(database: &Database, user: &User, model: &Model, execute: &Execute) -> Result<Value, RpcError> {
    let may = execute.argument(1, "operation") == "read" || user.may_create.contains(model.name);
    for id in ids(&execute.argument(0, "ids")) {
        let Some(values) = database.record(model.name, id) else { return Err(missing(model, id, user)) };
        if !user.may_have(model.name, values) {
            return Ok(json!(false));
        }
    }
    Ok(json!(may))
}

fn missing(model: &Model, id: i64, user: &User) -> RpcError {
    let message =
        format!("Record does not exist or has been deleted.\n(Record: {}({id},), User: {})", model.name, user.id);
    RpcError::new("odoo.exceptions.MissingError", message)
}

fn fields_get(model: &Model, attributes: &Value) -> Value {
    let wanted: Option<Vec<String>> = serde_json::from_value(attributes.clone()).ok();
    let describe = |field: &Field| {
        let mut all = describe(field);
        if let Some(wanted) = &wanted {
            all.retain(|attribute, _| wanted.contains(attribute));
        }
        (field.name.to_owned(), Value::Object(all))
    };
    model.fields.iter().map(describe).collect::<Map<_, _>>().into()
}

fn describe(field: &Field) -> Map<String, Value> {
    let (kind, more) = match field.kind {
        Kind::Char => ("char", None),
        Kind::Html => ("html", None),
        Kind::Integer => ("integer", None),
        Kind::Float => ("float", None),
        Kind::Boolean => ("boolean", None),
        Kind::Date => ("date", None),
        Kind::Datetime => ("datetime", None),
        Kind::Selection(choices) => ("selection", Some(("selection", json!(choices)))),
        Kind::Many2one(target) => ("many2one", Some(("relation", json!(target)))),
    };
    let shared = [
        ("type", json!(kind)),
        ("string", json!(field.label)),
        ("required", json!(field.required)),
        ("readonly", json!(false)),
        ("store", json!(true)),
    ];
    shared.into_iter().chain(more).map(|(attribute, value)| (attribute.to_owned(), value)).collect()
}

/// The ids of the records that a domain of `=`, `=like` and `in` terms finds; a term of any other kind finds nothing.
fn search(database: &Database, model: &Model, execute: &Execute) -> Vec<i64> {
    let domain = execute.argument(0, "domain");
    let terms: Vec<(String, String, Value)> = serde_json::from_value(domain).unwrap_or_default();
    if let [(field, operator, wanted)] = terms.as_slice()
        && (field.as_str(), operator.as_str()) == ("id", "in")
    {
        // However many there are, PostgreSQL finds them by their index.
        let is_there = |id: &i64| database.record(model.name, *id).is_some_and(|values| is_shown(values, execute));
        return ids(wanted).into_iter().filter(is_there).collect();
    }
    let meets = |id: i64, values: &Values, (field, operator, wanted): &(String, String, Value)| {
        let own = json!(id);
        let found =
            if field == "id" { Some(&own) } else { held(database, model, values, field) }.unwrap_or(&Value::Null);
        match operator.as_str() {
            "=" => found == wanted,
            "=like" => found.as_str().zip(wanted.as_str()).is_some_and(|(text, pattern)| is_like(text, pattern)),
            "in" => wanted.as_array().is_some_and(|wanted| wanted.contains(found)),
            _ => false,
        }
    };
    let found = database.records(model.name);
    let found =
        found.filter(|(id, values)| is_shown(values, execute) && terms.iter().all(|term| meets(*id, values, term)));
    found.map(|(id, _)| id).collect()
}

/// What a record holds in a field, or the record that it points to in `field.other`.
fn held<'a>(database: &'a Database, model: &Model, values: &'a Values, field: &str) -> Option<&'a Value> {
    let Some((link, other)) = field.split_once('.') else { return values.get(field) };
    let Kind::Many2one(target) = model.field(link)?.kind else { return None };
    database.record(target, values.get(link)?.as_i64()?)?.get(other)
}

/// SQL's LIKE, as far as a pattern goes that has its one `%` at the end.
fn is_like(text: &str, pattern: &str) -> bool {
    pattern.strip_suffix('%').map_or(text == pattern, |start| text.starts_with(start))
}

fn search_read(database: &Database, model: &Model, execute: &Execute) -> Value {
    let fields: Vec<String> = serde_json::from_value(execute.argument(1, "fields")).unwrap_or_default();
    let read = |id: i64| {
        let values = database.record(model.name, id)?;
        let asked: Vec<String> = if fields.is_empty() { values.keys().cloned().collect() } else { fields.clone() };
        // Odoo shows nothing as false.
        let shown = asked.into_iter().filter(|field| field != "id").map(|field| {
            let value = match field.as_str() {
                "create_date" => json!(database.made_at(model.name, id)),
                _ => values.get(&field).filter(|value| !value.is_null()).cloned().unwrap_or(json!(false)),
            };
            (field, value)
        });
        Some(Value::Object(std::iter::once(("id".to_owned(), json!(id))).chain(shown).collect()))
    };
    search(database, model, execute).into_iter().filter_map(read).collect()
}

fn ids(ids: &Value) -> Vec<i64> {
    serde_json::from_value(ids.clone()).unwrap_or_default()
}

/// The external id of each record that is there, as far as this fake remembers where records come from.
fn get_metadata(database: &Database, model: &Model, ids: &[i64]) -> Value {
    let names = database.external_ids_of(model.name);
    let described = ids.iter().filter(|id| database.record(model.name, **id).is_some()).map(|id| {
        let name = names.get(id);
        json!({"id": id, "xmlid": name.map_or(json!(false), |name| json!(name))})
    });
    described.collect()
}

/// A user sees his own keys, and not which of them he came in by.
fn own_keys(user: &User) -> Value {
    json!([{"id": user.id, "name": "plantlink", "expiration_date": user.key_expires.as_ref().map_or(json!(false), |at| json!(at))}])
}

/// A person's change, whatever the user may create.
fn write(database: &mut Database, user: &User, model: &Model, ids: &[i64], values: &Value) -> Result<Value, RpcError> {
    if let Some(gone) = ids.iter().find(|id| database.record(model.name, **id).is_none()) {
        return Err(missing(model, *gone, user));
    }
    let values: Values = serde_json::from_value(values.clone()).unwrap_or_default();
    database.commit();
    for id in ids {
        database.write(model.name, *id, values.clone());
    }
    Ok(json!(true))
}

fn create(database: &mut Database, user: &User, model: &Model, values: &Value) -> Result<Value, RpcError> {
    if !user.may_create.contains(model.name) {
        return Err(RpcError::new("odoo.exceptions.AccessError", not_allowed(model)));
    }
    // JSON-2 has a list by the argument's name.
    let values = if let [one] = values.as_array().map_or(&[][..], Vec::as_slice) { one } else { values };
    let values: Values = serde_json::from_value(values.clone())
        .map_err(|_| RpcError::new("builtins.IndexError", "list index out of range"))?;
    check_rule(database, model, None, &values)
        .map_err(|text| RpcError::new("odoo.exceptions.ValidationError", text))?;
    database.commit();
    let values = completed(database, model.name, values);
    let id = database.create(model.name, None, false, values);
    made(database, model.name, id);
    Ok(json!(id))
}
