//! Where in messages the values of clients stand.
//!
//! A number may count something else: a beat, a term, a message. The place tells: where a
//! value stands, nothing ever stands that its sender could not know. A place is the type of
//! a message with the way to a scalar in it.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde_json::Value;

use super::run::{Arrivals, Moment, Run, time};
use crate::net::Address;

/// So many scalars are looked at; in a run with more, later ones tell nothing of places.
const ENOUGH: usize = 20_000_000;

/// Places where something stands that is no value of a client's.
#[derive(Debug, Default)]
pub(super) struct Places(FxHashSet<u64>);

impl Places {
    pub(super) fn holds_values(&self, place: u64) -> bool {
        !self.0.contains(&place)
    }

    /// Learns them from a whole run.
    pub(super) fn of(run: &Run<'_>) -> Self {
        let (mut places, mut known) = (Self::default(), Known::default());
        let mut asked = run.ops.iter().filter(|op| op.is_invocation()).peekable();
        let mut arrivals = Arrivals::default();
        let gap = run.trace.gaps_of_messages().min().unwrap_or(i64::MAX);
        let mut count = 0;
        for sent in run.trace.messages.iter().filter(|sent| !sent.dest.is_client()) {
            while let Some(op) = asked.next_if(|op| time(op) <= sent.time) {
                let value = serde_json::from_str(op.value.get()).unwrap_or_default();
                scalars(&value, 0, &mut |_, scalar| known.told.extend([scalar]));
            }
            while let Some((_, (dest, heard))) = arrivals.before(sent.line) {
                known.hears(dest, heard);
            }
            let mut all = Vec::new();
            of_body(&sent.body, &mut |place, scalar| {
                let is_odd =
                    !sent.src.is_client() && !known.may(sent.src, scalar, sent.time >= gap);
                if is_odd && sent.left_out.is_none() {
                    places.0.insert(place);
                }
                all.push(scalar);
            });
            count += all.len();
            if count > ENOUGH {
                break;
            }
            let heard = sent.left_out.is_none().then_some(all);
            arrivals.add(Moment::arrival(sent), (sent.dest, heard));
        }
        places
    }
}

/// What everybody may know.
#[derive(Default)]
struct Known {
    /// What clients have asked for.
    told: FxHashSet<u64>,
    heard: FxHashMap<Address, FxHashSet<u64>>,
    /// Those that heard something which is not in the trace.
    obscure: FxHashSet<Address>,
}

impl Known {
    fn hears(&mut self, who: Address, heard: Option<Vec<u64>>) {
        match heard {
            Some(scalars) => self.heard.entry(who).or_default().extend(scalars),
            None => drop(self.obscure.insert(who)),
        }
    }

    fn may(&self, who: Address, scalar: u64, is_after_gap: bool) -> bool {
        self.heard.get(&who).is_some_and(|heard| heard.contains(&scalar))
            || (is_after_gap || self.obscure.contains(&who)) && self.told.contains(&scalar)
    }
}

/// Members of a body that are the protocol's, not the node's.
pub(super) const OF_THE_PROTOCOL: [&str; 3] = ["type", "msg_id", "in_reply_to"];

/// Calls for each scalar in a body, with its place.
pub(super) fn of_body(body: &str, each: &mut impl FnMut(u64, u64)) {
    let Ok(Value::Object(members)) = serde_json::from_str(body) else { return };
    let kind = hash(&(0, members.get("type").and_then(Value::as_str)));
    let own = members.iter().filter(|(name, _)| !OF_THE_PROTOCOL.contains(&name.as_str()));
    own.for_each(|(name, value)| scalars(value, hash(&(kind, name)), each));
}

/// A list that is longer has values of one kind.
const LONGEST_TUPLE: usize = 4;

fn scalars(value: &Value, place: u64, each: &mut impl FnMut(u64, u64)) {
    match value {
        Value::Array(items) => {
            let number = |index| if items.len() <= LONGEST_TUPLE { index } else { usize::MAX };
            let items = items.iter().enumerate();
            items.for_each(|(index, item)| scalars(item, hash(&(place, number(index))), each));
        }
        Value::Object(members) => {
            for (name, value) in members {
                each(hash(&(place, "names")), self::name(name));
                let is_number = name.parse::<i64>().is_ok();
                let member = if is_number { "" } else { name.as_str() };
                scalars(value, hash(&(place, member)), each);
            }
        }
        _ => {
            if let Some(scalar) = scalar(value) {
                each(place, scalar);
            }
        }
    }
}

/// What stands for a name, which may be a number.
pub(super) fn name(name: &str) -> u64 {
    name.parse::<i64>().map_or_else(|_| hash(&name), |number| hash(&number))
}

/// What stands for a text or a number.
pub(super) fn scalar(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => {
            Some(number.as_i64().map_or_else(|| hash(&number.to_string()), |number| hash(&number)))
        }
        Value::String(text) => Some(hash(&text)),
        _ => None,
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    of.hash(&mut hasher);
    hasher.finish()
}
