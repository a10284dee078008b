//! How long a message between nodes is under way.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

named! {
    /// The shape of the latencies drawn for messages between nodes.
    #[derive(Default)]
    pub enum LatencyDist {
        /// Every message takes the mean.
        #[default]
        Constant = "constant",
        /// Between 0 and twice the mean.
        Uniform = "uniform",
        /// Exponential with the mean.
        Exponential = "exponential",
    }
}

/// How long messages between nodes take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Mean, to whole milliseconds on the command line.
    pub mean: Duration,
    /// Shape.
    pub dist: LatencyDist,
}

/// Draws latencies.
///
/// As in the original, uniform and exponential latencies are whole milliseconds,
/// rounded down, and a uniform one is less than twice the mean.
#[derive(Debug)]
pub(crate) struct LatencyModel {
    latency: Latency,
    rng: StdRng,
}

impl LatencyModel {
    pub(crate) fn new(latency: Latency, rng: StdRng) -> Self {
        Self { latency, rng }
    }

    pub(crate) fn draw(&mut self) -> Duration {
        let mean = self.latency.mean;
        if mean.is_zero() {
            return mean;
        }
        match self.latency.dist {
            LatencyDist::Constant => mean,
            LatencyDist::Uniform => self.uniform(mean),
            LatencyDist::Exponential => self.exponential(mean),
        }
    }

    fn uniform(&mut self, mean: Duration) -> Duration {
        let end = u64::try_from(2 * mean.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.rng.random_range(0..end))
    }

    /// By inversion: −mean · ln(1 − u) with u in [0, 1).
    fn exponential(&mut self, mean: Duration) -> Duration {
        let u: f64 = self.rng.random();
        let millis = mean.as_secs_f64() * 1e3 * -(1.0 - u).ln();
        Duration::from_millis(millis as u64)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn draw(dist: LatencyDist, mean: u64, count: usize) -> Vec<u64> {
        let latency = Latency { mean: Duration::from_millis(mean), dist };
        let mut model = LatencyModel::new(latency, StdRng::seed_from_u64(1));
        (0..count).map(|_| u64::try_from(model.draw().as_nanos()).unwrap()).collect()
    }

    fn mean_millis(nanos: &[u64]) -> f64 {
        nanos.iter().sum::<u64>() as f64 / nanos.len() as f64 / 1e6
    }

    #[test]
    fn no_latency_is_none_whatever_the_shape() {
        for dist in LatencyDist::ALL {
            assert_eq!(draw(dist, 0, 10), [0; 10]);
        }
    }

    #[test]
    fn constant_latency_is_the_mean() {
        assert_eq!(draw(LatencyDist::Constant, 7, 3), [7_000_000; 3]);
    }

    #[test]
    fn uniform_latency_is_whole_milliseconds_below_twice_the_mean() {
        let drawn = draw(LatencyDist::Uniform, 10, 20_000);
        assert!(drawn.iter().all(|nanos| nanos % 1_000_000 == 0));
        assert_eq!(drawn.iter().min(), Some(&0));
        assert_eq!(drawn.iter().max(), Some(&19_000_000));
        assert!((mean_millis(&drawn) - 9.5).abs() < 0.2);
    }

    #[test]
    fn exponential_latency_has_the_mean_less_half_a_millisecond_of_rounding() {
        let drawn = draw(LatencyDist::Exponential, 100, 20_000);
        assert!(drawn.iter().all(|nanos| nanos % 1_000_000 == 0));
        assert!((mean_millis(&drawn) - 99.5).abs() < 3.0);
        let beyond = drawn.iter().filter(|&&nanos| nanos >= 300_000_000).count();
        // P(X > 3 · mean) = e⁻³ ≈ 0.0498
        assert!((beyond as f64 / 20_000.0 - 0.0498).abs() < 0.01);
    }
}
