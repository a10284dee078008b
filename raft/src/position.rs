//! Terms, indices and positions: three kinds of numbers that are never mixed up.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A period of time in which there is at most one leader (§5.1).
///
/// Terms and indices are types of their own, so that one is not taken for the other:
///
/// ```compile_fail
/// # use raft::{Index, Term};
/// assert!(Term::default() < Index::default());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(#[serde(deserialize_with = "countable")] u64);

/// The place of an entry in the log, counting from 1; 0 is before all of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Index(#[serde(deserialize_with = "countable")] u64);

/// Takes a number to which others can be added, as all that were counted are: what came
/// over the network need not be one.
fn countable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    match number >> 53 {
        0 => Ok(number),
        _ => Err(D::Error::custom("nobody counts up to 2^53")),
    }
}

/// An entry's term and index, by which entries of two logs are compared.
///
/// The order is that of §5.4.1: the later term is more up to date, and in the same term
/// the longer log.
///
/// ```
/// use raft::{Index, Position, Term};
///
/// let short = Position { term: Term::from(3), index: Index::from(4) };
/// let long = Position { term: Term::from(2), index: Index::from(9) };
/// assert!(short > long);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The term of the leader that made the entry.
    pub term: Term,
    /// Its place.
    pub index: Index,
}

impl Term {
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The term after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Index {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self + 1
    }

    /// The place before this one; that of the beginning is the beginning.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many entries stand behind `earlier`, up to this one.
    pub fn since(self, earlier: Self) -> usize {
        self.0.saturating_sub(earlier.0) as usize
    }
}

impl std::ops::Add<usize> for Index {
    type Output = Self;
    fn add(self, entries: usize) -> Self {
        Self(self.0 + entries as u64)
    }
}

macro_rules! number {
    ($type:ident, $sign:literal) => {
        impl From<u64> for $type {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($sign, "{}"), self.0)
            }
        }
    };
}

number!(Term, "t");
number!(Index, "#");

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{:?}", self.index, self.term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_cannot_be_counted_on_is_none() {
        let largest = (1_u64 << 53) - 1;
        let read = |number: u64| serde_json::from_str::<Term>(&number.to_string());
        assert_eq!(read(largest).unwrap(), Term::from(largest));
        assert!(read(largest + 1).is_err() && read(u64::MAX).is_err());
    }
}
