//! From the configuration to a connection over TLS: whom we trust, and who we say we are.

use std::error::Error;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use plantlink_config::{MqttLink, MqttVersion, Secret, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::broker::Broker;
use crate::mqtt::dial::{DialError, Tcp, dial};
use crate::mqtt::{Connect, Link, LinkError, Session};
use crate::tls::client_config;

/// A certificate authority of our own, with what it has signed, in files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = file(&issuer.pem());
        Authority { issuer, file }
    }

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (NamedTempFile, NamedTempFile) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (file(&certificate.pem()), file(&key.serialize_pem()))
    }
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn secret(path: &Path) -> Option<Secret> {
    Some(Secret::File(path.to_owned()))
}

/// Serves one connection, for which it demands a client certificate when `clients` is given. Returns the port.
async fn broker(server: &Authority, clients: Option<&Authority>) -> u16 {
    let (certificate, key) = server.sign("127.0.0.1");
    let chain = vec![CertificateDer::from_pem_file(certificate.path()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key.path()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = acceptor.accept(stream).await {
            let mut broker = Broker::new(stream, MqttVersion::V5);
            broker.greet().await;
            broker.hear().await;
        }
    });
    port
}

fn link(port: u16, tls: Tls) -> MqttLink {
    MqttLink {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Some(tls),
        version: MqttVersion::V5,
        client_id: "mill-07.gw-1.central".to_owned(),
        username: None,
        password: None,
        window: 500,
    }
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(cause) => format!("{error}: {}", chain(cause)),
    }
}

#[tokio::test]
async fn a_private_authority_and_a_client_certificate_are_enough_to_connect() {
    let authority = Authority::new("ours");
    let port = broker(&authority, Some(&authority)).await;
    let (certificate, key) = authority.sign("gw-1");
    let tls = Tls {
        ca: Some(authority.file.path().to_owned()),
        certificate: secret(certificate.path()),
        key: secret(key.path()),
    };
    let link = link(port, tls);
    let stream = dial(&Tcp, &link).await.unwrap();
    let link = Link::open(stream, Connect::new(&link, Session::Clean).unwrap()).await.unwrap();
    link.close().await;
}

#[tokio::test]
async fn a_broker_signed_by_somebody_else_is_not_trusted() {
    let port = broker(&Authority::new("theirs"), None).await;
    let other = Authority::new("ours");
    let with_ca = Tls { ca: Some(other.file.path().to_owned()), ..Tls::default() };
    let error = dial(&Tcp, &link(port, with_ca)).await.err().unwrap();
    assert_eq!(chain(&error), "TLS with 127.0.0.1 failed: invalid peer certificate: UnknownIssuer");
}

#[tokio::test]
async fn a_broker_that_misses_our_certificate_says_so() {
    let authority = Authority::new("ours");
    let port = broker(&authority, Some(&authority)).await;
    let link = link(port, Tls { ca: Some(authority.file.path().to_owned()), ..Tls::default() });
    // With TLS 1.3 the client is through before the server has looked.
    let stream = dial(&Tcp, &link).await.unwrap();
    let error = Link::open(stream, Connect::new(&link, Session::Clean).unwrap()).await.unwrap_err();
    assert!(matches!(error, LinkError::Io(_)), "{error}");
    assert!(chain(&error).contains("CertificateRequired"), "{}", chain(&error));
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_by_its_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = dial(&Tcp, &MqttLink { tls: None, ..link(port, Tls::default()) }).await.err().unwrap();
    assert!(matches!(error, DialError::Tcp { .. }), "{error}");
    assert!(chain(&error).starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")), "{}", chain(&error));
}

#[test]
fn every_file_that_does_not_serve_is_named() {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.sign("gw-1");
    let (_, other_key) = authority.sign("gw-2");
    let empty = file("nothing\n");
    let ca = |path: &Path| Tls { ca: Some(path.to_owned()), ..Tls::default() };
    let identity = |certificate: &Path, key: &Path| Tls {
        ca: Some(authority.file.path().to_owned()),
        certificate: secret(certificate),
        key: secret(key),
    };
    let missing = Path::new("/nowhere/ca.pem");
    let cases = [
        (ca(missing), missing),
        (ca(empty.path()), empty.path()),
        (identity(missing, key.path()), missing),
        (identity(empty.path(), key.path()), empty.path()),
        (identity(certificate.path(), missing), missing),
        (identity(certificate.path(), empty.path()), empty.path()),
        (identity(certificate.path(), other_key.path()), other_key.path()),
    ];
    for (tls, culprit) in cases {
        let error = client_config(&tls).unwrap_err();
        assert!(chain(&error).contains(culprit.to_str().unwrap()), "{}", chain(&error));
    }
    client_config(&identity(certificate.path(), key.path())).unwrap();
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let authority = Authority::new("ours");
    let (certificate, _) = authority.sign("gw-1");
    let tls = Tls { ca: Some(authority.file.path().to_owned()), certificate: secret(certificate.path()), key: None };
    assert!(client_config(&tls).unwrap_err().to_string().contains("belong together"));
}
