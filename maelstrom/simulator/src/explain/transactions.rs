//! Transactions that read what was refused, or what is out of date.

use checkers::Finding;
use checkers::history::{Op, OpType};
use serde_json::Value;

use super::Draft;
use super::lost::Missing;
use super::run::{Operation, Run, at, time};

/// A transaction that was refused and seen all the same.
pub(super) fn refused(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let all: Vec<Operation<'_>> = finding.ops.iter().filter_map(|op| run.operation(*op)).collect();
    let writer = all.iter().find(|op| op.is(OpType::Fail))?;
    let reader = all.iter().find(|op| op.is(OpType::Ok))?;
    let nodes = [writer, reader].map(|op| run.node(op.invoked.process));
    let [Some(refuser), Some(shower)] = nodes else { return None };
    let [refused, shown] = [writer, reader].map(|op| time(op.end()));
    let first = format!(
        "n{refuser} refused op {} at {}, but had put its {value} into key {key} and kept it",
        writer.end().index,
        at(refused)
    );
    let request = run.requests(writer.invoked.index).next()?;
    let answers = run.requests(reader.invoked.index).chain([request]);
    if refuser == shower {
        let (op, shown) = (reader.end().index, at(shown));
        let text = format!("{first}: it answered op {op} with it at {shown}.");
        return Some(Draft::new(text).messages(answers));
    }
    let missing = Missing::of(run, writer, (key, value), reader)?;
    let path = missing.path(shower);
    let how = match path.first() {
        Some(sent) => {
            format!("n{shower} had it from {} at {}", sent.src, at(missing.knew(shower)?))
        }
        None => format!("n{shower} found it"),
    };
    let text =
        format!("{first}: {how}, and answered op {} with it at {}.", reader.end().index, at(shown));
    Some(Draft::new(text).messages(answers).messages(path))
}

/// A transaction that did not see what another had written, of those found.
pub(super) fn contradiction(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let all: Vec<Operation<'_>> = finding.ops.iter().filter_map(|op| run.operation(*op)).collect();
    let pairs = || all.iter().flat_map(|reader| all.iter().map(move |writer| (reader, writer)));
    let is_later = |(reader, writer): &(&Operation<'_>, &Operation<'_>)| {
        writer.end().index < reader.invoked.index
    };
    let with_key = |pair: (_, _)| Some((pair, overlooked(run, pair.0, pair.1)?));
    let ((reader, writer), (key, value, read)) = pairs().filter(is_later).find_map(with_key)?;
    let [shower, keeper] = [reader, writer].map(|op| run.node(op.invoked.process));
    let (shower, keeper) = (shower?, keeper?);
    let by = time(reader.end());
    let first = format!(
        "n{keeper} acknowledged {value} for key {key} at {} (op {}), and n{shower} ran op {} with {read} \
         instead, at {}",
        at(time(writer.end())),
        writer.end().index,
        reader.end().index,
        at(by)
    );
    let requests = run.requests(writer.invoked.index).chain(run.requests(reader.invoked.index));
    if shower == keeper {
        return Some(Draft::new(format!("{first}.")).messages(requests));
    }
    let (key, value) = (key.to_string(), value.to_string());
    let draft = Missing::of(run, writer, (&key, &value), reader)?.at(shower)?;
    Some(Draft { text: format!("{first}. {}", draft.text), ..draft }.messages(requests))
}

/// A key that one wrote and the other, which began later, read as it had been before: what
/// was written, and what read. A transaction's read of its own write says nothing.
fn overlooked(
    run: &Run<'_>,
    reader: &Operation<'_>,
    writer: &Operation<'_>,
) -> Option<(Value, Value, Value)> {
    let reads = steps(reader.end());
    let written = steps(writer.end()).into_iter().filter(|step| step.0 != "r");
    let mut seen: Vec<Value> = Vec::new();
    written.rev().find_map(|(_, key, value)| {
        let is_last = !seen.contains(&key);
        seen.push(key.clone());
        let read = reads.iter().find(|step| step.1 == key).filter(|step| step.0 == "r")?;
        let is_old = match &read.2 {
            Value::Null => true,
            Value::Array(list) => !list.contains(&value),
            _ => is_last && read.2 != value && was_before(run, &key, &read.2, writer),
        };
        is_old.then(|| (key, value, read.2.clone()))
    })
}

/// Whether a value had been written before this transaction began.
fn was_before(run: &Run<'_>, key: &Value, value: &Value, writer: &Operation<'_>) -> bool {
    let before = run.ops.iter().take_while(|op| op.index < writer.invoked.index);
    before
        .filter(|op| op.kind == OpType::Ok && op.process.is_client())
        .any(|op| steps(op).iter().any(|step| step.0 != "r" && step.1 == *key && step.2 == *value))
}

fn steps(op: &Op) -> Vec<(String, Value, Value)> {
    op.decode().unwrap_or_default()
}
