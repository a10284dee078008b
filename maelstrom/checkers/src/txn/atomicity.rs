//! Transactions of which another one saw a part.
//!
//! When T reads what U wrote to one key, and reads another key that U wrote as it
//! was before U, then T saw U fractured (Bailis et al., RAMP, section 3). If T
//! read the newer one first, U vanished before its eyes: OTV. The original's
//! `read-atomic` and `monotonic-atomic-view` do not look for either.

use rustc_hash::FxHashMap;
use serde_json::json;

use super::anomaly::{Anomalies, Anomaly};
use super::appends::VersionOrder;
use super::lists::List;
use super::log::{Kind, Log};
use super::numbers::{NULL, Name, Txn, Version};
use super::registers::{External, Registers};
use super::writes::Writes;
use crate::cases::Case;

pub(super) enum Versions<'a> {
    Registers(&'a Registers),
    Lists(&'a Writes, &'a VersionOrder),
}

/// How far a chain of inferred versions is followed.
const LONGEST_CHAIN: usize = 1_000;

pub(super) fn check(log: &Log, versions: &Versions<'_>, anomalies: &mut Anomalies) {
    let before = versions.predecessors();
    for txn in log.committed() {
        let external = External::of(log.mops(txn));
        if external.reads.len() > 1 {
            check_reader(log, versions, &before, txn, &external.reads, anomalies);
        }
    }
}

fn check_reader(
    log: &Log,
    versions: &Versions<'_>,
    before: &FxHashMap<Version, Name>,
    reader: Txn,
    reads: &[(Name, u32)],
    anomalies: &mut Anomalies,
) {
    let place: FxHashMap<Name, usize> =
        reads.iter().enumerate().map(|(i, &(key, _))| (key, i)).collect();
    for (seen, &read) in reads.iter().enumerate() {
        let Some(writer) = versions.writer(log, read).filter(|&writer| writer != reader) else {
            continue;
        };
        for (key, new) in External::of(log.mops(writer)).writes {
            let Some(&missed) = place.get(&key).filter(|&&missed| missed != seen) else { continue };
            if versions.is_older(log, before, reads[missed], new) {
                let kind = if seen < missed { Anomaly::Otv } else { Anomaly::FracturedRead };
                anomalies.add(kind, || case(log, [reader, writer], read, reads[missed], new));
            }
        }
    }
}

impl Versions<'_> {
    pub(super) fn writer(&self, log: &Log, (key, value): (Name, u32)) -> Option<Txn> {
        match self {
            Self::Registers(registers) => registers.writer((key, value)),
            Self::Lists(writes, _) => {
                let last = log.lists.last(value as List)?;
                writes.possible(log, (key, last))
            }
        }
    }

    /// Of each version of a register, the one that its writer had read.
    pub(super) fn predecessors(&self) -> FxHashMap<Version, Name> {
        match self {
            Self::Lists(..) => FxHashMap::default(),
            Self::Registers(registers) => {
                let pairs = registers.followers.iter();
                pairs.map(|&((key, value), (_, next))| ((key, next), value)).collect()
            }
        }
    }

    /// Whether what was read is known to be from before `new` was written.
    pub(super) fn is_older(
        &self,
        log: &Log,
        before: &FxHashMap<Version, Name>,
        (key, read): (Name, u32),
        new: Name,
    ) -> bool {
        match self {
            Self::Registers(_) if read == NULL => true,
            Self::Registers(_) => {
                let mut chain =
                    std::iter::successors(Some(new), |&v| before.get(&(key, v)).copied());
                chain.next();
                chain.take(LONGEST_CHAIN).any(|version| version == read)
            }
            Self::Lists(_, order) => order.ends_before(log, read as List, new),
        }
    }
}

fn case(
    log: &Log,
    [reader, writer]: [Txn; 2],
    seen: (Name, u32),
    missed: (Name, u32),
    new: Name,
) -> Case {
    let (reader, writer) = (log.op(reader), log.op(writer));
    let (key, value) = (log.text(missed.0), log.read_text(missed.1));
    let verb = if log.kind == Kind::Lists { "appended" } else { "wrote" };
    let text = format!(
        "operation {reader} read key {} as operation {writer} left it, but key {key} = {value}, \
         without {}, which operation {writer} {verb} as well",
        log.text(seen.0),
        log.text(new)
    );
    let detail = json!({
        "op": reader, "writer": writer, "seen": log.json(seen.0), "missed": log.json(missed.0),
        "expected": log.json(new)
    });
    Case::new(vec![reader, writer], text, detail)
}
