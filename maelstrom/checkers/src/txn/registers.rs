//! Dependencies between transactions on registers.
//!
//! A read names the version's writer, which gives the read dependencies (wr).
//! The order of versions is hidden. Two things are inferred from it: the initial
//! `null` comes before every other version, and when one transaction reads a
//! version and then writes the key, the one follows the other (Elle's
//! `wfr-keys?`, writes follow reads, which Maelstrom asks for). Where
//! transactions disagree about that, the key's inferred order is dropped, and
//! that is an anomaly by itself.
//!
//! Only external reads and writes count: the first micro-operation on a key if
//! it is a read, and the last write to it.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value, json};

use super::Options;
use super::anomaly::{Anomalies, Anomaly};
use super::dependency::{Dependencies, Dependency, group};
use super::log::{Fate, Log, Mop};
use super::numbers::{NULL, Name, Txn, Version};
use super::writes::Writes;
use crate::cases::Case;
use crate::graph::Digraph;

/// What the rest of the world sees of a transaction.
#[derive(Debug, Default)]
pub(super) struct External {
    /// Per key what it read before it did anything else to the key.
    pub(super) reads: Vec<Version>,
    /// Per key what it wrote last.
    pub(super) writes: Vec<Version>,
}

impl External {
    pub(super) fn of(mops: &[Mop]) -> Self {
        let mut external = Self::default();
        let mut written: FxHashMap<Name, usize> = FxHashMap::default();
        let mut touched: FxHashSet<Name> = FxHashSet::default();
        for mop in mops {
            let is_first = touched.insert(mop.key);
            if !mop.is_write {
                if is_first {
                    external.reads.push((mop.key, mop.value));
                }
            } else if let Some(&at) = written.get(&mop.key) {
                external.writes[at].1 = mop.value;
            } else {
                written.insert(mop.key, external.writes.len());
                external.writes.push((mop.key, mop.value));
            }
        }
        external
    }
}

/// Who did what to which version, and which version followed which.
#[derive(Debug, Default)]
pub(super) struct Registers {
    /// External reads of committed transactions, sorted.
    pub(super) readers: Vec<(Version, Txn)>,
    /// The external writer of each version.
    writers: FxHashMap<Version, Txn>,
    /// Everything written to each key, sorted: what follows its `null`.
    pub(super) written: Vec<(Name, (Txn, Name))>,
    /// Versions that follow others directly, with their writers, sorted.
    pub(super) followers: Vec<(Version, (Txn, Name))>,
}

impl Registers {
    /// Reads the transactions, and notes where they disagree about versions.
    pub(super) fn of(
        log: &Log,
        writes: &Writes,
        options: Options,
        anomalies: &mut Anomalies,
    ) -> Self {
        let mut registers = Self::default();
        for txn in log.all() {
            registers.add(log, writes, txn, options);
        }
        registers.readers.sort_unstable();
        registers.written.sort_unstable();
        registers.followers.sort_unstable();
        registers.drop_cyclic_orders(log, options.compatible, anomalies);
        registers
    }

    /// The original leaves indeterminate transactions out. They belong in, since
    /// one whose write was read did happen.
    fn add(&mut self, log: &Log, writes: &Writes, txn: Txn, options: Options) {
        let fate = log.txn(txn).fate;
        if fate != Fate::Committed && !(fate == Fate::Indeterminate && options.strict) {
            return;
        }
        let external = External::of(log.mops(txn));
        for &(key, value) in external.writes.iter().filter(|(_, value)| *value != NULL) {
            // A version that two transactions wrote has no place in the order.
            if writes.get((key, value)).is_some_and(|write| write.txn == txn) {
                self.writers.insert((key, value), txn);
                self.written.push((key, (txn, value)));
            }
        }
        if fate == Fate::Committed {
            self.add_reads(&external, txn, options);
        }
    }

    /// To the original a version that its own writer read follows itself, and so
    /// comes after all that read it.
    fn add_reads(&mut self, external: &External, txn: Txn, options: Options) {
        let may_follow = |value, next| next != value || options.compatible;
        self.readers.extend(external.reads.iter().map(|&version| (version, txn)));
        let writes: FxHashMap<Name, Name> = external.writes.iter().copied().collect();
        for &(key, value) in external.reads.iter().filter(|(_, value)| *value != NULL) {
            if let Some(&next) =
                writes.get(&key).filter(|&&next| next != NULL && may_follow(value, next))
            {
                self.followers.push(((key, value), (txn, next)));
            }
        }
    }

    /// Drops the order of keys in which versions precede themselves; of all keys
    /// if that is what the original does.
    fn drop_cyclic_orders(&mut self, log: &Log, all: bool, anomalies: &mut Anomalies) {
        let mut cyclic: FxHashSet<Name> = FxHashSet::default();
        for of_key in self.followers.chunk_by(|a, b| a.0.0 == b.0.0) {
            let key = of_key[0].0.0;
            for versions in cycles_of_versions(of_key) {
                cyclic.insert(key);
                let ops = || of_key.iter().filter(|f| versions.contains(&f.1.1)).map(|f| f.1.0);
                anomalies.add(Anomaly::CyclicVersions, || {
                    cyclic_versions(log, key, &versions, &ops().collect::<Vec<_>>())
                });
            }
        }
        let drops_all = all && !cyclic.is_empty();
        self.followers.retain(|((key, _), _)| !drops_all && !cyclic.contains(key));
    }

    pub(super) fn add_dependencies(&self, graph: &mut Dependencies) {
        for &((key, value), reader) in &self.readers {
            if let Some(&writer) = self.writers.get(&(key, value)) {
                if writer == reader {
                    graph.add_loop(reader, Dependency::wr(key, value));
                }
                graph.add(writer, reader, Dependency::wr(key, value));
            }
        }
        for of_key in self.written.chunk_by(|a, b| a.0 == b.0) {
            let writers: Vec<(Txn, Name)> = of_key.iter().map(|&(_, write)| write).collect();
            self.add_followers((of_key[0].0, NULL), &writers, graph);
        }
        for of_version in self.followers.chunk_by(|a, b| a.0 == b.0) {
            let writers: Vec<(Txn, Name)> = of_version.iter().map(|&(_, write)| write).collect();
            self.add_followers(of_version[0].0, &writers, graph);
        }
    }

    fn add_followers(&self, version: Version, followers: &[(Txn, Name)], graph: &mut Dependencies) {
        let readers: Vec<Txn> = group(&self.readers, version).collect();
        if !readers.is_empty() {
            graph.touch();
        }
        graph.follow(version, self.writer(version), &readers, followers);
    }

    /// Who wrote this version for the world to see.
    pub(super) fn writer(&self, version: Version) -> Option<Txn> {
        self.writers.get(&version).copied()
    }
}

/// The sets of versions of one key that precede each other.
fn cycles_of_versions(followers: &[(Version, (Txn, Name))]) -> Vec<Vec<Name>> {
    let mut values: Vec<Name> =
        followers.iter().flat_map(|&((_, value), (_, next))| [value, next]).collect();
    values.sort_unstable();
    values.dedup();
    let place = |value: Name| values.partition_point(|&v| v < value) as u32;
    let arcs: Vec<(u32, u32, ())> =
        followers.iter().map(|&((_, value), (_, next))| (place(value), place(next), ())).collect();
    let components = Digraph::new(values.len(), &arcs).components();
    components.into_iter().map(|c| c.into_iter().map(|v| values[v as usize]).collect()).collect()
}

fn cyclic_versions(log: &Log, key: Name, versions: &[Name], writers: &[Txn]) -> Case {
    let values: Vec<Value> = versions.iter().map(|&value| log.json(value)).collect();
    let text = format!(
        "the values {} of key {} follow each other in a circle: each was written by a \
         transaction that had read another one of them",
        Value::from(values.clone()),
        log.text(key)
    );
    let sources = ["initial-state", "wfr-keys"];
    let detail = json!({"key": log.json(key), "scc": values, "sources": sources});
    Case::new(log.ops(writers.iter().copied()), text, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mop(is_write: bool, key: Name, value: u32) -> Mop {
        Mop { is_write, key, value, is_null: false }
    }

    #[test]
    fn the_world_sees_the_first_read_and_the_last_write() {
        let mops = [
            mop(false, 1, 5),
            mop(true, 1, 6),
            mop(false, 1, 6),
            mop(true, 1, 7),
            mop(true, 2, 8),
            mop(false, 2, 8),
        ];
        let external = External::of(&mops);
        assert_eq!(external.reads, [(1, 5)]);
        assert_eq!(external.writes, [(1, 7), (2, 8)]);
    }

    #[test]
    fn versions_in_a_circle_are_found() {
        let followers = [((1, 10), (0, 11)), ((1, 11), (1, 12)), ((1, 12), (2, 10))];
        assert_eq!(cycles_of_versions(&followers), [vec![10, 11, 12]]);
        assert!(cycles_of_versions(&followers[..2]).is_empty());
    }
}
