//! Sets of moments: when something was up.

use std::time::Duration;

/// Intervals with both ends, disjoint and in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spans(Vec<(Duration, Duration)>);

impl Spans {
    /// At every time.
    pub(super) fn always() -> Self {
        Self(vec![(Duration::ZERO, Duration::MAX)])
    }

    /// From now on not any more, unless that was so already.
    pub(super) fn end(&mut self, now: Duration) {
        if let Some((_, end)) = self.0.last_mut() {
            *end = now.min(*end);
        }
    }

    /// From now on again, unless that was so already.
    pub(super) fn begin(&mut self, now: Duration) {
        match self.0.last_mut() {
            Some((_, end)) if *end == Duration::MAX => {}
            Some((_, end)) if *end == now => *end = Duration::MAX,
            _ => self.0.push((now, Duration::MAX)),
        }
    }

    /// Each interval without its first `time`, but for one that has lasted since
    /// the beginning.
    pub(super) fn trimmed(&self, time: Duration) -> Self {
        let later = |(begin, end)| {
            let begin = if begin == Duration::ZERO { begin } else { begin + time };
            (begin <= end).then_some((begin, end))
        };
        Self(self.0.iter().copied().filter_map(later).collect())
    }

    /// Each interval so much later.
    pub(super) fn later(&self, by: Duration) -> Self {
        Self(self.0.iter().map(|&(begin, end)| (begin + by, end.saturating_add(by))).collect())
    }

    /// Each interval so much longer at its end.
    pub(super) fn longer(&self, by: Duration) -> Self {
        let mut longer: Vec<(Duration, Duration)> = Vec::new();
        for &(begin, end) in &self.0 {
            let end = end.saturating_add(by);
            match longer.last_mut() {
                Some(last) if begin <= last.1 => last.1 = end,
                _ => longer.push((begin, end)),
            }
        }
        Self(longer)
    }

    /// What is in both sets.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (mine.peek(), theirs.peek()) {
            let (begin, end) = (a.0.max(b.0), a.1.min(b.1));
            if begin <= end {
                both.push((begin, end));
            }
            let _ = if a.1 <= b.1 { mine.next() } else { theirs.next() };
        }
        Self(both)
    }

    /// The first moment from `at` on.
    pub(super) fn first(&self, at: Duration) -> Option<Duration> {
        let next = self.0.partition_point(|&(_, end)| end < at);
        self.0.get(next).map(|&(begin, _)| begin.max(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn spans(down: &[(u32, u32)]) -> Spans {
        let mut spans = Spans::always();
        for &(end, begin) in down {
            spans.end(end * S);
            spans.begin(begin * S);
        }
        spans
    }

    #[test]
    fn the_first_moment_waits_for_the_end_of_an_interruption() {
        let spans = spans(&[(2, 5), (7, 8)]);
        assert_eq!(spans.first(S), Some(S));
        assert_eq!(spans.first(3 * S), Some(5 * S));
        assert_eq!(spans.first(9 * S), Some(9 * S));
        let mut ended = spans;
        ended.end(10 * S);
        assert_eq!(ended.first(11 * S), None);
    }

    #[test]
    fn an_interval_that_is_shorter_than_what_is_trimmed_does_not_count() {
        let spans = spans(&[(2, 5), (7, 8)]).trimmed(3 * S);
        assert_eq!(spans.first(S), Some(S));
        assert_eq!(spans.first(3 * S), Some(11 * S));
    }

    #[test]
    fn a_short_interruption_is_bridged_by_what_is_longer_than_it() {
        assert_eq!(spans(&[(2, 3)]).longer(S), Spans::always());
        assert_eq!(spans(&[(2, 5)]).longer(S).first(4 * S), Some(5 * S));
        assert_eq!(spans(&[(2, 5)]).longer(S).first(5 * S / 2), Some(5 * S / 2));
    }

    #[test]
    fn both_is_where_neither_is_interrupted() {
        let both = spans(&[(2, 5)]).and(&spans(&[(1, 3), (6, 7)]));
        assert_eq!(both, spans(&[(1, 5), (6, 7)]));
        assert_eq!(both.later(S).first(S), Some(S));
        assert_eq!(both.later(S).first(3 * S), Some(6 * S));
    }
}
