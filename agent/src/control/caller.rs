//! Who asks: the user at the other end of the socket, or of this process.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use tokio::net::UnixStream;

/// Where the names of this machine's own users are (passwd(5)).
const USERS: &str = "/etc/passwd";

/// The user of the process that has connected.
pub(super) fn of(stream: &UnixStream) -> io::Result<String> {
    Ok(name(stream.peer_cred()?.uid()))
}

/// The user of this process.
pub(crate) fn own() -> String {
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| name(process.uid()))
}

/// The user's name; the number where this machine does not know it itself.
fn name(uid: u32) -> String {
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    named(uid, &users).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

/// A line is `name:password:uid:...`.
fn named(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_machine_knows() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n\nolga:x:1000:1000::/home/olga:/bin/sh\n";
        assert_eq!([named(0, users), named(1000, users), named(1, users)], [Some("root"), Some("olga"), None]);
    }
}
