//! The types that tell how production goes: counts, cycles, states and alarms.

use super::field::{Field, Kind, LOT, OPERATION, ORDER, PRODUCT, UNIT_OF_MEASURE, optional, required};
use super::{Data, Standard, device};

const STATE: Kind = Kind::Choice(&["executing", "not_executing", "out_of_service", "not_available"]);
const MODE: Kind = Kind::Choice(&["processing", "setup", "maintenance", "none"]);
const SEVERITY: Kind = Kind::Choice(&["info", "warning", "fault", "critical"]);
const COUNTER_EPOCH: Field = required(
    "counter_epoch",
    Kind::Count,
    "Rises when the counter was reset or replaced: totals of one epoch compare.",
);
const FROM_AT: Field = required("from_at", Kind::Moment, "Where the interval of the counts begins.");
const TO_AT: Field = required("to_at", Kind::Moment, "Where it ends.");
const ALARM_ID: Field = required("alarm_id", Kind::Identifier, "The same in `alarm.raised` and its `alarm.cleared`.");
const CODE: Field = required("code", Kind::Identifier, "The machine's code of the alarm.");
const TEXT: Field = required("text", Kind::Text, "What the code means.");
const INTERVAL_ID: Field = required("interval_id", Kind::Identifier, "The interval in which the state holds.");
const VENDOR_STATE: Field = required("vendor_state", Kind::Text, "The machine's own word for its state.");
const SINCE_AT: Field = required("since_at", Kind::Moment, "When the state began.");

pub(super) const TYPES: &[Standard] = &[
    Standard {
        name: "production.counted",
        about: "Pieces were made: the change since the last event, and the counters' totals to heal any gap from.",
        data: Data::Fields(&[
            required("good", Kind::Number, "Good pieces; negative in a correction."),
            optional("scrap", Kind::Number, "Scrapped pieces; negative in a correction."),
            optional("rework", Kind::Number, "Pieces to be made good; negative in a correction."),
            required("good_total", Kind::Amount, "What the counter of good pieces shows, carried on over rollovers."),
            optional("scrap_total", Kind::Amount, "The same of scrapped pieces."),
            optional("rework_total", Kind::Amount, "The same of pieces to be made good."),
            COUNTER_EPOCH,
            FROM_AT,
            TO_AT,
            required("unit_of_measure", Kind::Identifier, UNIT_OF_MEASURE),
            ORDER,
            OPERATION,
            PRODUCT,
            LOT,
            required(
                "cause",
                Kind::Choice(&["interval", "order_change", "reset", "catch_up"]),
                "Why the interval ends here.",
            ),
            optional("corrects", Kind::Text, "The `event_id` of the event that this one corrects."),
        ]),
    },
    Standard {
        name: "consumption.counted",
        about: "A meter has moved: the change since the last event, and its total.",
        data: Data::Fields(&[
            required(
                "medium",
                Kind::Choice(&["electricity", "gas", "water", "air", "steam", "hours", "cycles"]),
                "What is consumed.",
            ),
            required("delta", Kind::Number, "How much; negative in a correction."),
            required("total", Kind::Number, "What the meter shows, carried on over rollovers."),
            COUNTER_EPOCH,
            required("unit_of_measure", Kind::Identifier, UNIT_OF_MEASURE),
            FROM_AT,
            TO_AT,
            ORDER,
        ]),
    },
    device::CYCLE,
    Standard {
        name: "machine.state_changed",
        about: "A machine is in another state. Two axes: whether it executes, and what it is used for.",
        data: Data::Fields(&[
            required("state", STATE, "One of four standard states (OPC 40001-1)."),
            required("mode", MODE, "What the machine is used for."),
            VENDOR_STATE,
            INTERVAL_ID,
            SINCE_AT,
            optional("previous", Kind::Object(PREVIOUS), "The interval that ends with this one's beginning."),
            ORDER,
            OPERATION,
        ]),
    },
    Standard {
        name: "downtime.classified",
        about: "Somebody has said why a machine stood still.",
        data: Data::Fields(&[
            INTERVAL_ID,
            required("reason", Kind::Identifier, "The code of the reason."),
            optional("reason_text", Kind::Text, "What the code means."),
            required("loss", Kind::Choice(&["availability", "performance", "quality"]), "What was lost by it."),
            optional("by", Kind::Text, "Who said so."),
        ]),
    },
    Standard {
        name: "alarm.raised",
        about: "A machine has raised an alarm.",
        data: Data::Fields(&[
            ALARM_ID,
            CODE,
            TEXT,
            required("severity", SEVERITY, "How bad it is."),
            optional("category", Kind::Text, "The kind of alarm."),
            required("repeat_count", Kind::Count, "How often it came again before it was cleared."),
            ORDER,
        ]),
    },
    Standard {
        name: "alarm.cleared",
        about: "The cause of an alarm is gone.",
        data: Data::Fields(&[
            ALARM_ID,
            CODE,
            TEXT,
            required("raised_at", Kind::Moment, "When it was raised."),
            required("duration_s", Kind::Amount, "How long it held, in seconds."),
            optional("repeat_count", Kind::Count, "How often it came again before it was cleared."),
            ORDER,
        ]),
    },
];

const PREVIOUS: &[Field] = &[
    INTERVAL_ID,
    required("state", STATE, "The state then."),
    required("mode", MODE, "The mode then."),
    VENDOR_STATE,
    SINCE_AT,
    required("duration_s", Kind::Amount, "How long it held, in seconds."),
    optional("reason", Kind::Text, "Why it came to it."),
];
