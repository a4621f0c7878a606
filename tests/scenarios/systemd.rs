//! What systemd sees of the agent: ready when it works, alive as long as it works, stopping when it was told to.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::{signals, wait};
use tempfile::TempDir;

use crate::plant::{SITE, SOON};

/// systemd's end of the socket, and everything that was said on it.
struct Notified {
    socket: UnixDatagram,
    said: String,
}

impl Notified {
    fn hears(&mut self, what: &str) -> bool {
        let mut bytes = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            self.said.push_str(&String::from_utf8_lossy(&bytes[..length]));
            self.said.push('\n');
        }
        self.said.contains(what)
    }

    async fn until(&mut self, what: &str) {
        wait::until(what, SOON, async || self.hears(what).then_some(())).await;
    }
}

#[tokio::test]
async fn the_agent_says_that_it_is_ready_alive_and_stopping() {
    let dir = TempDir::new().expect("a directory for the socket");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_nonblocking(true).expect("an option of the socket");
    let mut notified = Notified { socket, said: String::new() };
    let watchdog = Duration::from_secs(3).as_micros();
    let variables = [format!("NOTIFY_SOCKET={}", path.display()), format!("WATCHDOG_USEC={watchdog}")];
    let mut agent = Agent::start_in_environment(SITE, &variables);

    notified.until("READY=1").await;
    notified.until("WATCHDOG=1").await;
    notified.said.clear();
    notified.until("WATCHDOG=1").await;
    assert!(!notified.hears("STOPPING=1"));
    signals::terminate(agent.process());
    notified.until("STOPPING=1").await;
    assert!(agent.ended(SOON).await.success(), "{}", agent.log_end());
}

#[tokio::test]
async fn a_second_agent_on_the_same_buffer_is_refused_with_a_sentence() {
    let first = Agent::start(SITE);
    first.wait_until("the first agent to run", SOON, |_| true).await;
    let buffer = first.path("buffer.db");
    let mut second = Agent::start(&SITE.replace("\"buffer.db\"", &format!("{:?}", buffer.display().to_string())));
    assert!(!second.ended(SOON).await.success());
    assert!(second.log().contains("another"), "{}", second.log());
    assert!(first.status().is_some(), "the first one has lost its socket to the second");
}
