//! Logical time: who committed, when, and what a node has of it.
//!
//! A [`Stamp`] names a transaction and orders it among all others: Lamport's
//! total order ([Time, Clocks, and the Ordering of Events][lamport], 1978).
//! A [`Vector`], a version vector, says for each incarnation up to which time its
//! transactions are there, which is all of it, because they are passed on without gaps.
//!
//! [lamport]: https://lamport.azurewebsites.net/pubs/time-clocks.pdf

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A Lamport time; the first transaction of all has 1.
pub type Time = u64;

/// No time above this is taken from another node: it is the greatest integer
/// that every JSON implementation keeps exact, and far from overflow.
pub const MAX_TIME: Time = 1 << 53;

/// A node, `<node>-<random>`, from when it had nothing until it loses what it had. A
/// restart that finds everything again continues the incarnation.
///
/// Two incarnations never commit under one name, so what a node has lost can never be
/// mistaken for something that it committed later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(Arc<str>);

impl Incarnation {
    /// An incarnation of this node; `number` is what sets it apart from its others.
    pub fn new(node: &str, number: u64) -> Self {
        Self(format!("{node}-{number:x}").into())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A transaction's name and its place in the order of all transactions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Compared first.
    pub time: Time,
    /// Breaks ties: no two transactions of one incarnation have the same time.
    pub incarnation: Incarnation,
}

/// For each incarnation, the time up to which all its transactions are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vector(BTreeMap<Incarnation, Time>);

impl Vector {
    /// The time up to which all of this incarnation's transactions are meant.
    pub fn get(&self, incarnation: &Incarnation) -> Time {
        self.0.get(incarnation).copied().unwrap_or(0)
    }

    /// Raises an incarnation's time; never lowers it.
    pub fn raise(&mut self, incarnation: &Incarnation, time: Time) {
        match self.0.get_mut(incarnation) {
            Some(known) => *known = time.max(*known),
            None if time > 0 => {
                self.0.insert(incarnation.clone(), time);
            }
            None => {}
        }
    }

    /// The incarnations with a time that `other` does not have, and that time.
    #[must_use]
    pub fn beyond(&self, other: &Vector) -> Vector {
        let news = self.0.iter().filter(|&(incarnation, &time)| time > other.get(incarnation));
        Vector(news.map(|(incarnation, &time)| (incarnation.clone(), time)).collect())
    }

    /// The same without this incarnation.
    #[must_use]
    pub fn without(mut self, incarnation: &Incarnation) -> Vector {
        self.0.remove(incarnation);
        self
    }

    /// Raises every incarnation's time to that of `other`.
    pub fn merge(&mut self, other: &Vector) {
        for (incarnation, &time) in &other.0 {
            self.raise(incarnation, time);
        }
    }

    /// Lowers every incarnation's time to that of `other`.
    pub fn meet(&mut self, other: &Vector) {
        for (incarnation, time) in &mut self.0 {
            *time = other.get(incarnation).min(*time);
        }
    }

    /// Whether all that `other` means is meant here, too.
    pub fn covers(&self, other: &Vector) -> bool {
        other.0.iter().all(|(incarnation, &time)| self.get(incarnation) >= time)
    }

    /// The greatest time of all.
    pub fn latest(&self) -> Time {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// The name as it is kept here already, so that equal names share memory.
    pub fn intern(&self, incarnation: &Incarnation) -> Incarnation {
        self.0
            .get_key_value(incarnation)
            .map_or_else(|| incarnation.clone(), |(kept, _)| kept.clone())
    }

    /// All incarnations and their times.
    pub fn iter(&self) -> impl Iterator<Item = (&Incarnation, Time)> {
        self.0.iter().map(|(incarnation, &time)| (incarnation, time))
    }

    /// Of how many incarnations something is meant.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(times: [Time; 3]) -> Vector {
        let mut vector = Vector::default();
        for (index, time) in (0..).zip(times) {
            vector.raise(&Incarnation::new("n", index), time);
        }
        vector
    }

    #[test]
    fn a_vector_covers_what_it_is_above_of_in_every_place() {
        assert!(vector([3, 2, 0]).covers(&vector([3, 1, 0])));
        assert!(!vector([3, 2, 0]).covers(&vector([1, 1, 1])));
        assert!(vector([0, 0, 0]).covers(&Vector::default()));
    }

    #[test]
    fn merge_is_the_least_above_and_meet_the_greatest_below() {
        let (a, b) = (vector([3, 2, 0]), vector([1, 5, 4]));
        let (mut above, mut below) = (a.clone(), a);
        above.merge(&b);
        below.meet(&b);
        assert_eq!(above, vector([3, 5, 4]));
        assert!(below.covers(&vector([1, 2, 0])) && vector([1, 2, 0]).covers(&below));
    }
}
