//! Adds that a final read lacks, and how far each got.

use std::collections::BTreeMap;

use checkers::history::OpType;

use super::counter::delta;
use super::lost::{listed, lost};
use super::reach::{Add, Reach, Sight};
use super::run::{Moment, Operation, Run, at, time};
use super::{Draft, services};
use crate::net::Address;
use crate::trace::Sent;

/// Acknowledged adds that a read's node cannot have known, if they are what lacks.
pub(super) fn explain(run: &Run<'_>, read: &Operation<'_>, lacking: i64) -> Option<Draft> {
    let (reach, node) = (run.reach(), Address::Node(run.node(read.invoked.process)?));
    let sight = reach.sight(read)?;
    let is_beyond =
        |add: &&Add<'_>| add.op.is(OpType::Ok) && add.delta != 0 && !sight.knows(node, add);
    let all: Vec<&Add<'_>> = reach.adds.iter().filter(is_beyond).collect();
    let begin = Moment::arrival(all.first()?.request)?;
    if !accounts(run, &all, lacking) || run.unknown(begin, Moment::END).is_some() {
        return None;
    }
    let (asked, by) = run.asked(read)?;
    let view = View { run, reach, sight, node, asked, by, lacking };
    let requests = all.iter().map(|add| add.request);
    let ops = all.iter().flat_map(|add| [add.op.invoked.index, add.op.end().index]);
    Some(view.why(&view.most(&all)).messages(requests).ops(ops))
}

fn sum(adds: &[&Add<'_>]) -> i64 {
    adds.iter().map(|add| add.delta).sum()
}

/// Whether so much can lack without them. Adds in doubt may have been counted or not.
fn accounts(run: &Run<'_>, adds: &[&Add<'_>], lacking: i64) -> bool {
    let doubtful = || run.completed(OpType::Info).filter_map(|op| delta(&op));
    let (less, more): (i64, i64) =
        (doubtful().filter(|by| *by < 0).sum(), doubtful().filter(|by| *by > 0).sum());
    let sum = sum(adds);
    let is_part = adds.iter().all(|add| add.delta.signum() == lacking.signum())
        && sum.unsigned_abs() <= lacking.unsigned_abs();
    is_part || (lacking + less..=lacking + more).contains(&sum)
}

/// What a final read's node can have known.
struct View<'r, 'a> {
    run: &'r Run<'a>,
    reach: &'r Reach<'a>,
    sight: &'r Sight,
    node: Address,
    asked: Moment,
    by: Moment,
    lacking: i64,
}

impl<'a> View<'_, 'a> {
    /// Those that lack for the same reason, of the reason that accounts for the most.
    fn most<'r>(&self, all: &[&'r Add<'a>]) -> Vec<&'r Add<'a>> {
        let mut reasons: BTreeMap<_, Vec<&Add<'a>>> = BTreeMap::new();
        for add in all {
            let reason = (add.life, self.reach.was_told(add), self.sight.forgot(add));
            reasons.entry(reason).or_default().push(*add);
        }
        let most = reasons.into_values().rev().max_by_key(|adds| sum(adds).unsigned_abs());
        most.unwrap_or_default()
    }

    fn why(&self, adds: &[&Add<'a>]) -> Draft {
        let first = adds[0];
        match self.reach.lives[first.life].killed {
            Some(killed) if !self.reach.was_told(first) => self.died(adds, killed),
            _ => self.stayed(adds),
        }
    }

    /// They were lost with the node that was told them.
    fn died(&self, adds: &[&Add<'_>], killed: i64) -> Draft {
        let (first, count, sum) = (adds[0], adds.len(), sum(adds));
        let text = format!(
            "n{} acknowledged the add of {} at {} (op {}) before it had told anybody of it, and was killed \
             at {}.",
            self.reach.lives[first.life].node,
            first.delta,
            at(time(first.op.end())),
            first.op.end().index,
            at(killed)
        );
        let of_all = self.of_all(sum);
        let so = (count > 1)
            .then(|| format!("{count} adds with a sum of {sum}{of_all} were lost in this way."));
        Draft { so, ..Draft::new(text) }
    }

    /// Others may know of them, but the read's node does not.
    fn stayed(&self, adds: &[&Add<'a>]) -> Draft {
        let (first, node) = (adds[0], self.node);
        let of = Address::Node(self.reach.lives[first.life].node);
        let (they, forgotten) =
            (if adds.len() == 1 { "it" } else { "them" }, self.sight.forgot(first));
        let begin = match forgotten {
            Some(killed) => {
                format!("{node} was killed at {} and forgot {}", at(killed), which(adds, of))
            }
            None => format!("{of} acknowledged {}", when(adds)),
        };
        let since = forgotten.unwrap_or(i64::MIN);
        let mut sent = self.reach.lost(node, first, self.by);
        sent.retain(|sent| sent.time >= since);
        let text = match self.unasked(first) {
            Some(service) if forgotten.is_none() => format!(
                "{begin}; {service} has {they}, but {node} did not ask it before it answered at {}.",
                at(self.by.time)
            ),
            _ => format!("{begin}; {}.", self.in_vain(&sent, they)),
        };
        Draft { so: Some(self.how_far(adds, of)), ..Draft::new(text) }.messages(sent)
    }

    /// A service that has it, and that the node did not ask.
    fn unasked(&self, add: &Add<'_>) -> Option<Address> {
        let mut knowing = self.sight.knowing(add).into_iter();
        let service = knowing.rfind(|who| matches!(who, Address::Service(_)))?;
        let is_asked = services::has_asked(self.run, self.node, service, (self.asked, self.by));
        (!is_asked).then_some(service)
    }

    /// What was sent to tell of them.
    fn in_vain(&self, sent: &[&Sent], they: &str) -> String {
        let node = self.node;
        match sent.len() {
            0 => {
                format!("no message that was sent to {node} after that can have told it of {they}")
            }
            1 => format!(
                "one message to {node} can have told it of {they}, but {}",
                lost(node, sent).0
            ),
            count => format!(
                "{count} messages to {node} can have told it of {they}, but {}",
                lost(node, sent).0
            ),
        }
    }

    /// How far they got.
    fn how_far(&self, adds: &[&Add<'_>], of: Address) -> String {
        let mut knowing = self.sight.knowing(adds[0]);
        knowing.retain(|who| *who != of);
        let knowing: Vec<String> = knowing.iter().map(Address::to_string).collect();
        let (they, make) = if adds.len() == 1 { ("It", "makes") } else { ("They", "make") };
        let got = match &knowing[..] {
            [] => "reached nobody else".to_owned(),
            _ => format!("got no further than {}", listed(&knowing)),
        };
        let of_all = self.of_all(sum(adds));
        let share = match &*of_all {
            "" => of_all,
            _ => format!(", and {make} up {}{of_all}", sum(adds)),
        };
        format!("{they} {got}{share}.")
    }

    /// Of how much it is a part, unless it is all.
    fn of_all(&self, sum: i64) -> String {
        match self.lacking {
            all if sum.unsigned_abs() < all.unsigned_abs() => {
                format!(" of the {all} that are missing")
            }
            _ => String::new(),
        }
    }
}

/// Some adds that a node was told.
fn which(adds: &[&Add<'_>], of: Address) -> String {
    match adds {
        [add] => format!("the add of {} that {of} was told at {}", add.delta, at(add.request.time)),
        _ => format!("{} adds that {of} was told, {} in sum", adds.len(), sum(adds)),
    }
}

/// Some adds, and when they were acknowledged.
fn when(adds: &[&Add<'_>]) -> String {
    let ended = |add: &Add<'_>| at(time(add.op.end()));
    match adds {
        [first, .., last] => format!(
            "{} adds between {} and {}, {} in sum",
            adds.len(),
            ended(first),
            ended(last),
            sum(adds)
        ),
        _ => {
            let add = adds[0];
            format!("the add of {} at {} (op {})", add.delta, ended(add), add.op.end().index)
        }
    }
}
