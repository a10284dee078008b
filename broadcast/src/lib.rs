//! Challenge 3: a node that spreads values to all others.
//!
//! Values are any JSON. A broadcast is acknowledged at once and spread in the
//! background; a read answers what has arrived. How values spread is set by one
//! number, the period of the rounds ([`Config`]):
//!
//! | period | way | messages an operation | longest latency, ms |
//! | --- | --- | --- | --- |
//! | 380 ms (default) | tree | 1.09 | 512 |
//! | 450 ms | tree | 0.97 | 581 |
//! | 1700 ms | tree | 0.33 | 1835 |
//! | 0 | direct | 12.3 | 99 |
//!
//! (25 nodes, a constant latency of 100 ms, 100 operations a second, half of them
//! reads; the worst of five seeds, as `make frontier` measures it: from the
//! acknowledgement to the last read that does not show the value, so what happens
//! between two reads does not count.) From client to the last node it takes at most the
//! period, two latencies for each level of the tree, and a margin of 15 to 40 ms: 620 ms
//! with the default.
//!
//! Where latencies vary, the limits of challenge 3d hold less, and a node learns from each
//! link how early it has to send there. With the same load and a mean of 100 ms, the default
//! takes 1.14 messages an operation, a median of 413 ms and at most 1.0 s if latencies are
//! uniform, and 1.35, 441 ms and 1.3 s if they are exponential. With 300 ms the median is
//! within the limit, with both; the maximum is only with a period of 0 and uniform latencies
//! (197 ms). With exponential ones nothing keeps it: one hop alone takes longer now and then.
//!
//! # After a fault
//!
//! With the defaults, and all nodes linked to each other, every node reads all that was
//! acknowledged and not lost 10 s and 20 mean latencies after the last fault. When
//! nobody broadcasts, nodes then send 2 messages a second and node at most.
//! The bound is wide: it covers every mix of the bench's faults, and most runs need a
//! fraction of it. The swarm checks it.
//!
//! # Networks that are not complete
//!
//! Values reach every node to which some way leads, through others if need be; a
//! tree forms along the links that there are. Nodes ask first the neighbours that
//! `topology` names, so that message has to name some nodes with a link each. At
//! 100 ms a hop, in chains, rings, grids, trees and random sets of links of up to 25
//! nodes, a value is everywhere within 10 s of the start (13 s in one start of 300), and
//! within 10 s later on, half of them within 2 s (`tests/scenarios.rs`). After
//! partitions, pauses and other faults, which leave fewer ways still, one run in six had
//! not caught up 10 s later among 25 nodes at 100 ms, one in a hundred among 5 nodes or
//! at 50 ms; nothing is lost. With longer periods all of it takes longer, in proportion.
//! It costs messages: a node that is not where it belongs in the preferred tree goes on looking for that place, every
//! 8 s in the end, and the tree may be as deep as the network is wide. A period of 0
//! has no tree: values that have no straight link wait until two nodes compare what
//! they have, up to 4 s for each hop, and up to N/5 s among N > 20 nodes.
//!
//! # Map
//!
//! - [`machine`]: the node as a pure state machine; here is only its shell.
//! - `tree`: spreading in rounds along a tree, with few messages; `direct`:
//!   spreading at once, with many.
//! - `core`: what both share: questions, answers, what is known to be missing.
//! - `store`: what a node knows: logs, version vectors, the journal; `seen`: the
//!   set that clients read; [`canonical`]: when two JSON texts are one value.
//! - `layout`: the tree that nodes prefer; `peers`: whom to ask; `link`, `rtt`: one end
//!   of a link.
//! - [`injected_bugs`]: bugs to be put in on purpose.
//! - [`wire`]: what nodes say to each other. [`config`]: what can be set.

pub mod canonical;
pub mod config;
mod core;
mod direct;
pub mod injected_bugs;
mod layout;
mod link;
pub mod machine;
mod peers;
mod rtt;
mod seen;
mod shell;
mod store;
mod tree;
pub mod wire;

use maelstrom::{Context, Empty, Error, Message, Node, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::Config;
pub use crate::shell::Shell;
use crate::wire::Value;

/// `{"type":"broadcast","message":…}`, answered `{"type":"broadcast_ok"}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Broadcast {
    /// Any JSON.
    pub message: Value,
}

impl Request for Broadcast {
    const TYPE: &'static str = "broadcast";
    type Reply = Empty;
}

/// `{"type":"read"}`, answered `{"type":"read_ok","messages":[…]}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Read {}

/// The fields of `read_ok`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Messages {
    /// An array of all values that arrived, each once, as its sender wrote it.
    pub messages: Value,
}

impl Request for Read {
    const TYPE: &'static str = "read";
    type Reply = Messages;
}

/// `{"type":"topology","topology":{…}}`, answered `{"type":"topology_ok"}`. The
/// node's own neighbours are those that it asks first when it cannot reach whom it
/// would rather; values do not travel along it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Topology {
    /// The neighbours of each node: an object of lists of names. Anything else is
    /// no suggestion.
    pub topology: Box<RawValue>,
}

impl Request for Topology {
    const TYPE: &'static str = "topology";
    type Reply = Empty;
}

impl Message for wire::Spread {
    const TYPE: &'static str = "spread";
}

impl Message for wire::Digest {
    const TYPE: &'static str = "digest";
}

/// The node, set as is best for few messages at little latency.
pub fn node() -> Node<Shell> {
    node_with(Config::default())
}

/// The node, set otherwise.
pub fn node_with(config: Config) -> Node<Shell> {
    Node::new(move |setup| Shell::new(setup, &config))
        .on_init(async |context| {
            shell::start(&context);
            Ok(())
        })
        .handle(broadcast)
        .handle(read)
        .handle(topology)
        .receive_from_nodes(async |context, spread| {
            shell::receive(&context, wire::Message::Spread(spread));
        })
        .receive_from_nodes(async |context, digest| {
            shell::receive(&context, wire::Message::Digest(digest));
        })
}

async fn broadcast(context: Context<Shell>, request: Broadcast) -> Result<Empty, Error> {
    shell::broadcast(&context, request.message);
    Ok(Empty {})
}

async fn read(context: Context<Shell>, _: Read) -> Result<Messages, Error> {
    Ok(Messages { messages: context.state().read() })
}

async fn topology(context: Context<Shell>, request: Topology) -> Result<Empty, Error> {
    shell::suggest(&context, &request.topology);
    Ok(Empty {})
}
