//! Swarms: a node under many seeds, each with a scenario and chance of its own.
//!
//! ```
//! use maelstrom::{Context, Error, Node, Request};
//! use serde::{Deserialize, Serialize};
//! use simulator::swarm::{Subject, Swarm};
//! use simulator::{Program, Workload};
//!
//! # #[derive(Serialize, Deserialize)]
//! # struct Echo { echo: Box<serde_json::value::RawValue> }
//! # impl Request for Echo { const TYPE: &'static str = "echo"; type Reply = Echo; }
//! fn node() -> Node<()> {
//!     Node::new(|_| ()).handle(async |_: Context<()>, echo: Echo| Ok(echo))
//! }
//!
//! let subject = Subject {
//!     node_counts: &[1, 3],
//!     ..Subject::new("my-echo", Workload::Echo, |_arguments| Ok(Program::new(node)))
//! };
//! let failure = Swarm::new(&subject).seeds(0..20).run();
//! assert!(failure.is_none(), "{}", failure.unwrap());
//! ```
//!
//! A seed decides the scenario (how many nodes, which arguments, how slow and
//! unreliable the network is, which faults come how often) and then everything in
//! it. Runs go on on all cores, but each is single-threaded and knows nothing of
//! the others, so what a seed does depends on nothing but the seed and the subject.
//!
//! - [`draw`]: the scenario of a seed.
//! - [`oracle`]: what a run has to show; [`timeline`]: what it may lose.
//! - [`shrink`](mod@shrink): a smaller run that fails in the same way.
//! - [`parallel`]: seeds on all cores.

pub(crate) mod draw;
mod holders;
pub mod observations;
mod oracle;
pub mod parallel;
mod shrink;
pub mod timeline;

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use checkers::Finding;

use crate::host::Program;
use crate::nemesis::{DiskFault, Fault};
use crate::settings::{Promise, Settings, Workload};
use crate::simulation::{Finished, Simulation};
pub use draw::Case;
pub use shrink::Mode;
use shrink::shrink;

/// A node, and what it promises to bear.
#[derive(Clone, Copy)]
pub struct Subject {
    /// The program's name.
    pub name: &'static str,
    /// Makes the program, with the arguments that the binary takes. A program stays
    /// on the thread that made it, so each run makes its own.
    pub program: fn(&[String]) -> anyhow::Result<Program>,
    /// What the node is for.
    pub workload: Workload,
    /// What is set beside the drawn scenario, one entry of these at a time.
    pub settings: &'static [fn(&mut Settings)],
    /// How many nodes there may be.
    pub node_counts: &'static [usize],
    /// How many nodes there may be now and then, under little load.
    pub most_nodes: usize,
    /// Whether the node, with these arguments, is to do what it promises in networks
    /// that are not complete, too.
    pub links: fn(&[String]) -> bool,
    /// Whether clients may send any JSON: see [`Values`](crate::settings::Values).
    pub values: bool,
    /// The faults of networks and nodes that it bears.
    pub faults: &'static [Fault],
    /// Arguments of the program, one entry of them at a time.
    pub arguments: &'static [&'static str],
    /// The disk faults that it bears when it runs with these arguments.
    pub disk: fn(&[String]) -> &'static [DiskFault],
    /// Whether it bears clocks that go at rates of their own, and jump.
    pub clock: bool,
    /// Whether every other run has a client that says what only nodes have to say to
    /// one another: see [`Settings::intruder`].
    pub intruder: bool,
    /// Operations a second, at most.
    pub rate: u32,
    /// What holds after the last fault; nothing where the node promises nothing.
    pub promise: fn(&Case) -> Option<Promise>,
    /// What is wrong with a run; nothing if it is as promised.
    pub oracle: fn(&Finished) -> Vec<Finding>,
}

impl Subject {
    /// A node of which only its verdict is asked, in clusters of one to five nodes that
    /// all have links to each other, with the values of the original.
    pub const fn new(
        name: &'static str,
        workload: Workload,
        program: fn(&[String]) -> anyhow::Result<Program>,
    ) -> Self {
        Self {
            name,
            program,
            workload,
            settings: &[|_| {}],
            node_counts: &[1, 2, 3, 5],
            most_nodes: 0,
            links: |_| false,
            values: false,
            faults: &Fault::OF_NETWORKS_AND_NODES,
            arguments: &[""],
            disk: |_| &[],
            clock: false,
            intruder: false,
            rate: 100,
            promise: |_| None,
            oracle: Finished::failures,
        }
    }

    /// Runs a case; what is wrong, if anything is.
    pub fn run(&self, case: &Case) -> Option<Failure> {
        let program = match (self.program)(&case.arguments) {
            Ok(program) => program,
            Err(error) => return Some(Failure::unusable(self, case.settings.seed, &error)),
        };
        let mut finished = Simulation::with(case.settings.clone(), program).recorded().run();
        finished.arguments.clone_from(&case.arguments);
        let findings = (self.oracle)(&finished);
        let mode = Mode::of(findings.first()?, &finished.history);
        let (seed, case) = (case.settings.seed, Some(case.clone()));
        Some(Failure { subject: *self, seed, case, findings, mode })
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Many seeds, over one node or several in turn.
#[derive(Clone)]
pub struct Swarm {
    subjects: Vec<Subject>,
    seeds: Range<u64>,
    arguments: Vec<String>,
    alter: Arc<Alter>,
}

/// What is done to the settings that a seed draws.
type Alter = dyn Fn(&Settings) -> anyhow::Result<Settings> + Send + Sync;

impl Swarm {
    /// Of one node; 100 seeds unless told otherwise.
    pub fn new(subject: &Subject) -> Self {
        Self::over(vec![*subject])
    }

    /// Of several nodes: each seed is one node's.
    pub fn over(subjects: Vec<Subject>) -> Self {
        let alter = Arc::new(|settings: &Settings| Ok(settings.clone()));
        Self { subjects, seeds: 0..100, arguments: Vec::new(), alter }
    }

    /// Which seeds are tried.
    #[must_use]
    pub fn seeds(self, seeds: Range<u64>) -> Self {
        Self { seeds, ..self }
    }

    /// Gives every program these arguments, instead of drawn ones.
    #[must_use]
    pub fn arguments(self, arguments: Vec<String>) -> Self {
        Self { arguments, ..self }
    }

    /// Changes the settings that each seed draws, all but what is promised for them: to
    /// look closer at what is drawn rarely.
    #[must_use]
    pub fn altered(
        self,
        alter: impl Fn(&Settings) -> anyhow::Result<Settings> + Send + Sync + 'static,
    ) -> Self {
        Self { alter: Arc::new(alter), ..self }
    }

    /// The failure of the lowest seed that fails.
    pub fn run(&self) -> Option<Box<Failure>> {
        let mut first = None;
        self.each(|failure| {
            first = failure.map(Box::new);
            if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        first
    }

    /// Tells of each seed in order, its failure or nothing, until told to stop.
    pub fn each(&self, each: impl FnMut(Option<Failure>) -> ControlFlow<()>) {
        parallel::each(self.seeds.clone(), |seed| self.try_seed(seed), each);
    }

    /// Runs a seed's scenario; what is wrong, if anything is.
    fn try_seed(&self, seed: u64) -> Option<Failure> {
        let number = (seed % self.subjects.len().max(1) as u64) as usize;
        let subject = self.subjects.get(number)?;
        let mut case = Case::draw(seed, subject, &self.arguments);
        match (self.alter)(&case.settings) {
            Ok(settings) => case.settings = settings,
            Err(error) => return Some(Failure::unusable(subject, seed, &error)),
        }
        case.settings.promise = (subject.promise)(&case);
        subject.run(&case)
    }
}

/// A seed whose run was not as promised.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whose run it was.
    pub subject: Subject,
    /// The seed that was drawn from.
    pub seed: u64,
    /// What was run; none if nothing could be.
    pub case: Option<Case>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// In which way it failed, by the first of the findings.
    pub mode: Mode,
}

impl Failure {
    /// Of a scenario that cannot be run.
    fn unusable(subject: &Subject, seed: u64, error: &anyhow::Error) -> Self {
        let finding = Finding::new("unusable", format!("{error:#}"), Vec::new());
        let mode = Mode { kind: finding.kind.clone(), f: None };
        Self { subject: *subject, seed, case: None, findings: vec![finding], mode }
    }

    /// The smallest run that is found to fail in the same way; this one if none is.
    #[must_use]
    pub fn shrunk(&self) -> Self {
        let Some(case) = &self.case else { return self.clone() };
        let mut smallest = self.clone();
        shrink(case, |smaller| {
            let mut smaller = smaller.clone();
            if smaller.settings.promise.is_some() {
                smaller.settings.promise = (self.subject.promise)(&smaller);
            }
            let failure = self.subject.run(&smaller).filter(|failure| failure.mode == self.mode);
            let fails = failure.is_some();
            if let Some(failure) = failure {
                smallest = failure;
            }
            fails
        });
        smallest
    }

    /// The settings of the run, if there was one.
    pub fn settings(&self) -> Option<&Settings> {
        self.case.as_ref().map(|case| &case.settings)
    }
}

const SHOWN: usize = 5;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.subject.name)?;
        for finding in self.findings.iter().take(SHOWN) {
            write!(f, "\n{}: {}", finding.kind, finding.text)?;
        }
        match self.findings.len().saturating_sub(SHOWN) {
            0 => {}
            more => write!(f, "\n… and {more} more")?,
        }
        if let Some(Case { settings, arguments }) = &self.case {
            let flags = settings.flags();
            write!(f, "\nflags that repeat it: {flags}")?;
            if !arguments.is_empty() {
                write!(f, " -- {}", arguments.join(" "))?;
            }
        }
        Ok(())
    }
}
