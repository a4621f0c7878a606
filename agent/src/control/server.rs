//! The Unix socket by which commands talk to the running agent: one JSON object a line, one answer a line.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{ANSWER, Carried, ControlError, Lines, Order, Request, SOCKET, beside};
use crate::chain::chain;
use crate::status::Reporter;
use crate::store::Store;

const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// How many are answered at once.
const ANSWERS_MAX: usize = 16;
const PAUSE: Duration = Duration::from_millis(100);
/// Members of the agent's group may use it, whatever the umask.
const MODE: u32 = 0o660;

/// The listening end. Removed from the file system when it is dropped.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
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
    pub(crate) async fn serve(self, reporter: Reporter, store: Store, lines: Lines, stop: CancellationToken) {
        let mut answers = JoinSet::new();
        while let Some(accepted) = stop.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, _)) => {
                    let (reporter, store, lines) = (reporter.clone(), store.clone(), lines.clone());
                    answers.spawn(async move {
                        // A client that leaves or stalls is its own loss.
                        let _ = tokio::time::timeout(ANSWER, answer(stream, &reporter, &store, &lines)).await;
                    });
                }
                // The process has no more files to open: those that are open will be closed.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
            while answers.try_join_next().is_some() {}
            if answers.len() >= ANSWERS_MAX {
                answers.join_next().await;
            }
        }
        answers.shutdown().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // What remains of it is replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, reporter: &Reporter, store: &Store, lines: &Lines) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let mut answer = match serde_json::from_str(&line) {
        Ok(Request::Status) => serde_json::to_vec(&reporter.status().await)?,
        Ok(Request::Order(order)) => serde_json::to_vec(&obey(&order, reporter, store).await)?,
        Ok(Request::Line { address, question }) => serde_json::to_vec(&lines.answer(&address, question).await)?,
        Ok(Request::Carried(carried)) => serde_json::to_vec(&look_back(carried, reporter).await)?,
        Err(error) => serde_json::to_vec(&json!({ "error": format!("not a request: {error}") }))?,
    };
    answer.push(b'\n');
    write.write_all(&answer).await
}

async fn obey(order: &Order, reporter: &Reporter, store: &Store) -> Value {
    let done = match reporter.reader() {
        Ok(reader) => order.submit(store, reader).await,
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(outcome) => outcome,
        Err(error) => json!({ "error": chain(&error) }),
    }
}

/// Reads the disk, so it takes its time elsewhere than on the runtime's threads.
async fn look_back(carried: Carried, reporter: &Reporter) -> Value {
    let reader = reporter.reader();
    let found = tokio::task::spawn_blocking(move || carried.find(&mut reader?)).await;
    match found {
        Ok(Ok(carriers)) => json!({ "carriers": carriers }),
        Ok(Err(error)) => json!({ "error": chain(&error) }),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
