//! The one way to an Odoo: whoever asks waits for its turn, so that there is one call at a time, and none goes to a database
//! that was put back.

use std::collections::HashMap;
use std::sync::Arc;

use plantlink_buffer::Kept;
use plantlink_config::{Button, OdooDestination};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, MutexGuard};

use super::api::{Api, Pressed, Referent, Server};
use super::directory::Archived;
use super::marker::{Marker, Save};
use super::model::Model;
use super::record::Load;
use super::verdict::Setback;
use crate::destination::Expiry;
use crate::envelope::Site;

/// Cheap to clone; all clones wait for each other.
#[derive(Clone)]
pub(crate) struct Office {
    way: Arc<Mutex<Way>>,
    /// As it was at the last call.
    expiry: Option<Expiry>,
    /// Whether nobody gets to a database that was put back.
    is_guarded: bool,
}

struct Way {
    api: Api,
    marker: Marker,
}

impl Office {
    /// `kept` is what the destination remembered at its last stop.
    pub(crate) fn new(config: &OdooDestination, site: &Site, kept: &[Kept], save: Save) -> Self {
        let way = Way { api: Api::new(config, &site.gateway), marker: Marker::new(site, kept, save) };
        Office { way: Arc::new(Mutex::new(way)), expiry: None, is_guarded: true }
    }

    /// The way for whoever only looks, also into a database that was put back.
    pub(super) fn to_look(&self) -> Self {
        Office { is_guarded: false, ..self.clone() }
    }

    /// Takes the database for the right one as it is now.
    pub(super) async fn accept(&self) -> Result<(), Setback> {
        let mut way = self.way.lock().await;
        way.marker.accept();
        way.open().await
    }

    /// The way, once it is free and open.
    async fn open(&mut self) -> Result<MutexGuard<'_, Way>, Setback> {
        let mut way = self.way.lock().await;
        let opened = if self.is_guarded { way.open().await } else { Ok(()) };
        self.expiry = way.api.expiry();
        opened.map(|()| way)
    }
}

impl Way {
    /// Comes in if need be, and makes sure from time to time where that is.
    async fn open(&mut self) -> Result<(), Setback> {
        if self.api.spoken().is_none() {
            self.marker.came_in();
        }
        if self.marker.is_due() {
            self.api.enter().await?;
            self.marker.look(&mut self.api).await?;
        }
        Ok(())
    }
}

impl Server for Office {
    async fn enter(&mut self) -> Result<(), Setback> {
        self.open().await?.api.enter().await
    }

    fn expiry(&self) -> Option<Expiry> {
        self.expiry.clone()
    }

    async fn model(&mut self, model: &str) -> Result<Arc<Model>, Setback> {
        self.open().await?.api.model(model).await
    }

    async fn load(&mut self, load: &Load<'_>) -> Result<Vec<i64>, Setback> {
        self.open().await?.api.load(load).await
    }

    async fn reference(&mut self, external_id: &str) -> Result<Option<Referent>, Setback> {
        self.open().await?.api.reference(external_id).await
    }

    async fn search(&mut self, model: &str, domain: Value, archived: Archived) -> Result<Vec<i64>, Setback> {
        self.open().await?.api.search(model, domain, archived).await
    }

    async fn may(&mut self, model: &str, operation: &'static str, records: &[i64]) -> Result<bool, Setback> {
        self.open().await?.api.may(model, operation, records).await
    }

    async fn press(&mut self, model: &str, id: i64, button: Button) -> Result<Pressed, Setback> {
        self.open().await?.api.press(model, id, button).await
    }

    async fn read(
        &mut self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
    ) -> Result<HashMap<i64, Map<String, Value>>, Setback> {
        self.open().await?.api.read(model, ids, fields).await
    }
}
