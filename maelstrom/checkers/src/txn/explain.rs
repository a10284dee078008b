//! Cycles in words.
//!
//! A cycle is shown as its transactions, numbered, and as a sentence for every
//! step that says on what the step rests.

use serde_json::{Value, json};

use super::anomaly::Anomaly;
use super::cases::Case;
use super::dependency::{Basis, Dependency, Relation};
use super::log::{Kind, Log, Txn};
use super::model::Model;
use super::names::NULL;
use super::naming::{Found, Step};
use super::picture::{self, Arrow};

/// The case that a search found.
pub(super) fn case(log: &Log, found: &Found) -> (Anomaly, Case) {
    match found {
        Found::Cycle(anomaly, steps) => (*anomaly, cycle(log, *anomaly, steps)),
        Found::Exists(model, members) => {
            (Anomaly::CycleExists(*model), exists(log, *model, members))
        }
    }
}

fn exists(log: &Log, model: Model, members: &[Txn]) -> Case {
    let mut ops: Vec<u64> = members.iter().map(|&txn| log.txn(txn).op()).collect();
    ops.sort_unstable();
    let anomaly = Anomaly::CycleExists(model);
    Case {
        text: format!("among {} transactions there is a cycle that rules out {model}", ops.len()),
        detail: json!({
            "type": anomaly.to_string(), "not": model.name(), "scc-size": ops.len(), "scc": ops
        }),
        ops,
        picture: None,
    }
}

fn cycle(log: &Log, anomaly: Anomaly, steps: &[Step]) -> Case {
    let ops: Vec<u64> = steps.iter().map(|step| log.txn(step.from).op()).collect();
    let closed: Vec<u64> = ops.iter().chain(ops.first()).copied().collect();
    let json_steps: Vec<Value> = steps.iter().map(|step| step_json(log, step)).collect();
    let mut sorted = ops.clone();
    sorted.sort_unstable();
    Case {
        ops: sorted,
        text: in_words(log, steps),
        detail: json!({"type": anomaly.to_string(), "cycle": closed, "steps": json_steps}),
        picture: picture::draw(&anomaly.to_string(), &nodes(log, steps), &arrows(log, steps)),
    }
}

fn step_json(log: &Log, step: &Step) -> Value {
    let Dependency { relation, key, value, next, .. } = step.dependency;
    match relation {
        Relation::Ww | Relation::Rw => json!({
            "type": relation.name(), "key": log.json(key), "value": log.json(value),
            "value'": log.json(next)
        }),
        Relation::Wr => json!({
            "type": relation.name(), "key": log.json(key), "value": log.json(value)
        }),
        Relation::Process => {
            json!({"type": relation.name(), "process": log.txn(step.from).process})
        }
        Relation::Realtime => json!({
            "type": relation.name(), "a'": log.txn(step.from).op(), "b": log.txn(step.to).begin.index
        }),
    }
}

/// The transactions, then the steps.
fn in_words(log: &Log, steps: &[Step]) -> String {
    let mut text = String::from("these transactions precede each other in a circle.\n");
    for (i, step) in steps.iter().enumerate() {
        let transaction = log.txn(step.from);
        text += &format!(
            "  T{} = operation {} of {}: {}\n",
            i + 1,
            transaction.op(),
            transaction.process,
            log.txn_text(step.from)
        );
    }
    for (i, step) in steps.iter().enumerate() {
        let (from, to) = (i + 1, (i + 1) % steps.len() + 1);
        let relation = step.dependency.relation.name();
        text +=
            &format!("  T{from} before T{to} ({relation}): {}\n", sentence(log, step, from, to));
    }
    text.truncate(text.trim_end().len());
    text
}

/// What one step rests on.
fn sentence(log: &Log, step: &Step, from: usize, to: usize) -> String {
    let Dependency { relation, key, value, next, .. } = step.dependency;
    let (key, old, new) = (log.text(key), log.text(value), log.text(next));
    match (relation, log.kind) {
        (Relation::Ww | Relation::Rw, _) if step.dependency.basis != Basis::Data => format!(
            "T{from} read or wrote key {key} = {old}, and {new}, which T{to} wrote, came later: {}",
            reason(step.dependency.basis)
        ),
        (Relation::Ww, Kind::Registers) => format!(
            "T{from} wrote key {key} = {old}, which a transaction read before it wrote {new}, \
             T{to}'s value"
        ),
        (Relation::Ww, Kind::Lists) => {
            format!("T{from} appended {old} to key {key}, and T{to} appended {new} after it")
        }
        (Relation::Wr, Kind::Registers) => {
            format!("T{from} wrote key {key} = {old}, which T{to} read")
        }
        (Relation::Wr, Kind::Lists) => {
            format!("T{from} appended {old} to key {key}, which is the end of what T{to} read")
        }
        (Relation::Rw, _) if value == NULL => format!(
            "T{from} read key {key} before anything was written to it, and T{to} wrote {new}"
        ),
        (Relation::Rw, Kind::Registers) => {
            format!("T{from} read key {key} = {old}, and T{to} wrote {new} after that version")
        }
        (Relation::Rw, Kind::Lists) => format!(
            "T{from} read key {key} up to {old}, without {new}, which T{to} appended after it"
        ),
        (Relation::Process, _) => {
            format!("{} did T{from} before T{to}", log.txn(step.from).process)
        }
        (Relation::Realtime, _) => {
            let (ended, began) = (log.txn(step.from).end, log.txn(step.to).begin);
            let (index, time) = ended.map_or((0, 0), |end| (end.index, end.time));
            let gap = began.time.saturating_sub(time) as f64 / 1e6;
            format!(
                "T{from} had completed (operation {index}) {gap:.3} ms before T{to} was asked for \
                 (operation {})",
                began.index
            )
        }
    }
}

/// Why one version came after another one, though no transaction shows it.
fn reason(basis: Basis) -> &'static str {
    match basis {
        Basis::Data => "a transaction read the one and wrote the other",
        Basis::FinalReads => "it is what was read at last",
        Basis::Process => {
            "a process found it in the key after it had read or written the other one"
        }
        Basis::Realtime => {
            "a transaction found it there, or wrote it, that began after one had ended which had \
             read or written the other"
        }
    }
}

fn nodes(log: &Log, steps: &[Step]) -> Vec<[String; 2]> {
    let node = |(i, step): (usize, &Step)| {
        let transaction = log.txn(step.from);
        let title = format!("T{} · {} · op {}", i + 1, transaction.process, transaction.op());
        [title, log.txn_text(step.from)]
    };
    steps.iter().enumerate().map(node).collect()
}

fn arrows(log: &Log, steps: &[Step]) -> Vec<Arrow> {
    let arrow = |step: &Step| {
        let Dependency { relation, key, value, next, .. } = step.dependency;
        let name = relation.name();
        let (key, value, next) = (log.text(key), log.text(value), log.text(next));
        let label = match relation {
            Relation::Ww | Relation::Rw => format!("{name} {key}: {value} → {next}"),
            Relation::Wr => format!("{name} {key}: {value}"),
            Relation::Process | Relation::Realtime => name.to_owned(),
        };
        Arrow { label, relation }
    };
    steps.iter().map(arrow).collect()
}
