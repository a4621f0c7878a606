//! The sign of life: a retained state with a last will, and a retained report from time to time.
//!
//! Sent now or not at all: a late heartbeat lies. It has a connection of its own, never behind data.

use std::sync::Arc;
use std::time::Duration;

use plantlink_config::{MqttDestination, Name};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::chain::chain;
use crate::clock::Time;
use crate::envelope::Site;
use crate::health::{Health, Turned};
use crate::mqtt::{Answer, Link, MqttError, Publish, Qos, Session, Tcp, Will, open_with};
use crate::retry::Retry;
use crate::slot::Slot;
use crate::status::{Report, Reporter};
use crate::template::rfc3339;

/// The longest report: what the brokers of the large clouds take (AWS IoT: 128 KiB a message).
const REPORT_BYTES_MAX: u32 = 100_000;
/// What stands around it in its packet: the topic most of all.
const PACKET_BYTES: u32 = 1_000;

/// The JSON Schema (draft 2020-12) of the report.
pub(crate) fn schema() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report>().to_value()
}

/// What the heartbeat of one destination is made of.
pub(crate) struct Heartbeat {
    pub(crate) destination: MqttDestination,
    pub(crate) client_id: String,
    pub(crate) every: Duration,
    pub(crate) site: Arc<Site>,
    pub(crate) reporter: Reporter,
    pub(crate) health: Health,
}

impl Heartbeat {
    /// Beats until stop; says a proper goodbye then.
    pub(crate) async fn beat(self, stop: CancellationToken) {
        let name = self.destination.name.clone();
        let start_within = self.destination.pacing.drain.start_within;
        // No destination has this name: a connection of its own has a slot of its own.
        let purpose = format!("heartbeat to {name}");
        let slot = start_within.map(|within| Slot::new(&self.site.plant, &self.site.gateway, &purpose, within));
        let mut retry = Retry::new(slot);
        while !stop.is_cancelled() {
            if let Err(error) = self.connection(&stop, &mut retry).await {
                self.down(&name, &error);
                stop.run_until_cancelled(tokio::time::sleep(retry.pause())).await;
            }
        }
    }

    fn down(&self, name: &Name, error: &MqttError) {
        if self.health.heartbeat(name, Some(&chain(error))) == Turned::Yes {
            warn!(destination = %name, error = %chain(error), "heartbeat is not heard");
        }
    }

    /// One connection, from its birth until it breaks or the agent stops.
    async fn connection(&self, stop: &CancellationToken, retry: &mut Retry) -> Result<(), MqttError> {
        let Some(opened) = stop.run_until_cancelled(self.open()).await else { return Ok(()) };
        let mut link = opened?;
        let birth = self.publish(&mut link, "state", self.state("online"));
        let Some(born) = stop.run_until_cancelled(birth).await else { return Ok(()) };
        born?;
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let report = self.reporter.report().await.within(report_bytes_max(link.terms().packet_bytes_max));
            let beat = self.publish(&mut link, "heartbeat", report);
            let Some(heard) = stop.run_until_cancelled(beat).await else { break };
            heard?;
            retry.reset();
            if self.health.heartbeat(&self.destination.name, None) == Turned::Yes {
                info!(destination = %self.destination.name, "heartbeat is heard");
            }
        }
        self.goodbye(link).await;
        Ok(())
    }

    async fn open(&self) -> Result<Link, MqttError> {
        let will = Will {
            topic: self.topic("state"),
            payload: self.state("lost").into(),
            retain: true,
            qos: Qos::AtLeastOnce,
        };
        let client_id = self.client_id.clone();
        open_with(&Tcp, &self.destination.link, Session::Clean, |connect| {
            connect.client_id = client_id;
            connect.will = Some(will);
        })
        .await
    }

    async fn goodbye(&self, mut link: Link) {
        // Without an answer the last will says the same, a little later.
        let said = self.publish(&mut link, "state", self.state("offline"));
        if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(2), said).await {
            link.close().await;
        }
    }

    async fn publish(&self, link: &mut Link, what: &str, payload: Vec<u8>) -> Result<(), MqttError> {
        let message = Publish {
            topic: self.topic(what),
            payload: payload.into(),
            retain: link.terms().retain_available,
            qos: Qos::AtLeastOnce,
            content_type: None,
            user_properties: Vec::new(),
        };
        let published = link.publish(vec![message], 1).await;
        published.rest?;
        match published.answers.into_iter().next() {
            Some(Answer::Refused(reason)) => Err(MqttError::NotTaken { topic: self.topic(what), reason }),
            Some(Answer::Accepted | Answer::Unheard) | None => Ok(()),
        }
    }

    fn topic(&self, what: &str) -> String {
        format!("plants/{}/{}/{what}", self.site.plant, self.site.gateway)
    }

    /// `online`, `offline` after a stop, `lost` as the last will.
    fn state(&self, state: &str) -> Vec<u8> {
        let state = json!({
            "state": state,
            "at": rfc3339(Time::now().wall_us),
            "version": env!("CARGO_PKG_VERSION"),
            "epoch": self.site.epoch.to_string(),
        });
        state.to_string().into_bytes()
    }
}

/// How long a report may be at a broker that takes packets of this size.
fn report_bytes_max(packet_bytes_max: u32) -> usize {
    let bytes = packet_bytes_max.saturating_sub(PACKET_BYTES).min(REPORT_BYTES_MAX);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
