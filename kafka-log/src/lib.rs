//! Challenges 5a to 5c: an append-only log that many nodes write to and every
//! node serves, with everything that was acknowledged in the service.
//!
//! # The protocol
//!
//! Every node has a *partition*: a sequence of *segments* 0, 1, 2, … in `lin-kv`, each
//! in a register of its own, which is written once and never changes. A segment
//! holds what clients sent to the node within a few milliseconds: messages for any
//! keys, and offsets to commit. It also says how many segments of each partition its
//! writer had *seen*, a version vector. That is all that counts in the service; there is no leader, no
//! lease, no clock, and nothing that two busy nodes compete for.
//!
//! ```text
//! partition 0   0 ──── 1 ──── 2 ───────── 3        segment 3 of partition 0 has
//!                      │  seen [3, 2]     │        seen [4, 2]: itself and what came
//! partition 1   0 ──── 1 ──── 2 ──── 3 ── ┴ ─      before it in its partition, and
//!                                                  segments 0 and 1 of partition 1
//! ```
//!
//! - *Append.* The owner puts what waits into a segment and proposes it for the
//!   next register of its partition. A message's offset is the lowest number above all
//!   offsets of its key that the node knows, that is congruent to the partition modulo
//!   the number of partitions. The message is acknowledged when the register is known
//!   to say just that. If it says something else (a former incarnation's last segment,
//!   or one that a peer put there, see below) the segment is void, and what was in
//!   it goes into the next one, with new offsets.
//! - *Spread.* Nodes stand in a tree, see `tree.rs`. What a node learns it tells its
//!   neighbours there, and they tell theirs. What is missed is read from the service:
//!   a gap shows in the next message, or in what another partition's segment has seen; of a
//!   neighbour that is silent, partitions behind it are probed.
//! - *Show.* A message is shown when it is *stable*: when each partition has a segment
//!   that has seen it, or one of the same key above it. A node that has nothing
//!   to append but whose partition is waited for appends an empty segment.
//! - *Step in.* When a partition is waited for and does not move, because its owner is
//!   down or slow, anybody may append an empty segment to it.
//! - *Remember.* Now and then a node writes a *snapshot*: all that is stable, and from
//!   where each partition is to be read on. A node that starts begins with the last one.
//!
//! # Why it holds
//!
//! Four things are true of all that is in the service, whatever is lost, late,
//! doubled, paused or killed:
//!
//! 1. *Registers are written once*, by a cas that can only create the key; see
//!    `registers.rs`. A request that was delayed, or that a former incarnation left
//!    behind, finds the register written and does nothing.
//! 2. *Partitions have no gaps.* Segment `x` is proposed by nodes that know what
//!    segment `x − 1` says.
//! 3. *What a partition has seen only grows.* A segment of a partition, whoever proposes
//!    it, is proposed by a node that has applied all that its predecessor had seen, and
//!    claims to have seen all that it has applied.
//! 4. *Offsets exceed what was seen.* A message's offset is congruent to its partition,
//!    and above every offset of its key in what its segment has seen and in what
//!    stands before it in its partition.
//!
//! *No offset is given twice.* Offsets of different partitions differ modulo the number
//! of partitions; within a partition they rise, by 4. The same message never stands twice,
//! for it is proposed again only after its former segment became void, by 1.
//!
//! *What is shown is a prefix.* Let a replica show message `m` with offset `o` of
//! key `k`. Then it has, for each partition `j`, applied a segment `sⱼ` that has seen
//! some offset of `k` that is `o` or higher. Take any message of `k` below `o`, in
//! partition `j`, written at any time. By 3 and 4 it stands in `sⱼ` or before it, so by
//! 2 the replica has applied it; and it is stable by the very same segments. So
//! nothing below `m` is missing, and nothing can come. This is [causal
//! stability][baquero], and delivery in timestamp order once every process is
//! known to be past it ([Lamport 1978][lamport], the mutual exclusion example)
//! with the offset as the timestamp.
//!
//! *Replicas agree, and never take back what they have shown.* The argument speaks of
//! what is in the service, not of who knows it: what one replica has shown no other can
//! contradict. A replica only ever learns more. A node that starts again first reads
//! every partition to its end, from the last snapshot on; as the service is
//! linearizable, that is all that its former incarnation knew, so it shows no less than
//! that did. Of a snapshot only what is shown is taken for granted, and that is a
//! prefix for everybody; `log/snapshots/mod.rs` has the argument.
//!
//! *What is acknowledged survives*, because it stands in a register. Commits ride
//! in segments too, are acknowledged like messages, and merge by taking the higher
//! offset, so they never move backwards. A commit that is no news is answered at
//! once.
//!
//! *Errors are honest.* A message that was not in any segment yet is refused with
//! a definite error, and removed; one in a segment whose fate is unknown is
//! answered with an indefinite one. So is every commit, for what a consumer does is
//! to poll *and* commit: by then it has the messages, and goes on behind them. A
//! definite error would say that none of it happened, and the consumer's next poll
//! would skip what it never counted as consumed.
//!
//! *It goes on without others.* Sends need the service and nobody else. Showing
//! messages needs every partition to move, which any one node that reaches the service
//! can bring about. So network partitions between nodes stop neither; they make what is
//! shown older by what probing takes, and a node that is down makes it older by
//! about a second.
//!
//! *It goes on without links.* Nodes tell each other what is new to save reads, and
//! nothing depends on it: where the tree has an edge and the network has no link, what
//! is behind it is read from the service, as during a network partition. It costs messages.
//!
//! <!-- figures: log-rare -->
//! Each of 10 operations a second costs 22 messages among 10 nodes with all links, 79
//! among 40, and 166 in a chain of 10.
//! <!-- /figures -->
//!
//! # How soon, and at what cost
//!
//! With the defaults, all nodes linked to each other, no fault, no latency, and up to 73
//! nodes, an acknowledged message is shown everywhere within 300 ms: news take as long
//! as the tree has levels, twice, for a message has to be seen by all, and that to be
//! known. Latency adds its mean four times for each edge on the longest way (2 in a tree
//! of up to 9 nodes, 4 of 73), and eight times for the service.
//! N idle nodes send 2 (N − 1) messages a second, and a lone message costs about 6 N.
//! Under load messages grow with N and not with its square, as each edge of the tree
//! carries the news of all.
//!
//! *A restart costs what is new.* It reads the last snapshot's index, which has some
//! thirty bytes for each key and forty for each part that has messages of it: one for each
//! 256 KiB, or for each snapshot in which it got some. Then it reads the segments since,
//! about 1,024 (`--snapshot-every`), a quarter more for each node that is down and would
//! have written the next snapshot, and fewer when they are large: 1 MiB, or as many bytes
//! as the index has. Messages are read when a client polls for them. After ten million
//! messages on one key, in segments of 500, a node that starts serves after 227 reads and
//! less than 1 MiB; the threshold is 2 s (`cargo bench -p kafka-log --bench long_log`).
//!
//! *Nothing is dropped* unless `--retain` says what may be; `retention.rs` says what a
//! poll below it gets. What is dropped is in no later snapshot and in no memory; its
//! segments stay in the service, of which nothing is ever removed.
//!
//! # After a fault
//!
//! <!-- figures: promise-kafka-log -->
//! With the defaults, and all nodes linked to each other, every node serves its clients
//! again 5 s and 20 mean latencies after the last fault. When clients ask for nothing,
//! N nodes send at most 4 N messages a second then, those to and from services
//! included. The swarm checks both.
//! <!-- /figures -->
//!
//! # What it is made of
//!
//! Partitions of one's own, so that nobody competes for a place in the order, are
//! [Mencius][mencius]' idea, and so are the empty entries of those who have
//! nothing to say. Write-once registers, and filling holes that others left, are
//! [CORFU][corfu]'s. Registers hold text; `segment.rs` has its shape.
//!
//! The price of writing without agreeing first is that offsets can be *sparse*:
//! with one node they are 0, 1, 2, …; with N nodes of which one does all the
//! sending, every N-th. And a message is shown some time after it was acknowledged. The
//! challenge allows both.
//!
//! <!-- figures: log-lone -->
//! Without latency, and where nothing else is sent, an acknowledged message is shown
//! everywhere within 25 ms with 2 nodes, 75 with 5, 154 with 25 and 154 with 73.
//! <!-- /figures -->
//!
//! # Map
//!
//! - `broker.rs`: the node as a state machine: clients, and the log.
//! - `log/`: the log, and its own map.
//! - `replica.rs`, `pages.rs`: what partitions come to, and messages in memory.
//! - `queue.rs`, `pace.rs`: which requests share a segment; how fast all goes.
//! - `sequence.rs`, `failure_detector.rs`: reading partitions, and when.
//! - `tree.rs`, `neighbour.rs`, `announce.rs`: who tells whom, when, and what.
//! - `snapshot.rs`, `retention.rs`: what snapshots look like; what may be dropped.
//! - `registers.rs`: registers made of `lin-kv`.
//!
//! # Example
//!
//! ```
//! use kafka_log::Options;
//! use maelstrom::Host;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! // Not initialised, a node refuses.
//! let input = br#"{"src":"c1","dest":"n0","body":{"type":"poll","msg_id":1,"offsets":{}}}"#;
//! let mut output = Vec::new();
//! kafka_log::node(Options::default()).run(&input[..], &mut output, Host::seeded(1)).await?;
//! assert!(String::from_utf8(output)?.contains("not been initialised"));
//! # Ok(())
//! # }
//! ```
//!
//! [baquero]: https://doi.org/10.1007/978-3-662-43352-2_11
//! [corfu]: https://www.usenix.org/conference/nsdi12/technical-sessions/presentation/balakrishnan
//! [lamport]: https://doi.org/10.1145/359545.359563
//! [mencius]: https://www.usenix.org/conference/osdi-08/mencius-building-efficient-replicated-state-machines-wans

mod announce;
mod broker;
mod failure_detector;
mod injected_bugs;
mod log;
mod neighbour;
mod options;
mod pace;
mod pages;
mod poll;
mod polled;
mod queue;
mod registers;
mod replica;
mod retention;
mod segment;
mod sequence;
mod snapshot;
mod tree;
mod wire;

use std::time::Duration;

use maelstrom::machine::{Driver, draw_incarnation};
use maelstrom::{Context, Empty, Error, Node};

pub use broker::{Asked, Broker, Reply, Request};
pub use injected_bugs::{Bug, Bugs};
pub use options::{HELP, Options, OptionsError};
pub use retention::Retention;
pub use wire::{CommitOffsets, CommittedOffsets, ListCommittedOffsets, Poll, Polled, Send, Sent};

/// How long a request waits for what it needs. Clients wait for five seconds.
const PATIENCE: Duration = Duration::from_millis(4500);

/// A node whose incarnations are told apart by a random number.
pub fn node(options: Options) -> Node<Driver<Broker>> {
    Driver::node(move |setup, members| {
        let incarnation = format!("{}-{:016x}", setup.id(), draw_incarnation(&mut setup.new_rng()));
        Broker::new(members.me(), members.count(), incarnation, options)
    })
    .handle(send)
    .handle(poll)
    .handle(commit_offsets)
    .handle(list_committed_offsets)
}

async fn ask(context: &Context<Driver<Broker>>, what: Asked) -> Result<Reply, Error> {
    let from = context.source().clone();
    context.ask_within(PATIENCE, Request { from, what }).await
}

async fn send(context: Context<Driver<Broker>>, request: Send) -> Result<Sent, Error> {
    match ask(&context, Asked::Send(request.key, request.msg)).await? {
        Reply::Sent(offset) => Ok(Sent { offset }),
        other => Err(unexpected(&other)),
    }
}

async fn poll(context: Context<Driver<Broker>>, request: Poll) -> Result<Polled, Error> {
    match ask(&context, Asked::Poll(request.offsets)).await? {
        Reply::Page(msgs) => Ok(Polled { msgs }),
        other => Err(unexpected(&other)),
    }
}

async fn commit_offsets(
    context: Context<Driver<Broker>>,
    request: CommitOffsets,
) -> Result<Empty, Error> {
    ask(&context, Asked::Commit(request.offsets)).await.map(|_| Empty {})
}

async fn list_committed_offsets(
    context: Context<Driver<Broker>>,
    request: ListCommittedOffsets,
) -> Result<CommittedOffsets, Error> {
    match ask(&context, Asked::ListCommitted(request.keys)).await? {
        Reply::Offsets(offsets) => Ok(CommittedOffsets { offsets }),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::crash(format_args!("a request was answered {reply:?}"))
}
