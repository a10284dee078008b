//! The command `workbench-cluster`: all that `workbench` has, and nodes on several machines.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser};
use simulator::{Observer, RunError, RunStats, Settings};
use workbench::{ProcessOptions, Remote, Watch};

use crate::agent::{self, Blackholes, check_name};
use crate::etcd::{Access, Etcd};
use crate::fleet::Fleet;
use crate::gateway::{self, GatewayFlags};
use crate::link::{self, Link};
use crate::local::{self, ClusterCommand};

/// Runs nodes on several machines; every other command is that of `workbench`.
#[derive(Debug, Parser)]
#[command(name = "workbench", version, max_term_width = 100)]
enum Cli {
    /// Have nodes on this machine, for tests that `workbench test --cluster` runs elsewhere
    ///
    /// Keeps what nodes write and log in a folder for each run. Ends with Ctrl-C.
    Agent(AgentFlags),
    /// Start and end a cluster on this machine, or see who is there
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Have nodes stay up on agents, for clients that speak HTTP or WebSocket
    ///
    /// POST /n0 {"type":"echo","echo":"hello"} asks node n0; /health and /metrics say how things
    /// are. Nodes are there until this ends.
    Gateway(GatewayFlags),
}

#[derive(Args, Debug)]
struct AgentFlags {
    /// Where NATS is. Who we are, and certificates, come from the environment: NATS_CREDS,
    /// NATS_USER and NATS_PASSWORD, NATS_TOKEN, NATS_NKEY, NATS_CA, NATS_CERT, NATS_KEY; or from
    /// the context of the command nats that NATS_CONTEXT names [default: NATS_URL, or
    /// nats://127.0.0.1:4222]
    #[arg(value_name = "URL")]
    nats: Option<String>,

    /// A program that tests may run here, by its file name. May be given several times
    #[arg(long, value_name = "FILE", required = true)]
    bin: Vec<PathBuf>,

    /// A server of etcd, such as http://127.0.0.1:2379, on which nodes here find the services
    /// lin-kv, seq-kv, lww-kv and lin-tso. May be given several times. Without, or if another
    /// agent has none, the services are those of whoever runs the test. Certificates and who we
    /// are come from the environment: ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY, ETCDCTL_USER
    /// and ETCDCTL_PASSWORD [default: ETCDCTL_ENDPOINTS, if that is set]
    #[arg(long, value_name = "URL")]
    etcd: Vec<String>,

    /// What this agent is called, unlike any other [default: the name of this machine]
    #[arg(long, value_name = "NAME", value_parser = check_name)]
    name: Option<String>,

    /// Where the folders of runs go
    #[arg(long, value_name = "DIR", default_value = "agent")]
    directory: PathBuf,

    /// Where the NATS servers of other agents find the one here, as `cluster up --namespaces` has
    /// it. Partitions lose packets then
    #[arg(long, value_name = "IP", hide = true)]
    address: Option<Ipv4Addr>,
}

/// Runs the command with these arguments, the program's name included.
pub fn main(args: Vec<OsString>) -> ExitCode {
    match args.get(1).and_then(|word| word.to_str()) {
        Some("agent" | "cluster" | "gateway") => match Cli::try_parse_from(args) {
            Ok(Cli::Agent(flags)) => end(run(agent(flags))),
            Ok(Cli::Cluster(command)) => end(run(local::run(command))),
            Ok(Cli::Gateway(flags)) => end(run(gateway::run(flags))),
            Err(message) => {
                let is_wrong = message.use_stderr();
                let _ = message.print();
                if is_wrong { ExitCode::from(255) } else { ExitCode::SUCCESS }
            }
        },
        _ => workbench::main_with(args, Some(&Nats)),
    }
}

fn end(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(255)
        }
    }
}

fn run(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(future)
}

async fn agent(flags: AgentFlags) -> anyhow::Result<()> {
    let AgentFlags { nats, bin, etcd, name, directory, address } = flags;
    let nats = link::address(nats)?;
    let name = name.map_or_else(machine, Ok)?;
    let mut programs = BTreeMap::new();
    for path in bin {
        let path = std::path::absolute(&path)?;
        let named = path.file_name().and_then(|name| name.to_str());
        let named = named.with_context(|| format!("--bin {}: it has no name", path.display()))?;
        anyhow::ensure!(path.is_file(), "--bin {}: there is no such file", path.display());
        programs.insert(named.to_owned(), path);
    }
    let etcd = Access::from_env(etcd)?;
    Etcd::new(&etcd)?;
    address.map_or(Ok(()), Blackholes::try_out)?;
    let link = Link::connect(&nats, &format!("workbench agent {name}")).await?;
    agent::eprint(&format!("agent {name} is there, at {nats}"));
    let options = agent::Options { name, programs, etcd, directory, address };
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = agent::serve(link, options) => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = ended.recv() => Ok(()),
    }
}

/// What this machine is called, as far as an agent may be.
fn machine() -> anyhow::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().split('.').next().unwrap_or_default();
    check_name(name).map_err(|_| anyhow::anyhow!("this machine has no name; --name gives one"))
}

/// Nodes on agents.
struct Nats;

impl Remote for Nats {
    fn run(
        &self,
        url: &str,
        settings: &Settings,
        options: &ProcessOptions,
        observer: &mut dyn Observer,
    ) -> Result<RunStats, RunError> {
        let watch = Watch { journal: options.journal, trace: options.trace };
        workbench::run(settings, watch, observer, async || {
            let gathered = Fleet::gather(url, settings, options).await;
            gathered.map_err(|error| RunError::Impossible(format!("{error:#}")))
        })
    }
}
