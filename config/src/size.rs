//! Amounts of disk as the file writes them: `500MB`, `2GB`. `GB` is 10^9 bytes, as disks are sold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::Path;
use crate::report::{Report, code};

/// An amount as it was written: a whole number and `kB`, `MB`, `GB` or `TB`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("examples" = ["2GB"]))]
pub(crate) struct Size(#[schemars(regex(pattern = r"^[0-9]+(kB|MB|GB|TB)$"))] String);

impl Size {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The bytes, of which there have to be `least`, which `least_text` spells.
    pub(crate) fn check(&self, least: u64, least_text: &str, at: &Path, report: &mut Report) -> Option<u64> {
        let text = &self.0;
        match parse(text) {
            None => {
                let message =
                    format!("`{text}` is not a size (allowed: a whole number and kB, MB, GB or TB, as in 2GB)");
                report.error(code::BAD_VALUE, at, message);
                None
            }
            Some(bytes) if bytes < least => {
                report.error(code::OUT_OF_RANGE, at, format!("`{text}` is too small (allowed: {least_text} and more)"));
                None
            }
            bytes => bytes,
        }
    }
}

/// `None` also for what no file can be as large as.
fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let each = match unit {
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(each).filter(|bytes| i64::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_and_a_decimal_unit() {
        for (text, expected) in [
            ("2GB", Some(2_000_000_000)),
            ("500MB", Some(500_000_000)),
            ("64kB", Some(64_000)),
            ("1TB", Some(1_000_000_000_000)),
            ("0MB", Some(0)),
            ("", None),
            ("2", None),
            ("GB", None),
            ("1.5GB", None),
            ("-1GB", None),
            ("2 GB", None),
            ("2gb", None),
            ("2GiB", None),
            ("9999999999TB", None),
            ("99999999999999999999GB", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
