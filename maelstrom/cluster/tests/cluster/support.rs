//! NATS, etcd, agents and tests as processes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const WORKBENCH: &str = env!("CARGO_BIN_EXE_workbench-cluster");
const AGENTS: [&str; 3] = ["a", "b", "c"];

/// A process that is killed in the end.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(program: &str, args: &[&str], log: &Path) -> Self {
        Self::start_in(program, args, log, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn start_in(
        program: &str,
        args: &[&str],
        log: &Path,
        environment: &[(&str, String)],
    ) -> Self {
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(program)
            .args(args)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self(child.unwrap_or_else(|error| {
            panic!("{program}: {error}; on Debian, apt-get install nats-server etcd-server")
        }))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn kill(mut self) {
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
pub(crate) struct Cluster {
    pub(crate) directory: PathBuf,
    nats_port: u16,
    etcd_ports: [u16; 2],
    pub(crate) nats: Option<Process>,
    pub(crate) etcd: Option<Process>,
    pub(crate) agents: Vec<Process>,
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub(crate) fn await_port(port: u16) {
    let until = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < until, "nobody listens at {port}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Where the programs of nodes are.
pub(crate) fn nodes() -> PathBuf {
    Path::new(WORKBENCH).parent().unwrap().to_owned()
}

impl Cluster {
    pub(crate) fn new(name: &str, has_etcd: bool) -> Self {
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
        cluster.await_agents();
        cluster
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.directory.join(name).with_extension("log")
    }

    pub(crate) fn start_nats(&mut self) {
        let port = self.nats_port.to_string();
        let args = ["-a", "127.0.0.1", "-p", &port];
        self.nats = Some(Process::start("nats-server", &args, &self.log("nats")));
        await_port(self.nats_port);
    }

    pub(crate) fn start_etcd(&mut self) {
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

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.nats_port)
    }

    pub(crate) fn agent(&self, name: &str, has_etcd: bool) -> Process {
        let names = ["echo", "broadcast", "g-counter", "kafka-log", "txn-kv", "lin-kv"];
        let programs = names.map(|node| nodes().join(node));
        let proxy = nodes().join("examples/lin_kv_proxy");
        self.agent_with(name, has_etcd, &[&programs[..], &[proxy]].concat())
    }

    pub(crate) fn agent_with(&self, name: &str, has_etcd: bool, programs: &[PathBuf]) -> Process {
        let (url, directory) = (self.url(), self.directory.join(name));
        let mut args = vec!["agent", &url, "--name", name, "--directory"];
        args.push(directory.to_str().unwrap());
        let etcd = format!("http://127.0.0.1:{}", self.etcd_ports[0]);
        if has_etcd {
            args.extend(["--etcd", &etcd]);
        }
        for program in programs {
            args.extend(["--bin", program.to_str().unwrap()]);
        }
        Process::start(WORKBENCH, &args, &self.log(name))
    }

    /// Waits until all agents are there.
    pub(crate) fn await_agents(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        let status = ["cluster", "status", &self.url()];
        let there = || Run::of(Command::new(WORKBENCH).args(status).output().unwrap()).text;
        while !there().ends_with(&format!(" {} agents", self.agents.len())) {
            assert!(Instant::now() < until, "{}", there());
        }
    }

    /// Waits until somebody has said this.
    pub(crate) fn await_log(&self, name: &str, what: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(self.log(name)).unwrap_or_default().contains(what) {
            assert!(Instant::now() < until, "{name} does not say {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// A test of the bench, with these flags, and the folder where its run goes.
    fn test(&self, flags: &str) -> (Command, PathBuf) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let store = format!("store-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let store = self.directory.join(store);
        let mut command = Command::new(WORKBENCH);
        command.arg("test").args(flags.split_whitespace());
        command.args(["--cluster", &self.url(), "--store"]).arg(&store);
        (command, store.join("latest"))
    }

    pub(crate) fn run(&self, flags: &str) -> Run {
        Run::of(self.test(flags).0.output().unwrap())
    }

    /// A test during which something happens, once so many operations were done.
    pub(crate) fn run_while(
        &mut self,
        flags: &str,
        done: usize,
        happens: impl FnOnce(&mut Self),
    ) -> Run {
        let (mut command, folder) = self.test(flags);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let waits = thread::spawn(move || child.wait_with_output().unwrap());
        let history = || fs::read_to_string(folder.join("history.jsonl")).unwrap_or_default();
        while history().matches(r#""type":"ok""#).count() < done && !waits.is_finished() {
            thread::sleep(Duration::from_millis(20));
        }
        let in_time = !waits.is_finished();
        happens(self);
        let run = Run::of(waits.join().unwrap());
        assert!(in_time, "it was over before anything could happen: {}", run.text);
        run
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
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&text).into_owned();
        let text = words.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { code: output.status.code(), text }
    }

    #[track_caller]
    pub(crate) fn assert_valid(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Self {
        assert!(self.text.contains(what), "{what}: {}", self.text);
        self
    }
}
