//! Messages that have arrived and were not asked for yet, and how the connection ended.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::error::LinkError;
use super::packet::{Incoming, Qos};

/// The most messages handed over at once.
pub(crate) const TAKEN_MAX: usize = 256;

/// No further message is handed over with others beyond this: they are recorded together, and a small buffer must have
/// room for that.
const TAKEN_BYTES_MAX: usize = 1 << 20;

/// Between the connection's task and the one consumer.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The most messages handed over without an acknowledgement. A broker that sends more has them wait here.
    window: usize,
    state: Mutex<State>,
    /// For the consumer: there are messages, or the connection has ended.
    arrived: Notify,
    /// For the connection: there is room again.
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Incoming>,
    bytes: usize,
    /// Handed over, acknowledgement not given.
    open: usize,
    /// The connection has stopped reading because of us.
    waited_for: bool,
    ended: Option<LinkError>,
}

impl Inbox {
    pub(crate) fn new(window: usize) -> Self {
        Inbox { window, state: Mutex::default(), arrived: Notify::new(), taken: Notify::new() }
    }

    /// Waits for messages and hands over what there is. What nobody took before the end of the connection is gone with
    /// it: it could not be acknowledged any more, and the broker delivers it again.
    pub(crate) async fn take(&self) -> Result<Vec<Incoming>, LinkError> {
        loop {
            {
                let mut state = self.lock();
                if let Some(error) = &state.ended {
                    return Err(error.clone());
                }
                let taken = state.take(self.window);
                if !taken.is_empty() {
                    state.bytes -= taken.iter().map(Incoming::weight).sum::<usize>();
                    if std::mem::take(&mut state.waited_for) {
                        self.taken.notify_one();
                    }
                    return Ok(taken);
                }
            }
            self.arrived.notified().await;
        }
    }

    pub(crate) fn put(&self, messages: Vec<Incoming>) {
        let mut state = self.lock();
        state.bytes += messages.iter().map(Incoming::weight).sum::<usize>();
        state.messages.extend(messages);
        drop(state);
        self.arrived.notify_one();
    }

    /// So many acknowledgements were given: as many messages may be handed over for them.
    pub(crate) fn acknowledged(&self, count: usize) {
        let mut state = self.lock();
        state.open = state.open.saturating_sub(count);
        drop(state);
        self.arrived.notify_one();
    }

    /// How many more bytes may come in. When it is none, [`Self::taken`] tells when to ask again.
    pub(crate) fn room(&self, bytes_max: usize) -> usize {
        let mut state = self.lock();
        let room = bytes_max.saturating_sub(state.bytes);
        state.waited_for = room == 0;
        room
    }

    /// Waits until messages were taken since there was no room.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }

    /// The first reason stays.
    pub(crate) fn end(&self, error: LinkError) {
        let mut state = self.lock();
        state.ended.get_or_insert(error);
        state.messages.clear();
        state.bytes = 0;
        drop(state);
        self.arrived.notify_one();
    }

    /// Why the connection ended, if it has.
    pub(crate) fn ended(&self) -> Option<LinkError> {
        self.lock().ended.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes messages out, in order, until a window of them is open.
    fn take(&mut self, window: usize) -> Vec<Incoming> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < TAKEN_MAX
            && bytes < TAKEN_BYTES_MAX
            && let Some(message) = self.messages.pop_front_if(|next| self.open < window || next.qos == Qos::AtMostOnce)
        {
            self.open += usize::from(message.qos == Qos::AtLeastOnce);
            bytes += message.weight();
            taken.push(message);
        }
        taken
    }
}
