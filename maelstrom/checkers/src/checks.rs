//! What a history is held against.

use std::time::Duration;

use crate::txn::Model;

/// Which checks a history has to pass.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What clients did.
    pub workload: Workload,
    /// Consistency models that transactions have to meet.
    pub consistency_models: Vec<Model>,
    /// How many operations have to succeed.
    pub availability: Option<Availability>,
    /// What has to hold after the last fault.
    pub promise: Option<Promise>,
    /// Whether findings that the original overlooks make a history invalid.
    pub strict: bool,
    /// Whether to follow the original where its verdict is a quirk rather than a finding.
    pub compatible: bool,
    /// What deciding lin-kv may cost.
    pub budget: CheckBudget,
}

impl Checks {
    /// The checks of a workload, with the original's defaults.
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            consistency_models: vec![Model::StrictSerializable],
            availability: None,
            promise: None,
            strict: false,
            compatible: false,
            budget: CheckBudget::default(),
        }
    }
}

/// The kind of load, and what is checked.
#[expect(missing_docs, reason = "they are Maelstrom's, by the names below")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    Broadcast,
    Echo,
    GCounter,
    GSet,
    Kafka,
    LinKv,
    PnCounter,
    TxnListAppend,
    TxnRwRegister,
    UniqueIds,
}

impl Workload {
    /// Every workload, by name.
    pub const ALL: [Self; 10] = [
        Self::Broadcast,
        Self::Echo,
        Self::GCounter,
        Self::GSet,
        Self::Kafka,
        Self::LinKv,
        Self::PnCounter,
        Self::TxnListAppend,
        Self::TxnRwRegister,
        Self::UniqueIds,
    ];

    /// The name on the command line and in the store.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The functions of its operations, as histories name them. The kafka checker
    /// knows transactions of sends and polls, too, which the workload does not make.
    pub fn functions(self) -> &'static [&'static str] {
        self.facts().1
    }

    fn facts(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Broadcast => ("broadcast", &["broadcast", "read"]),
            Self::Echo => ("echo", &["echo"]),
            Self::GCounter => ("g-counter", &["add", "read"]),
            Self::GSet => ("g-set", &["add", "read"]),
            Self::Kafka => ("kafka", &["send", "poll", "assign", "crash", "txn"]),
            Self::LinKv => ("lin-kv", &["read", "write", "cas"]),
            Self::PnCounter => ("pn-counter", &["add", "read"]),
            Self::TxnListAppend => ("txn-list-append", &["txn"]),
            Self::TxnRwRegister => ("txn-rw-register", &["txn"]),
            Self::UniqueIds => ("unique-ids", &["generate"]),
        }
    }
}

/// The least that `--availability` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Availability {
    /// Every operation must succeed.
    Total,
    /// At least this fraction, from 0 to 1.
    Fraction(f64),
}

/// How much checking a history may cost before there is no verdict.
///
/// Both are counted (steps of a search, and what it keeps), so that a history has the
/// same verdict on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckBudget {
    /// About the time that it may take on an ordinary machine.
    pub time: Duration,
    /// About the memory that it may take, in MiB.
    pub memory_mib: u64,
}

impl Default for CheckBudget {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory_mib: 1024 }
    }
}

/// What holds once all faults are over: how soon, and how quietly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// How long after the last fault everything is as promised.
    pub within: Duration,
    /// The most messages a second between nodes and services while no client asks for
    /// anything, if that is bounded.
    pub idle_messages: Option<f64>,
    /// How long after its acknowledgement a message of a log is shown by every node,
    /// while there is no fault, if that is bounded.
    pub shown_within: Option<Duration>,
}
