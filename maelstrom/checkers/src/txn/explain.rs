//! Cycles in words.
//!
//! A cycle is shown as its transactions, numbered, and as a sentence for every
//! step that says on what the step rests.

use serde_json::{Value, json};

use super::anomaly::Anomaly;
use super::dependency::{Basis, Dependency};
use super::log::{Kind, Log};
use super::model::Model;
use super::naming::{Found, Step};
use super::numbers::{NULL, Txn};
use super::picture::{self, Node};
use super::relation::Relation;
use crate::cases::Case;
use crate::{Missed, Subject};

pub(super) fn case(log: &Log, found: &Found) -> (Anomaly, Case) {
    match found {
        Found::Cycle(anomaly, steps) => (*anomaly, cycle(log, *anomaly, steps)),
        Found::Exists(model, members) => {
            (Anomaly::CycleExists(*model), exists(log, *model, members))
        }
    }
}

fn exists(log: &Log, model: Model, members: &[Txn]) -> Case {
    let mut ops = log.ops(members.iter().copied());
    ops.sort_unstable();
    let size = ops.len();
    let text = format!("among {size} transactions there is a cycle that rules out {model}");
    let anomaly = Anomaly::CycleExists(model).to_string();
    let detail = json!({"type": anomaly, "not": model.name(), "scc-size": size, "scc": ops});
    Case::new(ops, text, detail)
}

fn cycle(log: &Log, anomaly: Anomaly, steps: &[Step]) -> Case {
    let ops = log.ops(steps.iter().map(|step| step.from));
    let closed: Vec<u64> = ops.iter().chain(ops.first()).copied().collect();
    let json_steps: Vec<Value> = steps.iter().map(|step| step_json(log, step)).collect();
    let name = anomaly.to_string();
    let picture = picture::draw(&name, nodes(log, steps));
    let detail = json!({"type": name, "cycle": closed, "steps": json_steps});
    let subject = Subject::missed(steps.iter().filter_map(|step| missed(log, step)).collect());
    Case { picture, ..Case::new(ops, in_words(log, steps), detail) }.about(subject)
}

fn missed(log: &Log, step: &Step) -> Option<Missed> {
    let Dependency { relation, key, value, next, .. } = step.dependency;
    matches!(relation, Relation::Rw | Relation::Ww).then(|| Missed {
        is_written: relation == Relation::Ww,
        reader: log.op(step.from),
        writer: log.op(step.to),
        key: log.text(key),
        read: log.text(value),
        value: log.text(next),
    })
}

fn step_json(log: &Log, step: &Step) -> Value {
    let Dependency { relation, key, value, next, .. } = step.dependency;
    let mut json = json!({ "type": relation });
    match relation {
        Relation::Ww | Relation::Rw | Relation::Wr => {
            json["key"] = log.json(key);
            json["value"] = log.json(value);
            if relation != Relation::Wr {
                json["value'"] = log.json(next);
            }
        }
        Relation::Process => json["process"] = json!(log.txn(step.from).process),
        Relation::Realtime => {
            json["a'"] = json!(log.op(step.from));
            json["b"] = json!(log.txn(step.to).begin.index);
        }
    }
    json
}

/// The transactions, then the steps.
fn in_words(log: &Log, steps: &[Step]) -> String {
    let mut text = String::from("These transactions precede each other in a circle.\n");
    for (i, step) in (1..).zip(steps) {
        let (op, who) = (log.op(step.from), log.txn(step.from).process);
        text += &format!("  T{i} = operation {op} of {who}: {}\n", log.txn_text(step.from));
    }
    for (i, step) in steps.iter().enumerate() {
        let (from, to) = (i + 1, (i + 1) % steps.len() + 1);
        let (relation, sentence) = (step.dependency.relation, sentence(log, step, from, to));
        text += &format!("  T{from} before T{to} ({relation}): {sentence}\n");
    }
    text.truncate(text.trim_end().len());
    text
}

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

/// The transactions, each with the arrow to the next one.
fn nodes(log: &Log, steps: &[Step]) -> Vec<Node> {
    let node = |(i, step): (usize, &Step)| {
        let (op, who) = (log.op(step.from), log.txn(step.from).process);
        let Dependency { relation, key, value, next, .. } = step.dependency;
        let (key, value, next) = (log.text(key), log.text(value), log.text(next));
        let label = match relation {
            Relation::Ww | Relation::Rw => format!("{relation} {key}: {value} → {next}"),
            Relation::Wr => format!("{relation} {key}: {value}"),
            Relation::Process | Relation::Realtime => relation.to_string(),
        };
        let (title, text) = (format!("T{i} · {who} · op {op}"), log.txn_text(step.from));
        Node { title, text, label, relation }
    };
    (1..).zip(steps).map(node).collect()
}
