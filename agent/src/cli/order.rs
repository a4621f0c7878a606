//! Having something done to a flow: by the agent if it runs, else on its buffer.

use std::error::Error;
use std::path::Path;

use plantlink_buffer::Buffer;
use plantlink_config::{Config, Environment, load};
use serde_json::Value;

use crate::buffer_terms::{forget_unfinishable, options};
use crate::clock::Clock;
use crate::control::{ControlError, Order, Request, ask, own};
use crate::flow_ids::routes;
use crate::opened::Opened;

/// The configuration, as far as it can be read: it says where the buffer is.
pub(super) fn configuration(path: &Path) -> Option<Config> {
    load(path, Environment::Check).config
}

/// Has it done, and gives what came of it.
pub(super) async fn obeyed(config: Option<&Config>, order: Order) -> Result<Value, Box<dyn Error>> {
    let request = Request::Order(order.clone());
    match (ask(config.map(|config| config.buffer.path.as_path()), &request).await, config) {
        (Err(ControlError::NotRunning { .. }), Some(config)) if config.buffer.path.exists() => {
            let mut buffer = Buffer::open(&config.buffer.path, &options(config))?;
            // The next start finds nothing of it any more but what flows have lost.
            for warning in Opened::of(&buffer).warnings() {
                eprintln!("{warning}");
            }
            forget_unfinishable(config, &mut buffer)?;
            let routes = routes(config, &buffer.flows());
            let outcome = order.apply(&own(), &mut buffer, &routes, Clock::new(config.clock.synced_by))?;
            buffer.close()?;
            Ok(outcome)
        }
        (answer, _) => Ok(answer?),
    }
}

#[cfg(test)]
mod tests {
    use plantlink_buffer::{Aloft, Append, Durability, Event, EventTime, Flight, Fly, Routed, Stamp, Work};

    use super::*;

    fn event() -> Event {
        Event {
            id: [1; 16],
            event_type: "workorder.finished".into(),
            source: "mes".into(),
            at: EventTime::Own,
            stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
            data: b"{}".to_vec(),
            metadata: Vec::new(),
        }
    }

    /// Nobody will finish what is in flight to a destination that is gone, whether or not an agent has run since.
    #[tokio::test]
    async fn a_flow_whose_destination_is_gone_with_it_can_be_dropped_without_an_agent() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plantlink.toml");
        let text = "[plant]\nid = \"mill-07\"\ngateway = \"gw\"\n[buffer]\npath = \"buffer.db\"\n";
        std::fs::write(&file, text).unwrap();
        let config = configuration(&file).unwrap();
        let mut options = options(&config);
        options.flows = vec![plantlink_buffer::FlowSpec { name: "orders".to_owned(), was: None }];
        let mut buffer = Buffer::open(&config.buffer.path, &options).unwrap();
        let flow = buffer.flows()[0].id;
        let events = vec![Routed { event: event(), flows: [flow].into() }];
        let messages = vec![Aloft { sequence: 1, refused: None }];
        let flight = Flight { first_packet_id: 1, flow, from: 1, messages, released: false };
        let begin = Fly { destination: "central".to_owned(), aloft: vec![flight], ..Fly::default() };
        let work = [Work::Append(Append { events, ..Append::default() }), Work::Fly(begin)];
        for work in &work {
            buffer.apply([work], Durability::Synced).unwrap();
        }
        buffer.close().unwrap();

        let outcome = obeyed(Some(&config), Order::Drop { flow: "orders".to_owned() }).await.unwrap();
        assert_eq!(outcome["dropped"], 1);
    }
}
