use plantlink_config::Name;

use super::super::BufferStatus;
use super::super::flash::Flash;
use super::super::process::ProcessStatus;
use super::*;
use crate::clock::Time;
use crate::destination::Expiry;
use crate::health::{Condition, Pause, Remark, SourceHealth, TagFault};
use crate::opened::Opened;
use crate::reload::Reload;
use crate::source::modbus::fake;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn condition(state: State, error: Option<&str>) -> Condition {
    let mut condition = Condition::default();
    condition.turn(state, error);
    condition
}

/// A gateway with a device, a source, a heartbeat and a flow to `erp`, and nothing wrong with any of them.
pub(crate) fn well() -> Status {
    let mut erp = DestinationHealth::default();
    erp.up();
    let mut mes = SourceHealth::default();
    mes.condition.turn(State::Up, None);
    Status {
        version: "1.0.0",
        plant: name("mill"),
        gateway: name("gw"),
        at: "2026-11-21T08:00:00Z".to_owned(),
        started_at: "2026-11-20T08:00:00Z".to_owned(),
        uptime_s: 86_400,
        config_hash: "0".repeat(64),
        reload: None,
        clock: "synced",
        clock_doubt: None,
        ledger: None,
        buffer: BufferStatus {
            path: "buffer.db".into(),
            epoch: "0199c0de-7c1a-7f3e-9d1b-2f64b0a55c10".to_owned(),
            bytes: 8_000_000,
            bytes_max: 2_000_000_000,
            free_bytes: Some(9_000_000_000),
            disk: condition(State::Up, None),
            opened: Opened { last_stop: Stop::Clean, salvaged: None },
            flash: Flash::default(),
        },
        process: ProcessStatus::default(),
        sources: vec![Named { name: name("mes"), what: mes }],
        devices: vec![device("press")],
        flows: vec![flow("orders")],
        destinations: vec![Named { name: name("erp"), what: erp }],
        heartbeats: vec![Named { name: name("central"), what: condition(State::Up, None) }],
        certificates: Vec::new(),
    }
}

/// A device that answers.
pub(crate) fn device(text: &str) -> Named<DeviceHealth> {
    let now = crate::clock::Time { wall_us: 0, boottime_us: 0 };
    let mut health = DeviceHealth::new(&name("line"), &fake::device(1, fake::holding(&[1])), now);
    health.condition.turn(State::Up, None);
    Named { name: name(text), what: health }
}

fn flow(name_of_it: &str) -> FlowStatus {
    FlowStatus {
        name: name_of_it.to_owned(),
        events: vec!["workorder.*".to_owned()],
        to: Some(name("erp")),
        priority: None,
        order: None,
        retired: false,
        depth: 0,
        oldest_age_s: None,
        empty_in_s: Some(0),
        max_delay_ms: None,
        delay: None,
        late_since: None,
        breaches: 0,
        matched: 0,
        delivered: 0,
        dead: 0,
        dropped: 0,
        last_dropped_at: None,
        is_dropping: false,
        untold: 0,
        replaying: 0,
        replayed: 0,
        replay_lost: 0,
        waiting: 0,
        unused: 0,
        unheard: 0,
        paused: None,
        last_dead: None,
        last_waiting: None,
    }
}

/// Three hours and twelve minutes of events wait.
fn behind(flow: &mut FlowStatus, empty_in_s: Option<u64>) {
    (flow.depth, flow.oldest_age_s, flow.empty_in_s) = (5_000, Some(11_520), empty_in_s);
}

fn certificate(validity: Validity, days: u64) -> CertificateStatus {
    CertificateStatus {
        used_by: "destination erp".to_owned(),
        role: Role::Client,
        from: "credential gateway".to_owned(),
        validity,
        expires_at: Some("2026-12-03T08:00:00Z".to_owned()),
        expires_in_days: Some(days),
    }
}

/// What is wrong, what is said of it, and how urgent it is.
type Case = (fn(&mut Status), &'static str, Level);

const CASES: &[Case] = &[
    (|_| {}, "All is well: everything is delivered; nothing lost.", Level::Well),
    (
        |status| (status.flows[0].depth, status.flows[0].oldest_age_s) = (1, Some(59)),
        "All is well: 1 event on the way; nothing lost.",
        Level::Well,
    ),
    (
        |status| behind(&mut status.flows[0], Some(840)),
        "erp 3 h 12 min behind, done in 14 min; nothing lost.",
        Level::Attention,
    ),
    (
        |status| behind(&mut status.flows[0], None),
        "erp 3 h 12 min behind, not catching up; nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            behind(&mut status.flows[0], None);
            status.destinations[0].what.held_back(Some(Limit::StartWithin));
        },
        "erp 3 h 12 min behind, waiting for its moment; nothing lost.",
        Level::Attention,
    ),
    // Two flows: the oldest event and the slower one count.
    (
        |status| {
            status.flows.push(flow("alarms"));
            behind(&mut status.flows[0], Some(840));
            (status.flows[1].depth, status.flows[1].oldest_age_s, status.flows[1].empty_in_s) =
                (9, Some(70), Some(900));
        },
        "erp 3 h 12 min behind, done in 15 min; nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            behind(&mut status.flows[0], None);
            status.destinations[0].what.down(Trouble::Unreachable, "connection refused");
        },
        "erp is unreachable (connection refused), 3 h 12 min behind; nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            status.destinations[0].what.down(Trouble::Refused, "the broker does not authorize us");
        },
        "erp refuses us (the broker does not authorize us); nothing lost.",
        Level::Attention,
    ),
    // All its flows stand still, and the reason is told once.
    (
        |status| {
            let reason = "bad user name or password".to_owned();
            status.destinations[0].what.down(Trouble::Refused, &reason);
            status.flows[0].paused = Some(Pause { reason, since: "2026-11-21T08:00:00Z".to_owned() });
        },
        "erp refuses us (bad user name or password); nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            status.destinations[0].what.down(Trouble::Busy, "429");
        },
        "erp is busy; nothing lost.",
        Level::Attention,
    ),
    // A paused flow does not make its destination late.
    (
        |status| {
            behind(&mut status.flows[0], None);
            let reason = "no right to write mrp.production".to_owned();
            status.flows[0].paused = Some(Pause { reason, since: "2026-11-21T08:00:00Z".to_owned() });
        },
        "flow orders is paused (no right to write mrp.production); nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            let flow = &mut status.flows[0];
            (flow.depth, flow.oldest_age_s, flow.max_delay_ms) = (3, Some(45), Some(30_000));
            flow.late_since = Some("2026-11-21T08:00:00Z".to_owned());
        },
        "flow orders is late (oldest 45 s, 30.0 s promised); nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            status.flows[0].dead = 3;
            let reason = "no such product".to_owned();
            status.flows[0].last_dead = Some(Remark { at: "2026-11-21T08:00:00Z".to_owned(), reason });
        },
        "flow orders has 3 dead letters (the last: no such product); nothing lost.",
        Level::Attention,
    ),
    // What was lost long ago is said, and needs nobody.
    (
        |status| status.flows[0].dropped = 7,
        "All is well: everything is delivered; 7 events lost before this start.",
        Level::Well,
    ),
    (
        |status| {
            status.flows[0].dropped = 1;
            status.flows[0].last_dropped_at = Some("2026-11-21T05:00:00Z".to_owned());
        },
        "All is well: everything is delivered; 1 event lost, the last at 2026-11-21T05:00:00Z.",
        Level::Well,
    ),
    (
        |status| {
            (status.flows[0].dropped, status.flows[0].is_dropping) = (12, true);
            status.flows[0].last_dropped_at = Some("2026-11-21T07:59:00Z".to_owned());
        },
        "flow orders gives up events; 12 events lost, the last at 2026-11-21T07:59:00Z.",
        Level::Critical,
    ),
    (
        |status| status.buffer.opened.last_stop = Stop::LogLost,
        "All is well: everything is delivered; nothing lost as far as is known: the write-ahead log is gone since the last crash.",
        Level::Well,
    ),
    (
        |status| status.buffer.disk = condition(State::Down, Some("no space left on device")),
        "nothing new is taken in until the buffer can be written to: no space left on device; nothing lost.",
        Level::Critical,
    ),
    (
        |status| status.sources[0].what.condition = condition(State::Down, Some("connection refused")),
        "source mes is down (connection refused); nothing lost.",
        Level::Attention,
    ),
    (
        |status| status.sources[0].what.condition.error = Some("`mes/#`: not authorized (0x87)".to_owned()),
        "source mes gets only a part (`mes/#`: not authorized (0x87)); nothing lost.",
        Level::Attention,
    ),
    // What is down is told once.
    (
        |status| {
            status.devices[0].what.condition = condition(State::Down, Some("no answer within 1 s"));
            status.devices[0].what.stale_s = Some(95);
        },
        "device press is down (no answer within 1 s); nothing lost.",
        Level::Attention,
    ),
    (
        |status| status.devices[0].what.stale_s = Some(95),
        "device press is stale (no good value for 1 min); nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            status.devices[0].what.profile = Some("press-4000 3".to_owned());
            status.devices[0].what.unexpected_firmware = Some("500".to_owned());
        },
        "device press has an unexpected firmware (500, its profile is press-4000 3); nothing lost.",
        Level::Attention,
    ),
    // A tag without a value is on the screen; it is the device that counts here.
    (
        |status| {
            let reason = "refused".to_owned();
            status.devices[0]
                .what
                .faults
                .push(TagFault { tag: plantlink_config::TagName::new("oil").unwrap(), reason });
        },
        "All is well: everything is delivered; nothing lost.",
        Level::Well,
    ),
    (
        |status| {
            status.devices = ["a", "b", "c", "d", "e"].map(device).into();
            status.devices.iter_mut().for_each(|device| {
                device.what.condition.turn(State::Down, Some("no answer"));
            });
        },
        "devices a, b, c and 2 more are down; nothing lost.",
        Level::Attention,
    ),
    (
        |status| status.heartbeats[0].what = condition(State::Down, Some("connection refused")),
        "heartbeat to central is not heard (connection refused); nothing lost.",
        Level::Attention,
    ),
    (
        |status| status.certificates = vec![certificate(Validity::Good, 300), certificate(Validity::Soon, 12)],
        "the client certificate of destination erp expires in 12 days; nothing lost.",
        Level::Attention,
    ),
    (
        |status| status.certificates = vec![certificate(Validity::Expired, 0)],
        "the client certificate of destination erp has expired; nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            let (erp, now) = (&mut status.destinations[0].what, Time::now());
            erp.expires(Some(Expiry { of: "API key `gw`".to_owned(), at_us: 0 }), now);
            *erp = erp.clone().at(now);
        },
        "API key `gw` of erp ends at 1970-01-01T00:00:00Z; nothing lost.",
        Level::Attention,
    ),
    (
        |status| {
            let at = "2026-11-21T07:00:00.125Z".to_owned();
            let problems = vec!["plantlink.toml:31:1  unknown key".to_owned()];
            let by = "SIGHUP".to_owned();
            status.reload = Some(Reload { at, by, applied: false, changed: Vec::new(), problems });
        },
        "the configuration file was not taken up at 2026-11-21T07:00:00Z and is not in force; nothing lost.",
        Level::Attention,
    ),
    (doubt_clock, "the clock is not set (it stopped); nothing lost.", Level::Attention),
    // Several troubles: what is most urgent comes first.
    (
        |status| {
            doubt_clock(status);
            status.sources[0].what.condition = condition(State::Down, None);
            behind(&mut status.flows[0], Some(840));
            (status.flows[0].dropped, status.flows[0].is_dropping) = (2, true);
            status.buffer.disk = condition(State::Down, Some("read-only file system"));
        },
        "nothing new is taken in until the buffer can be written to: read-only file system; flow orders gives up events; \
         erp 3 h 12 min behind, done in 14 min; source mes is down; the clock is not set (it stopped); 2 events lost before this start.",
        Level::Critical,
    ),
];

fn doubt_clock(status: &mut Status) {
    status.clock = "unsynced";
    status.clock_doubt = Some("it stopped".to_owned());
}

#[test]
fn the_sentence_says_what_matters_most_and_what_is_lost() {
    for (trouble, sentence, level) in CASES {
        let mut status = well();
        trouble(&mut status);
        assert_eq!(Summary::of(&status), Summary { level: *level, sentence: (*sentence).to_owned() });
    }
}
