//! The nodes that can be simulated.

use anyhow::{Context as _, bail, ensure};
use checkers::txn::Model;
use g_counter::Counter;
use g_counter::injected_bugs::Bugs;
use maelstrom::Node;
use maelstrom::machine::Driver;
use simulator::swarm::Subject;
use simulator::{
    DiskFault, Fault, Finished, Program, SeqKv, Settings, Simulation, Targets, Workload,
};

use crate::{oracle, promises};

/// A node of this workspace.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// What a swarm has to know of it.
    pub(crate) subject: Subject,
    /// The body of a request that always succeeds, if one node alone answers any.
    pub(crate) request: Option<&'static str>,
    /// In a cluster of how many nodes it does, of which no other one answers.
    pub(crate) nodes: usize,
    /// Bodies of messages that a short test does not show.
    pub(crate) rare: &'static [&'static str],
}

fn strict(settings: &mut Settings) {
    settings.strict = true;
}

fn over_the_adversarial_seq_kv(settings: &mut Settings) {
    strict(settings);
    settings.seq_kv = SeqKv::Adversarial;
}

fn one_at_a_time(settings: &mut Settings) {
    settings.nemesis_targets = vec![Targets::One];
}

fn causal(settings: &mut Settings) {
    strict(settings);
    settings.consistency_models = vec![Model::ReadAtomic, Model::Causal];
}

/// What disks do that return what was written to them.
const ALL_BUT_FLIP: &[DiskFault] = &[
    DiskFault::LoseUnsynced,
    DiskFault::Torn,
    DiskFault::Full,
    DiskFault::Slow,
    DiskFault::FailOnce,
    DiskFault::Locked,
];

/// All of them. Each bears every fault, in any combination, but where it says otherwise.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        subject: Subject {
            settings: &[strict],
            node_counts: &[1, 2, 5, 25],
            // Without rounds it may take longer than the recovery phase.
            links: |arguments| !arguments.iter().any(|argument| argument == "--period-ms=0"),
            values: true,
            arguments: &[
                "",
                "",
                "",
                "--period-ms=0",
                "--period-ms=30",
                "--period-ms=1450",
                "--fan-out=2",
                "--fan-out=3 --period-ms=100",
                "--sync=every-group",
                "--sync=every-group --period-ms=0",
                "--sync=never",
            ],
            rate: 100,
            disk: |arguments| match broadcast_experiments::config(arguments) {
                Ok(config) if !config.in_memory => ALL_BUT_FLIP,
                _ => &[],
            },
            oracle: broadcast_experiments::oracle::values,
            promise: promises::broadcast,
            ..robust("broadcast", Workload::Broadcast, broadcast_experiments::program)
        },
        request: Some(r#"{"type":"read"}"#),
        nodes: 3,
        rare: &[],
    },
    Kind {
        subject: Subject {
            node_counts: &[1, 3],
            links: |_| true,
            values: true,
            rate: 200,
            promise: promises::alone,
            ..robust("echo", Workload::Echo, |arguments| {
                without_arguments(arguments, || Program::new(echo::node))
            })
        },
        request: Some(r#"{"type":"echo","echo":{"a":[1,"two",null]}}"#),
        nodes: 3,
        rare: &[],
    },
    counter("g-counter", Workload::GCounter, |arguments| {
        counter_program(arguments, g_counter::node_with)
    }),
    Kind {
        subject: Subject {
            node_counts: &[1, 2, 3, 5],
            links: |_| true,
            values: true,
            arguments: &[
                "",
                "",
                "",
                "--ack-early",
                "--snapshot-every=10",
                "--snapshot-every=60 --ack-early",
                "--retain=committed --snapshot-every=30",
                "--retain=bytes:20 --retain=ms:3000",
                "--retain=committed --retain=ms:600000",
            ],
            oracle: oracle::log,
            rate: 200,
            promise: promises::kafka_log,
            ..robust("kafka-log", Workload::Kafka, |arguments| {
                let options = kafka_log::Options::parse(arguments.iter().cloned())?;
                Ok(Program::new(move || kafka_log::node(options)))
            })
        },
        request: Some(r#"{"type":"list_committed_offsets","keys":["a"]}"#),
        nodes: 3,
        rare: &[],
    },
    Kind {
        subject: Subject {
            node_counts: &[1, 2, 3, 5],
            most_nodes: 15,
            faults: &ALL_FAULTS,
            arguments: &[
                "",
                "",
                "",
                "--round-ms=30",
                "--round-ms=100",
                "--keep=10000",
                "--keep=0",
                "--reads=log",
                "--sync=never",
            ],
            // Without syncs it keeps nothing when the machine dies.
            disk: |arguments| {
                let is_synced = !arguments.iter().any(|argument| argument == "--sync=never");
                if is_synced { ALL_BUT_FLIP } else { &ALL_BUT_FLIP[2..] }
            },
            rate: 200,
            promise: promises::lin_kv,
            ..robust("lin-kv", Workload::LinKv, |arguments| {
                let options = lin_kv::parse(arguments.iter().cloned())?;
                Ok(Program::new(move || lin_kv::node(options.clone())))
            })
        },
        request: Some(r#"{"type":"write","key":["a"],"value":{"a":[1,null]}}"#),
        // It answers nothing without a majority.
        nodes: 1,
        rare: &[
            r#"{"type":"add_node","node":"n1"}"#,
            r#"{"type":"remove_node","node":"n1"}"#,
            r#"{"type":"transfer","node":"n1"}"#,
        ],
    },
    Kind {
        subject: Subject {
            // A cluster remembers what a majority of its nodes does.
            node_counts: &[3, 5],
            settings: &[one_at_a_time],
            arguments: &["", "--round-ms=30", "--keep=5000", "--reads=log"],
            rate: 200,
            ..robust("lin-kv-in-memory", Workload::LinKv, |arguments| {
                let mut options = lin_kv::parse(arguments.iter().cloned())?;
                options.in_memory = true;
                Ok(Program::new(move || lin_kv::node(options.clone())))
            })
        },
        request: None,
        nodes: 3,
        rare: &[],
    },
    counter("pn-counter", Workload::PnCounter, |arguments| {
        counter_program(arguments, g_counter::pn_node_with)
    }),
    Kind {
        subject: Subject {
            settings: &[causal],
            node_counts: &[1, 2, 3, 5, 10],
            arguments: &["", "--sync=every-group"],
            // Without syncs it does not promise to keep what it answered when the
            // machine dies, and in no case when the disk returns other bytes.
            disk: |arguments| {
                const KEPT: &[DiskFault] =
                    &[DiskFault::Full, DiskFault::Slow, DiskFault::FailOnce, DiskFault::Locked];
                let is_synced = arguments.iter().any(|argument| argument == "--sync=every-group");
                if is_synced { ALL_BUT_FLIP } else { KEPT }
            },
            links: |_| true,
            values: true,
            rate: 200,
            promise: promises::txn_kv,
            ..robust("txn-kv", Workload::TxnRwRegister, |arguments| {
                let mut options = txn_kv::Options::default();
                for argument in arguments {
                    let sync = argument.strip_prefix("--sync=");
                    match (txn_kv::injected_bugs::Bugs::parse(argument), sync) {
                        (Some(bugs), _) => options.bugs = bugs,
                        (None, Some(sync)) => options.sync = sync.parse()?,
                        (None, None) => bail!("this node takes --sync, not {argument:?}"),
                    }
                }
                Ok(Program::new(move || txn_kv::node_with(options)))
            })
        },
        request: Some(r#"{"type":"txn","txn":[["r",1,null],["w",1,[2]]]}"#),
        nodes: 3,
        // Of a node that was away for longer than others keep transactions.
        rare: &[
            r#"{"type":"fetch","snapshot":7,"have":{"n1-000000000001":3},"pages":[0,1]}"#,
            r#"{"type":"page","snapshot":7,"base":{},"upto":{"n1-000000000001":3},"frontier":{},"page":0,"pages":1,"versions":[[1,2,3,"n1-000000000001"]]}"#,
        ],
    },
    Kind {
        subject: Subject {
            node_counts: &[1, 3, 5],
            links: |_| true,
            rate: 500,
            promise: promises::alone,
            ..robust("unique-ids", Workload::UniqueIds, |arguments| {
                without_arguments(arguments, || Program::new(unique_ids::node))
            })
        },
        request: Some(r#"{"type":"generate"}"#),
        nodes: 3,
        rare: &[],
    },
];

/// Those of networks and nodes, and changes of the members.
const ALL_FAULTS: [Fault; 9] = {
    let [a, b, c, d, e, f, g, h] = Fault::OF_NETWORKS_AND_NODES;
    [a, b, c, d, e, f, g, h, Fault::Membership]
};

/// A node that bears clocks of their own, intruders, and clusters of a hundred nodes.
const fn robust(
    name: &'static str,
    workload: Workload,
    program: fn(&[String]) -> anyhow::Result<Program>,
) -> Subject {
    let subject = Subject::new(name, workload, program);
    Subject { clock: true, intruder: true, most_nodes: 100, ..subject }
}

const fn counter(
    name: &'static str,
    workload: Workload,
    program: fn(&[String]) -> anyhow::Result<Program>,
) -> Kind {
    let subject = Subject {
        settings: &[strict, over_the_adversarial_seq_kv],
        node_counts: &[1, 2, 3, 5, 10],
        oracle: Finished::failures_and_unanswered,
        values: true,
        promise: promises::counter,
        ..robust(name, workload, program)
    };
    Kind { subject, request: Some(r#"{"type":"read"}"#), nodes: 3, rare: &[] }
}

/// A counter, with the bug that its argument names, if it has one.
fn counter_program(
    arguments: &[String],
    node: fn(Bugs) -> Node<Driver<Counter>>,
) -> anyhow::Result<Program> {
    let bugs = arguments.first().and_then(|argument| Bugs::parse(argument));
    let rest = if bugs.is_some() { &arguments[1..] } else { arguments };
    without_arguments(rest, || Program::new(move || node(bugs.unwrap_or_default())))
}

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
    pub(crate) fn find(name: &str) -> anyhow::Result<&'static Self> {
        let names = || KINDS.iter().map(|kind| kind.subject.name).collect::<Vec<_>>().join(", ");
        let found = KINDS.iter().find(|kind| kind.subject.name == name);
        found.with_context(|| format!("there are {}", names()))
    }

    /// A simulation of its workload.
    pub(crate) fn simulation(&self) -> anyhow::Result<Simulation> {
        Ok(Simulation::with(Settings::new(self.subject.workload), self.program(&[])?))
    }

    /// Its program, with the arguments that its binary takes.
    pub(crate) fn program(&self, arguments: &[String]) -> anyhow::Result<Program> {
        (self.subject.program)(arguments)
    }

    /// Whether a run is as promised.
    ///
    /// # Errors
    ///
    /// With what was found.
    pub(crate) fn check(&self, finished: &Finished) -> anyhow::Result<()> {
        ensure!((self.subject.oracle)(finished).is_empty(), "{finished}");
        Ok(())
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.subject.name)
    }
}
