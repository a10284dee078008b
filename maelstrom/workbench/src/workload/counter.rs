//! `g-counter` and `pn-counter`: a counter that grows, or goes both ways.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use super::{
    Client, EachThread, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload,
    reply,
};

/// The workload.
#[derive(Debug)]
pub(super) struct Counter {
    negative: bool,
}

impl Counter {
    /// `g-counter`
    pub(super) const GROW_ONLY: Self = Self { negative: false };
    /// `pn-counter`
    pub(super) const BOTH_WAYS: Self = Self { negative: true };
}

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

impl Workload for Counter {
    fn generator(&self) -> Box<dyn Generator> {
        let negative = self.negative;
        Box::new(Mixed::new(move |rng| operation(negative, rng)))
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
        match value.get().parse::<i64>() {
            Ok(_) => Ok(Step::Ok(Some(value.to_owned()))),
            Err(_) => Err(Malformed::new("read_ok", "`value` has to be an integer", body)),
        }
    }
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
