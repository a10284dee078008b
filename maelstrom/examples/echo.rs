//! Challenge 1: a node that sends back what it is sent.
//!
//! Start here: message types, a handler, a node, and a test of it in virtual time.
//!
//! ```sh
//! cargo test -p maelstrom-examples --example echo     # in virtual time
//! cargo build -p maelstrom-examples --examples        # as a process
//! cargo run -p maelstrom-workbench -- test -w echo --bin target/debug/examples/echo --time-limit 5
//! ```
//!
//! Nodes do not talk to each other, so an operation costs no messages between them,
//! here as with this workspace's node `echo`.

use std::process::ExitCode;

use maelstrom::{Context, Error, Node};
use serde_json::Value;

maelstrom::message_types! {
    // The type on the wire, the request's fields, and the fields of the reply,
    // which goes out as `echo_ok`.
    "echo": struct Echo { echo: Value } -> Echo;
}

async fn echo(_: Context<()>, request: Echo) -> Result<Echo, Error> {
    Ok(request)
}

fn node() -> Node<()> {
    // The function makes the node's state; this node has none.
    Node::new(|_| ()).handle(echo)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use simulator::{Simulation, Workload};

    #[test]
    fn every_payload_comes_back() {
        let run = Simulation::new(Workload::Echo, super::node).nodes(1).seconds(10).run();
        assert_eq!(run.assert_valid().msgs_per_op(), 0.0);
    }
}
