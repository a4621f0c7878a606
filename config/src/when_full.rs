//! What a flow does when the buffer has reached its limit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Config;
use crate::check::Check;
use crate::flow::Flow;
use crate::path::Path;
use crate::pattern::EventPattern;
use crate::report::code;

/// The one type that can be thinned.
const SAMPLED: &str = "measurement.sampled";

/// What happens when the buffer has reached its `max_size`, or the disk is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The sources are not read until there is room; a broker keeps its messages meanwhile.
    #[default]
    Refuse,
    /// The oldest events of this flow go, `bulk` before `normal` before `critical`; a `buffer.overflowed` event names them.
    DropOldest,
    /// Only for `measurement.sampled`: a minute's events of a device become one with the last value of each tag, its
    /// `metadata.thinned` counting them. When that is not enough, the oldest go.
    Thin,
}

impl WhenFull {
    /// Reports a policy that does not suit the events.
    pub(crate) fn check(self, events: &[EventPattern], at: &Path, check: &mut Check<'_>) {
        match self {
            Self::Refuse | Self::DropOldest => {}
            Self::Thin => {
                if let Some(other) = events.iter().find(|events| events.as_str() != SAMPLED) {
                    let message = format!(
                        "`thin` is for flows of `{SAMPLED}` alone, and this one takes `{}` too",
                        other.as_str()
                    );
                    check.report.error(code::CONFLICT, at, message);
                }
            }
        }
    }

    fn loses(self) -> bool {
        match self {
            Self::Refuse => false,
            Self::DropOldest | Self::Thin => true,
        }
    }
}

/// Warns of flows that lose events and do not keep their source running all the same, since another flow stops it. `takes`
/// says whether the flow with this place gets something from that source.
pub(crate) fn check_feeding(
    config: &Config,
    sources: &[&str],
    takes: impl Fn(usize, &str) -> bool,
    check: &mut Check<'_>,
) {
    let flows = || config.flows.iter().enumerate();
    for (index, _) in flows().filter(|(_, flow)| flow.when_full.loses()) {
        let shared = sources.iter().filter(|source| takes(index, source)).find_map(|source| {
            let is_stopped_by = |(index, flow): &(usize, &Flow)| !flow.when_full.loses() && takes(*index, source);
            Some((source, flows().find(is_stopped_by)?.1))
        });
        if let Some((source, refusing)) = shared {
            let message = format!(
                "`{source}` also feeds `{}`, which refuses: it is stopped after this flow has lost its events",
                refusing.name
            );
            check.report.warning(code::CONFLICT, &Path::top().key("flow").item(index).key("when_full"), message);
        }
    }
}
