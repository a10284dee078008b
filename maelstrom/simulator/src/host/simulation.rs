//! Nodes as tasks of this process, in virtual time.
//!
//! One future on a paused, single-threaded Tokio runtime does everything: it
//! polls the nodes that have something to do, hands what they print to the world,
//! carries out the world's commands, and sleeps when nothing is left to do at
//! this instant. Then, and only then, the clock jumps to whatever comes next, a
//! node's timer or the world's next event. Nothing else runs, so what happens is
//! decided by the settings' seed alone: nodes are polled in the order in which
//! they were woken, and each draws its chance from a stream of its own.
//!
//! Tokio's clock has a grain of a millisecond, so that is the finest difference
//! between two times here; what is due in between happens at the next one.
//!
//! With `--nemesis clock` each node has a clock of its own ([`clocks`](super::clocks)),
//! and time goes on in steps of one grain.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use maelstrom::Panics;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Runtime;
use tokio::time::{Instant, Sleep, advance, sleep_until};

use super::clocks::{Clocks, GRAIN, paused};
use super::disk::SimulatedDisk;
use super::logs::Logs;
use super::task::{Program, Ready, Task};
use super::twin::Twins;
use super::{Observer, RunError};
use crate::nemesis::{Fault, Skew};
use crate::net::Message;
use crate::settings::Settings;
use crate::world::{Command, FaultKind, RunStats, World};

/// Virtual time between two calls of [`Observer::progress`].
const PROGRESS: Duration = Duration::from_secs(1);
/// How often nodes may be polled before time has to go on: a protocol that has
/// more to do in an instant never ends.
const MAX_POLLS_AN_INSTANT: u64 = 1_000_000;

#[derive(Clone, Default)]
pub(crate) struct SimulationOptions {
    /// Gets a directory `n0` for each node, which survives its restarts. Without
    /// it, or when disks have faults, nodes have a disk in memory.
    pub directory: Option<PathBuf>,
    /// Whether the observer wants all traffic.
    pub journal: bool,
    /// Whether it wants a trace.
    pub trace: bool,
}

pub(crate) fn run(
    settings: &Settings,
    program: &Program,
    options: &SimulationOptions,
    observer: &mut dyn Observer,
) -> Result<RunStats, RunError> {
    let mut host = Host::new(World::new(settings)?, settings, program, options)?;
    let ended = host.run(observer, &World::is_finished, None);
    let fault = match &ended {
        Err(RunError::Node(failure)) => Some(&failure.fault),
        _ => None,
    };
    let rest = host.with_world(|world, now, _| world.end_trace(fault, now));
    rest.iter().for_each(|lines| observer.trace(lines));
    ended?;
    observer.progress(&host.world().progress(host.now()));
    Ok(host.world().stats())
}

/// Nodes and the world around them, with the runtime whose clock they share.
pub(crate) struct Host {
    // Before the runtime, which its timers belong to.
    inner: Nodes,
    runtime: Runtime,
}

impl Host {
    pub(crate) fn new(
        mut world: World,
        settings: &Settings,
        program: &Program,
        options: &SimulationOptions,
    ) -> Result<Self, RunError> {
        let runtime = paused().map_err(RunError::io("start tokio's runtime"))?;
        let clocks = settings.nemesis.iter().any(|planned| planned.fault == Fault::Clock);
        let clocks = clocks.then(|| Clocks::new(settings.node_count)).transpose();
        let clocks = clocks.map_err(RunError::io("start nodes' runtimes"))?;
        if options.journal {
            world.watch();
        }
        if options.trace {
            world.trace();
        }
        let inside = runtime.enter();
        let inner = Nodes::new(world, settings, program.clone(), options.clone(), clocks);
        drop(inside);
        Ok(Self { inner, runtime })
    }

    pub(crate) fn now(&self) -> Duration {
        let _inside = self.runtime.enter();
        self.inner.began.elapsed()
    }

    pub(crate) fn world(&self) -> &World {
        &self.inner.world
    }

    pub(crate) fn disk(&self, node: usize) -> &SimulatedDisk {
        &self.inner.disks[node]
    }

    /// Has something done to the world.
    pub(crate) fn with_world<T>(
        &mut self,
        what: impl FnOnce(&mut World, Duration, &mut Vec<Command>) -> T,
    ) -> T {
        let now = self.now();
        let Nodes { world, commands, .. } = &mut self.inner;
        what(world, now, commands)
    }

    /// Goes on until the world is as wanted, or to this time.
    pub(crate) fn run(
        &mut self,
        observer: &mut dyn Observer,
        until: &dyn Fn(&World) -> bool,
        horizon: Option<Duration>,
    ) -> Result<(), RunError> {
        let Self { inner, runtime } = self;
        loop {
            let turn = std::future::poll_fn(|cx| inner.turn(cx, observer, until, horizon));
            if runtime.block_on(turn)?.is_break() {
                return Ok(());
            }
            runtime.block_on(advance(GRAIN));
            inner.clocks.iter_mut().for_each(Clocks::step);
        }
    }
}

struct Nodes {
    world: World,
    program: Program,
    options: SimulationOptions,
    nodes: Vec<Option<Task>>,
    disks: Vec<SimulatedDisk>,
    /// Whether nodes have these disks rather than real directories.
    is_disk_simulated: bool,
    twins: Twins,
    /// Nodes' own clocks, if they have any.
    clocks: Option<Clocks>,
    /// See [`Nodes::wake_deferred`].
    is_deferred_woken: bool,
    ready: Arc<Ready>,
    /// Seeds the incarnations of nodes.
    seeds: StdRng,
    began: Instant,
    alarm: Pin<Box<Sleep>>,
    next_progress: Duration,
    commands: Vec<Command>,
    /// Takes down what nodes log, if the trace wants it.
    logs: Option<Logs>,
    printed: Vec<u8>,
    /// How many polls this instant has seen.
    polls: u64,
    instant: Duration,
}

impl Nodes {
    fn new(
        mut world: World,
        settings: &Settings,
        program: Program,
        options: SimulationOptions,
        clocks: Option<Clocks>,
    ) -> Self {
        let (began, mut commands) = (Instant::now(), Vec::new());
        world.start(Duration::ZERO, &mut commands);
        let count = settings.node_count;
        let disk = |node| SimulatedDisk::new(node, settings.seed);
        Self {
            world,
            program,
            is_disk_simulated: options.directory.is_none() || !settings.disk.is_empty(),
            logs: options.trace.then(Logs::new),
            options,
            disks: (0..count).map(disk).collect(),
            twins: Twins::new(count),
            clocks,
            is_deferred_woken: false,
            nodes: std::iter::repeat_with(|| None).take(count).collect(),
            ready: Arc::default(),
            seeds: StdRng::seed_from_u64(settings.seed ^ 0x6e6f_6465_7321),
            began,
            alarm: Box::pin(sleep_until(began)),
            next_progress: Duration::ZERO,
            commands,
            printed: Vec::new(),
            polls: 0,
            instant: Duration::ZERO,
        }
    }

    /// Does all that can be done at this instant. Breaks when the world is as wanted,
    /// or when it is time and nothing is left to do. Where nodes have clocks of their
    /// own it continues when nothing is left to do before time goes on.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        observer: &mut dyn Observer,
        until: &dyn Fn(&World) -> bool,
        horizon: Option<Duration>,
    ) -> Poll<Result<ControlFlow<()>, RunError>> {
        loop {
            let now = self.began.elapsed();
            self.world.advance(now, &mut self.commands)?;
            self.carry_out(observer)?;
            if until(&self.world) {
                return self.wake_deferred(cx).map(|()| Ok(ControlFlow::Break(())));
            }
            if now >= self.next_progress {
                observer.progress(&self.world.progress(now));
                self.next_progress = now + PROGRESS;
            }
            if let Some(node) = self.ready.next(cx.waker()) {
                self.is_deferred_woken = false;
                self.poll_node(node, now, observer)?;
            } else if horizon.is_some_and(|horizon| now >= horizon) {
                return self.wake_deferred(cx).map(|()| Ok(ControlFlow::Break(())));
            } else if self.clocks.is_some() {
                self.twins.end(now);
                return self.wake_deferred(cx).map(|()| Ok(ControlFlow::Continue(())));
            } else {
                self.twins.end(now);
                let (world, twins) = (self.world.next_event(), self.twins.next_end());
                let events = [world, twins, horizon, Some(self.next_progress)];
                let next = events.into_iter().flatten().min().unwrap_or(now);
                self.alarm.as_mut().reset(self.began + next);
                if self.alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready when the runtime has woken what nodes put off to their next turn. It does
    /// that when this is pending, and forgets it when the future is over.
    fn wake_deferred(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_deferred_woken, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets a node do what it can do, and takes what it says.
    fn poll_node(
        &mut self,
        node: usize,
        now: Duration,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        self.count_poll(now)?;
        let _inside = self.clocks.as_ref().map(|clocks| clocks.enter(node % self.nodes.len()));
        if node >= self.nodes.len() {
            return Ok(self.twins.poll(node)?);
        }
        let Some(task) = &mut self.nodes[node] else { return Ok(()) };
        let (ended, logged) = match &self.logs {
            Some(logs) => logs.during(|| task.poll(&mut self.printed)),
            None => (task.poll(&mut self.printed), Vec::new()),
        };
        logged.iter().for_each(|line| self.world.node_logged(node, line.as_bytes(), now));
        task.panics().iter().for_each(|panic| observer.panic(node, now, panic));
        let mut printed = std::mem::take(&mut self.printed);
        let mut lines = printed.split(|&byte| byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            // What follows the last line break is nothing, or a line that the
            // node had no time to finish.
            if lines.peek().is_some() {
                self.world.node_line(node, line, now, &mut self.commands)?;
            }
        }
        printed.clear();
        self.printed = printed;
        ended.map_err(|ended| FaultKind::Exited { status: ended.0 }.of(node).into())
    }

    fn count_poll(&mut self, now: Duration) -> Result<(), RunError> {
        if now != self.instant {
            (self.instant, self.polls) = (now, 0);
        }
        self.polls += 1;
        if self.polls > MAX_POLLS_AN_INSTANT {
            return Err(RunError::Livelock { at: now });
        }
        Ok(())
    }

    fn carry_out(&mut self, observer: &mut dyn Observer) -> Result<(), RunError> {
        let mut commands = std::mem::take(&mut self.commands);
        for command in commands.drain(..) {
            match command {
                Command::Deliver(node, message) => {
                    if let Some(task) = &mut self.nodes[node] {
                        task.write(|input| message.write_line(input));
                    }
                }
                Command::Record(op) => observer.op(&op),
                Command::Traffic(traffic) => observer.traffic(&traffic),
                Command::Trace(lines) => observer.trace(&lines),
                Command::Start(node) => self.start(node)?,
                Command::Kill(node) => self.kill(node),
                Command::Damage(node, fault) => self.disks[node].damage(fault),
                Command::Upset(node, fault, is_so) => self.disks[node].upset(fault, is_so),
                Command::Twin(node, init) => self.start_twin(node, &init),
                Command::Clock(skew) => self.skew(skew)?,
                Command::Network(_) => unreachable!("no messages are left to others"),
                Command::Pause(node) => self.pause(node, true),
                Command::Resume(node) => self.pause(node, false),
            }
        }
        self.commands = commands;
        Ok(())
    }

    fn skew(&mut self, skew: Skew) -> Result<(), RunError> {
        let Some(clocks) = &mut self.clocks else {
            let reason = "nodes share one clock unless `--nemesis clock` is among the settings";
            return Err(RunError::Impossible(reason.to_owned()));
        };
        clocks.skew(skew);
        Ok(())
    }

    fn pause(&mut self, node: usize, paused: bool) {
        if let Some(task) = &mut self.nodes[node] {
            task.pause(paused);
        }
    }

    fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        self.twins.kill(node);
    }

    fn start(&mut self, node: usize) -> Result<(), RunError> {
        if let Some(directory) = self.directory(node) {
            let what = || format!("create {}", directory.display());
            std::fs::create_dir_all(&directory).map_err(RunError::io(what()))?;
        }
        self.disks[node].begin_incarnation();
        let host = self.surroundings(node);
        let _inside = self.clocks.as_ref().map(|clocks| clocks.enter(node));
        self.nodes[node] = Some(Task::start(&self.program, node, host, &self.ready));
        Ok(())
    }

    /// A node that keeps nothing on its disk may run as often as it likes.
    fn start_twin(&mut self, node: usize, init: &Message) {
        if self.disks[node].is_used() {
            let (now, host) = (self.began.elapsed(), self.surroundings(node));
            self.twins.start(node, |number| {
                let mut task = Task::start(&self.program, number, host, &self.ready);
                task.write(|input| init.write_line(input));
                (task, now)
            });
        }
    }

    /// What a process of a node gets.
    fn surroundings(&mut self, node: usize) -> maelstrom::Host {
        let disk = self.is_disk_simulated.then(|| self.disks[node].disk());
        let (seed, directory) = (self.seeds.random(), self.directory(node));
        maelstrom::Host { seed, directory, disk, panics: Panics::default() }
    }

    fn directory(&self, node: usize) -> Option<PathBuf> {
        self.options.directory.as_ref().map(|all| all.join(format!("n{node}")))
    }
}
