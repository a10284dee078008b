//! Transactions that read what was refused, or what is out of date.

use checkers::history::OpType;
use checkers::{Finding, Missed};

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
    let [writer, reader] = &all[..] else { return None };
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

/// A transaction that did not see what another wrote: of the steps of a circle, one whose
/// writer had ended when the reader began, if there is one.
pub(super) fn contradiction(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let pair = |missed| Pair::of(run, missed);
    let pairs: Vec<Pair<'_, '_>> = finding.subject.missed.iter().filter_map(pair).collect();
    let mut late = pairs.iter().filter(|pair| pair.is_late());
    late.find_map(|pair| pair.why(run)).or_else(|| pairs.iter().find_map(|pair| pair.why(run)))
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

    fn why(&self, run: &Run<'a>) -> Option<Draft> {
        let Self { missed, reader, writer, shower, keeper } = self;
        let Missed { key, read, value, .. } = missed;
        let [(wrote, written), (ran, asked)] =
            [writer, reader].map(|op| (op.end().index, at(time(op.end()))));
        let first = if self.is_late() {
            format!(
                "n{keeper} acknowledged {value} for key {key} at {written} (op {wrote}), but n{shower} \
                 answered op {ran} with {read} instead, at {asked}"
            )
        } else {
            format!(
                "n{shower} answered op {ran} at {asked} with {read} for key {key}, without the {value} that \
                 op {wrote} wrote on n{keeper}, which answered at {written}"
            )
        };
        let requests = run.requests(writer.invoked.index).chain(run.requests(reader.invoked.index));
        if shower == keeper {
            return Some(Draft::new(format!("{first}.")).messages(requests));
        }
        let draft = Missing::of(run, writer, (key, value), reader)?.at(*shower)?;
        Some(draft.after(&first).messages(requests))
    }
}
