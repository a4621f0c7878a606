//! A line: its devices scanned one after the other over one connection, each on its own timetable.

use std::future::pending;
use std::io;

use plantlink_config::ModbusLine;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::device::Device;
use super::inquiry::{Desk, Inquiries};
use super::line_time::LineTime;
use crate::clock::Clock;
use crate::reading::Obstacle;
use crate::source::{Ack, Content, Intake, Scan, Source, SourceError};

/// One Modbus line as a source of scans.
///
/// A scan has a reading of every tag that was due, in the order of the tags. A silent unit is a scan of all of its tags
/// without values; the other units go on. When no connection can be made, every device that was not silent already
/// gives one such scan, then the error follows, and after it every device is due.
pub(crate) struct Line {
    connection: Connection,
    devices: Vec<Device>,
    clock: Clock,
    address: String,
    inquiries: Inquiries,
    /// Why there is no connection, until every device has told it.
    outage: Option<io::Error>,
}

impl Line {
    /// Connects when the first scan is due, which is at once.
    pub(crate) fn new(line: &ModbusLine, clock: Clock) -> Self {
        let start = Instant::now();
        let count = u32::try_from(line.devices.len()).unwrap_or(u32::MAX);
        // The devices are spread over their intervals, so that they do not all want the line in the same moment.
        let time = LineTime::of(line);
        let devices = (0..)
            .zip(&line.devices)
            .map(|(place, device)| Device::new(device, time, start, device.every / count * place));
        Line {
            connection: Connection::new(line.address.clone(), line.timeout, line.pause),
            devices: devices.collect(),
            clock,
            address: line.address.to_string(),
            inquiries: Inquiries::default(),
            outage: None,
        }
    }

    /// Where others ask what its units hold.
    pub(crate) fn desk(&self) -> Desk {
        self.inquiries.desk()
    }

    /// Waits until a device is due and scans it; meanwhile, and in turn with the scans of a line without a pause, answers
    /// what others ask. Fails when there is no connection to do it with.
    async fn poll(&mut self) -> io::Result<Intake> {
        let is_shared = self.devices.len() > 1;
        let place = loop {
            let due = self.devices.iter().enumerate().filter_map(|(place, device)| Some((device.due()?, place))).min();
            let scan = async {
                let Some((due, place)) = due else { return pending().await };
                sleep_until(due).await;
                place
            };
            tokio::select! {
                place = scan => break place,
                inquiry = self.inquiries.next() => inquiry.answer(&mut self.connection).await,
            }
        };
        self.connection.open().await?;
        let Some(device) = self.devices.get_mut(place) else { return pending().await };
        let started = Instant::now();
        let readings = device.scan(&mut self.connection).await;
        // The time is that of the answers.
        let stamp = self.clock.now();
        if is_shared {
            device.spare_the_others(started, self.connection.free_at());
        }
        let identity = device.identify(&mut self.connection).await;
        let nameplate = device.introduce(&mut self.connection).await;
        Ok(intake(Scan { device: place, stamp, readings, identity, nameplate, gone: None }))
    }

    /// The scan of one device that has not told yet that the connection is gone.
    fn tell_outage(&mut self, cause: &io::Error) -> Option<Intake> {
        let obstacle = Obstacle::from(cause);
        let mut devices = self.devices.iter_mut().enumerate();
        let (device, readings) = devices.find_map(|(place, device)| Some((place, device.tell_outage(obstacle)?)))?;
        Some(intake(Scan { device, stamp: self.clock.now(), readings, identity: None, nameplate: None, gone: None }))
    }
}

fn intake(scan: Scan) -> Intake {
    Intake { content: Content::Scan(scan), ack: Ack::none(), pressing: false }
}

impl Source for Line {
    async fn next(&mut self) -> Result<Intake, SourceError> {
        let cause = match self.outage.take() {
            Some(cause) => cause,
            None => match self.poll().await {
                Ok(intake) => return Ok(intake),
                Err(cause) => cause,
            },
        };
        if let Some(intake) = self.tell_outage(&cause) {
            self.outage = Some(cause);
            return Ok(intake);
        }
        let now = Instant::now();
        self.devices.iter_mut().for_each(|device| device.make_due(now));
        Err(SourceError::Unreachable { address: self.address.clone(), cause: Box::new(cause) })
    }

    /// Modbus knows no goodbye, and nothing is owed to a machine.
    async fn close(self) {}
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use plantlink_config::{LineAddress, Name, Tag};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::super::fake::{Fake, Reply, addresses, device, good, holding};
    use super::super::fake_serial::{FakeSerial, answer};
    use super::*;
    use crate::reading::{Fault, Quality, Value};

    /// No test waits longer than this for what it expects.
    const LIMIT: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    /// How long an answer may take. A silent unit is spared for twenty times as long, and a test waits for that.
    const PATIENCE: Duration = Duration::from_millis(500);

    fn line(address: LineAddress, devices: Vec<plantlink_config::Device>) -> Line {
        let line =
            ModbusLine { name: Name::new("line").unwrap(), address, timeout: PATIENCE, pause: Duration::ZERO, devices };
        Line::new(&line, Clock::default())
    }

    /// A device whose second scan no test waits for.
    fn hourly(unit: u8) -> plantlink_config::Device {
        let [tag] = holding(&[0]).try_into().unwrap();
        plantlink_config::Device { every: HOUR, ..device(unit, vec![Tag { every: HOUR, ..tag }]) }
    }

    async fn next(line: &mut Line) -> Result<(usize, Vec<Quality<Value>>), SourceError> {
        let intake = timeout(LIMIT, line.next()).await.expect("the line gives something in time")?;
        let Content::Scan(scan) = intake.content else { panic!("a line gives scans") };
        Ok((scan.device, scan.readings.into_iter().map(|reading| reading.value).collect()))
    }

    /// The next scan of one device.
    async fn next_of(line: &mut Line, device: usize) -> Vec<Quality<Value>> {
        let found = async {
            loop {
                let (of, readings) = next(line).await.unwrap();
                if of == device {
                    return readings;
                }
            }
        };
        timeout(LIMIT, found).await.expect("the device is scanned in time")
    }

    /// An address of this machine where nobody listens.
    async fn free_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// The connection broke while the device was asked.
    fn lost() -> Quality<Value> {
        Quality::Bad(Fault::NoConnection)
    }

    /// No connection can be made.
    fn refused() -> Quality<Value> {
        Quality::Bad(Fault::Unreachable(Obstacle::Refused))
    }

    #[tokio::test]
    async fn a_silent_unit_stops_nobody_else_and_its_late_answer_would_meet_nobody() {
        let fake =
            Fake::start(|asked| if asked.unit == 1 { Reply::Silence } else { Reply::Words(addresses(asked)) }).await;
        let devices = vec![device(1, holding(&[0, 500])), device(2, holding(&[0, 500]))];
        let mut line = line(fake.address(), devices);
        assert_eq!(next_of(&mut line, 0).await, [Quality::Bad(Fault::Timeout), Quality::Bad(Fault::Timeout)]);
        for _ in 0..20 {
            assert_eq!(next_of(&mut line, 1).await, [good(0), good(500)]);
        }
        let asked = fake.asked();
        assert!(asked.iter().filter(|asked| asked.unit == 1).count() < 15, "it is asked ever more rarely");
        for pair in asked.windows(2).filter(|pair| pair[0].unit == 1) {
            assert!(pair[1].connection > pair[0].connection, "the connection of an open question is not used again");
        }
    }

    /// How often each of ten units is asked in two minutes, on a serial line that they keep busy.
    async fn asked_of_ten(silent: Option<u8>) -> Vec<usize> {
        let (fake, stream) = FakeSerial::start(move |asked| match silent {
            Some(silent) if silent == asked.unit => Vec::new(),
            Some(_) | None => vec![(Duration::from_millis(20), answer(asked))],
        });
        let devices = (0..10).map(|unit| device(unit, holding(&[0, 500])));
        let mut line = line(LineAddress::Tcp { host: "nowhere".into(), port: 1 }, devices.collect());
        line.connection = Connection::over(stream, Duration::from_millis(200), Duration::from_millis(2));
        let on_and_on = async {
            loop {
                line.next().await.unwrap();
            }
        };
        let _elapsed = timeout(Duration::from_secs(120), on_and_on).await;
        let asked = fake.asked();
        (0..10).map(|unit| asked.iter().filter(|asked| asked.unit == unit).count()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_of_ten_units_silent_the_others_keep_nine_tenths_of_their_scans() {
        let before = asked_of_ten(None).await;
        let after = asked_of_ten(Some(4)).await;
        for unit in (0..10).filter(|unit| *unit != 4) {
            assert!(after[unit] * 10 >= before[unit] * 9, "unit {unit}: {before:?}, {after:?}");
        }
        assert!(after[4] > 1, "it is asked again: {after:?}");
    }

    #[tokio::test]
    async fn a_peer_that_closes_on_every_request_costs_its_own_unit_only() {
        for way in [|| Reply::End, || Reply::Half] {
            let fake =
                Fake::start(move |asked| if asked.unit == 1 { way() } else { Reply::Words(addresses(asked)) }).await;
            let mut line = line(fake.address(), vec![device(1, holding(&[0])), device(2, holding(&[0]))]);
            assert_eq!(next_of(&mut line, 0).await, [lost()]);
            assert_eq!(next_of(&mut line, 1).await, [good(0)]);
        }
    }

    #[tokio::test]
    async fn a_failed_connect_is_told_by_every_device_before_the_next_try() {
        let local = free_port().await;
        let address = LineAddress::Tcp { host: local.ip().to_string(), port: local.port() };
        let mut line = line(address, vec![device(1, holding(&[0])), device(2, holding(&[0]))]);
        assert_eq!(next(&mut line).await.unwrap(), (0, vec![refused()]));
        let _fake = Fake::start_on(TcpListener::bind(local).await.unwrap(), |asked| Reply::Words(addresses(asked)));
        assert_eq!(next(&mut line).await.unwrap(), (1, vec![refused()]));
        assert!(next(&mut line).await.is_err());
        assert_eq!(next_of(&mut line, 0).await, [good(0)]);
    }

    #[tokio::test]
    async fn without_a_connection_each_device_says_so_once_and_all_are_read_when_it_is_back() {
        let local = free_port().await;
        let address = LineAddress::Tcp { host: local.ip().to_string(), port: local.port() };
        let devices = vec![device(1, holding(&[0, 1])), hourly(2)];
        let mut line = line(address, devices);

        assert_eq!(next(&mut line).await.unwrap(), (0, vec![refused(), refused()]));
        assert_eq!(next(&mut line).await.unwrap(), (1, vec![refused()]));
        for _ in 0..2 {
            let error = next(&mut line).await.unwrap_err();
            assert_eq!(error.to_string(), format!("cannot reach tcp://{local}"));
        }

        let _fake = Fake::start_on(TcpListener::bind(local).await.unwrap(), |asked| Reply::Words(addresses(asked)));
        assert_eq!(next_of(&mut line, 0).await, [good(0), good(1)]);
        assert_eq!(next_of(&mut line, 1).await, [good(0)]);
    }

    #[tokio::test]
    async fn a_connection_that_is_lost_is_told_by_every_device_and_when_it_is_back_every_device_is_read() {
        let fake = Fake::start(|asked| Reply::Words(addresses(asked))).await;
        let devices = vec![device(1, holding(&[0, 500])), hourly(2)];
        let mut line = line(fake.address(), devices);
        assert_eq!(next_of(&mut line, 1).await, [good(0)]);
        let LineAddress::Tcp { host, port } = fake.address() else { panic!("the fake is behind TCP") };
        drop(fake);
        let told = loop {
            let (device, readings) = next(&mut line).await.unwrap();
            if readings.contains(&lost()) {
                break (device, readings);
            }
        };
        assert_eq!(told, (0, vec![lost(), lost()]));
        assert_eq!(next(&mut line).await.unwrap(), (1, vec![refused()]));
        assert!(next(&mut line).await.is_err());

        let listener = TcpListener::bind((host.as_str(), port)).await.unwrap();
        let _fake = Fake::start_on(listener, |asked| Reply::Words(addresses(asked)));
        assert_eq!(next_of(&mut line, 1).await, [good(0)]);
    }
}
