//! Challenge 2: a node that generates globally unique ids, without talking to
//! anybody.
//!
//! An id is the text `<node>-<incarnation>-<count>`, for example
//! `n1-7d3c2b9e6f014c5f9a8b7c6d5e4f3a2b-1f`:
//!
//! - *node*: this node's id. Two nodes never make the same id, whenever they
//!   were started, because the cluster gives no two nodes one name.
//! - *incarnation*: a random [UUID] drawn when the node starts, 122 bits from
//!   the operating system. It tells apart what one node made before and after a
//!   restart, without a disk and without a clock. Were a node restarted a
//!   billion times, the chance that any two of its lives drew the same would be
//!   below 10⁻¹⁹ (n²/2 pairs in 2¹²² values).
//! - *count*: how many ids this life of the node made before, in hexadecimal.
//!   Within a life no id repeats, at any rate: the counter has 64 bits, five
//!   centuries at a billion ids a millisecond… and no two requests share a
//!   count, as taking one is atomic.
//!
//! So two ids differ in the node, or in the incarnation, or in the count. The
//! parts cannot run into each other: incarnation and count contain no hyphen.
//!
//! Nodes never talk to each other, so any network will do, complete or not.
//!
//! A node that was killed answers again within a second of its start. It sends nothing
//! but answers.
//!
//! [UUID]: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4

use std::sync::atomic::{AtomicU64, Ordering};

use maelstrom::{Context, Error, Node, Request, Setup};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use uuid::Builder;

/// `{"type":"generate"}`, answered `{"type":"generate_ok","id":"…"}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Generate {}

/// The fields of `generate_ok`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Generated {
    /// An id that nobody else was or will be given.
    pub id: String,
}

impl Request for Generate {
    const TYPE: &'static str = "generate";
    type Reply = Generated;
}

/// The node.
pub fn node() -> Node<Ids> {
    Node::new(Ids::new).handle(generate)
}

async fn generate(context: Context<Ids>, _: Generate) -> Result<Generated, Error> {
    Ok(Generated { id: context.state().next() })
}

/// The ids of one life of one node.
pub struct Ids {
    /// `<node>-<incarnation>-`
    prefix: String,
    count: AtomicU64,
}

impl Ids {
    /// Ids of a life that begins now.
    pub fn new(setup: &Setup) -> Self {
        let incarnation = Builder::from_random_bytes(setup.rng().random()).into_uuid();
        let prefix = format!("{}-{}-", setup.id(), incarnation.simple());
        Self { prefix, count: AtomicU64::new(0) }
    }

    /// An id that was not returned before.
    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{}{count:x}", self.prefix)
    }
}
