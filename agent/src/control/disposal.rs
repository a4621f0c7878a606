//! Which dead letters a person's order concerns, and the work that it is.

use plantlink_buffer::{DeadContent, DeadLetter, Dispose, Fate, FlowState, ReadError, Reader, Work};

use super::dead::Selection;
use super::order::{About, OrderError, Task};

/// A commit takes in no more letters than this,
const LETTERS_MAX: usize = 256;
/// and no further one once their events have reached so many bytes, so that it finds room wherever an event does.
const BYTES_MAX: usize = 1 << 20;

/// The letters of one order, as commits.
struct Parts {
    fate: Fate,
    parts: Vec<Vec<i64>>,
    /// Of the last part.
    bytes: usize,
    disposed: usize,
    left: usize,
}

/// Events of configured flows are offered again. Those of other flows and the messages of sources are left; named by their
/// id, these are an error.
pub(super) fn retry(selection: &Selection, flows: &[FlowState], reader: &mut Reader) -> Result<Task, OrderError> {
    for id in &selection.ids {
        match reader.dead_letter(*id)?.ok_or(OrderError::NoLetter(*id))?.content {
            DeadContent::Event { flow, .. } => {
                if let Some(retired) = flows.iter().find(|state| state.id == flow && state.retired) {
                    return Err(OrderError::Retired { flow: retired.name.to_string() });
                }
            }
            DeadContent::Payload { .. } => return Err(OrderError::NoEvent(*id)),
        }
    }
    let mut parts = Parts::new(Fate::Retry);
    selection.each(flows, reader, |letter| match &letter.content {
        DeadContent::Event { flow, .. } if flows.iter().any(|state| state.id == *flow && !state.retired) => {
            parts.add(letter);
        }
        DeadContent::Event { .. } | DeadContent::Payload { .. } => parts.left += 1,
    })?;
    // The oldest goes first again.
    parts.parts.iter_mut().for_each(|part| part.reverse());
    parts.parts.reverse();
    Ok(parts.task())
}

/// Whatever is selected is given up. What is named by its id alone may be damaged.
pub(super) fn discard(selection: &Selection, flows: &[FlowState], reader: &mut Reader) -> Result<Task, OrderError> {
    for id in &selection.ids {
        match reader.dead_letter(*id) {
            Ok(Some(_)) | Err(ReadError::Row { .. }) => {}
            Ok(None) => return Err(OrderError::NoLetter(*id)),
            Err(error) => return Err(error.into()),
        }
    }
    let mut parts = Parts::new(Fate::Discard);
    let Selection { ids, flow, source, reason } = selection;
    if !ids.is_empty() && flow.is_none() && source.is_none() && reason.is_none() {
        parts.disposed = ids.len();
        parts.parts = ids.chunks(LETTERS_MAX).map(<[i64]>::to_vec).collect();
    } else {
        selection.each(flows, reader, |letter| parts.add(letter))?;
    }
    Ok(parts.task())
}

impl Parts {
    fn new(fate: Fate) -> Self {
        Parts { fate, parts: Vec::new(), bytes: 0, disposed: 0, left: 0 }
    }

    fn add(&mut self, letter: &DeadLetter) {
        self.disposed += 1;
        let bytes = match &letter.content {
            DeadContent::Event { stored, .. } => stored.event.data.len() + stored.event.metadata.len(),
            DeadContent::Payload { .. } => 0,
        };
        self.bytes += bytes;
        match self.parts.last_mut().filter(|part| part.len() < LETTERS_MAX && self.bytes <= BYTES_MAX) {
            Some(part) => part.push(letter.id),
            None => {
                self.parts.push(vec![letter.id]);
                self.bytes = bytes;
            }
        }
    }

    fn task(self) -> Task {
        let fate = self.fate;
        let work = self.parts.into_iter().map(|letters| Work::Dispose(Dispose { letters, fate })).collect();
        Task { work, about: About::Letters { disposed: self.disposed, left: self.left } }
    }
}
