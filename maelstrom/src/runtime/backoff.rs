//! How long to wait between one attempt at something and the next.

use std::time::Duration;

/// The shortest time between two attempts at something.
const SHORTEST: Duration = Duration::from_millis(10);

/// How often and how patiently something is asked again.
///
/// The first attempt waits `first` for its answer, each further one twice as long, up to
/// `longest`; none waits less than 10 ms, lest a backoff of nothing be a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// How long the first attempt waits.
    pub first: Duration,
    /// How long an attempt waits at most.
    pub longest: Duration,
}

impl Backoff {
    /// The patience of the attempt that follows on so many: `first`, doubled, doubled
    /// again, … `longest`.
    pub fn step(self, attempts: u32) -> Duration {
        let longest = self.longest.max(SHORTEST);
        self.first.max(SHORTEST).saturating_mul(1 << attempts.min(31)).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_wait_twice_as_long_each_up_to_the_longest() {
        let backoff =
            Backoff { first: Duration::from_millis(100), longest: Duration::from_millis(350) };
        let steps: Vec<u128> = (0..4).map(|attempts| backoff.step(attempts).as_millis()).collect();
        assert_eq!(steps, [100, 200, 350, 350]);
    }

    #[test]
    fn attempts_wait_ten_milliseconds_at_least_whatever_was_asked_for() {
        let steps = |first, longest| -> Vec<Duration> {
            (0..4).map(|attempts| Backoff { first, longest }.step(attempts)).collect()
        };
        assert_eq!(steps(Duration::ZERO, Duration::ZERO), [SHORTEST; 4]);
        assert_eq!(
            steps(Duration::ZERO, 3 * SHORTEST),
            [SHORTEST, 2 * SHORTEST, 3 * SHORTEST, 3 * SHORTEST]
        );
        assert_eq!(steps(Duration::MAX, Duration::MAX), [Duration::MAX; 4]);
    }
}
