//! Any bytes as a Sparkplug B payload under any tag: values that can be sent, or faults.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plantlink::fuzzing::metrics;

fuzz_target!(|bytes: &[u8]| {
    // JSON has no other numbers than finite ones: one that is not would have become null.
    assert!(!metrics(bytes).contains(&Default::default()), "a number that is none");
});
