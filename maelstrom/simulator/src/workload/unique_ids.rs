//! `unique-ids`: nodes make up identifiers, no two the same.

use serde_json::value::RawValue;

use super::{
    Client, Errors, Generator, Malformed, Mixed, Operation, Request, Step, Workload, reply,
};

/// The workload.
#[derive(Debug)]
pub(super) struct UniqueIds;

impl Workload for UniqueIds {
    fn generator(&self) -> Box<dyn Generator> {
        Box::new(Mixed::new(|_| Operation::bare("generate")))
    }

    fn probe(&self) -> Operation {
        Operation::bare("generate")
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(UniqueIdsClient)
    }

    fn reuses_clients(&self) -> bool {
        true
    }

    fn errors(&self) -> Errors {
        Errors::Reported { idempotent: &[] }
    }
}

struct UniqueIdsClient;

impl Client for UniqueIdsClient {
    fn invoke(&mut self, _: &Operation) -> Step {
        Step::Request(Request::new("generate"))
    }

    fn reply(&mut self, _: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        let [id] = reply::fields(body, "generate_ok", ["id"])?;
        Ok(Step::Ok(Some(id.to_owned())))
    }
}
