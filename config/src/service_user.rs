//! What the service's user may do with a file, when root checks the configuration for it: root itself may do everything.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::process::geteuid;
use serde::Serialize;

/// As `packaging` makes it for the service.
const USER: &str = "plantlink";
/// Groups that the service has beside those of its user: serial ports are of this one.
const GROUPS: [&str; 1] = ["dialout"];

/// A user, as far as the permissions of files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceUser {
    id: u32,
    groups: Vec<u32>,
}

/// What is wanted of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    Read,
    ReadAndWrite,
}

/// By whose rights files are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rights {
    /// By those of whoever checks.
    Own,
    /// Root checks, and goes by the service's user.
    Service,
    /// Root checks, and there is no such user: every file can be read.
    Root,
}

impl ServiceUser {
    /// The user of the service, when it is not the one who asks but root, and whose rights count.
    pub(crate) fn look() -> (Option<Self>, Rights) {
        if !geteuid().is_root() {
            return (None, Rights::Own);
        }
        let text = |file| fs::read_to_string(file).unwrap_or_default();
        match ServiceUser::read(&text("/etc/passwd"), &text("/etc/group")) {
            Some(user) => (Some(user), Rights::Service),
            None => (None, Rights::Root),
        }
    }

    /// From the texts of passwd(5) and group(5).
    fn read(users: &str, groups: &str) -> Option<Self> {
        let mut user = users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(USER))?;
        let (id, group) = (user.nth(2)?.parse().ok()?, user.next()?.parse().ok()?);
        let mut of_user = vec![group];
        for line in groups.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(id)) = (fields.next(), fields.nth(1).and_then(|id| id.parse().ok())) else {
                continue;
            };
            let is_member = fields.next().is_some_and(|members| members.split(',').any(|member| member == USER));
            if is_member || GROUPS.contains(&name) {
                of_user.push(id);
            }
        }
        Some(ServiceUser { id, groups: of_user })
    }

    /// Why it may not do this with the file; `None`: it may, as far as the permissions say, or nobody can tell.
    pub(crate) fn obstacle(&self, file: &Path, wanted: Wanted) -> Option<String> {
        self.denied(file, wanted).ok().flatten().map(|denied| {
            let it = if denied == file { "it".to_owned() } else { denied.display().to_string() };
            format!("the service's user `{USER}` may not: {it} is not for it")
        })
    }

    /// The folder or the file that stops it.
    fn denied(&self, file: &Path, wanted: Wanted) -> io::Result<Option<PathBuf>> {
        const PASS: u32 = 1;
        let bits = match wanted {
            Wanted::Read => 4,
            Wanted::ReadAndWrite => 6,
        };
        let real = file.canonicalize()?;
        let folders: Vec<&Path> = real.ancestors().skip(1).collect();
        for folder in folders.into_iter().rev() {
            if !self.has(&fs::metadata(folder)?, PASS) {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok((!self.has(&fs::metadata(&real)?, bits)).then(|| file.to_owned()))
    }

    /// The owner's bits count for the owner alone, the group's for its other members, the last ones for everybody else.
    fn has(&self, found: &fs::Metadata, bits: u32) -> bool {
        let shift = if found.uid() == self.id {
            6
        } else if self.groups.contains(&found.gid()) {
            3
        } else {
            0
        };
        found.mode() >> shift & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_service_has_the_groups_of_its_user_and_that_of_serial_ports() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\nplantlink:x:990:991:plantlink:/var/lib/plantlink:/usr/sbin/nologin\n";
        let groups = "root:x:0:\ndialout:x:20:\nplantlink:x:991:\nscanner:x:50:other,plantlink\nother:x:60:other\n";
        assert_eq!(ServiceUser::read(users, groups), Some(ServiceUser { id: 990, groups: vec![991, 20, 50] }));
        assert_eq!(ServiceUser::read("root:x:0:0:root:/root:/bin/bash\nplantlink\n", groups), None);
    }

    #[test]
    fn a_file_is_for_its_owner_its_group_or_everybody_and_so_are_the_folders_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tags.csv");
        fs::write(&file, "").unwrap();
        let of = fs::metadata(&file).unwrap();
        let owner = ServiceUser { id: of.uid(), groups: Vec::new() };
        let member = ServiceUser { id: of.uid() + 1, groups: vec![of.gid()] };
        let other = ServiceUser { id: of.uid() + 1, groups: vec![of.gid() + 1] };
        for (folder_mode, mode, user, wanted, is_allowed) in [
            (0o755, 0o600, &owner, Wanted::Read, true),
            (0o755, 0o066, &owner, Wanted::Read, false),
            (0o755, 0o640, &member, Wanted::Read, true),
            (0o755, 0o640, &member, Wanted::ReadAndWrite, false),
            (0o755, 0o660, &member, Wanted::ReadAndWrite, true),
            (0o755, 0o606, &member, Wanted::Read, false),
            (0o755, 0o640, &other, Wanted::Read, false),
            (0o755, 0o604, &other, Wanted::Read, true),
            (0o700, 0o644, &other, Wanted::Read, false),
            (0o710, 0o644, &member, Wanted::Read, true),
        ] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(folder_mode)).unwrap();
            let obstacle = user.obstacle(&file, wanted);
            assert_eq!(obstacle.is_none(), is_allowed, "{folder_mode:o} {mode:o} {user:?} {wanted:?}: {obstacle:?}");
        }
    }
}
