//! A receiver with a kept session, which writes down everything it gets.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::wire::{Incoming, Session, Wire};
use super::{Message, Options};
use crate::schemas::assert_valid;

/// How long it waits before it tries a broker again.
const PAUSE: Duration = Duration::from_millis(50);

/// A message as it arrived.
pub type Received = Message;

/// A receiver that stays: it connects again whenever it loses its broker, and acknowledges everything at once. What the
/// broker repeats because an acknowledgement was lost on the way is counted once; what somebody published twice is there twice.
pub struct Subscriber {
    received: Arc<Mutex<Vec<Received>>>,
    /// How many of them were held against their schemas.
    checked: AtomicUsize,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Subscribes, and returns when the broker has granted it.
    ///
    /// # Panics
    /// When the broker does not grant it within 20 s.
    pub async fn start(options: Options, filter: &str) -> Subscriber {
        let received = Arc::default();
        let (granted, grant) = oneshot::channel();
        let task = tokio::spawn(receive(options, filter.to_owned(), Arc::clone(&received), granted));
        tokio::time::timeout(Duration::from_secs(20), grant)
            .await
            .expect("the broker grants the subscription")
            .expect("the subscriber lives");
        Subscriber { received, checked: AtomicUsize::new(0), task }
    }

    /// Everything received so far, in order.
    ///
    /// # Panics
    /// When an event among it is not as its schema says.
    pub fn received(&self) -> Vec<Received> {
        let received = lock(&self.received).clone();
        let checked = self.checked.fetch_max(received.len(), Ordering::Relaxed);
        received.iter().skip(checked).for_each(assert_valid);
        received
    }

    /// How much was received so far.
    pub fn count(&self) -> usize {
        lock(&self.received).len()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(options: Options, filter: String, received: Arc<Mutex<Vec<Received>>>, granted: oneshot::Sender<()>) {
    let mut granted = Some(granted);
    // What each packet id held last: a repeat by the broker has DUP=1, the same id and the same content.
    let mut last = HashMap::new();
    loop {
        // A lost connection needs no handling: the session is kept, and the next one goes on with it.
        let _ = connection(&options, &filter, &received, &mut granted, &mut last).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connection(
    options: &Options,
    filter: &str,
    received: &Mutex<Vec<Received>>,
    granted: &mut Option<oneshot::Sender<()>>,
    last: &mut HashMap<u16, u64>,
) -> Result<()> {
    let mut wire = Wire::open(options, Session::Kept).await?;
    if !wire.session_present {
        last.clear();
        wire.subscribe(filter).await?;
    }
    if let Some(granted) = granted.take() {
        // Nobody waits any more when the test has already failed.
        let _ = granted.send(());
    }
    loop {
        let mut incoming = Some(wire.next().await);
        while let Some(packet) = incoming {
            if let Incoming::Message { message, id, dup } = packet? {
                let content = hash(&message);
                let repeated = id != 0 && last.insert(id, content) == Some(content) && dup;
                if !repeated {
                    lock(received).push(message);
                }
                if id != 0 {
                    wire.acknowledge(id).await?;
                }
            }
            incoming = wire.next_now();
        }
        wire.flush().await?;
    }
}

fn hash(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.topic.hash(&mut hasher);
    message.payload.hash(&mut hasher);
    hasher.finish()
}

fn lock(received: &Mutex<Vec<Received>>) -> MutexGuard<'_, Vec<Received>> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}
