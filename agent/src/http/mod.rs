//! HTTP as a client: how a server is reached as configured, and an answer that is waited for and read within limits.
//!
//! No redirect is followed, no proxy is taken from the environment, and a request goes out in one piece with its length.

mod respite;

use std::time::Duration;

use plantlink_config::{HeaderValue as Value, Http, Proxy, SecretError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue, LOCATION};
use reqwest::{Client, RequestBuilder, Response, redirect};
use rustls::RootCertStore;

use crate::clock::Time;
use crate::destination::Cause;
use crate::tls::{TlsError, client_config};

/// Time to reach the server, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// An idle connection is closed before a proxy would: a request must not meet one that is just being closed.
const IDLE: Duration = Duration::from_secs(20);
/// An answer is not read beyond this, in bytes.
pub(crate) const ANSWER_MAX: usize = 4 << 20;

/// An HTTP answer, as far as it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long the server asks to be left alone (`Retry-After`).
    pub(crate) retry_after: Option<Duration>,
    /// How long no request will be taken, when this one was the last that the server allows for now.
    pub(crate) used_up: Option<Duration>,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nothing was done there, or nothing is known that could be mended by asking for less.
    Unreachable(Cause),
    /// The connection ended or the time ran out: done or not done.
    Unanswered(Cause),
}

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    #[error("cannot set up HTTP")]
    Http(#[from] reqwest::Error),
    #[error("cannot read what the header field {name} holds")]
    Secret {
        name: String,
        #[source]
        cause: SecretError,
    },
    #[error("the header field {name} cannot be named so")]
    Name {
        name: String,
        #[source]
        cause: InvalidHeaderName,
    },
    #[error("the header field {name} cannot hold what it should: a line break or another control character is in it")]
    Value {
        name: String,
        #[source]
        cause: InvalidHeaderValue,
    },
    #[error("cannot read the proxy's password")]
    Password(#[source] SecretError),
}

/// An answer that was left unread.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {ANSWER_MAX} bytes")]
struct TooLong;

/// A client for one server, whose answers may take so long. Reads certificates and secrets.
pub(crate) fn client(http: &Http, answer: Duration) -> Result<Client, SetupError> {
    let tls = if http.url.starts_with("https://") {
        client_config(&http.tls.clone().unwrap_or_default())?
    } else {
        // Plain HTTP trusts nobody, and must not depend on the system's certificates.
        rustls::ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    let mut client = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("plantlink/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers(&http.headers)?)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(answer)
        .pool_idle_timeout(IDLE);
    if let Some(configured) = &http.proxy {
        client = client.proxy(proxy(configured)?);
    }
    Ok(client.build()?)
}

fn headers(fields: &[(String, Value)]) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let invalid = |cause| SetupError::Value { name: name.clone(), cause };
        let value = match value {
            Value::Text(text) => HeaderValue::from_str(text).map_err(invalid)?,
            Value::Secret(secret) => {
                let secret = secret.read_bytes().map_err(|cause| SetupError::Secret { name: name.clone(), cause })?;
                let mut value = HeaderValue::from_bytes(&secret).map_err(invalid)?;
                value.set_sensitive(true);
                value
            }
        };
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|cause| SetupError::Name { name: name.clone(), cause })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn proxy(configured: &Proxy) -> Result<reqwest::Proxy, SetupError> {
    let proxy = reqwest::Proxy::all(&configured.url)?;
    Ok(match &configured.user {
        None => proxy,
        Some((name, password)) => proxy.basic_auth(name, password.read().map_err(SetupError::Password)?.expose()),
    })
}

/// Makes the request and reads its answer.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, NoAnswer> {
    read(request.send().await.map_err(failed)?).await
}

async fn read(mut response: Response) -> Result<Answer, NoAnswer> {
    let headers = response.headers();
    let now_s = Time::now().wall_us / 1_000_000;
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: respite::asked_for(headers, now_s),
        used_up: respite::used_up(headers, now_s),
        location: headers.get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if answer.body.len() + chunk.len() > ANSWER_MAX {
            return Err(NoAnswer::Unreachable(TooLong.into()));
        }
        answer.body.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// A connection that was never there has done nothing; any other failure leaves in doubt what was done.
fn failed(error: reqwest::Error) -> NoAnswer {
    let in_doubt = !error.is_connect();
    // The address is known, and a URL may hold what a log should not.
    let cause: Cause = error.without_url().into();
    if in_doubt { NoAnswer::Unanswered(cause) } else { NoAnswer::Unreachable(cause) }
}
