//! Trouble with a disk: some of the agent's calls that concern a file of its buffer get a bad answer, or a late one.

use std::path::Path;

/// Which calls, and what becomes of them. Each thread's are counted by themselves.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    /// With which file.
    pub with: TroubledFile,
    /// The system call.
    pub call: &'static str,
    /// What becomes of it.
    pub effect: Effect,
    /// So many of a thread's calls are spared first: its start, and some work.
    pub after: u32,
    /// So many are not.
    pub count: u32,
}

/// A file of the buffer.
#[derive(Debug, Clone, Copy)]
pub enum TroubledFile {
    /// The database.
    Database,
    /// Its write-ahead log.
    Log,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy)]
pub enum Effect {
    /// It does nothing, and is answered with an input/output error.
    Fails,
    /// It begins so many milliseconds late.
    IsLate(u32),
}

impl Trouble {
    /// How `strace` is told, up to the program that it starts.
    pub(crate) fn options(&self, database: &Path) -> Vec<String> {
        let Trouble { with, call, effect, after, count } = self;
        let effect = match effect {
            Effect::Fails => "error=EIO".to_owned(),
            Effect::IsLate(millis) => format!("delay_enter={}", millis * 1_000),
        };
        let inject = format!("inject={call}:{effect}:when={}..{}", after + 1, after + count);
        let file = match with {
            TroubledFile::Database => database.display().to_string(),
            TroubledFile::Log => format!("{}-wal", database.display()),
        };
        let options = ["-P", &file, "-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null", "--"];
        options.map(str::to_owned).to_vec()
    }
}
