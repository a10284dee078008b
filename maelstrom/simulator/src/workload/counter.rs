//! `g-counter` and `pn-counter`: a counter that grows, or goes both ways.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use super::{
    Client, EachThread, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload,
    reply,
};
use crate::settings::Values;

/// The workload.
#[derive(Debug)]
pub(super) struct Counter {
    /// Whether it goes both ways.
    pub(super) negative: bool,
    /// Anything but the original's integers are some at the edges of machine words.
    pub(super) values: Values,
}

/// Few, so that those in doubt come to few sums, and with room between any two sums.
const WIDE: [&str; 4] = [
    "9223372036854775807",
    "18446744073709551615",
    "170141183460469231731687303715884105727",
    "10000000000000000000000000000000000000000",
];
/// One add in so many is wide.
const WIDE_ADDS: u32 = 8;

/// Half adds of −5 … 4, half reads. For the counter that only grows, the original
/// draws again whenever it drew a negative add, so that a third are adds.
fn operation(negative: bool, rng: &mut StdRng) -> Operation {
    loop {
        if rng.random() {
            return Operation::bare("read");
        }
        let delta = rng.random_range(-5..5);
        if negative || delta >= 0 {
            return Operation::new("add", &delta);
        }
    }
}

/// An add of a wide integer.
fn wide(negative: bool, rng: &mut StdRng) -> Operation {
    let digits = WIDE[rng.random_range(0..WIDE.len())];
    let sign = if negative && rng.random() { "-" } else { "" };
    let delta = RawValue::from_string(format!("{sign}{digits}"));
    Operation::new("add", &delta.unwrap_or_else(|_| unreachable!("digits are JSON")))
}

impl Workload for Counter {
    fn generator(&self) -> Box<dyn Generator> {
        let Self { negative, values } = *self;
        Box::new(Mixed::new(move |rng| {
            let operation = operation(negative, rng);
            match values != Values::Integers && operation.f == "add" {
                true if rng.random_ratio(1, WIDE_ADDS) => wide(negative, rng),
                _ => operation,
            }
        }))
    }

    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        Some(Box::new(EachThread::once(Operation::bare("read").marked_final())))
    }

    fn probe(&self) -> Operation {
        Operation::bare("read")
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(CounterClient)
    }

    fn errors(&self) -> Errors {
        Errors::Raised
    }
}

struct CounterClient;

impl Client for CounterClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        Step::Request(match operation.f {
            "add" => Request::new("add").with("delta", &operation.value),
            _ => Request::new("read"),
        })
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        if operation.f == "add" {
            reply::fields(body, "add_ok", [])?;
            return Ok(Step::Ok(None));
        }
        let [value] = reply::fields(body, "read_ok", ["value"])?;
        match is_integer(value.get()) {
            true => Ok(Step::Ok(Some(value.to_owned()))),
            false => Err(Malformed::new("read_ok", "`value` has to be an integer", body)),
        }
    }
}

/// Whether a JSON value is an integer, of any size.
fn is_integer(json: &str) -> bool {
    json.strip_prefix('-').unwrap_or(json).bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn draw(negative: bool) -> Vec<Option<i64>> {
        let mut rng = StdRng::seed_from_u64(3);
        let delta = |operation: Operation| match operation.f {
            "add" => Some(operation.value.get().parse().unwrap()),
            _ => None,
        };
        (0..6000).map(|_| delta(operation(negative, &mut rng))).collect()
    }

    #[test]
    fn a_third_of_a_growing_counters_operations_are_adds_of_0_to_4() {
        let drawn = draw(false);
        let adds: Vec<i64> = drawn.iter().flatten().copied().collect();
        assert_eq!((adds.iter().min(), adds.iter().max()), (Some(&0), Some(&4)));
        assert!((1800..2200).contains(&adds.len()), "{}", adds.len());
    }

    #[test]
    fn half_of_the_other_counters_operations_are_adds_from_minus_5_to_4() {
        let drawn = draw(true);
        let adds: Vec<i64> = drawn.iter().flatten().copied().collect();
        assert_eq!((adds.iter().min(), adds.iter().max()), (Some(&-5), Some(&4)));
        assert!((2800..3200).contains(&adds.len()), "{}", adds.len());
    }
}
