//! The nodes that can be simulated.

use anyhow::bail;
use broadcast::config::Config;
use workbench::host::Program;
use workbench::settings::Workload;
use workbench::simulation::Finished;

use crate::judge::{answered_in_the_end, in_memory, valid};

/// A node of this workspace.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Its program's name.
    pub(crate) name: &'static str,
    /// Makes the program, with the arguments that the binary takes.
    program: fn(&[String]) -> anyhow::Result<Program>,
    /// Bodies that noise is made of; the first is a request that is always
    /// answered with success.
    pub(crate) bodies: &'static [&'static str],
    /// What it is for.
    pub(crate) workload: Workload,
    /// What else holds in any case: flags, one of them at a time.
    pub(crate) flags: &'static [&'static str],
    /// How many nodes there may be.
    pub(crate) node_counts: &'static [usize],
    /// Operations a second, at most.
    pub(crate) rate: u32,
    /// Whether a run under faults is as promised, or what is wrong with it.
    pub(crate) judge: fn(&Finished) -> Result<(), String>,
}

/// All of them. Each bears every fault, in any combination.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "broadcast",
        program: |arguments| {
            let config = Config::parse(arguments.to_vec(), |_| None)?;
            Ok(Program::new(move || broadcast::node_with(config.clone())))
        },
        bodies: &[
            r#"{"type":"read"}"#,
            r#"{"type":"broadcast","message":{"a":[1,"two",null]}}"#,
            r#"{"type":"broadcast","message":7}"#,
            r#"{"type":"topology","topology":{"n0":["n1"]}}"#,
            r#"{"type":"spread","answer":{"nonce":3506511938},"path":[0,2]}"#,
            r#"{"type":"spread","runs":[[1,1006948173632174,0,[4]]],"up":{"epoch":202799346,"since":0,"upto":4}}"#,
            r#"{"type":"digest","nonce":3506511938,"path":[0]}"#,
        ],
        workload: Workload::Broadcast,
        flags: &["--strict"],
        node_counts: &[1, 2, 5, 25],
        rate: 100,
        judge: in_memory,
    },
    Kind {
        name: "echo",
        program: |arguments| without_arguments(arguments, || Program::new(echo::node)),
        bodies: &[
            r#"{"type":"echo","echo":{"a":[1,"two",null]}}"#,
            r#"{"type":"echo_ok","in_reply_to":1,"echo":1}"#,
        ],
        workload: Workload::Echo,
        flags: &[""],
        node_counts: &[1, 3],
        rate: 200,
        judge: valid,
    },
    Kind {
        name: "g-counter",
        program: |arguments| without_arguments(arguments, || Program::new(g_counter::node)),
        bodies: &[
            r#"{"type":"read"}"#,
            r#"{"type":"add","delta":3}"#,
            r#"{"type":"add","delta":-1}"#,
        ],
        workload: Workload::GCounter,
        flags: &["--strict", "--strict --seq-kv worst"],
        node_counts: &[1, 2, 3, 5, 10],
        rate: 100,
        judge: answered_in_the_end,
    },
    Kind {
        name: "kafka-log",
        program: |arguments| {
            let options = kafka_log::Options::parse(arguments.iter().cloned())?;
            Ok(Program::new(move || kafka_log::node(options)))
        },
        bodies: &[
            r#"{"type":"list_committed_offsets","keys":["a"]}"#,
            r#"{"type":"send","key":"a","msg":[1]}"#,
            r#"{"type":"poll","offsets":{"a":0}}"#,
            r#"{"type":"commit_offsets","offsets":{"a":3}}"#,
        ],
        workload: Workload::Kafka,
        flags: &[""],
        node_counts: &[1, 2, 3, 5],
        rate: 200,
        judge: valid,
    },
    Kind {
        name: "pn-counter",
        program: |arguments| without_arguments(arguments, || Program::new(g_counter::pn_node)),
        bodies: &[r#"{"type":"read"}"#, r#"{"type":"add","delta":-3}"#],
        workload: Workload::PnCounter,
        flags: &["--strict", "--strict --seq-kv worst"],
        node_counts: &[1, 2, 3, 5, 10],
        rate: 100,
        judge: answered_in_the_end,
    },
    Kind {
        name: "txn-kv",
        program: |arguments| without_arguments(arguments, || Program::new(txn_kv::node)),
        bodies: &[
            r#"{"type":"txn","txn":[["r",1,null],["w",1,[2]]]}"#,
            r#"{"type":"txn","txn":[["x",1,null]]}"#,
            r#"{"type":"txn","txn":[]}"#,
        ],
        workload: Workload::TxnRwRegister,
        flags: &["--consistency-models read-atomic,causal-cerone"],
        node_counts: &[1, 2, 3, 5, 10],
        rate: 200,
        judge: valid,
    },
    Kind {
        name: "unique-ids",
        program: |arguments| without_arguments(arguments, || Program::new(unique_ids::node)),
        bodies: &[r#"{"type":"generate"}"#],
        workload: Workload::UniqueIds,
        flags: &[""],
        node_counts: &[1, 3, 5],
        rate: 500,
        judge: valid,
    },
];

fn without_arguments(
    arguments: &[String],
    program: impl FnOnce() -> Program,
) -> anyhow::Result<Program> {
    match arguments.first() {
        None => Ok(program()),
        Some(argument) => bail!("this node takes no arguments, and {argument:?} is one"),
    }
}

impl Kind {
    /// The node of that name.
    ///
    /// # Errors
    ///
    /// A sentence that lists those that there are.
    pub(crate) fn find(name: &str) -> Result<&'static Self, String> {
        let names = || KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| format!("there are {}", names()))
    }

    /// Its program, with the arguments that its binary takes.
    pub(crate) fn program(&self, arguments: &[String]) -> anyhow::Result<Program> {
        (self.program)(arguments)
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
