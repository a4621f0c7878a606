//! A sender that gives up nothing: what was not acknowledged is sent again on the next connection.

use std::collections::VecDeque;
use std::io::{Error, Result};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::wire::{Incoming, Session, Wire};
use super::{Message, Options};

/// How long a sender waits for a broker to take something.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits before it tries a broker again.
const PAUSE: Duration = Duration::from_millis(50);

/// A sender.
pub struct Publisher {
    options: Options,
    /// With QoS 2 instead of 1.
    once: bool,
    wire: Option<Wire>,
    last_id: u16,
}

impl Publisher {
    /// A sender with QoS 1; it connects when it has something to send.
    pub fn new(options: Options) -> Publisher {
        Publisher { options, once: false, wire: None, last_id: 0 }
    }

    /// A sender with QoS 2. What it sends again after it lost its connection, the broker has twice all the same.
    pub fn exactly_once(options: Options) -> Publisher {
        Publisher { once: true, ..Publisher::new(options) }
    }

    /// Sends one message and waits for its acknowledgement.
    ///
    /// # Panics
    /// When the broker refuses it, or takes nothing for a minute.
    pub async fn publish(&mut self, topic: &str, payload: impl Into<Bytes>) {
        self.publish_all(&[Message::new(topic, payload)]).await;
    }

    /// Sends messages in order and waits for all of their acknowledgements. A lost connection is opened again, and what had
    /// no acknowledgement is sent again, in order.
    ///
    /// # Panics
    /// When the broker refuses one, or takes nothing for a minute.
    pub async fn publish_all(&mut self, messages: &[Message]) {
        let mut done = 0;
        let mut last_progress = Instant::now();
        while done < messages.len() {
            let before = done;
            let attempt = self.attempt(&messages[done..], &mut done);
            let Err(error) =
                tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(Error::other("no answer")))
            else {
                continue;
            };
            self.wire = None;
            if done > before {
                last_progress = Instant::now();
            }
            assert!(
                last_progress.elapsed() < PATIENCE,
                "{} of {} messages were acknowledged, then nothing more: {error}",
                done,
                messages.len()
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, messages: &[Message], done: &mut usize) -> Result<()> {
        let wire = match &mut self.wire {
            Some(wire) => wire,
            empty => empty.insert(Wire::open(&self.options, Session::Clean).await?),
        };
        let mut waiting = VecDeque::new();
        let mut rest = messages.iter();
        loop {
            while waiting.len() < wire.window
                && let Some(message) = rest.next()
            {
                self.last_id = self.last_id.checked_add(1).unwrap_or(1);
                wire.publish(self.last_id, message, self.once).await?;
                waiting.push_back(self.last_id);
            }
            if waiting.is_empty() {
                return Ok(());
            }
            wire.flush().await?;
            let mut incoming = Some(wire.next().await);
            while let Some(packet) = incoming {
                match packet? {
                    Incoming::Acknowledged { id, refused } => {
                        assert_eq!(refused, None, "the broker refused a message");
                        // A broker acknowledges in the order in which it received.
                        assert_eq!(waiting.pop_front(), Some(id), "an acknowledgement out of order");
                        *done += 1;
                    }
                    Incoming::Recorded { id } => wire.release(id).await?,
                    Incoming::Message { .. } | Incoming::Other => {}
                }
                incoming = wire.next_now();
            }
        }
    }
}
