//! The Unix socket by which commands talk to the running agent: one JSON object a line, one answer a line.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::status::Reporter;

const SOCKET: &str = "plantlink.sock";
/// Where systemd puts it, for commands that are not started by systemd.
const RUNTIME_DIRECTORY: &str = "/run/plantlink";
const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// How many are answered at once.
const ANSWERS_MAX: usize = 16;
const PAUSE: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(10);
/// Members of the agent's group may use it, whatever the umask.
const MODE: u32 = 0o660;

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request {
    Status,
}

/// The socket could not be made, or the agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("cannot listen at {}", path.display())]
    Listen {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("no agent is running (tried {})", tried.join(", "))]
    NotRunning { tried: Vec<String> },
    #[error("may not talk to the agent at {} (its group may)", path.display())]
    Forbidden { path: PathBuf },
    #[error("the agent at {} gave no answer", path.display())]
    NoAnswer {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

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
    pub(crate) async fn serve(self, reporter: Reporter, stop: CancellationToken) {
        let mut answers = JoinSet::new();
        while let Some(accepted) = stop.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, _)) => {
                    let reporter = reporter.clone();
                    answers.spawn(async move {
                        // A client that leaves or stalls is its own loss.
                        let _ = tokio::time::timeout(ANSWER, answer(stream, &reporter)).await;
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

async fn answer(stream: UnixStream, reporter: &Reporter) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let mut answer = match serde_json::from_str(&line) {
        Ok(Request::Status) => serde_json::to_vec(&reporter.status().await)?,
        Err(error) => serde_json::to_vec(&serde_json::json!({ "error": format!("not a request: {error}") }))?,
    };
    answer.push(b'\n');
    write.write_all(&answer).await
}

/// Asks the running agent; without its configuration only the runtime directories are tried.
pub(crate) async fn ask(buffer: Option<&Path>, request: &Request) -> Result<serde_json::Value, ControlError> {
    let mut paths: Vec<PathBuf> = buffer.map(beside).into_iter().collect();
    paths.extend(std::env::var_os("RUNTIME_DIRECTORY").map(|directory| PathBuf::from(directory).join(SOCKET)));
    paths.push(Path::new(RUNTIME_DIRECTORY).join(SOCKET));
    for path in &paths {
        match UnixStream::connect(path).await {
            Ok(stream) => {
                return match tokio::time::timeout(ANSWER, exchange(stream, request)).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(cause)) => Err(ControlError::NoAnswer { path: path.clone(), cause }),
                    Err(_) => Err(ControlError::NoAnswer { path: path.clone(), cause: io::ErrorKind::TimedOut.into() }),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ControlError::Forbidden { path: path.clone() });
            }
            Err(_) => {}
        }
    }
    Err(ControlError::NotRunning { tried: paths.iter().map(|path| path.display().to_string()).collect() })
}

async fn exchange(stream: UnixStream, request: &Request) -> io::Result<serde_json::Value> {
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}

fn beside(buffer: &Path) -> PathBuf {
    buffer.with_file_name(SOCKET)
}
