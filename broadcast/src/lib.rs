//! Challenge 3: a node that spreads values to all others.
//!
//! Values are any JSON. A broadcast is acknowledged at once, or with a directory once it is
//! in the node's journal there, and spread in the background; a read answers what has
//! arrived. How values spread is set by one number, the period of the rounds ([`Config`]):
//!
//! <!-- figures: frontier -->
//! | setting | messages an operation | median, ms | longest, ms |
//! | --- | ---: | ---: | ---: |
//! | `--period-ms 380` (the default: 3d, with a margin) | 1.09 | 263 | 512 |
//! | `--period-ms 450` (the limits of 3d) | 0.97 | 310 | 584 |
//! | `--period-ms 1700` (the limits of 3e) | 0.33 | 972 | 1871 |
//! | `--period-ms 0` (no rounds: every value straight to everybody) | 12.28 | 83 | 99 |
//! <!-- /figures -->
//!
//! (25 nodes, a constant latency of 100 ms, 100 operations a second, half of them
//! reads; the worst of five seeds. Times are those from the acknowledgement to the last
//! read that does not show the value, so what happens between two reads does not count.)
//! From client to the last node it takes at most the period, two latencies for each
//! level of the tree, and a margin of 15 to 40 ms: 620 ms with the default. Where
//! latencies vary about the same mean, it takes more of both:
//!
//! <!-- figures: jitter -->
//! | latencies and setting | messages an operation | median, ms | longest, ms |
//! | --- | ---: | ---: | ---: |
//! | uniform, `--period-ms 380` | 1.15 | 417 | 1202 |
//! | uniform, `--period-ms 300` | 1.37 | 359 | 977 |
//! | uniform, `--period-ms 0` | 12.28 | 108 | 193 |
//! | exponential, `--period-ms 380` | 1.28 | 445 | 1335 |
//! | exponential, `--period-ms 300` | 1.49 | 353 | 1074 |
//! | exponential, `--period-ms 0` | 12.51 | 155 | 967 |
//! <!-- /figures -->
//!
//! A node learns from each link how early it has to send there. The limits of challenge
//! 3d are for constant latencies: with exponential ones no setting keeps its maximum, as
//! one hop alone takes longer now and then.
//!
//! # After a fault
//!
//! <!-- figures: promise-broadcast -->
//! With rounds, up to 1450 ms apart, and all nodes linked to each other, every node
//! reads all that was acknowledged and not lost 5 s and 20 mean latencies after the
//! last fault. When clients ask for nothing, N nodes send at most 2 N messages a second
//! then, those to and from services included. The swarm checks both.
//! <!-- /figures -->
//!
//! Latencies that vary are not taken for faults: in a minute without any, up to 33 nodes send
//! at most 2.5 (N − 1) messages a period T, a quarter more than all rounds are, and 10 N more.
//!
//! Where links are missing it takes longer: the swarm allows 10 s and 40 mean latencies
//! among up to 100 nodes.
//!
//! # When nodes are killed
//!
//! With a directory ([`Setup::disk`](maelstrom::Setup::disk)) a node keeps values in a
//! [journal], its own and those of others. A broadcast is acknowledged once it is there, and a
//! node that starts again has all that it acknowledged or showed, and
//! the same incarnation. So nothing that was acknowledged is lost, however many nodes are
//! killed at once. What is left when machines die as well is for `--sync` to say:
//!
//! | `--sync` | when a machine dies |
//! | --- | --- |
//! | `never` (the default) | what it acknowledged last, and nobody else has yet, may be lost |
//! | `every-20ms`, or another time | the same, if it was acknowledged no longer ago than that and a sync |
//! | `every-group` | nothing is lost; each broadcast takes as long as a sync |
//!
//! A node that may have lost something has another incarnation. It gets back from the others
//! what they have, and disturbs none of them. While a disk takes nothing, because it is full
//! for example, its node refuses broadcasts, and reads and passes on what others have; if a
//! sync fails, that lasts until it is restarted. Its log says which of them it is
//! ([`Input::Stalled`](maelstrom::machine::Input::Stalled),
//! [`Input::WriteFailed`](maelstrom::machine::Input::WriteFailed)). A node whose journal is corrupt does not
//! start, unless it is told to set it aside (`--discard-corrupt`). Directories must not be
//! copied, or set back to an earlier state. [`machine`] has the argument.
//!
//! Without a directory, or with `--in-memory`, values are in memory only: what died with all
//! who had it is lost. But in either case what a node has held for 2 s and 8 mean latencies,
//! while nothing happens but kills and restarts, is on every node that has been up as long,
//! if all are linked to each other; with a period of 0 after 4 s more, with a longer one
//! than the default after three times what it is longer.
//! While a partition lasts, that holds for each side of it, if the tree has rounds and one
//! level (33 nodes with the defaults); in deeper trees, and after other faults, it takes 3 s
//! and 12 mean latencies more. `make losses` and the swarm check it.
//!
//! # Networks that are not complete
//!
//! Values reach every node to which some way leads, through others if need be; a
//! tree forms along the links that there are. Nodes ask first the neighbours that
//! `topology` names, so that message has to name some nodes with a link each. At
//! 100 ms a hop, with the first value sent when all have just started:
//!
//! <!-- figures: sparse -->
//! | links | nodes | first value, ms | later ones, ms: median / longest | idle messages a second |
//! | --- | ---: | ---: | ---: | ---: |
//! | chain | 5 | 1105 | 500 / 700 | 1.2 |
//! | chain | 12 | 2105 | 1500 / 1700 | 3.8 |
//! | chain | 25 | 3236 | 2400 / 3000 | 8.2 |
//! | ring | 5 | 805 | 300 / 400 | 1.0 |
//! | ring | 12 | 1405 | 1100 / 1300 | 3.8 |
//! | ring | 25 | 2805 | 2200 / 2400 | 8.7 |
//! | tree | 5 | 880 | 300 / 400 | 1.0 |
//! | tree | 12 | 1440 | 600 / 800 | 3.6 |
//! | tree | 25 | 1590 | 700 / 800 | 8.4 |
//! | grid | 5 | 830 | 400 / 400 | 1.0 |
//! | grid | 12 | 1600 | 800 / 900 | 3.6 |
//! | grid | 25 | 1970 | 1300 / 1780 | 8.2 |
//! | random | 25 | 2445 | 1000 / 1750 | 9.3 |
//! | random tree | 25 | 2785 | 1100 / 1850 | 9.3 |
//! <!-- /figures -->
//!
//! Values take as much longer as the tree that the links allow is deeper. It costs
//! messages: a node that is not where it belongs in the preferred tree goes on looking for
//! that place, every 8 s in the end, or every 3 s while its root is not the first node. A
//! period of 0 has no tree: values that have no straight link wait until two nodes compare
//! what they have.
//!
//! <!-- figures: sparse-direct -->
//! With `--period-ms 0` a value takes up to 22 s in a chain of 12 and 30 s in one of
//! 25.
//! <!-- /figures -->
//!
//! # Map
//!
//! - [`machine`]: the node as a pure state machine; here are only its handlers.
//! - `strategy`: what a way of spreading has to do. `tree`: in rounds along a tree, with
//!   few messages; `direct`: at once, with many.
//! - `core`: what both share: questions, answers, what is known to be missing.
//! - `ledger`: what was written, and what waits for that to be safe.
//! - `store`: what a node knows: logs, version vectors, arrivals; `seen`: the
//!   set that clients read.
//! - `layout`: the tree that nodes prefer; `peers`: whom to ask; `link`, `rtt`: one end
//!   of a link.
//! - [`injected_bugs`]: bugs to be put in on purpose.
//! - [`wire`]: what nodes say to each other. [`config`]: what can be set.

pub mod config;
mod core;
mod direct;
pub mod injected_bugs;
mod layout;
mod ledger;
mod link;
pub mod machine;
mod peers;
mod rtt;
mod seen;
mod store;
mod strategy;
pub mod thresholds;
mod tree;
pub mod wire;

use std::collections::BTreeMap;

use maelstrom::journal::{self, Journal};
use maelstrom::machine::{Driver, Members, Opened, draw_incarnation};
use maelstrom::{Context, Empty, Error, Node, Setup};
use serde_json::value::RawValue;

use crate::config::Config;
use crate::machine::{Broadcaster, Contents, Reply, Request};
use crate::wire::{Rank, Value};

maelstrom::message_types! {
    /// `{"type":"broadcast","message":…}`, answered `{"type":"broadcast_ok"}`.
    "broadcast": pub struct Broadcast {
        /// Any JSON.
        pub message: Value,
    } -> Empty;

    /// `{"type":"read"}`, answered `{"type":"read_ok","messages":[…]}`.
    "read": pub struct Read {} -> pub struct Messages {
        /// An array of all values that arrived, each once, as its sender wrote it.
        pub messages: Value,
    };

    /// `{"type":"topology","topology":{…}}`, answered `{"type":"topology_ok"}`. The
    /// node's own neighbours are those that it asks first when it cannot reach whom it
    /// would rather; values do not travel along it.
    "topology": pub struct Topology {
        /// The neighbours of each node: an object of lists of names. Anything else is
        /// no suggestion.
        pub topology: Box<RawValue>,
    } -> Empty;
}

/// The node, set as is best for few messages at little latency.
pub fn node() -> Node<Driver<Broadcaster>> {
    node_with(Config::default())
}

/// The node, set otherwise.
pub fn node_with(config: Config) -> Node<Driver<Broadcaster>> {
    Driver::node_with_journal(move |setup, members| open(setup, &members, &config))
        .handle(broadcast)
        .handle(read)
        .handle(topology)
}

/// A node with what its journal has, if there is a place for one.
fn open(setup: &Setup, members: &Members, config: &Config) -> Result<Opened<Broadcaster>, Error> {
    let (me, nodes, mut rng) = (members.me(), members.count(), setup.new_rng());
    let Some(disk) = setup.disk().filter(|_| !config.in_memory) else {
        return Ok((Broadcaster::new(me, nodes, config, rng), None));
    };
    let fresh = draw_incarnation(&mut rng);
    let options = journal::Options {
        sync: config.sync,
        discard_corrupt: config.discard_corrupt,
        ..journal::Options::new(setup.id().as_str(), fresh)
    };
    let empty = || Contents::new(me, nodes);
    let (journal, contents) =
        Journal::open(disk, options, empty, Contents::replay).map_err(Error::crash)?;
    let node = Broadcaster::restored(contents, journal.incarnation(), config, rng);
    Ok((node, Some(journal)))
}

async fn broadcast(
    context: Context<Driver<Broadcaster>>,
    request: Broadcast,
) -> Result<Empty, Error> {
    context.ask(Request::Broadcast(request.message)).await.map(|_| Empty {})
}

async fn read(context: Context<Driver<Broadcaster>>, _: Read) -> Result<Messages, Error> {
    match context.ask(Request::Read).await? {
        Reply::Values(messages) => Ok(Messages { messages }),
        Reply::Done => Err(Error::crash("a read that brought nothing")),
    }
}

async fn topology(
    context: Context<Driver<Broadcaster>>,
    request: Topology,
) -> Result<Empty, Error> {
    let topology: BTreeMap<String, Vec<String>> =
        serde_json::from_str(request.topology.get()).unwrap_or_default();
    let near = topology.get(context.id().as_str()).map_or(&[][..], Vec::as_slice);
    let members = context.state().members();
    let near: Vec<Rank> = near.iter().filter_map(|near| members.rank(near)).collect();
    context.ask(Request::Topology(near)).await.map(|_| Empty {})
}

/// The examples of the workspace's README, so that they compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
