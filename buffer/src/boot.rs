//! The boots in which events were recorded, and what time it was in them: the clock that runs from boot never jumps, and
//! one moment at which the wall clock was known to be set tells the time of all others.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::event::{Event, Recorded, Stamp, Stored, TimeQuality};

/// The first moment of a boot at which the wall clock was known to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstSync {
    boottime_us: i64,
    wall_us: i64,
}

/// What is known of the boots that were asked for, so that each is asked for once.
#[derive(Debug, Default)]
pub(crate) struct Boots {
    /// The one that goes on, where it matters.
    present: Option<i64>,
    /// One that is not there had no sync when it was asked for, and may have one now.
    syncs: HashMap<i64, FirstSync>,
}

/// Whether this is the boot in which the buffer was opened last.
pub(crate) fn is_latest(connection: &Connection, boot_id: &str) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT boot_id FROM boot ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .optional()
        .map(|latest: Option<String>| latest.as_deref() == Some(boot_id))
}

/// The row of the boot with this id, made if it is new.
pub(crate) fn enter(transaction: &Connection, boot_id: &str) -> rusqlite::Result<i64> {
    transaction.execute("INSERT INTO boot (boot_id) VALUES (?1) ON CONFLICT (boot_id) DO NOTHING", params![boot_id])?;
    transaction.query_row("SELECT id FROM boot WHERE boot_id = ?1", params![boot_id], |row| row.get(0))
}

/// Remembers that the wall clock was set in this boot; only the first moment counts, so that no time is mended twice.
pub(crate) fn set_sync(transaction: &Connection, boot: i64, at: Stamp) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE boot SET boottime_at_sync = ?2, wall_at_sync = ?3 WHERE id = ?1 AND wall_at_sync IS NULL",
        params![boot, at.boottime_us, at.wall_us],
    )?;
    Ok(())
}

impl FirstSync {
    /// What time it was when the clock that runs from boot showed this, in Unix microseconds.
    fn wall_us(self, boottime_us: i64) -> i64 {
        self.wall_us.saturating_add(boottime_us.saturating_sub(self.boottime_us))
    }
}

impl Boots {
    pub(crate) fn new(present: Option<i64>) -> Self {
        Self { present, syncs: HashMap::new() }
    }

    /// What time it was at this stamp of a boot, whatever the wall clock showed; `None` if it was never set.
    pub(crate) fn time_us(
        &mut self,
        connection: &Connection,
        boot: i64,
        stamp: Stamp,
    ) -> rusqlite::Result<Option<i64>> {
        let sync = match self.syncs.get(&boot) {
            Some(sync) => Some(*sync),
            None => self.ask(connection, boot)?,
        };
        Ok(sync.map(|sync| sync.wall_us(stamp.boottime_us)))
    }

    /// When the event was recorded. A time that was right when it was recorded stays as it is.
    pub(crate) fn recorded(&mut self, connection: &Connection, stored: &Stored) -> rusqlite::Result<Recorded> {
        let Stored { boot, event: Event { stamp, .. }, .. } = *stored;
        let mended_us = if stamp.synced { None } else { self.time_us(connection, boot, stamp)? };
        let recorded = match mended_us {
            Some(wall_us) => Recorded { wall_us, quality: TimeQuality::Corrected, boottime_us: None },
            None => Recorded::stamped(stamp),
        };
        let boottime_us = (self.present == Some(boot)).then_some(stamp.boottime_us);
        Ok(Recorded { boottime_us, ..recorded })
    }

    /// The same in Unix microseconds, for a time that nobody will look at with its quality; `None` where the clock was not
    /// set.
    pub(crate) fn known_us(&mut self, connection: &Connection, stored: &Stored) -> rusqlite::Result<Option<i64>> {
        let Recorded { wall_us, quality, boottime_us: _ } = self.recorded(connection, stored)?;
        Ok(match quality {
            TimeQuality::Synced | TimeQuality::Corrected => Some(wall_us),
            TimeQuality::Unsynced => None,
        })
    }

    fn ask(&mut self, connection: &Connection, boot: i64) -> rusqlite::Result<Option<FirstSync>> {
        let sync = connection
            .prepare_cached(
                "SELECT boottime_at_sync, wall_at_sync FROM boot WHERE id = ?1 AND wall_at_sync IS NOT NULL",
            )?
            .query_row([boot], |row| Ok(FirstSync { boottime_us: row.get(0)?, wall_us: row.get(1)? }))
            .optional()?;
        self.syncs.extend(sync.map(|sync| (boot, sync)));
        Ok(sync)
    }
}
