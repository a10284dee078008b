//! Messages as a part of the report: how many there were, and what was odd about
//! them.

use checkers::{Figures, Messages, Outcome, Report, Validity};
use serde_json::{Map, Value, json};

use crate::net::NetCounts;
use crate::quiescence;
use crate::settings::Settings;
use crate::world::{Late, RunStats};

impl RunStats {
    /// Adds to a report what the checks of a history cannot know.
    pub fn add_to(&self, settings: &Settings, report: &mut Report) {
        for (f, Late { count, most }) in &self.late {
            report.add_late(f, *count, *most);
        }
        let outcome = outcome(self, report, settings.strict);
        report.add("net", outcome);
        if let (Some(idle), Some(promise)) = (&self.idle, settings.promise) {
            report.add("quiescence", quiescence::outcome(idle, promise));
        }
    }
}

/// The counts by the original's names, with messages per operation; and what
/// nodes did, or never did, that the original takes without a word, which is wrong if
/// `strict`.
fn outcome(stats: &RunStats, report: &Report, strict: bool) -> Outcome {
    let results = counts(&stats.net, stats.tally.invoked);
    let mut quirks = stats.quirks.findings();
    quirks.extend(report.no_exchange(&stats.silent));
    let (findings, warnings) = if strict { (quirks, Vec::new()) } else { (Vec::new(), quirks) };
    let valid = Validity::of(findings.is_empty());
    let messages = Messages {
        all: stats.net.all.msg_count,
        servers: stats.net.servers.msg_count,
        per_op: per_op(stats.net.servers.msg_count, stats.tally.invoked),
    };
    let figures = Figures { messages: Some(messages), ..Figures::default() };
    Outcome { valid, results, findings, warnings, figures }
}

/// `operations` are the invocations of clients, reads and final reads included.
fn counts(counts: &NetCounts, operations: u64) -> Map<String, Value> {
    let mut results = match serde_json::to_value(counts) {
        Ok(Value::Object(results)) => results,
        _ => Map::new(),
    };
    for (name, counts) in [("all", &counts.all), ("servers", &counts.servers)] {
        if let Some(per_op) = per_op(counts.msg_count, operations)
            && let Some(Value::Object(result)) = results.get_mut(name)
        {
            result.insert("msgs-per-op".to_owned(), json!(per_op));
        }
    }
    results
}

fn per_op(messages: u64, operations: u64) -> Option<f64> {
    (operations > 0).then(|| messages as f64 / operations as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::net::Counts;
    use crate::world::{Quirk, Quirks, Tally};

    #[test]
    fn messages_are_counted_per_operation_of_a_client() {
        let counts = |count| Counts { send_count: count, recv_count: count, msg_count: count };
        let net = NetCounts { all: counts(50), clients: counts(20), servers: counts(30) };
        let stats = |invoked| RunStats {
            net,
            tally: Tally { invoked, ..Tally::default() },
            silent: Vec::new(),
            idle: None,
            quirks: Quirks::default(),
            late: BTreeMap::new(),
        };
        let results = outcome(&stats(20), &Report::default(), true).results;
        assert_eq!(results["servers"]["msgs-per-op"], json!(1.5));
        assert_eq!(results["all"]["msgs-per-op"], json!(2.5));
        assert_eq!(results["clients"]["recv-count"], json!(20));
        assert_eq!(
            outcome(&stats(0), &Report::default(), true).results["servers"].get("msgs-per-op"),
            None
        );
    }

    #[test]
    fn quirks_are_warnings_unless_strict() {
        let mut quirks = Quirks::default();
        quirks.note(Quirk::ForgedSource, || "by n0".to_owned());
        let stats = RunStats {
            net: NetCounts::default(),
            tally: Tally::default(),
            silent: Vec::new(),
            idle: None,
            quirks,
            late: BTreeMap::new(),
        };
        let lenient = outcome(&stats, &Report::default(), false);
        assert_eq!((lenient.valid, lenient.warnings.len()), (Validity::Valid, 1));
        let strict = outcome(&stats, &Report::default(), true);
        assert_eq!((strict.valid, strict.findings.len()), (Validity::Invalid, 1));
    }
}
