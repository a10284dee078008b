//! `g-set`: a set that only grows.

use rand::RngExt as _;
use serde_json::value::RawValue;

use super::{
    Client, EachThread, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload,
    reply,
};
use crate::settings::Values;

/// The workload.
#[derive(Debug)]
pub(super) struct GSet(pub(super) Values);

impl Workload for GSet {
    /// Half adds of 0, 1, 2, …, half reads.
    fn generator(&self) -> Box<dyn Generator> {
        let (values, mut count) = (self.0, 0_u64);
        Box::new(Mixed::new(move |rng| {
            if rng.random() {
                count += 1;
                Operation::new("add", &values.json(count - 1))
            } else {
                Operation::bare("read")
            }
        }))
    }

    /// As in the original they are not marked as final.
    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        Some(Box::new(EachThread::once(Operation::bare("read"))))
    }

    fn probe(&self) -> Operation {
        Operation::bare("read")
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(GSetClient)
    }

    fn errors(&self) -> Errors {
        Errors::Raised
    }
}

struct GSetClient;

impl Client for GSetClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        Step::Request(match operation.f {
            "add" => Request::new("add").with("element", &operation.value),
            _ => Request::new("read"),
        })
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        if operation.f == "add" {
            reply::fields(body, "add_ok", [])?;
            return Ok(Step::Ok(None));
        }
        let [value] = reply::fields(body, "read_ok", ["value"])?;
        let value = reply::list(value).map_err(|error| Malformed::new("read_ok", error, body))?;
        Ok(Step::Ok(Some(value)))
    }
}
