//! The asking end of the socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{ControlError, Follow, REQUEST_BYTES_MAX, RUNTIME_DIRECTORY, Request, SOCKET, beside};

/// Asks the running agent; without its configuration only the runtime directories are tried.
pub(crate) async fn ask(buffer: Option<&Path>, request: &Request) -> Result<serde_json::Value, ControlError> {
    let (path, stream) = connect(buffer).await?;
    let (line, patience) = (line(request, &path)?, request.patience());
    let answer = match tokio::time::timeout(patience.limit(), exchange(stream, &line)).await {
        Ok(answer) => answer.map_err(|cause| ControlError::NoAnswer { path, cause })?,
        Err(_) => return Err(ControlError::Late { path, patience }),
    };
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
        let line = line(&Request::Follow(follow), &path)?;
        if let Err(cause) = write.write_all(&line).await {
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

/// A request as the agent takes it.
fn line(request: &Request, path: &Path) -> Result<Vec<u8>, ControlError> {
    let no_text = |cause: serde_json::Error| ControlError::NoAnswer { path: path.into(), cause: cause.into() };
    let mut line = serde_json::to_vec(request).map_err(no_text)?;
    line.push(b'\n');
    let bytes = line.len();
    if bytes > REQUEST_BYTES_MAX { Err(ControlError::TooLong { bytes }) } else { Ok(line) }
}

async fn exchange(stream: UnixStream, line: &[u8]) -> io::Result<serde_json::Value> {
    let (read, mut write) = stream.into_split();
    write.write_all(line).await?;
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use tokio::time::Instant;

    use super::*;
    use crate::control::{Order, Selection};

    /// A buffer, and an agent beside it that takes requests in and says nothing.
    fn silent(directory: &Path) -> (PathBuf, UnixListener) {
        let buffer = directory.join("buffer.db");
        let listener = UnixListener::bind(beside(&buffer)).unwrap();
        (buffer, listener)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_is_waited_for_longer_than_a_look_and_the_end_of_the_wait_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, _listener) = silent(directory.path());
        for (request, limit, told) in [
            (Request::Status, 10, "no answer within 10 s"),
            (Request::Reload, 300, "no answer within 5 min; it goes on taking up the configuration"),
        ] {
            let asked_at = Instant::now();
            let error = ask(Some(&buffer), &request).await.unwrap_err();
            assert_eq!(asked_at.elapsed().as_secs(), limit);
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[tokio::test]
    async fn more_ids_than_a_request_holds_are_told_with_what_to_name_in_their_place() {
        let directory = tempfile::tempdir().unwrap();
        let (buffer, _listener) = silent(directory.path());
        let selection = Selection { ids: (0..100_000).collect(), ..Selection::default() };
        let error = ask(Some(&buffer), &Request::Order(Order::Discard(selection))).await.unwrap_err();
        assert!(matches!(error, ControlError::TooLong { .. }), "{error}");
        assert!(error.to_string().contains("--flow, --source, --reason or --all"), "{error}");
    }
}
