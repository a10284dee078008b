//! Who wrote which version.
//!
//! The load never writes one value to one key twice, so that a version names its
//! writer. Where it does so nevertheless, the first writer that was not aborted
//! is taken, and the pair is kept for a finding.

use rustc_hash::FxHashMap;

use super::log::{Fate, Kind, Log};
use super::numbers::{Name, Txn, Version};

#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) txn: Txn,
    /// Whether its transaction wrote the key no more after that.
    pub(super) is_final: bool,
}

/// All writes, of aborted transactions too.
#[derive(Debug, Default)]
pub(super) struct Writes {
    by_version: FxHashMap<Version, Write>,
    /// Versions with two writers, and these.
    pub(super) duplicates: Vec<(Version, Txn, Txn)>,
}

impl Writes {
    pub(super) fn of(log: &Log) -> Self {
        let mut writes = Self::default();
        let mut latest: FxHashMap<Name, Name> = FxHashMap::default();
        for txn in log.all() {
            latest.clear();
            for mop in log.mops(txn).iter().filter(|mop| mop.is_write) {
                writes.add(log, (mop.key, mop.value), txn);
                if let Some(overwritten) = latest.insert(mop.key, mop.value) {
                    writes.overwrite((mop.key, overwritten), txn);
                }
            }
        }
        writes
    }

    fn add(&mut self, log: &Log, version: Version, txn: Txn) {
        let write = Write { txn, is_final: true };
        let Some(&known) = self.by_version.get(&version) else {
            self.by_version.insert(version, write);
            return;
        };
        if known.txn != txn || log.kind == Kind::Lists {
            self.duplicates.push((version, known.txn, txn));
        }
        if known.txn == txn || log.txn(known.txn).fate == Fate::Aborted {
            self.by_version.insert(version, write);
        }
    }

    fn overwrite(&mut self, version: Version, by: Txn) {
        if let Some(write) = self.by_version.get_mut(&version)
            && write.txn == by
        {
            write.is_final = false;
        }
    }

    pub(super) fn get(&self, version: Version) -> Option<Write> {
        self.by_version.get(&version).copied()
    }

    /// Who wrote this version and may have committed.
    pub(super) fn possible(&self, log: &Log, version: Version) -> Option<Txn> {
        let write = self.get(version)?;
        (log.txn(write.txn).fate != Fate::Aborted).then_some(write.txn)
    }
}
