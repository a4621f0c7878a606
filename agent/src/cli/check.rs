//! `plantlink check`: every problem of the configuration at once.

use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Environment, Problem, Severity, load};

use crate::source::modbus;

use super::{ConfigArgs, EXIT_CONFIG, print};

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let mut loaded = load(&args.config.config, Environment::Check);
    loaded.problems.extend(loaded.config.iter().flat_map(modbus::doubts));
    let printed = if args.json {
        print(&format!("{}\n", serde_json::json!({ "problems": loaded.problems })))
    } else {
        print_problems(&loaded.problems);
        let verdict = if loaded.problems.is_empty() { "no problems".to_owned() } else { tally(&loaded.problems) };
        print(&format!("{}: {verdict}\n", args.config.config.display()))
    };
    if loaded.config.is_none() { ExitCode::from(EXIT_CONFIG) } else { printed }
}

/// One line each, on stderr.
pub(super) fn print_problems(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{problem}");
    }
}

/// How many there are, in words.
pub(super) fn tally(problems: &[Problem]) -> String {
    let count = |wanted: Severity, word: &str| {
        let count = problems.iter().filter(|problem| problem.severity == wanted).count();
        (count > 0).then(|| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
    };
    [count(Severity::Error, "problem"), count(Severity::Warning, "warning")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}
