//! What the devices of a line will be asked for and how long that takes, known before anything is connected.
//!
//! Tags of different intervals that fall due together share requests; here each interval is counted alone, so the line
//! is never busier than this says while all devices answer.

use std::time::Duration;

use plantlink_config::{Config, Device, ModbusLine, Problem, Source};

use super::line_time::LineTime;
use super::plan::{Limits, Request, Terms, plan};
use super::rounds::by_interval;

/// The code of the warnings, for scripts.
const TOO_SLOW: &str = "interval";

/// The requests of one line.
pub(crate) struct LineForecast<'a> {
    pub(crate) line: &'a ModbusLine,
    pub(crate) rounds: Vec<RoundForecast<'a>>,
}

/// The requests for the tags of one device that are read at one interval.
pub(crate) struct RoundForecast<'a> {
    pub(crate) device: &'a Device,
    pub(crate) every: Duration,
    pub(crate) requests: Vec<Request>,
    /// How long the line is busy with them.
    pub(crate) time: Duration,
}

impl<'a> LineForecast<'a> {
    pub(crate) fn new(line: &'a ModbusLine) -> Self {
        let time = LineTime::of(line);
        let rounds = line.devices.iter().flat_map(|device| {
            let limits = Limits { registers: device.max_registers, bits: device.max_bits };
            by_interval(device).into_iter().map(move |(every, tags)| {
                let requests = plan(&device.tags, &tags, Terms { limits, time, barriers: &[] });
                let time = requests.iter().map(|request| time.read(request.table, request.count)).sum();
                RoundForecast { device, every, requests, time }
            })
        });
        LineForecast { line, rounds: rounds.collect() }
    }

    /// The part of its time that the line is busy; above 1 when more is asked of it than it can do.
    pub(crate) fn load(&self) -> f64 {
        self.rounds.iter().map(share).sum()
    }

    /// How often the round can be read: as often as it is asked for, unless that is too much.
    pub(crate) fn interval(&self, round: &RoundForecast<'_>) -> Duration {
        round.every.mul_f64(self.load().max(1.0)).max(round.time)
    }
}

/// Warns of the lines that cannot do what is asked of them.
pub(crate) fn doubts(config: &Config) -> Vec<Problem> {
    let lines = config.sources.iter().filter_map(|source| match source {
        Source::Modbus(line) => Some(LineForecast::new(line)),
        Source::Mqtt(_) => None,
    });
    lines.filter_map(|line| doubt(&line)).collect()
}

/// One warning for a line, at the device that takes the most of its time.
fn doubt(line: &LineForecast<'_>) -> Option<Problem> {
    let busiest = line.rounds.iter().max_by(|one, other| share(one).total_cmp(&share(other)))?;
    (line.load() > 1.0).then(|| {
        let RoundForecast { device, every, requests, time } = busiest;
        let message = format!(
            "the line `{}` cannot do this: {} requests here take about {time:.0?}, and with all its devices it would be \
             busy {:.0} % of its time; about every {:.1?} is possible instead of {every:?} (`plantlink plan` shows the \
             requests)",
            line.line.name,
            requests.len(),
            line.load() * 100.0,
            line.interval(busiest),
        );
        Problem::warning(&device.every_at, TOO_SLOW, message)
    })
}

fn share(round: &RoundForecast<'_>) -> f64 {
    round.time.as_secs_f64() / round.every.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plantlink_config::{LineAddress, Name};

    use super::super::fake::{device, holding};
    use super::*;

    /// A line with a device of two requests each 100 ms.
    fn line(pause: Duration) -> ModbusLine {
        let mut device = device(1, holding(&[0, 500]));
        Arc::make_mut(&mut device.tags).iter_mut().for_each(|tag| tag.every = Duration::from_millis(100));
        ModbusLine {
            name: Name::new("line").unwrap(),
            address: LineAddress::Tcp { host: "10.20.1.12".into(), port: 502 },
            timeout: Duration::from_millis(500),
            pause,
            devices: vec![device.clone(), device],
        }
    }

    #[test]
    fn a_line_that_has_time_enough_raises_no_doubt() {
        let line = line(Duration::ZERO);
        let forecast = LineForecast::new(&line);
        let [first, _] = forecast.rounds.as_slice() else { panic!("a round for each device") };
        assert_eq!(first.requests.len(), 2);
        assert_eq!(forecast.interval(first), first.every);
        assert!((0.08..0.081).contains(&forecast.load()), "{}", forecast.load());
        assert_eq!(doubt(&forecast), None);
    }

    #[test]
    fn a_line_without_time_enough_says_what_is_possible() {
        let line = line(Duration::from_millis(48));
        let forecast = LineForecast::new(&line);
        assert!((2.0..2.01).contains(&forecast.load()), "{}", forecast.load());
        let doubt = doubt(&forecast).unwrap();
        assert!(doubt.message.contains("busy 200 %"), "{doubt}");
        assert!(doubt.message.contains("about every 200.0ms is possible instead of 100ms"), "{doubt}");
    }
}
