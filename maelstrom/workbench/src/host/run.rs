//! A test of nodes in real time, wherever they run.
//!
//! One task on one thread does everything: it takes what nodes print, hands it to
//! the world, carries out the world's commands, gives nodes what is for them and waits for
//! whatever comes first. So there is no queue between tasks and no order but the
//! one in which bytes come in.

use std::task::{Context, Poll};
use std::time::Duration;

use maelstrom::Panic;
use simulator::{
    Command, Conditions, DiskFault, Elsewhere, Message, NodeFault, Observer, RunError, RunStats,
    ServiceName, Settings, World,
};
use tokio::time::Instant;

use super::alarm::Alarm;
use super::signals::Interrupts;
use super::threads::Threads;

/// Time between two calls of [`Observer::progress`].
const PROGRESS: Duration = Duration::from_millis(200);

/// Where the nodes of a test run, and the way to them.
///
/// Nothing here blocks but [`start`](Self::start), which may wait for a process of the same
/// node to be gone.
pub trait Nodes {
    /// Starts a node that does not run.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    fn start(&mut self, node: usize) -> Result<(), RunError>;

    /// Kills a node, and whatever it started.
    fn kill(&mut self, node: usize);

    /// Stops a node where it is, or lets it go on.
    fn pause(&mut self, node: usize, paused: bool);

    /// Breaks the files of a node that was just killed.
    ///
    /// # Errors
    ///
    /// When the files cannot be reached.
    fn damage(&mut self, node: usize, fault: DiskFault) -> Result<(), RunError>;

    /// Starts a second process in the directory of a node, and gives it this message.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    fn start_twin(&mut self, node: usize, init: &Message) -> Result<(), RunError>;

    /// Gives a message to a node.
    fn deliver(&mut self, node: usize, message: &Message);

    /// The messages that nodes exchange without the test's help.
    fn elsewhere(&self) -> Elsewhere;

    /// Changes the faults of the network that [`elsewhere`](Self::elsewhere) is about.
    fn impose(&mut self, conditions: Conditions);

    /// Takes what came from nodes, and says whether there was anything.
    ///
    /// # Errors
    ///
    /// When a node did what it may not do, or cannot be reached.
    fn poll(&mut self, cx: &mut Context<'_>, test: &mut Test<'_>) -> Result<bool, RunError>;

    /// Sends off what is for nodes.
    ///
    /// # Errors
    ///
    /// When a node does not take it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), RunError>;

    /// What a node printed after its last line break.
    fn unended(&self, node: usize) -> &[u8];

    /// Ends all nodes: politely after a test that went through, at once after any other.
    fn shut_down(&mut self, politely: bool, test: &mut Test<'_>) -> impl Future<Output = ()>;

    /// An error with what is known of the node that it is about.
    fn explain(&self, error: RunError) -> RunError;
}

/// Who takes what nodes print.
pub trait Output {
    /// A line of standard output, without its line break. Returns the id of a message that
    /// others carry.
    ///
    /// # Errors
    ///
    /// When it is no message that the node may send.
    fn line(&mut self, node: usize, line: &[u8]) -> Result<Option<u64>, NodeFault>;

    /// A line of standard error.
    fn log(&mut self, node: usize, line: &[u8]);
}

/// The test around the nodes.
pub struct Test<'a> {
    world: World,
    observer: &'a mut dyn Observer,
    log_stderr: bool,
    /// Of each node.
    threads: Vec<Threads>,
    commands: Vec<Command>,
    began: Instant,
}

impl Test<'_> {
    /// The world, and the time that it is there.
    pub fn world(&mut self) -> (&mut World, Duration) {
        (&mut self.world, self.began.elapsed())
    }

    /// A line that a service elsewhere sent to a node. Returns the message's id.
    pub fn service_line(&mut self, service: ServiceName, line: &[u8]) -> Option<u64> {
        let now = self.now();
        self.world.service_line(service, line, now)
    }

    /// What carries messages between machines did not do so for a while.
    pub fn outage(&mut self, what: &str) {
        let now = self.now();
        self.world.outage(what, now, &mut self.commands);
    }

    /// The same outage, as another machine saw it, which may have been later.
    pub fn prepare_again(&mut self) {
        let now = self.now();
        self.world.prepare_again(now, &mut self.commands);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Passes on the rest of the trace of a run that came to this.
    fn end_trace(&mut self, result: &Result<RunStats, RunError>) {
        let fault = match result {
            Err(RunError::Node(failure)) => Some(&failure.fault),
            _ => None,
        };
        let rest = self.world.end_trace(fault, self.now());
        rest.iter().for_each(|lines| self.observer.trace(lines));
    }
}

impl Output for Test<'_> {
    fn line(&mut self, node: usize, line: &[u8]) -> Result<Option<u64>, NodeFault> {
        self.world.node_line(node, line, self.began.elapsed(), &mut self.commands)
    }

    fn log(&mut self, node: usize, line: &[u8]) {
        let now = self.now();
        if line.starts_with(b"panic in ")
            && let Some(panic) = str::from_utf8(line).ok().and_then(Panic::parse)
        {
            self.observer.panic(node, now, &panic);
        }
        self.world.node_logged(node, line, now);
        if let Some(reason) = self.threads[node].feed(line) {
            self.world.thread_ended(node, &reason);
        }
        if self.log_stderr {
            self.observer.node_log(node, line);
        }
    }
}

/// What is wanted of a test beyond its history.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Whether the observer wants all traffic.
    pub journal: bool,
    /// Whether it wants a trace.
    pub trace: bool,
}

/// Runs a test with these nodes, which are made once tokio's runtime is there.
///
/// # Errors
///
/// When it did not go through: see [`RunError`]. The observer has seen what
/// happened until then.
pub fn run<N: Nodes>(
    settings: &Settings,
    watch: Watch,
    observer: &mut dyn Observer,
    nodes: impl AsyncFnOnce() -> Result<N, RunError>,
) -> Result<RunStats, RunError> {
    if let Some(reason) = settings.needs_simulation() {
        return Err(RunError::Impossible(reason));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::io("start tokio's runtime"))?;
    runtime.block_on(async {
        let mut host = Host::new(settings, watch, observer, nodes().await?)?;
        let result = host.run().await;
        host.nodes.shut_down(result.is_ok(), &mut host.test).await;
        host.test.end_trace(&result);
        result.map_err(|error| host.nodes.explain(error))
    })
}

struct Host<'a, N> {
    nodes: N,
    test: Test<'a>,
    interrupts: Interrupts,
    alarm: Alarm,
    alarm_at: Option<Duration>,
    next_progress: Duration,
}

impl<'a, N: Nodes> Host<'a, N> {
    fn new(
        settings: &Settings,
        watch: Watch,
        observer: &'a mut dyn Observer,
        nodes: N,
    ) -> Result<Self, RunError> {
        let mut world = World::new(settings)?;
        if watch.journal {
            world.watch();
        }
        if watch.trace {
            world.trace();
        }
        world.leave(nodes.elsewhere());
        let threads = std::iter::repeat_with(Threads::default).take(settings.node_count).collect();
        Ok(Self {
            nodes,
            test: Test {
                world,
                observer,
                log_stderr: settings.log_stderr,
                threads,
                commands: Vec::new(),
                began: Instant::now(),
            },
            interrupts: Interrupts::new().map_err(RunError::io("listen to signals"))?,
            alarm: Alarm::new().map_err(RunError::io("make a timer"))?,
            alarm_at: None,
            next_progress: Duration::ZERO,
        })
    }

    /// From the first node to the last operation.
    async fn run(&mut self) -> Result<RunStats, RunError> {
        let now = self.test.now();
        self.test.world.start(now, &mut self.test.commands);
        self.carry_out()?;
        std::future::poll_fn(|cx| self.turn(cx)).await?;
        let Self { nodes, test, .. } = self;
        test.observer.progress(&test.world.progress(test.began.elapsed()));
        for node in 0..test.threads.len() {
            test.world.end_of_output(node, nodes.unended(node));
        }
        Ok(test.world.stats())
    }

    /// Does what can be done now. Ready when the test is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        loop {
            self.check_interrupts(cx)?;
            let mut busy = self.nodes.poll(cx, &mut self.test)?;
            let now = self.test.now();
            self.test.world.advance(now, &mut self.test.commands)?;
            busy |= !self.test.commands.is_empty();
            self.carry_out()?;
            if self.test.world.is_finished() {
                return Poll::Ready(Ok(()));
            }
            self.nodes.poll_write(cx)?;
            if now >= self.next_progress {
                self.test.observer.progress(&self.test.world.progress(now));
                self.next_progress = now + PROGRESS;
            }
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

    fn carry_out(&mut self) -> Result<(), RunError> {
        let Self { nodes, test, .. } = self;
        for command in test.commands.drain(..) {
            match command {
                Command::Deliver(node, message) => nodes.deliver(node, &message),
                Command::Record(op) => test.observer.op(&op),
                Command::Traffic(traffic) => test.observer.traffic(&traffic),
                Command::Trace(lines) => test.observer.trace(&lines),
                Command::Start(node) => nodes.start(node)?,
                Command::Kill(node) => nodes.kill(node),
                Command::Damage(node, fault) => nodes.damage(node, fault)?,
                Command::Network(conditions) => nodes.impose(conditions),
                // The settings were refused that would ask for it.
                Command::Upset(..) | Command::Clock(_) => {}
                Command::Twin(node, init) => nodes.start_twin(node, &init)?,
                Command::Pause(node) => nodes.pause(node, true),
                Command::Resume(node) => nodes.pause(node, false),
            }
        }
        Ok(())
    }

    /// Sets the alarm to whatever comes next. True if it rang.
    fn check_alarm(&mut self, cx: &mut Context<'_>) -> Result<bool, RunError> {
        let next =
            self.test.world.next_event().map_or(self.next_progress, |t| t.min(self.next_progress));
        if self.alarm_at != Some(next) {
            let after = next.saturating_sub(self.test.now());
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
