//! Nodes as child processes of this one.
//!
//! What nodes print in a burst is read with one system call, and what is for them written
//! likewise.
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

use nix::sys::signal::Signal;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use simulator::{
    Conditions, DiskFault, Elsewhere, FaultKind, Message, NodeFault, Observer, RunError, RunStats,
    Settings,
};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::child::{MAX_BACKLOG, NodeProcess, Program};
use super::escaped::{self, Marks};
use super::run::{self, Nodes, Output, Test, Watch};
use super::start::{find_in_path, hint, is_bare_name};
use super::twin::TwinProcesses;
use super::watchdog::Watchdog;
use end::DEATH;

/// Time between two looks at whether nodes closed their input.
const LOOK: Duration = Duration::from_millis(200);
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

/// Nodes as processes, as many of them as are to run here.
pub struct Processes {
    options: ProcessOptions,
    program: PathBuf,
    /// Those that were started.
    nodes: Vec<Option<NodeProcess>>,
    exits: mpsc::UnboundedReceiver<Exit>,
    exit_sender: mpsc::UnboundedSender<Exit>,
    twins: TwinProcesses,
    /// Breaks files.
    chance: StdRng,
    began: Instant,
    /// When to see whether nodes closed their input.
    next_look: Duration,
    /// That a node closed its output or input, and when that is taken for a fault of its
    /// own rather than for the first sign of the process's end.
    mute: Option<(NodeFault, Duration)>,
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

impl Processes {
    /// Runs a test with all nodes here.
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
        let watch = Watch { journal: options.journal, trace: options.trace };
        run::run(settings, watch, observer, async || {
            Self::new(settings.node_count, options.clone(), settings.seed)
        })
    }

    /// Up to so many nodes, none of which runs yet. The seed decides how files are broken.
    /// Needs tokio's runtime.
    ///
    /// # Errors
    ///
    /// When there is no folder for their logs, or nobody to watch over them.
    pub fn new(node_count: usize, options: ProcessOptions, seed: u64) -> Result<Self, RunError> {
        create_dir(&options.node_log_dir)?;
        let marks = Marks::new().map_err(RunError::io("draw a random number"))?;
        let start = |program| Watchdog::start(program, marks.of_all());
        let watchdog = options.watchdog.as_deref().map(start).transpose();
        let (exit_sender, exits) = mpsc::unbounded_channel();
        Ok(Self {
            program: resolve(&options.bin),
            options,
            nodes: std::iter::repeat_with(|| None).take(node_count).collect(),
            exits,
            exit_sender,
            twins: TwinProcesses::default(),
            chance: StdRng::seed_from_u64(seed),
            began: Instant::now(),
            next_look: Duration::ZERO,
            mute: None,
            buffer: vec![0; CHUNK].into_boxed_slice(),
            watchdog: watchdog.map_err(RunError::io("start the watchdog"))?,
            marks,
        })
    }

    /// Gives a line to a node, without its line break.
    pub fn write(&mut self, node: usize, line: &[u8]) {
        self.with(node, |node| node.enqueue_line(line));
    }

    /// Reads a chunk from every node that printed or logged something, and says whether
    /// there was any.
    ///
    /// # Errors
    ///
    /// When a node ended, or did what it may not do. The others can be read on.
    pub fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut dyn Output,
    ) -> Result<bool, RunError> {
        let mut busy = false;
        for node in 0..self.nodes.len() {
            busy |= self.read_stderr(node, cx, output)?;
            busy |= self.read_stdout(node, cx, output)?;
        }
        self.check_exits(cx, output)?;
        busy |= self.twins.poll(cx, self.began.elapsed(), &mut self.buffer)?;
        Ok(busy)
    }

    fn read_stdout(
        &mut self,
        node: usize,
        cx: &mut Context<'_>,
        output: &mut dyn Output,
    ) -> Result<bool, RunError> {
        let Self { nodes, buffer, began, .. } = self;
        let Some(process) = &mut nodes[node] else { return Ok(false) };
        let Poll::Ready(mut chunk) = process.poll_stdout(cx, buffer) else { return Ok(false) };
        let each = |line: &[u8]| match output.line(node, line) {
            Ok(_) => ControlFlow::Continue(()),
            Err(fault) => ControlFlow::Break(fault),
        };
        if let ControlFlow::Break(fault) = process.lines.feed(&mut chunk, each) {
            return Err(fault.into());
        }
        let bytes = process.lines.rest().len();
        if bytes > LONGEST_LINE {
            return Err(FaultKind::EndlessLine { bytes }.of(node).into());
        }
        if !process.is_open() && !process.is_killed {
            self.mute = Some((FaultKind::ClosedOutput.of(node), began.elapsed() + DEATH));
        }
        Ok(true)
    }

    fn read_stderr(
        &mut self,
        node: usize,
        cx: &mut Context<'_>,
        output: &mut dyn Output,
    ) -> Result<bool, RunError> {
        let Some(process) = &mut self.nodes[node] else { return Ok(false) };
        match process.poll_stderr(cx, &mut self.buffer, |line| output.log(node, line)) {
            Poll::Ready(result) => {
                result.map_err(RunError::io("write a node's log"))?;
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    /// A process that ended may not have been read to its end yet; what it
    /// printed says more than its status.
    fn check_exits(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut dyn Output,
    ) -> Result<(), RunError> {
        while let Poll::Ready(Some(exit)) = self.exits.poll_recv(cx) {
            let node = exit.node;
            if let Some(fault) = self.exited(exit) {
                while self.read_stdout(node, cx, output)? {}
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

    fn with(&mut self, node: usize, act: impl FnOnce(&mut NodeProcess)) {
        if let Some(process) = &mut self.nodes[node] {
            act(process);
        }
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
}

impl Nodes for Processes {
    fn start(&mut self, node: usize) -> Result<(), RunError> {
        self.mute.take_if(|(fault, _)| fault.node == node);
        create_dir(&self.directory(node))?;
        if let Some(killed) = self.nodes[node].as_ref().filter(|process| !process.ended) {
            killed.await_death();
        }
        self.nodes[node] = Some(self.launch(node, "", self.nodes[node].is_some())?);
        Ok(())
    }

    fn kill(&mut self, node: usize) {
        self.twins.kill(node);
        self.with(node, NodeProcess::kill);
        escaped::kill_marked(&self.marks.of(node));
    }

    fn pause(&mut self, node: usize, paused: bool) {
        let signal = if paused { Signal::SIGSTOP } else { Signal::SIGCONT };
        self.with(node, |node| node.signal(signal));
    }

    fn damage(&mut self, node: usize, fault: DiskFault) -> Result<(), RunError> {
        self.break_files(node, fault)
    }

    fn start_twin(&mut self, node: usize, init: &Message) -> Result<(), RunError> {
        self.launch_twin(node, init)
    }

    fn deliver(&mut self, node: usize, message: &Message) {
        self.with(node, |node| node.enqueue(message));
    }

    fn elsewhere(&self) -> Elsewhere {
        Elsewhere::Nothing
    }

    fn impose(&mut self, _: Conditions) {
        unreachable!("no messages are left to processes");
    }

    fn poll(&mut self, cx: &mut Context<'_>, test: &mut Test<'_>) -> Result<bool, RunError> {
        self.poll_output(cx, test)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), RunError> {
        let now = self.began.elapsed();
        if now >= self.next_look {
            self.nodes.iter_mut().flatten().for_each(NodeProcess::look_at_input);
            self.next_look = now + LOOK;
        }
        for (node, process) in self.nodes.iter_mut().enumerate() {
            let Some(process) = process else { continue };
            process.poll_write(cx);
            if let Some(after) = process.deaf_after.filter(|_| !process.is_killed)
                && self.mute.is_none()
            {
                self.mute = Some((FaultKind::ClosedInput { after }.of(node), now + DEATH));
            }
            let bytes = process.backlog();
            if bytes > MAX_BACKLOG {
                return Err(FaultKind::NotReading { bytes }.of(node).into());
            }
        }
        Ok(())
    }

    fn unended(&self, node: usize) -> &[u8] {
        self.nodes[node].as_ref().map_or(&[], |process| process.lines.rest())
    }

    async fn shut_down(&mut self, politely: bool, test: &mut Test<'_>) {
        self.end(politely, test).await;
    }

    fn explain(&self, error: RunError) -> RunError {
        self.with_reason(error)
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
