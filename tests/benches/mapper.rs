//! How many readings a second pass the mapper on one core: `cargo bench -p plantlink-tests --bench mapper`.
//!
//! Measured from outside, as `plantlink simulate` plays a recording of a line's scans: reading the JSON and printing the
//! events are part of the figure, so that the mapper alone is faster. Then how often it asks for memory, as what twice as many
//! scans ask for more, so that the start is not in it. `PLANTLINK_BIN` names a release binary,
//! `PLANTLINK_SCANS` how many scans of 20 tags (100,000).

use std::fmt::Write as _;
use std::time::Instant;

use plantlink_tests::agent::Agent;
use plantlink_tests::allocations::{AllocationCounter, Allocations};
use plantlink_tests::usage::children_cpu_s;
use plantlink_tests::workload::setting;

const TAGS: usize = 20;

fn main() {
    let scans = setting("PLANTLINK_SCANS", 100_000);
    let agent = Agent::prepare(&config(), &[]);
    // In the first one nothing changes after its beginning; in the second, every tag in every scan.
    for (what, moves) in [("quiet: no tag changes", 0), ("busy: every tag changes, one event a scan", 1)] {
        agent.write("recording.jsonl", &recording(scans, moves));
        let file = agent.path("recording.jsonl").display().to_string();
        let (began, before) = (Instant::now(), children_cpu_s());
        let printed = agent.run(&["simulate", "--json", &file]);
        let (elapsed, used) = (began.elapsed(), children_cpu_s() - before);
        assert!(printed.status.success(), "{}", printed.stderr);
        let readings = (scans * TAGS) as f64;
        println!(
            "{what}: {:.0} readings/s, {:.0} a second of processor time; {}",
            readings / elapsed.as_secs_f64(),
            readings / used,
            printed.stderr.trim(),
        );
        let more = allocations(&agent, scans / 5, moves) - allocations(&agent, scans / 10, moves);
        let scans = (scans / 5 - scans / 10) as f64;
        println!("  {:.1} allocations and {:.0} bytes a scan", more.calls as f64 / scans, more.bytes as f64 / scans);
    }
}

/// What so many scans ask of the allocator, from the start to the end. A line of the recording is a scan; where every tag
/// changes, it is an event too.
fn allocations(agent: &Agent, scans: usize, moves: usize) -> Allocations {
    agent.write("some.jsonl", &recording(scans, moves));
    let file = agent.path("some.jsonl").display().to_string();
    AllocationCounter::new().run(agent.command_with("simulate", &["--json", &file]))
}

fn config() -> String {
    let tags = (0..TAGS).fold(String::new(), |mut tags, tag| {
        writeln!(tags, "{{ name = \"t{tag}\", at = \"holding:{tag}\", type = \"u16\", deadband = 0 }},")
            .expect("a text");
        tags
    });
    format!(
        r#"
[plant]
id = "mill-07"
gateway = "gw-test"
[buffer]
path = "buffer.db"
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1"
[[source.modbus.device]]
name = "press"
unit = 1
every = "1s"
tag = [
{tags}]
event = [{{ type = "production.counted", good = "t0" }}, {{ type = "measurement.sampled", sample = "*" }}]
"#
    )
}

/// Scans of a second each, in which each tag moves by so much.
fn recording(scans: usize, moves: usize) -> String {
    let mut lines = String::new();
    for scan in 0..scans {
        let (hour, minute, second) = (scan / 3_600 % 24, scan / 60 % 60, scan % 60);
        let day = 1 + scan / 86_400;
        write!(lines, r#"{{"at":"2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z","device":"press","tags":{{"#)
            .expect("a text");
        for tag in 0..TAGS {
            let comma = if tag == 0 { "" } else { "," };
            write!(lines, r#"{comma}"t{tag}":{}"#, (scan * moves + tag) % 65_536).expect("a text");
        }
        lines.push_str("}}\n");
    }
    lines
}
