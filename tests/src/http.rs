//! HTTP/1.1 as far as our servers speak it: one request a connection, a body of stated length, `Connection: close`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most that a request's head may take, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// A request that has arrived whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) target: String,
    /// Header fields as they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// What a header field holds; nothing when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// An answer, always the last one on its connection.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Response { status, content_type, headers: Vec::new(), body: body.into() }
    }
}

/// Reads one request; `None` when the connection ends or falls silent before it is whole.
pub(crate) async fn read(stream: &mut TcpStream, silence_max: Option<Duration>) -> io::Result<Option<Request>> {
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
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
    let mut words = head.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut request = Request { method: word(), target: word(), headers, body: bytes.split_off(head_end) };
    let length = request.header("content-length").parse().unwrap_or_default();
    while request.body.len() < length {
        if !more(stream, &mut request.body, silence_max).await? {
            return Ok(None);
        }
    }
    request.body.truncate(length);
    Ok(Some(request))
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
pub(crate) async fn write(stream: &mut TcpStream, response: &Response) -> io::Result<()> {
    let more: String = response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {} {}\r\nServer: Werkzeug/2.2.2 Python/3.11.2\r\nContent-Type: {}\r\nContent-Length: {}\r\n{more}\
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
        202 => "Accepted",
        400 => "BAD REQUEST",
        403 => "FORBIDDEN",
        404 => "NOT FOUND",
        401 => "Unauthorized",
        413 => "Request Entity Too Large",
        415 => "UNSUPPORTED MEDIA TYPE",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Time-out",
        _ => "INTERNAL SERVER ERROR",
    }
}
