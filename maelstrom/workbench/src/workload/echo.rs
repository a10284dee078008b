//! `echo`: nodes send back what they get.

use rand::RngExt as _;
use serde_json::value::RawValue;

use super::{
    Client, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload, reply,
};

/// The workload.
#[derive(Debug)]
pub(super) struct Echo;

impl Workload for Echo {
    fn generator(&self) -> Box<dyn Generator> {
        Box::new(Mixed::new(|rng| {
            Operation::new("echo", &format!("Please echo {}", rng.random_range(0..128)))
        }))
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
