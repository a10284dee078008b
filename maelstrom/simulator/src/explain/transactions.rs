//! Transactions that read what was refused, or what is out of date.

use checkers::Finding;
use checkers::history::{Op, OpType};
use serde_json::Value;

use super::Draft;
use super::lost::Missing;
use super::run::{Operation, Run, Wanted, at, time};

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
    let wanted = Wanted::new(value, Some(key))?;
    let origin = (request.dest, *request.receipts.first()?, writer.invoked.index);
    let missing = Missing::from(run, &wanted, value.to_owned(), &[origin], shown)?;
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
    let with_key = |pair: (_, _)| Some((pair, overlooked(pair.0, pair.1)?));
    let found = pairs().filter(is_later).find_map(with_key);
    let ((reader, writer), (key, value, read)) = found.or_else(|| pairs().find_map(with_key))?;
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
    let wanted = Wanted::new(&value.to_string(), Some(&key.to_string()))?;
    let request = run.requests(writer.invoked.index).next()?;
    let origin = (request.dest, *request.receipts.first()?, writer.invoked.index);
    let draft = Missing::from(run, &wanted, value.to_string(), &[origin], by)?.at(shower)?;
    Some(Draft { text: format!("{first}. {}", draft.text), ..draft }.messages(requests))
}

/// A key that one wrote and the other read without that: what was written, and what read.
fn overlooked(reader: &Operation<'_>, writer: &Operation<'_>) -> Option<(Value, Value, Value)> {
    if reader.invoked.index == writer.invoked.index {
        return None;
    }
    let reads = steps(reader.end());
    let written = steps(writer.end()).into_iter().filter(|step| step.0 != "r");
    written.rev().find_map(|(_, key, value)| {
        let read = reads.iter().find(|step| step.0 == "r" && step.1 == key)?;
        let has_it = read.2 == value || read.2.as_array().is_some_and(|list| list.contains(&value));
        (!has_it).then(|| (key, value, read.2.clone()))
    })
}

fn steps(op: &Op) -> Vec<(String, Value, Value)> {
    op.decode().unwrap_or_default()
}
