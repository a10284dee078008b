//! Ids that were given out twice.

use checkers::Finding;
use checkers::history::OpType;

use super::Draft;
use super::run::{Run, Wanted, at, time};
use crate::net::Address;
use crate::trace::Sent;

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let value = finding.subject.value.as_deref()?;
    let [first, again] = finding.ops[..] else { return None };
    let (first, again) = (run.operation(first)?, run.operation(again)?);
    let nodes = [run.node(first.invoked.process)?, run.node(again.invoked.process)?];
    let times = [time(first.end()), time(again.end())];
    let draft = match nodes {
        [node, other] if node == other => by_one(run, value, node, times),
        _ => by_two(run, value, nodes, times)?,
    };
    let requests = run.requests(first.invoked.index).chain(run.requests(again.invoked.index));
    let so = clock(run)
        .map(|unit| format!("The ids are a clock's {unit}, and both were asked for within one."));
    let draft = Draft { so, ..draft };
    Some(draft.messages(requests).ops([first.invoked.index, again.invoked.index]))
}

/// The unit in which ids grow as time goes by, if they all do.
fn clock(run: &Run<'_>) -> Option<&'static str> {
    let units = [("seconds", 1e9), ("milliseconds", 1e6), ("microseconds", 1e3)];
    let given = run.completed(OpType::Ok).filter(|op| op.invoked.f == "generate");
    let given: Vec<(f64, f64)> = given
        .map(|op| Some((time(op.end()) as f64, op.end().decode::<u64>().ok()? as f64)))
        .collect::<Option<_>>()?;
    let range = |all: &mut dyn Iterator<Item = f64>| {
        let (low, high) =
            all.fold((f64::MAX, f64::MIN), |(low, high), one| (low.min(one), high.max(one)));
        high - low
    };
    let lasted = range(&mut given.iter().map(|(time, _)| *time));
    let is_clock = |unit: f64| {
        let spread = range(&mut given.iter().map(|(time, id)| id - time / unit));
        given.len() >= 10
            && lasted / unit >= 1.0
            && spread <= 2.0_f64.max(lasted / unit / 10.0)
            && range(&mut given.iter().map(|(_, id)| *id)) >= lasted / unit / 2.0
    };
    units.iter().find(|(_, unit)| is_clock(*unit)).map(|(name, _)| *name)
}

/// A node gave it out twice.
fn by_one(run: &Run<'_>, value: &str, node: usize, times: [i64; 2]) -> Draft {
    let [before, after] = times.map(at);
    Draft::new(match run.killed(node, times[0], times[1]) {
        Some(killed) => format!(
            "n{node} gave out {value} at {before}, was killed at {}, and gave it out again at {after}: it \
             had forgotten what it gave out.",
            at(killed)
        ),
        None => {
            format!(
                "n{node} gave out {value} at {before} and again at {after}, without a restart in between: \
                 it does not remember what it gave out."
            )
        }
    })
}

/// Two nodes gave it out: one was told it as the other was, or could not know, or did not ask.
fn by_two(run: &Run<'_>, value: &str, nodes: [usize; 2], times: [i64; 2]) -> Option<Draft> {
    let [one, other] = nodes;
    let [before, after] = times.map(at);
    let both =
        format!("n{one} gave out {value} at {before}, and n{other} gave it out again at {after}");
    if let Some(spell) = run.cut(one, other, times[1]).or_else(|| run.cut(other, one, times[1])) {
        let (fault, from) = (&spell.fault, at(spell.from));
        let text =
            format!("{both}, while the {fault} from {from} kept them from hearing each other.");
        return Some(Draft::new(text));
    }
    let wanted = Wanted::new(value, None)?;
    let [first, second] = [0, 1].map(|which| told(run, &wanted, nodes[which], times[which]));
    let how = match (first, second) {
        (Some(a), Some(b)) if a.src == b.src => {
            format!("{} had told it to both, at {} and at {}", a.src, at(a.time), at(b.time))
        }
        (_, Some(b)) => {
            format!("n{other} got it from {}, which had sent it at {}", b.src, at(b.time))
        }
        _ => format!("n{other} made it up itself, and no message had told it that n{one} used it"),
    };
    Some(Draft::new(format!("{both}: {how}.")).messages(first.into_iter().chain(second)))
}

/// The first message that told a node a value by this time.
fn told<'a>(run: &Run<'a>, wanted: &Wanted, node: usize, by: i64) -> Option<&'a Sent> {
    let mut told = run.inner().filter(|sent| sent.dest == Address::Node(node));
    told.find(|sent| {
        sent.receipts.first().is_some_and(|time| *time <= by) && wanted.is_in(&sent.body)
    })
}
