//! Asking an Odoo, before the first event, whether everything is there that the records of the configuration need.

mod example;
mod field;
mod lookup;

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_config::{Existing, Field, KeyPath, OdooApi, OdooDestination, Record, Severity, Sharing, Which};
use serde_json::{Map, Value, json};

use super::api::{Api, Server as _};
use super::call::Call;
use super::denial::Denial;
use super::directory::Directory;
use super::marker;
use super::verdict::Setback;
use crate::chain::chain;
use crate::clock::Time;
use crate::destination::Expiry;
use crate::envelope::Site;
use crate::template::rfc3339;
pub(crate) use example::Example;

/// Something that is not as the configuration needs it, at a key of the destination.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) at: KeyPath,
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What was asked, and what came of it.
pub(crate) struct Preflight {
    api: Api,
    config: OdooDestination,
    site: Arc<Site>,
    /// The destination's table.
    at: KeyPath,
    /// Events to try lookups with.
    examples: Vec<Example>,
    directory: Directory,
    findings: Vec<Finding>,
    /// Who was met, and what was found there, in sentences.
    met: Vec<String>,
}

/// The fields of a model by name, with what Odoo says of them.
type Fields = Map<String, Value>;

impl Preflight {
    pub(crate) fn new(config: &OdooDestination, site: Arc<Site>, at: KeyPath, examples: Vec<Example>) -> Self {
        Preflight {
            api: Api::new(config, &site.gateway),
            config: config.clone(),
            site,
            at,
            examples,
            directory: Directory::default(),
            findings: Vec::new(),
            met: Vec::new(),
        }
    }

    /// Asks for everything. Gives what is wrong, and in sentences who was met and what was found.
    pub(crate) async fn run(mut self) -> (Vec<Finding>, Vec<String>) {
        match self.meet().await {
            Ok(met) => self.met.push(met),
            Err(setback) => {
                let at = self.place_of(&setback);
                self.set_back(at, setback);
                return (self.findings, self.met);
            }
        }
        self.key_ends();
        if let Err(setback) = self.marker().await {
            self.set_back(self.at.key("database"), setback);
        }
        let mut known = BTreeMap::new();
        for (number, record) in self.config.clone().records.iter().enumerate() {
            let at = self.at.key("record").item(number);
            if let Err(setback) = self.record(record, &at, &mut known).await {
                self.set_back(at, setback);
            }
        }
        (self.findings, self.met)
    }

    async fn meet(&mut self) -> Result<String, Setback> {
        self.api.enter().await?;
        let version = self.api.version().await?;
        let context = self.api.call(Call::new("res.users", "context_get")).await?;
        let api = match self.api.spoken() {
            Some(OdooApi::Json2) => "JSON-2",
            Some(OdooApi::JsonRpc) | None => "JSON-RPC",
        };
        let zone = context["tz"].as_str().unwrap_or("none");
        let ends = self.api.expiry().map(|Expiry { of, at_us }| format!(", {of} ends at {}", rfc3339(at_us)));
        Ok(format!(
            "Odoo {version} over {api}, database {}, user {} (time zone {zone}; all times are sent in UTC){}",
            self.config.database,
            self.config.login,
            ends.unwrap_or_default(),
        ))
    }

    fn key_ends(&mut self) {
        if let Some(expiry) = self.api.expiry()
            && expiry.is_soon(Time::now().wall_us)
        {
            let Expiry { of, at_us } = expiry;
            let message = format!("{of} ends at {}: make a new one in time", rfc3339(at_us));
            self.add(self.at.key("api_key"), Severity::Warning, "expiry", message, None);
        }
    }

    /// Deliveries go on without the marker, and unguarded.
    async fn marker(&mut self) -> Result<(), Setback> {
        if let Some(why) = marker::hindrance(&mut self.api, &self.site).await? {
            let message = format!(
                "the record by which a restored or copied database is known cannot be kept: {why}. Such a database is delivered to \
                 like any other"
            );
            self.add(self.at.key("database"), Severity::Warning, "right", message, None);
        }
        Ok(())
    }

    async fn record(
        &mut self,
        record: &Record,
        at: &KeyPath,
        known: &mut BTreeMap<String, Fields>,
    ) -> Result<(), Setback> {
        let Some(fields) = self.model(&record.model, &at.key("model"), known).await? else { return Ok(()) };
        let (rights, close_fields): (&[&'static str], &[Field]) = match &record.sharing {
            Sharing::Create { .. } => (&["create"], &[]),
            Sharing::Update { .. } => (&["create", "write"], &[]),
            Sharing::Existing { .. } | Sharing::Press { .. } => (&["write"], &[]),
            Sharing::Interval { close_fields, .. } => (&["create", "write"], close_fields),
        };
        for right in rights {
            self.right(&record.model, right, &at.key("model")).await?;
        }
        let found = self.findings.len();
        let written = [("fields", record.fields.as_slice()), ("close_fields", close_fields)];
        for (key, written) in written {
            for field in written {
                self.field(field, record, &fields, &at.key(key), known).await?;
            }
        }
        match &record.sharing {
            Sharing::Existing { existing, .. } | Sharing::Press { existing, .. } => {
                self.existing(existing, &fields, at)
            }
            Sharing::Create { .. } | Sharing::Update { .. } | Sharing::Interval { .. } => {
                self.required(record, &fields, &at.key("fields")).await?;
            }
        }
        // What names a field that is not there cannot be tried.
        if self.findings.iter().skip(found).any(|finding| finding.severity == Severity::Error) {
            return Ok(());
        }
        self.lookups(record, &written, at).await
    }

    /// A record that is there already is found by fields that the model has, and held against values that they can have.
    fn existing(&mut self, existing: &Existing, fields: &Fields, at: &KeyPath) {
        if let Which::Having(by) = &existing.which {
            for (field, _) in by {
                // What stands after a dot is a field of another model.
                let name = field.split('.').next().unwrap_or(field);
                if !fields.contains_key(name) {
                    self.unknown(name, fields, at.key("by").key(field));
                }
            }
        }
        for (name, choices) in &existing.only_while {
            let at = at.key("while").key(name);
            let Some(field) = fields.get(name) else {
                self.unknown(name, fields, at);
                continue;
            };
            // Other versions of Odoo may have the others.
            let keys = field["selection"].as_array();
            let is_known = |choice: &Value| keys.is_none_or(|keys| keys.iter().any(|key| key[0] == *choice));
            if let (Some(Value::String(first)), false) = (choices.first(), choices.iter().any(is_known)) {
                self.selection(first, field, &at);
            }
        }
    }

    /// What the fields of a model are; `None` when it is not there, which is then found.
    async fn model(
        &mut self,
        model: &str,
        at: &KeyPath,
        known: &mut BTreeMap<String, Fields>,
    ) -> Result<Option<Fields>, Setback> {
        if let Some(fields) = known.get(model) {
            return Ok(Some(fields.clone()));
        }
        match self.fields(model).await {
            Ok(fields) => {
                known.insert(model.to_owned(), fields.clone());
                Ok(Some(fields))
            }
            // The model does not exist, or may not be seen.
            Err(setback @ Setback::Paused { .. }) => {
                self.set_back(at.clone(), setback);
                Ok(None)
            }
            Err(setback) => Err(setback),
        }
    }

    async fn right(&mut self, model: &str, right: &'static str, at: &KeyPath) -> Result<(), Setback> {
        if !self.api.may(model, right, &[]).await? {
            let message = format!("`{}` may not {right} records of `{model}`", self.config.login);
            let help = "an administrator gives the user a group that may".to_owned();
            self.add(at.clone(), Severity::Error, "right", message, Some(help));
        }
        Ok(())
    }

    async fn fields(&mut self, model: &str) -> Result<Fields, Setback> {
        let wanted = json!(["type", "string", "required", "readonly", "relation", "selection", "depends", "store"]);
        let fields = self.api.call(Call::new(model, "fields_get").option("attributes", wanted)).await?;
        Ok(fields.as_object().cloned().unwrap_or_default())
    }

    /// The key that is to be looked at first.
    fn place_of(&self, setback: &Setback) -> KeyPath {
        self.at.key(match setback {
            Setback::Denied(Denial::LoginOrKey | Denial::Login { .. }) => "login",
            Setback::Denied(Denial::Key | Denial::KeyUnread(_)) => "api_key",
            Setback::Denied(Denial::Database | Denial::PutBack { .. }) => "database",
            Setback::Denied(Denial::Client(_))
            | Setback::Race { .. }
            | Setback::Refused { .. }
            | Setback::Barred { .. }
            | Setback::TooLarge
            | Setback::Unanswered(_)
            | Setback::Unreachable(_)
            | Setback::Busy { .. }
            | Setback::Paused { .. } => "url",
        })
    }

    fn set_back(&mut self, at: KeyPath, setback: Setback) {
        let (code, message) = told(setback, &self.config);
        self.add(at, Severity::Error, code, message, None);
    }

    fn add(&mut self, at: KeyPath, severity: Severity, code: &'static str, message: String, help: Option<String>) {
        self.findings.push(Finding { at, severity, code, message, help });
    }
}

/// A code for what kept us from an answer, and the sentence for whoever can mend it.
pub(super) fn told(setback: Setback, config: &OdooDestination) -> (&'static str, String) {
    match setback {
        Setback::Denied(denial) => ("denied", denial.told(config)),
        Setback::Refused { reason }
        | Setback::Barred { reason }
        | Setback::Paused { reason }
        | Setback::Race { reason, .. } => ("refused", reason),
        Setback::Unanswered(cause) | Setback::Unreachable(cause) => ("unreachable", chain(cause.as_ref())),
        Setback::TooLarge => ("refused", "the request is too large for a proxy before Odoo (413)".to_owned()),
        Setback::Busy { .. } => ("unreachable", "the server asks for patience (429 or 503)".to_owned()),
    }
}
