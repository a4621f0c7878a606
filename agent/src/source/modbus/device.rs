//! A device on its line: the plan that reads its tags, when it is executed, and what comes of it.

use std::time::Duration;

use plantlink_config::Tag;
use tokio::time::Instant;

use super::connection::{Answer, Connection, Failure};
use super::decode;
use super::plan::{Limits, Request, plan};
use super::scaling::scaled;
use super::timetable::Timetable;
use crate::reading::{Fault, Quality, Reading, Value};

/// A device with what its scans need.
pub(crate) struct Device {
    unit: u8,
    tags: Vec<Tag>,
    /// The places of the tags that hold another's power of ten, by the place of the other.
    exponents: Vec<Option<usize>>,
    plan: Vec<Request>,
    retries: u8,
    timetable: Timetable,
    /// The last scan found the unit silent, or the line without a connection.
    silent: bool,
}

impl Device {
    /// The first scan is due at `start`, the following ones from `start + phase` on.
    pub(crate) fn new(device: &plantlink_config::Device, start: Instant, phase: Duration) -> Self {
        let limits = Limits { registers: device.max_registers, bits: device.max_bits };
        Device {
            unit: device.unit,
            exponents: exponents(&device.tags),
            tags: device.tags.clone(),
            retries: device.retries,
            plan: plan(&device.tags, limits),
            timetable: Timetable::new(start, phase, device.every),
            silent: false,
        }
    }

    /// When the next scan shall begin.
    pub(crate) fn due(&self) -> Instant {
        self.timetable.due()
    }

    /// Makes the next scan due at `now`, however long the device has been silent.
    pub(crate) fn make_due(&mut self, now: Instant) {
        self.timetable.at_once(now);
    }

    /// Executes the plan once. There is a reading of every tag, in the order of the tags. A refused request makes its own
    /// tags bad and no others; silence ends the scan with what was answered by then.
    pub(crate) async fn scan(&mut self, connection: &mut Connection) -> Vec<Reading> {
        let started = Instant::now();
        // Waiting for a silent unit costs the others on its line: one that was silent before is asked once.
        let retries = if self.silent { 0 } else { self.retries };
        let mut readings = Vec::with_capacity(self.tags.len());
        // Set once the rest of the plan is not worth asking for.
        let mut silence: Option<Fault> = None;
        for request in &self.plan {
            let answer = match &silence {
                Some(fault) => Err(fault.clone()),
                None => match connection.read(self.unit, request, retries).await {
                    Ok(answer) => Ok(answer),
                    Err(Failure::Refused(fault)) => Err(fault),
                    Err(Failure::Silent(fault)) => Err(silence.insert(fault).clone()),
                },
            };
            readings.extend(self.readings(request, &answer));
        }
        self.silent = silence.is_some();
        if self.silent {
            self.timetable.silent(started);
        } else {
            self.timetable.answered(started);
        }
        readings.sort_unstable_by_key(|reading| reading.tag);
        self.scale(&readings)
    }

    /// The readings of a device that is cut off together with its line, unless its last ones said as much.
    pub(crate) fn tell_outage(&mut self) -> Option<Vec<Reading>> {
        if self.silent {
            return None;
        }
        self.silent = true;
        let lost = |tag| Reading { tag, value: Quality::Bad(Fault::NoConnection) };
        Some((0..self.tags.len()).map(lost).collect())
    }

    /// The readings with their values in place of the raw ones. There is a reading of every tag, in the order of the tags.
    fn scale(&self, raw: &[Reading]) -> Vec<Reading> {
        let value = |((reading, tag), from): ((&Reading, &Tag), &Option<usize>)| {
            let exponent = from.and_then(|from| raw.get(from)).map(|reading| &reading.value);
            Reading { tag: reading.tag, value: scaled(tag, reading.value.clone(), exponent) }
        };
        raw.iter().zip(&self.tags).zip(&self.exponents).map(value).collect()
    }

    /// What the answer to a request says about the request's tags.
    fn readings(&self, request: &Request, answer: &Result<Answer, Fault>) -> impl Iterator<Item = Reading> {
        request.tags.iter().filter_map(move |&place| {
            let tag = self.tags.get(place)?;
            let value = match answer {
                Ok(answer) => value(tag, request, answer),
                Err(fault) => Quality::Bad(fault.clone()),
            };
            Some(Reading { tag: place, value })
        })
    }
}

/// For each tag the place of the one that its `scale_from` names.
fn exponents(tags: &[Tag]) -> Vec<Option<usize>> {
    let place = |tag: &Tag| tags.iter().position(|other| Some(&other.name) == tag.scale_from.as_ref());
    tags.iter().map(place).collect()
}

/// The tag's own part of the answer, decoded.
fn value(tag: &Tag, request: &Request, answer: &Answer) -> Quality<Value> {
    let from = usize::from(tag.at.wire - request.first);
    let value = match answer {
        Answer::Bits(bits) => bits.get(from).copied().map(decode::bit),
        Answer::Words(words) => {
            words.get(from..from + usize::from(decode::width(tag))).map(|words| decode::words(tag, words))
        }
    };
    value.unwrap_or(Quality::Bad(Fault::WrongAnswer))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use plantlink_config::{Table, TagName, TagType};

    use super::super::fake::{self, Fake, Reply, addresses, good, holding, tag};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// The values of one scan, in the order of the tags.
    async fn scan(fake: &Fake, tags: Vec<Tag>, timeout: Duration) -> Vec<Quality<Value>> {
        let mut device = Device::new(&fake::device(9, tags), Instant::now(), Duration::ZERO);
        let mut connection = Connection::new(fake.address(), timeout, Duration::ZERO);
        let readings = device.scan(&mut connection).await;
        assert!(readings.iter().enumerate().all(|(place, reading)| reading.tag == place));
        readings.into_iter().map(|reading| reading.value).collect()
    }

    fn bad(fault: Fault) -> Quality<Value> {
        Quality::Bad(fault)
    }

    #[tokio::test]
    async fn each_table_is_read_with_its_own_function() {
        let fake = Fake::start(|asked| match asked.function {
            1 => Reply::Bits(vec![0b0000_0001]),
            2 => Reply::Bits(vec![0b0000_0000, 0b0000_0010]),
            _ => Reply::Words(addresses(asked)),
        })
        .await;
        let tags =
            [(Table::Input, 7), (Table::Discrete, 19), (Table::Discrete, 10), (Table::Coil, 3), (Table::Holding, 8)];
        let tags = tags.map(|(table, wire)| tag(table, wire, TagType::U16)).to_vec();
        let bit = |bit| Quality::Good(Value::Bool(bit));
        assert_eq!(scan(&fake, tags, LIMIT).await, [good(7), bit(true), bit(false), bit(true), good(8)]);
        let asked: Vec<_> =
            fake.asked().iter().map(|asked| (asked.unit, asked.function, asked.first, asked.count)).collect();
        assert_eq!(asked, [(9, 1, 3, 1), (9, 2, 10, 10), (9, 4, 7, 1), (9, 3, 8, 1)]);
    }

    #[tokio::test]
    async fn an_exception_makes_the_tags_of_its_request_bad_and_no_others() {
        let fake = Fake::start(|asked| match asked.first {
            0 => Reply::Exception(2),
            _ => Reply::Words(addresses(asked)),
        })
        .await;
        let fault = bad(Fault::Exception(2));
        assert_eq!(scan(&fake, holding(&[0, 1, 500]), LIMIT).await, [fault.clone(), fault, good(500)]);
        assert!(fake.asked().iter().all(|asked| asked.connection == 0), "an exception is no reason to reconnect");
    }

    #[tokio::test]
    async fn an_answer_of_another_length_is_wrong_and_the_rest_is_read() {
        let fake = Fake::start(|asked| match asked.first {
            0 => Reply::Words(vec![1]),
            500 => Reply::Words(vec![1, 2, 3]),
            _ => Reply::Words(addresses(asked)),
        })
        .await;
        let wrong = || bad(Fault::WrongAnswer);
        assert_eq!(scan(&fake, holding(&[0, 1, 500, 1000]), LIMIT).await, [wrong(), wrong(), wrong(), good(1000)]);
    }

    #[tokio::test]
    async fn silence_ends_a_scan_and_what_was_answered_before_stays_good() {
        let fake = Fake::start(|asked| match asked.first {
            500 => Reply::Silence,
            _ => Reply::Words(addresses(asked)),
        })
        .await;
        let silent = || bad(Fault::Timeout);
        let values = scan(&fake, holding(&[1000, 500, 0]), Duration::from_millis(200)).await;
        assert_eq!(values, [silent(), silent(), good(0)]);
        assert!(fake.asked().iter().all(|asked| asked.first != 1000), "what would not be answered either is not asked");
    }

    #[tokio::test]
    async fn a_unit_that_is_silent_behind_its_gateway_ends_its_scan() {
        let fake = Fake::start(|_| Reply::Exception(11)).await;
        let silent = || bad(Fault::Exception(11));
        assert_eq!(scan(&fake, holding(&[0, 500]), LIMIT).await, [silent(), silent()]);
        assert_eq!(fake.asked().len(), 1);
    }

    #[tokio::test]
    async fn a_lost_answer_is_asked_for_again_and_a_silent_unit_only_once() {
        let count = AtomicUsize::new(0);
        let fake = Fake::start(move |asked| match count.fetch_add(1, Ordering::Relaxed) {
            1 => Reply::Words(addresses(asked)),
            _ => Reply::Silence,
        })
        .await;
        let device = plantlink_config::Device { retries: 1, ..fake::device(9, holding(&[7])) };
        let mut device = Device::new(&device, Instant::now(), Duration::ZERO);
        let mut connection = Connection::new(fake.address(), Duration::from_millis(200), Duration::ZERO);
        for (value, asked) in [(good(7), 2), (bad(Fault::Timeout), 4), (bad(Fault::Timeout), 5)] {
            assert_eq!(device.scan(&mut connection).await, [Reading { tag: 0, value }]);
            assert_eq!(fake.asked().len(), asked);
        }
    }

    #[tokio::test]
    async fn a_value_takes_its_power_of_ten_from_a_tag_of_another_request() {
        let fake = Fake::start(|asked| match asked.first {
            500 => Reply::Words(vec![0xFFFF]),
            900 => Reply::Exception(2),
            _ => Reply::Words(vec![2304]),
        })
        .await;
        let from = |name: &str| TagName::new(name);
        let tags = vec![
            Tag { scale_from: from("power"), ..tag(Table::Holding, 0, TagType::U16) },
            Tag { name: from("power").unwrap(), ..tag(Table::Holding, 500, TagType::I16) },
            Tag { name: from("refused").unwrap(), ..tag(Table::Holding, 900, TagType::I16) },
            Tag { scale_from: from("refused"), ..tag(Table::Input, 0, TagType::U16) },
        ];
        let values = scan(&fake, tags, LIMIT).await;
        let power = Quality::Good(Value::Signed(-1));
        let scaled = Quality::Good(Value::Float(230.4));
        assert_eq!(values, [scaled, power, bad(Fault::Exception(2)), bad(Fault::Unscaled)]);
    }
}
