//! A connection that is cut in the middle of frames, hundreds of times, while a hundred thousand messages pass.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use plantlink_config::MqttVersion;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::broker::{Broker, Heard, connack, puback, pubcomp, publish, pubrec};
use super::{VERSIONS, connect, message};
use crate::mqtt::{Answer, Arrival, Connect, Exchange, Link, Numbered, Payload, Publish, Qos, Session};

const MESSAGES: usize = 100_000;
const WINDOW: u16 = 500;
/// A connection lives for up to so many bytes.
const BYTES_MAX: u64 = 60_000;

#[tokio::test]
async fn a_hundred_thousand_messages_go_out_through_cuts_and_none_is_lost() {
    for version in VERSIONS {
        let mut cuts = Cuts::new(7);
        let mut received = Vec::with_capacity(MESSAGES * 2);
        let mut settled = 0;
        while settled < MESSAGES {
            let (ours, theirs) = cuts.next_pipe();
            let sending = async {
                // Sent again from the first one without an answer.
                let Ok(mut link) = Link::open(ours, connect(version)).await else { return };
                while settled < MESSAGES {
                    let batch =
                        (settled..MESSAGES.min(settled + 2000)).map(|number| message("out", &number.to_string()));
                    let published = link.publish(batch.collect(), WINDOW).await;
                    assert!(published.answers.iter().all(|answer| *answer == Answer::Accepted));
                    settled += published.answers.len();
                    if published.rest.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(sending, receive(theirs, version, &mut received));
        }
        let mut expected = 0;
        for number in &received {
            assert!(*number <= expected, "{number} came before {expected}");
            expected = expected.max(number + 1);
        }
        assert_eq!(expected, MESSAGES);
        assert!(cuts.count > 50, "only {} cuts", cuts.count);
        let repeats = received.len() - MESSAGES;
        assert!(repeats <= cuts.count * usize::from(WINDOW), "{repeats} repeats with {} cuts", cuts.count);
    }
}

/// A broker that remembers what it has taken and answers it, until the connection is gone.
async fn receive(stream: DuplexStream, version: MqttVersion, received: &mut Vec<usize>) {
    let mut broker = Broker::new(stream, version);
    if !matches!(broker.hear().await, Heard::Connect(_)) {
        return;
    }
    if !broker.try_say(&connack(version, false, 0, &[])).await {
        return;
    }
    while let Heard::Publish { packet_id, payload, .. } = broker.hear().await {
        received.push(std::str::from_utf8(&payload).unwrap().parse().unwrap());
        if !broker.try_say(&puback(packet_id)).await {
            return;
        }
    }
}

/// With QoS 2, under ids that outlive the connection.
#[tokio::test]
async fn twenty_thousand_messages_are_handed_over_through_cuts_and_each_arrives_once() {
    const HANDED_OVER: usize = 20_000;
    const FLIGHT: usize = 100;
    for version in VERSIONS {
        let mut cuts = Cuts::new(13);
        let mut session = HashSet::new();
        let mut received = Vec::new();
        // What the user of a link has written down: what is released, what is in flight since which connection.
        let mut releases = Vec::new();
        let mut flight = 0..FLIGHT;
        let mut begun_at = 0;
        let packet_id = |number: usize| u16::try_from(number % 65_535 + 1).unwrap();
        while !flight.is_empty() || !releases.is_empty() {
            let (ours, theirs) = cuts.next_pipe();
            let handing_over = async {
                let kept = Connect { session: Session::Kept { expiry_s: 60 }, ..connect(version) };
                let Ok(mut link) = Link::open(ours, kept).await else { return };
                while !flight.is_empty() || !releases.is_empty() {
                    let messages = flight.clone().map(|number| Numbered {
                        packet_id: packet_id(number),
                        dup: begun_at < cuts.count,
                        message: Publish { qos: Qos::ExactlyOnce, ..message("out", &number.to_string()) },
                    });
                    let exchange =
                        Exchange { releases: releases.clone(), messages: messages.collect(), window: WINDOW };
                    let exchanged = link.exchange(exchange).await;
                    assert!(exchanged.answers.iter().flatten().all(|answer| *answer == Answer::Accepted));
                    if exchanged.rest.is_err() {
                        return;
                    }
                    releases = flight.clone().map(packet_id).collect();
                    flight = flight.end..HANDED_OVER.min(flight.end + FLIGHT);
                    begun_at = cuts.count;
                }
            };
            tokio::join!(handing_over, take_once(theirs, version, &mut session, &mut received));
        }
        assert!(session.is_empty(), "{} messages were not released", session.len());
        received.sort_unstable();
        assert!(received.iter().copied().eq(0..HANDED_OVER), "lost or repeated");
        assert!(cuts.count > 10, "only {} cuts", cuts.count);
    }
}

/// A broker that keeps the session: the ids that it has messages under.
async fn take_once(stream: DuplexStream, version: MqttVersion, session: &mut HashSet<u16>, received: &mut Vec<usize>) {
    let mut broker = Broker::new(stream, version);
    if !matches!(broker.hear().await, Heard::Connect(_)) {
        return;
    }
    let mut answer = connack(version, true, 0, &[]);
    while broker.try_say(&answer).await {
        match broker.hear().await {
            Heard::Publish { packet_id, payload, .. } => {
                if session.insert(packet_id) {
                    received.push(std::str::from_utf8(&payload).unwrap().parse().unwrap());
                }
                answer = pubrec(packet_id).to_vec();
            }
            Heard::Pubrel(packet_id) => {
                session.remove(&packet_id);
                answer = pubcomp(packet_id).to_vec();
            }
            Heard::Goodbye | Heard::Gone => return,
            heard @ (Heard::Connect(_)
            | Heard::Subscribe { .. }
            | Heard::Unsubscribe { .. }
            | Heard::Puback(_)
            | Heard::Pubrec(_)
            | Heard::Pubcomp(_)
            | Heard::Ping) => panic!("no destination with QoS 2 says {heard:?}"),
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_messages_come_in_through_cuts_and_none_is_lost() {
    for version in VERSIONS {
        let mut cuts = Cuts::new(11);
        let committed = Mutex::new(vec![false; MESSAGES]);
        let mut backlog: VecDeque<usize> = (0..MESSAGES).collect();
        // What was not committed when its connection broke is committed and acknowledged during the next one.
        let mut late = Vec::new();
        while !backlog.is_empty() {
            let (ours, theirs) = cuts.next_pipe();
            let taking = async {
                let session = Session::Kept { expiry_s: 60 };
                let connect = Connect { session, receive_maximum: WINDOW, ..connect(version) };
                let Ok(mut link) = Link::open(ours, connect).await else { return };
                let acker = link.acker();
                while let Ok(arrivals) = link.next().await {
                    let batch: Vec<_> = arrivals
                        .into_iter()
                        .filter_map(Arrival::into_message)
                        .map(|message| {
                            let Payload::Whole(payload) = message.payload else { panic!("no payload") };
                            (message.packet_id, std::str::from_utf8(&payload).unwrap().parse::<usize>().unwrap())
                        })
                        .collect();
                    late.push((acker.clone(), batch));
                    // One batch stays uncommitted, as while a commit runs, unless nothing more is to come before it.
                    let keep = usize::from(late.len() % 3 == 0);
                    for (acker, batch) in late.drain(..late.len() - keep) {
                        let mut committed = committed.lock().unwrap();
                        batch.iter().for_each(|(_, number)| committed[*number] = true);
                        acker.give(&batch.iter().map(|(packet_id, _)| *packet_id).collect::<Vec<_>>());
                    }
                }
            };
            tokio::join!(taking, deliver(theirs, version, &mut backlog, &committed));
        }
        assert!(committed.lock().unwrap().iter().all(|committed| *committed));
        assert!(cuts.count > 50, "only {} cuts", cuts.count);
    }
}

/// A broker that delivers from its backlog and forgets what is acknowledged. On each connection its packet ids start
/// again at 1, so that an acknowledgement of an earlier connection would name another message.
async fn deliver(
    stream: DuplexStream,
    version: MqttVersion,
    backlog: &mut VecDeque<usize>,
    committed: &Mutex<Vec<bool>>,
) {
    let mut broker = Broker::new(stream, version);
    if !matches!(broker.hear().await, Heard::Connect(_)) {
        return;
    }
    if !broker.try_say(&connack(version, true, 0, &[])).await {
        return;
    }
    let mut in_flight = VecDeque::new();
    let mut last_id: u16 = 0;
    while !backlog.is_empty() {
        let mut out = Vec::new();
        while in_flight.len() < usize::from(WINDOW)
            && let Some(number) = backlog.get(in_flight.len())
        {
            last_id = last_id.checked_add(1).unwrap_or(1);
            in_flight.push_back(last_id);
            out.extend(publish(version, last_id, "in", number.to_string().as_bytes()));
        }
        if !out.is_empty() && !broker.try_say(&out).await {
            return;
        }
        let mut next = Some(broker.hear().await);
        while let Some(heard) = next {
            let Heard::Puback(packet_id) = heard else { return };
            assert_eq!(in_flight.pop_front(), Some(packet_id), "acknowledged out of order");
            let number = backlog.pop_front().unwrap();
            assert!(committed.lock().unwrap()[number], "{number} was acknowledged and not committed");
            next = broker.next_packet();
        }
    }
}

/// Makes pipes that break, at places that depend on the seed alone.
struct Cuts {
    state: u64,
    count: usize,
}

impl Cuts {
    fn new(seed: u64) -> Self {
        Cuts { state: seed, count: 0 }
    }

    fn next_pipe(&mut self) -> (Fragile, DuplexStream) {
        self.count += 1;
        let (inner, theirs) = tokio::io::duplex(16 * 1024);
        let left = Arc::new(Mutex::new(self.next() % BYTES_MAX));
        let reset = self.next().is_multiple_of(2);
        (Fragile { inner: Some(inner), left, reset }, theirs)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// A stream that breaks after a number of bytes, counted both ways: with an error, or as if the peer had closed it.
struct Fragile {
    inner: Option<DuplexStream>,
    left: Arc<Mutex<u64>>,
    reset: bool,
}

impl Fragile {
    /// How many bytes may still pass. With none left both ends are cut off from each other.
    fn left(&mut self) -> usize {
        let left = *self.left.lock().unwrap();
        if left == 0 {
            self.inner = None;
        }
        usize::try_from(left).unwrap()
    }

    fn passed(&mut self, bytes: usize) {
        *self.left.lock().unwrap() -= bytes as u64;
    }
}

impl AsyncRead for Fragile {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.left();
        let reset = self.reset;
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(if reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) });
        };
        let mut bytes = vec![0; left.min(buf.remaining())];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(inner).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        buf.put_slice(part.filled());
        self.passed(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fragile {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.left().min(bytes.len());
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let count = ready!(Pin::new(inner).poll_write(cx, &bytes[..left]))?;
        self.passed(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner = None;
        Poll::Ready(Ok(()))
    }
}
