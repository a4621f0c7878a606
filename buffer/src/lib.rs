//! Events on disk until they are settled: one log per flow in one SQLite file.
//!
//! What is guaranteed:
//! - What [`Buffer::apply`] returned `Ok` for with [`Durability::Synced`] survives a kill and a power cut at any
//!   instruction. With [`Durability::Written`] it survives a kill, and a power cut from the next [`Buffer::sync`] or
//!   synced commit on.
//! - One `apply` is one transaction. An error has changed nothing, and the same work may be applied again.
//! - A sequence number of a flow is given once. Within a flow, events come back in the order they were appended.
//! - `matched = delivered + buffered + dead + dropped` for each flow and `received = mapped + unmapped + rejected +
//!   repeated` for each source hold in every committed state; a change that would break them is refused.
//! - An event that waits is out of its flow's way and still to deliver: it counts as buffered and is in no span.
//! - A stretch of a flow's log that is settled is never offered again, unless a [`Replay`] asks for it; that is counted
//!   apart and changes no other count.
//! - Damage never passes for data: a block whose checksum, flow or position does not fit is a [`ReadError`] that names
//!   what is unreadable.
//! - What a flow is more than 4,096 events behind with is packed into full blocks as it goes, whatever the size of the
//!   commits that it came in.
//! - All files together stay within [`Options::bytes_max`]. What was delivered is given up first, then what is
//!   remembered of it ([`Confirm`]), then what [`Buffer::yielding`] says; then appends are refused and may be tried
//!   again, while settling goes on in a reserve.
//! - What a flow gives up is named by an event in its log, of a retired one when it is configured again, and nothing is
//!   given up that a [`Hold`] keeps.
//! - One process at a time, and no file that this release does not understand is written to.
//!
//! What is not:
//! - What callers leave queued at the [`Writer`] is not limited here: they wait for its answers before they submit more.
//! - A destination may have an event whose settlement a crash undid. It is offered again with the same id.
//! - Times are kept as they are given, and [`Reader::recorded`] mends those from before the clock was set; order is the
//!   sequence, never time.
//!
//! Everything blocks. [`Writer`] gives the one [`Buffer`] a thread of its own that commits in groups; each [`Reader`]
//! has its own connection.

// Nothing from outside may end the agent. Tests may stop at what they did not expect.
#![warn(clippy::expect_used)]

mod admit;
mod append;
mod block;
mod boot;
mod buffer;
mod confirm;
mod dead_letter;
mod dead_stock;
mod dispose;
mod error;
mod event;
mod flight;
mod flow;
mod give_up;
mod hold;
mod keep;
mod ledger;
mod lock;
mod log;
mod loss;
mod memory;
mod open;
mod overflow;
mod pack;
mod reader;
mod readers;
mod receipt;
mod replay;
mod reserve;
mod retention;
mod rewrite;
mod room;
mod salvage;
mod schema;
mod sender;
mod settle;
mod span;
mod spans;
mod state;
mod sync;
mod tail;
mod thin;
mod varint;
mod waiting;
mod wal;
mod work;
mod writer;

pub use append::{Append, Received, Rejected, Routed};
pub use block::EVENT_BYTES_MAX;
pub use buffer::{Buffer, LastStop, Options};
pub use confirm::{Confirm, Confirmed};
pub use dead_letter::{DeadContent, DeadLetter};
pub use dispose::{Dispose, Fate};
pub use error::{Cause, Malformed, OpenError, ReadError, WriteError};
pub use event::{Event, EventTime, Recorded, Stamp, Stored, TimeQuality};
pub use flight::{Aloft, Flight, Fly, next_packet_id};
pub use flow::{FlowId, FlowSpec, FlowState};
pub use hold::Hold;
pub use keep::{Keep, Kept};
pub use ledger::{EventCounts, Ledger, SourceCounts};
pub use loss::{Loss, LossCause, Period};
pub use overflow::{Author, Yielding, Yields};
pub use reader::Reader;
pub use readers::Readers;
pub use receipt::{ReceiptEntry, Receipts};
pub use replay::{Replay, Replayed};
pub use room::{SIZE_MIN, bytes_on_disk};
pub use salvage::Salvage;
pub use sender::{SENDERS_KEPT, SenderEntry};
pub use settle::{Refusal, Settle, Settled};
pub use span::{Span, SpanKind};
pub use waiting::Resume;
pub use work::{Durability, Work};
pub use writer::{
    DiskState, Done, GroupLimits, Reconfiguration, StopError, Stopped, Submission, Writer, WriterHandle, Yield,
};
