//! Maelstrom's workload `lin-kv`: a key-value store that is linearizable.
//!
//! The node stores nothing. It passes every request on to the service `lin-kv`, which is
//! linearizable, and the answer back. The one thing to get right is what an error says. A
//! read can always be repeated. A write that was not answered may have happened, so its
//! client must not be told that it did not: `?` turns the error of a call into one that
//! leaves that open. A cas that was refused certainly did not happen, and why it was is
//! passed on in the protocol's own codes.
//!
//! An operation costs 2.00 messages, the request to the service and its answer. This
//! workspace has no node for this workload: a store of its own would need a consensus
//! protocol among the nodes.

use std::process::ExitCode;

use maelstrom::kv::Cas;
use maelstrom::{Context, Definite, Empty, Error, Node};
use serde_json::Value;

maelstrom::message_types! {
    "read": struct Read { key: Value } -> struct Found { value: Value };
    "write": struct Write { key: Value, value: Value } -> Empty;
    "cas": struct CompareAndSet { key: Value, from: Value, to: Value } -> Empty;
}

fn no_such_key(key: &Value) -> Error {
    Error::new(Definite::KeyDoesNotExist, format_args!("no key {key}"))
}

async fn read(context: Context<()>, Read { key }: Read) -> Result<Found, Error> {
    let value = context.lin_kv().read(&key).await?;
    value.map(|value| Found { value }).ok_or_else(|| no_such_key(&key))
}

async fn write(context: Context<()>, Write { key, value }: Write) -> Result<Empty, Error> {
    context.lin_kv().write(&key, &value).await?;
    Ok(Empty {})
}

async fn cas(context: Context<()>, request: CompareAndSet) -> Result<Empty, Error> {
    let CompareAndSet { key, from, to } = request;
    match context.lin_kv().cas(&key, &from, &to).await? {
        Cas::Set => Ok(Empty {}),
        Cas::NoSuchKey => Err(no_such_key(&key)),
        Cas::OtherValue => {
            let text = format_args!("{key} has another value than {from}");
            Err(Error::new(Definite::PreconditionFailed, text))
        }
    }
}

fn node() -> Node<()> {
    Node::new(|_| ()).handle(read).handle(write).handle(cas)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use simulator::{Fault, Simulation, Workload};

    #[test]
    fn every_history_is_linearizable_whatever_is_cut_off() {
        let simulation = Simulation::new(Workload::LinKv, super::node).nodes(3).clients(6);
        let run = simulation.rate(100.0).seconds(20).nemesis(&[Fault::Partition], 10.0).run();
        assert_eq!(format!("{:.2}", run.assert_valid().msgs_per_op()), "2.00");
    }
}
