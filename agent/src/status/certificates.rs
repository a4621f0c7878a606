//! How long the certificates that the configuration names are good: the agent's own ones, and the authorities it trusts.

use std::path::PathBuf;

use plantlink_config::{Config, Destination, Secret, Source, Tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use schemars::JsonSchema;
use serde::Serialize;
use x509_parser::parse_x509_certificate;

use crate::clock::{Time, is_plausible};
use crate::template::rfc3339;

/// From here on the end is near, unless the whole life is short.
const SOON_S: i64 = 14 * DAY_S;
/// Of a short life, this part is the end.
const LAST_PART: i64 = 4;
const DAY_S: i64 = 86_400;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The agent shows who it is with it.
    Client,
    /// The agent knows the server by it.
    Authority,
}

/// How long a file's certificates are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Validity {
    /// Longer than anybody has to care about now.
    Good,
    /// For two weeks at most, or for the last quarter of a shorter life.
    Soon,
    Expired,
    /// The file cannot be read, or the clock does not know what day it is.
    Unknown,
}

/// The certificate of a file that expires first. Of authorities, those that have expired count only when all have: they
/// stay in a file beside their successors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct CertificateStatus {
    /// Such as `destination central`.
    pub(crate) used_by: String,
    pub(crate) role: Role,
    /// Where it is read from.
    pub(crate) from: String,
    pub(crate) validity: Validity,
    pub(crate) expires_at: Option<String>,
    /// Whole days; none below zero.
    pub(crate) expires_in_days: Option<u64>,
}

/// The certificates of a configuration. They are read anew each time: they are renewed in place.
#[derive(Debug)]
pub(crate) struct Certificates(Vec<Used>);

#[derive(Debug)]
struct Used {
    by: String,
    file: File,
}

#[derive(Debug)]
enum File {
    Client(Secret),
    Authority(PathBuf),
}

/// From when to when a certificate is good, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life {
    from_s: i64,
    until_s: i64,
}

impl Certificates {
    pub(crate) fn of(config: &Config) -> Self {
        let sources = config.sources.iter().filter_map(|source| match source {
            Source::Mqtt(mqtt) => Some((format!("source {}", mqtt.name), mqtt.link.tls.as_ref()?)),
            Source::Modbus(_) => None,
        });
        let destinations = config.destinations.iter().filter_map(|destination| {
            let tls = match destination {
                Destination::Mqtt(mqtt) => &mqtt.link.tls,
                Destination::Odoo(odoo) => &odoo.http.tls,
                Destination::Webhook(webhook) => &webhook.http.tls,
            };
            Some((format!("destination {}", destination.name()), tls.as_ref()?))
        });
        Certificates(sources.chain(destinations).flat_map(|(by, tls)| used(by, tls)).collect())
    }

    /// Reads the files.
    pub(crate) fn look(&self, now: Time) -> Vec<CertificateStatus> {
        self.0.iter().map(|used| used.look(now)).collect()
    }
}

fn used(by: String, tls: &Tls) -> impl Iterator<Item = Used> + use<> {
    let client = tls.certificate.clone().map(File::Client);
    let authority = tls.ca.clone().map(File::Authority);
    client.into_iter().chain(authority).map(move |file| Used { by: by.clone(), file })
}

impl Used {
    fn look(&self, now: Time) -> CertificateStatus {
        let (role, from, pem) = match &self.file {
            File::Client(secret) => (Role::Client, secret.to_string(), secret.read_bytes().ok()),
            File::Authority(path) => (Role::Authority, format!("file {}", path.display()), std::fs::read(path).ok()),
        };
        let now_s = now.wall_us.div_euclid(1_000_000);
        let life = pem.and_then(|pem| first_to_end(role, &lives(&pem)?, now_s));
        CertificateStatus {
            used_by: self.by.clone(),
            role,
            from,
            validity: life.filter(|_| is_plausible(now.wall_us)).map_or(Validity::Unknown, |life| life.at(now_s)),
            expires_at: life.map(|life| rfc3339(life.until_s.saturating_mul(1_000_000))),
            expires_in_days: life.filter(|_| is_plausible(now.wall_us)).map(|life| life.days_left(now_s)),
        }
    }
}

/// Of all certificates of a file; `None` when one of them cannot be read.
fn lives(pem: &[u8]) -> Option<Vec<Life>> {
    CertificateDer::pem_slice_iter(pem)
        .map(|certificate| {
            let certificate = certificate.ok()?;
            let (_, parsed) = parse_x509_certificate(&certificate).ok()?;
            let validity = parsed.validity();
            Some(Life { from_s: validity.not_before.timestamp(), until_s: validity.not_after.timestamp() })
        })
        .collect()
}

fn first_to_end(role: Role, lives: &[Life], now_s: i64) -> Option<Life> {
    let first = || lives.iter().copied().min_by_key(|life| life.until_s);
    match role {
        Role::Client => first(),
        Role::Authority => {
            lives.iter().copied().filter(|life| life.until_s >= now_s).min_by_key(|life| life.until_s).or_else(first)
        }
    }
}

impl Life {
    fn at(self, now_s: i64) -> Validity {
        let left_s = self.until_s.saturating_sub(now_s);
        let whole_s = self.until_s.saturating_sub(self.from_s);
        if left_s < 0 {
            Validity::Expired
        } else if left_s <= SOON_S.min(whole_s / LAST_PART) {
            Validity::Soon
        } else {
            Validity::Good
        }
    }

    fn days_left(self, now_s: i64) -> u64 {
        u64::try_from(self.until_s.saturating_sub(now_s) / DAY_S).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const DAY: i64 = DAY_S;

    #[test]
    fn the_end_is_near_two_weeks_before_it_or_in_the_last_quarter_of_a_short_life() {
        let year = Life { from_s: 0, until_s: 365 * DAY };
        let day = Life { from_s: 0, until_s: DAY };
        for (life, now_s, expected) in [
            (year, 350 * DAY, Validity::Good),
            (year, 351 * DAY, Validity::Soon),
            (year, 365 * DAY, Validity::Soon),
            (year, 365 * DAY + 1, Validity::Expired),
            (day, DAY / 2, Validity::Good),
            (day, DAY * 3 / 4, Validity::Soon),
        ] {
            assert_eq!(life.at(now_s), expected, "{life:?} {now_s}");
        }
        assert_eq!((year.days_left(350 * DAY), year.days_left(400 * DAY)), (15, 0));
    }

    #[test]
    fn of_authorities_the_expired_ones_count_only_when_all_are_and_of_a_chain_each_one_counts() {
        let [old, new, newest] = [10, 20, 30].map(|until_s| Life { from_s: 0, until_s });
        let all = [newest, old, new];
        for (role, now_s, expected) in
            [(Role::Authority, 5, old), (Role::Authority, 15, new), (Role::Authority, 50, old), (Role::Client, 15, old)]
        {
            assert_eq!(first_to_end(role, &all, now_s), Some(expected), "{role:?} {now_s}");
        }
        assert_eq!(first_to_end(Role::Client, &[], 5), None);
    }

    fn pem(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["gateway".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn a_file_is_read_each_time_and_one_that_cannot_be_read_is_not_called_good() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.pem");
        let used = Used { by: "destination central".to_owned(), file: File::Client(Secret::File(path.clone())) };
        let now = Time { wall_us: 1_796_000_000_000_000, boottime_us: 0 };
        let look = |now| {
            let status = used.look(now);
            (status.validity, status.expires_at)
        };
        assert_eq!(look(now), (Validity::Unknown, None));
        std::fs::write(&path, [pem(2030), pem(2028)].concat()).unwrap();
        assert_eq!(look(now), (Validity::Good, Some("2028-01-01T00:00:00Z".to_owned())));
        std::fs::write(&path, pem(2026)).unwrap();
        assert_eq!(look(now).0, Validity::Expired);
        assert_eq!(look(Time { wall_us: 0, ..now }).0, Validity::Unknown);
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert_eq!(look(now), (Validity::Unknown, None));
    }
}
