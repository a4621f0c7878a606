//! The types that tell of orders: their progress, material, lots and quality.

use super::field::{Field, Kind, LOT, OPERATION, ORDER, PRODUCT, SERIAL, UNIT_OF_MEASURE, optional, required};
use super::{Data, Standard};

const THE_ORDER: Field = required("order", Kind::Identifier, "The order.");
const THE_PRODUCT: Field = required("product", Kind::Identifier, "The product.");
const MEASURED_IN: Field = required("unit_of_measure", Kind::Identifier, UNIT_OF_MEASURE);
const PERHAPS_IN: Field = optional("unit_of_measure", Kind::Text, UNIT_OF_MEASURE);

pub(super) const TYPES: &[Standard] = &[
    Standard {
        name: "workorder.started",
        about: "Work on an order has begun, or goes on.",
        data: Data::Fields(&[
            THE_ORDER,
            OPERATION,
            PRODUCT,
            optional("quantity_planned", Kind::Amount, "How much is to be made."),
            PERHAPS_IN,
            optional("operator", Kind::Text, "Who works on it."),
            optional("resumed", Kind::Boolean, "Whether it was paused before."),
        ]),
    },
    Standard {
        name: "workorder.paused",
        about: "Work on an order rests.",
        data: Data::Fields(&[THE_ORDER, OPERATION, optional("reason", Kind::Text, "Why.")]),
    },
    Standard {
        name: "workorder.finished",
        about: "An operation of an order is done, or reports what it made so far.",
        data: Data::Fields(&[
            THE_ORDER,
            OPERATION,
            required("good", Kind::Amount, "How much of it is good."),
            optional("scrap", Kind::Amount, "How much is scrap."),
            optional("rework", Kind::Amount, "How much has to be made good."),
            PERHAPS_IN,
            optional("started_at", Kind::Moment, "When work on it began."),
            optional("final", Kind::Boolean, "Whether nothing more will come of it."),
        ]),
    },
    Standard {
        name: "material.consumed",
        about: "Material went into an order.",
        data: Data::Fields(&[
            THE_ORDER,
            THE_PRODUCT,
            LOT,
            SERIAL,
            required("quantity", Kind::Number, "How much; negative where it was given back."),
            MEASURED_IN,
        ]),
    },
    Standard {
        name: "lot.produced",
        about: "A lot was made.",
        data: Data::Fields(&[
            required("lot", Kind::Identifier, "The lot."),
            THE_PRODUCT,
            required("quantity", Kind::Amount, "How much of it."),
            MEASURED_IN,
            ORDER,
            optional("consumed_lots", Kind::List(&Kind::Identifier), "The lots that went into it."),
        ]),
    },
    Standard {
        name: "quality.measured",
        about: "A characteristic of a piece or a lot was measured.",
        data: Data::Fields(&[
            required("characteristic", Kind::Identifier, "What was measured."),
            required("value", Kind::Scalar, "What was found."),
            PERHAPS_IN,
            optional("lower", Kind::Number, "The least that is right."),
            optional("upper", Kind::Number, "The most that is right."),
            required("evaluation", Kind::Choice(&["ok", "nok", "undefined"]), "Whether the value is right."),
            required("result", Kind::Choice(&["completed", "partial", "aborted", "failed"]), "How the measuring went."),
            optional("method", Kind::Text, "How it was measured."),
            SERIAL,
            LOT,
            ORDER,
        ]),
    },
];
