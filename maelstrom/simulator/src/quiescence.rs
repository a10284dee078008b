//! Messages in idle time as a part of the report.

use checkers::{Finding, Outcome, Validity};
use serde_json::{Map, json};

use crate::settings::Promise;
use crate::world::Idle;

/// How much was said while no client asked for anything, held against the bound.
pub(crate) fn outcome(idle: &Idle, promise: Promise) -> Outcome {
    let mut results = Map::new();
    results.insert("msgs-per-second".to_owned(), json!(idle.rate()));
    let too_much = promise.idle_messages.filter(|&most| idle.rate() > most);
    let findings: Vec<Finding> = too_much.map(|most| finding(idle, most)).into_iter().collect();
    let valid = Validity::of(findings.is_empty());
    Outcome { valid, results, findings, ..Outcome::default() }
}

fn finding(idle: &Idle, most: f64) -> Finding {
    let seconds = Idle::window().as_secs();
    let mut text = format!(
        "{:.1} messages a second between nodes and services, {seconds} s long, while no client asked for \
         anything; at most {most} were promised.",
        idle.rate()
    );
    if let Some((kind, src, dest, count)) = idle.most_frequent() {
        text.push_str(&format!(" Most often: `{kind}` from {src} to {dest}, {count} times."));
    }
    Finding::new("chatters", text, Vec::new())
}
