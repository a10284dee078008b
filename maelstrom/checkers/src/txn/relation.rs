//! How one transaction depends on another, and which order that leans on.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Relation {
    /// It wrote the version before the other's.
    Ww,
    /// It wrote what the other read.
    Wr,
    /// It read the version before the other's.
    Rw,
    /// The same process did it before the other.
    Process,
    /// It had ended when the other began.
    Realtime,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Which order, besides that of the data, a cycle needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// None: the values alone prove it.
    Data,
    /// That one process does one thing after the other.
    Process,
    /// That what began after something had completed comes after it.
    Realtime,
}

impl Scope {
    /// The order that cycles of this scope lean on.
    pub(super) fn order(self) -> Option<Relation> {
        match self {
            Self::Data => None,
            Self::Process => Some(Relation::Process),
            Self::Realtime => Some(Relation::Realtime),
        }
    }
}
