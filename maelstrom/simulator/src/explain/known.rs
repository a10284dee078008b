//! Who knew which value when, for all values that clients told at once.
//!
//! This is [`Spread`](super::spread::Spread) of every value, in one walk through the run.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use super::places;
use super::run::{Arrivals, Moment, Run};
use super::spread::is_telling;
use crate::net::Address;
use crate::trace::Sent;

/// So many scalars in messages are looked at; of a run with more, nothing is told.
const ENOUGH: usize = 20_000_000;
/// A longer value is none that somebody follows.
const LONGEST: usize = 100;

/// A value that clients told nodes, and who knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As JSON.
    pub value: String,
    /// The requests that told it, by place in the trace's messages.
    pub told: Vec<usize>,
    /// The nodes and services that knew it; since when, and since which line of the trace.
    pub who: Vec<(Address, i64, u64)>,
}

impl Run<'_> {
    /// Who knew the values that clients told, `first` these and then others in the order in
    /// which they were told, up to so many. None if the run says too much.
    pub fn known(&self, first: &[&str], most: usize) -> Option<Vec<Known>> {
        let mut walk = Walk::default();
        walk.collect(self, first, most);
        walk.go(self)?;
        let number = |(who, moment): (Address, Moment)| (who, moment.time, moment.line);
        let all = walk.values.into_iter().zip(walk.who);
        let all = all.map(|((value, told), who)| Known {
            value,
            told,
            who: who.into_iter().map(number).collect(),
        });
        Some(all.collect())
    }
}

#[derive(Default)]
struct Walk {
    /// Values with the places of requests that told them.
    values: Vec<(String, Vec<usize>)>,
    /// Which value a scalar stands for.
    numbers: FxHashMap<u64, usize>,
    who: Vec<Vec<(Address, Moment)>>,
    knew: FxHashSet<(usize, Address)>,
    /// Who will have heard which values.
    arrivals: Arrivals<(Address, Vec<usize>)>,
}

impl Walk {
    /// The values that are looked for.
    fn collect(&mut self, run: &Run<'_>, first: &[&str], most: usize) {
        let requests = run.trace.messages.iter().enumerate();
        let requests: Vec<(usize, &Sent)> =
            requests.filter(|(_, sent)| is_telling(run, sent)).collect();
        for value in first {
            self.add(&serde_json::from_str(value).unwrap_or_default());
        }
        for (_, request) in &requests {
            let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
            let members = body.as_object().into_iter().flatten();
            let own = members.filter(|(name, _)| !places::OF_THE_PROTOCOL.contains(&name.as_str()));
            own.for_each(|(_, value)| self.add_all(value, most));
        }
        for (place, request) in requests {
            places::of_body(&request.body, &mut |_, scalar| {
                let Some(number) = self.numbers.get(&scalar) else { return };
                let told = &mut self.values[*number].1;
                if told.last() != Some(&place) {
                    told.push(place);
                    self.arrivals.add(Moment::arrival(request), (request.dest, vec![*number]));
                }
            });
        }
        self.who = vec![Vec::new(); self.values.len()];
    }

    fn add_all(&mut self, value: &Value, most: usize) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add_all(item, most)),
            Value::Object(members) => {
                members.values().for_each(|member| self.add_all(member, most));
            }
            _ if self.values.len() < most => self.add(value),
            _ => {}
        }
    }

    fn add(&mut self, value: &Value) {
        let Some(scalar) = places::scalar(value) else { return };
        let text = value.to_string();
        if text.len() <= LONGEST && !self.numbers.contains_key(&scalar) {
            self.numbers.insert(scalar, self.values.len());
            self.values.push((text, Vec::new()));
        }
    }

    /// Goes through the messages among nodes and services.
    fn go(&mut self, run: &Run<'_>) -> Option<()> {
        let mut count = 0;
        for sent in run.inner() {
            self.hear(sent.line);
            let mut carried = Vec::new();
            places::of_body(&sent.body, &mut |place, scalar| {
                count += 1;
                let number = self.numbers.get(&scalar);
                let known = number.filter(|number| self.knew.contains(&(**number, sent.src)));
                carried.extend(known.filter(|_| run.places().holds_values(place)));
            });
            if count > ENOUGH {
                return None;
            }
            let arrival = Moment::arrival(sent).filter(|_| !carried.is_empty());
            self.arrivals.add(arrival, (sent.dest, carried));
        }
        self.hear(u64::MAX);
        Some(())
    }

    /// What arrived before this line.
    fn hear(&mut self, line: u64) {
        while let Some((moment, (who, values))) = self.arrivals.before(line) {
            for value in values {
                if self.knew.insert((value, who)) {
                    self.who[value].push((who, moment));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use checkers::Names;
    use checkers::history::Op;

    use super::super::run::Wanted;
    use super::super::spread::{Spread, origins};
    use super::*;
    use crate::trace::Trace;

    const HISTORY: &str = r#"{"index":0,"time":1,"type":"invoke","process":0,"f":"broadcast","value":26}
{"index":1,"time":2,"type":"invoke","process":1,"f":"read","value":null}
"#;
    /// n0 is told 26 and tells n1, which tells n2 before and after; n2's beat is 26 by chance.
    const TRACE: &str = r#"{"time":1,"event":"send","id":0,"src":"c9","dest":"n0","op":0,"body":{"type":"broadcast","message":26}}
{"time":1,"event":"send","id":1,"src":"n2","dest":"n1","body":{"type":"beat","count":26}}
{"time":1,"event":"recv","id":0}
{"time":2,"event":"recv","id":1}
{"time":2,"event":"send","id":2,"src":"n1","dest":"n2","body":{"type":"beat","count":26}}
{"time":2,"event":"send","id":3,"src":"n0","dest":"n1","body":{"type":"gossip","message":26}}
{"time":2,"event":"send","id":4,"src":"n0","dest":"n1","body":{"type":"name","text":"26"}}
{"time":2,"event":"recv","id":3}
{"time":2,"event":"recv","id":2}
{"time":2,"event":"send","id":5,"src":"n1","dest":"n2","body":{"type":"gossip","values":[1,2,3,4,26]}}
{"time":9,"event":"send","id":6,"src":"c8","dest":"n2","op":1,"body":{"type":"read","message":26}}
"#;

    fn ops() -> Vec<Op> {
        checkers::history::read(HISTORY.as_bytes()).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn all_values_at_once_are_the_same_as_each_alone() {
        let (ops, trace) = (ops(), Trace::read(TRACE.as_bytes()).unwrap());
        let run = Run::new(&ops, &trace, Names::unknown());
        let all = run.known(&["26"], 100).unwrap();
        assert_eq!(all.len(), 1);
        for Known { value, who, .. } in &all {
            let wanted = Wanted::new(value, None).unwrap();
            let spread = Spread::of(&run, &wanted, &origins(&run, &wanted));
            let who: BTreeMap<_, _> =
                who.iter().map(|(who, time, line)| (*who, (*time, *line))).collect();
            let alone = spread.knew.iter().map(|(who, at)| (*who, (at.time, at.line)));
            assert_eq!(who, alone.collect());
        }
        assert_eq!(all[0].told, [0]);
        let who: Vec<_> = all[0].who.iter().map(|(who, ..)| who.to_string()).collect();
        assert_eq!(who, ["n0", "n1"], "what was not received is known to nobody else");
    }

    #[test]
    fn no_more_values_than_asked_for() {
        let (ops, trace) = (ops(), Trace::read(TRACE.as_bytes()).unwrap());
        let run = Run::new(&ops, &trace, Names::unknown());
        assert!(run.known(&[], 0).unwrap().is_empty());
        assert_eq!(run.known(&["\"other\""], 0).unwrap()[0].who, []);
    }
}
