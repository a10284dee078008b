//! Outages of which several tell: what they saw at the same time was the same.

use std::time::Duration;

use tokio::time::Instant;

/// When they began and ended, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Outages(Vec<(Instant, Instant)>);

impl Outages {
    /// Notes one that was over then. Returns whether it is none of those that are known.
    pub(crate) fn is_another(&mut self, end: Instant, length: Duration) -> bool {
        let begin = end.checked_sub(length).unwrap_or(end);
        let known = self.0.iter_mut().find(|(began, ended)| begin <= *ended && *began <= end);
        match known {
            Some((began, ended)) => {
                (*began, *ended) = (begin.min(*began), end.max(*ended));
                false
            }
            None => {
                self.0.push((begin, end));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_however_many_tell_of_it() {
        let begin = Instant::now() + Duration::from_secs(60);
        let at = |tenths: u64| begin + Duration::from_millis(100 * tenths);
        let tenths = |tenths: u64| Duration::from_millis(100 * tenths);
        let mut outages = Outages::default();
        assert!(outages.is_another(at(20), tenths(10)));
        assert!(!outages.is_another(at(24), tenths(14)), "it was connected later");
        assert!(!outages.is_another(at(22), tenths(1)), "it noticed late");
        assert!(outages.is_another(at(50), tenths(10)), "it came again");
        assert!(!outages.is_another(at(50), tenths(10)));
        assert!(outages.is_another(at(70), Duration::ZERO));
    }
}
