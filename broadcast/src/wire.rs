//! What nodes say to each other: two kinds of message.
//!
//! A node is named by its rank, its position in the sorted list of all node
//! ids. A value is named by the log that it stands in, `(origin, incarnation)`,
//! and its position there. Times are whole milliseconds.
//!
//! Whether a message makes sense in a cluster of `n` nodes is checked here
//! ([`Message::check`]), before anything acts on it. What it means for tree and
//! repair is left to them.

use std::io;
use std::sync::Arc;

pub use maelstrom::machine::Rank;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// A broadcast value: any JSON, as its sender wrote it.
pub type Value = Arc<RawValue>;

/// The name of a log, on the wire `[origin, incarnation]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(Rank, u64)", into = "(Rank, u64)")]
pub struct LogId {
    /// The node that accepted its values from clients.
    pub origin: Rank,
    /// Which incarnation of that node did.
    pub incarnation: u64,
}

/// A prefix of a log, on the wire `[origin, incarnation, count]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Rank, u64, u64)", into = "(Rank, u64, u64)")]
pub struct Count {
    /// Of which log.
    pub log: LogId,
    /// How many values.
    pub count: u64,
}

/// The logs whose names are from one name up to another, not included, beside those that are
/// named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first name.
    pub from: LogId,
    /// The first name beyond.
    pub upto: LogId,
    /// The fingerprint of the logs; absent when there are none beside those that are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<u64>,
}

/// What a node has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Of the logs that are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub have: Vec<Count>,
    /// Of others. What is not named and in no range, the node does not have, unless the
    /// summary is a partial one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Nothing is said of what is not named and in no range.
    #[serde(default, rename = "partial", skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
}

impl Summary {
    /// Every rank that it mentions.
    fn ranks(&self) -> impl Iterator<Item = Rank> {
        self.have.iter().map(|have| have.log.origin)
    }
}

/// Consecutive values of a log, on the wire `[origin, incarnation, first, [value, …]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "(Rank, u64, u64, Vec<Value>)")]
pub struct Run {
    /// Of which log.
    pub log: LogId,
    /// The position of the first value.
    pub first: u64,
    /// The values.
    pub values: Vec<Value>,
}

impl Run {
    /// The prefix that ends with this run.
    pub fn end(&self) -> Count {
        Count { log: self.log, count: self.first.saturating_add(self.values.len() as u64) }
    }
}

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let LogId { origin, incarnation } = self.log;
        (origin, incarnation, self.first, &self.values).serialize(serializer)
    }
}

impl From<(Rank, u64, u64, Vec<Value>)> for Run {
    fn from((origin, incarnation, first, values): (Rank, u64, u64, Vec<Value>)) -> Self {
        Self { log: LogId { origin, incarnation }, first, values }
    }
}

impl From<(Rank, u64)> for LogId {
    fn from((origin, incarnation): (Rank, u64)) -> Self {
        Self { origin, incarnation }
    }
}

impl From<LogId> for (Rank, u64) {
    fn from(LogId { origin, incarnation }: LogId) -> Self {
        (origin, incarnation)
    }
}

impl From<(Rank, u64, u64)> for Count {
    fn from((origin, incarnation, count): (Rank, u64, u64)) -> Self {
        Self { log: LogId { origin, incarnation }, count }
    }
}

impl From<Count> for (Rank, u64, u64) {
    fn from(Count { log: LogId { origin, incarnation }, count }: Count) -> Self {
        (origin, incarnation, count)
    }
}

/// What a node writes to its disk: values, as they are sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(pub Vec<Run>);

impl maelstrom::machine::Record for Record {
    fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }
}

impl Record {
    /// Whether it makes sense among `nodes` nodes.
    ///
    /// # Errors
    ///
    /// Says what does not.
    pub fn check(&self, nodes: usize) -> Result<(), Malformed> {
        self.0.iter().try_for_each(check_run)?;
        let mut ranks = self.0.iter().map(|run| run.log.origin);
        let stranger = ranks.find(|&rank| rank >= nodes);
        stranger.map_or(Ok(()), |rank| Err(Malformed::NoSuchRank { rank, nodes }))
    }
}

maelstrom::message_types! {
    /// Values, and what the two ends of a tree link tell each other beside them.
    #[derive(Default)]
    "spread": pub struct Spread {
        /// New values.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub runs: Vec<Run>,
        /// From child to parent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub up: Option<Up>,
        /// From parent to child.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub down: Option<Down>,
        /// This answers a [`Digest`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub answer: Option<Answer>,
        /// The sender's path in its tree, root first, itself last.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub path: Vec<Rank>,
        /// The sender has another parent: no more messages down on the link of this epoch. Zero
        /// is no link's.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub leave: u64,
        /// For so many more milliseconds the sender is in churn mode.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub churn: u64,
    };
}

/// What a child says with its values: these are all that it learned, other than
/// from this parent, between two positions of its arrivals.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Up {
    /// The nonce of the digest by which the child joined.
    pub epoch: u64,
    /// Begin, in the child's arrivals.
    pub since: usize,
    /// End, in the child's arrivals.
    pub upto: usize,
}

/// What a parent says with its values.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Down {
    /// The nonce of the digest by which the child joined; 0 when the parent
    /// remembers none.
    pub epoch: u64,
    /// Begin of what these values are all of, in the parent's arrivals.
    pub since: usize,
    /// Its end.
    pub upto: usize,
    /// The lease: the next message down leaves within so many milliseconds.
    pub next: u64,
    /// A message up that arrives within so many milliseconds catches the next
    /// round; absent when none is planned, so that any time is as good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// Confirms a message up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// Without values: the fingerprint of all that the parent has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<u64>,
}

/// The confirmation of messages up.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ack {
    /// All up to this position of the child's arrivals has come.
    pub upto: usize,
    /// For how many milliseconds the newest message up waited for this message down.
    pub held: u64,
}

/// The answer to a digest: `runs` beside it are what the asker lacks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The digest's nonce.
    pub nonce: u64,
    /// It lacks more than fits into one message; ask again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The one who answers lacks something itself, or may lack something, and this is
    /// what it has.
    #[serde(flatten)]
    pub summary: Summary,
    /// Whether anything is lacking for certain (the summary of a node that has nothing
    /// is empty, too).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacking: bool,
    /// The one who answers has as many children as it wants.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
}

maelstrom::message_types! {
    /// "This is what I have; send me what I lack."
    #[derive(Default)]
    "digest": pub struct Digest {
        /// Names this digest among its sender's.
        pub nonce: u64,
        /// What the sender has.
        #[serde(flatten)]
        pub summary: Summary,
        /// The sender's path in its tree, as in [`Spread::path`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub path: Vec<Rank>,
        /// The sender wants to be a child; its messages up will begin at this position
        /// of its arrivals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub join: Option<usize>,
        /// The sender waited long enough for what it lacks: hold nothing back that
        /// may be on its way.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub missed: bool,
        /// As in [`Spread::churn`].
        #[serde(default, skip_serializing_if = "is_zero")]
        pub churn: u64,
    };
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

maelstrom::messages! {
    /// Either kind of message.
    #[derive(Clone, Debug)]
    pub enum Message {
        /// Values.
        Spread,
        /// A question for values.
        Digest,
    }
}

/// No time in a message is longer, in milliseconds: an hour.
const LONGEST: u64 = 3_600_000;

/// Why a message from another node was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It speaks of a node that there is not.
    #[error("rank {rank} in a message from n{from}: there are {nodes} nodes")]
    NoSuchNode {
        /// The rank of the sender.
        from: Rank,
        /// The rank that is too high.
        rank: Rank,
        /// The number of nodes.
        nodes: usize,
    },
    /// It was written in another cluster.
    #[error("rank {rank} in a record: there are {nodes} nodes")]
    NoSuchRank {
        /// The rank that is too high.
        rank: Rank,
        /// The number of nodes.
        nodes: usize,
    },
    /// The receiver itself is named as the sender.
    #[error("a message that this node seems to have sent to itself")]
    FromItself,
    /// A path with more nodes than there are.
    #[error("a path of {len} nodes: there are {nodes}")]
    PathTooLong {
        /// The length of the path.
        len: usize,
        /// The number of nodes.
        nodes: usize,
    },
    /// A time beyond all bounds.
    #[error("{0} ms: no time in a message is longer than {LONGEST} ms")]
    TimeTooLong(u64),
    /// A run's positions do not fit into 64 bits.
    #[error("a run of {len} values from position {first}: positions have 64 bits")]
    Overflow {
        /// The first position.
        first: u64,
        /// The number of values.
        len: usize,
    },
}

impl Message {
    /// The same message, which says for how many more milliseconds its sender is in churn
    /// mode.
    #[must_use]
    pub(crate) fn telling(self, churn: u64) -> Self {
        match self {
            Message::Spread(spread) => Message::Spread(Spread { churn, ..spread }),
            Message::Digest(digest) => Message::Digest(Digest { churn, ..digest }),
        }
    }

    /// Whether the message makes sense among `nodes` nodes, to receiver `me`.
    ///
    /// # Errors
    ///
    /// Says what does not.
    pub fn check(&self, me: Rank, from: Rank, nodes: usize) -> Result<(), Malformed> {
        if me == from {
            return Err(Malformed::FromItself);
        }
        let ranks = std::iter::once(from).chain(self.ranks());
        if let Some(rank) = ranks.into_iter().find(|&rank| rank >= nodes) {
            return Err(Malformed::NoSuchNode { from, rank, nodes });
        }
        match self {
            Message::Spread(spread) => {
                check_path(&spread.path, nodes)?;
                spread.runs.iter().try_for_each(check_run)?;
                spread.down.iter().try_for_each(check_times)
            }
            Message::Digest(digest) => check_path(&digest.path, nodes),
        }
    }

    /// Every rank that the message mentions.
    fn ranks(&self) -> Box<dyn Iterator<Item = Rank> + '_> {
        match self {
            Message::Spread(spread) => {
                let runs = spread.runs.iter().map(|run| run.log.origin);
                let have = spread.answer.iter().flat_map(|answer| answer.summary.ranks());
                Box::new(runs.chain(have).chain(spread.path.iter().copied()))
            }
            Message::Digest(digest) => {
                Box::new(digest.summary.ranks().chain(digest.path.iter().copied()))
            }
        }
    }
}

fn check_path(path: &[Rank], nodes: usize) -> Result<(), Malformed> {
    let len = path.len();
    if len > nodes { Err(Malformed::PathTooLong { len, nodes }) } else { Ok(()) }
}

fn check_run(run: &Run) -> Result<(), Malformed> {
    let (first, len) = (run.first, run.values.len());
    let end = first.checked_add(len as u64);
    end.map(|_| ()).ok_or(Malformed::Overflow { first, len })
}

fn check_times(down: &Down) -> Result<(), Malformed> {
    let times = [Some(down.next), down.due, down.ack.map(|ack| ack.held)];
    match times.into_iter().flatten().max() {
        Some(longest) if longest > LONGEST => Err(Malformed::TimeTooLong(longest)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What node 1 of 3 makes of a spread from node 0.
    fn spread(text: &str) -> Result<(), Malformed> {
        Message::Spread(serde_json::from_str(text).unwrap()).check(1, 0, 3)
    }

    #[test]
    fn a_message_that_makes_sense_passes() {
        let text = r#"{"runs":[[2,5,0,[1,"two"]]],"down":{"epoch":1,"since":0,"upto":2,"next":310},"path":[0]}"#;
        assert_eq!(spread(text), Ok(()));
    }

    #[test]
    fn nodes_that_there_are_not_are_refused_wherever_they_stand() {
        let refused = Err(Malformed::NoSuchNode { from: 0, rank: 3, nodes: 3 });
        for text in [
            r#"{"runs":[[3,5,0,[1]]]}"#,
            r#"{"path":[0,3]}"#,
            r#"{"answer":{"nonce":1,"have":[[3,5,1]]}}"#,
        ] {
            assert_eq!(spread(text), refused, "{text}");
        }
        for text in [r#"{"nonce":1,"have":[[3,5,1]]}"#, r#"{"nonce":1,"path":[3]}"#] {
            let digest = Message::Digest(serde_json::from_str(text).unwrap());
            assert_eq!(digest.check(1, 0, 3), refused, "{text}");
        }
    }

    #[test]
    fn what_would_overflow_is_refused() {
        let first = u64::MAX;
        let text = format!(r#"{{"runs":[[0,5,{first},[1]]]}}"#);
        assert_eq!(spread(&text), Err(Malformed::Overflow { first, len: 1 }));
        let text = r#"{"path":[0,1,2,0]}"#;
        assert_eq!(spread(text), Err(Malformed::PathTooLong { len: 4, nodes: 3 }));
        let down = r#"{"down":{"epoch":1,"since":0,"upto":0,"next":1,"due":3600001}}"#;
        assert_eq!(spread(down), Err(Malformed::TimeTooLong(3_600_001)));
    }

    #[test]
    fn nobody_sends_messages_to_itself() {
        let message = Message::Spread(Spread::default());
        assert_eq!(message.check(1, 1, 3), Err(Malformed::FromItself));
    }
}
