//! Tests of nodes on agents, with NATS and etcd of this machine: `make test-cluster` builds what
//! they need. Servers, agents and nodes that die are killed here for real.

#![expect(clippy::disallowed_methods, reason = "these tests are about processes in real time")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const WORKBENCH: &str = env!("CARGO_BIN_EXE_workbench-cluster");
const AGENTS: [&str; 3] = ["a", "b", "c"];

/// A process that is killed in the end.
struct Process(Child);

impl Process {
    fn start(program: &str, args: &[&str], log: &Path) -> Self {
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self(child.unwrap_or_else(|error| {
            panic!("{program}: {error}; on Debian, apt-get install nats-server etcd-server")
        }))
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// NATS, etcd and three agents.
struct Cluster {
    directory: PathBuf,
    nats_port: u16,
    etcd_ports: [u16; 2],
    nats: Option<Process>,
    etcd: Option<Process>,
    agents: Vec<Process>,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn await_port(port: u16) {
    let until = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < until, "nobody listens at {port}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Where the programs of nodes are.
fn nodes() -> PathBuf {
    Path::new(WORKBENCH).parent().unwrap().to_owned()
}

impl Cluster {
    fn new(name: &str, has_etcd: bool) -> Self {
        let directory = format!("cluster-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(&directory).unwrap();
        let (nats_port, etcd_ports) = (free_port(), [free_port(), free_port()]);
        let mut cluster =
            Self { directory, nats_port, etcd_ports, nats: None, etcd: None, agents: Vec::new() };
        cluster.start_nats();
        if has_etcd {
            cluster.start_etcd();
        }
        await_port(nats_port);
        let agent = |name| cluster.agent(name, has_etcd);
        cluster.agents = AGENTS.map(agent).into();
        cluster
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(name).with_extension("log")
    }

    fn start_nats(&mut self) {
        let port = self.nats_port.to_string();
        let args = ["-a", "127.0.0.1", "-p", &port];
        self.nats = Some(Process::start("nats-server", &args, &self.log("nats")));
        await_port(self.nats_port);
    }

    fn start_etcd(&mut self) {
        let [clients, peers] = self.etcd_ports.map(|port| format!("http://127.0.0.1:{port}"));
        let data = self.directory.join("etcd");
        let initial = format!("default={peers}");
        let args = [
            "--data-dir",
            data.to_str().unwrap(),
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
            "--initial-cluster",
            &initial,
        ];
        self.etcd = Some(Process::start("etcd", &args, &self.log("etcd")));
        await_port(self.etcd_ports[0]);
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.nats_port)
    }

    fn agent(&self, name: &str, has_etcd: bool) -> Process {
        let (url, directory) = (self.url(), self.directory.join(name));
        let mut args = vec!["agent", &url, "--name", name, "--directory"];
        args.push(directory.to_str().unwrap());
        let etcd = format!("http://127.0.0.1:{}", self.etcd_ports[0]);
        if has_etcd {
            args.extend(["--etcd", &etcd]);
        }
        let names = ["echo", "broadcast", "g-counter", "kafka-log", "txn-kv", "lin-kv"];
        let programs = names.map(|node| nodes().join(node));
        let proxy = nodes().join("examples/lin_kv_proxy");
        for program in programs.iter().chain([&proxy]) {
            args.extend(["--bin", program.to_str().unwrap()]);
        }
        Process::start(WORKBENCH, &args, &self.log(name))
    }

    /// A test of the bench, with these flags.
    fn test(&self, flags: &str) -> Command {
        let store = self.directory.join("store");
        let mut command = Command::new(WORKBENCH);
        command.arg("test").args(flags.split_whitespace());
        command.args(["--cluster", &self.url(), "--store"]).arg(store);
        command
    }

    fn run(&self, flags: &str) -> Run {
        Run::of(self.test(flags).output().unwrap())
    }

    /// A test during which something happens, after so many seconds.
    fn run_while(&mut self, flags: &str, seconds: f64, happens: impl FnOnce(&mut Self)) -> Run {
        let child = self.test(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let waits = thread::spawn(move || child.wait_with_output().unwrap());
        thread::sleep(Duration::from_secs_f64(seconds));
        happens(self);
        Run::of(waits.join().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.agents.clear();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// What came of a test.
struct Run {
    code: Option<i32>,
    text: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&text).into_owned();
        let text = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { code: output.status.code(), text }
    }

    #[track_caller]
    fn assert_valid(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    #[track_caller]
    fn says(self, what: &str) -> Self {
        assert!(self.text.contains(what), "{what}: {}", self.text);
        self
    }
}

#[test]
fn nodes_and_services_keep_their_promises_through_partitions_and_kills() {
    let cluster = Cluster::new("promises", true);
    for flags in [
        "-w broadcast --bin broadcast --nemesis partition,kill",
        "-w g-counter --bin g-counter --nemesis partition",
        "-w kafka --bin kafka-log --nemesis partition",
        "-w txn-rw-register --bin txn-kv --consistency-models read-committed --nemesis partition",
        "-w lin-kv --bin lin-kv --nemesis partition,kill",
        "-w lin-kv --bin lin_kv_proxy --nemesis partition",
    ] {
        let rest = "--node-count 3 --concurrency 2n --rate 50 --time-limit 5 --nemesis-interval 1";
        cluster.run(&format!("{flags} {rest} --seed 7")).assert_valid();
    }
}

#[test]
fn etcd_is_killed_and_started_and_has_what_it_acknowledged() {
    let mut cluster = Cluster::new("etcd", true);
    let flags =
        "-w lin-kv --bin lin_kv_proxy --node-count 3 --concurrency 4n --rate 100 --time-limit 8";
    let run = cluster.run_while(flags, 4.0, |cluster| {
        cluster.etcd.take().unwrap().kill();
        thread::sleep(Duration::from_secs(1));
        cluster.start_etcd();
    });
    run.assert_valid();
}

#[test]
fn nats_is_killed_and_started_and_the_report_says_so() {
    let mut cluster = Cluster::new("nats", false);
    let flags = "-w broadcast --bin broadcast --node-count 3 --rate 50 --time-limit 10";
    let run = cluster.run_while(flags, 5.0, |cluster| {
        cluster.nats.take().unwrap().kill();
        thread::sleep(Duration::from_secs(1));
        cluster.start_nats();
    });
    run.assert_valid().says("Messages between machines were not carried for a while");
}

#[test]
fn an_agent_is_killed_and_the_others_go_on() {
    let mut cluster = Cluster::new("agent", false);
    let flags = "-w lin-kv --bin lin-kv --node-count 3 --concurrency 2n --rate 50 --time-limit 20";
    let run = cluster.run_while(flags, 5.0, |cluster| cluster.agents.remove(2).kill());
    run.assert_valid().says("A node was gone with the machine that it ran on").says("agent c");
}

#[test]
fn what_cannot_be_run_is_told_in_a_sentence() {
    let mut cluster = Cluster::new("told", false);
    let run = cluster.run("-w echo --bin nobody --time-limit 1");
    assert_eq!(run.code, Some(255));
    run.says("no agent has a program nobody; they have broadcast, echo");
    let values = "--values large --seed 3";
    let run = cluster.run(&format!("-w echo --bin echo --rate 200 --time-limit 20 {values}"));
    assert_eq!(run.code, Some(255), "{}", run.text);
    run.says("too long for this NATS server, which takes at most 1048576");
    let run = cluster.run_while("-w echo --bin echo --time-limit 6", 3.0, |cluster| {
        let other = cluster.run("-w echo --bin echo --time-limit 1");
        assert_eq!(other.code, Some(255));
        other.says("are busy with another run");
    });
    run.assert_valid();
}
