//! What the network does to messages between nodes and the service.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::StdRng;

/// The state of the network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// Pairs of sender and receiver that do not reach each other.
    blocked: BTreeSet<(String, String)>,
    /// Of a thousand messages, so many are lost …
    loss: u32,
    /// … so many come twice …
    duplicates: u32,
    /// … and so many take long.
    slow: u32,
    /// How long a slow message takes at most, in milliseconds.
    slowness: u64,
}

impl Weather {
    /// The next state, drawn at random; calm in one case of four.
    pub(crate) fn draw(rng: &mut StdRng, nodes: &[String]) -> Self {
        let mut weather = Self::default();
        match rng.random_range(0..8) {
            0 | 1 => {}
            2 => weather.split(rng, nodes, true),
            3 => weather.split(rng, nodes, false),
            4 => weather.loss = rng.random_range(10..400),
            5 => weather.duplicates = rng.random_range(10..500),
            6 => weather.slow(rng),
            _ => {
                weather.split(rng, nodes, true);
                weather.loss = rng.random_range(0..200);
                weather.duplicates = rng.random_range(0..200);
                weather.slow(rng);
            }
        }
        weather
    }

    /// Cuts the nodes (never the service) in two, in one direction or both.
    fn split(&mut self, rng: &mut StdRng, nodes: &[String], both: bool) {
        let sides: Vec<bool> = nodes.iter().map(|_| rng.random()).collect();
        for (a, &left) in nodes.iter().zip(&sides) {
            for (b, &right) in nodes.iter().zip(&sides) {
                if left && !right {
                    self.blocked.insert((a.clone(), b.clone()));
                    if both {
                        self.blocked.insert((b.clone(), a.clone()));
                    }
                }
            }
        }
    }

    fn slow(&mut self, rng: &mut StdRng) {
        self.slow = rng.random_range(10..1000);
        self.slowness = rng.random_range(5..2000);
    }

    /// How long this message's copies take, in milliseconds: none when it is
    /// lost.
    pub(crate) fn delays(&self, rng: &mut StdRng, src: &str, dest: &str) -> Vec<u64> {
        if self.blocked.contains(&(src.to_owned(), dest.to_owned())) {
            return Vec::new();
        }
        let mut chance = |of_a_thousand| rng.random_range(0..1000) < of_a_thousand;
        let lost = chance(self.loss);
        let copies = if lost { 0 } else { 1 + usize::from(chance(self.duplicates)) };
        let slow: Vec<bool> = (0..copies).map(|_| chance(self.slow)).collect();
        let delay = |slow| if slow { rng.random_range(0..=self.slowness) } else { 1 };
        slow.into_iter().map(delay).collect()
    }
}
