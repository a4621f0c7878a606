//! What `strace -f -yy -xx` has seen of the agent: what it did to its database, and what it said to whom meanwhile.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// The calls that [`steps`] understands, for `strace -e`. Not every architecture has those with a question mark.
pub const SYSTEM_CALLS: &str = "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,\
     openat,?open,unlinkat,?unlink,pwrite64,ftruncate,fdatasync,fsync";

/// What the agent did, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes had arrived.
    Received(Connection, Bytes),
    /// Bytes were about to leave: from then on the peer may see them.
    Sent(Connection, Bytes),
    /// A change to a file of the database, which has this name, was complete.
    File(String, Change),
    /// A sync of the database's directory was complete.
    DirectorySynced,
}

/// A TCP connection of this machine with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The agent's port.
    pub local: u16,
    /// The other's port.
    pub peer: u16,
}

/// A change to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was opened, and made if it was not there.
    Created,
    /// Bytes were written.
    Written {
        /// Where the first of them is.
        at: u64,
        /// They themselves.
        bytes: Bytes,
    },
    /// It was cut or extended to this length.
    Resized(u64),
    /// It was synced.
    Synced,
    /// A sync of it failed.
    NotSynced,
    /// Its name was removed.
    Removed,
}

/// The steps that concern TCP connections and the files whose names begin with the database's, in its directory.
pub fn steps(record: &str, database: &Path) -> Vec<Step> {
    let mut reader = Reader { database, unfinished: HashMap::new() };
    record.lines().filter_map(|line| reader.step(line)).collect()
}

struct Reader<'a> {
    database: &'a Path,
    /// The beginnings of calls that had not returned when another thread made one, by thread.
    unfinished: HashMap<String, String>,
}

impl Reader<'_> {
    fn step(&mut self, line: &str) -> Option<Step> {
        let (thread, call) = line.split_once(' ')?;
        let call = call.trim_start();
        if let Some(end) = call.strip_prefix("<... ") {
            let begin = self.unfinished.remove(thread)?;
            let (_, end) = end.split_once(" resumed>")?;
            return self.completed(&(begin + end));
        }
        match call.strip_suffix("<unfinished ...>") {
            Some(begin) => {
                self.unfinished.insert(thread.to_owned(), begin.trim_end().to_owned());
                begun(begin)
            }
            None => begun(call).or_else(|| self.completed(call)),
        }
    }

    /// The step of a call that counts when it has returned, unless it failed.
    fn completed(&self, call: &str) -> Option<Step> {
        let (call, result) = call.rsplit_once(" = ")?;
        let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
        if result.starts_with(['-', '?']) {
            return match name {
                "fdatasync" | "fsync" => self.file(&described(arguments), || Some(Change::NotSynced)),
                _ => None,
            };
        }
        let last = arguments.rsplit_once(", ").map_or(arguments, |(_, last)| last);
        match name {
            "read" | "readv" | "recvfrom" | "recvmsg" => {
                Some(Step::Received(connection(arguments)?, strings(arguments).into()))
            }
            "open" | "openat" if arguments.contains("O_CREAT") => {
                self.file(&described(result), || Some(Change::Created))
            }
            "unlink" | "unlinkat" => self.file(&path(&strings(arguments)), || Some(Change::Removed)),
            "pwrite64" => self.file(&described(arguments), || {
                let mut bytes = strings(arguments);
                bytes.truncate(result.parse().ok()?);
                Some(Change::Written { at: last.parse().ok()?, bytes: bytes.into() })
            }),
            "ftruncate" => self.file(&described(arguments), || Some(Change::Resized(last.parse().ok()?))),
            "fdatasync" | "fsync" => {
                let synced = described(arguments);
                if Some(synced.as_path()) == self.database.parent() {
                    return Some(Step::DirectorySynced);
                }
                self.file(&synced, || Some(Change::Synced))
            }
            _ => None,
        }
    }

    /// A change to a file, if that is one of the database's.
    fn file(&self, path: &Path, change: impl FnOnce() -> Option<Change>) -> Option<Step> {
        let name = path.file_name()?.to_str()?;
        let is_ours = path.parent() == self.database.parent() && name.starts_with(self.database.file_name()?.to_str()?);
        Some(Step::File(name.to_owned(), is_ours.then(change)??))
    }
}

/// The step of a call that counts when it begins.
fn begun(call: &str) -> Option<Step> {
    let (name, arguments) = call.split_once('(')?;
    match name {
        "write" | "writev" | "sendto" | "sendmsg" => {
            Some(Step::Sent(connection(arguments)?, strings(arguments).into()))
        }
        _ => None,
    }
}

/// The connection that a call begins with: `9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>`.
fn connection(arguments: &str) -> Option<Connection> {
    let (_, ends) = arguments.split_once("<TCP:[")?;
    let (local, peer) = ends.split_once(']')?.0.split_once("->")?;
    let port = |end: &str| end.rsplit_once(':')?.1.parse().ok();
    Some(Connection { local: port(local)?, peer: port(peer)? })
}

/// The path of the descriptor that a call begins with, or that it gave: `6<\x2f\x74...>`.
fn described(text: &str) -> PathBuf {
    // A device's number may stand behind its path, within further brackets.
    path(&bytes(text.split(['<', '>']).nth(1).unwrap_or_default()))
}

fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

/// The bytes of all strings of a call, one after the other.
fn strings(call: &str) -> Vec<u8> {
    let strings: Vec<Vec<u8>> = call.split('"').skip(1).step_by(2).map(bytes).collect();
    strings.concat()
}

/// `\x40\x02` as the bytes that it stands for. A record is tens of megabytes of these.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    for code in text.as_bytes().chunks_exact(4) {
        bytes.push(digit(code[2]) << 4 | digit(code[3]));
    }
    bytes
}

fn digit(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        b'a'..=b'f' => letter - b'a' + 10,
        _ => panic!("strace -xx writes lower-case hexadecimal digits, not {}", char::from(letter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_two_threads_is_read_in_the_order_of_completion() {
        let record = r#"
7 openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x61\x2d\x77", O_RDWR|O_CREAT|O_CLOEXEC, 0640) = 6<\x2f\x64\x2f\x61\x2d\x77>
7 recvfrom(9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>, "\x32\x05", 100, 0, NULL, NULL) = 2
8 pwrite64(6<\x2f\x64\x2f\x61\x2d\x77>, "\x00\x01\x02", 3, 32 <unfinished ...>
7 recvfrom(9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>, 0x7f, 100, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
7 sendto(11<TCP:[127.0.0.1:5001->127.0.0.1:1884]>, "\x40\x02\x00\x01", 4, 0, NULL, 0) = 4
8 <... pwrite64 resumed>)                = 2
8 fdatasync(6<\x2f\x64\x2f\x61\x2d\x77> <unfinished ...>
7 pwrite64(6<\x2f\x65\x2f\x61\x2d\x77>, "\x00", 1, 0) = 1
8 <... fdatasync resumed>)                = 0
8 fdatasync(6<\x2f\x64\x2f\x61\x2d\x77>) = -1 EIO (Input/output error) (INJECTED)
8 fsync(7<\x2f\x64>)                      = 0
7 writev(9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>, [{iov_base="\x40\x02", iov_len=2}, {iov_base="\x00\x01", iov_len=2}], 2 <unfinished ...>
8 ftruncate(6<\x2f\x64\x2f\x61\x2d\x77>, 16) = 0
8 unlink("\x2f\x64\x2f\x61\x2d\x77")      = 0
7 <... writev resumed>)                   = 4
"#;
        let plant = Connection { local: 5000, peer: 1883 };
        let centre = Connection { local: 5001, peer: 1884 };
        let file = |change| Step::File("a-w".to_owned(), change);
        let bytes = Bytes::from_static;
        assert_eq!(
            steps(record, Path::new("/d/a")),
            [
                file(Change::Created),
                Step::Received(plant, bytes(&[0x32, 5])),
                Step::Sent(centre, bytes(&[0x40, 2, 0, 1])),
                file(Change::Written { at: 32, bytes: bytes(&[0, 1]) }),
                file(Change::Synced),
                file(Change::NotSynced),
                Step::DirectorySynced,
                Step::Sent(plant, bytes(&[0x40, 2, 0, 1])),
                file(Change::Resized(16)),
                file(Change::Removed),
            ]
        );
    }
}
