//! Scans of one device, as a fake of it answers them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use plantlink_config::{Table, TagName, TagType};

use proptest::prelude::*;

use super::super::fake::{self, Fake, Reply, addresses, good, holding, tag};
use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// How long an answer may take where silence must pass. A busy machine answers within it.
const PATIENCE: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);
const TIME: LineTime = LineTime { request: Duration::from_millis(2), byte: Duration::ZERO };

/// The values of one scan, in the order of the tags.
async fn scan(fake: &Fake, tags: Vec<Tag>, timeout: Duration) -> Vec<Quality<Value>> {
    let mut device = Device::new(&fake::device(9, tags), TIME, Instant::now(), Duration::ZERO);
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
    let tags = [(Table::Input, 7), (Table::Discrete, 19), (Table::Discrete, 10), (Table::Coil, 3), (Table::Holding, 8)];
    let tags = tags.map(|(table, wire)| tag(table, wire, TagType::U16)).to_vec();
    let bit = |bit| Quality::Good(Value::Bool(bit));
    assert_eq!(scan(&fake, tags, LIMIT).await, [good(7), bit(true), bit(false), bit(true), good(8)]);
    let asked: Vec<_> =
        fake.asked().iter().map(|asked| (asked.unit, asked.function, asked.first, asked.count)).collect();
    assert_eq!(asked, [(9, 1, 3, 1), (9, 2, 10, 10), (9, 4, 7, 1), (9, 3, 8, 1)]);
}

/// A device in which every register holds its own address, but for some, which are refused with exception 2.
async fn with_holes(holes: &[u16]) -> Fake {
    let holes = holes.to_vec();
    Fake::start(move |asked| match addresses(asked).iter().any(|address| holes.contains(address)) {
        true => Reply::Exception(2),
        false => Reply::Words(addresses(asked)),
    })
    .await
}

/// A device and its connection, to be scanned again and again.
fn connected(fake: &Fake, device: &plantlink_config::Device) -> (Device, Connection) {
    let device = Device::new(device, TIME, Instant::now(), Duration::ZERO);
    (device, Connection::new(fake.address(), LIMIT, Duration::ZERO))
}

/// Makes everything due and scans it: the values by the places of their tags, and how many requests that took.
async fn scan_all(fake: &Fake, device: &mut Device, connection: &mut Connection) -> (Vec<Quality<Value>>, usize) {
    let before = fake.asked().len();
    device.make_due(Instant::now());
    let readings = device.scan(connection).await;
    (readings.into_iter().map(|reading| reading.value).collect(), fake.asked().len() - before)
}

#[tokio::test]
async fn one_refused_register_of_a_thousand_costs_its_own_tag_and_no_other() {
    let fake = with_holes(&[437]).await;
    let tags = holding(&(0..1000).collect::<Vec<_>>());
    let (mut device, mut connection) = connected(&fake, &fake::device(9, tags));
    let expected: Vec<_> =
        (0..1000).map(|address| if address == 437 { bad(Fault::Exception(2)) } else { good(address) }).collect();
    let (first, requests) = scan_all(&fake, &mut device, &mut connection).await;
    assert_eq!(first, expected, "the other 999 are read in the first scan already");
    assert!(requests <= 8 + 14, "{requests}");
    for _ in 0..3 {
        // 437 registers before the refused one and 562 behind it.
        assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (expected.clone(), 4 + 5));
    }
    assert!(fake.asked().iter().all(|asked| asked.connection == 0), "an exception is no reason to reconnect");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Values may overlap each other and the holes; some are wide, and the map is in two requests at least.
    #[test]
    fn whatever_is_refused_every_value_without_a_hole_is_read(
        holes in prop::collection::vec(0_u16..160, 0..6),
        values in prop::collection::vec((0_u16..150, 1_u16..8), 1..30),
    ) {
        let tags: Vec<Tag> = values
            .iter()
            .map(|(wire, registers)| tag(Table::Holding, *wire, TagType::Text { bytes: registers * 2 }))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (readings, asked_in_vain) = runtime.block_on(async {
            let fake = with_holes(&holes).await;
            let (mut device, mut connection) = connected(&fake, &fake::device(9, tags));
            let mut readings = Vec::new();
            for _ in 0..12 {
                readings = scan_all(&fake, &mut device, &mut connection).await.0;
            }
            let before = fake.asked().len();
            scan_all(&fake, &mut device, &mut connection).await;
            let asked = fake.asked();
            let in_vain = |asked: &&fake::Asked| addresses(**asked).iter().any(|address| holes.contains(address));
            (readings, asked[before..].iter().filter(in_vain).count())
        });
        for ((wire, registers), reading) in values.iter().zip(&readings) {
            let given = !holes.iter().any(|hole| (*wire..wire + registers).contains(hole));
            prop_assert_eq!(reading.value().is_some(), given, "{} registers at {}", registers, wire);
        }
        prop_assert_eq!(readings.len(), values.len());
        prop_assert_eq!(asked_in_vain, 0, "what is refused is known by then");
    }
}

#[tokio::test]
async fn a_hole_between_tags_is_learned_and_not_read_over_again() {
    let fake = with_holes(&[5]).await;
    let (mut device, mut connection) = connected(&fake, &fake::device(9, holding(&[0, 2, 8, 10])));
    let values = vec![good(0), good(2), good(8), good(10)];
    assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (values.clone(), 3));
    assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (values, 2));
}

#[tokio::test]
async fn a_device_that_takes_less_than_it_is_said_to_is_asked_for_less() {
    let fake = Fake::start(|asked| match asked.count {
        0..=64 => Reply::Words(addresses(asked)),
        65.. => Reply::Exception(3),
    })
    .await;
    let tags = holding(&(0..125).collect::<Vec<_>>());
    let (mut device, mut connection) = connected(&fake, &fake::device(9, tags));
    let values: Vec<_> = (0..125).map(good).collect();
    assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (values.clone(), 3));
    assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (values, 2));
}

#[tokio::test]
async fn the_bits_of_a_refused_register_are_left_out_together() {
    let fake = with_holes(&[1]).await;
    let bit = |wire, bit| tag(Table::Holding, wire, TagType::Bit(bit));
    let tags = vec![bit(0, 0), bit(1, 0), bit(1, 1), bit(1, 2), bit(2, 1)];
    let (mut device, mut connection) = connected(&fake, &fake::device(9, tags));
    let (set, unset) = (Quality::Good(Value::Bool(true)), Quality::Good(Value::Bool(false)));
    let refused = || bad(Fault::Exception(2));
    let expected = vec![unset, refused(), refused(), refused(), set];
    for requests in [5, 2] {
        assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (expected.clone(), requests));
    }
}

#[tokio::test]
async fn a_device_that_refuses_everything_does_not_keep_the_line() {
    let fake = Fake::start(|_| Reply::Exception(2)).await;
    let tags = holding(&(0..250).collect::<Vec<_>>());
    let (mut device, mut connection) = connected(&fake, &fake::device(9, tags));
    let mut most = 0;
    loop {
        let (values, requests) = scan_all(&fake, &mut device, &mut connection).await;
        assert_eq!(values, vec![bad(Fault::Exception(2)); 250]);
        most = most.max(requests);
        if requests == 0 {
            break;
        }
    }
    assert!(most <= 2 + 32, "{most}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_tried_again_after_a_minute_and_is_back_once_it_is_given() {
    let refusing = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&refusing);
    let fake = Fake::start(move |asked| match refuses.load(Ordering::Relaxed) && addresses(asked).contains(&1) {
        true => Reply::Exception(2),
        false => Reply::Words(addresses(asked)),
    })
    .await;
    let (mut device, mut connection) = connected(&fake, &fake::device(9, holding(&[0, 1, 2])));
    let without = vec![good(0), bad(Fault::Exception(2)), good(2)];
    // The middle is found by asking for all, 0, both others, 1 and 2.
    for requests in [5, 2, 2] {
        assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (without.clone(), requests));
    }
    tokio::time::advance(Duration::from_secs(61)).await;
    for requests in [3, 2] {
        assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (without.clone(), requests));
    }
    refusing.store(false, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(61)).await;
    let all = vec![good(0), good(1), good(2)];
    assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (all.clone(), 3));
    assert_eq!(scan_all(&fake, &mut device, &mut connection).await, (all, 1));
}

#[tokio::test]
async fn a_device_that_falls_silent_makes_all_of_its_tags_bad_and_one_round_alone_asks_whether_it_is_back() {
    let silent = Arc::new(AtomicBool::new(false));
    let falls_silent = Arc::clone(&silent);
    let fake = Fake::start(move |asked| match falls_silent.load(Ordering::Relaxed) {
        true => Reply::Silence,
        false => Reply::Words(addresses(asked)),
    })
    .await;
    // The intervals are long: no round falls due while another is read, however slow the machine is.
    let every = |hours, wire| Tag { every: HOUR * hours, ..tag(Table::Holding, wire, TagType::U16) };
    let tags = vec![every(24, 500), every(1, 0), every(24, 1000)];
    let mut device = Device::new(&fake::device(9, tags), TIME, Instant::now(), Duration::ZERO);
    let mut connection = Connection::new(fake.address(), PATIENCE, Duration::ZERO);
    let next = async |device: &mut Device, connection: &mut Connection| {
        tokio::time::pause();
        tokio::time::sleep_until(device.due().unwrap()).await;
        tokio::time::resume();
        device.scan(connection).await
    };
    assert_eq!(next(&mut device, &mut connection).await.len(), 3, "everything is read at first");
    assert_eq!(next(&mut device, &mut connection).await, [Reading { tag: 1, value: good(0) }]);
    silent.store(true, Ordering::Relaxed);
    let lost = |tag| Reading { tag, value: bad(Fault::Timeout) };
    assert_eq!(next(&mut device, &mut connection).await, [0, 1, 2].map(lost));
    silent.store(false, Ordering::Relaxed);
    assert_eq!(next(&mut device, &mut connection).await, [Reading { tag: 1, value: good(0) }]);
    let rest = [Reading { tag: 0, value: good(500) }, Reading { tag: 2, value: good(1000) }];
    assert_eq!(next(&mut device, &mut connection).await, rest, "then at once what has waited");
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
    let values = scan(&fake, holding(&[1000, 500, 0]), PATIENCE).await;
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
    let mut device = Device::new(&device, TIME, Instant::now(), Duration::ZERO);
    let mut connection = Connection::new(fake.address(), PATIENCE, Duration::ZERO);
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

#[tokio::test]
async fn a_device_that_stumbles_over_its_nameplate_is_never_asked_for_it_again() {
    // The request is shorter than those for values, which are all that the fake takes.
    let fake = Fake::start(|asked| Reply::Words(addresses(asked))).await;
    let device = plantlink_config::Device { nameplate: true, ..fake::device(9, holding(&[7])) };
    let mut device = Device::new(&device, TIME, Instant::now(), Duration::ZERO);
    let mut connection = Connection::new(fake.address(), PATIENCE, Duration::ZERO);
    for _ in 0..4 {
        device.make_due(Instant::now());
        assert_eq!(device.scan(&mut connection).await, [Reading { tag: 0, value: good(7) }]);
        assert_eq!(device.introduce(&mut connection).await, None);
    }
    let connections: Vec<_> = fake.asked().iter().map(|asked| asked.connection).collect();
    assert!(connections[0] < connections[1], "the connection of an open question is not used again: {connections:?}");
    assert_eq!(connections[1..], [connections[1]; 3]);
}
