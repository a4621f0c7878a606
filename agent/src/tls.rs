//! How the agent trusts a server and shows who it is: one rustls configuration for MQTT and HTTP.

use std::path::PathBuf;

use plantlink_config::{Secret, SecretError, Tls};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Makes ring the process's cryptography. Has to come before anything that speaks TLS; called again it does nothing.
pub(crate) fn install_provider() {
    // The only error is that another provider is installed already, which is what was wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Why TLS cannot be set up from the configured files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read certificates from {}", .file.display())]
    Ca {
        file: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("{} holds no certificate", .file.display())]
    NoCa { file: PathBuf },
    #[error("a certificate in {} is not one to trust", .file.display())]
    BadCa {
        file: PathBuf,
        #[source]
        cause: rustls::Error,
    },
    #[error("this system has no certificates to trust: install ca-certificates, or set `ca`")]
    NoRoots,
    #[error("cannot read our certificate or key")]
    Secret(#[from] SecretError),
    #[error("{secret} holds no certificate in PEM form")]
    Certificate {
        secret: Secret,
        #[source]
        cause: pem::Error,
    },
    #[error("{secret} holds no private key in PEM form")]
    Key {
        secret: Secret,
        #[source]
        cause: pem::Error,
    },
    #[error("`certificate` and `key` belong together, and one of them is missing")]
    HalfIdentity,
    #[error("{names} cannot be used together")]
    Identity {
        names: String,
        #[source]
        cause: rustls::Error,
    },
    #[error("no TLS version is left to speak")]
    Versions(#[source] rustls::Error),
}

/// TLS 1.2 and 1.3 as a client. With `ca` that file alone is trusted, else what the system trusts. Reads files.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?
        .with_root_certificates(roots(tls)?);
    match (&tls.certificate, &tls.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let identity = |cause| TlsError::Identity { names: format!("{certificate} and {key}"), cause };
            builder.with_client_auth_cert(read_chain(certificate)?, read_key(key)?).map_err(identity)
        }
        (Some(_), None) | (None, Some(_)) => Err(TlsError::HalfIdentity),
    }
}

fn roots(tls: &Tls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = &tls.ca else {
        // A system's store may well hold a certificate that cannot be used; the others are good.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) };
    };
    let unreadable = |cause| TlsError::Ca { file: file.clone(), cause };
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?).map_err(|cause| TlsError::BadCa { file: file.clone(), cause })?;
    }
    if roots.is_empty() { Err(TlsError::NoCa { file: file.clone() }) } else { Ok(roots) }
}

fn read_chain(secret: &Secret) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |cause| TlsError::Certificate { secret: secret.clone(), cause };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&secret.read_bytes()?).collect::<Result<_, _>>().map_err(failed)?;
    if chain.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn read_key(secret: &Secret) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&secret.read_bytes()?)
        .map_err(|cause| TlsError::Key { secret: secret.clone(), cause })
}
