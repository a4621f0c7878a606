//! The Unix socket by which commands talk to the running agent: one JSON object a line, and one
//! answer, or as many as come while somebody follows.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{ReadError, Reader};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::patience::ANSWER;
use super::{ControlError, Follow, Lines, Order, REQUEST_BYTES_MAX, Reconcilers, Request, SOCKET, beside, caller};
use crate::aside::aside;
use crate::chain::chain;
use crate::reload::Asked;
use crate::status::Reporter;
use crate::store::Store;
use crate::tap::Tap;

/// How many are answered at once; those who look on leave room for the others.
const ANSWERS_MAX: usize = 24;
/// How many look on at once.
const FOLLOWERS_MAX: usize = 8;
const PAUSE: Duration = Duration::from_millis(100);
/// So much longer than its client an answer is waited for: whoever asked gives up first, and says so.
const GRACE: Duration = Duration::from_secs(2);
/// Members of the agent's group may use it, whatever the umask.
const MODE: u32 = 0o660;

/// The listening end. Removed from the file system when it is dropped.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

/// What the answers are made of.
#[derive(Clone)]
pub(crate) struct FrontDesk {
    pub(crate) reporter: Reporter,
    pub(crate) store: Store,
    /// The Modbus lines that are held now.
    pub(crate) lines: watch::Receiver<Lines>,
    /// The destinations that can compare what they confirmed with what they hold.
    pub(crate) reconcilers: watch::Receiver<Reconcilers>,
    pub(crate) tap: Tap,
    /// Where a new configuration is asked for.
    pub(crate) reload: mpsc::Sender<Asked>,
}

/// Those who ask, and those who look on.
#[derive(Clone)]
struct Answers {
    desk: FrontDesk,
    followers: Arc<Semaphore>,
}

impl Control {
    /// Takes the place of a socket that a killed agent left: the buffer's lock has shown that no other one runs.
    pub(crate) fn bind(buffer: &Path) -> Result<Self, ControlError> {
        let path = std::env::var_os("RUNTIME_DIRECTORY")
            .map_or_else(|| beside(buffer), |directory| PathBuf::from(directory).join(SOCKET));
        let listen = |cause| ControlError::Listen { path: path.clone(), cause };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(listen(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&path).map_err(listen)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(MODE)).map_err(listen)?;
        Ok(Control { listener, path })
    }

    /// Answers until stop.
    pub(crate) async fn serve(self, desk: FrontDesk, stop: CancellationToken) {
        let known = Answers { desk, followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)) };
        let serve = |stream| {
            let known = known.clone();
            async move {
                // A client that leaves or stalls is its own loss.
                let _ = known.serve(stream).await;
            }
        };
        serve_each(&self.listener, serve, &stop).await;
    }
}

/// Serves so many at once until stop, and waits for none of them then.
async fn serve_each<F: Future<Output = ()> + Send + 'static>(
    listener: &UnixListener,
    serve: impl Fn(UnixStream) -> F,
    stop: &CancellationToken,
) {
    let mut served = JoinSet::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => drop(served.spawn(serve(stream))),
            // The process has no more files to open: those that are open will be closed.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while served.try_join_next().is_some() {}
        if served.len() >= ANSWERS_MAX {
            stop.run_until_cancelled(served.join_next()).await;
        }
    }
    served.shutdown().await;
}

impl Drop for Control {
    fn drop(&mut self) {
        // What remains of it is replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What a request gets.
enum Answer {
    Once(Value),
    Following(Follow),
}

impl Answers {
    async fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let by = caller::of(&stream)?;
        let (mut read, mut write) = stream.into_split();
        let request = match tokio::time::timeout(ANSWER, asked(&mut read)).await?? {
            Ok(request) => request,
            Err(error) => {
                let answer = json!({ "error": chain(&error) });
                return tokio::time::timeout(ANSWER, say(&answer, &mut write)).await?;
            }
        };
        let patience = request.patience();
        let answered = tokio::select! {
            answered = tokio::time::timeout(patience.limit() + GRACE, self.answer(request, &by)) => answered??,
            () = left(&mut read), if patience.ends_with_its_client() => return Ok(()),
        };
        let follow = match answered {
            Answer::Once(answer) => return tokio::time::timeout(ANSWER, say(&answer, &mut write)).await?,
            Answer::Following(follow) => follow,
        };
        let Ok(_place) = self.followers.try_acquire() else {
            let answer = json!({ "error": format!("{FOLLOWERS_MAX} look on already, and more may not") });
            return tokio::time::timeout(ANSWER, say(&answer, &mut write)).await?;
        };
        tokio::select! {
            followed = follow.serve(&self.desk.reporter, &self.desk.store, &self.desk.tap, &mut write) => followed,
            () = left(&mut read) => Ok(()),
        }
    }

    async fn answer(&self, request: Request, by: &str) -> io::Result<Answer> {
        let FrontDesk { reporter, store, lines, reconcilers, .. } = &self.desk;
        Ok(Answer::Once(match request {
            Request::Follow(follow) => return Ok(Answer::Following(follow)),
            Request::Status => serde_json::to_value(reporter.report().await)?,
            Request::Order(order) => obey(&order, by, reporter, store).await,
            Request::Line { address, question } => {
                let held = lines.borrow().clone();
                held.answer(&address, question).await
            }
            Request::Carried(carried) => {
                self.look(move |reader| Ok(json!({ "carriers": carried.find(reader)? }))).await
            }
            Request::Dead(dead) => {
                let wording = reporter.wording();
                self.look(move |reader| Ok(json!({ "dead": dead.answer(&wording, reader)? }))).await
            }
            Request::Trail(trail) => self.look(move |reader| Ok(json!({ "trail": trail.find(reader)? }))).await,
            Request::Reconcile(reconcile) => {
                let known = reconcilers.borrow().clone();
                known.answer(&reconcile, by, store).await
            }
            Request::Reload => self.reload(by).await,
        }))
    }

    /// Reads the disk, so it takes its time elsewhere than on the runtime's threads.
    async fn look(&self, look: impl FnOnce(&mut Reader) -> Result<Value, ReadError> + Send + 'static) -> Value {
        let reader = self.desk.reporter.reader();
        match aside(move || look(&mut reader?)).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": chain(&error) }),
        }
    }

    async fn reload(&self, by: &str) -> Value {
        let (answer, told) = oneshot::channel();
        let asked = Asked { by: by.to_owned(), answer };
        let told = match self.desk.reload.send(asked).await {
            Ok(()) => told.await.ok(),
            Err(_) => None,
        };
        match told {
            Some(reload) => serde_json::to_value(reload).unwrap_or_else(|error| json!({ "error": error.to_string() })),
            None => json!({ "error": "the agent is stopping" }),
        }
    }
}

/// Why nobody knows what a client asks.
#[derive(Debug, thiserror::Error)]
enum AskedError {
    #[error("the request is too long: it may have {REQUEST_BYTES_MAX} bytes")]
    TooLong,
    #[error("not a request")]
    Unknown(#[source] serde_json::Error),
}

/// What a client asks, or why that cannot be known.
async fn asked(read: &mut OwnedReadHalf) -> io::Result<Result<Request, AskedError>> {
    let mut line = Vec::new();
    // The limit fits in 64 bits.
    BufReader::new(read.take(REQUEST_BYTES_MAX as u64)).read_until(b'\n', &mut line).await?;
    if line.len() == REQUEST_BYTES_MAX && !line.ends_with(b"\n") {
        return Ok(Err(AskedError::TooLong));
    }
    Ok(serde_json::from_slice(&line).map_err(AskedError::Unknown))
}

async fn say(answer: &Value, write: &mut OwnedWriteHalf) -> io::Result<()> {
    write.write_all(format!("{answer}\n").as_bytes()).await
}

/// Waits until the client has closed its end.
async fn left(read: &mut OwnedReadHalf) {
    let mut rest = [0; 64];
    while read.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
}

async fn obey(order: &Order, by: &str, reporter: &Reporter, store: &Store) -> Value {
    let done = match reporter.reader() {
        Ok(reader) => order.submit(by, store, reader).await,
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(outcome) => outcome,
        Err(error) => json!({ "error": chain(&error) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any of this takes, so that only what is wrong waits for it.
    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_request_of_the_greatest_length_is_read_and_a_longer_one_is_called_too_long() {
        for (bytes, told) in [(REQUEST_BYTES_MAX, None), (REQUEST_BYTES_MAX + 1, Some("the request is too long"))] {
            let (client, server) = UnixStream::pair().unwrap();
            let (mut read, mut write) = (server.into_split().0, client.into_split().1);
            // Spaces may stand before the object.
            let request = "{\"command\":\"status\"}\n";
            let line = format!("{}{request}", " ".repeat(bytes - request.len()));
            let (written, asked) = tokio::join!(write.write_all(line.as_bytes()), asked(&mut read));
            written.unwrap();
            let error = asked.unwrap().err().map(|error| error.to_string());
            assert_eq!(error.as_ref().map(|error| error.split(':').next().unwrap_or_default()), told);
        }
    }

    #[tokio::test]
    async fn a_stop_waits_for_none_of_as_many_clients_as_are_served_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SOCKET);
        let listener = UnixListener::bind(&path).unwrap();
        let (stop, served) = (CancellationToken::new(), Arc::new(Semaphore::new(0)));
        let stalled = |_| {
            let served = served.clone();
            async move {
                served.add_permits(1);
                std::future::pending().await
            }
        };
        let serving = serve_each(&listener, stalled, &stop);
        let stopping = async {
            let mut clients = Vec::new();
            for _ in 0..ANSWERS_MAX {
                clients.push(UnixStream::connect(&path).await.unwrap());
            }
            drop(served.acquire_many(ANSWERS_MAX as u32).await.unwrap());
            stop.cancel();
        };
        tokio::time::timeout(LIMIT, async { tokio::join!(serving, stopping) }).await.expect("it stops");
    }
}
