//! The deltas add up to what the machine counted, whatever the scans see of it and wherever the agent is killed.

use plantlink_config::{Consumed, Counted, Derivation, Medium, TagName, TagType};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::reading::{Fault, Quality, Value as Read};
use crate::source::Scan;

/// The most that the machine makes between two scans: less than what a counter of 16 bits takes for a reset.
const STEP_MAX: u64 = 1_000;

/// What happens next to the machine and to the agent.
#[derive(Debug, Clone)]
enum Happens {
    /// A scan after so many more pieces.
    Scan(u64),
    /// The counter cannot be read.
    Bad,
    /// The device answers nothing.
    Silence,
    /// Somebody sets the counter to zero, and so many pieces are made before the next scan.
    Reset(u64),
    NextOrder,
    /// The agent is killed; a scan that was not committed has left nothing.
    Kill {
        in_scan: bool,
    },
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        12 => (0..=STEP_MAX).prop_map(Happens::Scan),
        1 => Just(Happens::Bad),
        1 => Just(Happens::Silence),
        1 => (0..10_u64).prop_map(Happens::Reset),
        2 => Just(Happens::NextOrder),
        3 => any::<bool>().prop_map(|in_scan| Happens::Kill { in_scan }),
    ]
}

/// A machine with a counter of pieces in 16 bits and one of energy, a tenth of a unit for each piece.
struct Machine {
    second: i64,
    count: u64,
    order: u64,
}

impl Machine {
    fn scan(&self) -> Scan {
        let shown = self.count % (1 << 16);
        Scan {
            readings: vec![
                good(0, Read::Unsigned(shown)),
                good(1, Read::Float(shown as f64 / 10.0)),
                good(2, Read::Unsigned(self.order)),
            ],
            ..super::scan(self.second, 0, 0.0)
        }
    }
}

fn counting(accumulate: Duration) -> ModbusLine {
    let counted = Counted {
        good: TagName::new("good_parts").unwrap(),
        scrap: None,
        rework: None,
        max_step: None,
        accumulate,
        data: vec![(
            "order".into(),
            plantlink_config::DataTemplate::Template(plantlink_config::Template::new("{order_no}").unwrap()),
        )],
    };
    let consumed = Consumed {
        counter: TagName::new("speed").unwrap(),
        medium: Medium::Electricity,
        max_step: None,
        accumulate,
        data: Vec::new(),
    };
    let mut line = line(vec![Derivation::Counted(counted), Derivation::Consumed(consumed)]);
    let meter = tag_mut(&mut line, 1);
    meter.kind = TagType::U16;
    meter.scale = 0.1;
    meter.unit_of_measure = Some("kW.h".into());
    line
}

/// The sums of everything that is told of what happens, in pieces and in tenths of a unit, and what was made since the
/// first scan.
fn sums(accumulate: Duration, all: Vec<Happens>) -> (u64, u64, u64) {
    let line = counting(accumulate);
    let mut memory = Memory::new();
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
    let mut machine = Machine { second: 0, count: 65_000, order: 1 };
    let mut made = 0;
    let mut told = Vec::new();
    let first = [Happens::Scan(0)].into_iter();
    // In the end the device goes silent, which tells what is open.
    for happens in first.chain(all).chain([Happens::Scan(0), Happens::Silence]) {
        machine.second += 1;
        let scan = match happens {
            Happens::Scan(pieces) => {
                machine.count += pieces;
                made += pieces;
                machine.scan()
            }
            Happens::Bad => {
                let mut scan = machine.scan();
                scan.readings.iter_mut().take(2).for_each(|reading| reading.value = Quality::Bad(Fault::Missing));
                scan
            }
            Happens::Silence => silent(machine.second),
            // A counter that is reset where it would be near its end is taken for one that rolled over.
            Happens::Reset(_) if machine.count % (1 << 16) > 60_000 || machine.count % (1 << 16) < 1_000 => {
                machine.scan()
            }
            Happens::Reset(pieces) => {
                machine.count = pieces;
                made += pieces;
                machine.scan()
            }
            Happens::NextOrder => {
                machine.order += 1;
                machine.scan()
            }
            Happens::Kill { in_scan } => {
                if in_scan {
                    mapper.map(machine.scan(), Ack::none());
                }
                mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
                continue;
            }
        };
        let entry = mapper.map(scan, Ack::none());
        told.extend(data(&entry));
        remember(&mut memory, entry);
    }
    let sum = |key: &str, parts: f64| {
        told.iter()
            .filter_map(|data| data.get(key).and_then(Value::as_f64))
            .map(|delta| (delta * parts).round() as u64)
            .sum()
    };
    (sum("good", 1.0), sum("delta", 10.0), made)
}

proptest! {
    #[test]
    fn the_deltas_add_up_to_the_counter_over_rollovers_resets_and_kills(
        all in prop::collection::vec(happens(), 1..80),
        accumulate in prop_oneof![Just(0_u64), Just(5), Just(60)],
    ) {
        let (pieces, tenths, made) = sums(Duration::from_secs(accumulate), all);
        prop_assert_eq!((pieces, tenths), (made, made));
    }
}
