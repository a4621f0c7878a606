//! The types that tell of a device: what it is, whether it answers, and what it measures.

use super::field::{Field, Kind, LOT, ORDER, SERIAL, UNIT_OF_MEASURE, optional, required};
use super::{Data, Standard};

pub(super) const TYPES: &[Standard] = &[
    Standard {
        name: "device.described",
        about: "What a device is and which tags it has. Told at its first contact and when something of it is new.",
        data: Data::Fields(&[
            required("cause", Kind::Choice(&["start", "config", "identity"]), "What is new."),
            optional("vendor", Kind::Text, "Its maker."),
            optional("model", Kind::Text, "Its model."),
            optional("serial", Kind::Text, "Its serial number."),
            optional("firmware", Kind::Text, "Its firmware, or what it shows in its place."),
            optional("firmware_expected", Kind::List(&Kind::Text), "The firmware that its tags were written for."),
            optional("profile", Kind::Text, "The profile that its tags come from."),
            optional("profile_version", Kind::Text, "The version of the profile."),
            required("tags", Kind::List(&Kind::Object(TAG)), "Its tags."),
        ]),
    },
    Standard {
        name: "device.online",
        about: "A device answers again.",
        data: Data::Fields(&[
            required("offline_s", Kind::Amount, "How long it did not answer, in seconds."),
            required("was_planned", Kind::Boolean, "Whether it had said that it would leave."),
        ]),
    },
    Standard {
        name: "device.offline",
        about: "A device does not answer any more.",
        data: Data::Fields(&[
            required(
                "cause",
                Kind::Choice(&["timeout", "refused", "no_route", "exception", "port_gone"]),
                "How that is known.",
            ),
            optional("last_good_at", Kind::Moment, "When it gave its last good value; `null`: it never did."),
            required("planned", Kind::Boolean, "Whether it had said that it would leave."),
        ]),
    },
    Standard {
        name: "measurement.sampled",
        about: "Values of tags. A tag that is not good is null, and named with its quality in `metadata.quality`.",
        data: Data::Tags,
    },
];

const TAG: &[Field] = &[
    required("name", Kind::Identifier, "Its name."),
    required("type", Kind::Identifier, "The type of its value at the device, such as `u16`."),
    optional("unit_of_measure", Kind::Text, UNIT_OF_MEASURE),
    optional("labels", Kind::Map(&Kind::Text), "The names of its values or bits, by number."),
];

/// What a cycle is about; it stands in the catalogue behind the counts.
pub(super) const CYCLE: Standard = Standard {
    name: "cycle.completed",
    about: "A machine has finished a cycle.",
    data: Data::Fields(&[
        optional("duration_s", Kind::Amount, "How long it took, in seconds."),
        optional("number", Kind::Count, "The machine's own number of the cycle."),
        optional("verdict", Kind::Choice(&["ok", "nok", "unknown"]), "What the machine thinks of its piece."),
        SERIAL,
        LOT,
        ORDER,
        optional("values", Kind::Map(&Kind::TagValue), "Values of tags in the cycle."),
    ]),
};
