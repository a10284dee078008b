//! The workloads whose operations are one request each: `echo`, `unique-ids`, `broadcast`,
//! `g-set`, `g-counter` and `pn-counter`.
//!
//! A request has its operation's name for a type. A [`Call`] says what else is in it, and
//! what of the reply becomes the operation's value.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use super::reply::{self, Malformed};
use super::{
    Client, EachThread, Errors, Generator, Mixed, Operation, Request, Step, Workload, counter,
};
use crate::links::{self, Neighbours};
use crate::settings::{Settings, Values};
use crate::topology::{self, Topology};

/// How many values there are to be echoed but the original's.
const VARIETY: u64 = 1000;

/// An operation's request and reply.
struct Call {
    f: &'static str,
    /// The field of the request that has the operation's value.
    argument: Option<&'static str>,
    taken: Taken,
}

/// What is taken of a reply.
enum Taken {
    /// Nothing: the operation's value stays as it was.
    Nothing,
    /// The whole reply, which has this field.
    Reply(&'static str),
    /// This field, as far as it is what it has to be.
    Field(&'static str, fn(&RawValue) -> Result<Box<RawValue>, String>),
}

const fn call(f: &'static str, argument: Option<&'static str>, taken: Taken) -> Call {
    Call { f, argument, taken }
}

/// A workload of such operations.
pub(super) struct Simple {
    calls: &'static [Call],
    generator: fn(Values) -> Box<dyn Generator>,
    values: Values,
    setup: Option<Request>,
    probe: Operation,
    /// What every client asks after the recovery phase.
    last: Option<Operation>,
    errors: Errors,
    reuses_clients: bool,
}

/// `echo`: nodes send back what they get. The history has the whole reply; comparing is
/// the checker's.
pub(super) fn echo(values: Values) -> Simple {
    Simple {
        calls: const { &[call("echo", Some("echo"), Taken::Reply("echo"))] },
        generator: |values| {
            Box::new(Mixed::new(move |rng| match values {
                Values::Integers => {
                    Operation::new("echo", &format!("Please echo {}", rng.random_range(0..128)))
                }
                _ => Operation::new("echo", &values.json(rng.random_range(0..VARIETY))),
            }))
        },
        values,
        setup: None,
        probe: Operation::new("echo", "Please echo this"),
        last: None,
        errors: Errors::Reported { idempotent: &[] },
        reuses_clients: false,
    }
}

/// `unique-ids`: nodes make up identifiers, no two the same.
pub(super) fn unique_ids() -> Simple {
    Simple {
        calls: const { &[call("generate", None, Taken::Field("id", |id| Ok(id.to_owned())))] },
        generator: |_| Box::new(Mixed::new(|_| Operation::bare("generate"))),
        probe: Operation::bare("generate"),
        reuses_clients: true,
        ..echo(Values::Integers)
    }
}

/// `broadcast`: messages that every node is to see in the end. Nodes are told the links that
/// there are, unless a topology was asked for.
pub(super) fn broadcast(settings: &Settings, linked: Option<&Neighbours>) -> Simple {
    let suggested = |topology| topology::neighbours(topology, settings.node_count);
    let neighbours = match (settings.topology, linked) {
        (Some(topology), _) => suggested(topology),
        (None, Some(linked)) => links::by_name(linked),
        (None, None) => suggested(Topology::Grid),
    };
    Simple {
        calls: const {
            &[
                call("broadcast", Some("message"), Taken::Nothing),
                call("read", None, Taken::Field("messages", reply::list)),
            ]
        },
        generator: |values| numbered("broadcast", values),
        values: settings.values,
        setup: Some(Request::new("topology").with("topology", &neighbours)),
        probe: Operation::bare("read"),
        last: Some(Operation::bare("read").marked_final()),
        errors: Errors::Reported { idempotent: &["read"] },
        reuses_clients: false,
    }
}

/// `g-set`: a set that only grows. As in the original the last reads are not marked as final.
pub(super) fn g_set(values: Values) -> Simple {
    Simple {
        calls: const {
            &[
                call("add", Some("element"), Taken::Nothing),
                call("read", None, Taken::Field("value", reply::list)),
            ]
        },
        generator: |values| numbered("add", values),
        probe: Operation::bare("read"),
        last: Some(Operation::bare("read")),
        errors: Errors::Raised,
        ..echo(values)
    }
}

/// `g-counter` and `pn-counter`: a counter that grows, or goes both ways.
pub(super) fn counter(values: Values, is_negative: bool) -> Simple {
    Simple {
        calls: const {
            &[
                call("add", Some("delta"), Taken::Nothing),
                call("read", None, Taken::Field("value", reply::integer)),
            ]
        },
        generator: match is_negative {
            true => |values| counter::generator(true, values),
            false => |values| counter::generator(false, values),
        },
        last: Some(Operation::bare("read").marked_final()),
        ..g_set(values)
    }
}

/// Half writes of values 0, 1, 2, …, half reads.
fn numbered(write: &'static str, values: Values) -> Box<dyn Generator> {
    let mut count = 0;
    Box::new(Mixed::new(move |rng: &mut StdRng| {
        if rng.random() {
            count += 1;
            Operation::new(write, &values.json(count - 1))
        } else {
            Operation::bare("read")
        }
    }))
}

impl Workload for Simple {
    fn setup(&self) -> Option<&Request> {
        self.setup.as_ref()
    }

    fn generator(&self) -> Box<dyn Generator> {
        (self.generator)(self.values)
    }

    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        let last = self.last.clone()?;
        Some(Box::new(EachThread::once(last)))
    }

    fn probe(&self) -> Operation {
        self.probe.clone()
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(self.calls)
    }

    fn reuses_clients(&self) -> bool {
        self.reuses_clients
    }

    fn errors(&self) -> Errors {
        self.errors
    }
}

impl Client for &'static [Call] {
    fn invoke(&mut self, operation: &Operation) -> Step {
        let request = Request::new(operation.f);
        Step::Request(match call_of(self, operation).argument {
            Some(field) => request.with(field, &operation.value),
            None => request,
        })
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        let Call { f, taken, .. } = call_of(self, operation);
        let value = match taken {
            Taken::Nothing => reply::fields(body, f, []).map(|[]| None)?,
            Taken::Reply(field) => {
                reply::fields(body, f, [*field]).map(|_| Some(body.to_owned()))?
            }
            Taken::Field(name, take) => {
                let [value] = reply::fields(body, f, [*name])?;
                let malformed =
                    |problem| Malformed::new(f, format_args!("`{name}`: {problem}"), body);
                Some(take(value).map_err(malformed)?)
            }
        };
        Ok(Step::Ok(value))
    }
}

fn call_of(calls: &'static [Call], operation: &Operation) -> &'static Call {
    let call = calls.iter().find(|call| call.f == operation.f);
    call.unwrap_or_else(|| unreachable!("a generator makes operations of its workload"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::Links;
    use crate::settings;

    fn told(links: Links, topology: Option<Topology>) -> String {
        let broadcast = Settings::new(settings::Workload::Broadcast);
        let settings = Settings { node_count: 3, links, topology, ..broadcast };
        let workload = super::super::new(&settings).unwrap();
        workload.setup().unwrap().body(1).get().to_owned()
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
