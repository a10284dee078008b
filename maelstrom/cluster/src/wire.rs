//! What agents and whoever runs a test say to each other over NATS.
//!
//! | subject | from | payload |
//! | --- | --- | --- |
//! | `maelstrom.agents` | test | nothing; every agent answers with a [`Hello`] |
//! | `maelstrom.agent.AGENT.order` | test | an [`Order`] |
//! | `maelstrom.agent.AGENT.to.RUN.NODE` | test | a line for a node |
//! | `maelstrom.run.RUN.m.SRC.DEST` | agent | an id, a space, and the line that `SRC` printed |
//! | `maelstrom.run.RUN.log.NODE` | agent | a line of standard error |
//! | `maelstrom.run.RUN.fate` | agent | a list of [`Fate`]s |
//! | `maelstrom.run.RUN.state` | agent | a [`State`] |
//!
//! `RUN` is drawn anew for each run, so that runs never see each other's messages. Where a line
//! is no message, `DEST` is `-`.
//!
//! NATS delivers at most once, and what comes from different senders in no certain order, as
//! Maelstrom's network does. So nothing here is told once: orders and states are all that is
//! wanted and all that there is, again and again, and whoever missed one acts on the next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use simulator::{Address, Cause, Conditions, FaultKind, What};

/// How often orders and states are told without anything new.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);
/// An agent that hears nothing of its run for so long ends it, and one that is not heard for
/// so long is gone.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where agents are asked who is there.
pub(crate) const HELLO: &str = "maelstrom.agents";
/// Stands for who a message is for, where that is nobody.
pub(crate) const NOBODY: &str = "-";

/// What an agent hears.
pub(crate) fn of_agent(agent: &str) -> String {
    format!("maelstrom.agent.{agent}")
}

/// What the nodes of a run say, and their agents.
pub(crate) fn of_run(run: &str) -> String {
    format!("maelstrom.run.{run}")
}

/// An agent presents itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Hello {
    pub(crate) agent: String,
    /// The names of the programs that it has.
    pub(crate) programs: Vec<String>,
    /// Whether its nodes can find services there.
    pub(crate) has_services: bool,
    /// The run that it is busy with.
    pub(crate) run: Option<String>,
    /// Where others find its machine, if it can be cut off from them there.
    pub(crate) address: Option<Ipv4Addr>,
}

/// All that is wanted of an agent.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) run: String,
    /// Goes up with every change.
    pub(crate) serial: u64,
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// How many nodes there are on all agents.
    pub(crate) node_count: usize,
    pub(crate) network: Net,
    pub(crate) conditions: Conditions,
    /// Whether nodes find services at their agents.
    pub(crate) has_services: bool,
    /// The nodes of this agent.
    pub(crate) nodes: BTreeMap<usize, Wanted>,
    /// The agents that it can be cut off from.
    pub(crate) peers: Vec<Peer>,
    /// How the run ended.
    pub(crate) end: Option<End>,
}

impl Order {
    /// The peers that this agent is cut off from: no node there hears one here, or is heard.
    pub(crate) fn cut_off(&self) -> impl Iterator<Item = &Peer> {
        let is_cut =
            |here, there| self.conditions.cuts(here, there) && self.conditions.cuts(there, here);
        self.peers.iter().filter(move |peer| {
            let mut pairs = self
                .nodes
                .keys()
                .flat_map(|&here| peer.nodes.iter().map(move |&there| (here, there)));
            pairs.all(|(here, there)| is_cut(here, there))
        })
    }
}

/// Another agent of the run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Peer {
    pub(crate) address: Ipv4Addr,
    pub(crate) nodes: BTreeSet<usize>,
}

/// The network as it is without faults.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Net {
    pub(crate) latency: Duration,
    /// The name of the latencies' distribution.
    pub(crate) dist: String,
    pub(crate) links: Option<Vec<BTreeSet<usize>>>,
    pub(crate) seed: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum End {
    /// Nodes may end by themselves.
    Well,
    /// Nodes are killed.
    AtOnce,
}

/// What is wanted of a node.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Wanted {
    /// How often it was started so far.
    pub(crate) starts: u64,
    pub(crate) is_up: bool,
    pub(crate) is_paused: bool,
    /// What goes wrong with its files when it is killed, by name.
    pub(crate) damage: Vec<String>,
}

/// All that an agent knows of its run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct State {
    pub(crate) agent: String,
    /// The order that it acted on last.
    pub(crate) serial: u64,
    /// What keeps it from doing what it should.
    pub(crate) error: Option<String>,
    /// What keeps it from etcd, as far as it has one.
    pub(crate) etcd: Option<String>,
    /// The nodes that did what they may not do.
    pub(crate) failures: BTreeMap<usize, Failure>,
    /// When it could not be spoken to last.
    pub(crate) outage: Option<Away>,
    /// Drawn when it began with the run: whoever has another one has none of its processes.
    pub(crate) incarnation: u64,
    /// Whether the run is over here.
    pub(crate) is_over: bool,
}

/// NATS was away, or lost messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Away {
    /// Which it is since the run began.
    pub(crate) number: u64,
    pub(crate) length: Duration,
    /// How long it has been over.
    pub(crate) ago: Duration,
}

/// What a node did that it may not do.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Failure {
    /// The process that did it, by how often the node was started.
    pub(crate) starts: u64,
    pub(crate) kind: FailureKind,
    pub(crate) hint: Option<String>,
    pub(crate) stderr: Vec<String>,
    pub(crate) is_reason: bool,
}

/// Those faults of a node that its agent sees, and nobody else.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum FailureKind {
    Exited { status: String },
    ClosedOutput,
    ClosedInput { after: Duration },
    EndlessLine { bytes: usize },
    NotReading { bytes: usize },
}

impl From<FailureKind> for FaultKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Exited { status } => Self::Exited { status },
            FailureKind::ClosedOutput => Self::ClosedOutput,
            FailureKind::ClosedInput { after } => Self::ClosedInput { after },
            FailureKind::EndlessLine { bytes } => Self::EndlessLine { bytes },
            FailureKind::NotReading { bytes } => Self::NotReading { bytes },
        }
    }
}

/// What became of a message, by its id; with a delay where there is one.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum Fate {
    Received(u64),
    Dropped(u64, String),
    Delayed(u64, String, Duration),
    Duplicated(u64, Duration),
}

impl Fate {
    /// As an agent tells it.
    pub(crate) fn of<B>(what: &What<B>, now: Duration) -> Option<Self> {
        Some(match what {
            What::Sent(..) => return None,
            What::Received(id) => Self::Received(*id),
            What::Dropped(id, cause) => Self::Dropped(*id, cause.name().to_owned()),
            What::Delayed(id, cause, until) => {
                Self::Delayed(*id, cause.name().to_owned(), until.saturating_sub(now))
            }
            What::Duplicated(id, until) => Self::Duplicated(*id, until.saturating_sub(now)),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Received(id)
            | Self::Dropped(id, _)
            | Self::Delayed(id, ..)
            | Self::Duplicated(id, _) => *id,
        }
    }

    /// The same of the message that has this id in the test.
    pub(crate) fn what(&self, id: u64, now: Duration) -> Option<What> {
        let cause = |name: &str| Cause::ALL.into_iter().find(|cause| cause.name() == name);
        Some(match self {
            Self::Received(_) => What::Received(id),
            Self::Dropped(_, name) => What::Dropped(id, cause(name)?),
            Self::Delayed(_, name, delay) => What::Delayed(id, cause(name)?, now + *delay),
            Self::Duplicated(_, delay) => What::Duplicated(id, now + *delay),
        })
    }
}

/// Tells messages of a run apart: by who sent them, which process of it, and the number of the
/// line. It is the message's `id`, too, so that it has to be an integer that every language
/// can read: less than 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) node: usize,
    pub(crate) starts: u64,
    pub(crate) line: u64,
}

const LINE_BITS: u32 = 30;
const START_BITS: u32 = 11;

impl Id {
    pub(crate) fn number(self) -> u64 {
        let Self { node, starts, line } = self;
        let (starts, line) = (starts & ((1 << START_BITS) - 1), line & ((1 << LINE_BITS) - 1));
        (node as u64) << (START_BITS + LINE_BITS) | starts << LINE_BITS | line
    }

    /// Whether it is of a process of which its node was started so often.
    pub(crate) fn is_of(number: u64, starts: u64) -> bool {
        let mask = (1 << START_BITS) - 1;
        (number >> LINE_BITS) & mask == starts & mask
    }
}

/// An id, a space and a text.
pub(crate) fn with_id(id: u64, text: &[u8]) -> Vec<u8> {
    let mut payload = id.to_string().into_bytes();
    payload.push(b' ');
    payload.extend_from_slice(text);
    payload
}

/// The id and the text of such a payload.
pub(crate) fn split_id(payload: &[u8]) -> Option<(u64, &[u8])> {
    let end = payload.iter().position(|&byte| byte == b' ')?;
    let id = str::from_utf8(&payload[..end]).ok()?.parse().ok()?;
    Some((id, &payload[end + 1..]))
}

/// The node of this name.
pub(crate) fn node_of(name: &str) -> Option<usize> {
    match Address::parse(name) {
        Some(Address::Node(node)) => Some(node),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_integers_that_every_language_can_read() {
        let most = Id { node: 4095, starts: 2047, line: (1 << LINE_BITS) - 1 };
        assert!(most.number() < 1 << 53);
        let other = Id { starts: 2, ..most };
        assert_ne!(most.number(), other.number());
        assert!(Id::is_of(other.number(), 2) && !Id::is_of(other.number(), 1));
    }

    /// Conditions in which each of these does not hear the other.
    fn conditions(cuts: &[(usize, usize)]) -> Conditions {
        let mut conditions = serde_json::to_value(Conditions::default()).unwrap();
        let heard = |node| cuts.iter().filter(move |cut| cut.0 == node).map(|cut| cut.1);
        let grudge: Vec<BTreeSet<usize>> = (0..4).map(|node| heard(node).collect()).collect();
        conditions["grudge"] = serde_json::to_value(grudge).unwrap();
        serde_json::from_value(conditions).unwrap()
    }

    #[test]
    fn an_agent_is_cut_off_from_those_alone_with_whom_none_of_its_nodes_may_talk() {
        let peer = |last, nodes: [usize; 1]| Peer {
            address: Ipv4Addr::new(198, 18, 0, last),
            nodes: nodes.into(),
        };
        let cut_off = |cuts: &[(usize, usize)]| {
            let order = Order {
                run: String::new(),
                serial: 1,
                program: String::new(),
                args: Vec::new(),
                node_count: 4,
                network: Net { latency: PERIOD, dist: String::new(), links: None, seed: 1 },
                conditions: conditions(cuts),
                has_services: false,
                nodes: [0, 3].map(|node| (node, Wanted::default())).into(),
                peers: vec![peer(2, [1]), peer(3, [2])],
                end: None,
            };
            let last = |peer: &Peer| peer.address.octets()[3];
            order.cut_off().map(last).collect::<Vec<_>>()
        };
        assert_eq!(cut_off(&[]), [0; 0]);
        let both = [(0, 1), (1, 0), (3, 1), (1, 3)];
        assert_eq!(cut_off(&both), [2]);
        assert_eq!(cut_off(&both[..3]), [0; 0], "one hears the other");
        assert_eq!(cut_off(&both[..2]), [0; 0], "of two nodes, one is cut");
        assert_eq!(cut_off(&[&both[..], &[(0, 2), (2, 0), (3, 2), (2, 3)]].concat()), [2, 3]);
    }

    #[test]
    fn a_payload_is_split_into_id_and_text() {
        let text = b"{ \"a\": 1 }".as_slice();
        assert_eq!(split_id(&with_id(17, text)), Some((17, text)));
        for payload in ["", "17", "x {}", " {}", "-1 {}"] {
            assert_eq!(split_id(payload.as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn what_becomes_of_a_message_is_told_by_delays_since_clocks_differ() {
        let (theirs, ours) = (Duration::from_secs(7), Duration::from_secs(3000));
        let until = theirs + Duration::from_millis(40);
        let told = Fate::of::<()>(&What::Delayed(5, Cause::Slow, until), theirs).unwrap();
        let Some(What::Delayed(9, Cause::Slow, until)) = told.what(9, ours) else { panic!() };
        assert_eq!(until - ours, Duration::from_millis(40));
    }
}
