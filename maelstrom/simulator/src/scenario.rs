//! Nodes in virtual time, step by step: the test asks, cuts, kills and waits.
//!
//! ```
//! use std::time::Duration;
//!
//! use maelstrom::{Context, Node};
//! use simulator::{Simulation, Workload};
//!
//! maelstrom::message_types! { "echo": struct Echo { echo: String } -> Echo; }
//!
//! fn node() -> Node<()> {
//!     Node::new(|_| ()).handle(async |_: Context<()>, echo: Echo| Ok(echo))
//! }
//!
//! let mut scene = Simulation::new(Workload::Echo, node).nodes(3).latency(10).seed(7).scenario();
//! scene.kill(&[1]);
//! scene.run_for(Duration::from_secs(2));
//! scene.restart();
//! assert_eq!(scene.ask(1, &Echo { echo: "are you back?".into() }).unwrap().echo, "are you back?");
//! ```
//!
//! A scenario has the nodes, network, links and services of its [`Simulation`], and that
//! one's seed decides everything that is drawn. Of the workload it has only the
//! setup (broadcast's topology); operations and faults are the test's to make.
//!
//! What a test says happens at once; time passes in [`run_for`](Scenario::run_for)
//! and while [`ask`](Scenario::ask) waits. When something goes wrong that is not
//! for the test to expect (a node that breaks the protocol or panics), the
//! scenario panics, and says the seed and the last messages that were under way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use checkers::history::Op;
use maelstrom::protocol::{ERROR, LooseHeader, is_reply_to};
use maelstrom::{CallError, Panic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::host::simulation::{Host, SimulationOptions};
use crate::host::{Observer, RunError};
use crate::nemesis::{DiskFault, Effect};
use crate::net::{Address, Grudge, NetCounts, Traffic};
use crate::request::Request;
use crate::simulation::{Simulation, journal_line};
use crate::world::{Command, World};

/// How long [`Scenario::ask`] waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const SHOWN: usize = 30;

/// Nodes that wait for what the test does.
pub struct Scenario {
    host: Host,
    journal: Journal,
    seed: u64,
    nodes: usize,
    grudge: Grudge,
}

#[derive(Default)]
struct Journal {
    text: String,
    panics: Vec<(usize, Panic)>,
}

impl Observer for Journal {
    fn op(&mut self, _: &Op) {}

    fn traffic(&mut self, traffic: &Traffic) {
        journal_line(&mut self.text, traffic);
    }

    fn panic(&mut self, node: usize, _: Duration, panic: &Panic) {
        self.panics.push((node, panic.clone()));
    }
}

impl Simulation {
    /// Starts the nodes for a test that goes step by step, and waits until they
    /// are initialised.
    ///
    /// # Panics
    ///
    /// When the settings do not go with the workload, or a node does not answer
    /// what it has to.
    #[track_caller]
    pub fn scenario(&self) -> Scenario {
        let settings = self.settings();
        let options =
            SimulationOptions { journal: true, trace: false, directory: self.directories() };
        let host = World::scripted(settings)
            .map_err(RunError::from)
            .and_then(|world| Host::new(world, settings, self.program(), &options));
        let host = host.unwrap_or_else(|error| panic!("there is nothing to run: {error}"));
        let mut scenario = Scenario {
            host,
            journal: Journal::default(),
            seed: settings.seed,
            nodes: settings.node_count,
            grudge: Grudge::new(),
        };
        scenario.run(&World::is_prepared, None);
        scenario
    }
}

impl Scenario {
    /// Makes a request of a node, as a client of its own, and waits.
    ///
    /// # Errors
    ///
    /// As [`maelstrom::Context::call`]; a timeout after ten seconds.
    ///
    /// # Panics
    ///
    /// When the request is not a JSON object.
    #[track_caller]
    pub fn ask<R>(&mut self, node: usize, request: &R) -> Result<R::Reply, CallError>
    where
        R: maelstrom::Request + Serialize,
        R::Reply: DeserializeOwned,
    {
        let (dest, request) = (Address::Node(node).to_string(), to_wire(request));
        let number = self.host.with_world(|world, now, _| world.ask(node, &request, PATIENCE, now));
        self.run(&|world| world.is_over(number), None);
        let reply = self.host.with_world(|world, _, _| world.take_answer(number));
        match reply {
            Some(body) => decode::<R>(dest, &body),
            None => Err(CallError::Timeout { dest, after: PATIENCE }),
        }
    }

    /// Lets so much time pass.
    #[track_caller]
    pub fn run_for(&mut self, duration: Duration) {
        let horizon = self.now() + duration;
        self.run(&|_| false, Some(horizon));
    }

    /// Cuts all links between nodes of one side and nodes of the other, beside
    /// those that are cut already.
    pub fn cut(&mut self, side: &[usize], other: &[usize]) {
        self.grudge.resize_with(self.nodes, Default::default);
        for (&a, &b) in side.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
            self.grudge[a].insert(b);
            self.grudge[b].insert(a);
        }
        self.inflict(Effect::Partition(self.grudge.clone()));
    }

    /// Ends every cut that [`cut`](Self::cut) made.
    pub fn heal(&mut self) {
        self.grudge.clear();
        self.inflict(Effect::Heal);
    }

    /// Kills those of these nodes that run: they lose their memory, and what is
    /// under way to them.
    pub fn kill(&mut self, nodes: &[usize]) {
        self.inflict(Effect::Kill(nodes.to_vec()));
    }

    /// As [`kill`](Self::kill), and their disks suffer these faults, as far as those
    /// strike at kills, beside those of the settings.
    pub fn kill_with(&mut self, nodes: &[usize], faults: &[DiskFault]) {
        self.kill(nodes);
        let damage = |node| faults.iter().map(move |&fault| Command::Damage(node, fault));
        let damages: Vec<Command> = nodes.iter().copied().flat_map(damage).collect();
        self.host.with_world(|_, _, out| out.extend(damages));
    }

    /// Lets writes to the disks of those of these nodes fail that run, until
    /// [`free_disks`](Self::free_disks) or their restart.
    pub fn fill_disks(&mut self, nodes: &[usize]) {
        self.inflict(Effect::Upset(DiskFault::Full, nodes.to_vec()));
    }

    /// Makes room on every disk.
    pub fn free_disks(&mut self) {
        self.inflict(Effect::Mend(DiskFault::Full));
    }

    /// The files on a node's disk, and their contents. What was done just now has
    /// been done when time went on ([`run_for`](Self::run_for)).
    pub fn files(&self, node: usize) -> BTreeMap<String, Vec<u8>> {
        self.host.disk(node).files()
    }

    /// Starts every node that was killed, and waits until it is initialised.
    #[track_caller]
    pub fn restart(&mut self) {
        self.inflict(Effect::Start);
        let nodes = self.nodes;
        self.run(&|world| (0..nodes).all(|node| world.is_ready(node)), None);
    }

    /// Stops those of these nodes that run, where they are.
    pub fn pause(&mut self, nodes: &[usize]) {
        self.inflict(Effect::Pause(nodes.to_vec()));
    }

    /// Lets every node go on that was stopped.
    pub fn resume(&mut self) {
        self.inflict(Effect::Resume);
    }

    /// Brings about any fault, or its end.
    pub fn inflict(&mut self, effect: Effect) {
        self.host.with_world(|world, now, out| world.inflict(effect, now, out));
    }

    /// The virtual time since the nodes were started.
    pub fn now(&self) -> Duration {
        self.host.now()
    }

    /// Messages so far.
    pub fn net_counts(&self) -> NetCounts {
        self.host.world().net_counts()
    }

    /// Every message so far as it was sent and received, one a line, with the
    /// virtual time in seconds.
    pub fn journal(&self) -> &str {
        &self.journal.text
    }

    #[track_caller]
    fn run(&mut self, until: &dyn Fn(&World) -> bool, horizon: Option<Duration>) {
        if let Err(error) = self.host.run(&mut self.journal, until, horizon) {
            panic!("{error}\n{}", self.timeline());
        }
        if let Some((node, panic)) = self.journal.panics.first() {
            panic!("n{node}: {panic}\n{}", self.timeline());
        }
    }

    fn timeline(&self) -> String {
        let lines: Vec<&str> = self.journal().lines().collect();
        let mut timeline =
            format!("seed {}, {:?} after the start; the last messages:", self.seed, self.now());
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            let _ = write!(timeline, "\n    {line}");
        }
        timeline
    }
}

fn to_wire<R: maelstrom::Request + Serialize>(request: &R) -> Request {
    Request::new(R::TYPE)
        .with_all(request)
        .unwrap_or_else(|| panic!("a request is a JSON object, and this `{}` is none", R::TYPE))
}

fn decode<R>(dest: String, body: &RawValue) -> Result<R::Reply, CallError>
where
    R: maelstrom::Request,
    R::Reply: DeserializeOwned,
{
    let decoded = match LooseHeader::read(body.get()) {
        Ok(header) if header.kind() == ERROR => serde_json::from_str(body.get()).map(Err),
        Ok(header) if !is_reply_to(&header.kind(), R::TYPE) => {
            Err(serde::de::Error::custom(format!("a `{}` answers no `{}`", header.kind(), R::TYPE)))
        }
        Ok(_) => serde_json::from_str(body.get()).map(Ok),
        Err(error) => Err(error),
    };
    match decoded {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(CallError::Remote { dest, error }),
        Err(error) => Err(CallError::Undecodable { dest, problem: format!("{error}, in {body}") }),
    }
}
