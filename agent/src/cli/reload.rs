//! `plantlink reload`: the running agent reads its configuration again.

use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Environment, Loaded, load};

use super::check::{print_problems, tally};
use super::{ConfigArgs, EXIT_CONFIG, failed, print};
use crate::control::{ControlError, Request, ask};
use crate::reload::Reload;

#[derive(Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn reload(args: ReloadArgs) -> ExitCode {
    // A file that is broken does not say where the buffer is; the agent is then looked for where systemd puts it.
    let Loaded { config, problems, .. } = load(&args.config.config, Environment::Check);
    let buffer = config.as_ref().map(|config| config.buffer.path.as_path());
    let answer = match ask(buffer, &Request::Reload).await {
        Ok(answer) => answer,
        Err(ControlError::NotRunning { .. }) if config.is_none() => {
            print_problems(&problems);
            eprintln!("{}; no agent was asked", tally(&problems));
            return ExitCode::from(EXIT_CONFIG);
        }
        Err(error) => return failed(&error),
    };
    let reload: Reload = match serde_json::from_value(answer) {
        Ok(reload) => reload,
        Err(error) => return failed(&error),
    };
    let printed = if args.json { print(&format!("{}\n", serde_json::json!(reload))) } else { show(&reload) };
    if reload.applied { printed } else { ExitCode::from(EXIT_CONFIG) }
}

fn show(reload: &Reload) -> ExitCode {
    for problem in &reload.problems {
        eprintln!("{problem}");
    }
    match (reload.applied, reload.changed.as_slice()) {
        (false, _) => {
            eprintln!("nothing has changed");
            ExitCode::SUCCESS
        }
        (true, []) => print("taken up; no table is different\n"),
        (true, changed) => print(&format!("taken up; different: {}\n", changed.join(", "))),
    }
}
