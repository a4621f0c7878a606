//! How a TLS server is known, and how the agent shows who it is.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::path::Path;
use crate::report::code;
use crate::secret::{PemSource, Secret};

/// TLS as a link uses it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tls {
    /// The certificates (PEM) to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate chain (PEM); set together with `key`.
    pub certificate: Option<Secret>,
    /// The private key (PEM) of `certificate`.
    pub key: Option<Secret>,
}

impl Tls {
    /// The files and secrets that it is read from.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = Secret> {
        let ca = self.ca.iter().cloned().map(Secret::File);
        ca.chain(self.certificate.clone()).chain(self.key.clone())
    }
}

/// How the server is known, and how the agent shows who it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsTable {
    /// A file with the certificates (PEM) to trust instead of the system's, relative to this file.
    ca: Option<String>,
    /// The agent's own certificate chain (PEM), together with `key`.
    certificate: Option<PemSource>,
    /// The private key (PEM) of `certificate`.
    key: Option<PemSource>,
}

impl TlsTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Tls> {
        let ca = self.ca.as_ref().map(|ca| check.existing_file(ca, &at.key("ca")));
        let certificate = self.certificate.as_ref().map(|pem| pem.check(&at.key("certificate"), check));
        let key = self.key.as_ref().map(|pem| pem.check(&at.key("key"), check));
        let missing = match (check.has_any(at, &["certificate"]), check.has_any(at, &["key"])) {
            (true, false) => Some("`certificate` needs its private `key`"),
            (false, true) => Some("`key` needs its `certificate`"),
            (true, true) | (false, false) => None,
        };
        if let Some(missing) = missing {
            check.report.error(code::MISSING_KEY, at, missing);
            return None;
        }
        // What was written and is wrong makes the whole wrong; what was left out stays `None`.
        Some(Tls { ca: all_right(ca)?, certificate: all_right(certificate)?, key: all_right(key)? })
    }
}

fn all_right<T>(checked: Option<Option<T>>) -> Option<Option<T>> {
    checked.map_or(Some(None), |value| value.map(Some))
}
