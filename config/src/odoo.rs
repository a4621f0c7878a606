//! An Odoo database that events go to.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::daily::{Daily, DailyText};
use crate::existing::check_of;
use crate::http::{HeaderTable, Http, HttpKeys, Names, ProxyTable};
use crate::interval::Interval;
use crate::items::Items;
use crate::name::Name;
use crate::pacing::{DrainTable, Pacing, RateTable, pacing};
use crate::path::Path;
use crate::record::{Record, RecordTable};
use crate::report::code;
use crate::secret::{Secret, SecretTable};
use crate::tls::TlsTable;

/// An Odoo database and the records that events become in it.
#[derive(Debug, Clone, PartialEq)]
pub struct OdooDestination {
    /// Unique among destinations.
    pub name: Name,
    /// How the server is reached.
    pub http: Http,
    /// The database.
    pub database: String,
    /// The user that the key belongs to.
    pub login: String,
    /// The user's API key.
    pub api_key: Secret,
    /// Which of Odoo's APIs is spoken; `None`: the server is asked which it has.
    pub api: Option<OdooApi>,
    /// How fast it may be offered events.
    pub pacing: Pacing,
    /// How long it is remembered which record Odoo has made of an event, never zero.
    pub keep_confirmed: Duration,
    /// When what was confirmed is compared with what Odoo holds; `None`: only when somebody asks.
    pub reconcile: Option<Daily>,
    /// What events become, at least one; each name once.
    pub records: Vec<Record>,
}

impl OdooDestination {
    pub(crate) fn credentials(&self) -> Vec<Secret> {
        self.http.credentials().chain([self.api_key.clone()]).collect()
    }
}

/// The two ways to call Odoo from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OdooApi {
    /// `/json/2/<model>/<method>` with the key as a bearer token: from Odoo 19 on.
    Json2,
    /// `/jsonrpc` with database, user and key: up to Odoo 19.
    JsonRpc,
}

/// So many events a second, when the file does not say: what the dearest of the usual records was measured to cost a small
/// server (a maintenance request with its equipment, 305 to 409 a second, a hundred at a time).
const RATE: RateTable = RateTable { per_second: Some(300), burst: None };

/// The record by which a restored or copied database is known has this name in its external id.
const MARKER: &str = "installation";

fn keep_confirmed() -> Interval {
    Interval::new("30d")
}

/// An Odoo database and the records that events become in it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OdooTable {
    /// Unique among destinations.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// The server, `https://host` or `http://host`.
    #[schemars(required)]
    url: Option<String>,
    /// The database.
    #[schemars(required)]
    database: Option<String>,
    /// The user that the key belongs to.
    #[schemars(required)]
    login: Option<String>,
    /// The user's API key: `{ credential = "name" }`, `{ file = "path" }` or `{ env = "NAME" }`.
    #[schemars(required)]
    api_key: Option<SecretTable>,
    /// Which of Odoo's APIs to speak: `json2` (Odoo 19 and later) or `jsonrpc` (up to 19); left out: the server is asked.
    api: Option<OdooApi>,
    /// How the server is known, and how the agent shows who it is. Only with `https://`.
    tls: Option<TlsTable>,
    /// Header fields of every request: a text, or a secret such as an API gateway's key.
    #[serde(default)]
    headers: HeaderTable,
    /// The HTTP proxy to go through; left out: none, whatever the environment says.
    proxy: Option<ProxyTable>,
    /// A limit for all events that it is offered; left out: 300 a second, which a small server bears beside its users.
    rate: Option<RateTable>,
    /// How the backlog of an outage is sent; left out: at once, as fast as it answers.
    drain: Option<DrainTable>,
    /// How long it is remembered which record Odoo has made of an event, for the last million of them and as far as the
    /// buffer's `max_size` allows: neither a replay nor `reconcile` makes such a record again when somebody has deleted it.
    #[serde(default = "keep_confirmed")]
    keep_confirmed: Interval,
    /// When what was confirmed is compared with what Odoo holds, `daily` and a time in the gateway's time zone; events that
    /// were never confirmed are sent again. The gateways of a plant begin within ten minutes after it, each at its own moment.
    /// Left out: only with `plantlink reconcile`.
    reconcile: Option<DailyText>,
    /// Names of sets of records, `[[records.NAME]]`, which come before its own: ready ones are in files to include.
    #[serde(default)]
    pub(crate) records: Items<String>,
    /// What events become. A destination has this, `records`, or both.
    #[schemars(length(min = 1))]
    record: Option<Items<RecordTable>>,
}

impl OdooTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<OdooDestination> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let keys = HttpKeys {
            url: self.url.as_deref(),
            names: Names::Server,
            tls: self.tls.as_ref(),
            headers: &self.headers,
            proxy: self.proxy.as_ref(),
            instead_of_credentials: "use `login` and `api_key = { credential = \"name\" }`",
        };
        let http = keys.check(at, check);
        let database = check.filled(self.database.as_ref(), &at.key("database"));
        let login = check.filled(self.login.as_ref(), &at.key("login"));
        let api_key = self.api_key.as_ref().and_then(|key| key.check(&at.key("api_key"), check));
        let pacing = pacing(Some(self.rate.as_ref().unwrap_or(&RATE)), self.drain.as_ref(), at, check);
        let keep_confirmed = self.keep_confirmed.check_some(&at.key("keep_confirmed"), &mut check.report);
        let reconcile = self.reconcile.as_ref().map(|daily| daily.check(&at.key("reconcile"), &mut check.report));
        let records = self.records(&at.key("record"), check);
        Some(OdooDestination {
            name: name?,
            http: http?,
            database: database?,
            login: login?,
            api_key: api_key?,
            api: self.api,
            pacing: pacing?,
            keep_confirmed: keep_confirmed?,
            reconcile: reconcile.map_or(Some(None), |daily| daily.map(Some))?,
            records,
        })
    }

    fn records(&self, at: &Path, check: &mut Check<'_>) -> Vec<Record> {
        let mut known = HashMap::new();
        let mut records = Vec::new();
        for (at, table) in self.record.iter().flat_map(|records| records.iter(at)) {
            if let Some(name) = &table.name {
                // The name becomes part of an external id, which has one case, and `_` for `-`.
                let name = name.to_lowercase().replace('-', "_");
                if name == MARKER {
                    let message = format!(
                        "`{name}` is the record by which a restored database is known (allowed: any other name)"
                    );
                    check.report.error(code::CONFLICT, &at.key("name"), message);
                }
                check.unique(&mut known, &name, &at.key("name"));
            }
            let record = table.check(&at, check);
            records.extend(record.map(|record| (at, record)));
        }
        check_of(&records, check);
        records.into_iter().map(|(_, record)| record).collect()
    }
}
