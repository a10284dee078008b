//! How long an answer takes.

use std::time::Duration;

/// A smoothed round-trip time and its mean deviation: TCP's estimator,
/// [RFC 6298] section 2, with its gains of 1/8 and 1/4.
///
/// The deviation begins at an eighth of the first sample, not at a half: a machine has a
/// least timeout of its own, which is for that. How long to wait for an answer is the
/// machine's to say: the mean and four deviations are what TCP waits.
///
/// ```
/// use std::time::Duration;
/// use maelstrom::machine::RoundTrip;
///
/// let mut round_trip = RoundTrip::default();
/// assert_eq!(round_trip.mean(), None);
/// round_trip.sample(Duration::from_millis(80));
/// round_trip.sample(Duration::from_millis(160));
/// assert_eq!(round_trip.mean(), Some(Duration::from_millis(90)));
/// assert_eq!(round_trip.deviation(), Duration::from_micros(27_500));
/// ```
///
/// [RFC 6298]: https://www.rfc-editor.org/rfc/rfc6298
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrip {
    mean: Option<Duration>,
    deviation: Duration,
}

impl RoundTrip {
    /// An answer came after so long.
    pub fn sample(&mut self, took: Duration) {
        match self.mean {
            None => {
                self.deviation = took / 8;
                self.mean = Some(took);
            }
            Some(mean) => {
                self.deviation = (self.deviation * 3 + mean.abs_diff(took)) / 4;
                self.mean = Some((mean * 7 + took) / 8);
            }
        }
    }

    /// The smoothed time, once there was an answer.
    pub fn mean(&self) -> Option<Duration> {
        self.mean
    }

    /// How far off the mean an answer is, on average.
    pub fn deviation(&self) -> Duration {
        self.deviation
    }
}
