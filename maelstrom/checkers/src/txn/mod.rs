//! Transactions: do they look as the consistency models asked for promise?
//!
//! The method is Adya's as Elle made it practical (Kingsbury and Alvaro, "Elle:
//! Inferring Isolation Anomalies from Experimental Observations", VLDB 2020):
//! infer from what transactions read and wrote which of them must precede which,
//! and look for cycles in that.
//!
//! - `log`: the history as transactions; `lists`: the lists that were read.
//! - `writes`: who wrote which version; `numbers`: what keys, values and transactions are.
//! - `relation`: how one transaction depends on another.
//! - `direct`, `list_checks`, `atomicity`, `causality`, `convergence`: anomalies that
//!   need no search for cycles.
//! - `registers`, `appends`, `order`: the dependencies, into a `dependency` graph.
//! - `inference`: orders of versions of registers that only the order of
//!   transactions or final reads tell.
//! - `cycles`: the search for cycles, with `search`, `naming` and `reach`; `original` is
//!   the original's search; `explain` and `picture` show what was found.
//! - [`anomaly`], [`model`]: what there is, and what forbids what.
//! - `verdict`: what it all comes to.
//!
//! # Agreement with the original
//!
//! Verdict, anomaly types and the models ruled out are those of Maelstrom with
//! Elle 0.2.2, except for what `DIFFERENCES.md` lists, which
//! [`Checks::compatible`] takes back. Two things it cannot take back: where the
//! original ends in an exception (a node's answer that is no transaction, an
//! element of a list that nobody appended) there is a finding here; and where Elle
//! gives up on a component after a second (`cycle-search-timeout`), so that speed
//! decides, the search here is complete.

mod anomaly;
mod appends;
mod atomicity;
mod causality;
mod component;
mod convergence;
mod cycles;
mod dependency;
mod direct;
mod explain;
mod inference;
mod list_checks;
mod lists;
mod log;
mod model;
mod naming;
mod numbers;
mod order;
mod original;
mod picture;
mod reach;
mod registers;
mod relation;
mod search;
mod verdict;
mod writes;

use serde_json::json;

use self::anomaly::{Anomalies, Anomaly};
use self::appends::VersionOrder;
use self::atomicity::Versions;
use self::dependency::Dependencies;
use self::log::{Kind, Log};
pub use self::model::{Model, UnknownModel};
use self::naming::{Found, Strategy};
use self::numbers::Version;
pub use self::picture::escape;
use self::registers::Registers;
use self::relation::Scope;
use self::writes::Writes;
use super::{Checker, Outcome};
use crate::cases::Case;
use crate::checks::Checks;
use crate::history::Op;

/// How strict to be, and how like the original.
#[derive(Clone, Copy, Debug)]
struct Options {
    /// Whether anomalies that the original overlooks count. Without it they are
    /// warnings: reads of what nobody wrote, fractured reads, missed causes,
    /// answers to another transaction, final reads that differ, registers that go
    /// back in an order that the model promises, and what a transaction had
    /// overwritten itself. With it, too,
    /// indeterminate transactions on registers count as writers.
    strict: bool,
    /// Whether to follow the original where its verdict is a quirk, not a finding.
    compatible: bool,
}

/// Checks transactions.
pub(crate) struct TxnChecker {
    models: Vec<Model>,
    options: Options,
    log: Log,
}

impl TxnChecker {
    /// On registers: `["r", key, value]`, `["w", key, value]`.
    pub(crate) fn of_registers(checks: &Checks) -> Self {
        Self::new(Kind::Registers, checks)
    }

    /// On lists: `["r", key, [element, …]]`, `["append", key, element]`.
    pub(crate) fn of_lists(checks: &Checks) -> Self {
        Self::new(Kind::Lists, checks)
    }

    /// No models at all stand for strict serializability, as in the original.
    fn new(kind: Kind, checks: &Checks) -> Self {
        let models = match checks.consistency_models.as_slice() {
            [] => vec![Model::StrictSerializable],
            models => models.to_vec(),
        };
        let options = Options { strict: checks.strict, compatible: checks.compatible };
        Self { models, options, log: Log::new(kind) }
    }

    /// Adds the dependencies that data show, and the anomalies that come to light
    /// on the way.
    fn add_data(&self, writes: &Writes, graph: &mut Dependencies, found: &mut Anomalies) {
        match self.log.kind {
            Kind::Registers => {
                let registers = Registers::of(&self.log, writes, self.options, found);
                registers.add_dependencies(graph);
                self.add_unseen(&Versions::Registers(&registers), found);
            }
            Kind::Lists => {
                let order = VersionOrder::of(&self.log);
                let with_own_reads = self.options.compatible;
                appends::add_dependencies(&self.log, writes, &order, with_own_reads, graph);
                self.add_unseen(&Versions::Lists(writes, &order), found);
            }
        }
    }

    /// What transactions missed of others that they should have seen.
    fn add_unseen(&self, versions: &Versions<'_>, found: &mut Anomalies) {
        atomicity::check(&self.log, versions, found);
        // Of the stronger models the search for cycles finds as much.
        if self.models.contains(&Model::Causal) {
            causality::check(&self.log, versions, found);
        }
    }

    /// The cycles of registers that show only with inferred orders of versions,
    /// which the original has not, as far as none of those that are `known` says as
    /// much. `last` holds the versions that were read last.
    fn inferred(&self, writes: &Writes, last: &[Version], known: &Anomalies) -> Anomalies {
        let mut inferred = Anomalies::default();
        let scope = inference::scope(&self.models);
        let is_forbidden = |a: Anomaly| {
            matches!(a, Anomaly::Cycle(..)) && self.models.iter().any(|model| model.forbids(a))
        };
        let is_idle = (scope.is_none() && last.is_empty()) || known.kinds().any(is_forbidden);
        if self.log.kind != Kind::Registers || is_idle {
            return inferred;
        }
        let options = Options { strict: true, compatible: false };
        let registers = Registers::of(&self.log, writes, options, &mut Anomalies::default());
        let mut graph = self.graph(false);
        registers.add_dependencies(&mut graph);
        inference::add_final(&registers, last, &mut graph);
        let scope = scope.unwrap_or(Scope::Data);
        order::add(&self.log, scope, &mut graph);
        if scope > Scope::Data {
            inference::add_ordered(&self.log, &registers, scope, &mut graph);
        }
        for found in cycles::find(&graph, scope, Strategy::PLAIN) {
            let (anomaly, case) = explain::case(&self.log, &found);
            if known.kinds().all(|known| !known.says_as_much_as(anomaly)) {
                inferred.add(anomaly, || case);
            }
        }
        inferred
    }

    /// A graph without dependencies yet, and without transactions that prove nothing.
    fn graph(&self, compatible: bool) -> Dependencies {
        let without = self.log.without_trace(compatible);
        Dependencies::new(self.log.transactions.len()).without(without)
    }

    fn cycles(&self, graph: &Dependencies, scope: Scope) -> Vec<Found> {
        if !self.options.compatible {
            return cycles::find(graph, scope, Strategy::PLAIN);
        }
        let reads_first = self.log.kind == Kind::Registers;
        let strategy = Strategy { reads_first, says_exists: true, ..Strategy::PLAIN };
        cycles::find_as_the_original(graph, scope, strategy, &|txn| self.log.op(txn))
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
        let mut found = std::mem::take(&mut self.log.anomalies);
        let writes = Writes::of(&self.log);
        direct::check(&self.log, &writes, self.options, &mut found);
        if self.log.kind == Kind::Lists {
            list_checks::check(&self.log, &writes, &mut found);
        }
        let last = convergence::check(&self.log, &mut found);

        let mut graph = self.graph(self.options.compatible);
        self.add_data(&writes, &mut graph, &mut found);
        let scope = self.models.iter().map(|model| model.scope()).max().unwrap_or(Scope::Data);
        order::add(&self.log, scope, &mut graph);
        if graph.is_empty() {
            let text = "no transaction depends on any other, so that nothing could be checked. Did \
                        transactions commit, and do they share keys?";
            found.add(Anomaly::EmptyTransactionGraph, || {
                Case::new(Vec::new(), text.to_owned(), json!(true))
            });
        }
        for cycle in self.cycles(&graph, scope) {
            let (anomaly, case) = explain::case(&self.log, &cycle);
            found.add(anomaly, || case);
        }
        let inferred = self.inferred(&writes, &last, &found);
        verdict::outcome(self.log.kind, &self.models, self.options, found, inferred)
    }
}
