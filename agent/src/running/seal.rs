//! Whether passwords, keys and certificates are still those that a task was started with, without keeping any of them.

use std::hash::{BuildHasher as _, RandomState};

use plantlink_config::Secret;

/// What some secrets were. Comparable within one process, and of no use outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal(u64);

/// Makes seals, with a key that nobody else has.
#[derive(Debug, Default)]
pub(crate) struct Sealer(RandomState);

impl Sealer {
    /// Reads them now. One that cannot be read is another one than any that can.
    pub(crate) fn seal(&self, secrets: &[Secret]) -> Seal {
        let read: Vec<_> = secrets.iter().map(|secret| secret.read_bytes().ok()).collect();
        Seal(self.0.hash_one(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_breaks_when_a_secret_changes_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("key"), "one").unwrap();
        let secrets = [Secret::File(path("key")), Secret::File(path("missing"))];
        let sealer = Sealer::default();
        let before = sealer.seal(&secrets);
        assert_eq!(sealer.seal(&secrets), before);
        std::fs::write(path("key"), "two").unwrap();
        let after = sealer.seal(&secrets);
        assert_ne!(after, before);
        std::fs::write(path("missing"), "").unwrap();
        assert_ne!(sealer.seal(&secrets), after);
    }
}
