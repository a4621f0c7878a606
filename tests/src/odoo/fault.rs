//! What can go wrong with a call, switched on by a test.

use std::time::Duration;

use tokio::sync::oneshot;

/// What happens to one `load`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The worker dies: nothing is stored, and the connection closes without a byte.
    DeadWorker,
    /// Everything is stored, and the connection closes without a byte.
    LostAnswer,
    /// The database connection is cut during the call: nothing is stored.
    ConnectionCut,
    /// Every row has lost a race against somebody whom only PostgreSQL sees: nothing is stored.
    Race,
    /// The proxy cannot reach Odoo: nothing is stored.
    BadGateway,
    /// The proxy gives up waiting; Odoo goes on and stores everything.
    GatewayTimeout,
}

/// A language of messages that no call chooses: PostgreSQL's own, and those for which Odoo looks at a user's preferences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// `lc_messages = en_US`.
    #[default]
    English,
    /// `lc_messages = de_DE`.
    German,
}

impl Language {
    /// What the loser of a race is told.
    pub(super) fn conflict(self) -> &'static str {
        match self {
            Language::English => "could not serialize access due to concurrent update\n",
            Language::German => "FEHLER:  konnte Zugriff nicht serialisieren wegen gleichzeitiger Aktualisierung\n",
        }
    }
}

/// Which Odoo this is: which of the APIs it has, and what tells the versions apart without a login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// Has JSON-RPC only; `/json/...` redirects to the login page.
    #[default]
    Eighteen,
    /// Also has JSON-2, and answers `/json/version`.
    Nineteen,
}

/// A page in place of whatever was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The login page, by a redirect.
    Login,
    /// A proxy's words to people, as if they were an answer.
    Maintenance,
}

/// How the server and a proxy before it behave, until it is changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// Which version answers.
    pub version: Version,
    /// PostgreSQL's language.
    pub language: Language,
    /// What a call takes before its rows; a real server on a small machine takes 15 ms.
    pub per_call: Duration,
    /// What each row takes; 3 ms on a small machine.
    pub per_row: Duration,
    /// The largest body, in bytes, that the proxy lets through.
    pub body_max: Option<usize>,
    /// At more rows than this in one call the worker dies over it, and the proxy says so: nothing is stored.
    pub rows_max: Option<u32>,
    /// What everybody gets to see.
    pub page: Option<Page>,
    /// After this silence in the middle of a request the connection is cut.
    pub silence_max: Option<Duration>,
}

/// A `load` that has done its work and waits before its commit. Dropped, it goes on.
#[derive(Debug)]
pub struct Held(oneshot::Sender<()>);

impl Held {
    /// Lets it commit.
    pub fn release(self) {
        // The call may be gone with its server.
        let _ = self.0.send(());
    }
}

/// Something that waits for the next `load`.
#[derive(Debug)]
pub(super) enum Ahead {
    Fault(Fault),
    Hold(oneshot::Receiver<()>),
}

pub(super) fn hold() -> (Held, Ahead) {
    let (release, released) = oneshot::channel();
    (Held(release), Ahead::Hold(released))
}
