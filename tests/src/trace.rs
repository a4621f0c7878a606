//! What `strace -f -yy -xx` has seen of the agent, as far as durability before acknowledgement is concerned.

use std::collections::HashMap;

/// The calls that [`steps`] understands, for `strace -e`.
pub const SYSTEM_CALLS: &str =
    "trace=read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync";

/// What the agent did, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes had arrived from the port.
    Received(Vec<u8>),
    /// A write to the file was complete.
    Written,
    /// A sync of the file was complete.
    Synced,
    /// Bytes were about to leave for the port.
    Sent(Vec<u8>),
}

/// The steps that concern the connections to `port` of this machine and the files whose name ends with `file`.
pub fn steps(record: &str, port: u16, file: &str) -> Vec<Step> {
    let mut reader = Reader { peer: format!("->127.0.0.1:{port}]"), file: file.to_owned(), unfinished: HashMap::new() };
    record.lines().filter_map(|line| reader.step(line)).collect()
}

/// What a call does, as far as it matters.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Receive,
    Write,
    Sync,
}

struct Reader {
    peer: String,
    file: String,
    /// Calls that had not returned when another thread made one, by thread.
    unfinished: HashMap<String, Kind>,
}

impl Reader {
    fn step(&mut self, line: &str) -> Option<Step> {
        let (thread, call) = line.split_once(' ')?;
        let call = call.trim_start();
        if call.starts_with("<... ") {
            let kind = self.unfinished.remove(thread)?;
            return completed(kind, call);
        }
        let (name, arguments) = call.split_once('(')?;
        let (subject, content) = arguments.split_once([',', ')']).unwrap_or((arguments, ""));
        let kind = if subject.contains(&self.peer) {
            match name {
                "read" | "readv" | "recvfrom" | "recvmsg" => Kind::Receive,
                // Counted when it begins: from then on the peer may see it.
                "write" | "writev" | "sendto" | "sendmsg" => {
                    return Some(Step::Sent(strings(content)));
                }
                _ => return None,
            }
        } else if path(subject).ends_with(&self.file) {
            match name {
                "write" | "writev" | "pwrite64" | "pwritev" => Kind::Write,
                "fdatasync" | "fsync" => Kind::Sync,
                _ => return None,
            }
        } else {
            return None;
        };
        if call.ends_with("<unfinished ...>") {
            self.unfinished.insert(thread.to_owned(), kind);
            return None;
        }
        completed(kind, call)
    }
}

/// The step of a call that has returned, unless it failed.
fn completed(kind: Kind, call: &str) -> Option<Step> {
    let (_, result) = call.rsplit_once(" = ")?;
    if result.starts_with('-') {
        return None;
    }
    Some(match kind {
        Kind::Receive => Step::Received(strings(call)),
        Kind::Write => Step::Written,
        Kind::Sync => Step::Synced,
    })
}

/// The path of a descriptor: `6<\x2f\x74...>`.
fn path(subject: &str) -> String {
    let path = subject.split_once('<').map_or("", |(_, path)| path);
    String::from_utf8_lossy(&bytes(path)).into_owned()
}

/// The bytes of all strings of a call, one after the other.
fn strings(call: &str) -> Vec<u8> {
    call.split('"').skip(1).step_by(2).flat_map(bytes).collect()
}

/// `\x40\x02` as the bytes that it stands for.
fn bytes(text: &str) -> Vec<u8> {
    text.split("\\x").filter_map(|code| u8::from_str_radix(code.get(..2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_two_threads_is_read_in_the_order_of_completion() {
        let record = r#"
7 recvfrom(9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>, "\x32\x05", 100, 0, NULL, NULL) = 2
8 pwrite64(6<\x2f\x61\x2d\x77\x61\x6c>, "\x00", 1, 0) = 1
8 fdatasync(6<\x2f\x61\x2d\x77\x61\x6c> <unfinished ...>
7 recvfrom(9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>, 0x7f, 100, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)
7 sendto(11<TCP:[127.0.0.1:5001->127.0.0.1:1884]>, "\x40\x02\x00\x01", 4, 0, NULL, 0) = 4
8 <... fdatasync resumed>)                = 0
7 writev(9<TCP:[127.0.0.1:5000->127.0.0.1:1883]>, [{iov_base="\x40\x02", iov_len=2}, {iov_base="\x00\x01", iov_len=2}], 2) = 4
"#;
        assert_eq!(
            steps(record, 1883, "-wal"),
            [Step::Received(vec![0x32, 5]), Step::Written, Step::Synced, Step::Sent(vec![0x40, 2, 0, 1]),]
        );
    }
}
