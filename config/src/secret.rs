//! Where a secret is read from, and the secret once it was read. The file itself never holds one.

use std::path::PathBuf;
use std::{env, fmt, fs, io};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Environment;
use crate::check::Check;
use crate::path::Path;
use crate::report::code;

/// Where a secret is read from, each time it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// A file of this name in `$CREDENTIALS_DIRECTORY`, as systemd passes it.
    Credential(String),
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// Why a secret cannot be read. Says where it was looked for, never what was there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The agent was not started with credentials.
    #[error("cannot read credential {0}: $CREDENTIALS_DIRECTORY is not set")]
    NoCredentials(String),
    /// The file is not there or may not be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The variable is not set.
    #[error("environment variable {0} is not set")]
    NotSet(String),
    /// A password or key that is not text.
    #[error("{0} is not UTF-8")]
    NotText(String),
}

/// A secret in clear. Its `Debug` form hides it, and it has no other one.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// One that a person has handed over, for as long as the process needs it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

impl Secret {
    /// Reads the secret as text.
    ///
    /// # Errors
    /// When it is not there, may not be read, or is not UTF-8.
    pub fn read(&self) -> Result<SecretText, SecretError> {
        let text = String::from_utf8(self.read_bytes()?).map_err(|_| SecretError::NotText(self.to_string()))?;
        Ok(SecretText(text))
    }

    /// Reads the secret as bytes: a password as MQTT sends it, a certificate, a key.
    ///
    /// One line end at its end is not part of it: editors and `echo` put it there.
    ///
    /// # Errors
    /// When it is not there or may not be read.
    pub fn read_bytes(&self) -> Result<Vec<u8>, SecretError> {
        let mut bytes = match self {
            Self::Credential(name) => match env::var_os("CREDENTIALS_DIRECTORY") {
                Some(folder) => read_file(PathBuf::from(folder).join(name)),
                None => Err(SecretError::NoCredentials(name.clone())),
            },
            Self::File(path) => read_file(path.clone()),
            Self::Env(name) => match env::var(name) {
                Ok(text) => Ok(text.into_bytes()),
                Err(env::VarError::NotPresent) => Err(SecretError::NotSet(name.clone())),
                Err(env::VarError::NotUnicode(_)) => Err(SecretError::NotText(self.to_string())),
            },
        }?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Ok(bytes)
    }
}

fn read_file(path: PathBuf) -> Result<Vec<u8>, SecretError> {
    fs::read(&path).map_err(|cause| SecretError::File { path, cause })
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(out, "credential {name}"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Env(name) => write!(out, "environment variable {name}"),
        }
    }
}

/// Where a secret is read from. It never stands in the file itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretTable {
    /// A file of this name in `$CREDENTIALS_DIRECTORY`, as systemd's `LoadCredential=` passes it.
    credential: Option<String>,
    /// A file, relative to this one.
    file: Option<String>,
    /// An environment variable.
    env: Option<String>,
}

/// A certificate or a key: the path of a file, or a secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum PemSource {
    /// A file, relative to this one.
    Path(String),
    /// As for a password.
    Secret(SecretTable),
}

impl PemSource {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Secret> {
        match self {
            Self::Path(path) => check.existing_file(path, at).map(Secret::File),
            Self::Secret(secret) => secret.check(at, check),
        }
    }
}

impl SecretTable {
    /// The secret's place, after a look whether something is there.
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Secret> {
        match (&self.credential, &self.file, &self.env) {
            (Some(name), None, None) => credential(name, &at.key("credential"), check),
            (None, Some(path), None) => check.existing_file(path, &at.key("file")).map(Secret::File),
            (None, None, Some(name)) => variable(name, &at.key("env"), check),
            (None, None, None) => {
                if check.has_any(at, &["credential", "file", "env"]) {
                    return None;
                }
                check.report.error(code::MISSING_KEY, at, "this needs one key of credential, file and env");
                None
            }
            (_, _, _) => {
                check.report.error(code::CONFLICT, at, "a secret has one place (allowed: credential, file or env)");
                None
            }
        }
    }
}

fn credential(name: &str, at: &Path, check: &mut Check<'_>) -> Option<Secret> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        check.report.error(
            code::BAD_VALUE,
            at,
            format!("`{name}` is not the name of a credential (allowed: a file's name, without a path)"),
        );
        return None;
    }
    if let Some(folder) = &check.credentials {
        let path = folder.join(name);
        if let Err(error) = fs::File::open(&path) {
            check.report.error(code::SECRET, at, format!("cannot read {}: {error}", path.display()));
            return None;
        }
    } else {
        let message = format!("credential `{name}` cannot be read: $CREDENTIALS_DIRECTORY is not set");
        match check.environment {
            Environment::Check => check.report.warning(code::SECRET, at, message),
            Environment::Run => check.report.error(code::SECRET, at, message),
        }
        .help("systemd sets it for a service with LoadCredential=");
    }
    Some(Secret::Credential(name.to_owned()))
}

fn variable(name: &str, at: &Path, check: &mut Check<'_>) -> Option<Secret> {
    if env::var_os(name).is_none() {
        check.report.error(code::SECRET, at, format!("environment variable `{name}` is not set"));
        return None;
    }
    Some(Secret::Env(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_at_the_end_of_a_file_is_not_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (written, read) in
            [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" s\n\n", " s\n")]
        {
            fs::write(&path, written).unwrap();
            assert_eq!(Secret::File(path.clone()).read().unwrap().expose(), read);
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", SecretText("s3cret".into())), "[secret]");
    }
}
