//! The asking end of the socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{ControlError, Follow, RUNTIME_DIRECTORY, Request, SOCKET, beside};

/// Asks the running agent; without its configuration only the runtime directories are tried.
pub(crate) async fn ask(buffer: Option<&Path>, request: &Request) -> Result<serde_json::Value, ControlError> {
    let (path, stream) = connect(buffer).await?;
    let answer = match tokio::time::timeout(request.patience(), exchange(stream, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let answer = answer.map_err(|cause| ControlError::NoAnswer { path, cause })?;
    match answer.get("error").and_then(serde_json::Value::as_str) {
        Some(error) => Err(ControlError::Refused(error.to_owned())),
        None => Ok(answer),
    }
}

/// What the agent tells for as long as it is listened to.
pub(crate) struct Followed {
    path: PathBuf,
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// As long as it is open, somebody listens.
    _write: OwnedWriteHalf,
}

impl Followed {
    /// Begins to listen to the running agent, which is found as by [`ask`].
    pub(crate) async fn begin(buffer: Option<&Path>, follow: Follow) -> Result<Self, ControlError> {
        let (path, stream) = connect(buffer).await?;
        let (read, mut write) = stream.into_split();
        if let Err(cause) = put(&Request::Follow(follow), &mut write).await {
            return Err(ControlError::NoAnswer { path, cause });
        }
        Ok(Followed { path, lines: BufReader::new(read).lines(), _write: write })
    }

    /// Waits for the next line; `None` when the agent has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ControlError> {
        self.lines.next_line().await.map_err(|cause| ControlError::NoAnswer { path: self.path.clone(), cause })
    }
}

async fn connect(buffer: Option<&Path>) -> Result<(PathBuf, UnixStream), ControlError> {
    let mut paths: Vec<PathBuf> = buffer.map(beside).into_iter().collect();
    paths.extend(std::env::var_os("RUNTIME_DIRECTORY").map(|directory| PathBuf::from(directory).join(SOCKET)));
    paths.push(Path::new(RUNTIME_DIRECTORY).join(SOCKET));
    for path in &paths {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok((path.clone(), stream)),
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
    put(request, &mut write).await?;
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}

async fn put(request: &Request, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    write.write_all(&line).await
}
