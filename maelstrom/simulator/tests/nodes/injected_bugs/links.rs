//! A broadcast node that works in complete networks alone, and says otherwise.
//!
//! Both nodes here repeat each value to some nodes until these have confirmed it. One
//! sends to everybody and leaves it at that, so a value never gets to nodes that have
//! no link to its origin. The other one, the textbook's, sends to the neighbours that
//! it was told, and passes on what it hears.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Node, NodeId};
use simulator::swarm::Subject;
use simulator::{Program, Workload};

use super::{found, passes};
use crate::wire::broadcast::{Broadcast, Messages, Read, Topology};

const REPEAT: Duration = Duration::from_millis(500);

maelstrom::message_types! {
    "tell": struct Tell { values: BTreeSet<u64> };
    "told": struct Told { values: BTreeSet<u64> };
}

#[derive(Clone, Copy, PartialEq)]
enum Strategy {
    ToEverybody,
    AlongLinks,
}

struct State {
    strategy: Strategy,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: BTreeSet<u64>,
    /// What each of those that are told has not confirmed.
    owed: BTreeMap<NodeId, BTreeSet<u64>>,
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Takes note of values, and owes to all but their sender those that are new.
    fn learn(&self, values: &BTreeSet<u64>, passes_on: bool, from: Option<&NodeId>) {
        let inner = &mut *self.inner();
        let new: BTreeSet<u64> = values.difference(&inner.known).copied().collect();
        inner.known.extend(&new);
        let others = inner.owed.iter_mut().filter(|(peer, _)| Some(*peer) != from);
        others.filter(|_| passes_on).for_each(|(_, owed)| owed.extend(&new));
    }
}

fn tell(context: &Context<State>) {
    for (peer, values) in &context.state().inner().owed {
        if !values.is_empty() {
            context.send(peer, &Tell { values: values.clone() });
        }
    }
}

async fn topology(context: Context<State>, request: Topology) -> Result<Empty, Error> {
    let State { strategy, .. } = context.state();
    let near = request.topology.get(context.id().as_str()).cloned().unwrap_or_default();
    let is_told =
        |peer: &&NodeId| *strategy == Strategy::ToEverybody || near.contains(peer.as_str());
    let told = context.peers().filter(is_told).cloned();
    context.state().inner().owed = told.map(|peer| (peer, BTreeSet::new())).collect();
    Ok(Empty {})
}

fn node(strategy: Strategy) -> Node<State> {
    Node::new(move |_| State { strategy, inner: Mutex::default() })
        .handle(topology)
        .handle(async |context: Context<State>, Broadcast { message }| {
            context.state().learn(&BTreeSet::from([message]), true, None);
            tell(&context);
            Ok::<_, Error>(Empty {})
        })
        .handle(async |context: Context<State>, _: Read| {
            let messages = context.state().inner().known.clone();
            Ok::<_, Error>(Messages { messages })
        })
        .receive(async |context: Context<State>, Tell { values }| {
            let passes_on = context.state().strategy == Strategy::AlongLinks;
            let source = context.source().clone();
            context.state().learn(&values, passes_on, Some(&source));
            context.send(&source, &Told { values });
        })
        .receive(async |context: Context<State>, Told { values }| {
            if let Some(owed) = context.state().inner().owed.get_mut(context.source()) {
                owed.retain(|value| !values.contains(value));
            }
        })
        .every(REPEAT, async |context: Context<State>| tell(&context))
}

/// Kills would lose what a node has in memory, which is another matter.
fn survives(finished: &simulator::Finished) -> Vec<checkers::Finding> {
    use simulator::Fault;
    let kills = finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    if kills { Vec::new() } else { finished.failures() }
}

fn subject(name: &'static str, program: fn(&[String]) -> anyhow::Result<Program>) -> Subject {
    Subject {
        links: |_| true,
        rate: 20,
        oracle: survives,
        ..Subject::new(name, Workload::Broadcast, program)
    }
}

/// In how many seeds the broken node is found.
const SEEDS: u64 = 30;

#[test]
fn a_node_that_works_in_complete_networks_alone_is_found() {
    let broken = subject("to everybody", |_| Ok(Program::new(|| node(Strategy::ToEverybody))));
    let failure = found(&broken, SEEDS);
    assert_eq!(failure.mode.kind, "lost", "{failure}");
    let settings = failure.settings().unwrap();
    assert!(!settings.links.is_complete(), "not for another reason: {failure}");
    passes(&Subject { links: |_| false, ..broken }, 2 * SEEDS);
}

#[test]
fn the_textbooks_node_is_right_in_every_network() {
    let right = subject("along links", |_| Ok(Program::new(|| node(Strategy::AlongLinks))));
    passes(&right, 2 * SEEDS);
}
