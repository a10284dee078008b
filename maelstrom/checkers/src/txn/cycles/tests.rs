//! The search for cycles against one that is deliberately dumb: every simple
//! cycle of a small graph, under every choice of relations.
//!
//! Two things have to hold on random graphs. What is reported is there, and has
//! the name that its steps give it. And for every model the reports rule it out
//! exactly when some cycle does.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::txn::dependency::{Basis, Dependency};
use crate::txn::model::Model;
use crate::txn::naming::{Step, name};

const ROUNDS: u64 = 4_000;

type Relations = BTreeMap<(u32, u32), BTreeSet<Relation>>;

/// A graph and all that is known of its pairs.
fn random_graph(rng: &mut StdRng, order: Relation) -> (Dependencies, Relations) {
    let n = rng.random_range(2..=6u32);
    let mut graph = Dependencies::new(n as usize);
    let mut relations = Relations::new();
    let mut note = |from: u32, to: u32, relation| {
        if from != to {
            relations.entry((from, to)).or_default().insert(relation);
        }
    };
    for _ in 0..rng.random_range(1..=3 * n) {
        let (from, to) = (rng.random_range(0..n), rng.random_range(0..n));
        match rng.random_range(0..8) {
            0 => {
                graph.add(from, to, Dependency::ww(1, 1, 2));
                note(from, to, Relation::Ww);
            }
            1 | 2 => {
                graph.add(from, to, Dependency::wr(1, 1));
                note(from, to, Relation::Wr);
            }
            // Orders have no cycles of their own.
            3 | 4 if from < to => {
                graph.add(from, to, Dependency::order(order));
                note(from, to, order);
            }
            5 => {
                let mut some = || -> Vec<u32> { (0..n).filter(|_| rng.random_bool(0.4)).collect() };
                let (readers, writers) = (some(), some());
                let with_values: Vec<_> = writers.iter().map(|&w| (w, 9)).collect();
                graph.overwritten((1, 1), &readers, &with_values, Basis::Data);
                for &reader in &readers {
                    writers.iter().for_each(|&writer| note(reader, writer, Relation::Rw));
                }
            }
            _ => {
                graph.add(from, to, Dependency::rw(1, 1, 2));
                note(from, to, Relation::Rw);
            }
        }
    }
    (graph, relations)
}

/// The names of all simple cycles, under every choice of relations.
fn all_names(relations: &Relations) -> BTreeSet<(Class, Scope)> {
    let mut names = BTreeSet::new();
    for &(start, _) in relations.keys() {
        extend(relations, &[start], &mut Vec::new(), &mut names);
    }
    names
}

fn extend(
    relations: &Relations,
    path: &[u32],
    steps: &mut Vec<Step>,
    names: &mut BTreeSet<(Class, Scope)>,
) {
    let from = path[path.len() - 1];
    for (&(_, to), of_pair) in relations.range((from, 0)..=(from, u32::MAX)) {
        // Each cycle once: from its least vertex.
        if to < path[0] || path[1..].contains(&to) {
            continue;
        }
        for &relation in of_pair {
            steps.push(Step { from, to, dependency: Dependency::order(relation) });
            if to == path[0] {
                names.insert(name(steps));
            } else {
                extend(relations, &[path, &[to]].concat(), steps, names);
            }
            steps.pop();
        }
    }
}

fn assert_is_there(relations: &Relations, anomaly: Anomaly, steps: &[Step]) {
    for (i, step) in steps.iter().enumerate() {
        let next = &steps[(i + 1) % steps.len()];
        assert_eq!(step.to, next.from, "{steps:?}");
        assert!(relations[&(step.from, step.to)].contains(&step.dependency.relation), "{steps:?}");
    }
    let visited: BTreeSet<u32> = steps.iter().map(|step| step.from).collect();
    assert_eq!(visited.len(), steps.len(), "{steps:?} visits a transaction twice");
    let (class, scope) = name(steps);
    if anomaly != Anomaly::CausalityViolation {
        assert_eq!(anomaly, Anomaly::Cycle(class, scope), "{steps:?}");
    }
}

fn assert_agrees(order: Relation, scope: Scope, strategy: Strategy) {
    let mut rng = StdRng::seed_from_u64(strategy.reads_first.into());
    let mut cyclic = 0;
    for round in 0..ROUNDS {
        let (graph, relations) = random_graph(&mut rng, order);
        let names = all_names(&relations);
        cyclic += usize::from(!names.is_empty());
        let mut reported = Vec::new();
        for found in find(&graph, scope, strategy) {
            match found {
                Found::Cycle(anomaly, steps) => {
                    assert_is_there(&relations, anomaly, &steps);
                    reported.push(anomaly);
                }
                Found::Exists(model, _) => reported.push(Anomaly::CycleExists(model)),
            }
        }
        for model in Model::all().filter(|model| model.scope() <= scope) {
            let is_out = names.iter().any(|&(c, s)| model.forbids(Anomaly::Cycle(c, s)));
            let is_ruled_out = reported
                .iter()
                .filter(|&&anomaly| anomaly != Anomaly::CausalityViolation)
                .any(|&anomaly| model.forbids(anomaly));
            assert_eq!(
                is_ruled_out, is_out,
                "round {round}, {model}: {reported:?} of {relations:?}"
            );
        }
    }
    assert!(cyclic > ROUNDS as usize / 4, "hardly a graph has cycles");
}

#[test]
fn with_the_order_of_processes_a_model_is_ruled_out_exactly_by_its_cycles() {
    assert_agrees(Relation::Process, Scope::Process, Strategy::PLAIN);
}

#[test]
fn with_real_time_a_model_is_ruled_out_exactly_by_its_cycles() {
    assert_agrees(Relation::Realtime, Scope::Realtime, Strategy::PLAIN);
}

#[test]
fn no_verdict_hangs_on_how_many_ways_back_are_tried() {
    assert_agrees(Relation::Realtime, Scope::Realtime, Strategy { tries: 1, ..Strategy::PLAIN });
}

#[test]
fn the_originals_quirks_change_names_and_no_verdict() {
    for reads_first in [false, true] {
        let strategy = Strategy { reads_first, says_exists: true, ..Strategy::PLAIN };
        assert_agrees(Relation::Realtime, Scope::Realtime, strategy);
    }
}
