//! Asking for a key: without an echo at a terminal, else the first line of standard input.

use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use plantlink_config::SecretText;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A key that is longer is none.
const KEY_BYTES_MAX: usize = 4096;

const ENTER: [u8; 2] = [b'\n', b'\r'];
/// Ctrl-C and Ctrl-D.
const LEAVE: [u8; 2] = [0x03, 0x04];
/// Backspace, as terminals send it, and Ctrl-U.
const ERASE: [u8; 2] = [0x7f, 0x08];
const ERASE_ALL: u8 = 0x15;

/// No key was given.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("no key was given; nothing was done")]
    None,
    #[error("cannot read the key")]
    Read(#[from] io::Error),
}

/// The key that somebody types or hands over.
pub(super) fn ask(prompt: &str) -> Result<SecretText, KeyError> {
    let text = if io::stdin().is_terminal() { typed(prompt)? } else { handed_over()? };
    match text.trim() {
        "" => Err(KeyError::None),
        key => Ok(SecretText::new(key.to_owned())),
    }
}

fn handed_over() -> Result<String, KeyError> {
    let mut line = String::new();
    io::stdin().lock().take(KEY_BYTES_MAX as u64).read_line(&mut line)?;
    Ok(line)
}

/// Key by key, so that Ctrl-C arrives here and the terminal is left as it was found.
fn typed(prompt: &str) -> Result<String, KeyError> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(prompt.as_bytes())?;
    let quiet = Quiet::new(terminal.try_clone()?)?;
    let mut key = Vec::new();
    let mut byte = [0];
    while terminal.read(&mut byte)? > 0 {
        match byte {
            [byte] if ENTER.contains(&byte) => break,
            [byte] if LEAVE.contains(&byte) => {
                key.clear();
                break;
            }
            [byte] if ERASE.contains(&byte) => drop(key.pop()),
            [ERASE_ALL] => key.clear(),
            [byte] if key.len() < KEY_BYTES_MAX => key.push(byte),
            [_] => {}
        }
    }
    drop(quiet);
    terminal.write_all(b"\n")?;
    Ok(String::from_utf8_lossy(&key).into_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
