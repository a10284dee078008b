//! Which writes come before something: a vector clock.

/// One write: the session that made it, and its number among that session's
/// writes, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dot {
    pub(super) session: usize,
    pub(super) number: u64,
}

/// A set of writes that contains with each write all earlier ones of its session:
/// how many of each. What is missing at the end is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past(Vec<u64>);

impl Past {
    pub(super) fn contains(&self, dot: Dot) -> bool {
        self.count(dot.session) >= dot.number
    }

    pub(super) fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().enumerate().all(|(session, &count)| self.count(session) >= count)
    }

    /// The write that a session makes next.
    pub(super) fn next(&self, session: usize) -> Dot {
        Dot { session, number: self.count(session) + 1 }
    }

    pub(super) fn insert(&mut self, dot: Dot) {
        if self.0.len() <= dot.session {
            self.0.resize(dot.session + 1, 0);
        }
        let count = &mut self.0[dot.session];
        *count = dot.number.max(*count);
    }

    pub(super) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (count, &theirs) in self.0.iter_mut().zip(&other.0) {
            *count = theirs.max(*count);
        }
    }

    fn count(&self, session: usize) -> u64 {
        self.0.get(session).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_has_with_a_write_all_earlier_ones_of_its_session() {
        let mut past = Past::default();
        past.insert(Dot { session: 2, number: 3 });
        assert!(past.contains(Dot { session: 2, number: 1 }));
        assert!(!past.contains(Dot { session: 2, number: 4 }));
        assert!(!past.contains(Dot { session: 7, number: 1 }));
        assert_eq!(past.next(2), Dot { session: 2, number: 4 });
    }

    #[test]
    fn a_join_has_what_either_has() {
        let (mut a, mut b) = (Past::default(), Past::default());
        a.insert(Dot { session: 0, number: 5 });
        b.insert(Dot { session: 0, number: 2 });
        b.insert(Dot { session: 1, number: 1 });
        assert!(!a.contains_all(&b));
        a.join(&b);
        assert!(a.contains_all(&b) && a.contains(Dot { session: 0, number: 5 }));
    }
}
