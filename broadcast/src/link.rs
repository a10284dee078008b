//! One direction of a link: how much of the other side's arrivals has come.

use std::collections::BTreeMap;

/// How many parts that came too early are remembered. More than that are in
/// flight on no link that works.
const EARLY: usize = 64;

/// The part of a neighbour's arrivals that has come here.
///
/// Messages say which part of the arrivals they carry, from `since` to `upto`.
/// They may overtake each other, be lost, or come twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    upto: usize,
    /// Parts behind a gap: begin and end.
    early: BTreeMap<usize, usize>,
}

impl Heard {
    /// Nothing was missed up to here.
    pub(crate) fn from(upto: usize) -> Self {
        Self { upto, early: BTreeMap::new() }
    }

    /// Everything before this position has arrived.
    pub(crate) fn upto(&self) -> usize {
        self.upto
    }

    /// Whether something in between is missing.
    pub(crate) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// A part arrived.
    pub(crate) fn note(&mut self, since: usize, upto: usize) {
        if since > self.upto {
            let end = self.early.entry(since).or_insert(upto);
            *end = upto.max(*end);
            if self.early.len() > EARLY {
                self.early.pop_last();
            }
            return;
        }
        self.upto = self.upto.max(upto);
        while let Some(next) = self.early.first_entry() {
            if *next.key() > self.upto {
                break;
            }
            self.upto = self.upto.max(next.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_overtake_each_other_leave_no_gap_in_the_end() {
        let mut heard = Heard::from(10);
        heard.note(14, 20);
        assert!(heard.has_gap());
        heard.note(20, 22);
        heard.note(14, 20);
        assert_eq!(heard.upto(), 10);
        heard.note(10, 14);
        assert!(!heard.has_gap());
        assert_eq!(heard.upto(), 22);
    }

    #[test]
    fn a_part_that_comes_twice_changes_nothing() {
        let mut heard = Heard::default();
        heard.note(0, 5);
        heard.note(0, 3);
        assert_eq!(heard.upto(), 5);
    }
}
