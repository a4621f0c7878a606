//! An endpoint for webhooks: what was posted, what it has taken, and a verdict for each event.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::http::{self, Request, Response};
use crate::ports;

/// What the endpoint says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken; `duplicate` when it was before.
    Take,
    /// It never will be, for the reason `no such order`.
    Reject,
    /// It is taken when it comes again.
    Later,
}

/// How the endpoint answers what it does not turn away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A verdict for each event.
    Verdicts,
    /// All or nothing: a request with an event to reject is refused with 422.
    Whole,
}

/// So many requests in so long a window, told in `X-RateLimit-*`; one more is a 429 and counted.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Requests of a window.
    pub requests: u32,
    /// How long a window is, in whole seconds.
    pub window: Duration,
}

/// A request as it arrived.
#[derive(Debug)]
pub struct Posted {
    request: Request,
}

impl Posted {
    /// What a header field holds; nothing when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.request.header(name)
    }

    /// The body, unpacked.
    ///
    /// # Panics
    /// When it is not what its header fields say.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match self.header("content-encoding") {
            "gzip" => flate2::read::GzDecoder::new(self.request.body.as_slice()).read_to_string(&mut text),
            _ => self.request.body.as_slice().read_to_string(&mut text),
        }
        .expect("the body is text");
        text
    }

    /// Its events.
    ///
    /// # Panics
    /// When the body is not JSON.
    pub fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.text()).expect("the body is JSON");
        body.as_array().cloned().unwrap_or_else(|| vec![body])
    }
}

/// A running endpoint; dropped, it closes every connection.
#[derive(Debug)]
pub struct Webhook {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    manner: Manner,
    /// What is said of the event with this number, in place of `Take`.
    exceptions: Vec<(u64, Verdict)>,
    /// Answered before anything else, one after the other.
    ahead: VecDeque<u16>,
    /// Answered to everything.
    refusal: Option<u16>,
    /// What `X-Api-Key` has to hold; whoever comes without gets a 401.
    key: Option<String>,
    takes: Duration,
    limit: Option<Limit>,
    window: Option<(Instant, u32)>,
    overruns: usize,
    posted: Vec<Arc<Posted>>,
    taken: Vec<String>,
}

impl Webhook {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(manner: Manner) -> Webhook {
        let port = ports::free();
        let listener = TcpListener::bind(ports::local(port)).await.expect("the endpoint's port is its own");
        let shared = Arc::new(Mutex::new(Shared {
            manner,
            exceptions: Vec::new(),
            ahead: VecDeque::new(),
            refusal: None,
            key: None,
            takes: Duration::ZERO,
            limit: None,
            window: None,
            overruns: 0,
            posted: Vec::new(),
            taken: Vec::new(),
        }));
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Webhook { port, shared, serving }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it says of the event whose `data.number` ends in this number, the next time or always.
    pub fn set_verdict(&self, number: u64, verdict: Verdict) {
        locked(&self.shared).exceptions.push((number, verdict));
    }

    /// The next requests are answered with these, and nothing is taken of them.
    pub fn answer_next(&self, statuses: &[u16]) {
        locked(&self.shared).ahead.extend(statuses);
    }

    /// Every request is answered with this, and nothing is taken, until it is told otherwise.
    pub fn refuse(&self, status: Option<u16>) {
        locked(&self.shared).refusal = status;
    }

    /// How long a request takes from now on.
    pub fn set_takes(&self, takes: Duration) {
        locked(&self.shared).takes = takes;
    }

    /// What `X-Api-Key` has to hold from now on.
    pub fn set_key(&self, key: &str) {
        locked(&self.shared).key = Some(key.to_owned());
    }

    /// What it allows from now on; without a limit, everything.
    pub fn set_limit(&self, limit: Option<Limit>) {
        locked(&self.shared).limit = limit;
    }

    /// How often the limit was not heeded.
    pub fn overruns(&self) -> usize {
        locked(&self.shared).overruns
    }

    /// Every request that arrived, oldest first.
    pub fn posted(&self) -> Vec<Arc<Posted>> {
        locked(&self.shared).posted.clone()
    }

    /// The ids of the events that were taken, each once, in their order.
    pub fn taken(&self) -> Vec<String> {
        locked(&self.shared).taken.clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// Whatever the client does wrong only ends its connection.
async fn converse(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let Ok(Some(request)) = http::read(&mut stream, None).await else { return };
    let takes = locked(&shared).takes;
    tokio::time::sleep(takes).await;
    let response = locked(&shared).answer(request);
    // A client that has left does not need it.
    let _ = http::write(&mut stream, &response).await;
}

impl Shared {
    fn answer(&mut self, request: Request) -> Response {
        let posted = Arc::new(Posted { request });
        self.posted.push(Arc::clone(&posted));
        if let Some(status) = self.ahead.pop_front().or(self.refusal) {
            return Response::new(status, "text/plain", "not now");
        }
        if self.key.as_deref().is_some_and(|key| key != posted.header("x-api-key")) {
            return Response::new(401, "text/plain", "who are you");
        }
        let limits = match self.limit.map(|limit| self.admit(limit)) {
            None => Vec::new(),
            Some(Ok(limits)) => limits,
            Some(Err(response)) => return response,
        };
        let events = posted.events();
        let verdicts: Vec<Verdict> = events.iter().map(|event| self.verdict(event)).collect();
        if self.manner == Manner::Whole && verdicts.contains(&Verdict::Reject) {
            return Response::new(422, "text/plain", "no such order");
        }
        let results: Vec<Value> =
            events.iter().zip(verdicts).map(|(event, verdict)| self.result(event, verdict)).collect();
        let body = match self.manner {
            Manner::Verdicts => json!({ "results": results }).to_string(),
            Manner::Whole => String::new(),
        };
        Response { headers: limits, ..Response::new(202, "application/json", body) }
    }

    /// The header fields that tell of the limit, or the refusal.
    fn admit(&mut self, limit: Limit) -> Result<Vec<(&'static str, String)>, Response> {
        let now = Instant::now();
        let (since, used) = self.window.filter(|(since, _)| now < *since + limit.window).unwrap_or((now, 0));
        self.window = Some((since, used + 1));
        // Rounded up, so that whoever waits so long is never early.
        let reset = (since + limit.window - now).as_secs() + 1;
        if used >= limit.requests {
            self.overruns += 1;
            let refused = Response::new(429, "text/plain", "slow down");
            return Err(Response { headers: vec![("Retry-After", reset.to_string())], ..refused });
        }
        let remaining = limit.requests - used - 1;
        Ok(vec![("X-RateLimit-Remaining", remaining.to_string()), ("X-RateLimit-Reset", reset.to_string())])
    }

    fn verdict(&mut self, event: &Value) -> Verdict {
        let number = event["data"]["number"].as_str().and_then(|number| number.rsplit('-').next()?.parse().ok());
        let found = self.exceptions.iter().position(|(exception, _)| Some(*exception) == number);
        match found.map(|at| (at, self.exceptions[at].1)) {
            None => Verdict::Take,
            Some((at, Verdict::Later)) => {
                self.exceptions.remove(at);
                Verdict::Later
            }
            Some((_, verdict)) => verdict,
        }
    }

    fn result(&mut self, event: &Value, verdict: Verdict) -> Value {
        // CloudEvents have another name for it.
        let id = event["event_id"].as_str().or(event["id"].as_str()).unwrap_or_default().to_owned();
        match verdict {
            Verdict::Reject => json!({"event_id": id, "status": "rejected", "reason": "no such order"}),
            Verdict::Later => json!({"event_id": id, "status": "retry"}),
            Verdict::Take if self.taken.contains(&id) => json!({"event_id": id, "status": "duplicate"}),
            Verdict::Take => {
                self.taken.push(id.clone());
                json!({"event_id": id, "status": "ok"})
            }
        }
    }
}

/// A test that failed while it held the lock has already said so.
fn locked(mutex: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
