//! Signatures as Standard Webhooks has them (version 1.0.0, symmetric): HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plantlink_config::{Secret, SecretError};
use ring::hmac;

/// What marks a key that is written in base64.
const PREFIX: &str = "whsec_";

/// A key to sign with.
pub(super) struct Signer(hmac::Key);

/// Why nothing can be signed. Never shows the key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("cannot read the signing key")]
    Secret(#[from] SecretError),
    #[error("{secret} is no signing key: what follows `{PREFIX}` is not base64")]
    NotBase64 { secret: Secret },
    #[error("{secret} is no signing key: it is empty")]
    Empty { secret: Secret },
}

impl Signer {
    /// Reads the key: `whsec_` and base64, or any other bytes as they are.
    pub(super) fn new(secret: &Secret) -> Result<Self, KeyError> {
        let written = secret.read_bytes()?;
        let key = match written.strip_prefix(PREFIX.as_bytes()) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64 { secret: secret.clone() })?,
            None => written,
        };
        if key.is_empty() {
            return Err(KeyError::Empty { secret: secret.clone() });
        }
        Ok(Signer(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// What goes into `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            signing.update(part);
        }
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(key: &str) -> Result<Signer, KeyError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key).unwrap();
        Signer::new(&Secret::File(file.path().to_owned()))
    }

    /// The example that the libraries of Standard Webhooks are tested with.
    #[test]
    fn a_body_is_signed_as_standard_webhooks_receivers_expect() {
        let signer = signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// The second test case of RFC 4231 has a key of four letters, and its message falls apart at its dots.
    #[test]
    fn a_key_without_the_prefix_is_taken_as_it_is() {
        let plain = signer("Jefe").unwrap().sign("a", "1", b"x");
        let encoded = signer("whsec_SmVmZQ==").unwrap().sign("a", "1", b"x");
        assert_eq!(plain, encoded);
        assert_ne!(plain, signer("jefe").unwrap().sign("a", "1", b"x"));
    }

    #[test]
    fn a_key_that_is_none_is_named_and_not_shown() {
        for key in ["whsec_not base64", "whsec_", "", "\n"] {
            let error = signer(key).err().unwrap().to_string();
            assert!(error.contains("is no signing key") && !error.contains("not base64 "), "{error}");
        }
    }
}
