//! `plantlink init`: a first configuration and a first tag sheet, to be filled in.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{ConfigArgs, failed, print};

const CONFIG: &str = include_str!("init/plantlink.toml");
const SHEET: &str = include_str!("init/press-1.csv");
/// Where the configuration looks for the sheet, beside itself.
const SHEET_PATH: &str = "tags/press-1.csv";

#[derive(Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only the tag sheet
    #[arg(long)]
    sheet: bool,
}

/// A file was not written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} is there already, and stays as it is", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

pub(super) fn init(args: &InitArgs) -> ExitCode {
    let config = &args.config.config;
    let sheet = config.with_file_name(SHEET_PATH);
    let files: &[(&Path, &str)] = match args.sheet {
        true => &[(&sheet, SHEET)],
        false => &[(config, CONFIG), (&sheet, SHEET)],
    };
    // Nothing is half done: a second file that is there is found before the first one is written.
    let written = absent(files).and_then(|()| files.iter().try_for_each(|(path, text)| write(path, text)));
    match written {
        Ok(()) => {
            let names: String = files.iter().map(|(path, _)| format!("wrote {}\n", path.display())).collect();
            print(&format!("{names}\nFill in the two addresses, then: plantlink check --config {}\n", config.display()))
        }
        Err(error) => failed(&error),
    }
}

fn absent(files: &[(&Path, &str)]) -> Result<(), InitError> {
    match files.iter().find(|(path, _)| path.exists()) {
        Some((path, _)) => Err(InitError::Exists { path: path.to_path_buf() }),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), InitError> {
    let fail = |cause: io::Error| match cause.kind() == io::ErrorKind::AlreadyExists {
        true => InitError::Exists { path: path.to_owned() },
        false => InitError::Write { path: path.to_owned(), cause },
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::probe::COLUMNS;

    #[test]
    fn what_probe_finds_fits_the_columns_of_the_first_sheet() {
        assert!(SHEET.starts_with(COLUMNS), "{SHEET}");
    }
}
