//! The search for cycles of dependencies.
//!
//! Every cycle lies within one strongly connected component of the graph. In
//! each of them the classes are looked for from the worst to the mildest, first
//! in the data alone, then with the help of the order of processes or of real
//! time; what a class already found implies is not looked for ([`Anomaly::covers`]).
//! That order makes each search simple, because whatever would spoil it was
//! excluded before:
//!
//! - G0, G1c: a ww (wr) arc and a shortest way back along ww (ww, wr) arcs.
//! - G-single: an rw step and a shortest way back along ww and wr arcs.
//! - G-nonadjacent: a walk in which no rw step follows another. Such walks are
//!   the paths of a graph in which a transaction stands twice, once for having
//!   been entered by an rw step, after which none may follow.
//! - G2: an rw step and a shortest way back along any arcs: a milder cycle is
//!   the only one left.
//!
//! With an order added, a cycle that does not need it has been found before, so
//! that the same searches do. All are linear in the component for each rw step
//! tried. Only G-single can need many tries; then [`reach`] answers for all of
//! them. Where a cap on tries ends a search, a worse cycle of the same component
//! has been found already that every model forbids that forbids the one given
//! up, so that no verdict hangs on it.

use super::anomaly::{Anomaly, Class, Scope};
use super::dependency::{Dependencies, Dependency, Relation};
use super::naming::{Fit, Found, Habits, Step, fit, name, ruled_out, simple_cycles};
use super::reach::{self, Question};
use crate::checker::graph::{Digraph, Hop, Search};

/// Ways back tried for one class in one component.
const TRIES: usize = 128;

/// Tries after which the shortest cycle found is good enough to be shown.
const SHORT_ENOUGH: usize = 32;

/// All that can be found of cycles that lean on no more than `scope`.
pub(super) fn find(dependencies: &Dependencies, scope: Scope, habits: Habits) -> Vec<Found> {
    let whole = dependencies.graph();
    let mut place = vec![u32::MAX; whole.len()];
    let mut found = Vec::new();
    for members in whole.components() {
        let transactions = members.partition_point(|&v| v < dependencies.transactions());
        if transactions > 1 {
            let component = Component::new(&whole, members, transactions, &mut place);
            found.extend(component.find(scope, habits));
        }
    }
    found
}

/// One strongly connected component, its vertices numbered from 0, transactions
/// before states.
struct Component {
    /// The vertices' numbers in the whole graph.
    members: Vec<u32>,
    /// How many of them are transactions.
    transactions: usize,
    graph: Digraph<Dependency>,
}

/// An arc to begin a cycle with, and where it can lead.
struct Start {
    from: u32,
    to: Vec<(u32, Dependency)>,
}

impl Component {
    /// `place` has an entry for each vertex of `whole`; any values will do.
    fn new(
        whole: &Digraph<Dependency>,
        members: Vec<u32>,
        transactions: usize,
        place: &mut [u32],
    ) -> Self {
        for (i, &v) in members.iter().enumerate() {
            place[v as usize] = i as u32;
        }
        let is_member = |v: u32| members.get(place[v as usize] as usize) == Some(&v);
        let mut arcs = Vec::new();
        for (i, &v) in members.iter().enumerate() {
            let inner = whole.arcs_from(v).iter().filter(|arc| is_member(arc.to));
            arcs.extend(inner.map(|arc| (i as u32, place[arc.to as usize], arc.label)));
        }
        let graph = Digraph::new(members.len(), &arcs);
        Self { members, transactions, graph }
    }

    fn find(&self, scope: Scope, habits: Habits) -> Vec<Found> {
        let mut found = Vec::new();
        let mut covered: Vec<Anomaly> = Vec::new();
        let scopes = if scope == Scope::Data { vec![scope] } else { vec![Scope::Data, scope] };
        for scope in scopes {
            for class in Class::ALL {
                if covered.iter().any(|anomaly| anomaly.covers(class, scope)) {
                    continue;
                }
                let hunt = self.look_for(class, scope, habits);
                if hunt.is_success() {
                    covered.push(Anomaly::Cycle(class, scope));
                }
                found.extend(hunt.report(self));
            }
            if scope == Scope::Data {
                found.extend(self.causality_violation(habits));
            }
        }
        found
    }

    fn look_for(&self, class: Class, scope: Scope, habits: Habits) -> Hunt<'_> {
        let mut hunt = Hunt::new(self, class, scope, habits);
        match class {
            Class::G0 => hunt.along(Relation::Ww),
            Class::G1c => hunt.along(Relation::Wr),
            Class::GSingle => hunt.single(),
            Class::GNonadjacent => hunt.nonadjacent(),
            Class::G2 => hunt.any_rw(),
        }
        hunt
    }

    /// A cycle of an rw step and wr arcs alone, more than two: a transaction
    /// missed the cause of an effect that it saw (WriteCOInitRead and
    /// WriteCORead in Bouajjani et al., "On Verifying Causal Consistency", POPL
    /// 2017). One of two is a fractured read.
    fn causality_violation(&self, habits: Habits) -> Option<Found> {
        let mut hunt = Hunt::new(self, Class::GSingle, Scope::Data, habits);
        hunt.relations = vec![Relation::Wr];
        hunt.single();
        let steps = hunt.best.filter(|steps| steps.len() > 2)?;
        Some(Found::Cycle(Anomaly::CausalityViolation, self.steps_outside(&steps)))
    }

    /// The rw steps, by the arcs that leave readers.
    fn anti_dependencies(&self) -> impl Iterator<Item = (u32, u32, Dependency)> + '_ {
        let is_transaction = |v: u32| (v as usize) < self.transactions;
        let is_rw = |label: Dependency| label.relation == Relation::Rw;
        self.graph.arcs().filter(move |&(from, _, label)| is_transaction(from) && is_rw(label))
    }

    /// Where the rw arc to `to`, which may be a state, leads.
    fn start(&self, (from, to, label): (u32, u32, Dependency)) -> Start {
        if (to as usize) < self.transactions {
            return Start { from, to: vec![(to, label)] };
        }
        let writers = self.graph.arcs_from(to).iter().filter(|arc| arc.to != from);
        Start { from, to: writers.map(|arc| (arc.to, arc.label)).collect() }
    }

    /// The strongest relation between two transactions.
    fn strongest(&self, from: u32, to: u32, habits: Habits) -> Option<Dependency> {
        let mut found: Vec<Dependency> = Vec::new();
        for arc in self.graph.arcs_from(from) {
            if arc.to == to {
                found.push(arc.label);
            } else if arc.to as usize >= self.transactions {
                let writers = self.graph.arcs_from(arc.to);
                found.extend(writers.iter().filter(|arc| arc.to == to).map(|arc| arc.label));
            }
        }
        found.into_iter().min_by_key(|dependency| habits.rank(dependency.relation))
    }

    fn steps_outside(&self, steps: &[Step]) -> Vec<Step> {
        let outside = |v: u32| self.members[v as usize];
        let step = |s: &Step| Step { from: outside(s.from), to: outside(s.to), ..*s };
        steps.iter().map(step).collect()
    }
}

/// The search for one class in one component.
struct Hunt<'a> {
    component: &'a Component,
    wanted: (Class, Scope),
    habits: Habits,
    /// The relations of a way back, apart from rw.
    relations: Vec<Relation>,
    tries: usize,
    /// How the first cycle that was met fitted.
    first: Option<Fit>,
    /// The shortest cycle that is what was wanted.
    best: Option<Vec<Step>>,
    /// The first one that has a worse name by its strongest relations.
    worse: Option<Vec<Step>>,
    /// The first one that has some other name by them.
    other: Option<Vec<Step>>,
}

impl<'a> Hunt<'a> {
    fn new(component: &'a Component, class: Class, scope: Scope, habits: Habits) -> Self {
        let mut relations = vec![Relation::Ww];
        if class > Class::G0 {
            relations.push(Relation::Wr);
        }
        match scope {
            Scope::Data => {}
            Scope::Process => relations.push(Relation::Process),
            Scope::Realtime => relations.push(Relation::Realtime),
        }
        Self {
            component,
            wanted: (class, scope),
            habits,
            relations,
            tries: 0,
            first: None,
            best: None,
            worse: None,
            other: None,
        }
    }

    /// The component with the arcs of a way back.
    fn way_back(&self) -> Digraph<Dependency> {
        self.component.graph.filter(|label| self.relations.contains(&label.relation))
    }

    /// Cycles through arcs of one relation that a way back may take as well.
    fn along(&mut self, relation: Relation) {
        let graph = self.way_back();
        let number = graph.component_numbers();
        let mut search = Search::new(graph.len());
        for (from, to, label) in graph.arcs() {
            let is_inner = number[from as usize] == number[to as usize];
            if label.relation == relation && is_inner {
                self.close(&graph, &mut search, &Start { from, to: vec![(to, label)] });
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Cycles of one rw step and a way back without any.
    fn single(&mut self) {
        let graph = self.way_back();
        let doubled = self.doubled();
        let number = doubled.component_numbers();
        let inner: Vec<_> = self.component.anti_dependencies().collect();
        let is_inner = |&&(from, to, _): &&(u32, u32, Dependency)| {
            number[from as usize] == number[self.entered(to) as usize]
        };
        let inner: Vec<_> = inner.iter().filter(is_inner).copied().collect();
        let mut search = Search::new(graph.len());
        for &arc in &inner {
            self.close(&graph, &mut search, &self.component.start(arc));
            if self.is_over() {
                break;
            }
        }
        let gave_up = self.tries >= TRIES && inner.len() > self.tries && self.best.is_none();
        if gave_up && graph.components().is_empty() {
            self.single_of_all(&graph, &inner);
        }
    }

    /// Asks for all rw steps at once.
    fn single_of_all(&mut self, graph: &Digraph<Dependency>, arcs: &[(u32, u32, Dependency)]) {
        let questions: Vec<Question> = arcs
            .iter()
            .map(|&arc| {
                let start = self.component.start(arc);
                let from = start.to.iter().map(|&(to, _)| to).collect();
                Question { from, to: vec![start.from] }
            })
            .collect();
        if let Some((i, _)) = reach::first_yes(graph, &questions) {
            let mut search = Search::new(graph.len());
            self.close(graph, &mut search, &self.component.start(arcs[i]));
        }
    }

    /// Closed walks without two rw steps in a row.
    fn nonadjacent(&mut self) {
        let doubled = self.doubled();
        let number = doubled.component_numbers();
        let mut search = Search::new(doubled.len());
        let arcs: Vec<_> = self.component.anti_dependencies().collect();
        for (from, to, label) in arcs {
            let to = self.entered(to);
            if number[from as usize] != number[to as usize] {
                continue;
            }
            self.tries += 1;
            if let Some(path) = search.path(&doubled, &[to], |v| v == from) {
                let start = Hop { from, to, label };
                let walk = self.steps([start].into_iter().chain(path));
                simple_cycles(&walk).into_iter().for_each(|cycle| self.judge(cycle));
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Cycles of an rw step and any way back.
    fn any_rw(&mut self) {
        self.relations.push(Relation::Rw);
        let graph = self.way_back();
        let number = graph.component_numbers();
        let mut search = Search::new(graph.len());
        let arcs: Vec<_> = self.component.anti_dependencies().collect();
        for arc in arcs {
            let mut start = self.component.start(arc);
            // The others do not lead back, a state's loop to its reader neither.
            start.to.retain(|&(to, _)| number[to as usize] == number[start.from as usize]);
            if !start.to.is_empty() {
                self.close(&graph, &mut search, &start);
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Each transaction twice: as itself, and (see [`Hunt::entered`]) as entered
    /// by an rw step, which no other rw step may follow.
    fn doubled(&self) -> Digraph<Dependency> {
        let transactions = self.component.transactions as u32;
        let mut arcs = Vec::new();
        for (from, to, label) in self.component.graph.arcs() {
            if label.relation == Relation::Rw {
                let from = if from < transactions { from } else { self.entered(from) };
                arcs.push((from, self.entered(to), label));
            } else if self.relations.contains(&label.relation) {
                arcs.push((from, to, label));
                arcs.push((self.entered(from), to, label));
            }
        }
        Digraph::new(self.component.graph.len() + transactions as usize, &arcs)
    }

    /// A vertex of the doubled graph: the second copy of a transaction, the only
    /// one of a state.
    fn entered(&self, vertex: u32) -> u32 {
        vertex + self.component.transactions as u32
    }

    /// A path of the doubled graph as steps between transactions.
    fn steps(&self, path: impl Iterator<Item = Hop<Dependency>>) -> Vec<Step> {
        let n = self.component.transactions as u32;
        let single = |v: u32| if v < n { v } else { v - n };
        let path = path.map(|hop| Hop { from: single(hop.from), to: single(hop.to), ..hop });
        self.without_states(path)
    }

    /// Two arcs through a state are one step.
    fn without_states(&self, path: impl Iterator<Item = Hop<Dependency>>) -> Vec<Step> {
        let is_transaction = |v: u32| (v as usize) < self.component.transactions;
        let mut steps: Vec<Step> = Vec::new();
        let mut reader = None;
        for hop in path {
            if is_transaction(hop.to) {
                let from = reader.take().unwrap_or(hop.from);
                steps.push(Step { from, to: hop.to, dependency: hop.label });
            } else {
                reader = Some(hop.from);
            }
        }
        steps
    }

    /// Judges the shortest cycle that begins like this.
    fn close(
        &mut self,
        graph: &Digraph<Dependency>,
        search: &mut Search<Dependency>,
        start: &Start,
    ) {
        self.tries += 1;
        let sources: Vec<u32> = start.to.iter().map(|&(to, _)| to).collect();
        let Some(path) = search.path(graph, &sources, |v| v == start.from) else { return };
        let to = path.first().map_or(start.from, |hop| hop.from);
        let Some(&(to, dependency)) = start.to.iter().find(|&&(v, _)| v == to) else { return };
        let mut steps = vec![Step { from: start.from, to, dependency }];
        steps.extend(self.without_states(path.into_iter()));
        self.judge(steps);
    }

    /// Remembers a cycle by how well it fits, if it is what was looked for by the
    /// relations that it came along.
    fn judge(&mut self, steps: Vec<Step>) {
        if name(&steps) != self.wanted {
            return;
        }
        let strengthen = |step: &Step| {
            let strongest = self.component.strongest(step.from, step.to, self.habits);
            Step { dependency: strongest.unwrap_or(step.dependency), ..*step }
        };
        let strongest: Vec<Step> = steps.iter().map(strengthen).collect();
        let fit = fit(name(&strongest), self.wanted);
        self.first.get_or_insert(fit);
        match fit {
            Fit::Exact if self.best.as_ref().is_none_or(|best| steps.len() < best.len()) => {
                self.best = Some(steps);
            }
            Fit::Exact => {}
            Fit::Worse => {
                self.worse.get_or_insert(strongest);
            }
            Fit::Other if self.habits.says_exists => {
                self.other.get_or_insert(strongest);
            }
            Fit::Other => {
                self.other.get_or_insert(steps);
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_short = |steps: &Vec<Step>| steps.len() == 2 || self.tries >= SHORT_ENOUGH;
        self.best.as_ref().is_some_and(is_short) || self.tries >= TRIES
    }

    /// Whether something was found that makes milder searches idle. The original
    /// judges only the first cycle that it meets, if there are anti-dependencies
    /// in it; where that has another name, it goes on to the milder ones.
    fn is_success(&self) -> bool {
        let is_found = self.best.is_some() || self.other.is_some();
        match (self.habits.says_exists, self.wanted.0.has_anti_dependency()) {
            (false, _) => is_found,
            (true, true) => self.first == Some(Fit::Exact),
            (true, false) => is_found || self.worse.is_some(),
        }
    }

    fn report(self, component: &Component) -> Vec<Found> {
        let cycle = |steps: &[Step], (class, scope)| {
            Found::Cycle(Anomaly::Cycle(class, scope), component.steps_outside(steps))
        };
        if let Some(steps) = self.best {
            return vec![cycle(&steps, self.wanted)];
        }
        if !self.habits.says_exists {
            // By the relations it came along, it is what was looked for.
            return self.other.iter().map(|steps| cycle(steps, self.wanted)).collect();
        }
        let Some(steps) = self.other.or(self.worse) else { return Vec::new() };
        let model = ruled_out(self.wanted.0, self.wanted.1);
        let members = component.members[..component.transactions].to_vec();
        let mut found = vec![Found::Exists(model, members)];
        if !self.wanted.0.has_anti_dependency() {
            found.push(cycle(&steps, name(&steps)));
        }
        found
    }
}
