//! What the benchmarks send, and how much of it.

use crate::broker::{Broker, Rules};
use crate::client::{Message, Options, Publisher, Subscriber, Version};

/// What the environment asks for, or else the default.
pub fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A message of an MES, of 300 bytes as an event.
pub fn finished(index: usize) -> Message {
    let text = format!(
        r#"{{"order":"WO/{index:06}","line":"L{}","good":{},"scrap":{},"operator":"op-{}","program":"{}","finished":true}}"#,
        index % 7,
        index % 1_000,
        index % 13,
        index % 40,
        "P".repeat(190),
    );
    Message::new(format!("mes/L{}/finished", index % 7), text)
}

/// A plain broker that lets so many messages be on their way as a window of 500 asks for: mosquitto's own limit is 20.
///
/// # Panics
/// When mosquitto does not start.
pub async fn broker() -> Broker {
    Broker::start_with(Rules { settings: vec!["max_inflight_messages 1000"], ..Rules::default() }).await
}

/// The same with so many messages in a session of this client id: whoever connects as this client gets them.
///
/// # Panics
/// When the broker does not take them.
pub async fn queue(client_id: &str, messages: usize) -> Broker {
    let plant = broker().await;
    drop(Subscriber::start(Options::new(plant.port(), client_id, Version::V5), "mes/#").await);
    let messages: Vec<Message> = (0..messages).map(finished).collect();
    Publisher::new(Options::new(plant.port(), "mes", Version::V5)).publish_all(&messages).await;
    plant
}
