//! A fake Odoo over HTTP: what a real Odoo 18 answers to JSON-RPC and a real Odoo 19 to JSON-2, with switches for what goes
//! wrong.
//!
//! Transactions are PostgreSQL's in small: they commit one after the other, and one that began before another's commit and
//! writes what that one wrote is refused. A client that leaves does not stop its call.

mod asked;
mod button;
mod cell;
mod custom_model;
mod database;
mod fault;
mod json2;
mod lab;
mod load;
mod method;
mod models;
mod order;
mod page;
mod refusal;
mod rpc;
mod schema;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use database::{Database, Values};
pub use fault::{Fault, Held, Language, Manners, Page, Version};
pub use lab::{ADMINISTRATOR, CLERK, DATABASE, GUEST, KEY, LOGIN};

use crate::http::{self, Request, Response};
use asked::Asked;
use fault::Ahead;
use refusal::RpcError;
use rpc::Circumstances;

/// The model of the record by which the agent knows a restored database.
const MARKER_MODEL: &str = "ir.attachment";

/// A running server. Dropped, it closes every connection.
#[derive(Debug)]
pub struct Odoo {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: Option<JoinHandle<()>>,
}

/// One `load` as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadCall {
    /// The model it wrote to.
    pub model: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
}

#[derive(Debug)]
struct Shared {
    database: Mutex<Database>,
    switches: Mutex<Switches>,
    /// Held from the first write of a call to its commit.
    transaction: tokio::sync::Mutex<()>,
    /// How many calls of `load` have arrived and have no answer yet.
    underway: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Switches {
    ahead: VecDeque<Ahead>,
    manners: Manners,
    loads: Vec<LoadCall>,
}

impl Odoo {
    /// Starts on a free port of 127.0.0.1 with the lab database.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Odoo> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            database: Mutex::new(lab::database()),
            switches: Mutex::default(),
            transaction: tokio::sync::Mutex::default(),
            underway: watch::Sender::new(0),
        });
        let serving = Some(tokio::spawn(serve(listener, Arc::clone(&shared))));
        Ok(Odoo { shared, address, serving })
    }

    /// Where it listens, as `url` of the destination wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Refuses connections until it is started again; what it holds stays, as in PostgreSQL.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // It ends by being aborted.
            let _ = serving.await;
        }
        self.shared.underway.send_replace(0);
    }

    /// Listens again where it listened before.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub async fn start_again(&mut self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        self.serving = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    /// Looks into the database, or changes it as a person would.
    pub fn database<R>(&self, look: impl FnOnce(&mut Database) -> R) -> R {
        look(&mut locked(&self.shared.database))
    }

    /// Changes how the server behaves from now on.
    pub fn set_manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut locked(&self.shared.switches).manners);
    }

    /// Lets this happen to the next `load` that has nothing ahead of it yet.
    pub fn fail_next(&self, fault: Fault) {
        locked(&self.shared.switches).ahead.push_back(Ahead::Fault(fault));
    }

    /// Lets the next `load` do its work and wait before its commit.
    pub fn hold_next(&self) -> Held {
        let (held, ahead) = fault::hold();
        locked(&self.shared.switches).ahead.push_back(ahead);
        held
    }

    /// Waits until this many calls of `load` have arrived and have no answer.
    pub async fn underway(&self, calls: usize) {
        let mut underway = self.shared.underway.subscribe();
        // The sender lives as long as this.
        let _ = underway.wait_for(|now| *now == calls).await;
    }

    /// Every `load` that arrived, oldest first.
    pub fn loads(&self) -> Vec<LoadCall> {
        locked(&self.shared.switches).loads.clone()
    }
}

impl Drop for Odoo {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection: one request, one answer or none. Whatever the client does wrong only ends its connection.
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let silence_max = locked(&shared.switches).manners.silence_max;
    let Ok(Some(request)) = http::read(&mut stream, silence_max).await else { return };
    if let Some(response) = shared.answer(&request).await {
        let _ = http::write(&mut stream, &response).await;
    }
}

impl Shared {
    /// The answer; `None` closes the connection without a byte.
    async fn answer(&self, request: &Request) -> Option<Response> {
        let manners = locked(&self.switches).manners;
        if manners.body_max.is_some_and(|limit| request.body.len() > limit) {
            return Some(page::proxy(413, "Request Entity Too Large"));
        }
        if let Some(page) = manners.page {
            return Some(page::of(page, &request.target));
        }
        let asked = match (request.method.as_str(), request.target.as_str(), manners.version) {
            ("POST", "/jsonrpc", _) => Asked::json_rpc(request),
            ("POST", target, Version::Nineteen) if target.starts_with(json2::PREFIX) => {
                json2::Request::read(request).map(Asked::Json2)
            }
            _ => Err(self
                .proxy_fault(request)
                .unwrap_or_else(|| page::page(&request.target, manners.version, locked(&self.database).up))),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(answer) => return Some(answer),
        };
        let snapshot = locked(&self.database).begin();
        let circumstances = Circumstances { snapshot, conflict: manners.language.conflict(), every_row_lost: false };
        // The agent's marker is no part of what a scenario delivers: faults and accounts are those of its records.
        let is_delivery = |execute: &rpc::Execute| execute.is_load() && execute.model != MARKER_MODEL;
        match asked.execute().filter(is_delivery) {
            None => {
                tokio::time::sleep(manners.per_call).await;
                Some(asked.answer(&mut locked(&self.database), circumstances))
            }
            Some(execute) => {
                self.underway.send_modify(|calls| *calls += 1);
                let answer = self.load(&asked, &execute, manners, circumstances).await;
                self.underway.send_modify(|calls| *calls = calls.saturating_sub(1));
                answer
            }
        }
    }

    async fn load(
        &self,
        asked: &Asked,
        execute: &rpc::Execute,
        manners: Manners,
        circumstances: Circumstances,
    ) -> Option<Response> {
        let call = LoadCall {
            model: execute.model.clone(),
            columns: serde_json::from_value(execute.argument(0, "fields")).unwrap_or_default(),
            rows: serde_json::from_value(execute.argument(1, "data")).unwrap_or_default(),
        };
        let rows = u32::try_from(call.rows.len()).unwrap_or(u32::MAX);
        let ahead = {
            let mut switches = locked(&self.switches);
            switches.loads.push(call);
            switches.ahead.pop_front()
        };
        if manners.rows_max.is_some_and(|limit| rows > limit) {
            return Some(page::proxy(502, "Bad Gateway"));
        }
        let _turn = self.transaction.lock().await;
        tokio::time::sleep(manners.per_call + manners.per_row.saturating_mul(rows)).await;
        let run = |every_row_lost| {
            let circumstances = Circumstances { every_row_lost, ..circumstances };
            asked.answer(&mut locked(&self.database), circumstances)
        };
        match ahead {
            None => Some(run(false)),
            Some(Ahead::Hold(released)) => {
                // Released or dropped, it goes on.
                let _ = released.await;
                Some(run(false))
            }
            Some(Ahead::Fault(fault)) => match fault {
                Fault::DeadWorker => None,
                Fault::LostAnswer => {
                    run(false);
                    None
                }
                Fault::ConnectionCut => {
                    let error = RpcError::new("psycopg2.InterfaceError", "cursor already closed");
                    Some(asked.refuse(&error))
                }
                Fault::Race => Some(run(true)),
                Fault::BadGateway => Some(page::proxy(502, "Bad Gateway")),
                Fault::GatewayTimeout => {
                    run(false);
                    Some(page::proxy(504, "Gateway Time-out"))
                }
            },
        }
    }

    /// A proxy's failure meets any POST; the other faults are Odoo's and wait for a `load`.
    fn proxy_fault(&self, request: &Request) -> Option<Response> {
        if request.method != "POST" {
            return None;
        }
        let mut switches = locked(&self.switches);
        let response = match switches.ahead.front()? {
            Ahead::Fault(Fault::BadGateway) => page::proxy(502, "Bad Gateway"),
            Ahead::Fault(Fault::GatewayTimeout) => page::proxy(504, "Gateway Time-out"),
            Ahead::Fault(Fault::DeadWorker | Fault::LostAnswer | Fault::ConnectionCut | Fault::Race)
            | Ahead::Hold(_) => {
                return None;
            }
        };
        switches.ahead.pop_front();
        Some(response)
    }
}

/// A test that failed while it held the lock has already said so.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
