//! A TCP stream that reads together what comes in many small pieces.
//!
//! A broker sends each message by itself, and each wakes whoever watches the socket: under load that costs more than all
//! that is done with the message. So after some reads in a row the socket rests for a moment, and what comes meanwhile is
//! read at once. Nobody may watch it then: epoll wakes a thread for whatever comes, also when no task asks for it.

use std::io::{self, Read as _, Write as _};
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// So many reads in a row, without a write between them, are a stream of messages rather than questions and answers,
/// which no rest may slow down.
const READS_IN_A_ROW: u32 = 4;
/// How long the socket rests. The least that the runtime's clock can tell; it may be one more.
const REST: Duration = Duration::from_millis(1);

/// Reads like the stream it is made of, at most two milliseconds later.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// It is either here or in `resting`, and nowhere after an error.
    watched: Option<TcpStream>,
    resting: Option<net::TcpStream>,
    /// Nothing is read before its end.
    rest: Option<Pin<Box<Sleep>>>,
    reads_in_a_row: u32,
}

impl Gathered {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Gathered { watched: Some(stream), resting: None, rest: None, reads_in_a_row: 0 }
    }

    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let Some(stream) = self.resting.take() {
            self.watched = Some(TcpStream::from_std(stream)?);
        }
        self.watched.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Takes note of a read, and rests when it is one of many. With the buffer filled there may be more to read at once.
    fn has_read(&mut self, count: usize, room: usize) -> io::Result<()> {
        if (1..room).contains(&count) {
            self.reads_in_a_row = self.reads_in_a_row.saturating_add(1);
            if self.reads_in_a_row > READS_IN_A_ROW {
                if let Some(stream) = self.watched.take() {
                    self.resting = Some(stream.into_std()?);
                }
                self.rest = Some(Box::pin(sleep(REST)));
            }
        }
        Ok(())
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(rest) = &mut this.rest {
            ready!(rest.as_mut().poll(cx));
            this.rest = None;
        }
        let room = buf.remaining();
        match this.resting.as_mut().map(|stream| stream.read(buf.initialize_unfilled())) {
            Some(Ok(count)) => {
                buf.advance(count);
                return Poll::Ready(this.has_read(count, room));
            }
            // Nothing came in a whole rest: whatever comes next is waited for.
            Some(Err(error)) if is_not_now(&error) => this.reads_in_a_row = 0,
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => {}
        }
        ready!(this.watched()?.poll_read(cx, buf))?;
        Poll::Ready(this.has_read(room - buf.remaining(), room))
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.reads_in_a_row = 0;
        match this.resting.as_mut().map(|stream| stream.write(buf)) {
            // There is no room, for which somebody has to watch.
            Some(Err(error)) if is_not_now(&error) => {}
            Some(written) => return Poll::Ready(written),
            None => {}
        }
        this.watched()?.poll_write(cx, buf)
    }

    /// TCP has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_shutdown(cx)
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    /// A stream, and the broker's end of it.
    async fn connected() -> (Gathered, net::TcpStream) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Gathered::new(stream), listener.accept().unwrap().0)
    }

    /// What one read gives, at most `room` bytes.
    async fn read(stream: &mut Gathered, room: usize) -> Vec<u8> {
        let mut bytes = vec![0; room];
        let count = stream.read(&mut bytes).await.unwrap();
        bytes.truncate(count);
        bytes
    }

    /// A stream that rests, which takes place in the runtime's own time: that stands still while there is anything to do.
    async fn resting() -> (Gathered, net::TcpStream) {
        let (mut stream, mut broker) = connected().await;
        for _ in 0..=READS_IN_A_ROW {
            broker.write_all(b"message").unwrap();
            assert_eq!(read(&mut stream, 100).await, b"message");
        }
        (stream, broker)
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_follow_each_other_are_read_together_after_a_rest() {
        let (mut stream, mut broker) = resting().await;
        for _ in 0..2 {
            let begin = Instant::now();
            for piece in [b"one", b"two", b"six"] {
                broker.write_all(piece).unwrap();
            }
            assert_eq!(read(&mut stream, 100).await, b"onetwosix");
            assert!(begin.elapsed() >= REST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_rest_in_which_nothing_came_the_next_message_is_read_at_once() {
        let (mut stream, mut broker) = resting().await;
        let waiting = tokio::spawn(async move { (read(&mut stream, 100).await, Instant::now(), stream) });
        tokio::time::sleep(REST * 10).await;
        let begin = Instant::now();
        broker.write_all(b"late").unwrap();
        let (message, end, mut stream) = waiting.await.unwrap();
        assert_eq!(message, b"late");
        broker.write_all(b"later").unwrap();
        assert_eq!(read(&mut stream, 100).await, b"later");
        assert_eq!((end - begin, begin.elapsed()), (Duration::ZERO, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn questions_and_answers_and_long_messages_know_no_rest() {
        let (mut stream, mut broker) = connected().await;
        let begin = Instant::now();
        for _ in 0..READS_IN_A_ROW * 3 {
            stream.write_all(b"?").await.unwrap();
            broker.write_all(b"!").unwrap();
            assert_eq!(read(&mut stream, 100).await, b"!");
        }
        broker.write_all(&[7; 100]).unwrap();
        for _ in 0..10 {
            assert_eq!(read(&mut stream, 10).await, [7; 10]);
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn writing_does_not_wait_for_the_end_of_a_rest() {
        let (mut stream, mut broker) = resting().await;
        let begin = Instant::now();
        stream.write_all(b"acknowledged").await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let mut heard = [0; 12];
        broker.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"acknowledged");
    }

    /// More than the socket takes, so that somebody has to watch for room while the socket rests.
    #[tokio::test]
    async fn what_has_no_room_in_a_rest_is_written_when_there_is_some() {
        const BYTES: usize = 32 << 20;
        let (mut stream, mut broker) = resting().await;
        let heard = std::thread::spawn(move || {
            let mut heard = vec![0; BYTES];
            broker.read_exact(&mut heard).unwrap();
            broker.write_all(b"all").unwrap();
            heard
        });
        stream.write_all(&vec![7; BYTES]).await.unwrap();
        assert_eq!(read(&mut stream, 100).await, b"all");
        assert!(heard.join().unwrap().iter().all(|byte| *byte == 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_ends_in_a_rest_is_over_after_it() {
        let (mut stream, broker) = resting().await;
        drop(broker);
        assert_eq!(read(&mut stream, 100).await, b"");
        assert_eq!(read(&mut stream, 100).await, b"");
    }
}
