//! By whose rights `plantlink check` looks at files when root runs it.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use plantlink_tests::agent::program;
use serde_json::{Value, json};

use crate::plant::SITE;

const SERVICE: &str = "plantlink:x:990:990:plantlink:/var/lib/plantlink:/usr/sbin/nologin\n";

/// Runs a command as root of a namespace of its own, in which the users of this machine are those of the file.
fn as_root(users: &Path, command: &str) -> Output {
    let script = format!("mount --bind {} /etc/passwd && {command}", users.display());
    Command::new("unshare").args(["-r", "-m", "sh", "-c", &script]).output().expect("unshare is installed")
}

#[test]
fn root_is_told_which_files_the_user_of_the_service_may_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let allow = |name: &str, mode| fs::set_permissions(path(name), Permissions::from_mode(mode)).expect("it is ours");
    allow("", 0o755);
    fs::write(path("nobody"), "root:x:0:0::/root:/bin/sh\n").expect("a list of users");
    fs::write(path("service"), SERVICE).expect("a list of users");
    if !as_root(&path("nobody"), "true").status.success() {
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: a namespace of its own is not possible here");
        return;
    }
    fs::write(path("tags.csv"), "name,at,type\ngood,40001,u16\n").expect("a sheet");
    let config = format!(
        r#"
destination.mqtt = [{{ name = "central", url = "mqtt://central" }}]
flow = [{{ name = "all", events = ["*"], to = "central" }}]
{SITE}
[[source.modbus]]
name = "line"
address = "tcp://plc"
[[source.modbus.device]]
name = "press"
unit = 1
every = "1s"
tag_sheet = "tags.csv"
event = [{{ type = "production.counted", good = "good" }}]
"#
    );
    fs::write(path("plantlink.toml"), config).expect("a configuration");
    allow("plantlink.toml", 0o644);

    let check = format!("{} check --json --config {}", program().display(), path("plantlink.toml").display());
    for (users, mode, rights, said) in
        [("service", 0o600, "service", 1), ("service", 0o644, "service", 0), ("nobody", 0o600, "root", 0)]
    {
        allow("tags.csv", mode);
        let checked = as_root(&path(users), &check);
        let report: Value = serde_json::from_slice(&checked.stdout).unwrap_or_default();
        assert_eq!(report["rights"], rights, "{checked:?}");
        let problems = report["problems"].as_array().expect("a list");
        assert_eq!(problems.len(), said, "{report:#}");
        for problem in problems {
            let place = [&problem["severity"], &problem["file"], &problem["code"]];
            assert_eq!(place, [&json!("warning"), &json!("tags.csv"), &json!("unreadable-file")]);
            assert!(
                problem["message"].as_str().is_some_and(|said| said.contains("`plantlink` may not")),
                "{problem:#}"
            );
        }
    }
}
