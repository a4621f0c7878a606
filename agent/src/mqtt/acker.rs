//! Acknowledgements on their way from whoever commits to the connection that the messages came from.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Gives acknowledgements for the messages of one connection, from any thread, without waiting. After the end of that
/// connection it does nothing: packet ids mean something only on the connection they came by.
#[derive(Debug, Clone)]
pub(crate) struct Acker {
    queue: Arc<AckQueue>,
}

impl Acker {
    pub(crate) fn new(queue: Arc<AckQueue>) -> Self {
        Acker { queue }
    }

    /// Acknowledges messages by their packet ids, in this order: PUBACK or PUBREC, as their QoS is. What is given before the
    /// connection's task comes round leaves in one write. An id that waits for no acknowledgement, such as 0 with QoS 0, is
    /// passed over.
    pub(crate) fn give(&self, packet_ids: &[u16]) {
        self.put(|given| given.messages.extend_from_slice(packet_ids));
    }

    /// Answers releases by their packet ids, in this order, with PUBCOMP: the ids are forgotten, and the broker may use them
    /// for other messages. Leaves together with what [`Self::give`] gives.
    pub(crate) fn complete(&self, packet_ids: &[u16]) {
        self.put(|given| given.releases.extend_from_slice(packet_ids));
    }

    fn put(&self, put: impl FnOnce(&mut Given)) {
        if let Some(waiting) = self.queue.lock().as_mut() {
            put(waiting);
        }
        self.queue.given.notify_one();
    }
}

/// Packet ids whose acknowledgements may go out.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) messages: Vec<u16>,
    pub(crate) releases: Vec<u16>,
}

/// What was given and not yet written.
#[derive(Debug)]
pub(crate) struct AckQueue {
    /// `None` after the end of the connection. At most what was handed over, since only that has one to give.
    waiting: Mutex<Option<Given>>,
    given: Notify,
}

impl AckQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(AckQueue { waiting: Mutex::new(Some(Given::default())), given: Notify::new() })
    }

    /// Waits until something was given since the last look.
    pub(crate) async fn given(&self) {
        self.given.notified().await;
    }

    pub(crate) fn take(&self) -> Given {
        self.lock().as_mut().map(mem::take).unwrap_or_default()
    }

    /// From now on nothing is taken in.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Given>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
