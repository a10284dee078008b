//! N machines in virtual time: the algorithm alone, without tasks and without JSON.
//!
//! A [`Cluster`] runs [machines](maelstrom::machine) over the same network, services and
//! faults as whole nodes have in a [`Simulation`](crate::simulation::Simulation), so
//! a test runs through thousands of hours. A test asks machines by itself, and brings
//! *oracles* along: functions that look at every step, and say what is wrong.
//!
//! A step is one input of one machine. The same seed brings the same steps.
//!
//! The cluster itself holds every machine to the [contract](maelstrom::machine::Machine):
//! no client is replied to twice, and one who gives up is replied to at once.
//!
//! `maelstrom/examples/machine.rs` has a machine and its test.

mod agenda;
mod clock;
mod events;
mod faults;
mod journal;
mod node;

use std::time::Duration;

use maelstrom::Error;
use maelstrom::NodeId;
use maelstrom::machine::{
    Answer, Client, Input, Machine, Members, Output, Outputs, Rank, ServiceCall, Time,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::agenda::{Agenda, Due};
pub use self::journal::Kept;
use self::node::Node;
use crate::links::Neighbours;
use crate::nemesis::{Fault, Nemesis, PlannedFault, Targets};
use crate::net::{Address, NetCounts, Network};
use crate::service::Services;
use crate::settings::{Latency, SeqKv};

/// What surrounds the machines of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// How long messages take.
    pub latency: Latency,
    /// Which nodes hear each other at all; all of them when `None`.
    pub links: Option<Neighbours>,
    /// What `seq-kv` promises beyond its promise.
    pub seq_kv: SeqKv,
    /// Which faults come and go until [`Cluster::heal`]. Of those of disks, one that fails
    /// once ends a node's journal until it is killed; the others do nothing here.
    pub faults: Vec<Fault>,
    /// How far apart a fault's comings and goings are, on average; a second when zero.
    pub interval: Duration,
    /// How long it takes until a record is safe.
    pub write_time: Duration,
    /// The chance that the disk is full for some seconds when a record is written, or, one
    /// time in four, that neither it nor a later one is written until the node is killed.
    pub write_faults: f64,
    /// How many records make a snapshot worthwhile; 0 for never.
    pub snapshot_every: usize,
}

/// A client's request.
#[derive(Debug)]
pub struct Asked<M: Machine> {
    /// Which node it asked.
    pub node: Rank,
    /// When.
    pub at: Time,
    /// When it was replied to, and what.
    pub reply: Option<(Time, Result<M::Reply, Error>)>,
}

/// A step: what a machine made of an input.
pub struct Step<'a, M: Machine> {
    /// When, since the cluster began.
    pub now: Time,
    /// Which node.
    pub node: Rank,
    /// The machine, after it.
    pub machine: &'a M,
    /// Those of its records, since its last snapshot, that were safe before it.
    pub safe: &'a [M::Record],
    /// What it wants done.
    pub outputs: &'a [Output<M>],
}

/// What a test brings along to look at every step.
type Oracle<M> = Box<dyn FnMut(&Step<'_, M>) -> Result<(), String>>;
/// Makes a node's machine: of the cluster, a generator of random numbers, and what its
/// former incarnations left in its journal.
type Make<M> = Box<dyn Fn(Members, StdRng, &Kept<M>) -> M>;

enum Body<M: Machine> {
    Message(M::Message),
    Call(u64, Box<ServiceCall>),
    Answer(u64, Box<Answer>),
}

impl<M: Machine> Clone for Body<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Message(message) => Self::Message(message.clone()),
            Self::Call(id, call) => Self::Call(*id, call.clone()),
            Self::Answer(id, answer) => Self::Answer(*id, answer.clone()),
        }
    }
}

/// A cluster of machines. See the [module's documentation](self).
pub struct Cluster<M: Machine> {
    now: Time,
    seed: u64,
    rng: StdRng,
    make: Make<M>,
    ids: Vec<NodeId>,
    nodes: Vec<Node<M>>,
    net: Network<Body<M>>,
    services: Services,
    nemesis: Nemesis,
    agenda: Agenda,
    write_time: Duration,
    write_faults: f64,
    snapshot_every: usize,
    asked: Vec<Asked<M>>,
    oracles: Vec<Oracle<M>>,
    outputs: Outputs<M>,
    last_call: u64,
    steps: u64,
    /// When the last step was, and how many there were then.
    crowd: (Time, u64),
    failure: Option<String>,
}

impl<M: Machine> Cluster<M> {
    /// A cluster whose machines are made by `make`, at once and whenever a node starts
    /// again: of the cluster's members, a generator of random numbers, and what the node's
    /// former incarnations left in its journal: all that was safe when it was killed, and
    /// perhaps some of what was not.
    pub fn new(
        nodes: usize,
        seed: u64,
        conditions: Conditions,
        make: impl Fn(Members, StdRng, &Kept<M>) -> M + 'static,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream = || StdRng::from_rng(&mut rng);
        let mut net = Network::new(nodes, conditions.latency, stream(), stream());
        net.restrict(conditions.links);
        let interval = Some(conditions.interval).filter(|interval| !interval.is_zero());
        let interval = interval.unwrap_or(Duration::from_secs(1));
        let faults = conditions.faults.into_iter().map(PlannedFault::from);
        let mut ids: Vec<NodeId> = (0..nodes).map(|node| format!("n{node}").into()).collect();
        ids.sort();
        let mut cluster = Self {
            now: Time::ZERO,
            seed,
            make: Box::new(make),
            ids,
            nodes: (0..nodes).map(|_| Node::default()).collect(),
            net,
            services: Services::new(&mut stream(), conditions.seq_kv),
            nemesis: Nemesis::new(nodes, faults, interval, &Targets::ALL, stream()),
            agenda: Agenda::default(),
            write_time: conditions.write_time,
            write_faults: conditions.write_faults,
            snapshot_every: conditions.snapshot_every,
            asked: Vec::new(),
            oracles: Vec::new(),
            outputs: Outputs::default(),
            last_call: 0,
            steps: 0,
            crowd: (Time::ZERO, 0),
            failure: None,
            rng,
        };
        (0..nodes).for_each(|node| cluster.start(node));
        cluster.nemesis.start(Time::ZERO);
        cluster
    }

    /// Has `oracle` look at every step from now on. The first one that fails ends the run.
    pub fn check(&mut self, oracle: impl FnMut(&Step<'_, M>) -> Result<(), String> + 'static) {
        self.oracles.push(Box::new(oracle));
    }

    /// A client asks a node. One that is down replies never, one that is paused later.
    pub fn ask(&mut self, node: Rank, request: M::Request) -> Client {
        let client = Client(self.asked.len() as u64);
        self.asked.push(Asked { node, at: self.now, reply: None });
        self.deliver(node, Input::Request(client, request));
        client
    }

    /// The same with a limit to the client's patience.
    pub fn ask_within(&mut self, patience: Duration, node: Rank, request: M::Request) -> Client {
        let client = self.ask(node, request);
        let incarnation = self.nodes[node].incarnation;
        self.agenda.add(self.now + patience, node, incarnation, Due::GiveUp(client));
        client
    }

    /// Sends a message that no machine has sent.
    pub fn tell(&mut self, from: Rank, to: Rank, message: M::Message) {
        self.post(Address::Node(from), Address::Node(to), Body::Message(message));
    }

    /// Calls a service at once, as a client of its own.
    pub fn call_service(&mut self, call: &ServiceCall) -> Answer {
        let id = self.net.next_id();
        self.services.call(call, Address::Client(0), id)
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    ///
    /// What an oracle, or the cluster itself, found to be wrong.
    pub fn run_for(&mut self, time: Duration) -> Result<(), String> {
        self.run_until(self.now + time)
    }

    /// Lets time pass until then.
    ///
    /// # Errors
    ///
    /// As [`run_for`](Self::run_for).
    pub fn run_until(&mut self, end: Time) -> Result<(), String> {
        while self.failure.is_none() && self.next(end) {}
        self.now = self.now.max(end);
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Lets so much time pass, with `request` called about `rate` times a second with a
    /// node that runs.
    ///
    /// # Errors
    ///
    /// As [`run_for`](Self::run_for).
    pub fn load(
        &mut self,
        time: Duration,
        rate: f64,
        mut request: impl FnMut(&mut Self, Rank),
    ) -> Result<(), String> {
        let end = self.now + time;
        loop {
            let gap = Duration::from_secs_f64(self.rng.random_range(0.0..2.0) / rate);
            if self.now + gap >= end {
                return self.run_until(end);
            }
            self.run_for(gap)?;
            let node = self.rng.random_range(0..self.nodes.len());
            if self.machine(node).is_some() {
                request(self, node);
            }
        }
    }

    /// How long it has been running.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many nodes there are.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// How many steps there were.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Where a test's own chance comes from.
    pub fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    /// The machine of a node, unless it is down.
    pub fn machine(&self, node: Rank) -> Option<&M> {
        self.nodes[node].machine.as_ref()
    }

    /// All requests so far, and what became of them. A [`Client`]'s number is the index
    /// of its request.
    pub fn asked(&self) -> &[Asked<M>] {
        &self.asked
    }

    /// What a client was replied, if it was.
    pub fn reply(&self, Client(client): Client) -> Option<&Result<M::Reply, Error>> {
        self.asked[client as usize].reply.as_ref().map(|(_, reply)| reply)
    }

    /// What went over the network so far, calls to services included.
    pub fn net_counts(&self) -> NetCounts {
        self.net.counts()
    }

    fn fail(&mut self, what: impl std::fmt::Display) {
        let (seed, now) = (self.seed, self.now);
        self.failure.get_or_insert_with(|| format!("seed {seed}, {now:?}: {what}"));
    }
}
