//! `plantlink simulate`: a recording through the mapper, with no device, no broker and no buffer.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Config, Environment, load};

use super::event_text::event_text;
use super::form::Form;
use super::{ConfigArgs, EXIT_CONFIG, check, failed};
use crate::recording::{Brought, Line, LineError, Plan, PlanError};
use crate::rehearsal::{Enacted, Rehearsal};

/// So many wrong lines are named; who has more has another file than he thinks.
const PROBLEMS_MAX: usize = 20;

#[derive(Args)]
pub(super) struct SimulateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The recording, a JSON object a line: {"at","device","tags":{..}} or {"at","source","topic","payload"}; - reads from
    /// standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One envelope a line, for scripts; without it only where the output is no terminal
    #[arg(long)]
    json: bool,
}

/// The recording could not be played to its end.
#[derive(Debug, thiserror::Error)]
enum SimulateError {
    #[error("cannot read {file}")]
    Read {
        file: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot write the events")]
    Write(#[source] io::Error),
}

/// Why a line cannot be played.
#[derive(Debug, thiserror::Error)]
enum WrongLine {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// What came of the recording.
#[derive(Debug, Default)]
struct Tally {
    lines: usize,
    events: usize,
    untaken: usize,
    wrong: usize,
}

pub(super) fn simulate(args: &SimulateArgs) -> ExitCode {
    let loaded = load(&args.config.config, Environment::Check);
    let Some(config) = loaded.config else {
        check::print_problems(&loaded.problems);
        eprintln!("{}; nothing was simulated", check::tally(&loaded.problems));
        return ExitCode::from(EXIT_CONFIG);
    };
    let form = Form::wanted(args.json || !io::stdout().is_terminal());
    let mut play = Play { name: args.file.display().to_string(), form, tally: Tally::default() };
    match play.run(&config, args) {
        Ok(()) => play.tally.told(),
        // Whoever read the events has read enough.
        Err(SimulateError::Write(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// One run of `simulate`.
struct Play {
    /// The recording, as it was given.
    name: String,
    form: Form,
    tally: Tally,
}

impl Play {
    fn run(&mut self, config: &Config, args: &SimulateArgs) -> Result<(), SimulateError> {
        let read = |cause| SimulateError::Read { file: args.file.display().to_string(), cause };
        let input: Box<dyn Read> = match args.file.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            Some(_) | None => Box::new(File::open(&args.file).map_err(read)?),
        };
        let mut input = BufReader::new(input);
        let mut out = BufWriter::new(io::stdout().lock());
        let plan = Plan::new(config);
        let mut rehearsal = Rehearsal::new(config);
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            if input.buffer().is_empty() {
                // What is next may take its time, when somebody writes the recording meanwhile.
                out.flush().map_err(SimulateError::Write)?;
            }
            line.clear();
            if input.read_until(b'\n', &mut line).map_err(read)? == 0 {
                return out.flush().map_err(SimulateError::Write);
            }
            number += 1;
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() {
                continue;
            }
            self.tally.lines += 1;
            match brought(text, &plan) {
                Err(wrong) => {
                    eprintln!("{}:{number}: {wrong}", self.name);
                    self.tally.wrong += 1;
                    if self.tally.wrong == PROBLEMS_MAX {
                        return out.flush().map_err(SimulateError::Write);
                    }
                }
                // What follows a wrong line would be made of a recording that nobody meant.
                Ok(_) if self.tally.wrong > 0 => {}
                Ok(brought) => {
                    let scene = rehearsal.play(brought);
                    for enacted in &scene.events {
                        self.show(&rehearsal, enacted, &mut out).map_err(SimulateError::Write)?;
                    }
                    if let Some(remark) = scene.remark {
                        out.flush().map_err(SimulateError::Write)?;
                        eprintln!("{}:{number}: {remark}", self.name);
                    }
                }
            }
        }
    }

    fn show(&mut self, rehearsal: &Rehearsal<'_>, enacted: &Enacted, out: &mut impl Write) -> io::Result<()> {
        self.tally.events += 1;
        let flows: Vec<&str> = enacted.flows().map(|flow| &**flow).collect();
        self.tally.untaken += usize::from(flows.is_empty());
        let envelopes = rehearsal.envelopes(enacted);
        match self.form {
            Form::Scripts => envelopes.iter().try_for_each(|envelope| writeln!(out, "{envelope}")),
            Form::People => {
                let flows = if flows.is_empty() { "no flow takes it".to_owned() } else { flows.join(", ") };
                envelopes.first().map_or(Ok(()), |envelope| out.write_all(event_text(envelope, &flows).as_bytes()))
            }
        }
    }
}

fn brought(text: &str, plan: &Plan<'_>) -> Result<Brought, WrongLine> {
    Ok(plan.brought(Line::parse(text)?)?)
}

impl Tally {
    /// Says what came of it, on stderr.
    fn told(&self) -> ExitCode {
        let Tally { lines, events, untaken, wrong } = self;
        let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let mut text = format!("{}, {}", counted(*lines, "line"), counted(*events, "event"));
        if *untaken > 0 {
            text.push_str(&format!(", {untaken} of them taken by no flow"));
        }
        if *wrong > 0 {
            text.push_str(&format!(
                "; {}, and nothing was simulated from the first of them on",
                counted(*wrong, "problem")
            ));
        }
        eprintln!("{text}");
        if *wrong > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
