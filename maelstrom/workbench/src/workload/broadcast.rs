//! `broadcast`: messages that every node is to see in the end.

use rand::RngExt as _;
use serde_json::value::RawValue;

use super::{
    Client, EachThread, Errors, Generator, Malformed, Mixed, Operation, Request, Setup, Step,
    Workload, reply, topology,
};
use crate::settings::Settings;

/// The workload.
#[derive(Debug)]
pub(super) struct Broadcast {
    topology: Request,
}

impl Broadcast {
    pub(super) fn new(settings: &Settings) -> Self {
        let neighbours = topology::neighbours(settings.topology, settings.node_count);
        Self { topology: Request::new("topology").with("topology", &neighbours) }
    }
}

impl Workload for Broadcast {
    fn setup(&self) -> Option<Setup> {
        Some(Setup { request: self.topology.clone(), reply: "topology_ok" })
    }

    /// Half broadcasts of 0, 1, 2, …, half reads.
    fn generator(&self) -> Box<dyn Generator> {
        let mut count = 0_u64;
        Box::new(Mixed::new(move |rng| {
            if rng.random() {
                count += 1;
                Operation::new("broadcast", &(count - 1))
            } else {
                Operation::bare("read")
            }
        }))
    }

    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        Some(Box::new(EachThread::once(Operation::bare("read").marked_final())))
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(BroadcastClient)
    }

    fn errors(&self) -> Errors {
        Errors::Reported { idempotent: &["read"] }
    }
}

struct BroadcastClient;

impl Client for BroadcastClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        Step::Request(match operation.f {
            "broadcast" => Request::new("broadcast").with("message", &operation.value),
            _ => Request::new("read"),
        })
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        if operation.f == "broadcast" {
            reply::fields(body, "broadcast_ok", [])?;
            return Ok(Step::Ok(None));
        }
        let [messages] = reply::fields(body, "read_ok", ["messages"])?;
        let messages =
            reply::list(messages).map_err(|error| Malformed::new("read_ok", error, body))?;
        Ok(Step::Ok(Some(messages)))
    }
}
