//! What is added to counters.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use super::{Generator, Mixed, Operation};
use crate::settings::Values;

/// Few, so that those in doubt come to few sums, and with room between any two sums.
const WIDE: [&str; 4] = [
    "9223372036854775807",
    "18446744073709551615",
    "170141183460469231731687303715884105727",
    "10000000000000000000000000000000000000000",
];
/// One add in so many is wide, unless values are the original's integers.
const WIDE_ADDS: u32 = 8;

pub(super) fn generator(is_negative: bool, values: Values) -> Box<dyn Generator> {
    Box::new(Mixed::new(move |rng| {
        let operation = operation(is_negative, rng);
        match values != Values::Integers && operation.f == "add" {
            true if rng.random_ratio(1, WIDE_ADDS) => wide(is_negative, rng),
            _ => operation,
        }
    }))
}

/// Half adds of −5 … 4, half reads. For the counter that only grows, the original
/// draws again whenever it drew a negative add, so that a third are adds.
fn operation(is_negative: bool, rng: &mut StdRng) -> Operation {
    loop {
        if rng.random() {
            return Operation::bare("read");
        }
        let delta = rng.random_range(-5..5);
        if is_negative || delta >= 0 {
            return Operation::new("add", &delta);
        }
    }
}

/// An add at the edges of machine words.
fn wide(is_negative: bool, rng: &mut StdRng) -> Operation {
    let digits = WIDE[rng.random_range(0..WIDE.len())];
    let sign = if is_negative && rng.random() { "-" } else { "" };
    let delta = RawValue::from_string(format!("{sign}{digits}"));
    Operation::new("add", &delta.unwrap_or_else(|_| unreachable!("digits are JSON")))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_third_of_a_growing_counters_operations_are_adds_and_half_of_the_other_ones() {
        for (is_negative, least, count) in [(false, 0, 1800..2200), (true, -5, 2800..3200)] {
            let mut rng = StdRng::seed_from_u64(3);
            let drawn = (0..6000).map(|_| operation(is_negative, &mut rng));
            let adds = drawn.filter(|operation| operation.f == "add");
            let adds: Vec<i64> = adds.map(|add| add.value.get().parse().unwrap()).collect();
            assert_eq!((adds.iter().min(), adds.iter().max()), (Some(&least), Some(&4)));
            assert!(count.contains(&adds.len()), "{}", adds.len());
        }
    }
}
