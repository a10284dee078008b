//! Transactions: do they look as the consistency models asked for promise?
//!
//! The method is Adya's as Elle made it practical (Kingsbury and Alvaro, "Elle:
//! Inferring Isolation Anomalies from Experimental Observations", VLDB 2020):
//! infer from what transactions read and wrote which of them must precede which,
//! and look for cycles in that.
//!
//! - `log`: the history as transactions; `names` and `lists` number their values.
//! - `writes`: who wrote which version.
//! - `direct`, `list_checks`, `atomicity`, `causality`, `convergence`: anomalies that
//!   need no search for cycles.
//! - `registers`, `appends`, `order`: the dependencies, into a `dependency` graph.
//! - `inference`: orders of versions of registers that only the order of
//!   transactions or final reads tell.
//! - `cycles`: the search, with `hunt`, `naming` and `reach`; `original` is the
//!   original's search, with `clojure` for its order; `explain` and `picture` show
//!   what was found.
//! - `open`: transactions that never ended.
//! - [`anomaly`], [`model`]: what there is, and what forbids what.
//! - `verdict`: what it all comes to.
//!
//! # Agreement with the original
//!
//! Verdict, anomaly types and the models ruled out are those of Maelstrom with
//! Elle 0.2.2, except for what `DIFFERENCES.md` lists, which
//! [`Options::compatible`] takes back. Two things it cannot take back: where the
//! original ends in an exception (a node's answer that is no transaction, an
//! element of a list that nobody appended) there is a finding here; and where Elle
//! gives up on a component after a second (`cycle-search-timeout`), so that speed
//! decides, the search here is complete.

mod anomaly;
mod appends;
mod atomicity;
mod cases;
mod causality;
mod clojure;
mod convergence;
mod cycles;
#[cfg(test)]
mod cycles_oracle;
mod dependency;
mod direct;
mod explain;
mod hunt;
mod inference;
mod list_checks;
mod lists;
mod log;
mod model;
mod names;
mod naming;
mod open;
mod order;
mod original;
mod picture;
mod reach;
mod registers;
mod verdict;
mod writes;

use serde_json::json;

use self::anomaly::{Anomaly, Scope};
use self::appends::VersionOrder;
use self::atomicity::Versions;
use self::cases::{Case, Casebook};
use self::cycles::Manner;
use self::dependency::Dependencies;
use self::log::{Kind, Log};
pub use self::model::{Model, UnknownModel};
use self::naming::{Found, Habits};
pub use self::picture::escape;
use self::registers::Registers;
use self::writes::{Version, Writes};
use super::{Checker, Outcome};
use crate::history::Op;

/// How to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether anomalies that the original overlooks count. Without it they are
    /// warnings: reads of what nobody wrote, fractured reads, missed causes,
    /// answers to another transaction, final reads that differ, registers that go
    /// back in an order that the model promises, and what a transaction had
    /// overwritten itself. With it, too,
    /// indeterminate transactions on registers count as writers.
    pub strict: bool,
    /// Whether to follow the original where its verdict is a habit, not a finding.
    pub compatible: bool,
}

/// Checks transactions on registers: `["r", key, value]`, `["w", key, value]`.
///
/// No models at all stand for strict serializability, as in the original.
pub fn rw_register(models: &[Model], options: Options) -> Box<dyn Checker> {
    Box::new(TxnChecker::new(Kind::Registers, models, options))
}

/// Checks transactions on lists: `["r", key, [element, …]]`, `["append", key,
/// element]`.
///
/// No models at all stand for strict serializability, as in the original.
pub fn list_append(models: &[Model], options: Options) -> Box<dyn Checker> {
    Box::new(TxnChecker::new(Kind::Lists, models, options))
}

struct TxnChecker {
    models: Vec<Model>,
    options: Options,
    log: Log,
}

impl TxnChecker {
    fn new(kind: Kind, models: &[Model], options: Options) -> Self {
        let models = if models.is_empty() { &[Model::StrictSerializable] } else { models };
        Self { models: models.to_vec(), options, log: Log::new(kind) }
    }

    /// Adds the dependencies that data show, and the anomalies that come to light
    /// on the way.
    fn add_data(&self, writes: &Writes, graph: &mut Dependencies, cases: &mut Casebook) {
        match self.log.kind {
            Kind::Registers => {
                let registers = Registers::of(&self.log, writes, self.options, cases);
                registers.add_dependencies(graph);
                self.add_unseen(&Versions::Registers(&registers), cases);
            }
            Kind::Lists => {
                let order = VersionOrder::of(&self.log);
                let with_own_reads = self.options.compatible;
                appends::add_dependencies(&self.log, writes, &order, with_own_reads, graph);
                self.add_unseen(&Versions::Lists(writes, &order), cases);
            }
        }
    }

    /// What transactions missed of others that they should have seen.
    fn add_unseen(&self, versions: &Versions<'_>, cases: &mut Casebook) {
        atomicity::check(&self.log, versions, cases);
        // Of the stronger models the search for cycles finds as much.
        if self.models.contains(&Model::Causal) {
            causality::check(&self.log, versions, cases);
        }
    }

    /// The cycles of registers that show only with inferred orders of versions,
    /// which the original has not, as far as none of those that are `known` says as
    /// much. `last` holds the versions that were read last.
    fn inferred(&self, writes: &Writes, last: &[Version], known: &Casebook) -> Casebook {
        let mut cases = Casebook::default();
        let scope = inference::scope(&self.models);
        let is_forbidden = |a: Anomaly| {
            matches!(a, Anomaly::Cycle(..)) && self.models.iter().any(|model| model.forbids(a))
        };
        let is_idle = (scope.is_none() && last.is_empty()) || known.anomalies().any(is_forbidden);
        if self.log.kind != Kind::Registers || is_idle {
            return cases;
        }
        let options = Options { strict: true, compatible: false };
        let registers = Registers::of(&self.log, writes, options, &mut Casebook::default());
        let mut graph = Dependencies::new(self.log.transactions.len())
            .without(open::without_trace(&self.log, options));
        registers.add_dependencies(&mut graph);
        inference::add_final(&registers, last, &mut graph);
        let scope = scope.unwrap_or(Scope::Data);
        order::add(&self.log, scope, &mut graph);
        if scope > Scope::Data {
            inference::add_ordered(&self.log, &registers, scope, &mut graph);
        }
        let habits = Habits { reads_first: false, says_exists: false };
        for found in cycles::find(&graph, scope, Manner::new(habits)) {
            let (anomaly, case) = explain::case(&self.log, &found);
            if known.anomalies().all(|known| !known.says_as_much_as(anomaly)) {
                cases.add(anomaly, || case);
            }
        }
        cases
    }

    fn cycles(&self, graph: &Dependencies, scope: Scope) -> Vec<Found> {
        let manner = Manner::new(self.habits());
        if !self.options.compatible {
            return cycles::find(graph, scope, manner);
        }
        cycles::find_as_the_original(graph, scope, manner, &|txn| self.log.txn(txn).op())
    }

    fn habits(&self) -> Habits {
        let compatible = self.options.compatible;
        Habits {
            reads_first: compatible && self.log.kind == Kind::Registers,
            says_exists: compatible,
        }
    }
}

impl Checker for TxnChecker {
    fn observe(&mut self, op: &Op) {
        self.log.observe(op);
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        self.log.finish();
        if self.options.compatible {
            self.log.break_ties_as_the_original();
        }
        let mut cases = Casebook::default();
        let writes = Writes::of(&self.log);
        direct::check(&self.log, &writes, self.options, &mut cases);
        if self.log.kind == Kind::Lists {
            list_checks::check(&self.log, &writes, &mut cases);
        }
        let last = convergence::check(&self.log, &mut cases);

        let unseen = open::without_trace(&self.log, self.options);
        let mut graph = Dependencies::new(self.log.transactions.len()).without(unseen);
        self.add_data(&writes, &mut graph, &mut cases);
        let scope = self.models.iter().map(|model| model.scope()).max().unwrap_or(Scope::Data);
        order::add(&self.log, scope, &mut graph);
        if graph.is_empty() {
            cases.add(Anomaly::EmptyTransactionGraph, empty);
        }
        for found in self.cycles(&graph, scope) {
            let (anomaly, case) = explain::case(&self.log, &found);
            cases.add(anomaly, || case);
        }
        let inferred = self.inferred(&writes, &last, &cases);
        verdict::outcome(self.log.kind, &self.models, self.options, cases, inferred)
    }
}

fn empty() -> Case {
    let text = "no transaction depends on any other, so that nothing could be checked. Did \
                transactions commit, and do they share keys?";
    Case { ops: Vec::new(), text: text.to_owned(), detail: json!(true), picture: None }
}
