//! Going through the logs for the events that ended intervals. Blocks.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use plantlink_buffer::{FlowId, ReadError, Reader};
use plantlink_config::Name;

use super::book::Origin;
use super::record::{Mapping, Role};
use super::stand::Stand;
use super::survey::Place;
use crate::envelope::Site;

/// The intervals whose ends are looked for.
pub(super) struct Ends {
    pub(super) site: Arc<Site>,
    pub(super) mappings: Arc<[Mapping]>,
    /// By the place of their mapping and their key.
    pub(super) intervals: HashSet<(usize, String)>,
}

impl Ends {
    /// The first end of each that is over, in the order of the logs. It may stand before the begin, and in another flow.
    pub(super) fn find(&self, flows: &[(FlowId, Name)], reader: &mut Reader) -> Result<Vec<Place>, ReadError> {
        let mut first: HashMap<(usize, String), (Origin, Place)> = HashMap::new();
        for stand in Stand::of(flows, reader)? {
            stand.walk(i64::MIN, &self.site, reader, |reader, event| {
                for (record, mapping) in self.mappings.iter().enumerate() {
                    if mapping.role(event) != Some(Role::Close) {
                        continue;
                    }
                    let Some(key) = mapping.key(event) else { continue };
                    let interval = (record, key);
                    // Odoo never got what was given up. What is still to be delivered may have met a record that was gone.
                    if !self.intervals.contains(&interval) || stand.is_given_up(event.sequence(), reader)? {
                        continue;
                    }
                    let origin = Origin::of(event);
                    if first.get(&interval).is_none_or(|(known, _)| origin.order(known) == Ordering::Less) {
                        let place = Place { flow: stand.flow(), sequence: event.sequence(), record };
                        first.insert(interval, (origin, place));
                    }
                }
                Ok(())
            })?;
        }
        let mut places: Vec<Place> = first.into_values().map(|(_, place)| place).collect();
        places.sort_unstable();
        Ok(places)
    }
}
