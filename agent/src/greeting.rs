//! Before the first event: a destination is asked whether it lets us in, so that a person sees at once what is wrong.

use plantlink_config::Name;
use tokio_util::sync::CancellationToken;

use crate::deliver::{expires, tell_welcome};
use crate::destination::{Destination, Greet};
use crate::health::Health;
use crate::schedule::Schedule;

/// Asks until we are let in, as patiently as events are offered, or until stop.
pub(crate) async fn greet(
    name: &Name,
    destination: &mut (impl Destination + Greet),
    schedule: &mut Schedule,
    health: &Health,
    stop: &CancellationToken,
) {
    let asking = async {
        loop {
            schedule.rest().await;
            let welcome = destination.greet().await;
            let is_welcome = welcome.is_ok();
            tell_welcome(name, welcome, schedule, health);
            if is_welcome {
                break;
            }
        }
    };
    // A greeting that is cut short at a stop has asked for nothing.
    if stop.run_until_cancelled(asking).await.is_some() {
        expires(name, destination.expiry(), health);
    }
}
