//! Challenge 4: a counter whose nodes keep their contributions in `seq-kv`.
//!
//! Each node adds up what its own clients add, its *contribution*, under a key of its
//! own, and knows the contributions of all; their sum is the counter. No two nodes
//! ever write the same key, so nobody waits for anybody, and every node serves
//! adds and reads as long as it reaches the service, however the nodes are cut
//! off from each other.
//!
//! # Message flow
//!
//! ```text
//! client          n2                 seq-kv                 n0, a hub    n3
//!   │── add 3 ───▶│                     │                      │         │
//!   │             │── cas [1,…,4,10] ──▶│                      │         │
//!   │             │    to [1,…,5,13]    │                      │         │
//!   │             │◀────── cas_ok ──────│                      │         │
//!   │◀─ add_ok ───│                     │                      │         │
//!   │             │── gossip: n2 has [1,…,5,13] ──────────────▶│         │
//!   │             │◀─ gossip: n3 has …, acknowledged ──────────│         │
//!   │             │                     │                      │─ n2 … ─▶│
//! ```
//!
//! - An add waits for the next write of the node's key. One write is under way
//!   at a time; what arrives meanwhile goes together into the next one (group
//!   commit). So a lone add takes one round trip to the service, and a thousand
//!   at once take two.
//! - A read is answered from memory. Has nothing been heard of a neighbour for 2 s, the
//!   node asks it, so that the next read is up to date.
//! - Confirmed contributions spread by gossip, a few messages a second and link
//!   whatever the load ([`gossip`](Gossip)), and from the service where gossip
//!   does not get through. Nothing is sent when there is nothing new and nobody reads.
//!
//! # It needs a complete network
//!
//! Every node needs a link to `n0` and `n1`, the two hubs of the gossip. No add is lost
//! or counted twice without; but a node that has no link to a hub learns of others'
//! adds from the service alone, as during a partition, and a `seq-kv` that is as stale
//! as allowed may never show them.
//!
//! # During a fault
//!
//! While hubs are dead or cut off, or who has added is, a node whose clients read once a
//! second shows every add within 8 s, for 1 to 100 nodes and up to 100 ms a hop, over
//! Maelstrom's `seq-kv`: it asks its neighbours; when these have not answered for a
//! second, it looks up in the service what they would have told, all at once, and again
//! every 4 s at least. (`cargo test -p g-counter who_only_reads`.)
//!
//! # After a fault
//!
//! <!-- figures: promise-counter -->
//! With the defaults, and all nodes linked to each other, every read shows all that was
//! acknowledged 8 s and 20 mean latencies after the last fault. When clients ask for
//! nothing, N nodes send at most 4 N messages a second then, those to and from services
//! included. The swarm checks both.
//! <!-- /figures -->
//!
//! # Why no acknowledged add is lost or counted twice
//!
//! 1. Every value that is written to a key contains an epoch, the random number of the
//!    incarnation that writes it, and a sequence number: no value is written twice. A
//!    write is a compare-and-set, so a key goes through a chain of values, in which
//!    each expects the one before it, and a write that was late, doubled or overtaken
//!    fails. The chain's sums differ by exactly the adds in between.
//! 2. A write is repeated as it was, not made anew, until the service says that
//!    it is done, or the key is found to be what the write makes of it. `seq-kv`
//!    may show the past, but never a value that was not there, so finding it
//!    proves the same. Only then are its adds acknowledged and its contribution told to
//!    others.
//! 3. An incarnation that begins may find its key as it was some time ago. So before it
//!    counts anything it moves the key to an epoch of its own: each value of the
//!    chain can be replaced once, so this succeeds only from the chain's end, which
//!    contains every add that was ever acknowledged here. After it, what former
//!    incarnations have still on its way fails.
//! 4. What nodes know of each other's contributions are values of those chains, and
//!    they keep the later of two. So all nodes that know the ends of all chains
//!    agree, and the ends are told until that is acknowledged.
//!
//! None of this asks for more than sequential consistency: nothing relies on a read
//! being fresh, nor on a write making the next one so. What is relied on beyond it
//! is liveness alone, and only where an incarnation begins: that the service, asked again to
//! change what it shows, sooner or later shows a node its own key's present. (Were it
//! to show the same past for ever, the node would wait for ever rather than lose
//! anything.) Reads converge by gossip. That they also do while nodes are dead or cut
//! off from each other takes a service that shows one node what another has written
//! without its doing; Maelstrom's does.
//!
//! # Choices
//!
//! - `init` is answered at once. Requests that arrive before the key has been
//!   taken over, which takes one round trip for a node's first incarnation and three
//!   for a later one, wait for it instead of being refused: a refusal would
//!   count against availability, and clients wait for seconds.
//! - Sums are integers of any size, in memory, between nodes, in the service and in
//!   answers: no add is refused for where it leads, and nothing wraps. A single delta
//!   has at most a thousand digits ([`MAX_DIGITS`]); a longer one is malformed.
//! - An add of 0 needs no write.

mod contribution;
pub mod counter;
mod gossip;
pub mod injected_bugs;
mod integer;
mod lookup;
mod slot;
mod view;

use maelstrom::machine::{Driver, draw_incarnation};
use maelstrom::{Context, Empty, Error, Node};

use crate::counter::Reply;
use crate::injected_bugs::Bugs;

pub use contribution::Contribution;
pub use counter::Counter;
pub use gossip::{Gossip, PERIOD};
pub use integer::{Integer, MAX_DIGITS};

maelstrom::message_types! {
    /// `{"type":"add","delta":…}`, answered `{"type":"add_ok"}`.
    "add": pub struct Add {
        /// What to add, of at most [`MAX_DIGITS`] digits.
        #[serde(deserialize_with = "integer::delta")]
        pub delta: Integer,
    } -> Empty;
    /// `{"type":"read"}`, answered `{"type":"read_ok","value":…}`.
    "read": pub struct Read {} -> pub struct ReadOk {
        /// The counter, as far as this node knows.
        pub value: Integer,
    };
}

/// The node of challenge 4, a grow-only counter.
pub fn node() -> Node<Driver<Counter>> {
    node_with(Bugs::default())
}

/// The same, with bugs on purpose.
pub fn node_with(bugs: Bugs) -> Node<Driver<Counter>> {
    common(bugs).handle(async |context, Add { delta }| {
        if delta.is_negative() {
            let text = format_args!("`delta` is {delta}, but this counter only grows");
            return Err(Error::malformed(text));
        }
        add(context, delta).await
    })
}

/// A node of the workload `pn-counter`, which takes negative deltas as well: a
/// contribution may be any sum, since it is not the larger but the later that counts.
pub fn pn_node() -> Node<Driver<Counter>> {
    pn_node_with(Bugs::default())
}

/// The same, with bugs on purpose.
pub fn pn_node_with(bugs: Bugs) -> Node<Driver<Counter>> {
    common(bugs).handle(async |context, Add { delta }| add(context, delta).await)
}

fn common(bugs: Bugs) -> Node<Driver<Counter>> {
    Driver::node(move |setup, members| {
        Counter::new(members, draw_incarnation(&mut setup.new_rng()), bugs)
    })
    .handle(read)
}

async fn add(context: Context<Driver<Counter>>, delta: Integer) -> Result<Empty, Error> {
    context.ask(counter::Request::Add(delta)).await?;
    Ok(Empty {})
}

async fn read(context: Context<Driver<Counter>>, _: Read) -> Result<ReadOk, Error> {
    match context.ask(counter::Request::Read).await? {
        Reply::Value(value) => Ok(ReadOk { value }),
        Reply::Added => Err(Error::crash("a read was answered as an add")),
    }
}
