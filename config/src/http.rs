//! How an HTTP server is reached: its address, what it wants to see with every request, and what stands in between.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::endpoint::{Endpoint, EndpointError};
use crate::path::Path;
use crate::report::code;
use crate::secret::{Secret, SecretTable};
use crate::tls::{Tls, TlsTable};

/// How an HTTP server is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// `http://` or `https://`, without a `#`; a server's without a `?` and without a slash at the end.
    pub url: String,
    /// How the server is known, when not by the system's certificates. Only with `https://`.
    pub tls: Option<Tls>,
    /// What goes with every request, by the header field's name in lower case: an API gateway's key, say.
    pub headers: Vec<(String, HeaderValue)>,
    /// The proxy that every request goes through; without one the environment's is not used either.
    pub proxy: Option<Proxy>,
}

impl Http {
    /// Certificates, the proxy's password and secret header fields.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = Secret> {
        let headers = self.headers.iter().filter_map(|(_, value)| match value {
            HeaderValue::Text(_) => None,
            HeaderValue::Secret(secret) => Some(secret.clone()),
        });
        let proxy = self.proxy.iter().filter_map(|proxy| Some(proxy.user.as_ref()?.1.clone()));
        self.tls.iter().flat_map(Tls::credentials).chain(headers).chain(proxy)
    }
}

/// What stands in a header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// A text of printable ASCII that anybody may know.
    Text(String),
    /// The whole value, `Bearer ` included.
    Secret(Secret),
}

/// An HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://host:port`.
    pub url: String,
    /// The user and the password, where it asks for them (RFC 7617, Basic).
    pub user: Option<(String, Secret)>,
}

/// Header fields by name: a text, or a secret.
pub(crate) type HeaderTable = BTreeMap<String, Option<HeaderSource>>;

/// A header field's value: a text, or a secret with the whole of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HeaderSource {
    /// A text that anybody may know.
    Text(String),
    /// As for a password; `Bearer ` and the like are part of the secret.
    Secret(SecretTable),
}

/// An HTTP proxy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProxyTable {
    /// `http://host:port`.
    #[schemars(required)]
    url: Option<String>,
    /// The user, when the proxy asks for one, together with `password`.
    username: Option<String>,
    /// The password of `username`: `{ credential = "name" }`, `{ file = "path" }` or `{ env = "NAME" }`.
    password: Option<SecretTable>,
}

/// The keys of a destination that say how its server is reached.
pub(crate) struct HttpKeys<'a> {
    pub(crate) url: Option<&'a str>,
    pub(crate) names: Names,
    pub(crate) tls: Option<&'a TlsTable>,
    pub(crate) headers: &'a HeaderTable,
    pub(crate) proxy: Option<&'a ProxyTable>,
    /// What to use in place of a password in the URL.
    pub(crate) instead_of_credentials: &'a str,
}

/// What a URL names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Names {
    /// A server, whose paths the agent knows.
    Server,
    /// The one resource that is called, as it is written.
    Resource,
}

/// What a request has of its own; a second one would contradict it.
const OURS: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// A field with one of these in its name holds something that nobody may read in the file.
const SECRETS: [&str; 6] = ["authorization", "cookie", "key", "password", "secret", "token"];

impl HttpKeys<'_> {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Http> {
        let url = self.url.and_then(|url| self.url(url, &at.key("url"), check));
        let tls = self.tls.map(|tls| tls.check(&at.key("tls"), check));
        if let (Some(_), Some(url)) = (&tls, &url)
            && url.starts_with("http://")
        {
            check
                .report
                .error(code::CONFLICT, &at.key("tls"), "`tls` has no effect with http://")
                .help("write https:// in `url`");
        }
        let headers = headers(self.headers, &at.key("headers"), check);
        let proxy = self.proxy.map(|proxy| proxy.check(&at.key("proxy"), check));
        Some(Http {
            url: url?,
            tls: tls.map_or(Some(None), |tls| tls.map(Some))?,
            headers: headers?,
            proxy: proxy.map_or(Some(None), |proxy| proxy.map(Some))?,
        })
    }

    fn url(&self, url: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
        let (trimmed, refused): (&str, &[char]) = match self.names {
            Names::Server => (url.trim_end_matches('/'), &['?', '#']),
            Names::Resource => (url, &['#']),
        };
        match Endpoint::parse(url) {
            Ok(Endpoint { scheme: "http" | "https", path, .. }) => {
                let Some(found) = path.find(refused).and_then(|byte| path.get(byte..=byte)) else {
                    return Some(trimmed.to_owned());
                };
                check.report.error(code::BAD_VALUE, at, format!("the URL cannot have a `{found}` here"));
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
                    found.help(self.instead_of_credentials);
                }
                None
            }
        }
    }
}

fn headers(table: &HeaderTable, at: &Path, check: &mut Check<'_>) -> Option<Vec<(String, HeaderValue)>> {
    let mut headers: Vec<(String, HeaderValue)> = Vec::new();
    let mut all_right = true;
    for (written, source) in table {
        let at = at.key(written);
        // A value of the wrong kind was reported before.
        let Some(source) = source else { continue };
        let name = written.to_ascii_lowercase();
        let value = header_name(written, &name, &at, check).and_then(|()| source.check(&name, &at, check));
        match value {
            Some(_) if headers.iter().any(|(known, _)| *known == name) => {
                let message = format!("`{written}` is there twice: the names of header fields have no case");
                check.report.error(code::DUPLICATE, &at, message);
                all_right = false;
            }
            Some(value) => headers.push((name, value)),
            None => all_right = false,
        }
    }
    all_right.then_some(headers)
}

fn header_name(written: &str, name: &str, at: &Path, check: &mut Check<'_>) -> Option<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        let message = format!("`{written}` is not the name of a header field (allowed: letters, digits and `-`)");
        check.report.error(code::BAD_VALUE, at, message);
        return None;
    }
    if OURS.contains(&name) {
        let found = check.report.error(code::CONFLICT, at, format!("`{written}` is set by the agent itself"));
        if name == "proxy-authorization" {
            found.help("use `proxy = { url = \"...\", username = \"...\", password = { credential = \"name\" } }`");
        }
        return None;
    }
    Some(())
}

impl HeaderSource {
    fn check(&self, name: &str, at: &Path, check: &mut Check<'_>) -> Option<HeaderValue> {
        let text = match self {
            Self::Text(text) => text,
            Self::Secret(secret) => return secret.check(at, check).map(HeaderValue::Secret),
        };
        if SECRETS.iter().any(|secret| name.contains(secret)) {
            let message = format!("what `{name}` holds is a secret, and a secret never stands in the file");
            check
                .report
                .error(code::SECRET, at, message)
                .help("use { credential = \"name\" }, { file = \"path\" } or { env = \"NAME\" }");
            return None;
        }
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            check.report.error(code::BAD_VALUE, at, "a header field holds printable ASCII alone");
            return None;
        }
        Some(HeaderValue::Text(text.clone()))
    }
}

impl ProxyTable {
    fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Proxy> {
        let url = self.url.as_ref().and_then(|url| proxy_url(url, &at.key("url"), check));
        let username = self.username.as_ref().map(|name| username(name, &at.key("username"), check));
        let password = self.password.as_ref().map(|secret| secret.check(&at.key("password"), check));
        let missing = match (check.has_any(at, &["username"]), check.has_any(at, &["password"])) {
            (true, false) => Some("`username` needs its `password`"),
            (false, true) => Some("`password` needs its `username`"),
            (true, true) | (false, false) => None,
        };
        if let Some(missing) = missing {
            check.report.error(code::MISSING_KEY, at, missing);
        }
        let user = match (username, password) {
            (Some(username), Some(password)) => Some((username?, password?)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return None,
        };
        Some(Proxy { url: url?, user })
    }
}

fn username(name: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    if name.is_empty() || name.contains(':') {
        check.report.error(code::BAD_VALUE, at, "a proxy's user is not empty and has no `:` in it");
        return None;
    }
    Some(name.to_owned())
}

fn proxy_url(url: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    match Endpoint::parse(url) {
        Ok(Endpoint { scheme: "http", path: "" | "/", .. }) => Some(url.trim_end_matches('/').to_owned()),
        Ok(Endpoint { scheme: "http", .. }) => {
            check.report.error(code::BAD_VALUE, at, "a proxy's URL has no path (allowed: http://host:port)");
            None
        }
        Ok(Endpoint { scheme, .. }) => {
            let message = format!("a proxy is not reached by `{scheme}://` (allowed: http://host:port)");
            check.report.error(code::BAD_VALUE, at, message);
            None
        }
        Err(error) => {
            let found = check.report.error(code::BAD_VALUE, at, error.to_string());
            if error == EndpointError::Credentials {
                found.help("use `username` and `password = { credential = \"name\" }`");
            }
            None
        }
    }
}
