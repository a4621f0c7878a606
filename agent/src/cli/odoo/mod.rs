//! `plantlink odoo`: what an administrator does once in a database, with a key that is asked for and kept nowhere.

mod key;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use plantlink_config::{Config, Destination, Environment, OdooDestination, load};

use super::check::{print_problems, tally};
use super::{ConfigArgs, EXIT_CONFIG, failed, print};
use crate::destination::odoo::{Part, make_model};

#[derive(Args)]
pub(super) struct OdooArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: OdooCommand,
}

#[derive(Subcommand)]
enum OdooCommand {
    /// Makes the model `x_plant_event` for counts, measurements and alarms in quantity, with a list and a menu; what is there
    /// already stays as it is
    MakeModel(MakeModelArgs),
}

#[derive(Args)]
struct MakeModelArgs {
    /// The destination, by its name in the configuration
    destination: String,
    /// An administrator's login; the key is asked for, or read from standard input where that is no terminal
    #[arg(long, default_value = "admin")]
    login: String,
}

/// The destination cannot be had.
#[derive(Debug, thiserror::Error)]
enum OdooError {
    #[error("no Odoo destination is called `{name}` (there are: {})", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
}

pub(super) async fn odoo(args: OdooArgs) -> ExitCode {
    let loaded = load(&args.config.config, Environment::Check);
    let Some(config) = loaded.config else {
        print_problems(&loaded.problems);
        eprintln!("{}; nobody was asked", tally(&loaded.problems));
        return ExitCode::from(EXIT_CONFIG);
    };
    match args.command {
        OdooCommand::MakeModel(args) => match destination(&config, &args.destination) {
            Ok(odoo) => make(odoo, &args.login).await,
            Err(error) => failed(&error),
        },
    }
}

fn destination<'a>(config: &'a Config, name: &str) -> Result<&'a OdooDestination, OdooError> {
    let odoos = || {
        config.destinations.iter().filter_map(|destination| match destination {
            Destination::Odoo(odoo) => Some(odoo),
            Destination::Mqtt(_) | Destination::Webhook(_) => None,
        })
    };
    odoos().find(|odoo| *odoo.name == *name).ok_or_else(|| OdooError::Unknown {
        name: name.to_owned(),
        known: odoos().map(|odoo| odoo.name.to_string()).collect(),
    })
}

async fn make(odoo: &OdooDestination, login: &str) -> ExitCode {
    let prompt = format!("API key of {login} for database {} at {}: ", odoo.database, odoo.http.url);
    let key = match key::ask(&prompt) {
        Ok(key) => key,
        Err(error) => return failed(&error),
    };
    let mut printed = ExitCode::SUCCESS;
    let mut made = 0;
    let tell = |part| {
        made += u32::from(matches!(part, Part::Made(_)));
        printed = print(&match part {
            Part::Made(what) => format!("made       {what}\n"),
            Part::There(what) => format!("is there   {what}\n"),
            Part::LeftOut(what) => format!("left out   {what}\n"),
        });
    };
    match make_model(odoo, login, key, tell).await {
        Ok(()) if made == 0 => print("everything was there already\n"),
        Ok(()) => printed,
        Err(error) => failed(&error),
    }
}
