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
//! - [`wire`]: clients' connections, requests and timeouts.
//! - [`threads`]: client processes and their operations.
//! - [`load`]: when the next operation is due.
//! - [`record`]: the history.
//! - [`fault`]: what a node may not do.

mod fault;
mod load;
mod record;
mod threads;
mod wire;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

pub use fault::{FaultKind, NodeFault, Printed};
pub use record::Tally;

use crate::history::Op;
use crate::nemesis::{Action, Effect, Nemesis};
use crate::net::{Address, Line, Message, NetCounts, Network, Traffic, Watch};
use crate::service::Services;
use crate::settings::Settings;
use crate::workload::{self, Request, Unsupported, Workload, fields};
use load::Load;
use record::Recorder;
use threads::{Ended, Threads, Tools};
use wire::{Connection, Owner, Presence, Wire};

/// How long a node may take to answer `init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a node may take to answer a request of the workload's setup.
const SETUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nodes are left alone before the final operations.
const RECOVERY: Duration = Duration::from_secs(10);

/// What a host has to do.
#[derive(Debug)]
pub enum Command {
    /// Start this node.
    Start(usize),
    /// Give a message to this node.
    Deliver(usize, Message),
    /// Append to the history.
    Record(Op),
    /// A message that is watched was sent or received.
    Traffic(Traffic),
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
    /// Faults are over; nodes have time to recover.
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
    /// The bench's own connections while nodes are prepared: one a node.
    own: Vec<Option<Connection>>,
    unanswered: usize,
    threads: Threads,
    load: Load,
    nemesis: Nemesis,
    recorder: Recorder,
    phase: Phase,
    recovered_at: Duration,
    /// How many lines each node printed.
    lines: Vec<u64>,
}

/// Kinds of event, in the order in which those of the same time happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Message,
    Alarm,
    Fault,
    Operation,
    Recovered,
}

impl World {
    /// A world as the settings want it.
    ///
    /// # Errors
    ///
    /// When there is no such workload.
    pub fn new(settings: &Settings) -> Result<Self, Unsupported> {
        // One stream for each purpose, so that a change to how one of them draws
        // leaves the others as they are.
        let mut seeds = StdRng::seed_from_u64(settings.seed);
        let mut stream = || StdRng::seed_from_u64(seeds.next_u64());
        let (load, latency, nemesis, mut services) = (stream(), stream(), stream(), stream());
        let nodes = settings.node_count;
        Ok(Self {
            workload: workload::new(settings)?,
            wire: Wire::new(Network::new(nodes, settings.latency, latency)),
            services: Services::new(&mut services),
            own: std::iter::repeat_with(|| None).take(nodes).collect(),
            unanswered: 0,
            threads: Threads::new(settings.concurrency, nodes),
            load: Load::none(load),
            nemesis: Nemesis::new(settings, nemesis),
            recorder: Recorder::default(),
            phase: Phase::Init,
            recovered_at: Duration::ZERO,
            lines: vec![0; nodes],
            settings: settings.clone(),
        })
    }

    /// Says which traffic is to be told of by [`Command::Traffic`]; none is
    /// unless asked for.
    pub fn watch(&mut self, watch: Watch) {
        self.wire.net.watch(watch);
    }

    /// Starts and initialises all nodes.
    pub fn start(&mut self, now: Duration, out: &mut Vec<Command>) {
        out.extend((0..self.settings.node_count).map(Command::Start));
        let names: Vec<String> =
            (0..self.settings.node_count).map(|node| Address::Node(node).to_string()).collect();
        let request = |node: usize| {
            Request::new("init").with("node_id", &names[node]).with("node_ids", &names)
        };
        self.ask_every_node(request, INIT_TIMEOUT, now);
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
                Event::Message => self.deliver(now, out)?,
                Event::Alarm => self.check_deadline(now, out)?,
                Event::Fault => self.inflict(now, out),
                Event::Operation => self.operate(now, out),
                Event::Recovered => self.begin_final(now),
            }
        }
        out.extend(self.wire.net.traffic().map(Command::Traffic));
        Ok(())
    }

    /// Takes a line that a node printed, without its line break.
    ///
    /// # Errors
    ///
    /// When the line is not a message that the node may send.
    pub fn node_line(
        &mut self,
        node: usize,
        line: &[u8],
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        self.lines[node] += 1;
        let printed = || Printed::new(self.lines[node], line);
        let message =
            Line::parse(line).map_err(|error| FaultKind::of_line(error, printed()).of(node))?;
        let src = Address::Node(node);
        if Address::parse(&message.src) != Some(src) {
            let kind = FaultKind::ForgedSource { line: printed(), src: message.src.into_owned() };
            return Err(kind.of(node));
        }
        let body = message.body;
        match Address::parse(&message.dest) {
            Some(dest) if self.wire.net.has(dest) => {
                let message = self.wire.net.register(src, dest, body.to_owned(), now);
                self.wire.net.post(message, now);
                Ok(())
            }
            Some(dest @ Address::Client(id)) if self.wire.presence(id) != Presence::Never => {
                self.hand_to_client(id, src, dest, body, now, out)
            }
            _ => {
                let dest = message.dest.into_owned();
                Err(FaultKind::UnknownDestination { line: printed(), dest }.of(node))
            }
        }
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
        let faults = self.nemesis.in_force().into_iter().map(|_| "partition").collect();
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
        let recovered = (self.phase == Phase::Recovery).then_some(self.recovered_at);
        [
            (self.wire.net.next_due(), Event::Message),
            (self.wire.next_alarm(), Event::Alarm),
            (self.next_fault(), Event::Fault),
            (self.load.due(), Event::Operation),
            (recovered, Event::Recovered),
        ]
        .into_iter()
        .filter_map(|(time, event)| Some((time?, event)))
        .min()
    }
}

/// Messages and replies.
impl World {
    fn deliver(&mut self, now: Duration, out: &mut Vec<Command>) -> Result<(), NodeFault> {
        let Some(message) = self.wire.net.receive(now) else { return Ok(()) };
        match message.dest {
            Address::Node(node) => out.push(Command::Deliver(node, message)),
            Address::Service(name) => {
                if let Some(body) = self.services.handle(name, &message) {
                    return self.send_as_service(&message, body, now, out);
                }
            }
            Address::Client(_) => {}
        }
        Ok(())
    }

    fn send_as_service(
        &mut self,
        request: &Message,
        body: Box<serde_json::value::RawValue>,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        if let Address::Client(id) = request.src {
            return self.hand_to_client(id, request.dest, request.src, &body, now, out);
        }
        let reply = self.wire.net.register(request.dest, request.src, body, now);
        self.wire.net.post(reply, now);
        Ok(())
    }

    /// A message to a client that exists or did so.
    fn hand_to_client(
        &mut self,
        id: u64,
        src: Address,
        dest: Address,
        body: &serde_json::value::RawValue,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        let Presence::Open(owner) = self.wire.presence(id) else { return Ok(()) };
        let message = self.wire.net.register(src, dest, body.to_owned(), now);
        match owner {
            Owner::Node(node) => {
                let Some(connection) = &mut self.own[node] else { return Ok(()) };
                match self.wire.hand_over(connection, message, now) {
                    Some(reply) => self.answered(node, &reply, now),
                    None => Ok(()),
                }
            }
            Owner::Thread(thread) => {
                let (threads, mut tools) = self.hands(now);
                let ended = threads.receive(thread, message, &mut tools);
                self.ended(ended, now, out);
                Ok(())
            }
        }
    }

    fn check_deadline(&mut self, now: Duration, out: &mut Vec<Command>) -> Result<(), NodeFault> {
        match self.wire.pop_alarm(now) {
            Some(Owner::Node(node)) => {
                let Some(connection) = &mut self.own[node] else { return Ok(()) };
                if self.wire.timed_out(connection, now) {
                    return Err(self.silent(node));
                }
                Ok(())
            }
            Some(Owner::Thread(thread)) => {
                let (threads, mut tools) = self.hands(now);
                let ended = threads.check_deadline(thread, &mut tools);
                self.ended(ended, now, out);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn silent(&self, node: usize) -> NodeFault {
        let (request, timeout) = match self.phase {
            Phase::Init => ("init", INIT_TIMEOUT),
            _ => (self.setup_request(), SETUP_TIMEOUT),
        };
        FaultKind::Silent { request, seconds: timeout.as_secs() }.of(node)
    }

    fn hands(&mut self, now: Duration) -> (&mut Threads, Tools<'_>) {
        let Self { threads, workload, wire, recorder, .. } = self;
        (threads, Tools { workload: &**workload, wire, recorder, now })
    }
}

/// Phases.
impl World {
    fn ask_every_node(
        &mut self,
        request: impl Fn(usize) -> Request,
        timeout: Duration,
        now: Duration,
    ) {
        self.unanswered = self.own.len();
        for (node, own) in self.own.iter_mut().enumerate() {
            if let Some(old) = own.take() {
                self.wire.close(old);
            }
            let connection = own.insert(self.wire.open(Owner::Node(node)));
            self.wire.request(connection, node, &request(node), timeout, now);
        }
    }

    /// A node answered what it was asked before the test.
    fn answered(&mut self, node: usize, reply: &Message, now: Duration) -> Result<(), NodeFault> {
        let (request, expected) = match self.phase {
            Phase::Init => ("init", "init_ok"),
            _ => (self.setup_request(), self.workload.setup().map_or("", |setup| setup.reply)),
        };
        if fields(&reply.body, expected, []).is_err() {
            let body = reply.body.get().to_owned();
            return Err(FaultKind::Unwilling { request, expected, body }.of(node));
        }
        self.unanswered -= 1;
        if self.unanswered == 0 {
            match self.phase {
                Phase::Init => self.begin_setup(now),
                _ => self.begin_main(now),
            }
        }
        Ok(())
    }

    fn setup_request(&self) -> &'static str {
        self.workload.setup().map_or("", |setup| setup.request.kind())
    }

    fn begin_setup(&mut self, now: Duration) {
        self.recorder.origin = now;
        match self.workload.setup() {
            Some(setup) => {
                self.phase = Phase::Setup;
                self.ask_every_node(|_| setup.request.clone(), SETUP_TIMEOUT, now);
            }
            None => self.begin_main(now),
        }
    }

    fn begin_main(&mut self, now: Duration) {
        self.phase = Phase::Main;
        let Settings { rate, time_limit, .. } = self.settings;
        self.load.start(self.workload.generator(), rate, now, time_limit);
        self.nemesis.start(now);
    }

    /// A phase of operations is over when no more are to come, no more faults
    /// either, and none is open.
    fn end_phase_if_done(&mut self, now: Duration, out: &mut Vec<Command>) {
        let more = self.load.is_running() || self.next_fault().is_some();
        if more || !self.threads.all_free() {
            return;
        }
        match self.phase {
            Phase::Main if self.workload.final_generator().is_some() => {
                if let Some(action) = self.nemesis.stop() {
                    self.carry_out(action, now, out);
                }
                self.phase = Phase::Recovery;
                self.recovered_at = now + RECOVERY;
            }
            Phase::Main | Phase::Final => self.phase = Phase::Finished,
            Phase::Init | Phase::Setup | Phase::Recovery | Phase::Finished => {}
        }
    }

    fn begin_final(&mut self, now: Duration) {
        self.phase = Phase::Final;
        if let Some(generator) = self.workload.final_generator() {
            self.load.start_unpaced(generator, now);
        }
    }
}

/// Operations and faults.
impl World {
    fn operate(&mut self, now: Duration, out: &mut Vec<Command>) {
        if let Some((thread, operation)) = self.load.next(&self.threads.context(now)) {
            let (threads, mut tools) = self.hands(now);
            let ended = threads.invoke(thread, operation, &mut tools, out);
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

    fn inflict(&mut self, now: Duration, out: &mut Vec<Command>) {
        if let Some(action) = self.nemesis.act() {
            self.carry_out(action, now, out);
        }
        self.end_phase_if_done(now, out);
    }

    fn carry_out(&mut self, action: Action, now: Duration, out: &mut Vec<Command>) {
        out.push(Command::Record(self.recorder.nemesis(action.f, action.asked, now)));
        match action.effect {
            Effect::Partition(grudge) => self.wire.net.partition(grudge),
            Effect::Heal => self.wire.net.heal(),
        }
        out.push(Command::Record(self.recorder.nemesis(action.f, action.done, now)));
    }
}

#[cfg(test)]
mod tests;
