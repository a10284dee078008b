//! Ids that were given out twice; values that a read has twice.

use checkers::Finding;

use super::Draft;
use super::run::{Run, Wanted, at, time};
use crate::net::Address;

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let value = finding.subject.value.as_deref()?;
    let [first, again] = finding.ops[..] else { return None };
    let (first, again) = (run.operation(first)?, run.operation(again)?);
    let (one, other) = (run.node(first.invoked.process)?, run.node(again.invoked.process)?);
    let times = [time(first.end()), time(again.end())];
    let [before, after] = times.map(at);
    let requests = run.requests(first.invoked.index).chain(run.requests(again.invoked.index));
    let draft = Draft::new("").messages(requests).ops([first.invoked.index, again.invoked.index]);
    if one == other {
        let text = match run.killed(one, times[0], times[1]) {
            Some(killed) => format!(
                "n{one} gave out {value} at {before}, was killed at {}, and gave it out again at {after}: it \
                 had forgotten what it had given out.",
                at(killed)
            ),
            None => {
                format!("n{one} gave out {value} at {before} and again at {after}, all by itself.")
            }
        };
        return Some(Draft { text, ..draft });
    }
    let both =
        format!("n{one} gave out {value} at {before}, and n{other} gave it out again at {after}");
    if let Some(spell) = run.cut(one, other, times[1]).or_else(|| run.cut(other, one, times[1])) {
        let from = at(spell.from);
        let text = format!(
            "{both}, while the {} from {from} kept them from hearing each other.",
            spell.fault
        );
        return Some(Draft { text, ..draft });
    }
    // Somebody told them, or each made it up.
    let wanted = Wanted::new(value, None)?;
    let sources = |node: usize, by: i64| {
        run.inner().filter(|sent| sent.dest == Address::Node(node)).find(|sent| {
            sent.receipts.first().is_some_and(|time| *time <= by) && wanted.is_in(&sent.body)
        })
    };
    let (text, told) = match (sources(one, times[0]), sources(other, times[1])) {
        (Some(a), Some(b)) if a.src == b.src => (
            format!(
                "{both}: {} had told it to both, at {} and at {}.",
                a.src,
                at(a.time),
                at(b.time)
            ),
            vec![a, b],
        ),
        _ => (
            format!("{both}: each made it up by itself, and no message had told n{other} of it."),
            vec![],
        ),
    };
    Some(Draft { text, ..draft }.messages(told))
}
