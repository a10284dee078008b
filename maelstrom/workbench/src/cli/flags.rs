//! The flags of `workbench test`, and how they become settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checkers::txn::Model;
use clap::{ArgGroup, Args};
use simulator::{
    Availability, CheckBudget, DiskFault, Fault, Latency, LatencyDist, Links, PlannedFault,
    Promise, SeqKv, Settings, Targets, Topology, Values, Workload,
};

use super::values::{self, Concurrency};
use crate::host::{find_in_path, is_bare_name, is_executable};
use crate::report::limits::Limit;

/// How many messages a trace keeps unless it is told otherwise.
pub(super) const TRACE_LIMIT: u64 = 300_000;

/// What the command line of `workbench test` says.
#[derive(Args, Clone, Debug)]
pub(super) struct TestFlags {
    /// The program that runs a node: a path, or a name to be found in PATH
    #[arg(long, value_name = "FILE", help_heading = "What is tested")]
    bin: PathBuf,

    /// Run nodes on the agents at this NATS server, instead of on this machine. --bin is the
    /// file name of a program that they have (not in Maelstrom)
    #[arg(long, value_name = "URL", help_heading = "What is tested")]
    cluster: Option<String>,

    /// Arguments for the program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    args: Vec<OsString>,

    /// Where results go (not in Maelstrom, which always uses ./store)
    #[arg(long, value_name = "DIR", default_value = "store", help_heading = "Output")]
    store: PathBuf,

    /// How many messages the trace of the run keeps, in trace.jsonl: the newest, and those
    /// next to what is found; and as many lines that nodes log. 0 keeps no trace (not in
    /// Maelstrom)
    #[arg(long, alias = "journal-limit", value_name = "NUM", default_value_t = TRACE_LIMIT,
          help_heading = "Output")]
    trace_limit: u64,

    /// Keep the history and the results as Maelstrom does, too: history.edn and
    /// results.edn
    #[arg(long, help_heading = "Output")]
    edn: bool,

    /// Maelstrom's, and of no use there either: nodes end with their network
    #[arg(long, hide = true)]
    leave_db_running: bool,

    #[command(flatten)]
    test: SettingsFlags,
}

/// The flags that make settings, whatever runs the nodes.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("faults").args(["nemesis", "disk"]).multiple(true))]
pub struct SettingsFlags {
    /// What clients do, and what is checked; lin-kv unless said otherwise, or what a
    /// simulated node is for
    #[arg(short, long, value_name = "NAME", value_parser = values::workload(),
          help_heading = "What is tested")]
    workload: Option<Workload>,

    /// How many nodes to run
    #[arg(long, value_name = "NUM", default_value = "5", value_parser = values::count,
          help_heading = "What is tested")]
    node_count: usize,

    /// The names of the nodes, separated by commas: n0, n1 and so on, in order. The same as
    /// --node-count with their number
    #[arg(long, value_name = "NAMES", value_parser = values::node_names,
          conflicts_with = "node_count", help_heading = "What is tested")]
    nodes: Option<usize>,

    /// How long after the first node the last one is started, at most, in milliseconds.
    /// Maelstrom starts nodes in no certain order, and ends the output of one that sends
    /// to a name which is not there yet; so does this. 0 starts all at once (not in
    /// Maelstrom)
    #[arg(long, value_name = "MILLIS", default_value = "500", value_parser = values::millis,
          allow_hyphen_values = true, help_heading = "Network and faults")]
    start_spread: Duration,

    /// For how many seconds a node may take to answer init (not in Maelstrom, which waits 10)
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::whole_seconds,
          allow_hyphen_values = true, help_heading = "Network and faults")]
    init_timeout: Duration,

    /// How many clients work at a time: a number, or a multiple of the number of
    /// nodes with an n behind it
    #[arg(
        long,
        value_name = "NUM",
        default_value = "1n",
        allow_hyphen_values = true,
        help_heading = "Load"
    )]
    concurrency: Concurrency,

    /// Operations a second, of all clients together
    #[arg(long, value_name = "RATE", default_value = "5", value_parser = values::rate,
          allow_hyphen_values = true, help_heading = "Load")]
    rate: f64,

    /// For how many seconds operations are generated. Starting nodes, recovery (10 s)
    /// and final reads come on top
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = values::seconds,
          allow_hyphen_values = true, help_heading = "Load")]
    time_limit: Duration,

    /// Mean latency of messages between nodes and to services, in milliseconds.
    /// Messages to and from clients have none
    #[arg(long, value_name = "MILLIS", default_value = "0", value_parser = values::millis,
          allow_hyphen_values = true, help_heading = "Network and faults")]
    latency: Duration,

    /// How latencies spread around their mean
    #[arg(long, value_name = "TYPE", default_value = "constant",
          requires = "latency", value_parser = values::latency_dist(), help_heading = "Network and faults")]
    latency_dist: LatencyDist,

    /// What seq-kv does with what sequential consistency leaves open (not in Maelstrom).
    /// real: what Maelstrom's does; reads are up to 32 states old, and a change makes
    /// its client's reads fresh. adversarial: every client is shown the oldest state that is
    /// allowed, for as long as it is allowed; what others write it may never see, and
    /// a node that was killed starts from nothing
    #[arg(long, value_name = "KIND", default_value = "real", value_parser = values::seq_kv(),
          help_heading = "Network and faults")]
    seq_kv: SeqKv,

    /// Which nodes can hear each other at all: complete, chain, ring, tree, grid,
    /// random:SEED (a random tree and a few links more), or a list such as
    /// n0-n1,n1-n2. Messages between other nodes are lost, always; clients and services
    /// are reachable from everywhere. Broadcast nodes are told these links as their
    /// topology (not in Maelstrom)
    #[arg(
        long,
        value_name = "LINKS",
        default_value = "complete",
        value_parser = values::links(),
        hide_possible_values = true,
        help_heading = "Network and faults"
    )]
    links: Links,

    /// Which neighbours broadcast nodes are told to have [default: grid, or the links
    /// that there are with --links]
    #[arg(long, value_name = "SPEC", value_parser = values::topology(),
          help_heading = "Network and faults")]
    topology: Option<Topology>,

    /// Faults to inject, separated by commas, each with an interval of its own where
    /// one follows after a colon, and another one until it comes again after a slash:
    /// partition,kill:5,loss:0.5/10. All but partition go beyond Maelstrom. partition, one-way: nodes do not hear others, both ways or one.
    /// kill: nodes lose their memory and start again. pause: nodes stand still. loss,
    /// duplicate, reorder: a fifth of the messages between nodes and services is lost,
    /// comes twice, comes late. slow: a third of the links gets ten times slower.
    /// clock, in virtual time only: nodes' clocks go up to 20 % too fast or too slow, and
    /// jump up to 5 s ahead. membership, for lin-kv: clients have nodes removed and added again, and
    /// leaders replaced
    #[arg(long, value_name = "FAULTS", value_delimiter = ',', value_parser = values::fault(),
          hide_possible_values = true,
          help_heading = "Network and faults")]
    nemesis: Vec<PlannedFault>,

    /// Mean time between two changes of the faults
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::seconds,
          requires = "faults", allow_hyphen_values = true, help_heading = "Network and faults")]
    nemesis_interval: Duration,

    /// How many nodes are killed, paused and so on, separated by commas; one of them is drawn
    /// each time. minority-third is fewer than a third, nil any number (not in Maelstrom, which
    /// draws from all of them) [default: all of them]
    #[arg(long, value_name = "TARGETS", value_delimiter = ',', value_parser = values::targets(),
          requires = "faults", hide_default_value = true, help_heading = "Network and faults")]
    nemesis_targets: Vec<Targets>,

    /// Disk faults, separated by commas. With the kills of --nemesis kill:
    /// lose-unsynced (what was not synced is lost, in part), torn (the last write is
    /// cut short), flip (a random bit is another). By themselves, at the nemesis
    /// interval: full (writes fail for a while), locked (a second process is started
    /// in a node's directory, and may not be initialised). lose-unsynced and full need
    /// a simulated disk (not in Maelstrom)
    #[arg(long, value_name = "FAULTS", value_delimiter = ',', value_parser = values::disk_fault(),
          help_heading = "Network and faults")]
    disk: Vec<DiskFault>,

    /// Add a client that says to nodes what only nodes and services have to say: it
    /// repeats their messages, with other values, and forges replies. The verdict has to
    /// be as without it (not in Maelstrom)
    #[arg(long, help_heading = "Network and faults")]
    intruder: bool,

    /// How many operations have to succeed: total, or a fraction from 0 to 1.
    /// Without it, any number will do
    #[arg(long, value_name = "EXPECTED", value_parser = values::availability(),
          hide_possible_values = true,
          allow_hyphen_values = true, help_heading = "What is checked")]
    availability: Option<Availability>,

    /// After the last fault and so many milliseconds, each client performs one operation
    /// more, which has to succeed and to show all that was acknowledged; otherwise nodes
    /// settle late. Transactions end with reads of all keys then (not in Maelstrom)
    #[arg(long, value_name = "MILLIS", value_parser = values::millis,
          allow_hyphen_values = true, help_heading = "What is checked")]
    settle_within: Option<Duration>,

    /// Most messages a second between nodes and services in the ten seconds after that,
    /// in which no client asks for anything (not in Maelstrom)
    #[arg(long, value_name = "RATE", value_parser = values::rate, requires = "settle_within",
          allow_hyphen_values = true, help_heading = "What is checked")]
    idle_messages: Option<f64>,

    /// So many milliseconds after its acknowledgement a message of a log has to be shown
    /// by every node, while there is no fault (not in Maelstrom)
    #[arg(long, value_name = "MILLIS", value_parser = values::millis, requires = "settle_within",
          allow_hyphen_values = true, help_heading = "What is checked")]
    shown_within: Option<Duration>,

    /// Consistency models that transactions have to meet, separated by commas
    #[arg(
        long,
        value_name = "MODELS",
        value_delimiter = ',',
        default_value = "strict-serializable",
        value_parser = values::model(),
        hide_possible_values = true,
        help_heading = "What is checked"
    )]
    consistency_models: Vec<Model>,

    /// Limits beyond a valid verdict, separated by commas, for instance
    /// msgs-per-op<30,stable-median<400,stable-max<600. A run that misses one is
    /// invalid. Also stable-p95 and stable-p99; milliseconds (not in Maelstrom)
    #[arg(long, value_name = "LIMITS", value_delimiter = ',', help_heading = "What is checked")]
    limits: Vec<Limit>,

    /// Hold it against the nodes that a read has a value twice, or one that nobody
    /// sent, that final reads differ, that nodes never exchange a message, or that
    /// messages are odd (sent in another's name, two on a line); otherwise these are
    /// warnings (not in Maelstrom)
    #[arg(long, help_heading = "What is checked")]
    strict: bool,

    /// Follow the original where its verdict is a quirk rather than a finding, for
    /// instance when a read is told that a key which was written does not exist (not
    /// in Maelstrom)
    #[arg(long, help_heading = "What is checked")]
    compatible: bool,

    #[command(flatten)]
    check_budget: BudgetFlags,

    /// What clients send, as elements, messages, keys and values: integers, as in
    /// Maelstrom; any kind of JSON, with null, both zeros, long integers, escapes and
    /// nesting; or large, which is any with up to a megabyte now and then. A counter's
    /// deltas are integers beyond 64 and 128 bits with either (not in Maelstrom)
    #[arg(long, value_name = "KIND", default_value = "integers", value_parser = values::values(),
          help_heading = "Load")]
    values: Values,

    /// Most operations in one transaction
    #[arg(long, value_name = "INT", default_value = "4", value_parser = values::count,
          help_heading = "Transactions and logs")]
    max_txn_length: usize,

    /// Most writes to one key, in list-append and kafka
    #[arg(long, value_name = "INT", default_value = "16", value_parser = values::count,
          help_heading = "Transactions and logs")]
    max_writes_per_key: usize,

    /// Keys in use at a time; the default depends on the workload
    #[arg(long, value_name = "INT", value_parser = values::count,
          help_heading = "Transactions and logs")]
    key_count: Option<usize>,

    /// Decides everything that the bench draws at random: operations, latencies,
    /// faults. Printed with every verdict; a new one is drawn otherwise (not in
    /// Maelstrom)
    #[arg(long, value_name = "NUM", help_heading = "Output")]
    seed: Option<u64>,

    /// Show what nodes write to standard error
    #[arg(long, help_heading = "Output")]
    log_stderr: bool,

    /// Show messages as they are sent
    #[arg(long, help_heading = "Output")]
    log_net_send: bool,

    /// Show messages as they are received
    #[arg(long, help_heading = "Output")]
    log_net_recv: bool,
}

/// How much the check of lin-kv may cost.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct BudgetFlags {
    /// For how many seconds lin-kv is searched for an order of its operations before
    /// the verdict is unknown. They are counted in steps, 20 million each, so that the
    /// verdict is the same on every machine (not in Maelstrom)
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = values::seconds,
          allow_hyphen_values = true, help_heading = "What is checked")]
    check_time_limit: Duration,

    /// How much memory that search may take, in MiB, counted likewise (not in Maelstrom)
    #[arg(long, value_name = "MIB", default_value = "1024", value_parser = values::count,
          help_heading = "What is checked")]
    check_memory: usize,
}

impl BudgetFlags {
    pub(super) fn budget(self) -> CheckBudget {
        CheckBudget { time: self.check_time_limit, memory_mib: self.check_memory as u64 }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What to do.
    pub settings: Settings,
    /// The program that runs a node.
    pub bin: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where nodes run, if not here.
    pub cluster: Option<String>,
    /// The folder of all results.
    pub store: PathBuf,
    /// Limits beyond a valid verdict.
    pub limits: Vec<Limit>,
    /// How many messages the trace keeps; none, if there is to be none.
    pub trace_limit: u64,
    /// Whether the history and the results are kept as the original does, too.
    pub edn: bool,
}

impl TestFlags {
    /// Whether the seed is given.
    pub(super) fn has_seed(&self) -> bool {
        self.test.seed.is_some()
    }

    /// A plan, if the flags agree with each other and the program is there.
    /// Without a seed it takes this one.
    pub(super) fn plan(self, seed: u64) -> Result<Plan, String> {
        if self.cluster.is_none() {
            check_program(&self.bin)?;
        }
        let Self { bin, args, cluster, store, trace_limit, edn, leave_db_running, test } = self;
        if leave_db_running {
            return Err("--leave-db-running: nodes are reached through the network of this \
                        command alone, which ends with it, so none can go on without it. What \
                        they wrote stays in the results: node-logs and node-dirs."
                .to_owned());
        }
        let (settings, limits) = test.settings(seed)?;
        if let Some(reason) = settings.needs_simulation() {
            return Err(reason);
        }
        Ok(Plan { settings, bin, args, cluster, store, limits, trace_limit, edn })
    }
}

impl SettingsFlags {
    /// The same, with this workload if none was asked for.
    #[must_use]
    pub fn or_workload(self, workload: Workload) -> Self {
        Self { workload: self.workload.or(Some(workload)), ..self }
    }

    /// The settings and limits that the flags ask for, if they agree with each
    /// other. Without a seed it takes this one.
    ///
    /// # Errors
    ///
    /// A sentence that says what does not go together, and what does.
    pub fn settings(self, seed: u64) -> Result<(Settings, Vec<Limit>), String> {
        let node_count = self.nodes.unwrap_or(self.node_count);
        let is_targeted = !self.nemesis_targets.is_empty();
        let promise = self.promise();
        let settings = Settings {
            workload: self.workload.unwrap_or(Workload::LinKv),
            node_count,
            start_spread: self.start_spread,
            init_timeout: self.init_timeout,
            concurrency: self.concurrency.resolve(node_count),
            rate: self.rate,
            time_limit: self.time_limit,
            latency: Latency { mean: self.latency, dist: self.latency_dist },
            seq_kv: self.seq_kv,
            links: self.links,
            topology: self.topology,
            nemesis: last_of_each(&self.nemesis),
            nemesis_interval: self.nemesis_interval,
            nemesis_targets: match self.nemesis_targets.is_empty() {
                true => Targets::ALL.to_vec(),
                false => self.nemesis_targets,
            },
            disk: sorted(self.disk),
            intruder: self.intruder,
            availability: self.availability,
            promise,
            consistency_models: self.consistency_models,
            max_txn_length: self.max_txn_length,
            max_writes_per_key: self.max_writes_per_key,
            values: self.values,
            key_count: self.key_count,
            seed: self.seed.unwrap_or(seed),
            strict: self.strict,
            compatible: self.compatible,
            check_budget: self.check_budget.budget(),
            log_stderr: self.log_stderr,
            log_net_send: self.log_net_send,
            log_net_recv: self.log_net_recv,
        };
        let is_named = self.workload.is_some();
        settings.check().map_err(|unsupported| match is_named {
            true => unsupported.to_string(),
            false => format!("{unsupported}. The workload is lin-kv where -w names none"),
        })?;
        check_limits(&self.limits, settings.workload)?;
        check_disk(&settings)?;
        check_targets(is_targeted, &settings)?;
        Ok((settings, self.limits))
    }

    /// What has to hold after the last fault.
    fn promise(&self) -> Option<Promise> {
        Some(Promise {
            within: self.settle_within?,
            idle_messages: self.idle_messages,
            shown_within: self.shown_within,
        })
    }
}

/// Targets are of faults that have some.
fn check_targets(is_targeted: bool, settings: &Settings) -> Result<(), String> {
    if is_targeted && !settings.planned_faults().any(|planned| planned.fault.has_targets()) {
        return Err("--nemesis-targets says how many nodes are killed, paused and so on, and \
                    none is: add kill or pause to --nemesis."
            .to_owned());
    }
    Ok(())
}

/// A fault is there or not. Flags that are added to others win over them.
fn last_of_each(planned: &[PlannedFault]) -> Vec<PlannedFault> {
    let is_last = |&(place, one): &(usize, &PlannedFault)| {
        planned[place + 1..].iter().all(|later| later.fault != one.fault)
    };
    planned.iter().enumerate().filter(is_last).map(|(_, &one)| one).collect()
}

/// In the order in which they strike, each once.
fn sorted(mut faults: Vec<DiskFault>) -> Vec<DiskFault> {
    faults.sort_unstable();
    faults.dedup();
    faults
}

fn check_disk(settings: &Settings) -> Result<(), String> {
    let kills = settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    match settings.disk.iter().find(|fault| fault.strikes_at_kills() && !kills) {
        None => Ok(()),
        Some(fault) => Err(format!(
            "--disk {} strikes nodes that are killed, and none is: add kill to --nemesis.",
            fault.name()
        )),
    }
}

fn check_limits(limits: &[Limit], workload: Workload) -> Result<(), String> {
    match limits.iter().find(|limit| !limit.metric.applies_to(workload)) {
        None => Ok(()),
        Some(limit) => Err(format!(
            "--limits {limit} does not go with {}: only broadcast and g-set measure {}.",
            workload.name(),
            limit.metric
        )),
    }
}

/// Whether there is a program that can be started.
pub(super) fn check_program(bin: &Path) -> Result<(), String> {
    let shown = bin.display();
    if let Some((program, _)) = shown.to_string().split_once(' ').filter(|_| !bin.exists()) {
        return Err(format!(
            "--bin {shown}: there is no file of that name. --bin takes one program; its arguments \
             follow at the end, after --: --bin {program} -- ARGUMENTS."
        ));
    }
    if is_bare_name(bin) && !bin.exists() {
        return match find_in_path(bin) {
            Some(_) => Ok(()),
            None => Err(format!(
                "--bin {shown}: there is no such file here, nor a program of that name in PATH. \
                 Has it been built?"
            )),
        };
    }
    match std::fs::metadata(bin) {
        Err(error) => {
            Err(format!("--bin {shown}: {error}. Is the path right, and has it been built?"))
        }
        Ok(file) if !file.is_file() => Err(format!("--bin {shown} is not a file.")),
        Ok(_) if !is_executable(bin) => {
            Err(format!("--bin {shown} may not be executed. Try chmod +x {shown}."))
        }
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_is_planned_twice_is_there_once_and_the_later_plan_wins() {
        let fault = |fault: Fault, seconds: Option<u64>| PlannedFault {
            interval: seconds.map(Duration::from_secs),
            ..fault.into()
        };
        let planned = [
            fault(Fault::Partition, Some(2)),
            fault(Fault::Kill, None),
            fault(Fault::Partition, None),
        ];
        assert_eq!(last_of_each(&planned), planned[1..]);
        assert_eq!(last_of_each(&planned[..2]), planned[..2]);
    }
}
