//! What has arrived and was not asked for yet, and how the connection ended.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::arrival::Arrival;
use super::error::LinkError;

/// The most arrivals handed over at once.
const TAKEN_MAX: usize = 256;

/// No further message is handed over with others beyond this: they are recorded together, and a small buffer must have
/// room for that.
const TAKEN_BYTES_MAX: usize = 1 << 20;

/// Between the connection's task and the one consumer.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The most arrivals handed over without an acknowledgement. A broker that sends more has them wait here.
    window: usize,
    state: Mutex<State>,
    /// For the consumer: there are arrivals, or the connection has ended.
    arrived: Notify,
    /// For the connection: there is room again.
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    arrivals: VecDeque<Arrival>,
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

    /// Waits for arrivals and hands over what there is. What nobody took before the end of the connection is gone with
    /// it: it could not be acknowledged any more, and the broker delivers it again.
    pub(crate) async fn take(&self) -> Result<Vec<Arrival>, LinkError> {
        loop {
            {
                let mut state = self.lock();
                if let Some(error) = &state.ended {
                    return Err(error.clone());
                }
                let taken = state.take(self.window);
                if !taken.is_empty() {
                    state.bytes -= taken.iter().map(Arrival::weight).sum::<usize>();
                    if std::mem::take(&mut state.waited_for) {
                        self.taken.notify_one();
                    }
                    return Ok(taken);
                }
            }
            self.arrived.notified().await;
        }
    }

    pub(crate) fn put(&self, arrivals: Vec<Arrival>) {
        let mut state = self.lock();
        state.bytes += arrivals.iter().map(Arrival::weight).sum::<usize>();
        state.arrivals.extend(arrivals);
        drop(state);
        self.arrived.notify_one();
    }

    /// So many acknowledgements were given: as many arrivals may be handed over for them.
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

    /// Waits until arrivals were taken since there was no room.
    pub(crate) async fn taken(&self) {
        self.taken.notified().await;
    }

    /// The first reason stays.
    pub(crate) fn end(&self, error: LinkError) {
        let mut state = self.lock();
        state.ended.get_or_insert(error);
        state.arrivals.clear();
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
    /// Takes arrivals out, in order, until a window of them is open.
    fn take(&mut self, window: usize) -> Vec<Arrival> {
        let mut taken = Vec::with_capacity(self.arrivals.len().min(TAKEN_MAX));
        let mut bytes = 0;
        while taken.len() < TAKEN_MAX
            && bytes < TAKEN_BYTES_MAX
            && let Some(arrival) = self.arrivals.pop_front_if(|next| self.open < window || !next.is_in_window())
        {
            self.open += usize::from(arrival.is_in_window());
            bytes += arrival.weight();
            taken.push(arrival);
        }
        taken
    }
}
