//! Every broker lets us in, and lets us subscribe. Whether it lets us publish shows only when something is published.
//!
//! The running agent holds the configured client ids, and a broker that sees one twice sends the first away: the check comes
//! under a name of its own, with a session that is forgotten when it leaves.

use plantlink_config::{KeyPath, MqttLink, MqttQos, MqttSource};

use super::{Asked, REFUSED, UNREACHABLE};
use crate::chain::chain;
use crate::mqtt::{Link, LinkError, MqttError, Qos, Session, Tcp, open};

/// Connects, and says goodbye.
pub(super) async fn connect(config: &MqttLink, at: &KeyPath, asked: &mut Asked<'_>) {
    if let Some(link) = greet(config, at, asked).await {
        link.close().await;
    }
}

/// Connects and subscribes to every topic, but to none that is shared: what is meant for the agent would be lost.
pub(super) async fn subscribe(source: &MqttSource, at: &KeyPath, asked: &mut Asked<'_>) {
    let Some(mut link) = greet(&source.link, at, asked).await else { return };
    let qos = match source.qos {
        MqttQos::AtLeastOnce => Qos::AtLeastOnce,
        MqttQos::ExactlyOnce => Qos::ExactlyOnce,
    };
    let at = at.key("topic");
    for (number, topic) in source.topics.iter().enumerate() {
        let filter = topic.filter.as_subscription();
        if filter.starts_with("$share/") {
            continue;
        }
        if let Err(error) = subscribed(&mut link, filter, qos).await {
            asked.error(&at.item(number).key("filter"), REFUSED, chain(&error));
        }
    }
    link.close().await;
}

/// What arrives meanwhile is taken, and not acknowledged.
async fn subscribed(link: &mut Link, filter: String, qos: Qos) -> Result<(), LinkError> {
    let subscribing = link.subscribe(&[filter], qos);
    tokio::pin!(subscribing);
    loop {
        tokio::select! {
            answer = &mut subscribing => return answer,
            arrived = link.next() => drop(arrived?),
        }
    }
}

async fn greet(config: &MqttLink, at: &KeyPath, asked: &mut Asked<'_>) -> Option<Link> {
    let config = MqttLink { client_id: format!("{}.check", config.client_id), ..config.clone() };
    match open(&Tcp, &config, Session::Clean).await {
        Ok(link) => {
            asked.met(at, format!("broker {}:{} lets us in", config.host, config.port));
            Some(link)
        }
        Err(error @ MqttError::Dial(_)) => {
            asked.error(&at.key("url"), UNREACHABLE, chain(&error));
            None
        }
        Err(
            error @ (MqttError::Secret(_)
            | MqttError::Link(_)
            | MqttError::NotTaken { .. }
            | MqttError::NoAcknowledgements
            | MqttError::NotExactlyOnce),
        ) => {
            asked.error(&at.key("url"), REFUSED, chain(&error));
            None
        }
    }
}
