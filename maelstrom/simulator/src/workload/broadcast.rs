//! `broadcast`: messages that every node is to see in the end.

use rand::RngExt as _;
use serde_json::value::RawValue;

use super::{
    Client, EachThread, Errors, Generator, Malformed, Mixed, Operation, Request, Setup, Step,
    Workload, reply, topology,
};
use crate::links::{self, Neighbours};
use crate::settings::{Settings, Topology, Values};

/// The workload.
#[derive(Debug)]
pub(super) struct Broadcast {
    topology: Request,
    values: Values,
}

impl Broadcast {
    /// Nodes are told the links that there are, unless a topology was asked for.
    pub(super) fn new(settings: &Settings, linked: Option<&Neighbours>) -> Self {
        let suggested = |topology| topology::neighbours(topology, settings.node_count);
        let neighbours = match (settings.topology, linked) {
            (Some(topology), _) => suggested(topology),
            (None, Some(linked)) => links::by_name(linked),
            (None, None) => suggested(Topology::Grid),
        };
        let topology = Request::new("topology").with("topology", &neighbours);
        Self { topology, values: settings.values }
    }
}

impl Workload for Broadcast {
    fn setup(&self) -> Option<Setup> {
        Some(Setup { request: self.topology.clone(), reply: "topology_ok" })
    }

    /// Half broadcasts of 0, 1, 2, …, half reads.
    fn generator(&self) -> Box<dyn Generator> {
        let (values, mut count) = (self.values, 0_u64);
        Box::new(Mixed::new(move |rng| {
            if rng.random() {
                count += 1;
                Operation::new("broadcast", &values.json(count - 1))
            } else {
                Operation::bare("read")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::Links;
    use crate::settings;

    fn told(links: Links, topology: Option<Topology>) -> String {
        let settings = Settings {
            node_count: 3,
            links,
            topology,
            ..Settings::new(settings::Workload::Broadcast)
        };
        let workload = super::super::new(&settings).unwrap();
        workload.setup().unwrap().request.body(1).get().to_owned()
    }

    #[test]
    fn nodes_are_told_the_links_unless_a_topology_was_asked_for() {
        let line = r#""topology":{"n0":["n1"],"n1":["n0","n2"],"n2":["n1"]}"#;
        let total = r#""topology":{"n0":["n1","n2"],"n1":["n0","n2"],"n2":["n0","n1"]}"#;
        let grid = told(Links::Complete, Some(Topology::Grid));
        assert_eq!(told(Links::Complete, None), grid, "the original's default");
        assert!(told(Links::Chain, None).contains(line));
        assert!(told(Links::Chain, Some(Topology::Total)).contains(total));
        assert!(told(Links::Complete, Some(Topology::Line)).contains(line));
    }
}
