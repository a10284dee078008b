//! Challenge 1: a node that sends back what it gets.
//!
//! The payload is never decoded: it is passed on as the text that came, so any
//! JSON comes back unchanged, integers beyond 64 bits, floats with trailing
//! zeros and nesting of any depth included. Nodes never talk to each other, so any
//! network will do.
//!
//! A node that was killed answers again within a second of its start. It sends nothing
//! but answers.

use maelstrom::{Context, Error, Node};
use serde_json::value::RawValue;

maelstrom::message_types! {
    /// `{"type":"echo","echo":…}`, answered `{"type":"echo_ok","echo":…}`.
    "echo": pub struct Echo {
        /// Any JSON.
        pub echo: Box<RawValue>,
    } -> Echo;
}

/// A node without a state.
pub fn node() -> Node<()> {
    Node::new(|_| ()).handle(echo)
}

async fn echo(_: Context<()>, request: Echo) -> Result<Echo, Error> {
    Ok(request)
}
