//! Nodes as child processes, in real time.
//!
//! One task on one thread does everything: it reads what nodes print, hands it to
//! the world, carries out the world's commands, writes to nodes and waits for
//! whatever comes first. So there is no queue between tasks and no order but the
//! one in which bytes come in; a burst is read, handled and written with one
//! system call each.
//!
//! Whatever happens (the end of the test, a node's fault, an interrupt, a panic,
//! the bench being killed) no process stays behind: see [`watchdog`] and the
//! `Drop` of a node's process.
//!
//! [`watchdog`]: super::watchdog

mod end;
mod files;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::task::{Context, Poll};
use std::time::Duration;

use maelstrom::Panic;
use nix::sys::signal::Signal;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use simulator::{Command, FaultKind, NodeFault, Observer, RunError, RunStats, Settings, World};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::child::{MAX_BACKLOG, NodeProcess, Program};
use super::escaped::{self, Marks};
use super::signals::Interrupts;
use super::start::{find_in_path, hint, is_bare_name};
use super::threads::Threads;
use super::twin::TwinProcesses;
use super::watchdog::Watchdog;
use end::DEATH;

/// Time between two calls of [`Observer::progress`].
const PROGRESS: Duration = Duration::from_millis(200);
/// How long a line of a node's output may get.
const LONGEST_LINE: usize = 128 << 20;
const CHUNK: usize = 64 << 10;

/// How nodes are run.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// The program of every node: a path, or a name to be looked up in `PATH`.
    pub bin: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Gets a file `n0.log` for each node, with its standard error.
    pub node_log_dir: PathBuf,
    /// Gets a directory `n0` for each node, in which it runs.
    pub work_dir: PathBuf,
    /// Whether the observer wants all traffic.
    pub journal: bool,
    /// Whether it wants a trace.
    pub trace: bool,
    /// This program's executable, if its `main` knows [`watchdog::SUBCOMMAND`].
    /// Without one, nodes outlive a bench that is killed with SIGKILL, unless
    /// they end with their input.
    ///
    /// [`watchdog::SUBCOMMAND`]: super::watchdog::SUBCOMMAND
    pub watchdog: Option<PathBuf>,
}

/// Runs a test.
///
/// # Errors
///
/// When it did not go through: see [`RunError`]. The observer has seen what
/// happened until then.
pub fn run(
    settings: &Settings,
    options: &ProcessOptions,
    observer: &mut dyn Observer,
) -> Result<RunStats, RunError> {
    if let Some(reason) = settings.needs_simulation() {
        return Err(RunError::Impossible(reason));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::io("start tokio's runtime"))?;
    runtime.block_on(async {
        let mut host = Host::new(settings, options, observer)?;
        let result = host.run().await;
        host.shut_down(result.is_ok()).await;
        host.end_trace(&result);
        let result = result.map_err(|error| host.explain(error));
        host.dismiss_watchdog();
        result
    })
}

struct Host<'a> {
    world: World,
    options: &'a ProcessOptions,
    observer: &'a mut dyn Observer,
    log_stderr: bool,
    program: PathBuf,
    /// Those that were started.
    nodes: Vec<Option<NodeProcess>>,
    /// Of each node.
    threads: Vec<Threads>,
    exits: mpsc::UnboundedReceiver<Exit>,
    exit_sender: mpsc::UnboundedSender<Exit>,
    twins: TwinProcesses,
    /// Breaks files.
    chance: StdRng,
    interrupts: Interrupts,
    began: Instant,
    alarm: Alarm,
    alarm_at: Option<Duration>,
    next_progress: Duration,
    /// That a node closed its output or input, and when that is taken for a fault of its
    /// own rather than for the first sign of the process's end.
    mute: Option<(NodeFault, Duration)>,
    commands: Vec<Command>,
    buffer: Box<[u8]>,
    watchdog: Option<Watchdog>,
    /// Dropped after the nodes.
    marks: Marks,
}

struct Exit {
    node: usize,
    group: u32,
    status: io::Result<ExitStatus>,
}

impl<'a> Host<'a> {
    fn new(
        settings: &Settings,
        options: &'a ProcessOptions,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, RunError> {
        let mut world = World::new(settings)?;
        if options.journal {
            world.watch();
        }
        if options.trace {
            world.trace();
        }
        create_dir(&options.node_log_dir)?;
        let marks = Marks::new().map_err(RunError::io("draw a random number"))?;
        let start = |program| Watchdog::start(program, marks.of_all());
        let watchdog = options.watchdog.as_deref().map(start).transpose();
        let (exit_sender, exits) = mpsc::unbounded_channel();
        Ok(Self {
            world,
            options,
            observer,
            log_stderr: settings.log_stderr,
            program: resolve(&options.bin),
            nodes: std::iter::repeat_with(|| None).take(settings.node_count).collect(),
            threads: std::iter::repeat_with(Threads::default).take(settings.node_count).collect(),
            exits,
            exit_sender,
            twins: TwinProcesses::default(),
            chance: StdRng::seed_from_u64(settings.seed),
            interrupts: Interrupts::new().map_err(RunError::io("listen to signals"))?,
            began: Instant::now(),
            alarm: Alarm::new().map_err(RunError::io("make a timer"))?,
            alarm_at: None,
            next_progress: Duration::ZERO,
            mute: None,
            commands: Vec::new(),
            buffer: vec![0; CHUNK].into_boxed_slice(),
            watchdog: watchdog.map_err(RunError::io("start the watchdog"))?,
            marks,
        })
    }

    /// From the first process to the last operation.
    async fn run(&mut self) -> Result<RunStats, RunError> {
        self.world.start(self.began.elapsed(), &mut self.commands);
        self.carry_out()?;
        std::future::poll_fn(|cx| self.turn(cx)).await?;
        self.observer.progress(&self.world.progress(self.began.elapsed()));
        for (node, process) in self.nodes.iter().enumerate() {
            let Some(process) = process else { continue };
            self.world.end_of_output(node, process.lines.rest());
        }
        Ok(self.world.stats())
    }

    /// Does what can be done now. Ready when the test is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        loop {
            self.check_interrupts(cx)?;
            let mut busy = self.read_nodes(cx)?;
            self.check_exits(cx)?;
            let now = self.began.elapsed();
            self.world.advance(now, &mut self.commands)?;
            busy |= !self.commands.is_empty();
            self.carry_out()?;
            if self.world.is_finished() {
                return Poll::Ready(Ok(()));
            }
            self.write_nodes(cx)?;
            if now >= self.next_progress {
                self.nodes.iter_mut().flatten().for_each(NodeProcess::look_at_input);
                self.observer.progress(&self.world.progress(now));
                self.next_progress = now + PROGRESS;
            }
            busy |= self.twins.poll(cx, now, &mut self.buffer)?;
            busy |= self.check_alarm(cx)?;
            if !busy {
                return Poll::Pending;
            }
        }
    }

    fn check_interrupts(&mut self, cx: &mut Context<'_>) -> Result<(), RunError> {
        match self.interrupts.poll(cx) {
            Poll::Ready((signal, _)) => Err(RunError::Interrupted { signal }),
            Poll::Pending => Ok(()),
        }
    }

    /// Reads a chunk from every node that printed or logged something.
    fn read_nodes(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let mut busy = false;
        for node in 0..self.nodes.len() {
            busy |= self.read_stderr(node, cx)?;
            busy |= self.read_stdout(node, cx)?;
        }
        Ok(busy)
    }

    fn read_stdout(&mut self, node: usize, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Self { nodes, world, commands, buffer, began, .. } = self;
        let Some(process) = &mut nodes[node] else { return Ok(false) };
        let Poll::Ready(chunk) = process.poll_stdout(cx, buffer) else { return Ok(false) };
        let now = began.elapsed();
        let each = |line: &[u8]| match world.node_line(node, line, now, commands) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => ControlFlow::Break(fault),
        };
        let mut chunk = chunk;
        if let ControlFlow::Break(fault) = process.lines.feed(&mut chunk, each) {
            return Err(fault.into());
        }
        let bytes = process.lines.rest().len();
        if bytes > LONGEST_LINE {
            return Err(FaultKind::EndlessLine { bytes }.of(node).into());
        }
        if !process.is_open() && !process.is_killed {
            self.mute = Some((FaultKind::ClosedOutput.of(node), now + DEATH));
        }
        Ok(true)
    }

    fn read_stderr(&mut self, node: usize, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let Self { nodes, threads, observer, world, log_stderr, buffer, began, .. } = self;
        let each = |line: &[u8]| {
            if line.starts_with(b"panic in ")
                && let Some(panic) = str::from_utf8(line).ok().and_then(Panic::parse)
            {
                observer.panic(node, began.elapsed(), &panic);
            }
            world.node_logged(node, line, began.elapsed());
            if let Some(reason) = threads[node].feed(line) {
                world.thread_ended(node, &reason);
            }
            if *log_stderr {
                observer.node_log(node, line);
            }
        };
        let Some(process) = &mut nodes[node] else { return Ok(false) };
        match process.poll_stderr(cx, buffer, each) {
            Poll::Ready(result) => {
                result.map_err(RunError::io("write a node's log"))?;
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    /// A process that ended may not have been read to its end yet; what it
    /// printed says more than its status.
    fn check_exits(&mut self, cx: &mut Context<'_>) -> Result<(), RunError> {
        while let Poll::Ready(Some(exit)) = self.exits.poll_recv(cx) {
            let node = exit.node;
            if let Some(fault) = self.exited(exit) {
                while self.read_stdout(node, cx)? {}
                return Err(fault.into());
            }
        }
        let now = self.began.elapsed();
        match self.mute.take_if(|(_, until)| *until <= now) {
            Some((fault, _)) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// Notes that a process ended. During the test that is a fault, unless the
    /// process was killed; then there may be a new one in its place already.
    fn exited(&mut self, exit: Exit) -> Option<NodeFault> {
        let Exit { node, group, status } = exit;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.forget(group);
        }
        let process = self.nodes[node].as_mut().filter(|process| process.group() == group)?;
        process.ended = true;
        // The group's number stays taken as long as it has members, and it has to
        // have some for this to reach anybody.
        process.signal(Signal::SIGKILL);
        if process.is_killed {
            return None;
        }
        process.status = status.as_ref().ok().copied();
        let status = match status {
            Ok(status) => status.to_string(),
            Err(error) => format!("an unknown status ({error})"),
        };
        Some(FaultKind::Exited { status }.of(node))
    }

    fn carry_out(&mut self) -> Result<(), RunError> {
        let mut commands = std::mem::take(&mut self.commands);
        for command in commands.drain(..) {
            match command {
                Command::Deliver(node, message) => self.with(node, |node| node.enqueue(&message)),
                Command::Record(op) => self.observer.op(&op),
                Command::Traffic(traffic) => self.observer.traffic(&traffic),
                Command::Trace(lines) => self.observer.trace(&lines),
                Command::Start(node) => self.start(node)?,
                Command::Kill(node) => {
                    self.twins.kill(node);
                    self.with(node, NodeProcess::kill);
                    escaped::kill_marked(&self.marks.of(node));
                }
                Command::Damage(node, fault) => self.damage(node, fault)?,
                // The settings were refused that would ask for it.
                Command::Upset(..) | Command::Clock(_) => {}
                Command::Twin(node, init) => self.start_twin(node, &init)?,
                Command::Pause(node) => self.with(node, |node| node.signal(Signal::SIGSTOP)),
                Command::Resume(node) => self.with(node, |node| node.signal(Signal::SIGCONT)),
            }
        }
        self.commands = commands;
        Ok(())
    }

    fn with(&mut self, node: usize, act: impl FnOnce(&mut NodeProcess)) {
        if let Some(process) = &mut self.nodes[node] {
            act(process);
        }
    }

    fn start(&mut self, node: usize) -> Result<(), RunError> {
        self.mute.take_if(|(fault, _)| fault.node == node);
        create_dir(&self.directory(node))?;
        if let Some(killed) = self.nodes[node].as_ref().filter(|process| !process.ended) {
            killed.await_death();
        }
        self.nodes[node] = Some(self.launch(node, "", self.nodes[node].is_some())?);
        Ok(())
    }

    fn launch(
        &mut self,
        node: usize,
        suffix: &str,
        is_restart: bool,
    ) -> Result<NodeProcess, RunError> {
        let program = Program {
            path: &self.program,
            args: &self.options.args,
            directory: &self.directory(node),
            log: self.options.node_log_dir.join(format!("n{node}{suffix}.log")),
            mark: self.marks.of(node),
            is_restart,
        };
        let (process, child) = NodeProcess::start(program).map_err(|source| RunError::Start {
            node,
            program: self.program.clone(),
            hint: hint(&self.program, &source),
            source,
        })?;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.watch(process.group()).map_err(RunError::io("tell the watchdog"))?;
        }
        tokio::spawn(tell_of_exit(node, process.group(), child, self.exit_sender.clone()));
        Ok(process)
    }

    fn write_nodes(&mut self, cx: &mut Context<'_>) -> Result<(), NodeFault> {
        for (node, process) in self.nodes.iter_mut().enumerate() {
            let Some(process) = process else { continue };
            process.poll_write(cx);
            if let Some(after) = process.deaf_after.filter(|_| !process.is_killed)
                && self.mute.is_none()
            {
                let until = self.began.elapsed() + DEATH;
                self.mute = Some((FaultKind::ClosedInput { after }.of(node), until));
            }
            let bytes = process.backlog();
            if bytes > MAX_BACKLOG {
                return Err(FaultKind::NotReading { bytes }.of(node));
            }
        }
        Ok(())
    }

    /// Sets the alarm to whatever comes next. True if it rang.
    fn check_alarm(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let next =
            self.world.next_event().map_or(self.next_progress, |t| t.min(self.next_progress));
        if self.alarm_at != Some(next) {
            let after = next.saturating_sub(self.began.elapsed());
            self.alarm.set(after).map_err(RunError::io("set a timer"))?;
            self.alarm_at = Some(next);
        }
        match self.alarm.poll(cx) {
            Poll::Ready(result) => {
                result.map_err(RunError::io("wait for a timer"))?;
                self.alarm_at = None;
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }
}

async fn tell_of_exit(
    node: usize,
    group: u32,
    mut child: Child,
    exits: mpsc::UnboundedSender<Exit>,
) {
    let status = child.wait().await;
    // The host may be gone, and nobody wants to know any more.
    let _ = exits.send(Exit { node, group, status });
}

/// Nodes run in directories of their own, so a relative path has to be made
/// absolute. Links are not followed: a program may care by what name it is called.
/// A bare name that is no file here is looked for in `PATH`.
fn resolve(program: &Path) -> PathBuf {
    match std::path::absolute(program) {
        Ok(path) if path.exists() => path,
        _ if is_bare_name(program) => find_in_path(program).unwrap_or_else(|| program.to_owned()),
        _ => program.to_owned(),
    }
}

fn create_dir(path: &Path) -> Result<(), RunError> {
    fs::create_dir_all(path)
        .map_err(RunError::io(format!("create the directory {}", path.display())))
}
