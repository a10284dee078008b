//! How long an answer takes: a smoothed round-trip time and its deviation.
//!
//! What is expected comes from [`RoundTrip`]; here is for how long to wait: four deviations
//! more, doubled while nothing is answered ([RFC 6298] section 5.5). Until there were
//! [`FEW`] samples, no timeout is shorter than the first one, for one sample says nothing of
//! how much they differ. Samples after the first count for twice the timeout at most, so
//! that one pause of seconds does not slow everything down afterwards; a network that is
//! slow indeed is believed after some answers.
//!
//! [RFC 6298]: https://www.rfc-editor.org/rfc/rfc6298

use std::time::Duration;

use maelstrom::machine::RoundTrip;

/// The first timeout, before there was any answer. It is short, because a node
/// may well ask before the other one has started.
const INITIAL: Duration = Duration::from_millis(300);
/// How often that is doubled: a round trip may take seconds.
const FIRST_DOUBLINGS: u32 = 4;
/// So many samples are too few to trust.
const FEW: u32 = 5;
/// Added to every timeout: what a busy machine takes to get to a message.
const SLACK: Duration = Duration::from_millis(30);
/// No timeout is shorter: a process may have to wait for its turn.
const SHORTEST: Duration = Duration::from_millis(150);
/// No timeout is longer.
const LONGEST: Duration = Duration::from_secs(8);
/// Doublings in a row are limited to this many, so that a node that was cut off
/// for long is quick again when it is back.
const DOUBLINGS: u32 = 2;

/// An estimate of a round-trip time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rtt {
    expected: RoundTrip,
    samples: u32,
    timeouts: u32,
    /// Whether the others have started, for certain.
    expects_answers: bool,
}

impl Rtt {
    /// An answer came after so long. The first counts in full, those after it as far
    /// as they are credible.
    pub(crate) fn sample(&mut self, took: Duration) {
        let took = if self.samples > 0 { self.credible(took) } else { took };
        self.timeouts = 0;
        self.samples = (self.samples + 1).min(FEW);
        self.expected.sample(took);
    }

    /// What to believe of a round trip: twice the timeout at most. Whoever asked or
    /// answered may have been stopped meanwhile.
    pub(crate) fn credible(&self, took: Duration) -> Duration {
        took.min(2 * self.timeout())
    }

    /// No answer came in time.
    pub(crate) fn timed_out(&mut self) {
        let is_unknown = self.samples == 0 && !self.expects_answers;
        let most = if is_unknown { FIRST_DOUBLINGS } else { DOUBLINGS };
        self.timeouts = (self.timeouts + 1).min(most);
    }

    /// Whether there was no answer yet, and not so many timeouts that none is
    /// to be expected.
    pub(crate) fn is_unknown(&self) -> bool {
        let most = if self.expects_answers { DOUBLINGS } else { FIRST_DOUBLINGS };
        self.samples == 0 && self.timeouts < most
    }

    /// The others have started, so who does not answer now cannot be reached.
    pub(crate) fn expect_answers(&mut self) {
        self.expects_answers = true;
    }

    /// The mean, once there was an answer.
    pub(crate) fn mean(&self) -> Option<Duration> {
        self.expected.mean()
    }

    /// The mean deviation.
    pub(crate) fn deviation(&self) -> Duration {
        self.expected.deviation()
    }

    /// How far off the mean an answer may well be.
    pub(crate) fn jitter(&self) -> Duration {
        self.deviation() * 4
    }

    /// After how long an answer is overdue.
    pub(crate) fn timeout(&self) -> Duration {
        (self.usual_timeout() * (1 << self.timeouts)).min(LONGEST)
    }

    /// The same if the last answers came in time.
    pub(crate) fn usual_timeout(&self) -> Duration {
        let shortest = if self.samples < FEW { INITIAL } else { SHORTEST };
        self.mean().map_or(INITIAL, |mean| mean + self.jitter() + SLACK).max(shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_pause_is_no_round_trip_but_a_slow_network_is_believed() {
        let mut rtt = Rtt::default();
        rtt.sample(rtt.credible(5000 * MS));
        assert!(rtt.timeout() < 1000 * MS, "{:?}", rtt.timeout());
        let answers = (1..).take_while(|_| {
            rtt.sample(2000 * MS);
            rtt.timeout() < 2000 * MS
        });
        assert!(answers.count() < 5);
        let mut rtt = Rtt::default();
        (0..20).for_each(|_| rtt.sample(10 * MS));
        rtt.sample(5000 * MS);
        assert!(rtt.timeout() < 600 * MS, "{:?}", rtt.timeout());
    }

    #[test]
    fn a_steady_round_trip_leaves_little_slack() {
        let mut rtt = Rtt::default();
        for _ in 0..40 {
            rtt.sample(200 * MS);
        }
        assert_eq!(rtt.mean(), Some(200 * MS));
        assert!(rtt.timeout() < 235 * MS, "{:?}", rtt.timeout());
    }

    #[test]
    fn timeouts_double_up_to_a_limit_and_an_answer_ends_that() {
        let mut rtt = Rtt::default();
        rtt.sample(200 * MS);
        let patient = rtt.timeout();
        for _ in 0..5 {
            rtt.timed_out();
        }
        assert_eq!(rtt.timeout(), patient * 4);
        rtt.sample(200 * MS);
        assert!(rtt.timeout() <= patient);
    }
}
