//! The original's search for cycles in one component, step by step.
//!
//! Elle looks for one cycle of each class and scope: from each transaction in
//! turn it grows all simple paths, breadth first, until one closes that has the
//! relations wanted. Of a class with anti-dependencies it takes only that first
//! cycle, and drops it, and with it the class, when its strongest relations give
//! it another name. So which cycle comes first decides which anomalies are named,
//! and that depends on the order in which its tables are walked (`clojure.rs`).
//! It also says, without a cycle to show, which models some cycle rules out.
//!
//! The number of paths is exponential, and Elle gives up on a component after a
//! second. Here it is a number of steps; what takes more is for the complete
//! search in `cycles.rs`.

use std::collections::BTreeMap;

use super::anomaly::{Anomaly, Class};
use super::component::Component;
use super::dependency::Dependency;
use super::model::Model;
use super::naming::{Found, Step, Strategy, name};
use super::numbers::Txn;
use super::relation::{Relation, Scope};
use crate::clojure::as_table;
use crate::graph::Digraph;

const MOST_STEPS: usize = 300_000;

/// Pairs of related transactions above which a component is not looked at.
const MOST_PAIRS: usize = 100_000;

/// What the search needs besides the component.
pub(super) struct Original<'a> {
    /// The index of each transaction's operation.
    pub(super) op: &'a dyn Fn(Txn) -> u64,
    /// Transactions that depend on themselves.
    pub(super) loops: &'a [(Txn, Dependency)],
    pub(super) strategy: Strategy,
}

/// Relations as a set of bits, in Elle's order.
type Relations = u8;

const WW: Relations = bit(Relation::Ww);
const WR: Relations = bit(Relation::Wr);
const RW: Relations = bit(Relation::Rw);

const fn bit(relation: Relation) -> Relations {
    1 << relation as u8
}

fn bits(relations: Relations) -> impl Iterator<Item = Relations> {
    (0..Relations::BITS).map(|i| 1 << i).filter(move |bit| relations & bit != 0)
}

fn order_of(scope: Scope) -> Relations {
    scope.order().map_or(0, bit)
}

struct TooLarge;

/// What the original finds; `None` where it takes too long.
pub(super) fn search(component: &Component, original: &Original<'_>) -> Option<Vec<Found>> {
    let pairs = Pairs::of(component, original)?;
    let mut found = pairs.cycles_exist(component);
    let mut covered: Vec<Anomaly> = Vec::new();
    let mut steps = 0;
    for scope in [Scope::Data, Scope::Process, Scope::Realtime] {
        for class in Class::ALL {
            if covered.iter().any(|anomaly| anomaly.covers(class, scope)) {
                continue;
            }
            let mut search = Search { pairs: &pairs, wanted: Wanted::new(class, scope), steps };
            let cycle = search.run().ok()?;
            steps = search.steps;
            let Some(cycle) = cycle else { continue };
            let cycle = explained(component, original, &cycle);
            let (its_class, its_scope) = name(&cycle);
            if class.has_anti_dependency() && (its_class, its_scope) != (class, scope) {
                continue;
            }
            covered.push(Anomaly::Cycle(class, scope));
            let anomaly = Anomaly::Cycle(its_class, its_scope);
            found.push(Found::Cycle(anomaly, component.steps_outside(&cycle)));
        }
    }
    Some(found)
}

/// A cycle with the strongest relation of each pair.
fn explained(component: &Component, original: &Original<'_>, cycle: &[u32]) -> Vec<Step> {
    let step = |pair: &[u32]| {
        let (from, to) = (pair[0], pair[1]);
        let own = || {
            let txn = component.members[from as usize];
            original.loops.iter().find(|&&(looped, _)| looped == txn).map(|&(_, own)| own)
        };
        let strongest = component.strongest(from, to, original.strategy);
        let dependency = if from == to { own() } else { strongest }?;
        Some(Step { from, to, dependency })
    };
    cycle.windows(2).filter_map(step).collect()
}

/// All pairs of related transactions of a component.
struct Pairs {
    relations: Vec<BTreeMap<u32, Relations>>,
    /// The index of each transaction's operation.
    ops: Vec<u64>,
}

impl Pairs {
    fn of(component: &Component, original: &Original<'_>) -> Option<Self> {
        let n = component.transactions;
        let ops = component.members[..n].iter().map(|&txn| (original.op)(txn)).collect();
        let mut pairs = Self { relations: vec![BTreeMap::new(); n], ops };
        let mut count = 0;
        for (from, to, label) in component.graph.arcs().filter(|arc| (arc.0 as usize) < n) {
            for to in component.entries(to).into_iter().filter(|&to| to != from) {
                *pairs.relations[from as usize].entry(to).or_default() |= bit(label.relation);
                count += 1;
            }
            if count > MOST_PAIRS {
                return None;
            }
        }
        for &(txn, own) in original.loops {
            if let Ok(v) = component.members[..n].binary_search(&txn) {
                *pairs.relations[v].entry(v as u32).or_default() |= bit(own.relation);
            }
        }
        Some(pairs)
    }

    /// The models that some cycle rules out, the weakest only.
    fn cycles_exist(&self, component: &Component) -> Vec<Found> {
        let mut impossible: Vec<Model> = Vec::new();
        for scope in [Scope::Data, Scope::Process, Scope::Realtime] {
            for class in [Class::G0, Class::G1c, Class::GNonadjacent, Class::G2] {
                let model = Model::ruled_out_by(class, scope);
                let is_news = !impossible.iter().any(|weaker| model.included().contains(weaker));
                if is_news && self.has_cycle(class, scope) {
                    impossible.push(model);
                }
            }
        }
        let members = || component.members[..component.transactions].to_vec();
        impossible.into_iter().map(|model| Found::Exists(model, members())).collect()
    }

    /// Whether some walk of the class closes.
    ///
    /// A vertex stands twice, the second time for having been entered by an rw
    /// step, after which none may follow unless the class is G2.
    fn has_cycle(&self, class: Class, scope: Scope) -> bool {
        let n = self.relations.len() as u32;
        let plain = order_of(scope) | WW | if class > Class::G0 { WR } else { 0 };
        let plain = if class == Class::G2 { plain | RW } else { plain };
        let rw = if class == Class::GNonadjacent { RW } else { 0 };
        let mut arcs = Vec::new();
        for (from, pairs) in (0..).zip(&self.relations) {
            for (&to, &relations) in pairs {
                if relations & plain != 0 {
                    arcs.extend([(from, to), (from + n, to)]);
                }
                if relations & rw != 0 {
                    arcs.push((from, to + n));
                }
            }
        }
        let has_loop = arcs.iter().any(|(from, to)| from == to);
        has_loop || !Digraph::plain(2 * n as usize, arcs).components().is_empty()
    }

    /// The graph of some relations, among some transactions if these are given.
    fn graph(&self, relations: Relations, among: Option<&[u32]>) -> Graph {
        let is_in = |v: u32| among.is_none_or(|among| among.contains(&v));
        let mut out: BTreeMap<u32, Vec<(u32, Relations)>> = BTreeMap::new();
        for (from, arcs) in (0..).zip(&self.relations).filter(|&(from, _)| is_in(from)) {
            let arcs = arcs.iter().map(|(&to, &all)| (to, all & relations));
            for (to, kept) in arcs.filter(|&(to, kept)| kept != 0 && is_in(to)) {
                out.entry(from).or_default().push((to, kept));
                out.entry(to).or_default();
            }
        }
        let op = |v: u32| self.ops[v as usize];
        for arcs in out.values_mut() {
            *arcs = as_table(std::mem::take(arcs), |&(to, _)| op(to));
        }
        let vertices = as_table(out.keys().copied().collect(), |&v| op(v));
        Graph { vertices, out }
    }
}

/// A graph in the order in which the original walks it.
struct Graph {
    vertices: Vec<u32>,
    out: BTreeMap<u32, Vec<(u32, Relations)>>,
}

/// When an rw step may be taken that is not allowed in general.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Never,
    Once,
    /// Not after another one.
    Free,
    Taken,
}

/// What a path still needs to be the cycle that is looked for.
#[derive(Clone, Copy)]
struct Wanted {
    /// The relations that may always be taken.
    allowed: Relations,
    /// Relations of which each has to be taken yet.
    required: Relations,
    /// How many rw steps have to be taken yet.
    rw: u8,
    mode: Mode,
}

impl Wanted {
    fn new(class: Class, scope: Scope) -> Self {
        let order = order_of(scope);
        let (data, required, rw, mode) = match class {
            Class::G0 => (WW, 0, 0, Mode::Never),
            Class::G1c => (WW | WR, WR, 0, Mode::Never),
            Class::GSingle => (WW | WR, 0, 1, Mode::Once),
            Class::GNonadjacent => (WW | WR, 0, 2, Mode::Free),
            Class::G2 => (WW | WR | RW, 0, 2, Mode::Never),
        };
        Self { allowed: data | order, required: required | order, rw, mode }
    }

    fn relations(self) -> Relations {
        self.allowed | self.required | if self.rw > 0 { RW } else { 0 }
    }

    fn is_met(self) -> bool {
        self.required == 0 && self.rw == 0 && self.mode != Mode::Taken
    }

    /// After a step; `None` where that may not be taken.
    fn after(self, relation: Relations) -> Option<Self> {
        let is_rw = relation == RW;
        let rest = Self {
            required: self.required & !relation,
            rw: if is_rw { self.rw.saturating_sub(1) } else { self.rw },
            ..self
        };
        if self.allowed & relation != 0 {
            let mode = if self.mode == Mode::Taken { Mode::Free } else { self.mode };
            return Some(Self { mode, ..rest });
        }
        match self.mode {
            Mode::Once if is_rw => Some(Self { rw: 0, mode: Mode::Never, ..rest }),
            Mode::Free if is_rw => Some(Self { mode: Mode::Taken, ..rest }),
            _ => None,
        }
    }

    /// The states after a step along any of `relations`, `first` being whether it
    /// is a path's first: rw steps before what is required, and that before one
    /// of those that make no difference.
    fn choices(self, relations: Relations, first: bool) -> Vec<Self> {
        let takes_rw = self.rw > 0 || matches!(self.mode, Mode::Once | Mode::Free);
        let rw = if takes_rw { RW } else { 0 };
        let required = self.required & !rw;
        let rest = self.allowed & !rw & !required;
        let mut choices: Vec<Self> =
            bits(relations & rw).filter_map(|relation| self.after(relation)).collect();
        if first && self.rw > 0 {
            return choices;
        }
        choices.extend(bits(relations & required).filter_map(|relation| self.after(relation)));
        if !first || self.required == 0 {
            choices.extend(bits(relations & rest).find_map(|relation| self.after(relation)));
        }
        choices
    }
}

struct Path {
    vertices: Vec<u32>,
    wanted: Wanted,
}

struct Search<'a> {
    pairs: &'a Pairs,
    wanted: Wanted,
    steps: usize,
}

impl Search<'_> {
    /// The first cycle; its last vertex is its first one.
    fn run(&mut self) -> Result<Option<Vec<u32>>, TooLarge> {
        let graph = self.pairs.graph(self.wanted.relations(), None);
        self.first(&graph, &graph.vertices)
    }

    fn first(&mut self, graph: &Graph, starts: &[u32]) -> Result<Option<Vec<u32>>, TooLarge> {
        for &start in starts {
            if let Some(cycle) = self.from(graph, start)? {
                return Ok(Some(cycle));
            }
        }
        Ok(None)
    }

    fn from(&mut self, graph: &Graph, start: u32) -> Result<Option<Vec<u32>>, TooLarge> {
        let mut paths = vec![Path { vertices: vec![start], wanted: self.wanted }];
        while !paths.is_empty() {
            let mut open = Vec::new();
            for path in paths {
                let (&last, before) = path.vertices.split_last().unwrap_or((&start, &[]));
                let Some(closes) = before.iter().position(|&v| v == last) else {
                    open.push(path);
                    continue;
                };
                if path.wanted.is_met() && closes == 0 {
                    return Ok(Some(path.vertices));
                }
                if path.wanted.is_met()
                    && let Some(cycle) = self.within(&path.vertices[closes..])?
                {
                    return Ok(Some(cycle));
                }
            }
            paths = self.grown(graph, &open)?;
        }
        Ok(None)
    }

    /// A loop with a tail may owe to the tail what it has: so once more, among
    /// the loop's transactions alone.
    fn within(&mut self, closed: &[u32]) -> Result<Option<Vec<u32>>, TooLarge> {
        let graph = self.pairs.graph(self.wanted.relations(), Some(closed));
        self.first(&graph, closed)
    }

    fn grown(&mut self, graph: &Graph, paths: &[Path]) -> Result<Vec<Path>, TooLarge> {
        let mut grown = Vec::new();
        for Path { vertices, wanted } in paths {
            let arcs = vertices.last().and_then(|last| graph.out.get(last));
            for &(to, relations) in arcs.into_iter().flatten() {
                for wanted in wanted.choices(relations, vertices.len() == 1) {
                    let vertices = vertices.iter().copied().chain([to]).collect();
                    grown.push(Path { vertices, wanted });
                }
                self.steps += 1;
            }
            if self.steps > MOST_STEPS {
                return Err(TooLarge);
            }
        }
        Ok(grown)
    }
}
