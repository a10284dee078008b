//! The simulated world around the nodes: clients, services, network, faults.
//!
//! [`World`] is a discrete-event state machine. Time and nodes' output go in,
//! [`Command`]s come out; it does no I/O, has no clock and draws everything from
//! the settings' seed. So a host (`crate::host`) may run it in real time with
//! processes or in virtual time with tasks, and the same input gives the same
//! output. A host
//!
//! 1. calls [`start`](World::start) once,
//! 2. hands in what nodes print with [`node_line`](World::node_line),
//! 3. calls [`advance`](World::advance) after that, and not later than
//!    [`next_event`](World::next_event),
//! 4. carries out the commands in order,
//!
//! until [`is_finished`](World::is_finished) or a node's fault. Times are since
//! the host began and never decrease.
//!
//! A test goes through [`Phase`]s. In each it is the same machinery: messages
//! that are due, replies that are overdue, operations and faults that are due.
//!
//! - [`phases`]: how they follow each other.
//! - [`starts`]: when nodes are started for the first time.
//! - [`nodes`]: starting nodes and preparing them.
//! - [`effects`]: carrying out faults.
//! - [`lines`]: what nodes print.
//! - [`elsewhere`]: messages that others carry, and nodes whose machine is gone.
//! - [`messages`]: from nodes and services, to whom they are for.
//! - [`wire`]: clients' connections, requests and timeouts.
//! - [`threads`]: client processes and their operations.
//! - [`load`]: when the next operation is due.
//! - [`idle`]: what is said when there is nothing to do.
//! - [`intruder`]: a client that says what only nodes have to say.
//! - [`operator`]: a client that asks for changes of the members.
//! - [`record`]: the history.
//! - [`stats`]: the counts.
//! - [`traced`]: the trace.
//! - [`script`]: being driven from outside, step by step, instead.
//! - [`fault`]: what a node may not do, which is quite another thing.
//! - [`quirks`]: what it may do, but better would not.

mod effects;
mod elsewhere;
mod fault;
mod idle;
mod intruder;
mod lines;
mod load;
mod messages;
mod nodes;
mod operator;
mod phases;
mod quirks;
mod record;
mod script;
mod starts;
mod stats;
mod threads;
mod traced;
mod wire;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

pub use fault::{FaultKind, NodeFault, Printed};
pub use idle::Idle;
pub use quirks::{Quirk, Quirks};
pub use record::Tally;
pub use stats::RunStats;
pub use wire::Late;

use checkers::history::Op;

use crate::nemesis::{DiskFault, Fault, Nemesis, Skew};
use crate::net::{Conditions, Message, NetCounts, Network, Traffic, Watch};
use crate::service::Services;
use crate::settings::Settings;
use crate::trace::{Tape, TraceLines};
use crate::workload::{self, Unsupported, Workload};
use intruder::Intruder;
use load::Load;
use nodes::Node;
use operator::Operator;
use record::Recorder;
use script::Script;
use starts::Starts;
use threads::{Ended, Threads};
use wire::Wire;

/// How long nodes are left alone before the final operations.
const RECOVERY: Duration = Duration::from_secs(10);

/// What a host has to do.
#[derive(Debug)]
pub enum Command {
    /// Start this node.
    Start(usize),
    /// Kill this node, at once and without warning. It may be started again.
    Kill(usize),
    /// Stop this node where it is.
    Pause(usize),
    /// Let this node go on that is paused.
    Resume(usize),
    /// Do this to the disk of this node, which was just killed.
    Damage(usize, DiskFault),
    /// Let this be wrong with the disk of this node, or no longer.
    Upset(usize, DiskFault, bool),
    /// Change how a node's clock goes.
    Clock(Skew),
    /// Change the faults of the network that others carry messages over.
    Network(Conditions),
    /// Start a second process in the directory of this node, give it this message
    /// and see what it answers. It is not on the network.
    Twin(usize, Message),
    /// Give a message to this node.
    Deliver(usize, Message),
    /// Append to the history.
    Record(Op),
    /// A message that is watched was sent or received.
    Traffic(Traffic),
    /// The next lines of the trace, if there is one.
    Trace(TraceLines),
}

/// Where a test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nodes are started and initialised.
    Init,
    /// The workload prepares nodes: broadcast's topology.
    Setup,
    /// Operations and faults.
    Main,
    /// Faults are over; nodes have as long as they promise to settle.
    Settling,
    /// Clients look whether they have.
    Probing,
    /// Nodes have time to recover.
    Recovery,
    /// The last operations.
    Final,
    /// It is over.
    Finished,
}

/// A summary of where a test stands.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Since the test proper started; zero before.
    pub elapsed: Duration,
    /// Operations so far.
    pub tally: Tally,
    /// The names of the faults in force.
    pub faults: Vec<&'static str>,
}

/// The simulated world.
pub struct World {
    settings: Settings,
    workload: Box<dyn Workload>,
    wire: Wire,
    services: Services,
    nodes: Vec<Node>,
    starts: Starts,
    threads: Threads,
    load: Load,
    nemesis: Nemesis,
    recorder: Recorder,
    intruder: Option<Intruder>,
    operator: Option<Operator>,
    phase: Phase,
    waits_until: Duration,
    idle: Idle,
    /// Only of a world that is driven from outside.
    script: Option<Script>,
    /// Only if the run is traced.
    tape: Option<Tape>,
}

/// Kinds of event, in the order in which those of the same time happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start,
    Message,
    Alarm,
    Fault,
    Operation,
    Waited,
}

impl World {
    /// A world as the settings want it.
    ///
    /// # Errors
    ///
    /// When the settings do not go with the workload.
    pub fn new(settings: &Settings) -> Result<Self, Unsupported> {
        // One stream for each purpose, so that a change to how one of them draws
        // leaves the others as they are.
        let mut seeds = StdRng::seed_from_u64(settings.seed);
        let mut stream = || StdRng::seed_from_u64(seeds.next_u64());
        let (load, latency, nemesis, mut services) = (stream(), stream(), stream(), stream());
        let (faults, starts) = (stream(), stream());
        let nodes = settings.node_count;
        let mut net = Network::new(nodes, settings.latency, latency, faults);
        net.restrict(settings.neighbours()?);
        net.watch(Watch { send: settings.log_net_send, recv: settings.log_net_recv });
        let mut wire = Wire::new(net);
        Ok(Self {
            workload: workload::new(settings)?,
            intruder: Intruder::new(settings, &mut wire),
            operator: Operator::new(settings, &mut wire),
            wire,
            services: Services::new(&mut services, settings.seq_kv),
            nodes: std::iter::repeat_with(Node::absent).take(nodes).collect(),
            starts: Starts::draw(nodes, settings.start_spread, starts),
            threads: Threads::new(settings.concurrency, nodes),
            load: Load::none(load),
            nemesis: Nemesis::new(
                nodes,
                settings.planned_faults(),
                settings.nemesis_interval,
                &settings.nemesis_targets,
                nemesis,
            ),
            recorder: Recorder::default(),
            phase: Phase::Init,
            waits_until: Duration::ZERO,
            idle: Idle::default(),
            script: None,
            tape: None,
            settings: settings.clone(),
        })
    }

    /// Has every message be told of by [`Command::Traffic`], not only those that the
    /// settings log.
    pub fn watch(&mut self) {
        self.wire.net.watch(Watch { send: true, recv: true });
    }

    /// When [`advance`](Self::advance) has something to do.
    pub fn next_event(&self) -> Option<Duration> {
        self.agenda().map(|(time, _)| time)
    }

    /// Does everything that is due.
    ///
    /// # Errors
    ///
    /// When a node did not answer, or refused, what it had to before the test.
    pub fn advance(&mut self, now: Duration, out: &mut Vec<Command>) -> Result<(), NodeFault> {
        while let Some((_, event)) = self.agenda().filter(|&(time, _)| time <= now) {
            match event {
                Event::Start => self.start_next(now, out),
                Event::Message => self.deliver(now, out)?,
                Event::Alarm => self.check_deadline(now, out)?,
                Event::Fault => self.let_nemesis_act(now, out),
                Event::Operation => self.operate(now, out),
                Event::Waited => self.end_waiting(now),
            }
        }
        out.extend(self.wire.net.traffic().map(Command::Traffic));
        self.tell_trace(out);
        Ok(())
    }

    /// Whether the test is over.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Where the test stands.
    pub fn progress(&self, now: Duration) -> Progress {
        let elapsed = match self.phase {
            Phase::Init => Duration::ZERO,
            _ => now.saturating_sub(self.recorder.origin),
        };
        let faults = self.nemesis.in_force().map(Fault::name).collect();
        Progress { phase: self.phase, elapsed, tally: self.recorder.tally, faults }
    }

    /// What went over the network so far.
    pub fn net_counts(&self) -> NetCounts {
        self.wire.net.counts()
    }

    /// When the next fault is due, if that is before the end.
    fn next_fault(&self) -> Option<Duration> {
        let end = self.load.end().filter(|_| self.phase == Phase::Main)?;
        self.nemesis.due().filter(|&due| due < end)
    }

    /// The next event and its time; of several at one time, the first kind.
    fn agenda(&self) -> Option<(Duration, Event)> {
        let waits = matches!(self.phase, Phase::Settling | Phase::Recovery);
        let waited = waits.then_some(self.waits_until);
        [
            (self.starts.due(), Event::Start),
            (self.wire.net.next_due(), Event::Message),
            (self.wire.next_alarm(), Event::Alarm),
            (self.next_fault(), Event::Fault),
            (self.load.due(), Event::Operation),
            (waited, Event::Waited),
        ]
        .into_iter()
        .filter_map(|(time, event)| Some((time?, event)))
        .min()
    }
}

/// Operations and faults.
impl World {
    fn operate(&mut self, now: Duration, out: &mut Vec<Command>) {
        if let Some((thread, operation)) = self.load.next(&self.threads.context(now)) {
            let (threads, mut effects) = self.clients(now);
            let ended = threads.invoke(thread, operation, &mut effects, out);
            self.ended(ended, now, out);
        }
        self.end_phase_if_done(now, out);
    }

    fn ended(&mut self, ended: Option<Ended>, now: Duration, out: &mut Vec<Command>) {
        let Some(ended) = ended else { return };
        self.load.completed(ended.thread, &ended.operation, ended.completion(), now);
        out.push(Command::Record(ended.op));
        self.end_phase_if_done(now, out);
    }

    fn let_nemesis_act(&mut self, now: Duration, out: &mut Vec<Command>) {
        if let Some(action) = self.nemesis.next() {
            self.carry_out(action, now, out);
        }
        self.end_phase_if_done(now, out);
    }
}

#[cfg(test)]
mod tests;
