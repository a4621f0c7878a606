//! What a person sees while the demonstration runs: bars on a terminal, a plain line a second elsewhere. All on stderr.

use std::fmt;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// About how many events a second the plant makes, so that the bar of the backlog has a scale before it is full.
const EVENTS_PER_SECOND: u64 = 66;
/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// The scene that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Starting,
    Producing,
    Outage,
    Recovered,
    Emptying,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scene::Starting => "starting: waiting for the first event of each machine",
            Scene::Producing => "producing",
            Scene::Outage => "producing, the link to the centre is CUT",
            Scene::Recovered => "producing, the link is back",
            Scene::Emptying => "production has ended, waiting for the last events",
        })
    }
}

/// One look at everything.
pub(super) struct Moment {
    pub(super) scene: Scene,
    pub(super) elapsed: Duration,
    pub(super) pieces: u64,
    pub(super) messages: u64,
    /// Different events at the centre.
    pub(super) received: u64,
    /// Unknown while the agent does not answer.
    pub(super) backlog: Option<u64>,
    pub(super) backlog_max: u64,
}

/// The display, chosen once by what stderr is.
pub(super) enum Screen {
    Terminal(Bars),
    Plain { next_line: Instant },
}

pub(super) struct Bars {
    all: MultiProgress,
    time: ProgressBar,
    made: ProgressBar,
    backlog: ProgressBar,
}

impl Screen {
    /// For a run of about this length with an outage in it.
    pub(super) fn new(length: Duration, outage: Duration) -> Screen {
        if stderr().is_terminal() {
            Screen::Terminal(Bars::new(length, outage))
        } else {
            Screen::Plain { next_line: Instant::now() }
        }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        match self {
            // A terminal that went away takes the words with it; the count at the end does not depend on it.
            Screen::Terminal(bars) => bars.all.println(line).unwrap_or_default(),
            Screen::Plain { .. } => eprintln!("{line}"),
        }
    }

    pub(super) fn show(&mut self, moment: &Moment) {
        match self {
            Screen::Terminal(bars) => bars.show(moment),
            Screen::Plain { next_line } if Instant::now() >= *next_line => {
                *next_line = Instant::now() + LINE_EVERY;
                let Moment { scene, pieces, messages, received, .. } = moment;
                let (elapsed, backlog) = (moment.elapsed.as_secs(), backlog(moment));
                eprintln!(
                    "{elapsed:>4} s  pieces {pieces}  messages {messages}  at the centre {received}  backlog {backlog}  {scene}"
                );
            }
            Screen::Plain { .. } => {}
        }
    }

    /// Takes the bars away, so that what follows stands on a clean screen.
    pub(super) fn clear(&self) {
        match self {
            Screen::Terminal(bars) => bars.all.clear().unwrap_or_default(),
            Screen::Plain { .. } => {}
        }
    }
}

impl Bars {
    fn new(length: Duration, outage: Duration) -> Bars {
        let all = MultiProgress::new();
        let bar = |bar: ProgressBar, template: &str| {
            // The templates are constant; a mistake in one falls back to the crate's own look.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            all.add(bar.with_style(style))
        };
        Bars {
            time: bar(ProgressBar::new(length.as_secs()), "{bar:16} {pos:>4} of {len} s  {msg}"),
            made: bar(ProgressBar::no_length(), "{msg}"),
            backlog: bar(ProgressBar::new(outage.as_secs().max(1) * EVENTS_PER_SECOND), "{bar:16.yellow} {msg}"),
            all,
        }
    }

    fn show(&self, moment: &Moment) {
        let Moment { scene, pieces, messages, received, backlog_max, .. } = moment;
        self.time.set_position(moment.elapsed.as_secs().min(self.time.length().unwrap_or(u64::MAX)));
        self.time.set_message(scene.to_string());
        self.made.set_message(format!(
            "produced {pieces} pieces and {messages} MES messages; events at the centre {received}"
        ));
        self.backlog.set_length(self.backlog.length().unwrap_or(0).max(*backlog_max));
        self.backlog.set_position(moment.backlog.unwrap_or(0));
        self.backlog.set_message(format!("backlog {} (at most {backlog_max})", backlog(moment)));
    }
}

fn backlog(moment: &Moment) -> String {
    moment.backlog.map_or_else(|| "unknown".to_owned(), |depth| depth.to_string())
}
