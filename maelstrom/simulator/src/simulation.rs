//! Tests of nodes in virtual time, as a few lines of Rust.
//!
//! ```
//! use maelstrom::{Context, Node};
//! use simulator::{Simulation, Workload};
//!
//! maelstrom::message_types! { "echo": struct Echo { echo: serde_json::Value } -> Echo; }
//!
//! fn node() -> Node<()> {
//!     Node::new(|_| ()).handle(async |_: Context<()>, echo: Echo| Ok(echo))
//! }
//!
//! Simulation::new(Workload::Echo, node)
//!     .nodes(3)
//!     .rate(100.0)
//!     .seconds(10)
//!     .seed(7)
//!     .run()
//!     .assert_valid();
//! ```
//!
//! The seed decides everything: two runs with the same settings give the same
//! history and the same journal, byte for byte.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use checkers::history::Op;
use checkers::{Analysis, Figures, Finding, Latencies, Quantiles, Report, Validity};
use maelstrom::Panic;

use crate::explain::{self, Why};
use crate::host::simulation::{self, SimulationOptions};
use crate::host::{Observer, Program, RunError};
use crate::links::Links;
use crate::nemesis::{DiskFault, Fault};
use crate::net::Traffic;
use crate::settings::{Availability, Latency, LatencyDist, SeqKv, Settings, Workload};
use crate::trace::{Trace, TraceLines};
use crate::world::RunStats;

/// A test that can be run in virtual time.
#[derive(Clone, Debug)]
pub struct Simulation {
    settings: Settings,
    program: Program,
    directory: Option<PathBuf>,
    recorded: bool,
    traced: bool,
}

impl Simulation {
    /// A test of a node under a workload, with the settings' defaults.
    pub fn new<S: Send + Sync + 'static>(
        workload: Workload,
        node: impl Fn() -> maelstrom::Node<S> + 'static,
    ) -> Self {
        Self::with(Settings::new(workload), Program::new(node))
    }

    /// A test with these settings.
    pub fn with(settings: Settings, program: Program) -> Self {
        Self { settings, program, directory: None, recorded: false, traced: false }
    }

    /// Sets the number of nodes, and one client per node.
    #[must_use]
    pub fn nodes(self, count: usize) -> Self {
        self.set(|settings| {
            settings.node_count = count;
            settings.concurrency = count;
        })
    }

    /// So many client processes.
    #[must_use]
    pub fn clients(self, count: usize) -> Self {
        self.set(|settings| settings.concurrency = count)
    }

    /// So many operations a second.
    #[must_use]
    pub fn rate(self, rate: f64) -> Self {
        self.set(|settings| settings.rate = rate)
    }

    /// Starts the nodes within so many milliseconds, in a seeded order; 0 starts all
    /// at once. A node that sends to one which is not there yet breaks the protocol.
    #[must_use]
    pub fn start_spread(self, millis: u64) -> Self {
        self.set(|settings| settings.start_spread = Duration::from_millis(millis))
    }

    /// Operations for so many virtual seconds.
    #[must_use]
    pub fn seconds(self, seconds: u64) -> Self {
        self.set(|settings| settings.time_limit = Duration::from_secs(seconds))
    }

    /// Every message between nodes takes so many milliseconds.
    #[must_use]
    pub fn latency(self, millis: u64) -> Self {
        let mean = Duration::from_millis(millis);
        self.set(|settings| settings.latency = Latency { mean, dist: LatencyDist::Constant })
    }

    /// Sets which nodes can hear each other at all.
    ///
    /// [`run`](Self::run) ends with an error if that is no connected set of links of
    /// the nodes that there are then.
    #[must_use]
    pub fn links(self, links: Links) -> Self {
        self.set(|settings| settings.links = links)
    }

    /// `seq-kv` shows every client the oldest state that is allowed.
    #[must_use]
    pub fn adversarial_seq_kv(self) -> Self {
        self.set(|settings| settings.seq_kv = SeqKv::Adversarial)
    }

    /// Everything drawn at random comes from this.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.set(|settings| settings.seed = seed)
    }

    /// These faults come and go, each every so many seconds or so.
    #[must_use]
    pub fn nemesis(self, faults: &[Fault], seconds: f64) -> Self {
        self.set(|settings| {
            settings.nemesis = faults.iter().map(|&fault| fault.into()).collect();
            settings.nemesis_interval = Duration::from_secs_f64(seconds);
        })
    }

    /// Nodes' disks have these faults: those that strike at kills, with the kills of
    /// [`nemesis`](Self::nemesis); the others, at its interval.
    #[must_use]
    pub fn disk(self, faults: &[DiskFault]) -> Self {
        self.set(|settings| settings.disk = faults.to_vec())
    }

    /// A client says what only nodes have to say to one another, and forges replies.
    #[must_use]
    pub fn intruder(self) -> Self {
        self.set(|settings| settings.intruder = true)
    }

    /// Every operation has to succeed.
    #[must_use]
    pub fn totally_available(self) -> Self {
        self.set(|settings| settings.availability = Some(Availability::Total))
    }

    /// Changes the settings in any other way.
    #[must_use]
    pub fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Gives each node a real directory in this one, which survives its restarts.
    /// Its [disk](maelstrom::disk) is there, too, unless the settings ask for disk
    /// faults; without this it is in memory, and the node has no directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Keeps the history and the journal, as text.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    /// Keeps the [trace](crate::trace), as text.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Where nodes have their directories.
    pub fn directories(&self) -> Option<PathBuf> {
        self.directory.clone()
    }

    /// Runs it.
    pub fn run(&self) -> Finished {
        self.start(None)
    }

    /// Runs it, and shows every operation and every message to an observer, too.
    pub fn run_observed(&self, observer: &mut dyn Observer) -> Finished {
        self.start(Some(observer))
    }

    fn start(&self, observer: Option<&mut dyn Observer>) -> Finished {
        // A directory is not again as it was.
        let again = self.directory.is_none().then(|| self.clone());
        Finished { again, ..self.start_once(observer) }
    }

    fn start_once(&self, observer: Option<&mut dyn Observer>) -> Finished {
        let journal = self.recorded || observer.is_some();
        let directory = self.directory.clone();
        let options = SimulationOptions { directory, journal, trace: self.traced };
        self.run_on(observer, |watcher| {
            simulation::run(&self.settings, &self.program, &options, watcher)
        })
    }

    /// Runs it on a host of the caller's: what the host shows to the observer is
    /// checked, and shown to the caller's observer, too.
    pub fn run_on(
        &self,
        observer: Option<&mut dyn Observer>,
        host: impl FnOnce(&mut dyn Observer) -> Result<RunStats, RunError>,
    ) -> Finished {
        let names = self.settings.names();
        let mut watcher = Watcher {
            analysis: Analysis::new(&self.settings.checks(), names),
            observer,
            recorded: self.recorded,
            history: String::new(),
            journal: String::new(),
            trace: Vec::new(),
        };
        let ended = host(&mut watcher);
        let mut report = watcher.analysis.finish();
        if let Ok(stats) = &ended {
            stats.add_to(&self.settings, &mut report);
        }
        Finished {
            settings: self.settings.clone(),
            arguments: Vec::new(),
            report,
            ended,
            history: watcher.history,
            journal: watcher.journal,
            trace: String::from_utf8_lossy(&watcher.trace).into_owned(),
            again: None,
        }
    }
}

struct Watcher<'a> {
    analysis: Analysis,
    observer: Option<&'a mut dyn Observer>,
    recorded: bool,
    history: String,
    journal: String,
    trace: Vec<u8>,
}

impl Observer for Watcher<'_> {
    fn op(&mut self, op: &Op) {
        self.analysis.observe(op);
        if let Some(observer) = &mut self.observer {
            observer.op(op);
        }
        if self.recorded {
            self.history.push_str(checkers::history::raw(op).get());
            self.history.push('\n');
        }
    }

    fn panic(&mut self, node: usize, at: Duration, panic: &Panic) {
        self.analysis.panic(node, at, &panic.place, &panic.text, &panic.location);
        if let Some(observer) = &mut self.observer {
            observer.panic(node, at, panic);
        }
    }

    fn traffic(&mut self, traffic: &Traffic) {
        if let Some(observer) = &mut self.observer {
            observer.traffic(traffic);
        }
        if self.recorded {
            journal_line(&mut self.journal, traffic);
        }
    }

    fn trace(&mut self, lines: &TraceLines) {
        self.trace.extend_from_slice(&lines.text);
        if let Some(observer) = &mut self.observer {
            observer.trace(lines);
        }
    }
}

/// Appends a line to a journal: the virtual time in seconds, `Send` or `Recv`,
/// and the message.
pub(crate) fn journal_line(journal: &mut String, traffic: &Traffic) {
    let Traffic { time, event, message } = traffic;
    let mut line = Vec::new();
    message.write_line(&mut line);
    let line = String::from_utf8_lossy(&line);
    let _ = write!(journal, "{:.3} {event:?} {line}", time.as_secs_f64());
}

/// A test that was run.
#[derive(Debug)]
pub struct Finished {
    /// What was asked for.
    pub settings: Settings,
    /// The arguments of the program, if a swarm drew any.
    pub arguments: Vec<String>,
    /// What the checks conclude.
    pub report: Report,
    /// Whether it went through to its end.
    pub ended: Result<RunStats, RunError>,
    /// The history, one operation a line, if it was to be kept.
    pub history: String,
    /// Every message as it was sent and received, if they were to be kept.
    pub journal: String,
    /// The [trace](crate::trace), if it was to be kept.
    pub trace: String,
    /// What was run, if it can be run again.
    again: Option<Simulation>,
}

impl Finished {
    /// The verdict; a test that did not go through to its end is invalid.
    pub fn valid(&self) -> Validity {
        if self.ended.is_err() { Validity::Invalid } else { self.report.valid() }
    }

    /// What was measured.
    pub fn figures(&self) -> &Figures {
        &self.report.figures
    }

    /// Messages between nodes for each operation of the clients.
    ///
    /// # Panics
    ///
    /// When the test did not go through, or clients asked for nothing.
    #[track_caller]
    pub fn msgs_per_op(&self) -> f64 {
        let per_op = self.figures().messages.and_then(|messages| messages.per_op);
        per_op.unwrap_or_else(|| panic!("no messages were counted: {self}"))
    }

    /// How long it took until a value was in every read.
    ///
    /// # Panics
    ///
    /// When no value was, or the workload is about no values.
    #[track_caller]
    pub fn stable_latencies(&self) -> Quantiles {
        let latencies = self.figures().elements.as_ref().and_then(|elements| elements.latencies);
        latencies.unwrap_or_else(|| panic!("no value is in every read: {self}"))
    }

    /// How long operations of this function took.
    ///
    /// # Panics
    ///
    /// When none succeeded.
    #[track_caller]
    pub fn latencies(&self, f: &str) -> Latencies {
        let latencies = self.figures().latencies.get(f).copied();
        latencies.unwrap_or_else(|| panic!("no {f} succeeded: {self}"))
    }

    /// Why it is as it is: what is behind each finding of the report, as far as that can be
    /// told. Unless history and trace were kept, the run is repeated for them, which only
    /// one without real directories can be; if it comes to other findings then, nothing is
    /// told.
    pub fn explain(&self) -> Vec<(&Finding, Option<Why>)> {
        let findings: Vec<&Finding> = self.report.findings().collect();
        if findings.is_empty() || !self.history.is_empty() && !self.trace.is_empty() {
            return self.explain_from(findings, self);
        }
        if let Some(again) = &self.again {
            let repeated = again.clone().recorded().traced().start_once(None);
            // A program with a state outside of the run may do something else now.
            if repeated.report.findings().eq(findings.iter().copied()) {
                return self.explain_from(findings, &repeated);
            }
        }
        findings.into_iter().map(|finding| (finding, None)).collect()
    }

    fn explain_from<'a>(
        &self,
        findings: Vec<&'a Finding>,
        run: &Self,
    ) -> Vec<(&'a Finding, Option<Why>)> {
        let ops = checkers::history::read(run.history.as_bytes()).ok();
        let ops: Vec<Op> = ops.into_iter().flatten().flatten().collect();
        let trace = Trace::read(run.trace.as_bytes()).unwrap_or_default();
        let run = explain::Run::new(&ops, &trace, self.settings.names());
        let why = |finding: &'a Finding| (finding, run.explain(finding));
        findings.into_iter().map(why).collect()
    }

    /// Fails unless the verdict is `valid`.
    ///
    /// # Panics
    ///
    /// With what was found, the seed, and flags that repeat the run.
    #[track_caller]
    pub fn assert_valid(&self) -> &Self {
        self.assert_is(Validity::Valid)
    }

    /// Fails unless the verdict is this one; to prove that a check notices.
    ///
    /// # Panics
    ///
    /// As [`Finished::assert_valid`].
    #[track_caller]
    pub fn assert_is(&self, expected: Validity) -> &Self {
        assert!(self.valid() == expected, "expected {expected:?}, but it is {self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?} with seed {}", self.valid(), self.settings.seed)?;
        if let Err(error) = &self.ended {
            writeln!(f, "{error}")?;
        }
        for (name, part) in &self.report.parts {
            for finding in part.findings.iter().take(5) {
                writeln!(f, "{name}: {}: {}", finding.kind, finding.text)?;
            }
        }
        let explained = self.explain().into_iter().find_map(|(finding, why)| Some((finding, why?)));
        if let Some((finding, why)) = explained {
            writeln!(f, "why {}: {}", finding.kind, why.text)?;
        }
        write!(f, "flags that repeat it: {}", self.settings.flags())
    }
}
