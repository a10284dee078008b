//! What nodes do. Each step is worked out once, for it is taken in many states.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maelstrom::NodeId;
use maelstrom::machine::{Client, Input, Machine as _, Members, Output, Outputs, Rank, Time};
use raft::{Bugs, Config, Index, Kept, Options, Packet, Raft, Record, Request, Server, Term};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use crate::explore::world::{Counter, Node, Place, Sent, World};

/// What can happen to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// What this node has said arrives, the last message or one that is so many older.
    Arrive(Rank, usize),
    /// A client asks it to count.
    Ask,
    /// It wakes when it wanted to.
    Wake,
    /// It wakes when all that it waited for is over.
    WakeLate,
    /// It is killed, and starts again.
    Restart,
}

/// What becomes of a node, and what it does on the way.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) place: Arc<Place>,
    pub(crate) says: Arc<[Arc<Sent>]>,
    /// In which term it leads.
    pub(crate) leads: Option<Term>,
    /// Whether it has cut off entries as a leader.
    pub(crate) cuts: bool,
}

/// A node, what happens, the message that arrives, and whether it is killed then.
type Key = (u64, Event, u64, bool);

pub(crate) struct Nodes {
    options: Options,
    ids: Vec<NodeId>,
    steps: Mutex<FxHashMap<Key, Step>>,
}

impl Nodes {
    /// So many nodes. Their timeouts are so short that the log's own time, which is in the
    /// entries, stands still, and what they have to say they say at once.
    pub(crate) fn new(count: usize, bugs: Bugs) -> Self {
        let mut options = Options::default();
        options.heartbeat = Duration::from_micros(4);
        options.election = Duration::from_micros(10);
        (options.adaptive, options.pace) = (false, Duration::ZERO);
        options.bugs = bugs;
        let ids = (0..count).map(|rank| NodeId::from(format!("n{rank}"))).collect();
        Self { options, ids, steps: Mutex::default() }
    }

    /// A cluster that was founded just now.
    pub(crate) fn started(&self, kept: usize) -> World {
        let servers = (0..self.ids.len()).map(|rank| Server { rank, incarnation: 1 });
        let founders = Record::Found(Config::of(servers));
        let begin = Record::Start { nodes: self.ids.clone(), incarnation: 1, is_first: false };
        let start = |rank| self.start(rank, 0, vec![begin.clone(), founders.clone()]);
        World::new(&(0..self.ids.len()).map(start).collect::<Vec<_>>(), kept)
    }

    /// Whether a node says something in a step before it is safe what it writes then.
    pub(crate) fn tells_what_is_not_safe(&self, world: &World, rank: Rank, event: Event) -> bool {
        let step = self.step(world, rank, event, false);
        let writes = step.place.records.len() > world.places[rank].records.len();
        event != Event::Restart && writes && !step.says.is_empty()
    }

    /// The state that follows; `None` if it is the same.
    pub(crate) fn next(
        &self,
        world: &World,
        rank: Rank,
        event: Event,
        is_last: bool,
    ) -> Option<World> {
        let step = self.step(world, rank, event, is_last);
        let is_same = step.place.digest == world.places[rank].digest && world.has(&step.says);
        if is_same && matches!(event, Event::Arrive(..)) {
            return None;
        }
        let mut next = world.clone();
        match event {
            Event::Arrive(..) => {}
            Event::Ask => next.asked += 1,
            Event::Wake | Event::WakeLate => next.wakes += 1,
            Event::Restart => next.crashes += 1,
        }
        next.crashes += usize::from(is_last);
        next.take(rank, &step);
        Some(next)
    }

    fn step(&self, world: &World, rank: Rank, event: Event, is_last: bool) -> Step {
        let place = &world.places[rank];
        let sent = match event {
            Event::Arrive(from, age) => world.message(from, rank, age),
            _ => None,
        };
        let key = (place.digest, event, sent.map_or(0, |sent| sent.digest), is_last);
        if let Some(step) = self.steps.lock().unwrap().get(&key) {
            return step.clone();
        }
        let clock = place.clock;
        let take = |now, input| self.work_out(rank, place, now, input, is_last);
        let wake = || place.node.deadline().map_or(clock, |at| at.max(clock));
        let step = match event {
            Event::Arrive(from, _) => {
                take(clock, Input::Message(from, sent.unwrap().packet.clone()))
            }
            Event::Ask => take(clock, Input::Request(Client(1), Request::Command(1))),
            Event::Wake => take(wake(), Input::Wake),
            Event::WakeLate => take(clock + 4 * self.options.election, Input::Wake),
            Event::Restart => self.restart(rank, place),
        };
        self.steps.lock().unwrap().insert(key, step.clone());
        step
    }

    fn restart(&self, rank: Rank, place: &Place) -> Step {
        self.start(rank, place.starts + 1, place.records.clone())
    }

    fn work_out(
        &self,
        rank: Rank,
        place: &Place,
        now: Time,
        input: Input<Node>,
        is_last: bool,
    ) -> Step {
        let node = place.node.fork(chance(rank, place.starts));
        let records = place.records.clone();
        let step = handle(rank, Place { node, clock: now, records, ..*place }, input, is_last);
        if !is_last {
            return step;
        }
        let again = self.restart(rank, place);
        let says = step.says.iter().chain(&*again.says).cloned().collect();
        Step { place: again.place, says, ..step }
    }

    fn start(&self, rank: Rank, starts: u64, records: Vec<Record<i64>>) -> Step {
        let members = Members::new(&self.ids[rank], &self.ids);
        let (rng, options) = (chance(rank, starts), self.options.clone());
        let kept = Kept::of(records, 1, false);
        let node = Raft::new(&members, rng, Counter::default(), &kept, options).unwrap();
        let Kept { records, .. } = kept;
        let place = Place { node, clock: Time::ZERO, starts, records, digest: 0 };
        handle(rank, place, Input::Start, false)
    }
}

/// A node takes an input, and then what it writes is safe, unless it `is_last`.
fn handle(rank: Rank, place: Place, input: Input<Node>, is_last: bool) -> Step {
    let Place { mut node, clock, starts, mut records, .. } = place;
    let led = Some((node.term(), node.log().last().index)).filter(|_| node.is_leader());
    let (mut says, mut cuts, mut next) = (Vec::new(), false, Some(input));
    while let Some(input) = next.take() {
        let (mut out, before) = (Outputs::default(), records.len());
        node.handle(clock, input, &mut out);
        for output in out.drain() {
            match output {
                Output::Send(to, packet) => says.push(sent(rank, to, packet)),
                Output::Write(record) => {
                    cuts |= node.is_leader() && led.is_some_and(|led| is_cut(&record, led, &node));
                    records.push(record);
                }
                Output::Reply(..) | Output::Snapshot(_) => {}
                Output::Call(tag, _) => match tag {},
            }
        }
        let written = (records.len() - before) as u64;
        next = Some(Input::Written(written)).filter(|_| written > 0 && !is_last);
    }
    let (digest, leads) = (digest((rank, node.state(), clock, starts)), node.is_leader());
    let leads = Some(node.term()).filter(|_| leads);
    let place = Arc::new(Place { node, clock, starts, records, digest });
    Step { place, says: says.into(), leads, cuts }
}

fn sent(from: Rank, to: Rank, packet: Packet<i64>) -> Arc<Sent> {
    let digest = digest((from, to, &packet));
    Arc::new(Sent { from, to, packet, digest })
}

/// Whether a leader of a term, whose log ended there, cuts off some of it.
fn is_cut(record: &Record<i64>, (term, last): (Term, Index), node: &Node) -> bool {
    match record {
        Record::Append { after, .. } => node.term() == term && *after < last,
        _ => false,
    }
}

/// Each incarnation of a node draws the same, whatever came before.
fn chance(rank: Rank, starts: u64) -> StdRng {
    StdRng::seed_from_u64(10 * rank as u64 + starts)
}

/// A hash of what something shows of itself.
fn digest(of: impl Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(format!("{of:?}").as_bytes());
    hasher.finish()
}
