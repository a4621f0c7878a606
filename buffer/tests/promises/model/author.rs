//! The events that a full buffer makes, as plain as the model can read them back.

use std::rc::Rc;

use plantlink_buffer::{Author, Event, EventTime, FlowId, Loss, LossCause, Stamp, Stored};

const SAMPLED: &str = "measurement.sampled";
const OVERFLOWED: &str = "buffer.overflowed";

const CAUSES: [LossCause; 2] = [LossCause::Full, LossCause::DeadLetters];

/// Forty samples a minute, ten of each source.
const PERIOD_US: i64 = 1_500_000;

pub(super) struct Plain;

impl Author for Plain {
    fn overflowed(&self, loss: &Loss) -> Event {
        let cause = CAUSES.iter().position(|cause| *cause == loss.cause).unwrap();
        Event {
            event_type: OVERFLOWED.into(),
            data: format!("{cause} {} {} {}", loss.first, loss.last, loss.count).into_bytes(),
            ..sample(0, 0)
        }
    }

    fn loss_in(&self, flow: FlowId, event: &Event) -> Option<Loss> {
        let text = std::str::from_utf8(&event.data).ok().filter(|_| &*event.event_type == OVERFLOWED)?;
        let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        let [cause, first, last, count] = numbers[..] else { panic!("{text}") };
        Some(Loss { flow, cause: CAUSES[cause as usize], first, last, count, recorded: None })
    }

    fn merges(&self, event: &Event) -> bool {
        &*event.event_type == SAMPLED
    }

    fn merged(&self, events: &[Stored]) -> Event {
        let samples: u64 = events.iter().map(|stored| samples_in(&stored.event)).sum();
        let last = &events.last().unwrap().event;
        Event { data: Vec::new(), metadata: samples.to_string().into_bytes(), ..last.clone() }
    }
}

/// How many samples an event stands for.
pub(super) fn samples_in(event: &Event) -> u64 {
    match event.metadata.as_slice() {
        [] => 1,
        merged => std::str::from_utf8(merged).unwrap().parse().unwrap(),
    }
}

/// What events are merged by.
pub(super) fn group(event: &Event) -> (&str, i64) {
    (&event.source, event.stamp.boottime_us.div_euclid(60_000_000))
}

/// The sample with this number, of so many bytes that cannot be compressed.
pub(super) fn sample(number: u64, bytes: usize) -> Event {
    let mut state = number + 1;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 29)).to_be_bytes()
    });
    let mut data = Vec::with_capacity(bytes + 8);
    noise.take(bytes.div_ceil(8)).for_each(|word| data.extend_from_slice(&word));
    data.truncate(bytes);
    let elapsed_us = number as i64 * PERIOD_US;
    Event {
        id: u128::from(number).to_be_bytes(),
        event_type: SAMPLED.into(),
        source: format!("press-{}", number % 4).into(),
        at: EventTime::Own,
        stamp: Stamp { wall_us: 1_790_000_000_000_000 + elapsed_us, boottime_us: elapsed_us, synced: true },
        data,
        metadata: Vec::new(),
    }
}

/// An event as the model keeps it: its copies share it.
pub(super) type Kept = Rc<Event>;
