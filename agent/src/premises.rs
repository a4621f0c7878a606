//! What every source and destination works with, whenever it is started.

use std::sync::Arc;

use plantlink_buffer::{Append, Fly, ReadError, Reader, Readers, Work};
use plantlink_config::Name;

use crate::aside::aside;
use crate::envelope::Site;
use crate::health::Health;
use crate::run::RunError;
use crate::store::{Stopped, Store};
use crate::tap::Tap;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Premises {
    pub(crate) site: Arc<Site>,
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) readers: Readers,
    pub(crate) tap: Tap,
}

impl Premises {
    /// Waits until all that sources handed to the writer before is recorded, so that what is read then lacks nothing.
    pub(crate) async fn recorded(&self) -> Result<(), Stopped> {
        self.store.commit(Work::Append(Append::default())).await.map(drop)
    }

    /// The same for all that destinations were answered. A full buffer, where nothing is recorded any more, takes it: a
    /// destination that waited for room there would wait for itself.
    pub(crate) async fn settled(&self, destination: &Name) -> Result<(), Stopped> {
        let destination = destination.to_string();
        self.store.commit(Work::Fly(Fly { destination, ..Fly::default() })).await.map(drop)
    }

    /// Reads the disk, which takes its time elsewhere than on the runtime's threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, RunError> {
        let readers = self.readers.clone();
        Ok(aside(move || readers.open().and_then(read)).await?)
    }
}
