//! The asking end of the socket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::{ANSWER, ControlError, RUNTIME_DIRECTORY, Request, SOCKET, beside};

/// Asks the running agent; without its configuration only the runtime directories are tried.
pub(crate) async fn ask(buffer: Option<&Path>, request: &Request) -> Result<serde_json::Value, ControlError> {
    let mut paths: Vec<PathBuf> = buffer.map(beside).into_iter().collect();
    paths.extend(std::env::var_os("RUNTIME_DIRECTORY").map(|directory| PathBuf::from(directory).join(SOCKET)));
    paths.push(Path::new(RUNTIME_DIRECTORY).join(SOCKET));
    for path in &paths {
        match UnixStream::connect(path).await {
            Ok(stream) => {
                let answer = match tokio::time::timeout(ANSWER, exchange(stream, request)).await {
                    Ok(answer) => answer,
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                };
                let answer = answer.map_err(|cause| ControlError::NoAnswer { path: path.clone(), cause })?;
                return match answer.get("error").and_then(serde_json::Value::as_str) {
                    Some(error) => Err(ControlError::Refused(error.to_owned())),
                    None => Ok(answer),
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
