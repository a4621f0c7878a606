//! The end of the demonstration: the count for a person and for a script.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::ledger::{Count, Tally};

/// What the run has shown.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Pieces by the presses' own counters and acknowledged messages of the MES.
    produced: u64,
    lost: u64,
    repeated: u64,
    /// The most events that waited in the agent's buffer at once.
    backlog_max: u64,
    /// Messages that the MES sent a second time; each of them is one event.
    sent_twice: u64,
    #[serde(flatten)]
    count: Count,
    /// Requests for maintenance, counted in Odoo.
    #[serde(skip_serializing_if = "Option::is_none")]
    odoo: Option<Tally>,
    /// Where log, configuration and buffer of a failed run are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_in: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(count: Count, backlog_max: u64, sent_twice: u64, odoo: Option<Tally>) -> Report {
        let total = count.total().plus(odoo.unwrap_or_default());
        Report {
            produced: count.pieces.produced + count.messages.produced,
            lost: total.lost,
            repeated: total.repeated,
            backlog_max,
            sent_twice,
            count,
            odoo,
            left_in: None,
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.count.is_clean() && self.odoo.is_none_or(Tally::is_clean)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22}{:>10}{:>10}{:>8}{:>10}", "", "produced", "received", "lost", "repeated")?;
        row(f, "pieces", self.count.pieces)?;
        row(f, "MES messages", self.count.messages)?;
        row(f, "measurements", self.count.measurements)?;
        if let Some(odoo) = self.odoo {
            row(f, "requests in Odoo", odoo)?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{} events at the centre, {} of them delivered more than once with the same id",
            self.count.received, self.count.resent
        )?;
        writeln!(f, "{} messages sent twice by the MES, each of them one event", self.sent_twice)?;
        write!(f, "{} events waited at most", self.backlog_max)?;
        match self.count.drain_s {
            Some(seconds) => writeln!(f, "; the last of the outage arrived {seconds:.1} s after the link was back")?,
            None => writeln!(f)?,
        }
        if self.count.unreadable > 0 {
            writeln!(f, "{} arrivals at the centre were no event", self.count.unreadable)?;
        }
        if let Some(directory) = &self.left_in {
            writeln!(f, "log, configuration and buffer are left in {}", directory.display())?;
        }
        f.write_str(if self.is_clean() { "nothing lost, nothing repeated" } else { "the count does not balance" })
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, tally: Tally) -> fmt::Result {
    writeln!(f, "{name:<22}{:>10}{:>10}{:>8}{:>10}", tally.produced, tally.received, tally.lost, tally.repeated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lost_request_in_odoo_spoils_a_clean_count() {
        let count = Count { pieces: Tally::of(7, 7), messages: Tally::of(3, 3), ..Count::default() };
        let clean = Report::new(count.clone(), 0, 0, Some(Tally::of(2, 2)));
        assert!(clean.is_clean());
        assert_eq!(clean.produced, 10);
        let spoiled = Report::new(count, 0, 0, Some(Tally::of(2, 1)));
        assert!(!spoiled.is_clean());
        assert_eq!(spoiled.lost, 1);
    }

    #[test]
    fn scripts_find_the_promised_keys() {
        let report = serde_json::to_value(Report::new(Count::default(), 12, 0, None)).unwrap();
        for key in ["produced", "received", "lost", "repeated", "resent", "backlog_max", "drain_s"] {
            assert!(report.get(key).is_some(), "{key}");
        }
    }
}
