//! Ids that were given out twice.

use checkers::Finding;
use checkers::history::OpType;
use serde_json::Value;

use super::Draft;
use super::run::{Moment, Operation, Run, Wanted, at, time};
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
    let (one, other) = (run.asked(&first), run.asked(&again));
    let is_one = nodes[0] == nodes[1] && one.zip(other).is_some_and(|(one, other)| other.0 < one.1);
    let so = clock(run)
        .map(|unit| format!("The ids are a clock's {unit}, and both were asked for within one."))
        .or_else(|| (nodes[0] != nodes[1]).then(|| same_sequence(run, nodes)).flatten())
        .or_else(|| few(run))
        .or_else(|| is_one.then(|| at_once(other?.0)).flatten());
    let draft = Draft { so, ..draft };
    Some(draft.messages(requests).ops([first.invoked.index, again.invoked.index]))
}

/// The second was asked for before the first was answered.
fn at_once(asked: Moment) -> Option<String> {
    Some(format!(
        "The second request reached it at {}, before it had answered the first: two handlers at once took \
         the same.",
        at(asked.time)
    ))
}

/// What was given out, in order.
fn given<'r, 'a>(run: &'r Run<'a>) -> impl Iterator<Item = Operation<'a>> + use<'r, 'a> {
    run.completed(OpType::Ok).filter(|op| op.invoked.f == "generate")
}

/// Of fewer ids nothing can be said of how they are made.
const ENOUGH: usize = 10;

/// Two nodes give out the same ids in the same order.
fn same_sequence(run: &Run<'_>, nodes: [usize; 2]) -> Option<String> {
    let of = |node| -> Vec<&str> {
        let own = given(run).filter(|op| run.node(op.invoked.process) == Some(node));
        own.map(|op| op.end().value.get()).collect()
    };
    let [one, other] = nodes.map(of);
    let same = one.iter().zip(&other).filter(|(one, other)| one == other).count();
    let all = one.len().min(other.len());
    (all >= ENOUGH && 2 * same > all).then(|| {
        format!(
            "n{} and n{} give out the same ids in the same order: nothing in them tells the nodes apart.",
            nodes[0], nodes[1]
        )
    })
}

/// Numbers in no order, from so few that two of so many are the same.
fn few(run: &Run<'_>) -> Option<String> {
    let ids: Option<Vec<i64>> = given(run).map(|op| op.end().decode().ok()).collect();
    let ids = ids.filter(|ids| ids.len() >= ENOUGH)?;
    let (low, high) = (*ids.iter().min()?, *ids.iter().max()?);
    let falls = ids.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let (span, count) = (u128::from(high.abs_diff(low)), ids.len() as u128);
    (3 * falls > ids.len() && span < count * count).then(|| {
        format!(
            "The {count} ids lie in no order between {low} and {high}: if they are drawn at random, of so few \
             numbers two come out the same."
        )
    })
}

/// The number in an id: all of it, or what its text ends with.
fn number(id: &Value) -> Option<f64> {
    match id {
        Value::String(text) => {
            let digits =
                text.len() - text.trim_end_matches(|char: char| char.is_ascii_digit()).len();
            text[text.len() - digits..].parse().ok()
        }
        id => id.as_u64().map(|id| id as f64),
    }
}

/// The unit in which ids grow as time goes by, if they all do.
fn clock(run: &Run<'_>) -> Option<&'static str> {
    let units = [("seconds", 1e9), ("milliseconds", 1e6), ("microseconds", 1e3)];
    let given: Vec<(f64, f64)> = given(run)
        .map(|op| Some((time(op.end()) as f64, number(&op.end().decode().ok()?)?)))
        .collect::<Option<_>>()?;
    let range = |all: &mut dyn Iterator<Item = f64>| {
        let (low, high) =
            all.fold((f64::MAX, f64::MIN), |(low, high), one| (low.min(one), high.max(one)));
        high - low
    };
    let lasted = range(&mut given.iter().map(|(time, _)| *time));
    let is_clock = |unit: f64| {
        let spread = range(&mut given.iter().map(|(time, id)| id - time / unit));
        given.len() >= ENOUGH
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
