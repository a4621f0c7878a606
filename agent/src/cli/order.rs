//! Having something done to a flow: by the agent if it runs, else on its buffer.

use std::error::Error;
use std::path::Path;

use plantlink_buffer::Buffer;
use plantlink_config::{Config, Environment, load};
use serde_json::Value;

use crate::control::{ControlError, Order, Request, ask};
use crate::run;

/// The configuration, as far as it can be read: it says where the buffer is.
pub(super) fn configuration(path: &Path) -> Option<Config> {
    load(path, Environment::Check).config
}

/// Has it done, and gives what came of it.
pub(super) async fn obeyed(config: Option<&Config>, order: Order) -> Result<Value, Box<dyn Error>> {
    let request = Request::Order(order.clone());
    match (ask(config.map(|config| config.buffer.path.as_path()), &request).await, config) {
        (Err(ControlError::NotRunning { .. }), Some(config)) if config.buffer.path.exists() => {
            let mut buffer = Buffer::open(&config.buffer.path, &run::options(config))?;
            let outcome = order.apply(&mut buffer)?;
            buffer.close()?;
            Ok(outcome)
        }
        (answer, _) => Ok(answer?),
    }
}
