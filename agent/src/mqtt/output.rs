//! Bytes on their way out: collected, written together, and watched for a peer that takes none.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Above this nothing is added by choice: the peer has to take some first.
const FILLED_BYTES: usize = 64 * 1024;

/// What is still to be written.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) bytes: BytesMut,
    /// The stream may still hold some of what it took: TLS does.
    unflushed: bool,
    /// Since when the peer has taken nothing, while there is something for it.
    stalled_since: Option<Instant>,
}

impl Output {
    pub(crate) fn new() -> Self {
        Output { bytes: BytesMut::with_capacity(FILLED_BYTES), unflushed: false, stalled_since: None }
    }

    pub(crate) fn is_filled(&self) -> bool {
        self.bytes.len() >= FILLED_BYTES
    }

    pub(crate) fn is_pending(&self) -> bool {
        !self.bytes.is_empty() || self.unflushed
    }

    /// When the peer counts as stuck, unless it takes something before.
    pub(crate) fn stuck_at(&mut self, limit: Duration, now: Instant) -> Option<Instant> {
        if !self.is_pending() {
            return None;
        }
        Some(*self.stalled_since.get_or_insert(now) + limit)
    }

    /// Writes all there is. Given up halfway it has lost nothing: the next call goes on where this one was.
    pub(crate) async fn write(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !self.bytes.is_empty() {
            if stream.write_buf(&mut self.bytes).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed = true;
            self.stalled_since = Some(Instant::now());
        }
        stream.flush().await?;
        self.unflushed = false;
        self.stalled_since = None;
        Ok(())
    }
}
