//! An HTTP endpoint that events are posted to.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::envelope_format::EnvelopeFormat;
use crate::http::{HeaderTable, Http, HttpKeys, Names, ProxyTable};
use crate::interval::Interval;
use crate::name::Name;
use crate::pacing::{DrainTable, Pacing, RateTable, pacing};
use crate::path::Path;
use crate::report::code;
use crate::secret::{Secret, SecretTable};
use crate::tls::TlsTable;

/// The longest that a request may be waited for.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// An HTTP endpoint that events are posted to, one or many in a request.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookDestination {
    /// Unique among destinations.
    pub name: Name,
    /// How the endpoint is reached; the whole URL is where events are posted.
    pub http: Http,
    /// The most events of a request, 1 to 1,000. With one, the body is the event itself, else an array of events.
    pub batch: u16,
    /// How an event is written.
    pub format: EnvelopeFormat,
    /// What requests are signed with (Standard Webhooks: HMAC-SHA256); `None`: they are not.
    pub signing_key: Option<Secret>,
    /// How a body goes over the wire.
    pub compression: Compression,
    /// How long a request may take until its answer is there whole, from 1 s to 10 min.
    pub timeout: Duration,
    /// How fast it may be offered events.
    pub pacing: Pacing,
}

impl WebhookDestination {
    pub(crate) fn credentials(&self) -> Vec<Secret> {
        self.http.credentials().chain(self.signing_key.clone()).collect()
    }
}

/// How a body goes over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// With `Content-Encoding: gzip` (RFC 1952), which the endpoint has to understand.
    Gzip,
}

/// An HTTP endpoint that events are posted to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookTable {
    /// Unique among destinations.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// Where events are posted, `https://host/path` or `http://host/path`. A redirect is not followed.
    #[schemars(required)]
    url: Option<String>,
    /// The most events of a request. With 1 the body is the event itself, else an array, also of a single event.
    #[serde(default = "batch")]
    #[schemars(range(min = 1, max = 1000))]
    batch: u16,
    /// How an event is written.
    #[serde(default)]
    format: EnvelopeFormat,
    /// What requests are signed with, as Standard Webhooks has it (HMAC-SHA256 in `webhook-signature`): `whsec_` and base64,
    /// or any other text as it is. Left out: they are not signed.
    signing_key: Option<SecretTable>,
    /// How a body goes over the wire.
    #[serde(default)]
    compression: Compression,
    /// Header fields of every request: a text, or a secret such as an API gateway's key.
    #[serde(default)]
    headers: HeaderTable,
    /// The HTTP proxy to go through; left out: none, whatever the environment says.
    proxy: Option<ProxyTable>,
    /// How the server is known, and how the agent shows who it is. Only with `https://`.
    tls: Option<TlsTable>,
    /// How long a request may take, 1s to 10m. Without an answer by then it is made again.
    #[serde(default = "timeout")]
    timeout: Interval,
    /// A limit for all events that it is offered; left out: as fast as it answers.
    rate: Option<RateTable>,
    /// How the backlog of an outage is sent; left out: at once, as fast as it answers.
    drain: Option<DrainTable>,
}

fn batch() -> u16 {
    1
}

fn timeout() -> Interval {
    Interval::new("30s")
}

impl WebhookTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<WebhookDestination> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let keys = HttpKeys {
            url: self.url.as_deref(),
            names: Names::Resource,
            tls: self.tls.as_ref(),
            headers: &self.headers,
            proxy: self.proxy.as_ref(),
            instead_of_credentials: "use `headers = { Authorization = { credential = \"name\" } }`",
        };
        let http = keys.check(at, check);
        let signing_key = self.signing_key.as_ref().map(|key| key.check(&at.key("signing_key"), check));
        let timeout = self.timeout(&at.key("timeout"), check);
        let pacing = pacing(self.rate.as_ref(), self.drain.as_ref(), at, check);
        Some(WebhookDestination {
            name: name?,
            http: http?,
            batch: self.batch,
            format: self.format,
            signing_key: signing_key.map_or(Some(None), |key| key.map(Some))?,
            compression: self.compression,
            timeout: timeout?,
            pacing: pacing?,
        })
    }

    fn timeout(&self, at: &Path, check: &mut Check<'_>) -> Option<Duration> {
        let timeout = self.timeout.check_some(at, &mut check.report)?;
        if !(Duration::from_secs(1)..=TIMEOUT_MAX).contains(&timeout) {
            check.report.error(code::OUT_OF_RANGE, at, "the time for an answer is out of range (allowed: 1s to 10m)");
            return None;
        }
        Some(timeout)
    }
}
