//! nginx as a child process, with a directory of its own: the gateway before an endpoint.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::broker::Tls;
use crate::certificates::Authority;
use crate::{ports, wait};

/// How long nginx may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands before the endpoint.
#[derive(Default)]
pub struct Gateway {
    /// Lines of `location /`, before it passes a request on.
    pub rules: &'static str,
    /// TLS with this certificate; with an authority, for its clients alone.
    pub tls: Option<Tls>,
}

impl Gateway {
    /// A gateway with these rules and no TLS.
    pub fn with(rules: &'static str) -> Gateway {
        Gateway { rules, ..Gateway::default() }
    }

    /// A gateway that lets in the clients of an authority.
    pub fn mutual(authority: &Authority) -> Gateway {
        Gateway { tls: Some(Tls::mutual(authority)), ..Gateway::default() }
    }
}

/// A gateway; killed when dropped.
pub struct Nginx {
    port: u16,
    child: Child,
    dir: TempDir,
}

impl Nginx {
    /// Starts it before a port of this machine. A zone `limit` of five requests a second is there for its rules.
    ///
    /// # Panics
    /// When it does not listen in time; its log is part of the message.
    pub async fn start(gateway: &Gateway, upstream: u16) -> Nginx {
        let dir = TempDir::new().expect("a directory for nginx");
        let port = ports::free();
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("nginx's directory takes files");
        write("nginx.conf", &config(gateway, dir.path(), port, upstream));
        if let Some(Tls { server, clients }) = &gateway.tls {
            write("server.crt", &server.certificate);
            write("server.key", &server.key);
            write("clients.pem", clients.as_deref().unwrap_or_default());
        }
        let log = File::create(path("log")).expect("nginx's log");
        let child = Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(dir.path())
            .args(["-c", "nginx.conf", "-e", "log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nginx starts (tests/run installs it)");
        let mut nginx = Nginx { port, child, dir };
        let listens = wait::within(PATIENCE, async || {
            let ended = nginx.child.try_wait().ok().flatten().is_some();
            (ended || TcpStream::connect(ports::local(port)).is_ok()).then_some(!ended)
        })
        .await;
        if listens != Some(true) {
            let said = std::fs::read_to_string(nginx.dir.path().join("log")).unwrap_or_default();
            panic!("nginx does not listen: {said}");
        }
        nginx
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(gateway: &Gateway, dir: &Path, port: u16, upstream: u16) -> String {
    let Gateway { rules, tls } = gateway;
    let dir = dir.display();
    let (ssl, certificate) = match tls {
        None => ("", ""),
        Some(_) => ("ssl", "ssl_certificate server.crt; ssl_certificate_key server.key;"),
    };
    let clients = match tls {
        Some(Tls { clients: Some(_), .. }) => "ssl_client_certificate clients.pem; ssl_verify_client on;",
        Some(Tls { clients: None, .. }) | None => "",
    };
    // One process, which ends with the test.
    format!(
        r#"
daemon off;
master_process off;
pid {dir}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {dir}/bodies;
    proxy_temp_path {dir}/answers;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    limit_req_zone $binary_remote_addr zone=limit:1m rate=5r/s;
    server {{
        listen 127.0.0.1:{port} {ssl};
        {certificate} {clients}
        location / {{
            {rules}
            proxy_pass http://127.0.0.1:{upstream};
        }}
    }}
}}
"#
    )
}
