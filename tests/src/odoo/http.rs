//! HTTP/1.1 as far as Odoo speaks it: one request a connection, a body of stated length, `Connection: close`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most that a request's head may take, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// A request that has arrived whole.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path with its query.
    pub(super) target: String,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// An answer, always the last one on its connection.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Response { status, content_type, location: None, body: body.into() }
    }
}

/// Reads one request; `None` when the connection ends or falls silent before it is whole.
pub(super) async fn read(stream: &mut TcpStream, silence_max: Option<Duration>) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > HEAD_MAX || !more(stream, &mut bytes, silence_max).await? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    let length = header("content-length").and_then(|value| value.parse().ok()).unwrap_or_default();
    let content_type = header("content-type").unwrap_or_default().to_owned();
    let mut body = bytes.split_off(head_end);
    while body.len() < length {
        if !more(stream, &mut body, silence_max).await? {
            return Ok(None);
        }
    }
    body.truncate(length);
    let mut words = head.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    Ok(Some(Request { method: word(), target: word(), content_type, body }))
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>, silence_max: Option<Duration>) -> io::Result<bool> {
    let read = stream.read_buf(bytes);
    let count = match silence_max {
        None => read.await?,
        Some(limit) => match tokio::time::timeout(limit, read).await {
            Ok(count) => count?,
            Err(_) => 0,
        },
    };
    Ok(count > 0)
}

/// Writes the answer and closes.
pub(super) async fn write(stream: &mut TcpStream, response: &Response) -> io::Result<()> {
    let location = response.location.as_ref().map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {}\r\nServer: Werkzeug/2.2.2 Python/3.11.2\r\nContent-Type: {}\r\nContent-Length: {}\r\n{location}\
         Connection: close\r\n\r\n",
        response.status,
        reason(response.status),
        response.content_type,
        response.body.len(),
    );
    stream.write_all(&[head.as_bytes(), &response.body].concat()).await?;
    stream.shutdown().await
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        303 => "SEE OTHER",
        400 => "BAD REQUEST",
        404 => "NOT FOUND",
        413 => "Request Entity Too Large",
        502 => "Bad Gateway",
        504 => "Gateway Time-out",
        _ => "INTERNAL SERVER ERROR",
    }
}
