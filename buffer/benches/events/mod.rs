//! What the benchmarks record.

use std::sync::Arc;

use plantlink_buffer::{Event, EventTime, Stamp};

/// Production counts, each with an id, times and numbers of its own.
#[derive(Default)]
pub(crate) struct Events {
    made: u64,
    seed: u64,
    names: Option<(Arc<str>, Arc<str>)>,
}

impl Events {
    /// The next so many, of about 300 bytes each.
    pub(crate) fn next(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Event {
        self.made += 1;
        let made = self.made;
        let (event_type, source) =
            self.names.get_or_insert_with(|| ("production.counted".into(), "press-12".into())).clone();
        let wall_us = 1_790_000_000_000_000 + made as i64 * 125_003;
        let (good, scrap, seconds) = (self.random() % 9, self.random() % 3, made % 60);
        let data = format!(
            r#"{{"good":{good},"good_total":{},"scrap":{scrap},"scrap_total":{},"counter_epoch":2,"unit_of_measure":"pcs","from_at":"2026-11-20T08:{:02}:{seconds:02}.{:03}Z","to_at":"2026-11-20T08:{:02}:{:02}.{:03}Z","cause":"interval","order":"MO/{:05}","operation":"0020","product":"PRT-88120-B","lot":"L{:06}","pressure":{}.{}}}"#,
            41_233 + made * 4,
            1_107 + made,
            made / 60 % 60,
            self.random() % 1000,
            made / 60 % 60,
            made % 60,
            self.random() % 1000,
            made / 5_000,
            made / 700,
            170 + self.random() % 30,
            self.random() % 1000,
        );
        let mut id = [0; 16];
        id[..8].copy_from_slice(&((wall_us as u64 / 1000) << 16).to_be_bytes());
        id[8..].copy_from_slice(&self.random().to_be_bytes());
        Event {
            id,
            event_type,
            source,
            at: EventTime::Own,
            stamp: Stamp { wall_us, boottime_us: made as i64 * 125_003, synced: true },
            data: data.into_bytes(),
            metadata: Vec::new(),
        }
    }

    /// SplitMix64: as incompressible as an id has to be, and the same in every run.
    pub(crate) fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
