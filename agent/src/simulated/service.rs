//! How the two flows of a run are served: how urgent each is, and whether new notes pass a backlog of notes.

use fastrand::Rng;

/// Orders are always strict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    orders: &'static str,
    notes: &'static str,
    notes_order: &'static str,
}

const PRIORITIES: [&str; 3] = ["critical", "normal", "bulk"];
const LIVE_FIRST: &str = "live-first";

impl Service {
    pub(super) fn new(random: &mut Rng) -> Self {
        Service {
            orders: PRIORITIES[random.usize(0..3)],
            notes: PRIORITIES[random.usize(0..3)],
            notes_order: if random.bool() { LIVE_FIRST } else { "strict" },
        }
    }

    /// Whether all of the flow arrives in the order of its sequence.
    pub(super) fn is_strict(&self, flow: &str) -> bool {
        flow == "orders" || self.notes_order != LIVE_FIRST
    }

    /// The tables of the flows.
    pub(super) fn toml(&self) -> String {
        let Service { orders, notes, notes_order } = self;
        format!(
            r#"
[[flow]]
name = "orders"
events = ["plant.order"]
to = "central"
priority = "{orders}"
[[flow]]
name = "notes"
events = ["*"]
to = "central"
priority = "{notes}"
order = "{notes_order}"
"#
        )
    }
}
