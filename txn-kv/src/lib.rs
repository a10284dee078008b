//! Challenge 6: a replicated key-value store with transactions that never wait.
//!
//! Any node takes a transaction of reads and writes, on any JSON as keys and
//! values, and commits it at once on what it has, whatever the network does.
//! Nodes pass transactions on in batches. What is read is read atomic and
//! causally consistent, and all nodes come to the same state; the argument is in
//! [`replica`].
//!
//! # After a fault
//!
//! <!-- figures: promise-txn-kv -->
//! With the defaults, and all nodes linked to each other, every node whose disk is not
//! full serves its clients again 2 s and 20 mean latencies after the last fault. When
//! clients ask for nothing, N nodes send at most 4 N + N²/10 messages a second then,
//! those to and from services included. The swarm checks both.
//! <!-- /figures -->
//!
//! # Map
//!
//! - This file: the node.
//! - [`replica`]: the state machine. `peer`, what it believes about each other
//!   node; `waiting`, what came too early; `snapshot`, how it fills one that
//!   lacks too much.
//! - [`database`]: one copy of the data. [`journal`], the transactions that
//!   others may lack; [`vector`], logical time.
//! - [`transaction`], [`json`]: what clients ask for.
//! - [`message`]: what nodes say to one another. [`record`]: what is on the disk; `effects`,
//!   what is to be written there; `store`, versions of which a copy is made at once.
//!
//! # What survives
//!
//! With a disk of its own ([`Setup::disk`](maelstrom::Setup::disk)), a node
//! answers a transaction after it has written it to its [journal](maelstrom::journal):
//! killing the process loses nothing that was answered. The machine's death, or a power
//! failure, may lose what was answered in the last seconds (30 by Linux's defaults) on this
//! node and not passed on yet, unless [`Options::sync`] says otherwise. What was passed on
//! comes back from the others; until it has, the node's clients may read less than they have
//! read before. Directories must not be copied, or set back to an earlier state.
//!
//! The disk is locked, so a second process on the same one fails its `init`. So does a node
//! whose journal is corrupt, unless it is told to [set it aside](Options::discard_corrupt).
//! While the disk is full, transactions are refused; those that came before are answered
//! when there is room. If a sync fails, the node refuses all of them and is silent until it
//! is restarted. Its log says which of them it is
//! ([`Input::Stalled`](maelstrom::machine::Input::Stalled),
//! [`Input::WriteFailed`](maelstrom::machine::Input::WriteFailed)).
//!
//! Without a directory, as under Maelstrom, which never restarts a node, all is
//! in memory: killing the process loses the transactions that no other node
//! has got yet, which are those of the last [`Options::interval`], and of the
//! time that it was cut off. It comes back empty, and is filled by the others;
//! until then its clients may read less than they have read before. Killing all
//! nodes loses all.
//!
//! In neither case does a node that lost something disturb the others: they go
//! on with what they got of it.
//!
//! <!-- figures: txn-kills -->
//! After 100 deaths of machines, each of which makes another incarnation of a node, the
//! largest message that a write of one key costs among 5 nodes has 345 bytes.
//! <!-- /figures -->
//!
//! # Networks that are not complete
//!
//! Whatever way there is, transactions take it: a node passes on what its peers are
//! found to lack. Everything above holds as long as some way leads from each node to
//! each other one; what is read is older, the more so the less there is to pass on.
//!
//! <!-- figures: txn-sparse -->
//! At 100 ms a hop reads are up to 0.1 s behind among 20 nodes in a complete network,
//! 2.7 s in a chain of 5, 16.4 s in a chain of 20 and 6.0 s in a tree of 20.
//! <!-- /figures -->

pub mod database;
mod effects;
pub mod injected_bugs;
pub mod journal;
pub mod json;
pub mod message;
mod peer;
pub mod record;
pub mod replica;
mod snapshot;
mod store;
pub mod transaction;
pub mod vector;
mod waiting;

use std::time::Duration;

use maelstrom::journal::{Journal, Sync};
use maelstrom::machine::{Driver, Members, Opened, draw_incarnation};
use maelstrom::{Context, Error, Node, Setup};

use crate::database::{Database, MAX_JOURNAL_BYTES};
use crate::injected_bugs::Bugs;
use crate::replica::Replica;
use crate::transaction::MicroOp;
use crate::vector::Incarnation;

maelstrom::message_types! {
    /// `{"type":"txn","txn":[["r",1,null],["w",1,6]]}`, answered
    /// `{"type":"txn_ok","txn":[["r",1,8],["w",1,6]]}`.
    "txn": pub struct Txn {
        /// The micro-operations, in order.
        pub txn: Vec<MicroOp>,
    } -> Txn;
}

/// How a node runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The pause between two batches to the same node: a write is visible on
    /// other nodes after at most this and one latency.
    pub interval: Duration,
    /// When what a transaction wrote is durable.
    pub sync: Sync,
    /// Whether a journal that is corrupt is set aside, and an empty one begun: what other
    /// nodes have comes back from them.
    pub discard_corrupt: bool,
    /// What was put in on purpose.
    pub bugs: Bugs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(50),
            sync: Sync::Never,
            discard_corrupt: false,
            bugs: Bugs::default(),
        }
    }
}

/// A node with the default options.
pub fn node() -> Node<Driver<Replica>> {
    node_with(Options::default())
}

/// A node with other options.
pub fn node_with(options: Options) -> Node<Driver<Replica>> {
    Driver::node_with_journal(move |setup, members| open(setup, &members, options)).handle(txn)
}

async fn txn(context: Context<Driver<Replica>>, Txn { txn }: Txn) -> Result<Txn, Error> {
    Ok(Txn { txn: context.ask(txn).await? })
}

/// Opens the journal, if there is a disk for it, and makes a replica of what it has.
fn open(setup: &Setup, members: &Members, options: Options) -> Result<Opened<Replica>, Error> {
    let mut rng = setup.new_rng();
    let (fresh, number) = (draw_incarnation(&mut rng), draw_incarnation(&mut rng));
    let (journal, database) = match setup.disk() {
        Some(disk) => {
            let (journal, database) = record::open(disk, setup.id(), fresh, &options)?;
            (Some(journal), database)
        }
        None => (None, Database::new(MAX_JOURNAL_BYTES, options.bugs)),
    };
    let incarnation = journal.as_ref().map_or(fresh, Journal::incarnation);
    let incarnation = Incarnation::new(setup.id(), incarnation);
    let found = (database, journal.is_some());
    Ok((Replica::new(members, incarnation, found, number, options), journal))
}
