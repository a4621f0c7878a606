//! What both brokers have in common: they listen, take one connection after the other, and may stop reading.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 1883;
/// How often a broker that does not read looks whether it may again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a broker treats its client.
#[derive(Default)]
pub(super) struct Manners {
    /// Counts them; the last one is the only one that is served.
    pub(super) connections: usize,
    /// Nothing is read and nothing answered.
    pub(super) frozen: bool,
}

impl Manners {
    pub(super) async fn wait_while_frozen<B>(broker: &Rc<RefCell<B>>, manners: impl Fn(&B) -> &Manners) {
        while manners(&broker.borrow()).frozen {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// A host that serves each connection. What a connection asserts fails the run.
pub(super) async fn listen<B, F>(
    broker: Rc<RefCell<B>>,
    serve: impl Fn(TcpStream, Rc<RefCell<B>>) -> F,
) -> turmoil::Result
where
    B: 'static,
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => ended?,
            accepted = listener.accept() => {
                connections.spawn_local(serve(accepted?.0, broker.clone()));
            }
        }
    }
}
