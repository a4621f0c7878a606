//! A command that goes on until it is ended, such as `tail`, and what it has printed so far.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait;

/// Killed when dropped.
pub struct Follower {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Follower {
    /// Starts it; what it prints goes to two files that begin with this path.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command, files: PathBuf) -> Follower {
        let stdout = files.with_extension("out");
        Follower::spawn(command, files, Stdio::from(File::create(stdout).expect("a file for what it prints")))
    }

    /// The same, and nobody reads what it prints before [`Follower::read_on`].
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_unread(command: Command, files: PathBuf) -> Follower {
        Follower::spawn(command, files, Stdio::piped())
    }

    fn spawn(mut command: Command, files: PathBuf, stdout: Stdio) -> Follower {
        let (out, stderr) = (files.with_extension("out"), files.with_extension("err"));
        let errors = File::create(&stderr).expect("a file for what it says");
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(errors).spawn().expect("the command starts");
        Follower { child, stdout: out, stderr }
    }

    /// The lines that it has printed to their ends.
    pub fn lines(&self) -> Vec<String> {
        let printed = std::fs::read_to_string(&self.stdout).unwrap_or_default();
        printed.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    /// What it has said on its standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Waits until it has printed as many lines that meet a condition, and gives those.
    ///
    /// # Panics
    /// When it does not within `limit`.
    pub async fn printed(&self, count: usize, limit: Duration, meets: impl Fn(&str) -> bool) -> Vec<String> {
        let found = || self.lines().into_iter().filter(|line| meets(line)).collect::<Vec<_>>();
        let printed = wait::within(limit, async || Some(found()).filter(|found| found.len() >= count)).await;
        printed.unwrap_or_else(|| panic!("{count} lines were waited for: {:?}\n{}", self.lines(), self.said()))
    }

    /// Reads from now on what nobody has read.
    ///
    /// # Panics
    /// When somebody has.
    pub fn read_on(&mut self) {
        let mut unread = self.child.stdout.take().expect("nobody has read it");
        let path = self.stdout.clone();
        // Ends with the command, which ends with its owner.
        std::thread::spawn(move || {
            let mut file = File::create(path).expect("a file for what it prints");
            let mut bytes = vec![0; 1 << 16];
            while let Ok(read @ 1..) = unread.read(&mut bytes) {
                std::io::Write::write_all(&mut file, &bytes[..read]).expect("the file takes it");
            }
        });
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not after `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait::until("the command to end", limit, async || child.try_wait().ok().flatten()).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
