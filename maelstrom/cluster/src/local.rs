//! `workbench cluster`: NATS, etcd and agents on this machine, and who is there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::agent::eprint;
use crate::crew::present;
use crate::link::{self, Link};
use crate::mesh;
use crate::namespaces::{Network, Record};

/// How long a server may take to listen, and a process to end.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
const PROCESSES: &str = "processes.json";

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Start NATS, etcd and agents on this machine
    Up(UpFlags),
    /// End what `up` started
    Down(DownFlags),
    /// Say which agents there are, what programs they have, and what they do
    Status(StatusFlags),
}

#[derive(Args, Debug)]
pub(crate) struct UpFlags {
    /// A program that tests may run, by its file name. May be given several times
    #[arg(long, value_name = "FILE", required = true)]
    bin: Vec<PathBuf>,

    /// How many agents
    #[arg(long, value_name = "NUM", default_value = "5")]
    agents: usize,

    /// Have so many nodes of the program stay up, and a gateway to them
    #[arg(long, value_name = "NUM")]
    nodes: Option<NonZeroUsize>,

    /// Where the gateway listens, for --nodes
    #[arg(long, value_name = "PORT", default_value = "8080", requires = "nodes")]
    gateway_port: u16,

    /// Where NATS listens
    #[arg(long, value_name = "PORT", default_value = "4222")]
    nats_port: u16,

    /// Where etcd listens; its servers would talk to each other at the port after it
    #[arg(long, value_name = "PORT", default_value = "2379")]
    etcd_port: u16,

    /// Have each agent in a network namespace of its own, with its own NATS server. Partitions
    /// lose packets then. Needs root, on Linux
    #[arg(long)]
    namespaces: bool,

    #[command(flatten)]
    folder: DownFlags,
}

#[derive(Args, Debug)]
pub(crate) struct DownFlags {
    /// Where logs and data are
    #[arg(long, value_name = "DIR", default_value = ".cluster")]
    directory: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct StatusFlags {
    /// Where NATS is [default: NATS_URL, or nats://127.0.0.1:4222]
    #[arg(value_name = "URL")]
    nats: Option<String>,
}

/// A process that `up` started.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Started {
    what: String,
    pid: i32,
    /// Tells it from a later process of the same number.
    since: Option<String>,
}

impl Started {
    fn runs(&self) -> bool {
        kill(Pid::from_raw(self.pid), None).is_ok() && since(self.pid) == self.since
    }

    fn signal(&self, signal: Signal) {
        if self.runs() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// When a process was started, as Linux says it. A process that ended, and that nobody waited
/// for yet, is none.
fn since(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(|&since| since.to_owned()))?
}

/// What was started, written down as it is.
struct Cluster {
    directory: PathBuf,
    started: Vec<Started>,
}

impl Cluster {
    fn read(directory: &Path) -> Self {
        let text = fs::read(directory.join(PROCESSES)).unwrap_or_default();
        let started = serde_json::from_slice(&text).unwrap_or_default();
        Self { directory: directory.to_owned(), started }
    }

    fn start(&mut self, what: &str, program: &Path, args: &[String]) -> anyhow::Result<()> {
        self.run(what, Command::new(program).args(args))
    }

    fn run(&mut self, what: &str, command: &mut Command) -> anyhow::Result<()> {
        let log = self.directory.join(format!("{what}.log"));
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = i32::try_from(child.id())?;
        self.started.push(Started { what: what.to_owned(), pid, since: since(pid) });
        fs::write(self.directory.join(PROCESSES), serde_json::to_vec(&self.started)?)?;
        Ok(())
    }

    /// Waits until somebody listens at this port.
    async fn await_port(&self, what: &str, port: u16) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let runs = self.started.iter().all(Started::runs);
            if !runs || Instant::now() > until {
                let log = self.directory.join(format!("{what}.log"));
                let text = fs::read_to_string(&log).unwrap_or_default();
                let last = text.lines().last().unwrap_or_default();
                bail!("{what} does not listen at port {port}: {last} ({})", log.display());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Writes down that there will be this network, and makes it.
    fn connect(&self, network: &Network) -> anyhow::Result<()> {
        Record::of(&self.directory).write(network)?;
        network.create()
    }

    /// Ends all, agents first.
    async fn end(&mut self) -> anyhow::Result<usize> {
        let running: Vec<Started> = self.started.drain(..).rev().filter(Started::runs).collect();
        for started in &running {
            started.signal(Signal::SIGTERM);
            let until = Instant::now() + PATIENCE;
            while started.runs() && Instant::now() < until {
                sleep(PAUSE).await;
            }
            started.signal(Signal::SIGKILL);
        }
        Record::of(&self.directory).remove()?;
        match fs::remove_file(self.directory.join(PROCESSES)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(running.len()),
        }
    }
}

pub(crate) async fn run(command: ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Up(flags) => up(flags).await,
        ClusterCommand::Down(flags) => {
            let count = Cluster::read(&flags.directory).end().await?;
            print(&format!("{count} processes ended\n"));
            Ok(())
        }
        ClusterCommand::Status(flags) => status(&link::address(flags.nats)?).await,
    }
}

async fn up(flags: UpFlags) -> anyhow::Result<()> {
    ensure!(
        flags.nodes.is_none() || flags.bin.len() == 1,
        "--nodes has nodes of one program stay up: give one --bin"
    );
    let [nats, etcd] = [("nats-server", "nats-server"), ("etcd", "etcd-server")]
        .map(|(program, package)| installed(program, package));
    let (nats, etcd) = (nats?, etcd?);
    let directory = &flags.folder.directory;
    fs::create_dir_all(directory)?;
    let mut cluster = Cluster::read(&fs::canonicalize(directory)?);
    let is_up = cluster.started.iter().any(Started::runs);
    ensure!(!is_up, "it is up already: `workbench cluster down` ends it");
    // What is left of one that nobody ended.
    cluster.end().await?;
    let result = up_with(&mut cluster, &flags, &nats, &etcd).await;
    if result.is_err()
        && let Err(error) = cluster.end().await
    {
        eprint(&format!("error: something is left of it: {error:#}"));
    }
    result
}

async fn up_with(
    cluster: &mut Cluster,
    flags: &UpFlags,
    nats: &Path,
    etcd: &Path,
) -> anyhow::Result<()> {
    let UpFlags { agents, nats_port, etcd_port, gateway_port, .. } = *flags;
    let gateway = flags.nodes.map(|_| (gateway_port, "--gateway-port", None));
    let servers =
        [(nats_port, "--nats-port", Some("nats-server")), (etcd_port, "--etcd-port", Some("etcd"))];
    for (port, flag, unit) in servers.into_iter().chain(gateway) {
        let is_taken = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let own = unit.map_or_else(String::new, |unit| {
            format!("; what Debian started by itself ends by `systemctl disable --now {unit}`")
        });
        ensure!(!is_taken, "somebody listens at port {port} already: {flag} takes another{own}");
    }
    let network = flags.namespaces.then(|| Network::draw(agents)).transpose()?;
    if let Some(network) = &network {
        cluster.connect(network)?;
    }
    start_nats(cluster, nats, nats_port, network.as_ref())?;
    let etcd = start_etcd(cluster, etcd, etcd_port, network.as_ref())?;
    cluster.await_port("nats", nats_port).await?;
    cluster.await_port("etcd", etcd_port).await?;
    if let Some(network) = &network {
        mesh::await_routes(network).await?;
    }
    let url = format!("nats://127.0.0.1:{nats_port}");
    start_agents(cluster, flags, &url, &etcd, network.as_ref()).await?;
    print(&format!("{agents} agents at {url}, etcd at {etcd}\n"));
    print(match network {
        Some(_) => "Each agent is in a network namespace of its own: partitions lose packets\n",
        None => "Partitions happen at the edge: agents drop messages, and no packet is lost\n",
    });
    let (Some(nodes), Some(bin)) = (flags.nodes, flags.bin.first()) else { return Ok(()) };
    let name = bin.file_name().context("--bin: it has no name")?.to_string_lossy().into_owned();
    let args = format!("gateway {url} --node-count {nodes} --listen 127.0.0.1:{gateway_port}");
    let mut args = words(&args);
    args.extend(["--bin".to_owned(), name.clone()]);
    cluster.start("gateway", &own()?, &args)?;
    cluster.await_port("gateway", gateway_port).await?;
    print(&format!("{nodes} nodes of {name} at http://127.0.0.1:{gateway_port}\n"));
    Ok(())
}

/// Starts a server for tests and clients, and in a network one for each agent as well.
fn start_nats(
    cluster: &mut Cluster,
    nats: &Path,
    port: u16,
    network: Option<&Network>,
) -> anyhow::Result<()> {
    let Some(network) = network else {
        let (mut command, port) = (Command::new(nats), port.to_string());
        return cluster.run("nats", one_thread(command.args(["-a", "127.0.0.1", "-p", &port])));
    };
    for agent in network.places() {
        let mut command =
            agent.map_or_else(|| Command::new(nats), |agent| network.command(agent, nats));
        let port = if agent.is_none() { port } else { mesh::PORT };
        let settings = mesh::configure(&cluster.directory, network, agent, port)?;
        cluster.run(&mesh::name(agent), one_thread(&mut command).arg("-c").arg(settings))?;
    }
    Ok(())
}

/// Threads of Go that wake each other up take longer than one that does all of it.
fn one_thread(command: &mut Command) -> &mut Command {
    match std::env::var_os("GOMAXPROCS") {
        Some(_) => command,
        None => command.env("GOMAXPROCS", "1"),
    }
}

/// Starts etcd, and says where agents find it.
fn start_etcd(
    cluster: &mut Cluster,
    etcd: &Path,
    port: u16,
    network: Option<&Network>,
) -> anyhow::Result<String> {
    let peers = port.checked_add(1).context("--etcd-port is too high")?;
    let [own, peers] = [port, peers].map(|port| format!("http://127.0.0.1:{port}"));
    let other = network.map(|network| format!("http://{}:{port}", network.own_address()));
    let clients: Vec<&str> = [&own].into_iter().chain(&other).map(String::as_str).collect();
    let clients = clients.join(",");
    let mut args = words(&format!(
        "--listen-client-urls {clients} --advertise-client-urls {clients} --listen-peer-urls \
         {peers} --initial-advertise-peer-urls {peers} --initial-cluster default={peers}"
    ));
    let data = cluster.directory.join("etcd");
    args.extend(["--data-dir".to_owned(), data.to_string_lossy().into_owned()]);
    cluster.start("etcd", etcd, &args)?;
    Ok(other.unwrap_or(own))
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn own() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find this program")
}

/// Starts agents, and waits until all are there.
async fn start_agents(
    cluster: &mut Cluster,
    flags: &UpFlags,
    url: &str,
    etcd: &str,
    network: Option<&Network>,
) -> anyhow::Result<()> {
    let (agents, own) = (flags.agents, own()?);
    for number in 1..=agents {
        let name = format!("agent-{number}");
        let mut command =
            network.map_or_else(|| Command::new(&own), |network| network.command(number, &own));
        let nats = network.map_or(url, |_| mesh::URL);
        command.args(["agent", nats, "--name", &name, "--etcd", etcd]);
        command.arg("--directory").arg(cluster.directory.join(&name));
        if let Some(network) = network {
            command.arg("--address").arg(network.address(number).to_string());
        }
        for bin in &flags.bin {
            command.arg("--bin").arg(bin);
        }
        cluster.run(&name, &mut command)?;
    }
    let link = Link::connect(url, "workbench cluster").await?;
    let until = Instant::now() + PATIENCE;
    while present(&link).await?.len() < agents {
        if let Some(dead) = cluster.started.iter().find(|started| !started.runs()) {
            let log = cluster.directory.join(format!("{}.log", dead.what));
            bail!("{} ended: {}", dead.what, fs::read_to_string(log)?.trim());
        }
        ensure!(Instant::now() < until, "agents did not come up: {}", cluster.directory.display());
    }
    Ok(())
}

async fn status(url: &str) -> anyhow::Result<()> {
    let link = Link::connect(url, "workbench cluster").await?;
    let agents = present(&link).await?;
    for hello in &agents {
        let run = hello.run.as_ref().map_or_else(|| "free".to_owned(), |run| format!("run {run}"));
        let services = if hello.has_services { "etcd" } else { "no etcd" };
        print(&format!("{}  {run}, {services}: {}\n", hello.agent, hello.programs.join(" ")));
    }
    let names: BTreeSet<&str> = agents.iter().map(|hello| hello.agent.as_str()).collect();
    ensure!(names.len() == agents.len(), "agents have the same name: --name gives them others");
    print(&format!("{} agents\n", agents.len()));
    Ok(())
}

/// The program of this name, or how to get it.
fn installed(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers where only root looks for them.
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.with_context(|| {
        format!("{program} is not installed: on Debian and Ubuntu, `apt-get install {package}`")
    })
}

fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
