//! A connection to an MQTT broker, as a source, a destination and the heartbeat have it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::endpoint::{Endpoint, EndpointError};
use crate::path::Path;
use crate::plant::Plant;
use crate::report::code;
use crate::secret::{Secret, SecretTable};
use crate::template::{Part, Reference, Template};
use crate::tls::{Tls, TlsTable};

/// How a broker is reached and who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttLink {
    /// A host name or an IP address, an IPv6 one without brackets.
    pub host: String,
    /// 1883, or 8883 with TLS, when the URL names none.
    pub port: u16,
    /// `Some` for `mqtts://`.
    pub tls: Option<Tls>,
    /// The protocol version to ask for.
    pub version: MqttVersion,
    /// The client id as it goes out; two clients of one broker never share it.
    pub client_id: String,
    /// The user, when the broker asks for one.
    pub username: Option<String>,
    /// The password, when the broker asks for one.
    pub password: Option<Secret>,
    /// The most messages without an acknowledgement, 1 to 65,535.
    pub window: u16,
}

impl MqttLink {
    pub(crate) fn credentials(&self) -> Vec<Secret> {
        self.tls.iter().flat_map(Tls::credentials).chain(self.password.clone()).collect()
    }
}

/// The protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize, JsonSchema)]
pub enum MqttVersion {
    /// MQTT 5.0.
    #[default]
    #[serde(rename = "5")]
    V5,
    /// MQTT 3.1.1.
    #[serde(rename = "3.1.1")]
    V311,
}

/// The most messages without an acknowledgement, when the file does not say.
pub(crate) const WINDOW: u16 = 500;

/// The keys of a source or a destination that are about its connection.
pub(crate) struct LinkKeys<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    pub(crate) version: MqttVersion,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) username: Option<&'a String>,
    pub(crate) password: Option<&'a SecretTable>,
    pub(crate) tls: Option<&'a TlsTable>,
    pub(crate) window: u16,
}

impl LinkKeys<'_> {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<MqttLink> {
        let server = self.url.and_then(|url| server(url, &at.key("url"), check));
        let tls = self.tls.map(|tls| tls.check(&at.key("tls"), check));
        if let (Some(_), Some(Server { secure: false, .. })) = (&tls, &server) {
            check
                .report
                .error(code::CONFLICT, &at.key("tls"), "`tls` has no effect with mqtt://")
                .help("write mqtts:// in `url`");
        }
        let client_id = self.client_id(at, check);
        let username = self.username.map(|user| check.filled(Some(user), &at.key("username")));
        let password = self.password.map(|password| password.check(&at.key("password"), check));
        if self.password.is_some() && !check.has_any(at, &["username"]) && self.version == MqttVersion::V311 {
            check.report.error(
                code::MISSING_KEY,
                &at.key("password"),
                "MQTT 3.1.1 has no password without a `username`",
            );
        }
        let server = server?;
        Some(MqttLink {
            host: server.host,
            port: server.port,
            tls: match (server.secure, tls) {
                (false, _) => None,
                (true, None) => Some(Tls::default()),
                (true, Some(tls)) => Some(tls?),
            },
            version: self.version,
            client_id: client_id?,
            username: username.map_or(Some(None), |user| user.map(Some))?,
            password: password.map_or(Some(None), |password| password.map(Some))?,
            window: self.window,
        })
    }

    /// The client id with the plant's and the gateway's name in it. Without these there is none, and nothing to say.
    fn client_id(&self, at: &Path, check: &mut Check<'_>) -> Option<String> {
        let at = at.key("client_id");
        let template = match self.client_id {
            Some(text) => check.template(text, &at)?,
            None => Template::new(&format!("{{plant}}.{{gateway}}.{}", self.name?)).ok()?,
        };
        if let Some(name) = foreign_name(&template) {
            let message = format!("`{name}` cannot be looked up here (allowed: {{plant}}, {{gateway}})");
            check.report.error(code::UNKNOWN_NAME, &at, message);
            return None;
        }
        let client_id = expand(&template, check.plant.as_ref()?);
        if client_id.is_empty() || client_id.len() > usize::from(u16::MAX) {
            let message = "this is no client id (allowed: 1 to 65535 bytes): the broker keeps the session under it";
            check.report.error(code::BAD_VALUE, &at, message);
            return None;
        }
        Some(client_id)
    }
}

struct Server {
    host: String,
    port: u16,
    secure: bool,
}

fn server(url: &str, at: &Path, check: &mut Check<'_>) -> Option<Server> {
    let endpoint = match Endpoint::parse(url) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let found = check.report.error(code::BAD_VALUE, at, error.to_string());
            match error {
                EndpointError::Credentials => {
                    found.help("use `username` and `password = { credential = \"name\" }`");
                }
                EndpointError::NoScheme => {
                    found.help("as in mqtts://broker.example.com:8883");
                }
                EndpointError::NoHost | EndpointError::Host | EndpointError::Port => {}
            }
            return None;
        }
    };
    let secure = match endpoint.scheme {
        "mqtt" => false,
        "mqtts" => true,
        other => {
            check.report.error(
                code::BAD_VALUE,
                at,
                format!("`{other}://` is not possible here (allowed: mqtt://, mqtts://)"),
            );
            return None;
        }
    };
    if !matches!(endpoint.path, "" | "/") {
        check.report.error(code::BAD_VALUE, at, format!("a broker's URL has no path: `{}` is too much", endpoint.path));
        return None;
    }
    let port = endpoint.port.unwrap_or(if secure { 8883 } else { 1883 });
    Some(Server { host: endpoint.host.to_owned(), port, secure })
}

/// What a client id cannot look up.
fn foreign_name(template: &Template) -> Option<String> {
    template.parts.iter().find_map(|part| match part {
        Part::Text(_) => None,
        Part::Look { up: Reference::Name(name), format: None } if matches!(name.as_str(), "plant" | "gateway") => None,
        Part::Look { up: Reference::Name(name) | Reference::Pointer(name), .. } => Some(name.clone()),
    })
}

fn expand(template: &Template, plant: &Plant) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Look { up: Reference::Name(name), .. } if name == "plant" => plant.id.to_string(),
        Part::Look { .. } => plant.gateway.to_string(),
    };
    template.parts.iter().map(text).collect()
}
