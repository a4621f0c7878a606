//! A small disk that can really be full: a tmpfs in a mount namespace of its own, so that nobody has to be root.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Mounts the disk, says that it is there, and keeps the namespace until its input ends.
const HOLD: &str = r#"mount -t tmpfs -o "size=$1" tmpfs "$2" && echo mounted && exec cat"#;

/// What fills the disk beside the agent.
const FILLER: &str = "filler";

/// A disk; gone when dropped.
pub struct SmallDisk {
    holder: Child,
    at: PathBuf,
}

impl SmallDisk {
    /// A disk of so many bytes on an empty folder, for processes that [`SmallDisk::command`] starts; `None`, said aloud,
    /// where the system lets nobody mount one.
    ///
    /// # Panics
    /// When `unshare` is not installed.
    pub fn mount(at: &Path, bytes: u64) -> Option<SmallDisk> {
        let mut holder = Command::new("unshare")
            .args(["-Urm", "sh", "-c", HOLD, "sh"])
            .arg(bytes.to_string())
            .arg(at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare is installed");
        let mut answer = String::new();
        let output = holder.stdout.take().expect("it was asked for");
        // Without an answer it has ended, and says why.
        let _ = BufReader::new(output).read_line(&mut answer);
        let disk = SmallDisk { holder, at: at.to_owned() };
        if answer == "mounted\n" { Some(disk) } else { disk.skip() }
    }

    fn skip(mut self) -> Option<SmallDisk> {
        let mut reason = String::new();
        if let Some(errors) = &mut self.holder.stderr {
            let _ = errors.read_to_string(&mut reason);
        }
        // Past the test harness, which shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no disk can be mounted here: {}", reason.trim());
        None
    }

    /// A command that sees the disk.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        let holder = self.holder.id().to_string();
        command.args(["--preserve-credentials", "-U", "-m", "-t", &holder, "--"]).arg(program);
        command
    }

    /// Writes until nothing fits any more.
    ///
    /// # Panics
    /// When the disk is never full.
    pub fn fill(&self) {
        let file = File::create(self.path(FILLER)).expect("the disk takes a file");
        let page = [0x5A; 4_096];
        let mut offset = 0;
        while file.write_all_at(&page, offset).is_ok() {
            offset += page.len() as u64;
            assert!(offset < 1 << 30, "this is no small disk");
        }
    }

    /// Takes away what [`SmallDisk::fill`] has written.
    ///
    /// # Panics
    /// When it has written nothing.
    pub fn free(&self) {
        std::fs::remove_file(self.path(FILLER)).expect("the disk was filled");
    }

    /// Nobody may write any more. Possible only while no file is open for writing.
    ///
    /// # Panics
    /// When the disk is in use.
    pub fn make_read_only(&self) {
        let done = self.command(Path::new("mount")).args(["-o", "remount,ro"]).arg(&self.at).status();
        assert!(done.is_ok_and(|status| status.success()), "the disk is in use");
    }

    /// A file of the disk, as it is seen from here.
    fn path(&self, name: &str) -> PathBuf {
        let at = self.at.strip_prefix("/").unwrap_or(&self.at);
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(at).join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
