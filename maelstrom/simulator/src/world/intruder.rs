//! A client that says what only nodes have to say to one another.
//!
//! It hears everything that nodes are told, and repeats it to nodes, with other
//! values now and then; and it answers in the place of those whom nodes ask: with
//! the right number, but from the wrong sender. What clients may ask for it leaves
//! alone. So it must be as if it were not there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maelstrom::protocol::{ERROR, LooseHeader, reply_type};
use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom as _, IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::{Connection, Owner, Wire};
use super::{Phase, World};
use crate::alter::{self, Body};
use crate::net::{Address, Message};
use crate::settings::Settings;

/// How many messages of a type it remembers.
const REMEMBERED: usize = 8;
/// The longest pause between two of its messages, in milliseconds.
const PAUSE: u64 = 40;
/// How many values of a message it changes at most.
const CHANGES: usize = 3;

#[derive(Debug)]
pub(super) struct Intruder {
    rng: StdRng,
    connection: Connection,
    nodes: usize,
    /// Bodies of messages to nodes, by type.
    heard: BTreeMap<String, Vec<Box<RawValue>>>,
    /// The types of what clients ask for.
    open: BTreeSet<String>,
    /// Until when it is silent.
    silent: Duration,
}

impl Intruder {
    pub(super) fn new(settings: &Settings, wire: &mut Wire) -> Option<Self> {
        settings.intruder.then(|| Self {
            rng: StdRng::seed_from_u64(settings.seed ^ 0x696e_7472_7564_6572),
            connection: wire.open(Owner::Intruder),
            nodes: settings.node_count,
            heard: BTreeMap::new(),
            open: BTreeSet::new(),
            silent: Duration::ZERO,
        })
    }

    /// Hears a message that arrives.
    fn hear(&mut self, message: &Message, kind: &str) {
        match (message.src, message.dest) {
            (Address::Client(_), _) => drop(self.open.insert(kind.to_owned())),
            (_, Address::Node(_)) => {
                let bodies = self.heard.entry(kind.to_owned()).or_default();
                if bodies.len() < REMEMBERED {
                    bodies.push(message.body.clone());
                } else if let Some(old) = bodies.choose_mut(&mut self.rng) {
                    old.clone_from(&message.body);
                }
            }
            _ => {}
        }
    }

    /// What it says now, and to which node.
    fn speak(&mut self, heard: &Message, header: &LooseHeader<'_>) -> Option<(usize, Body)> {
        if let (Address::Node(node), Some(id)) = (heard.src, header.msg_id)
            && self.rng.random()
        {
            return Some((node, self.reply(&header.kind(), id)?));
        }
        let types = self.heard.iter().filter(|(kind, _)| !self.open.contains(*kind));
        let (_, bodies) = types.choose(&mut self.rng)?;
        let mut body = alter::parse(bodies.choose(&mut self.rng)?.get())?;
        alter::alter(&mut body, CHANGES, &mut self.rng);
        if !body.contains_key("in_reply_to") && self.rng.random() {
            body.insert("msg_id".to_owned(), Value::from(self.rng.random_range(1..1000)));
        }
        Some((self.rng.random_range(0..self.nodes), body))
    }

    /// A reply to a request that somebody else was asked.
    fn reply(&mut self, kind: &str, id: &RawValue) -> Option<Body> {
        let bodies = self.heard.get(&reply_type(kind)).or_else(|| self.heard.get(ERROR))?;
        let mut body = alter::parse(bodies.choose(&mut self.rng)?.get())?;
        body.insert("in_reply_to".to_owned(), serde_json::from_str(id.get()).ok()?);
        alter::alter(&mut body, CHANGES, &mut self.rng);
        Some(body)
    }
}

impl World {
    /// Lets the intruder, if there is one, hear a message and say something.
    pub(super) fn overhear(&mut self, message: &Message, now: Duration) {
        let is_prepared = !matches!(self.phase, Phase::Init | Phase::Setup);
        let Some(intruder) = &mut self.intruder else { return };
        let src = intruder.connection.address();
        let Some(header) =
            LooseHeader::read(message.body.get()).ok().filter(|_| message.src != src)
        else {
            return;
        };
        intruder.hear(message, &header.kind());
        if !is_prepared || now < intruder.silent {
            return;
        }
        let Some((node, body)) = intruder.speak(message, &header) else { return };
        intruder.silent = now + Duration::from_millis(intruder.rng.random_range(1..=PAUSE));
        let message = self.wire.net.register(src, Address::Node(node), alter::raw(body), now);
        self.wire.net.post(message, now);
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;
    use crate::net::Network;
    use crate::settings::Workload;

    fn intruder(seed: u64) -> Intruder {
        let settings = Settings { intruder: true, seed, ..Settings::new(Workload::Echo) };
        let mut seeds = StdRng::seed_from_u64(seed);
        let mut stream = || StdRng::seed_from_u64(seeds.next_u64());
        let net = Network::new(5, settings.latency, stream(), stream());
        Intruder::new(&settings, &mut Wire::new(net)).unwrap()
    }

    /// What is said after this message, under many seeds.
    fn said(earlier: &[(&str, &str)], last: (&str, &str)) -> Vec<(usize, String)> {
        let message = |(src, body): (&str, &str)| Message {
            id: 0,
            src: Address::parse(src).unwrap(),
            dest: Address::Node(1),
            body: RawValue::from_string(body.to_owned()).unwrap(),
        };
        let all = (0..300).filter_map(|seed| {
            let mut intruder = intruder(seed);
            for heard in earlier.iter().chain([&last]) {
                let heard = message(*heard);
                intruder.hear(&heard, &LooseHeader::read(heard.body.get()).unwrap().kind());
            }
            let last = message(last);
            let (node, body) =
                intruder.speak(&last, &LooseHeader::read(last.body.get()).unwrap())?;
            Some((node, alter::text(body)))
        });
        all.collect()
    }

    #[test]
    fn what_nodes_say_is_repeated_to_every_node_and_changed() {
        let said = said(&[], ("n0", r#"{"type":"gossip","value":3}"#));
        let nodes: BTreeSet<usize> = said.iter().map(|(node, _)| *node).collect();
        assert_eq!(nodes.len(), 5);
        let values: BTreeSet<&str> = said.iter().map(|(_, body)| body.as_str()).collect();
        assert!(values.contains(r#"{"type":"gossip","value":3}"#) && values.len() > 50);
    }

    #[test]
    fn what_clients_may_ask_for_is_left_alone() {
        let earlier = [("c7", r#"{"type":"add","msg_id":1,"delta":1}"#)];
        let said = said(&earlier, ("n0", r#"{"type":"add","delta":1}"#));
        assert_eq!(said, []);
    }

    #[test]
    fn whoever_asks_is_answered_in_the_place_of_the_one_who_was_asked() {
        let earlier = [("seq-kv", r#"{"type":"read_ok","in_reply_to":8,"value":1}"#)];
        let said = said(&earlier, ("n4", r#"{"type":"read","msg_id":9,"key":"a"}"#));
        let forged = |(node, body): &&(usize, String)| {
            *node == 4 && body.contains(r#""in_reply_to":9,"#) && body.contains("read_ok")
        };
        assert!(said.iter().filter(forged).count() > 100, "{said:?}");
    }
}
