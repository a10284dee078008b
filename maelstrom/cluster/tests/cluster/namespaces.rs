//! Agents in network namespaces of this machine, and partitions that lose packets. Where there can
//! be no namespaces, these tests say so and do nothing; with `NAMESPACES` in the environment they
//! fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Process, Run, WORKBENCH, nodes};

/// What does not happen at once is given so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// With this seed, partitions last 5.5 s and 2.7 s.
const PARTITIONS: &str = "--node-count 3 --rate 50 --time-limit 10 --nemesis partition \
                          --nemesis-interval 3 --seed 3";

/// What `workbench cluster up --namespaces` makes, with three agents.
struct Network {
    directory: PathBuf,
    nats_port: u16,
    etcd_port: u16,
}

impl Network {
    /// One that is not there yet, or nothing if there can be none.
    fn new(name: &str) -> Option<Self> {
        if let Err(why) = try_out() {
            // Past what keeps the output of tests that pass.
            let skipped = format!("SKIPPED, tests of network namespaces, {name}: {why}\n");
            assert!(std::env::var_os("NAMESPACES").is_none(), "{skipped}");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return None;
        }
        let directory = format!("cluster-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        let (nats_port, etcd_port) = (two_free_ports(), two_free_ports());
        Some(Self { directory, nats_port, etcd_port })
    }

    fn up(&self, programs: &[PathBuf]) -> Run {
        let mut command = Command::new(WORKBENCH);
        command.args(["cluster", "up", "--namespaces", "--agents", "3", "--nats-port"]);
        command.arg(self.nats_port.to_string()).arg("--etcd-port").arg(self.etcd_port.to_string());
        command.arg("--directory").arg(&self.directory);
        for program in programs {
            command.arg("--bin").arg(program);
        }
        // Servers that it starts have logs for what they say.
        Run::of(command.output().unwrap())
    }

    fn down(&self) -> Run {
        let mut command = Command::new(WORKBENCH);
        command.args(["cluster", "down", "--directory"]).arg(&self.directory);
        Run::of(command.output().unwrap())
    }

    /// A test whose run goes to `store`.
    fn test(&self, flags: &str) -> Command {
        let mut command = Command::new(WORKBENCH);
        command.arg("test").args(flags.split_whitespace());
        command.args(["--cluster", &format!("nats://127.0.0.1:{}", self.nats_port), "--store"]);
        command.arg(self.store());
        command
    }

    fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// The number by which everything of it is called.
    fn id(&self) -> String {
        let text = fs::read(self.directory.join("network.json")).unwrap();
        let network: Value = serde_json::from_slice(&text).unwrap();
        format!("{:08x}", network["id"].as_u64().unwrap())
    }

    /// The processes, by name.
    fn started(&self) -> Vec<(String, Pid)> {
        let text = fs::read(self.directory.join("processes.json")).unwrap();
        let started: Value = serde_json::from_slice(&text).unwrap();
        let process = |started: &Value| {
            let pid = started["pid"].as_i64().unwrap().try_into().unwrap();
            (started["what"].as_str().unwrap().to_owned(), Pid::from_raw(pid))
        };
        started.as_array().unwrap().iter().map(process).collect()
    }

    fn pid(&self, name: &str) -> Pid {
        self.started().into_iter().find(|(what, _)| what == name).unwrap().1
    }

    /// To how many servers that of an agent has a route.
    fn routes(&self, agent: usize) -> usize {
        let settings = fs::read_to_string(self.directory.join(format!("nats-{agent}.conf")));
        let settings = settings.unwrap();
        let address = settings.lines().find_map(|line| line.strip_prefix("http: ")).unwrap();
        let mut stream = TcpStream::connect(address.trim_matches('"')).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /routez HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let routes: Value = serde_json::from_str(body).unwrap();
        let remote = |route: &Value| route["remote_id"].as_str().unwrap().to_owned();
        let routes = routes["routes"].as_array().unwrap();
        routes.iter().map(remote).collect::<BTreeSet<String>>().len()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.down();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Whether there can be namespaces, and a bridge in them.
fn try_out() -> Result<(), String> {
    let name = format!("workbench-try-{:?}", thread::current().id());
    let name: String = name.chars().filter(|char| !"()".contains(*char)).collect();
    let name = format!("{name}-{}", std::process::id());
    let result = ip(&["netns", "add", &name])
        .and_then(|_| ip(&["-n", &name, "link", "add", "bridge", "type", "bridge"]));
    let _ = ip(&["netns", "delete", &name]);
    result.map(drop)
}

fn ip(args: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(args).output().map_err(|error| format!("ip: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// A free port before another one.
fn two_free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port.saturating_add(1))).is_ok() {
            return port;
        }
    }
}

/// What there is on this machine that is called by this.
fn left(id: &str) -> Vec<String> {
    let all = ip(&["netns", "list"]).unwrap() + &ip(&["-oneline", "link"]).unwrap();
    all.lines().filter(|line| line.contains(id)).map(str::to_owned).collect()
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a trace says of messages between nodes.
#[derive(Debug, Default)]
struct Messages {
    sent: BTreeSet<u64>,
    received: BTreeSet<u64>,
    /// What dropped them.
    dropped: BTreeMap<u64, String>,
}

impl Messages {
    fn read(store: &Path) -> Self {
        let text = fs::read_to_string(store.join("latest/trace.jsonl")).unwrap();
        let mut messages = Self::default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(id) = line["id"].as_u64() else { continue };
            let is_node = |field: &str| line[field].as_str().unwrap().starts_with('n');
            match line["event"].as_str().unwrap() {
                "send" if is_node("src") && is_node("dest") => drop(messages.sent.insert(id)),
                "recv" => drop(messages.received.insert(id)),
                "drop" => {
                    messages.dropped.insert(id, line["by"].as_str().unwrap().to_owned());
                }
                _ => {}
            }
        }
        messages
    }

    fn lost_by_partitions(&self) -> usize {
        self.dropped.values().filter(|by| *by == "partition").count()
    }
}

#[test]
fn a_partition_loses_packets_and_nothing_is_left_of_it() {
    let Some(network) = Network::new("packets") else { return };
    network.up(&[nodes().join("broadcast")]).assert_valid().says("partitions lose packets");
    let id = network.id();
    assert_eq!(left(&id).len(), 5, "three agents, a bridge, a link: {:?}", left(&id));
    let mut command = network.test(&format!("-w broadcast --bin broadcast {PARTITIONS}"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waits = thread::spawn(move || child.wait_with_output().unwrap());

    // A server has a route to each of two others and to that of this machine, and misses those
    // that its packets do not reach.
    let cut = |agent: usize| network.routes(agent) < 3;
    wait_until("no route is missing", || (1..=3).any(cut));
    let agent = (1..=3).find(|agent| cut(*agent)).unwrap_or(1);
    let namespace = format!("workbench-{id}-{agent}");
    let blackholes = || ip(&["-n", &namespace, "route", "show", "type", "blackhole"]).unwrap();
    wait_until("there is no blackhole", || blackholes().contains("blackhole"));

    Run::of(waits.join().unwrap()).assert_valid();
    for agent in 1..=3 {
        wait_until("a route does not come back", || network.routes(agent) == 3);
        let namespace = format!("workbench-{id}-{agent}");
        let blackholes = ip(&["-n", &namespace, "route", "show", "type", "blackhole"]).unwrap();
        assert_eq!(blackholes, "");
    }
    let messages = Messages::read(&network.store());
    assert!(messages.lost_by_partitions() > 0, "{messages:?}");
    let untold = |id: &&u64| !messages.received.contains(id) && !messages.dropped.contains_key(id);
    assert_eq!(messages.sent.iter().filter(untold).count(), 0, "{messages:?}");
    let both = messages.dropped.keys().filter(|id| messages.received.contains(id)).count();
    assert_eq!(both, 0, "{messages:?}");

    network.down().assert_valid();
    assert_eq!(left(&id), [""; 0]);
}

#[test]
fn a_node_that_sends_once_is_found_out_and_the_partition_named() {
    let Some(network) = Network::new("once") else { return };
    let once = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workbench/tests/nodes/once.py");
    network.up(&[once]).assert_valid();
    let mut command = network.test(&format!("-w broadcast --bin once.py {PARTITIONS}"));
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, Some(1), "{}", run.text);
    run.says("the partition dropped that; nobody sent it again");
}

#[test]
fn an_agent_that_ends_leaves_no_route_that_leads_nowhere_nor_does_one_that_was_killed() {
    let Some(network) = Network::new("routes") else { return };
    network.up(&[nodes().join("broadcast")]).assert_valid();
    let id = network.id();
    let namespace = |agent: usize| format!("workbench-{id}-{agent}");
    let blackholes =
        |agent| ip(&["-n", &namespace(agent), "route", "show", "type", "blackhole"]).unwrap();
    let mut command = network.test(&format!("-w broadcast --bin broadcast {PARTITIONS}"));
    let mut bench = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let is_cut = |agent: &usize| !blackholes(*agent).is_empty();
    wait_until("nobody is cut off", || (1..=3).any(|agent| is_cut(&agent)));
    let agent = (1..=3).find(is_cut).unwrap();
    kill(network.pid(&format!("agent-{agent}")), Signal::SIGTERM).unwrap();
    wait_until("it leaves routes", || !is_cut(&agent));
    assert!(bench.0.try_wait().unwrap().is_none(), "nobody is cut off any more");
    drop(bench);

    let namespace = namespace(agent);
    let route = ["route", "add", "blackhole", "198.51.100.1/32", "proto", "119"];
    ip(&[&["-n", &namespace], &route[..]].concat()).unwrap();
    assert!(is_cut(&agent));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &namespace, WORKBENCH, "agent", "nats://127.0.0.1:1"]);
    command.args(["--address", "198.51.100.2", "--bin"]).arg(nodes().join("broadcast"));
    Run::of(command.output().unwrap()).says("cannot connect to NATS");
    assert!(!is_cut(&agent));
}

#[test]
fn what_was_killed_or_failed_leaves_nothing_once_it_is_ended_or_started_again() {
    let Some(network) = Network::new("left") else { return };
    let broadcast = nodes().join("broadcast");
    let failed = network.up(&[broadcast.with_extension("missing")]);
    assert_eq!(failed.code, Some(255), "{}", failed.text);
    failed.says("there is no such file");
    assert!(!network.directory.join("network.json").exists());

    let programs = [broadcast];
    network.up(&programs).assert_valid();
    let id = network.id();
    network.started().iter().for_each(|(_, pid)| kill(*pid, Signal::SIGKILL).unwrap());
    let mut again = network.up(&programs);
    wait_until("what was killed goes on", || {
        let is_early = again.text.contains("it is up already");
        if is_early {
            again = network.up(&programs);
        }
        !is_early
    });
    again.assert_valid();
    assert_eq!(left(&id), [""; 0]);
    let id = network.id();
    network.down().assert_valid();
    assert_eq!(left(&id), [""; 0]);
}
