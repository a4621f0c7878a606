//! A folder with configuration files, gone after the test.

use std::fs;
use std::path::Path;

use plantlink_config::{Environment, Loaded, load};

/// A folder whose main file is `plantlink.toml`.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn load(&self, environment: Environment) -> Loaded {
        load(&self.path().join("plantlink.toml"), environment)
    }

    /// The problems as a person sees them, without the folder's own name.
    pub(crate) fn problems(&self, environment: Environment) -> Vec<String> {
        let own = format!("{}/", self.path().display());
        self.load(environment).problems.iter().map(|problem| problem.to_string().replace(&own, "")).collect()
    }
}
