//! An Odoo database that events go to.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    check::Check,
    endpoint::{Endpoint, EndpointError},
    items::Items,
    name::Name,
    pacing::{DrainTable, Pacing, RateTable, pacing},
    path::Path,
    record::{Record, RecordTable},
    report::code,
    secret::{Secret, SecretTable},
    tls::{Tls, TlsTable},
};

/// An Odoo database and the records that events become in it.
#[derive(Debug, Clone)]
pub struct OdooDestination {
    /// Unique among destinations.
    pub name: Name,
    /// The server, `http://` or `https://`, without a slash at the end.
    pub url: String,
    /// The database.
    pub database: String,
    /// The user that the key belongs to.
    pub login: String,
    /// The user's API key.
    pub api_key: Secret,
    /// How the server is known, when not by the system's certificates. Only with `https://`.
    pub tls: Option<Tls>,
    /// How fast it may be offered events.
    pub pacing: Pacing,
    /// What events become, at least one; each name once.
    pub records: Vec<Record>,
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
    /// How the server is known, and how the agent shows who it is. Only with `https://`.
    tls: Option<TlsTable>,
    /// A limit for all events that it is offered; left out: as fast as it answers.
    rate: Option<RateTable>,
    /// How the backlog of an outage is sent; left out: at once, as fast as it answers.
    drain: Option<DrainTable>,
    /// What events become.
    #[schemars(required, length(min = 1))]
    record: Option<Items<RecordTable>>,
}

impl OdooTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<OdooDestination> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let url = self.url.as_ref().and_then(|url| server(url, &at.key("url"), check));
        let database = check.filled(self.database.as_ref(), &at.key("database"));
        let login = check.filled(self.login.as_ref(), &at.key("login"));
        let api_key = self.api_key.as_ref().and_then(|key| key.check(&at.key("api_key"), check));
        let tls = self.tls.as_ref().map(|tls| tls.check(&at.key("tls"), check));
        if let (Some(_), Some(url)) = (&tls, &url)
            && url.starts_with("http://")
        {
            check
                .report
                .error(code::CONFLICT, &at.key("tls"), "`tls` has no effect with http://")
                .help("write https:// in `url`");
        }
        let pacing = pacing(self.rate.as_ref(), self.drain.as_ref(), at, check);
        let records = self.records(&at.key("record"), check);
        Some(OdooDestination {
            name: name?,
            url: url?,
            database: database?,
            login: login?,
            api_key: api_key?,
            tls: tls.map_or(Some(None), |tls| tls.map(Some))?,
            pacing: pacing?,
            records,
        })
    }

    fn records(&self, at: &Path, check: &mut Check<'_>) -> Vec<Record> {
        let mut known = HashMap::new();
        let mut records = Vec::new();
        for (at, table) in self.record.iter().flat_map(|records| records.iter(at)) {
            if let Some(name) = &table.name {
                // The name becomes part of an external id, which has one case, and `_` for `-`.
                check.unique(&mut known, &name.to_lowercase().replace('-', "_"), &at.key("name"));
            }
            records.extend(table.check(&at, check));
        }
        records
    }
}

fn server(url: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    match Endpoint::parse(url) {
        Ok(Endpoint { scheme: "http" | "https", path, .. }) if !path.contains(['?', '#']) => {
            Some(url.trim_end_matches('/').to_owned())
        }
        Ok(Endpoint { scheme: "http" | "https", .. }) => {
            check.report.error(code::BAD_VALUE, at, "the server's URL has no `?` and no `#`");
            None
        }
        Ok(Endpoint { scheme, .. }) => {
            check.report.error(
                code::BAD_VALUE,
                at,
                format!("`{scheme}://` is not possible here (allowed: https://, http://)"),
            );
            None
        }
        Err(error) => {
            let found = check.report.error(code::BAD_VALUE, at, error.to_string());
            if error == EndpointError::Credentials {
                found.help("use `login` and `api_key = { credential = \"name\" }`");
            }
            None
        }
    }
}
