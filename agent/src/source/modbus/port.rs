//! The bytes of a serial line, at a port of this machine or behind a converter: a stream that outlives the client of one
//! request, so that what arrives late can be read away before the next one.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use plantlink_config::{Parity, SerialPort};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_serial::{DataBits, FlowControl, SerialPortBuilder, SerialStream, StopBits};

/// A line that goes on talking for so many times the silence that is waited for is no line of ours.
const PATIENCE: u32 = 10;

/// What a line's bytes go through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// All clones are the same line; one of them is used at a time.
#[derive(Clone)]
pub(crate) struct Port(Arc<Mutex<dyn Stream>>);

impl Port {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        Port(Arc::new(Mutex::new(stream)))
    }

    /// Reads away whatever comes, until nothing has come for `quiet`, of which the time from `since` on is a part.
    pub(crate) async fn fall_silent(&mut self, since: Instant, quiet: Duration) -> io::Result<()> {
        let mut scrap = [0; 256];
        let mut silent_at = since + quiet;
        let end = Instant::now() + quiet * PATIENCE;
        while let Ok(read) = timeout_at(silent_at, self.read(&mut scrap)).await {
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let now = Instant::now();
            if now > end {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the line never falls silent"));
            }
            silent_at = now + quiet;
        }
        Ok(())
    }

    fn poll<T>(&mut self, poll: impl FnOnce(Pin<&mut dyn Stream>) -> T) -> T {
        // A panic in the middle of a poll leaves a stream that fails, not one that lies.
        poll(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A serial port that is being opened. An adapter that is being pulled out can hold whoever opens it, for good: that is a
/// thread of its own, and never a second one.
#[derive(Default)]
pub(crate) struct Opening(Option<JoinHandle<tokio_serial::Result<SerialStream>>>);

impl Opening {
    /// Opens the port for nobody but us. When that takes longer than `limit`, the next call waits for the same.
    pub(crate) async fn open(&mut self, port: &SerialPort, limit: Duration) -> io::Result<Port> {
        let opening = self.0.get_or_insert_with(|| {
            let builder = settings(port);
            spawn_blocking(move || SerialStream::open(&builder))
        });
        let opened = timeout(limit, opening).await;
        let opened = opened.map_err(|_elapsed| io::Error::new(io::ErrorKind::TimedOut, "the port does not open"))?;
        self.0 = None;
        Ok(Port::new(opened??))
    }
}

fn settings(port: &SerialPort) -> SerialPortBuilder {
    let parity = match port.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if port.stop_bits == 2 { StopBits::Two } else { StopBits::One };
    tokio_serial::new(port.path.to_string_lossy(), port.baud)
        .data_bits(DataBits::Eight)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(FlowControl::None)
}

impl AsyncRead for Port {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Port {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(context))
    }
}
