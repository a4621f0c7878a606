//! What a person decides about dead letters: they are offered again, or given up.

use rusqlite::Connection;

use crate::block;
use crate::dead_letter::{self, DeadContent};
use crate::error::WriteError;
use crate::log::Pen;
use crate::state::State;

/// A decision about some dead letters. Those that are gone are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispose {
    /// Their ids. One transaction does all of it, so that whoever has many gives them in parts.
    pub letters: Vec<i64>,
    /// What becomes of them.
    pub fate: Fate,
}

/// What becomes of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An event gets a new number at the end of its flow's log and keeps its id. A message of a source, which belongs to
    /// no flow, and a damaged event stay what they are.
    Retry,
    /// An event counts as dropped from then on; a message of a source goes on counting as rejected.
    Discard,
}

pub(crate) fn dispose(
    work: &Dispose,
    state: &mut State,
    transaction: &Connection,
    pen: &mut Pen,
) -> Result<(), WriteError> {
    // What is deleted was counted.
    state.dead.see_new(transaction)?;
    for id in &work.letters {
        match work.fate {
            Fate::Retry => retry(*id, state, transaction, pen)?,
            Fate::Discard => {
                if let Some((flow, bytes)) = dead_letter::delete(transaction, *id)? {
                    state.dead.forget(1, bytes);
                    if let Some(flow) = flow {
                        let flow = state.flows.get_mut(flow)?;
                        flow.dead -= 1;
                        flow.dropped += 1;
                    }
                }
            }
        }
    }
    Ok(())
}

fn retry(id: i64, state: &mut State, transaction: &Connection, pen: &mut Pen) -> Result<(), WriteError> {
    // A letter that cannot be read is no reason to stop: it is damaged whether or not somebody looks at it.
    let Ok(Some(letter)) = dead_letter::find(transaction, &mut block::decompressor()?, id) else { return Ok(()) };
    let DeadContent::Event { flow, stored, .. } = letter.content else { return Ok(()) };
    if let Some((_, bytes)) = dead_letter::delete(transaction, id)? {
        state.dead.forget(1, bytes);
    }
    let flow = state.flows.get_mut(flow)?;
    flow.dead -= 1;
    pen.write_again(transaction, flow, &stored)
}
