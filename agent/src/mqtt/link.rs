//! One connection to a broker, as its user holds it. What it cannot do any more, it says in every call.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::Connect;
use super::acker::{AckQueue, Acker};
use super::arrival::Arrival;
use super::error::LinkError;
use super::handover::{Exchange, Exchanged};
use super::handshake;
use super::inbox::Inbox;
use super::outgoing::Published;
use super::packet::{Publish, Qos, Terms};
use super::wire::{Command, Wire};

/// A connection after its CONNACK. Dropped, it closes the socket without a goodbye and its [`Acker`]s are dead.
///
/// A consumer that is behind stops the reading. One link therefore either takes messages in or sends them: answers to
/// published messages would wait behind messages that nobody takes.
#[derive(Debug)]
pub(crate) struct Link {
    session_present: bool,
    terms: Terms,
    inbox: Arc<Inbox>,
    acks: Arc<AckQueue>,
    commands: mpsc::Sender<Command>,
    task: AbortOnDropHandle<()>,
}

impl Link {
    /// Introduces us to the broker on a fresh stream.
    pub(crate) async fn open<S>(mut stream: S, connect: Connect) -> Result<Link, LinkError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let greeted = handshake::greet(&mut stream, &connect).await?;
        let session_present = greeted.connack.session_present;
        let terms = greeted.connack.terms.clone();
        let inbox = Arc::new(Inbox::new(connect.receive_maximum.max(1).into()));
        let acks = AckQueue::new();
        let (commands, for_task) = mpsc::channel(1);
        let wire = Wire::new(stream, greeted, &connect, Arc::clone(&inbox), Arc::clone(&acks), for_task);
        let task = AbortOnDropHandle::new(tokio::spawn(wire.run()));
        Ok(Link { session_present, terms, inbox, acks, commands, task })
    }

    /// Whether the broker still knew us: our subscriptions, and what it holds no acknowledgement for.
    pub(crate) fn session_present(&self) -> bool {
        self.session_present
    }

    /// What the broker allows.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Subscribes to all filters with this QoS. With a refusal of some the others stand; a lower QoS than was asked for is a
    /// refusal. The answer may stand behind everything that a kept session has for us: whoever waits for it has to take
    /// what arrives meanwhile, and only the broker's silence counts against it.
    pub(crate) fn subscribe(
        &self,
        filters: &[String],
        qos: Qos,
    ) -> impl Future<Output = Result<(), LinkError>> + use<> {
        self.change(filters, move |filters, reply| Command::Subscribe { filters, qos, reply })
    }

    /// Ends subscriptions; one that was not there is no error. Its answer is waited for like that of [`Self::subscribe`].
    pub(crate) fn unsubscribe(&self, filters: &[String]) -> impl Future<Output = Result<(), LinkError>> + use<> {
        self.change(filters, |filters, reply| Command::Unsubscribe { filters, reply })
    }

    /// Waits for what comes and returns all that has arrived, at most 256 and no more than leave a window of messages
    /// without an acknowledgement. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Vec<Arrival>, LinkError> {
        self.inbox.take().await
    }

    /// Acknowledges messages of this connection.
    pub(crate) fn acker(&self) -> Acker {
        Acker::new(Arc::clone(&self.acks))
    }

    /// Sends messages with QoS 0 or 1 in this order, at most `window` of them (and no more than the broker allows)
    /// without an answer, and waits for every answer. Messages with QoS 0 count as answered when they are written.
    pub(crate) async fn publish(&mut self, messages: Vec<Publish>, window: u16) -> Published {
        match self.ask(|reply| Command::Publish { messages, window, reply }).await {
            Ok(published) => published,
            Err(error) => Published { answers: Vec::new(), rest: Err(error) },
        }
    }

    /// Hands messages over with QoS 2, and waits for all the answers.
    pub(crate) async fn exchange(&mut self, exchange: Exchange) -> Exchanged {
        let is_released = exchange.releases.is_empty();
        match self.ask(|reply| Command::Exchange { exchange, reply }).await {
            Ok(exchanged) => exchanged,
            Err(error) => Exchanged { is_released, answers: Vec::new(), rest: Err(error) },
        }
    }

    /// Gives the acknowledgements that are waiting, says goodbye, and closes. The broker does not publish the will then.
    pub(crate) async fn close(mut self) {
        if self.commands.send(Command::Close).await.is_ok() {
            // The connection is over in any case, and how it ended changes nothing for who closes it.
            drop((&mut self.task).await);
        }
    }

    /// Nothing to ask for is an answer by itself.
    fn change<C>(&self, filters: &[String], command: C) -> impl Future<Output = Result<(), LinkError>> + use<C>
    where
        C: FnOnce(Vec<String>, oneshot::Sender<Result<(), LinkError>>) -> Command,
    {
        let asking = (!filters.is_empty()).then(|| {
            let filters = filters.to_vec();
            self.ask(move |reply| command(filters, reply))
        });
        async move {
            match asking {
                Some(asking) => asking.await?,
                None => Ok(()),
            }
        }
    }

    /// What is waited for does not hold on to the link.
    fn ask<T, C>(&self, command: C) -> impl Future<Output = Result<T, LinkError>> + use<T, C>
    where
        C: FnOnce(oneshot::Sender<T>) -> Command,
    {
        let (commands, inbox) = (self.commands.clone(), Arc::clone(&self.inbox));
        async move {
            let (reply, answer) = oneshot::channel();
            if commands.send(command(reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return Ok(answer);
            }
            Err(inbox.ended().unwrap_or(LinkError::Ended))
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.acks.close();
    }
}
