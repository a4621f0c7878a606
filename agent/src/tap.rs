//! Who looks on at what the sources bring, while they bring it. Nobody who does holds a source up.

use std::sync::Arc;

use parking_lot::Mutex;
use plantlink_config::{NamePattern, Source};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::recording::Written;
use crate::source::Content;

/// So much waits for one who looks on and is slow; what comes then is skipped.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<Vec<Watcher>>>);

/// What one source brings, for who looks on.
pub(crate) struct SourceTap {
    tap: Tap,
    written: Written,
}

/// The other end of a [`Watch`].
struct Watcher {
    of: Option<NamePattern>,
    seen: mpsc::UnboundedSender<Seen>,
    room: Arc<Semaphore>,
    skipped: u64,
}

/// Looks on until it is dropped.
pub(crate) struct Watch(mpsc::UnboundedReceiver<Seen>);

/// A line of a recording.
pub(crate) struct Seen {
    pub(crate) line: String,
    /// So many lines before it were skipped.
    pub(crate) skipped: u64,
    _room: OwnedSemaphorePermit,
}

impl Tap {
    pub(crate) fn source(&self, source: &Source) -> SourceTap {
        SourceTap { tap: self.clone(), written: Written::new(source) }
    }

    /// Looks on from now on, at these devices and MQTT sources or at all.
    pub(crate) fn watch(&self, of: Option<NamePattern>) -> Watch {
        let (seen, watch) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        self.0.lock().push(Watcher { of, seen, room, skipped: 0 });
        Watch(watch)
    }
}

impl SourceTap {
    /// Costs next to nothing while nobody looks on, and never waits.
    pub(crate) fn show(&self, content: &Content) {
        let mut watchers = self.tap.0.lock();
        watchers.retain(|watcher| !watcher.seen.is_closed());
        if watchers.is_empty() {
            return;
        }
        for (of, line) in self.written.lines(content) {
            let wanted = |watcher: &&mut Watcher| watcher.of.as_ref().is_none_or(|pattern| pattern.matches(&of));
            watchers.iter_mut().filter(wanted).for_each(|watcher| watcher.show(&line));
        }
    }
}

impl Watcher {
    fn show(&mut self, line: &str) {
        let room =
            u32::try_from(line.len()).ok().and_then(|bytes| self.room.clone().try_acquire_many_owned(bytes).ok());
        let Some(room) = room else {
            self.skipped += 1;
            return;
        };
        let skipped = std::mem::take(&mut self.skipped);
        // Who has just left misses nothing.
        let _ = self.seen.send(Seen { line: line.to_owned(), skipped, _room: room });
    }
}

impl Watch {
    /// Waits for the next line; `None` when no source brings anything any more.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::{Environment, load};

    use super::*;
    use crate::reading::{Quality, Reading, Value};
    use crate::recording::{Brought, Line, Plan};
    use crate::source::Scan;

    const CONFIG: &str = r#"
        [plant]
        id = "mill-07"
        gateway = "gw"
        [buffer]
        path = "buffer.db"
        [[source.modbus]]
        name = "line-3"
        address = "tcp://127.0.0.1"
        [[source.modbus.device]]
        name = "press-12"
        unit = 1
        every = "1s"
        tag = [
            { name = "parts", at = "holding:0", type = "u16" },
            { name = "state", at = "holding:1", type = "bits", labels = { 3 = "run" } },
            { name = "speed", at = "holding:2", type = "f32", scale = 0.1 },
        ]
        [[source.mqtt]]
        name = "mes"
        url = "mqtt://127.0.0.1"
        topic = [{ filter = "mes/#", type = "acme.message" }]
    "#;

    fn config() -> plantlink_config::Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plantlink.toml");
        std::fs::write(&path, CONFIG).unwrap();
        load(&path, Environment::Check).config.unwrap()
    }

    fn brought(plan: &Plan<'_>, line: &str) -> Content {
        match plan.brought(Line::parse(line).unwrap()).unwrap() {
            Brought::Content { content, .. } => content,
            Brought::Restart => panic!("{line}"),
        }
    }

    #[tokio::test]
    async fn what_is_written_down_is_read_as_what_the_source_brought() {
        let config = config();
        let (plan, tap) = (Plan::new(&config), Tap::default());
        let mut watch = tap.watch(None);
        for (source, line) in [
            (
                0,
                r#"{"at":"2026-11-20T08:00:00.25Z","device":"press-12","tags":{"parts":7,"state":["bit0","run"],"speed":2.5}}"#,
            ),
            (
                0,
                r#"{"at":"2026-11-20T08:00:01Z","device":"press-12","tags":{"parts":null,"speed":null},"faults":{"parts":{"exception":2},"speed":{"unreachable":"no_route"}}}"#,
            ),
            (
                1,
                r#"{"at":"2026-11-20T08:00:02Z","source":"mes","topic":"mes/a","payload":"{\"a\": 1}","retained":true,"correlation":"c","properties":{"k":"v"}}"#,
            ),
            (1, r#"{"at":"2026-11-20T08:00:03Z","source":"mes","topic":"mes/a","payload_hex":"ff00"}"#),
        ] {
            let content = brought(&plan, line);
            tap.source(&config.sources[source]).show(&content);
            let seen = watch.next().await.unwrap();
            assert_eq!((seen.line.as_str(), seen.skipped), (line, 0));
        }
    }

    #[tokio::test]
    async fn who_is_slow_misses_lines_and_is_told_how_many() {
        let config = config();
        let tap = Tap::default();
        let source = tap.source(&config.sources[0]);
        let stamp = plantlink_buffer::Stamp { wall_us: 0, boottime_us: 0, synced: true };
        let scan = |parts| {
            let readings = vec![Reading { tag: 0, value: Quality::Good(Value::Unsigned(parts)) }];
            Content::Scan(Scan { device: 0, stamp, readings, identity: None, nameplate: None, gone: None })
        };
        source.show(&scan(0));
        let (mut slow, mut other) = (tap.watch(None), tap.watch(NamePattern::new("mes")));
        const SHOWN: u64 = 50_000;
        (1..=SHOWN).for_each(|parts| source.show(&scan(parts)));
        let mut seen = 0;
        while let Ok(line) = slow.0.try_recv() {
            assert_eq!(line.skipped, 0);
            seen += 1;
        }
        assert!(seen > 1_000 && seen < SHOWN, "{seen}");
        source.show(&scan(9));
        assert_eq!(slow.next().await.unwrap().skipped, SHOWN - seen);
        assert!(other.0.try_recv().is_err());
        drop((slow, other));
        source.show(&scan(10));
        assert!(tap.0.lock().is_empty());
    }
}
