//! `echo`: nodes send back what they get.

use rand::RngExt as _;
use serde_json::value::RawValue;

use super::{
    Client, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload, reply,
};
use crate::settings::Values;

/// The workload.
#[derive(Debug)]
pub(super) struct Echo(pub(super) Values);

/// How many values there are but the original's.
const VARIETY: u64 = 1000;

impl Workload for Echo {
    fn generator(&self) -> Box<dyn Generator> {
        let values = self.0;
        Box::new(Mixed::new(move |rng| match values {
            Values::Integers => {
                Operation::new("echo", &format!("Please echo {}", rng.random_range(0..128)))
            }
            _ => Operation::new("echo", &values.json(rng.random_range(0..VARIETY))),
        }))
    }

    fn probe(&self) -> Operation {
        Operation::new("echo", "Please echo this")
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(EchoClient)
    }

    fn errors(&self) -> Errors {
        Errors::Reported { idempotent: &[] }
    }
}

struct EchoClient;

impl Client for EchoClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        Step::Request(Request::new("echo").with("echo", &operation.value))
    }

    /// The history gets the whole body; comparing is the checker's.
    fn reply(&mut self, _: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        reply::fields(body, "echo_ok", ["echo"])?;
        Ok(Step::Ok(Some(body.to_owned())))
    }
}
