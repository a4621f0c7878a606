//! The types in which the agent tells of itself.

use super::field::{Kind, optional, required};
use super::{Data, Standard};

pub(super) const TYPES: &[Standard] = &[
    Standard {
        name: "agent.started",
        about: "The agent has started.",
        data: Data::Fields(&[
            required("version", Kind::Identifier, "The release that runs now."),
            optional("previous_version", Kind::Text, "The release that ran before."),
            required("cause", Kind::Choice(&["boot", "restart", "crash", "update"]), "Why it had to start."),
            required("clean", Kind::Boolean, "Whether the last run had ended as it should."),
            required("epoch", Kind::Identifier, "The identity of the buffer."),
            optional("salvaged", Kind::Boolean, "Whether the buffer had to be salvaged from a damaged file."),
        ]),
    },
    Standard {
        name: "audit.recorded",
        about: "Somebody has changed what the agent does or holds.",
        data: Data::Fields(&[
            required("action", Kind::Choice(&["config", "drop", "retry", "replay", "reconcile"]), "What was done."),
            required("by", Kind::Text, "Who did it."),
            optional("revision", Kind::Text, "The revision of the configuration."),
            optional("old", Kind::Text, "What was so before."),
            optional("new", Kind::Text, "What is so now."),
            required("changed", Kind::List(&Kind::Text), "What is different."),
            optional("reason", Kind::Text, "Why it was done."),
        ]),
    },
    Standard {
        name: "buffer.overflowed",
        about: "Events of a flow are gone before they were delivered: which, and why.",
        data: Data::Fields(&[
            required("flow", Kind::Identifier, "The flow that lost them."),
            required("first_sequence", Kind::Count, "The first number that may be missing."),
            required("last_sequence", Kind::Count, "The last number that may be missing."),
            required("count", Kind::Count, "How many are missing."),
            optional("from_at", Kind::Moment, "When the first of them was recorded, where that is known."),
            optional("to_at", Kind::Moment, "When the last of them was recorded, where that is known."),
            required("cause", Kind::Choice(&["full", "damaged", "power_cut", "disk_error"]), "What made them go."),
            required("policy", Kind::Text, "What decided which of them go: the flow's `when_full`, or `dead-letters`."),
        ]),
    },
];
