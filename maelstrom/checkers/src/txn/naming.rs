//! The name of a cycle.
//!
//! Several relations can hold between the same two transactions. A cycle is named
//! as if each pair had only its strongest one, so that a cycle of writes is not
//! called a write skew because the writers read something, too.

use super::anomaly::{Anomaly, Class};
use super::dependency::Dependency;
use super::model::Model;
use super::relation::{Relation, Scope};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) dependency: Dependency,
}

/// How to search for cycles, and which quirks of the original to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strategy {
    /// Ways back tried for one class in one component.
    pub(super) tries: usize,
    /// Of registers, the original explains a pair by its read dependency first,
    /// and so calls a cycle of writes G1c when each writer was read by the next.
    pub(super) reads_first: bool,
    /// Where the name of a cycle is not what was looked for, the original says
    /// that some cycle exists, not which.
    pub(super) says_exists: bool,
}

impl Strategy {
    /// Enough tries to find a short cycle, and no quirks.
    pub(super) const PLAIN: Self = Self { tries: 128, reads_first: false, says_exists: false };

    /// Less is stronger.
    pub(super) fn rank(self, dependency: Dependency) -> u8 {
        match dependency.relation {
            // It proves less than the order that it was inferred from.
            _ if dependency.basis.scope() > Scope::Data => 6,
            Relation::Wr if self.reads_first => 0,
            relation => 1 + relation as u8,
        }
    }
}

pub(super) fn name(steps: &[Step]) -> (Class, Scope) {
    let relation = |i: usize| steps[i % steps.len()].dependency.relation;
    let is_rw = |i: usize| relation(i) == Relation::Rw;
    let mut all = 0..steps.len();
    let class = match all.clone().filter(|&i| is_rw(i)).count() {
        0 if all.any(|i| relation(i) == Relation::Wr) => Class::G1c,
        0 => Class::G0,
        1 => Class::GSingle,
        _ if all.any(|i| is_rw(i) && is_rw(i + 1)) => Class::G2,
        _ => Class::GNonadjacent,
    };
    let widest = steps.iter().map(|step| step.dependency.scope()).max();
    (class, widest.unwrap_or(Scope::Data))
}

/// Cuts a closed walk into cycles that visit no vertex twice.
pub(super) fn simple_cycles(walk: &[Step]) -> Vec<Vec<Step>> {
    let mut cycles = Vec::new();
    let mut open: Vec<Step> = Vec::new();
    for &step in walk.iter().filter(|step| step.from != step.to) {
        open.push(step);
        if let Some(start) = open.iter().position(|earlier| earlier.from == step.to) {
            cycles.push(open.split_off(start));
        }
    }
    cycles
}

/// How the name of a cycle that was found relates to what was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Exact,
    /// It has a worse name, and is found under that.
    Worse,
    /// Under its strongest relations it is something milder or unrelated.
    Other,
}

/// Compares a name with what was looked for.
pub(super) fn fit(found: (Class, Scope), wanted: (Class, Scope)) -> Fit {
    if found == wanted {
        Fit::Exact
    } else if found.0 <= wanted.0 && found.1 <= wanted.1 {
        Fit::Worse
    } else {
        Fit::Other
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Cycle(Anomaly, Vec<Step>),
    /// That there is a cycle that rules a model out, among these transactions.
    Exists(Model, Vec<u32>),
}

#[cfg(test)]
mod tests {
    use super::Relation::{Process, Realtime, Rw, Wr, Ww};
    use super::*;

    #[test]
    fn a_cycle_is_named_by_its_anti_dependencies_and_by_the_order_it_leans_on() {
        let name_of = |relations: &[Relation]| {
            let step = |&order| Step { from: 0, to: 0, dependency: Dependency::order(order) };
            name(&relations.iter().map(step).collect::<Vec<_>>())
        };
        assert_eq!(name_of(&[Ww, Ww]), (Class::G0, Scope::Data));
        assert_eq!(name_of(&[Ww, Wr, Process]), (Class::G1c, Scope::Process));
        assert_eq!(name_of(&[Rw, Wr]), (Class::GSingle, Scope::Data));
        assert_eq!(name_of(&[Rw, Wr, Rw, Realtime]), (Class::GNonadjacent, Scope::Realtime));
        assert_eq!(name_of(&[Rw, Wr, Rw]), (Class::G2, Scope::Data));
        assert_eq!(name_of(&[Rw, Rw]), (Class::G2, Scope::Data));
    }

    #[test]
    fn a_figure_of_eight_is_two_cycles() {
        let step = |from, to| Step { from, to, dependency: Dependency::order(Process) };
        let walk = [step(0, 1), step(1, 2), step(2, 1), step(1, 1), step(1, 0)];
        let cycles = simple_cycles(&walk);
        assert_eq!(cycles, [vec![step(1, 2), step(2, 1)], vec![step(0, 1), step(1, 0)]]);
    }
}
