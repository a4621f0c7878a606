//! The task that owns a connection's socket: the only one that reads, writes and keeps time on it.
//!
//! Whatever can wait for something outside waits in one place, so that a consumer who is behind stops the reading and
//! nothing else: acknowledgements, messages and PINGREQ go on. While nothing is read, no silence is held against the
//! broker, since its PINGRESP may stand behind what is not read.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{self, Instant};

use super::acker::{AckQueue, Given};
use super::arrival::Arrival;
use super::asked::{Asked, Asking};
use super::error::{LinkError, Waiting};
use super::frame::Frames;
use super::handover::{Exchange, Exchanged, Handover};
use super::handshake::Greeted;
use super::inbox::Inbox;
use super::keep_alive::KeepAlive;
use super::outgoing::{Outgoing, Published};
use super::output::Output;
use super::packet::{Codec, PacketError, Publish, Qos, Received};
use super::packet_ids::PacketIds;
use super::{Connect, Limits};

/// Room for one read.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// How long a broker may take to close after DISCONNECT.
const FAREWELL: time::Duration = time::Duration::from_secs(1);
/// What may wait for the consumer.
const INBOX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the handle asks of the task.
pub(crate) enum Command {
    Subscribe { filters: Vec<String>, qos: Qos, reply: oneshot::Sender<Result<(), LinkError>> },
    Unsubscribe { filters: Vec<String>, reply: oneshot::Sender<Result<(), LinkError>> },
    Publish { messages: Vec<Publish>, window: u16, reply: oneshot::Sender<Published> },
    Exchange { exchange: Exchange, reply: oneshot::Sender<Exchanged> },
    Close,
}

/// One connection, from CONNACK to its end.
pub(crate) struct Wire<S> {
    read: ReadHalf<S>,
    write: WriteHalf<S>,
    input: BytesMut,
    output: Output,
    frames: Frames,
    codec: Codec,
    outgoing: Outgoing,
    handover: Handover,
    /// Taken in with QoS 1, PUBACK not given.
    unacknowledged: PacketIds,
    /// Taken in with QoS 2, PUBREC not given.
    unrecorded: PacketIds,
    /// Released, PUBCOMP not given.
    uncompleted: PacketIds,
    receive_maximum: usize,
    asked: Option<Asked>,
    keep_alive: KeepAlive,
    limits: Limits,
    inbox: Arc<Inbox>,
    acks: Arc<AckQueue>,
    commands: mpsc::Receiver<Command>,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    pub(crate) fn new(
        stream: S,
        greeted: Greeted,
        connect: &Connect,
        inbox: Arc<Inbox>,
        acks: Arc<AckQueue>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let terms = greeted.connack.terms;
        let (read, write) = tokio::io::split(stream);
        let interval_s = match terms.keep_alive_s {
            Some(0) | None => connect.keep_alive_s(),
            Some(asked_for) => asked_for,
        };
        let interval = time::Duration::from_secs(interval_s.into());
        Wire {
            read,
            write,
            input: greeted.input,
            output: Output::new(),
            frames: greeted.frames,
            codec: greeted.codec,
            outgoing: Outgoing::new(terms.receive_maximum),
            handover: Handover::new(terms.receive_maximum),
            unacknowledged: PacketIds::new(),
            unrecorded: PacketIds::new(),
            uncompleted: PacketIds::new(),
            receive_maximum: connect.receive_maximum.max(1).into(),
            asked: None,
            keep_alive: KeepAlive::new(interval, connect.limits.answer, Instant::now()),
            limits: connect.limits.clone(),
            inbox,
            acks,
            commands,
        }
    }

    /// Serves the connection until it ends, and tells everybody why it did.
    pub(crate) async fn run(mut self) {
        let ended = self.serve().await.err().unwrap_or(LinkError::Ended);
        self.inbox.end(ended.clone());
        self.outgoing.fail(ended.clone());
        self.handover.fail(ended);
    }

    async fn serve(&mut self) -> Result<(), LinkError> {
        loop {
            self.acknowledge()?;
            let listening = self.take_in()?;
            self.give_out()?;
            let wake_at = self.keep_time(listening)?;
            tokio::select! {
                // In this order, so that a run can be repeated. Nobody is kept waiting by it: what precedes reading ends
                // with the window, and the clock is looked at in every round.
                biased;
                command = self.commands.recv() => match command {
                    Some(Command::Close) | None => return self.say_goodbye().await,
                    Some(Command::Subscribe { filters, qos, reply }) => {
                        self.ask(Asking::Subscribe { qos }, filters, reply)?;
                    }
                    Some(Command::Unsubscribe { filters, reply }) => self.ask(Asking::Unsubscribe, filters, reply)?,
                    Some(Command::Publish { messages, window, reply }) => self.outgoing.start(messages, window, reply),
                    Some(Command::Exchange { exchange, reply }) => self.handover.start(exchange, reply),
                },
                written = self.output.write(&mut self.write), if self.output.is_pending() => {
                    if let Err(error) = written {
                        return Err(self.hear_out(error.into()).await);
                    }
                    let now = Instant::now();
                    self.keep_alive.sent(now);
                    self.outgoing.written(now);
                    self.handover.written(now);
                }
                () = self.acks.given() => {}
                () = self.inbox.taken() => {}
                read = self.read.read_buf(&mut self.input), if listening => {
                    if read? == 0 {
                        return Err(LinkError::Closed { reason: None });
                    }
                    self.keep_alive.heard(Instant::now());
                }
                () = time::sleep_until(wake_at) => {}
            }
        }
    }

    /// A broker that takes no more may have answered and said why before it closed: that is read to its end, and is a better
    /// reason than ours.
    async fn hear_out(&mut self, error: LinkError) -> LinkError {
        let heard = async {
            while self.take_in()? && self.read.read_buf(&mut self.input).await? > 0 {}
            Ok::<_, LinkError>(())
        };
        match time::timeout(FAREWELL, heard).await {
            Ok(Err(said)) => said,
            Ok(Ok(())) | Err(_) => error,
        }
    }

    /// Puts all that was given into the output, where it leaves together.
    fn acknowledge(&mut self) -> Result<(), LinkError> {
        let Given { messages, releases } = self.acks.take();
        if !messages.is_empty() {
            self.inbox.acknowledged(messages.len());
        }
        for packet_id in messages {
            if self.unacknowledged.remove(packet_id) {
                self.codec.puback(packet_id, &mut self.output.bytes)?;
            } else if self.unrecorded.remove(packet_id) {
                self.codec.pubrec(packet_id, &mut self.output.bytes)?;
            }
        }
        for packet_id in releases {
            if self.uncompleted.remove(packet_id) {
                self.codec.pubcomp(packet_id, &mut self.output.bytes)?;
            }
        }
        Ok(())
    }

    /// Takes in what has been read, as far as there is room for messages. True when more has to be read for more.
    fn take_in(&mut self) -> Result<bool, LinkError> {
        loop {
            let room = self.inbox.room(INBOX_BYTES_MAX);
            if room == 0 || self.is_window_full() {
                return Ok(false);
            }
            if !self.take_in_within(room)? {
                self.input.reserve(READ_BYTES / 2);
                return Ok(true);
            }
        }
    }

    /// With MQTT 5 a correct broker never gets there. Others are stopped here. A message with QoS 2 counts until its PUBREC:
    /// what follows it, PUBREL, has to be read.
    fn is_window_full(&self) -> bool {
        self.unacknowledged.len() + self.unrecorded.len() > self.receive_maximum
    }

    /// False when the next packet is not there as a whole.
    fn take_in_within(&mut self, mut room: usize) -> Result<bool, LinkError> {
        let mut arrived = Vec::new();
        let now = Instant::now();
        let more = loop {
            if room == 0 || self.is_window_full() {
                break true;
            }
            let Some(frame) = self.frames.next(&mut self.input)? else {
                break false;
            };
            match self.codec.read(frame)? {
                Received::Publish(message) => {
                    match message.qos {
                        Qos::AtMostOnce => false,
                        Qos::AtLeastOnce => self.unacknowledged.insert(message.packet_id),
                        Qos::ExactlyOnce => self.unrecorded.insert(message.packet_id),
                    };
                    room = room.saturating_sub(message.weight());
                    arrived.push(Arrival::Message(message));
                }
                Received::Pubrel { packet_id } => {
                    self.uncompleted.insert(packet_id);
                    let release = Arrival::Release { packet_id };
                    room = room.saturating_sub(release.weight());
                    arrived.push(release);
                }
                Received::Puback { packet_id, reason } => self.outgoing.answered(packet_id, reason, now),
                Received::Pubrec { packet_id, reason } => self.handover.received(packet_id, reason, now),
                Received::Pubcomp { packet_id } => self.handover.completed(packet_id, now),
                Received::Suback { packet_id, answers } => {
                    if let Some(asked) = self.asked_as(packet_id) {
                        asked.subscribed(answers);
                    }
                }
                Received::Unsuback { packet_id, refusals } => {
                    if let Some(asked) = self.asked_as(packet_id) {
                        asked.unsubscribed(refusals);
                    }
                }
                Received::Pingresp => self.keep_alive.answered(),
                Received::Disconnect(reason) => return Err(LinkError::Closed { reason: Some(reason) }),
                Received::Connack(_) => return Err(PacketError::Unexpected("second CONNACK").into()),
            }
        };
        if !arrived.is_empty() {
            self.asked.iter_mut().for_each(|asked| asked.since = now);
            self.inbox.put(arrived);
        }
        Ok(more)
    }

    /// Puts messages into the output, as far as the window and the peer allow.
    fn give_out(&mut self) -> Result<(), LinkError> {
        let now = Instant::now();
        while !self.output.is_filled() && self.outgoing.write_one(&self.codec, &mut self.output.bytes, now)? {}
        while !self.output.is_filled() && self.handover.write_one(&self.codec, &mut self.output.bytes, now)? {}
        self.outgoing.finish();
        self.handover.finish();
        Ok(())
    }

    /// Asks the broker whether it is there, if that is due, and gives it up when it takes too long with anything.
    /// Returns when to look again.
    fn keep_time(&mut self, listening: bool) -> Result<Instant, LinkError> {
        let now = Instant::now();
        let Limits { write, answer, .. } = self.limits;
        self.keep_alive.listen(listening, now);
        if !listening {
            self.asked.iter_mut().for_each(|asked| asked.since = now);
        }
        if self.keep_alive.ping_at() <= now {
            self.codec.pingreq(&mut self.output.bytes)?;
            self.keep_alive.pinged(now);
        }
        let deadlines = [
            (self.output.stuck_at(write, now), Waiting::Write, write),
            (self.outgoing.overdue_at(answer), Waiting::Puback, answer),
            (self.handover.overdue_at(answer), Waiting::Pubcomp, answer),
            (self.keep_alive.dead_at(), Waiting::Pingresp, answer),
        ];
        let asked = self.asked.as_ref().map(|asked| (Some(asked.since + answer), asked.what.waiting(), answer));
        let mut wake_at = self.keep_alive.ping_at();
        for (deadline, what, limit) in deadlines.into_iter().chain(asked) {
            match deadline {
                Some(deadline) if deadline <= now => return Err(LinkError::Timeout { what, limit }),
                Some(deadline) => wake_at = wake_at.min(deadline),
                None => {}
            }
        }
        Ok(wake_at)
    }

    /// The question before, if it is still open, has lost its asker.
    fn ask(
        &mut self,
        what: Asking,
        filters: Vec<String>,
        reply: oneshot::Sender<Result<(), LinkError>>,
    ) -> Result<(), LinkError> {
        let packet_id = self.outgoing.next_id();
        match what {
            Asking::Subscribe { qos } => {
                self.codec.subscribe(packet_id, &filters, qos, &mut self.output.bytes)?;
            }
            Asking::Unsubscribe => self.codec.unsubscribe(packet_id, &filters, &mut self.output.bytes)?,
        }
        self.asked = Some(Asked { packet_id, what, since: Instant::now(), filters, reply });
        Ok(())
    }

    /// The question that an answer with this id belongs to.
    fn asked_as(&mut self, packet_id: u16) -> Option<Asked> {
        self.asked.take_if(|asked| asked.packet_id == packet_id)
    }

    /// Sends what was given before the end, and DISCONNECT. Then it reads on until the broker has closed: a socket that is
    /// closed with bytes unread is reset, and a reset takes the acknowledgements with it that the broker has not read yet.
    async fn say_goodbye(&mut self) -> Result<(), LinkError> {
        self.acknowledge()?;
        self.codec.disconnect(&mut self.output.bytes)?;
        let limit = self.limits.write;
        let goodbye = async {
            self.output.write(&mut self.write).await?;
            self.write.shutdown().await
        };
        match time::timeout(limit, goodbye).await {
            Ok(done) => done?,
            Err(_) => return Err(LinkError::Timeout { what: Waiting::Write, limit }),
        }
        // A broker that neither reads nor closes has had its chance.
        let _ = time::timeout(FAREWELL, self.read_to_end()).await;
        Ok(())
    }

    async fn read_to_end(&mut self) -> io::Result<()> {
        loop {
            self.input.clear();
            if self.read.read_buf(&mut self.input).await? == 0 {
                return Ok(());
            }
        }
    }
}
