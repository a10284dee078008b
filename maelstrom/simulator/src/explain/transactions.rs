//! Transactions that read what was refused, or what is out of date.

use std::cmp::Ordering;
use std::iter;

use checkers::history::OpType;
use checkers::{Finding, Missed};
use serde_json::{Value, json};

use super::lost::{Missing, listed};
use super::run::{Moment, Operation, Run, Wanted, at, member, time};
use super::{Draft, services};
use crate::net::Address;
use crate::trace::Sent;

/// A step of a transaction: what is done, to which key, and what was written or read.
type Step = (String, Value, Value);

/// A transaction whose answer is about other steps than were asked for.
pub(super) fn altered(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let ops = finding.ops.iter().filter_map(|op| run.operation(*op));
    ops.filter(|op| op.is(OpType::Ok) && op.invoked.f == "txn").find_map(|op| {
        let [asked, got]: [Vec<Step>; 2] =
            [op.invoked, op.end()].map(|op| op.decode().unwrap_or_default());
        let is_same = |(asked, got): &(&Step, &Step)| match asked.0.as_str() {
            "r" => (&asked.0, &asked.1) == (&got.0, &got.1),
            "w" | "append" => asked == got,
            _ => true,
        };
        let (asked, got) = asked.iter().zip(&got).find(|both| !is_same(both))?;
        let [asked, got] = [asked, got].map(|step| json!(step));
        let text = format!(
            "n{} was asked for {asked} in op {}, and its answer at {} says {got} there: what it says it did is \
             not what it was asked to do.",
            run.node(op.invoked.process)?,
            op.end().index,
            at(time(op.end()))
        );
        Some(Draft::new(text).messages(run.requests(op.invoked.index)))
    })
}

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
        "n{refuser} refused op {} at {}, but had already put {value} into key {key} and kept it there",
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
            format!("n{shower} got it from {} at {}", sent.src, at(missing.knew(shower)?))
        }
        None => format!("n{shower} found it"),
    };
    let text =
        format!("{first}: {how}, and answered op {} with it at {}.", reader.end().index, at(shown));
    Some(Draft::new(text).messages(answers).messages(path))
}

/// A transaction that was seen before it had ended.
pub(super) fn intermediate(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let (key, value) = (finding.subject.key.as_deref()?, finding.subject.value.as_deref()?);
    let all: Vec<Operation<'_>> = finding.ops.iter().filter_map(|op| run.operation(*op)).collect();
    let [one, other] = &all[..] else { return None };
    let (writer, reader) = if wrote(one, key, value) { (one, other) } else { (other, one) };
    let nodes = [writer, reader].map(|op| run.node(op.invoked.process));
    let [Some(keeper), Some(shower)] = nodes else { return None };
    let [wrote, read] = [writer, reader].map(|op| op.end().index);
    let text = format!(
        "n{keeper} ran op {wrote} step by step in view of others: it put {value} under key {key} and then \
         replaced it, but n{shower} answered op {read} at {} with that {value}.",
        at(time(reader.end()))
    );
    let requests = run.requests(writer.invoked.index).chain(run.requests(reader.invoked.index));
    Some(Draft::new(text).messages(requests))
}

/// A transaction that does not see what it did itself.
pub(super) fn forgetful(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let op = run.operation(*finding.ops.first()?)?;
    let text = format!(
        "n{} answered op {} at {} with a read that does not show what the same transaction had read or written \
         before: its steps did not run one after the other.",
        run.node(op.invoked.process)?,
        op.end().index,
        at(time(op.end()))
    );
    Some(Draft::new(text).messages(run.requests(op.invoked.index)))
}

/// Whether a transaction wrote this value to this key.
fn wrote(op: &Operation<'_>, key: &str, value: &str) -> bool {
    let [key, value] = [key, value].map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
    let steps: Vec<Step> = op.invoked.decode().unwrap_or_default();
    steps.iter().any(|(f, of, to)| f != "r" && (of, to) == (&key, &value))
}

/// A transaction that did not see what another wrote: of the steps of a circle, one whose
/// writer had ended when the reader began, if there is one.
pub(super) fn contradiction(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let ops: Vec<Operation<'_>> = finding.ops.iter().filter_map(|op| run.operation(*op)).collect();
    let pair = |missed| Pair::of(run, missed);
    let pairs = finding.subject.missed.iter().filter_map(pair);
    let (written, read): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.missed.is_written);
    let any = || read.iter().find_map(|pair| pair.why(run));
    let begin = ops.iter().map(|op| op.invoked.index).min().unwrap_or(0);
    let end = ops.iter().map(|op| op.end().index).max().unwrap_or(0);
    let near = || {
        let kinds = [OpType::Ok, OpType::Info].into_iter();
        let all = kinds.flat_map(|kind| run.completed(kind));
        all.filter(|op| op.invoked.index < end && op.end().index > begin)
    };
    // Of lists that part it is those who wrote the elements at which they do.
    let parting = finding.subject.missed.iter().filter(|_| finding.kind == "incompatible-order");
    let parting: Vec<Operation<'_>> =
        parting.filter_map(|missed| run.operation(missed.writer)).collect();
    unread(run)
        .or_else(|| services::clash(run, &ops, iter::empty()))
        .or_else(|| services::clash(run, &parting, iter::empty()))
        .or_else(|| parted(run, finding, &parting))
        .or_else(|| read.iter().filter(|pair| pair.is_late()).find_map(|pair| pair.why(run)))
        .or_else(any)
        .or_else(|| written.iter().filter(|pair| pair.is_late()).find_map(|pair| pair.why(run)))
        .or_else(|| mixed(run, finding, &ops))
        .or_else(|| services::clash(run, &ops, near()))
}

/// Of fewer reads it may be chance that none shows anything.
const ENOUGH: usize = 5;

/// No read of the run shows anything, although much was written: what is asked for comes back as
/// the answer.
fn unread(run: &Run<'_>) -> Option<Draft> {
    let done = run.completed(OpType::Ok).filter(|op| op.invoked.f == "txn");
    let done: Vec<Vec<Step>> = done.map(|op| op.end().decode().unwrap_or_default()).collect();
    let (reads, writes): (Vec<&Step>, Vec<&Step>) =
        done.iter().flatten().partition(|(f, ..)| f == "r");
    let is_empty = |(_, _, value): &&Step| value.is_null();
    let (count, of) = (reads.len(), writes.len());
    (count >= ENOUGH && of >= ENOUGH && reads.iter().all(is_empty)).then(|| {
        Draft::new(format!(
            "None of all {count} reads shows a value, although {of} writes were acknowledged: nothing is kept, or \
             the answer is what was asked for, without what was read."
        ))
    })
}

/// Two lists of a key part where these wrote: neither knew of the other.
fn parted(run: &Run<'_>, finding: &Finding, parting: &[Operation<'_>]) -> Option<Draft> {
    let (key, [one, other]) = (&finding.subject.missed.first()?.key, parting) else { return None };
    let (first, second) = match one.end().index.cmp(&other.end().index) {
        Ordering::Less => (one, other),
        Ordering::Greater => (other, one),
        Ordering::Equal => return None,
    };
    let value = |op: &Operation<'_>| {
        let missed =
            finding.subject.missed.iter().find(|missed| missed.writer == op.end().index)?;
        Some(missed.value.clone())
    };
    let [one, two] = [first, second].map(|op| run.node(op.invoked.process));
    let (one, two, before, after) = (one?, two?, value(first)?, value(second)?);
    let told = |op: &Operation<'_>| format!("at {} (op {})", at(time(op.end())), op.end().index);
    let begin = format!(
        "n{one} appended {before} to key {key} {}, and n{two} appended {after} at the same place {}",
        told(first),
        told(second)
    );
    let requests = run.requests(first.invoked.index).chain(run.requests(second.invoked.index));
    let draft = if one == two {
        let (from, _) = together(run, [first, second])?;
        Draft::new(format!(
            "{begin}. It had both transactions at the same time, from {from} on, and the list of one took the \
             place of the other's."
        ))
    } else {
        let missing = Missing::of(run, first, (key, &before), second)?;
        let wanted = Wanted::new(&before, Some(key))?;
        match services::erased(run, missing.carriers(), &wanted) {
            Some(erased) => erased,
            None => missing.at(two)?.after(&begin),
        }
    };
    Some(draft.messages(requests))
}

/// From when to when a node had two operations at the same time, if it did.
fn together(run: &Run<'_>, ops: [&Operation<'_>; 2]) -> Option<(String, String)> {
    let [one, other] = ops.map(|op| run.asked(op));
    let ((got, answered), (other_got, other_answered)) = (one?, other?);
    let (from, to) = (got.max(other_got), answered.min(other_answered));
    (from < to).then(|| (at(from.time), at(to.time)))
}

/// Transactions that ran at the same time, of which each saw or overwrote a part of another.
fn mixed(run: &Run<'_>, finding: &Finding, ops: &[Operation<'_>]) -> Option<Draft> {
    let is_such = ["G0", "G1c"].iter().any(|kind| finding.kind.starts_with(kind));
    let is_txn =
        |op: &Operation<'_>| op.invoked.f == "txn" && run.node(op.invoked.process).is_some();
    let begin = ops.iter().map(|op| op.invoked.index).max()?;
    let end = ops.iter().map(|op| op.end().index).min()?;
    if !is_such || ops.len() < 2 || !ops.iter().all(is_txn) || begin > end {
        return None;
    }
    let spans: Vec<String> = ops
        .iter()
        .filter_map(|op| {
            let node = run.node(op.invoked.process)?;
            let [from, to] = [op.invoked, op.end()].map(|op| at(time(op)));
            Some(format!("op {} on n{node} from {from} to {to}", op.end().index))
        })
        .collect();
    let text = format!(
        "These ran at the same time: {}. Each came to see or to overwrite a part of what another did, so their \
         steps were mixed.",
        listed(&spans)
    );
    let requests = ops.iter().flat_map(|op| run.requests(op.invoked.index));
    Some(Draft::new(text).messages(requests))
}

/// What two transactions did with a key.
struct Pair<'m, 'a> {
    missed: &'m Missed,
    reader: Operation<'a>,
    writer: Operation<'a>,
    shower: usize,
    keeper: usize,
}

impl<'m, 'a> Pair<'m, 'a> {
    fn of(run: &Run<'a>, missed: &'m Missed) -> Option<Self> {
        let (reader, writer) = (run.operation(missed.reader)?, run.operation(missed.writer)?);
        let (shower, keeper) =
            (run.node(reader.invoked.process)?, run.node(writer.invoked.process)?);
        Some(Self { missed, reader, writer, shower, keeper })
    }

    /// Whether the read should have seen the write.
    fn is_late(&self) -> bool {
        self.writer.end().index < self.reader.invoked.index
    }

    /// Whether the reader's list has it, at another place.
    fn is_shown(&self) -> bool {
        let [key, value] =
            [&self.missed.key, &self.missed.value].map(|text| serde_json::from_str(text).ok());
        let (Some::<Value>(key), Some::<Value>(value)) = (key, value) else { return false };
        let steps: Vec<Step> = self.reader.end().decode().unwrap_or_default();
        let lists = steps.iter().filter(|(f, of, _)| f == "r" && *of == key);
        lists.filter_map(|(.., list)| list.as_array()).any(|list| list.contains(&value))
    }

    /// Whether values of the key are lists, so that none takes the place of another.
    fn is_list(&self) -> bool {
        let steps: Vec<Step> = self.writer.invoked.decode().unwrap_or_default();
        steps.iter().any(|(f, ..)| f == "append")
    }

    /// What was acknowledged, and what contradicts it.
    fn first(&self) -> String {
        let Self { missed, reader, writer, shower, keeper } = self;
        let Missed { key, read, value, .. } = missed;
        let [(wrote, written), (ran, asked)] =
            [writer, reader].map(|op| (op.end().index, at(time(op.end()))));
        if missed.is_written {
            format!(
                "n{keeper} acknowledged {value} for key {key} at {written} (op {wrote}), but {read}, which \
                 n{shower} was asked to write only at {} (op {ran}), came before it there",
                at(time(reader.invoked))
            )
        } else if self.is_late() {
            format!(
                "n{keeper} acknowledged {value} for key {key} at {written} (op {wrote}), but n{shower} \
                 answered op {ran} with {read} instead, at {asked}"
            )
        } else {
            format!(
                "n{shower} answered op {ran} at {asked} with {read} for key {key}, without the {value} that \
                 op {wrote} wrote on n{keeper}, which answered at {written}"
            )
        }
    }

    fn why(&self, run: &Run<'a>) -> Option<Draft> {
        let Self { missed, reader, writer, shower, keeper } = self;
        if !missed.is_written && self.is_shown() {
            return None;
        }
        let Missed { key, value, .. } = missed;
        let first = self.first();
        let requests = run.requests(writer.invoked.index).chain(run.requests(reader.invoked.index));
        let missing = Missing::of(run, writer, (key, value), reader);
        if let Some(draft) = missing.as_ref().and_then(|missing| self.in_between(run, missing)) {
            return Some(draft.after(&first).messages(requests));
        }
        let wanted = Wanted::new(value, Some(key));
        let erased = missing.as_ref().zip(wanted).and_then(|(missing, wanted)| {
            services::erased(run, missing.carriers(), &wanted).filter(|_| self.is_list())
        });
        if let Some(draft) = erased {
            return Some(draft.messages(requests));
        }
        if let Some(draft) = missing.as_ref().and_then(|missing| self.old_read(run, missing)) {
            return Some(draft.after(&first).messages(requests));
        }
        if shower == keeper {
            let killed = run.killed(*keeper, time(writer.end()), time(reader.invoked)).is_some();
            if let Some(draft) = missing.filter(|_| killed).and_then(|missing| missing.at(*shower))
            {
                return Some(draft.after(&first).messages(requests));
            }
            let so = together(run, [writer, reader]).map(|(from, _)| {
                format!("n{shower} had both at the same time, from {from} on, and did not keep them apart.")
            });
            return Some(Draft { so, ..Draft::new(format!("{first}.")) }.messages(requests));
        }
        let draft = missing?.at(*shower)?;
        Some(draft.after(&first).messages(requests))
    }

    /// The reader asked a service, and was told what was there before.
    fn old_read(&self, run: &Run<'a>, missing: &Missing<'_, 'a>) -> Option<Draft> {
        let [writer, reader] = [self.keeper, self.shower].map(Address::Node);
        let Missed { key, value, .. } = self.missed;
        let wanted = Wanted::new(value, Some(key))?;
        let is_store =
            |sent: &&Sent| sent.src == writer && matches!(sent.dest, Address::Service(_));
        let mut stored = missing.carriers().filter(is_store);
        let asked = run.asked(&self.reader)?;
        stored.find_map(|stored| {
            services::old_read_without(run, reader, asked, &wanted, (value, stored))
        })
    }

    /// Both ran their steps on a service, one by one.
    fn in_between(&self, run: &Run<'a>, missing: &Missing<'_, 'a>) -> Option<Draft> {
        let [writer, reader] = [self.keeper, self.shower].map(Address::Node);
        let is_store =
            |sent: &&Sent| sent.src == writer && matches!(sent.dest, Address::Service(_));
        let stored = missing.carriers().find(is_store)?;
        let (service, key) = (stored.dest, member(stored, "key"));
        let (asked, answered) = run.asked(&self.reader)?;
        let told = run.inner().rfind(|sent| {
            (sent.src, sent.dest) == (service, reader)
                && Moment::arrival(sent).is_some_and(|got| asked < got && got < answered)
                && run.request(sent).is_some_and(|question| {
                    question.kind() == "read" && member(question, "key") == key
                })
        })?;
        if self.is_late() || stored.arrived? < told.line {
            return None;
        }
        let text = format!(
            "{service} told {reader} of key {key} at {}, and got what {writer} wrote there only at {}: they ran \
             their steps one by one, each in between those of the other.",
            at(told.time),
            at(Moment::arrival(stored)?.time)
        );
        Some(Draft::new(text).messages([told, stored]))
    }
}
