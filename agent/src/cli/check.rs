//! `plantlink check`: every problem of the configuration at once; `--online` also what only the plant and the office know.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Environment, Problem, Rights, Severity, load};

use crate::source::modbus;

use super::online::{Given, Met, Online, online};
use super::{ConfigArgs, EXIT_CONFIG, failed, print};

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also asks every device, every broker and every Odoo, once the file has no error
    #[arg(long)]
    online: bool,
    /// With --online: events to try with what records look up in Odoo, one a line as `tail --json` and `simulate --json` print
    /// them; without it only what is known of the devices is tried
    #[arg(long, value_name = "FILE", requires = "online")]
    event: Option<PathBuf>,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn check(args: CheckArgs) -> ExitCode {
    let mut loaded = load(&args.config.config, Environment::Check);
    loaded.problems.extend(loaded.config.iter().flat_map(modbus::doubts));
    let met = match &loaded.config {
        Some(config) if args.online => {
            let given = args.event.as_deref().map_or_else(|| Ok(Given::default()), Given::read);
            let online = match given {
                Ok(given) => online(config, &loaded.places, &given).await,
                Err(error) => Err(error),
            };
            let Online { problems, met } = match online {
                Ok(online) => online,
                Err(error) => return failed(&error),
            };
            loaded.problems.extend(problems);
            met
        }
        Some(_) | None => Vec::new(),
    };
    let printed = if args.json {
        let mut report = serde_json::json!({ "problems": loaded.problems, "rights": loaded.rights });
        if args.online {
            report["met"] = serde_json::json!(met);
        }
        print(&format!("{report}\n"))
    } else {
        for Met { message, .. } in &met {
            print(&format!("{message}\n"));
        }
        print_problems(&loaded.problems);
        match loaded.rights {
            Rights::Own => {}
            Rights::Service => _ = print("files were checked with the rights of the user plantlink\n"),
            Rights::Root => _ = print("checked as root, who may read every file: there is no user plantlink yet\n"),
        }
        let verdict = if loaded.problems.is_empty() { "no problems".to_owned() } else { tally(&loaded.problems) };
        print(&format!("{}: {verdict}\n", args.config.config.display()))
    };
    let is_wrong = loaded.problems.iter().any(|problem| problem.severity == Severity::Error);
    if is_wrong { ExitCode::from(EXIT_CONFIG) } else { printed }
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
