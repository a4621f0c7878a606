//! The demonstration, as a person starts it: the whole program from the machine to the centre.

#![cfg(feature = "demo")]

use std::process::Command;

use serde_json::Value;

#[test]
fn the_demonstration_balances_over_an_outage() {
    let run = Command::new(env!("CARGO_BIN_EXE_plantlink"))
        .args(["demo", "--seconds", "9", "--outage", "3", "--json"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}\n{words}{}", run.status, String::from_utf8_lossy(&run.stdout));
    let count: Value = serde_json::from_slice(&run.stdout).unwrap();
    let number = |pointer: &str| {
        count.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {count}"))
    };
    assert_eq!((number("/lost"), number("/repeated")), (0, 0), "{count}");
    assert!(number("/pieces/produced") > 0 && number("/messages/produced") > 0, "{count}");
    assert!(number("/received") >= number("/messages/produced"), "{count}");
    assert!(number("/backlog_max") > 0, "nothing waited during the outage: {count}");
    assert!(count["drain_s"].is_number(), "{count}");
}

#[test]
fn an_outage_without_an_end_is_refused() {
    let run = Command::new(env!("CARGO_BIN_EXE_plantlink"))
        .args(["demo", "--seconds", "5", "--outage", "5"])
        .output()
        .unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("must be shorter"));
}
