//! The endpoint: a request as it goes out, signed and with all its header fields.

use plantlink_config::{Compression, WebhookDestination};
use reqwest::Client;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::body::Body;
use super::signature::{KeyError, Signer};
use super::verdict::Setback;
use crate::chain::chain;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::http::{self, Answer, NoAnswer};

/// One URL, and what every request to it needs.
pub(super) struct Endpoint {
    config: WebhookDestination,
    open: Option<Open>,
}

/// What is made of certificates and secrets.
struct Open {
    client: Client,
    signer: Option<Signer>,
}

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Http(#[from] http::SetupError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Endpoint {
    pub(super) fn new(config: &WebhookDestination) -> Self {
        Endpoint { config: config.clone(), open: None }
    }

    pub(super) fn config(&self) -> &WebhookDestination {
        &self.config
    }

    /// Posts the events, which are the body's.
    pub(super) async fn post(&mut self, events: &[Envelope], body: &Body) -> Result<Answer, Setback> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.config).map_err(|error| Setback::Denied { reason: chain(&error) })?,
        };
        let Open { client, signer } = self.open.insert(open);
        let encoded = body.encoded(self.config.compression).map_err(|error| Setback::Unreachable(error.into()))?;
        let key = body.key().to_string();
        let timestamp = (Time::now().wall_us / 1_000_000).to_string();
        let mut request = client
            .post(&self.config.http.url)
            .header(CONTENT_TYPE, body.content_type())
            .header("idempotency-key", &key)
            .header("webhook-id", &key)
            .header("webhook-timestamp", &timestamp);
        if let Some(signer) = signer {
            request = request.header("webhook-signature", signer.sign(&key, &timestamp, body.json()));
        }
        match self.config.compression {
            Compression::None => {}
            Compression::Gzip => request = request.header(CONTENT_ENCODING, "gzip"),
        }
        // Events of a batch each have a trace of their own, which stands in them.
        if let [only] = events {
            request = request.header("traceparent", only.traceparent());
        }
        http::send(request.body(encoded)).await.map_err(|no_answer| {
            // A certificate may be what stands in the way.
            self.read_again();
            match no_answer {
                NoAnswer::Unreachable(cause) => Setback::Unreachable(cause),
                NoAnswer::Unanswered(cause) => Setback::Unanswered(cause),
            }
        })
    }

    /// Certificates and secrets may have been renewed: they are read again for the next request.
    pub(super) fn read_again(&mut self) {
        self.open = None;
    }
}

impl Open {
    fn new(config: &WebhookDestination) -> Result<Self, SetupError> {
        let signer = config.signing_key.as_ref().map(Signer::new).transpose()?;
        Ok(Open { client: http::client(&config.http, config.timeout)?, signer })
    }
}
