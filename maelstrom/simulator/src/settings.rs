//! What a test run is asked to do, validated.
//!
//! Names, meanings and defaults are those of the original's command line;
//! the command's flags become this.

use std::time::Duration;

use checkers::txn::Model;
use checkers::{Checks, Names};

use crate::links::{Links, LinksError, Neighbours};
pub use crate::nemesis::PlannedFault;
use crate::nemesis::{DiskFault, Fault, Targets};
pub use crate::net::{Latency, LatencyDist};
pub use crate::topology::Topology;
pub use checkers::{Availability, CheckBudget, Promise, Workload};

named! {
    /// How much `seq-kv` makes of what sequential consistency leaves open.
    #[derive(Default)]
    pub enum SeqKv {
        /// As much as the original's: reads are up to 32 states old, and a change makes
        /// its client's reads fresh.
        #[default]
        Real = "real",
        /// All: every client is shown the oldest state that is allowed, for as long as
        /// it is allowed.
        Adversarial = "adversarial",
    }
}

named! {
    /// What clients send.
    pub enum Values {
        /// What the original's do: integers, and texts to be echoed.
        Integers = "integers",
        /// Every kind of JSON, with its edges: null, both zeros, integers of any length,
        /// escapes, nesting. No value comes twice where the workload relies on that.
        Any = "any",
        /// The same, and every sixteenth value has between 16 kB and a megabyte.
        Large = "large",
    }
}

/// The settings of one test.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kind of load.
    pub workload: Workload,
    /// Number of nodes, at least 1.
    pub node_count: usize,
    /// The longest time between the starts of the first and the last node, to whole
    /// milliseconds. Zero starts all at once.
    pub start_spread: Duration,
    /// How long a node may take to answer `init`, in whole seconds.
    pub init_timeout: Duration,
    /// Number of client processes, at least 1.
    pub concurrency: usize,
    /// Operations a second of all clients together; 0 means none.
    pub rate: f64,
    /// For how long operations are generated.
    pub time_limit: Duration,
    /// Network latency.
    pub latency: Latency,
    /// What `seq-kv` is like.
    pub seq_kv: SeqKv,
    /// Which nodes can hear each other at all.
    pub links: Links,
    /// The topology suggested to broadcast nodes; `None` for the links if the network
    /// is not complete, and a grid if it is.
    pub topology: Option<Topology>,
    /// The faults that the nemesis brings, each at most once.
    pub nemesis: Vec<PlannedFault>,
    /// Mean time between two actions of the nemesis, of each kind of fault that
    /// has none of its own.
    pub nemesis_interval: Duration,
    /// How many nodes a fault hits that hits nodes, one of these each time; never empty.
    pub nemesis_targets: Vec<Targets>,
    /// The faults of nodes' disks, each at most once.
    pub disk: Vec<DiskFault>,
    /// Whether a client says what only nodes have to say to one another.
    pub intruder: bool,
    /// Availability to be met.
    pub availability: Option<Availability>,
    /// What is to hold after the last fault, if that is to be checked. Then clients
    /// probe their nodes before the recovery phase.
    pub promise: Option<Promise>,
    /// Consistency models to be checked, by their real names.
    pub consistency_models: Vec<Model>,
    /// Most operations in one transaction.
    pub max_txn_length: usize,
    /// Most writes to one key.
    pub max_writes_per_key: usize,
    /// What clients send: keys and values of transactions, messages, elements.
    pub values: Values,
    /// Keys in use at a time; `None` is the workload's default.
    pub key_count: Option<usize>,
    /// Decides everything drawn by the bench.
    pub seed: u64,
    /// Whether findings that the original overlooks make a run invalid.
    pub strict: bool,
    /// Whether to follow the original where its verdict is a quirk rather than a
    /// finding.
    pub compatible: bool,
    /// What deciding lin-kv may cost.
    pub check_budget: CheckBudget,
    /// Print nodes' stderr on ours.
    pub log_stderr: bool,
    /// Log messages as they are sent.
    pub log_net_send: bool,
    /// Log messages as they are received.
    pub log_net_recv: bool,
}

impl Settings {
    /// Why these settings can be had in virtual time only, if so.
    pub fn needs_simulation(&self) -> Option<String> {
        if let Some(fault) = self.disk.iter().find(|fault| !fault.works_with_processes()) {
            return Some(format!(
                "--disk {} does not exist with processes, whose disk cannot be told what to fail \
                 at or what to forget; it does in virtual time: `simulate test`.",
                fault.name()
            ));
        }
        let clocks = self.nemesis.iter().any(|planned| planned.fault == Fault::Clock);
        clocks.then(|| {
            "--nemesis clock does not exist with processes, which all have the clock of this \
             machine; it does in virtual time: `simulate test`."
                .to_owned()
        })
    }

    /// The command's defaults: five nodes, a client process each, five
    /// operations a second for a minute, no latency and no faults.
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            node_count: 5,
            start_spread: Duration::from_millis(500),
            init_timeout: Duration::from_secs(10),
            concurrency: 5,
            rate: 5.0,
            time_limit: Duration::from_secs(60),
            latency: Latency { mean: Duration::ZERO, dist: LatencyDist::Constant },
            seq_kv: SeqKv::Real,
            links: Links::Complete,
            topology: None,
            nemesis: Vec::new(),
            nemesis_interval: Duration::from_secs(10),
            nemesis_targets: Targets::ALL.to_vec(),
            disk: Vec::new(),
            intruder: false,
            availability: None,
            promise: None,
            consistency_models: vec![Model::StrictSerializable],
            max_txn_length: 4,
            max_writes_per_key: 16,
            values: Values::Integers,
            key_count: None,
            seed: 0,
            strict: false,
            compatible: false,
            check_budget: CheckBudget::default(),
            log_stderr: false,
            log_net_send: false,
            log_net_recv: false,
        }
    }

    /// The faults that come and go: the nemesis's, and those of disks that do.
    pub fn planned_faults(&self) -> impl Iterator<Item = PlannedFault> {
        let disk = self.disk.iter().filter(|fault| !fault.strikes_at_kills());
        let disk = disk.map(|&fault| Fault::Disk(fault).into());
        self.nemesis.iter().copied().chain(disk)
    }

    /// What is to be checked.
    pub fn checks(&self) -> Checks {
        Checks {
            workload: self.workload,
            consistency_models: self.consistency_models.clone(),
            availability: self.availability,
            promise: self.promise,
            strict: self.strict,
            compatible: self.compatible,
            budget: self.check_budget,
        }
    }

    /// Which node each client process talks to.
    pub fn names(&self) -> Names {
        Names::new(self.node_count, self.concurrency)
    }

    /// Who is linked to whom; `None` if everybody is to everybody.
    ///
    /// # Errors
    ///
    /// When [`links`](Self::links) is no connected set of links of so many nodes.
    pub fn neighbours(&self) -> Result<Option<Neighbours>, LinksError> {
        let neighbours = || self.links.neighbours(self.node_count);
        (!self.links.is_complete()).then(neighbours).transpose()
    }
}
