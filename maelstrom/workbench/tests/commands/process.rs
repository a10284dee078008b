//! The process host with nodes in other languages.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use checkers::history::{Op, OpType};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use simulator::{
    DiskFault, Fault, FaultKind, Observer, Phase, Progress, RunError, RunStats, Settings, Traffic,
    TrafficEvent, Workload,
};
use workbench::{ExitOnInterrupt, ProcessOptions, Processes};

use crate::{Scratch, node};

/// How long something may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps everything.
#[derive(Default)]
struct Witness {
    ops: Vec<Op>,
    phases: Vec<Phase>,
    sent: usize,
    received: usize,
    logged: Vec<String>,
}

impl Observer for Witness {
    fn op(&mut self, op: &Op) {
        self.ops.push(op.clone());
    }

    fn progress(&mut self, progress: &Progress) {
        self.phases.push(progress.phase);
    }

    fn traffic(&mut self, traffic: &Traffic) {
        match traffic.event {
            TrafficEvent::Send => self.sent += 1,
            TrafficEvent::Recv => self.received += 1,
        }
    }

    fn node_log(&mut self, node: usize, line: &[u8]) {
        self.logged.push(format!("n{node}: {}", String::from_utf8_lossy(line)));
    }
}

impl Scratch {
    fn options(&self, script: &str, mode: &str) -> ProcessOptions {
        ProcessOptions {
            bin: node(script),
            args: vec![OsString::from(mode)],
            node_log_dir: self.0.join("node-logs"),
            work_dir: self.0.join("work"),
            journal: false,
            trace: true,
            watchdog: Some(PathBuf::from(env!("CARGO_BIN_EXE_workbench"))),
        }
    }

    /// The processes that node n0 told of, once it did; those of all its incarnations.
    fn pids(&self) -> Vec<Pid> {
        wait_for("the node to note its process ids", || !self.pids_so_far().is_empty());
        self.pids_so_far()
    }

    /// A node that was killed early may not have come to tell of any.
    fn pids_so_far(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.0.join("work/n0/pids")).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let pids = lines.flat_map(str::split_whitespace);
        pids.map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
    }

    fn assert_no_orphans(&self) {
        let pids = self.pids_so_far().into_iter();
        // Those that leave the group of their node are found on Linux alone.
        let limit = if cfg!(target_os = "linux") { usize::MAX } else { 2 };
        for pid in pids.take(limit) {
            wait_for("a process to be gone", || is_gone(pid));
        }
    }
}

/// Whether no such process runs. One that ended but that its parent (whoever
/// adopts orphans here) has not asked about yet counts as gone.
fn is_gone(pid: Pid) -> bool {
    kill(pid, None).is_err()
        || fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

#[expect(clippy::disallowed_methods, reason = "these tests are about real processes in real time")]
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < until, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn settings(seconds: f64, rate: f64) -> Settings {
    let time_limit = Duration::from_secs_f64(seconds);
    let echo = Settings::new(Workload::Echo);
    Settings { node_count: 2, concurrency: 4, time_limit, rate, ..echo }
}

fn assert_echoed(witness: &Witness, stats: &RunStats) {
    let count = |kind| witness.ops.iter().filter(|op| op.kind == kind).count() as u64;
    assert!(count(OpType::Invoke) > 4, "who has an answer asks again");
    assert_eq!(count(OpType::Invoke), count(OpType::Ok));
    assert_eq!(stats.tally.ok, count(OpType::Ok));
    assert_eq!(stats.net.clients.msg_count, 2 * (2 + count(OpType::Ok)));
    assert_eq!(stats.net.clients.recv_count, stats.net.clients.send_count);
    assert_eq!(stats.net.servers.msg_count, 0);
    assert!(witness.ops.windows(2).all(|pair| pair[0].time <= pair[1].time));
    assert!(witness.phases.contains(&Phase::Main));
}

/// What is said of a run with a node in a mode that is a fault.
fn fault_of(mode: &str) -> String {
    let scratch = Scratch::new(mode);
    let options = scratch.options("echo.py", mode);
    let result = Processes::run(&settings(60.0, 100.0), &options, &mut Witness::default());
    scratch.assert_no_orphans();
    match result {
        Err(error @ RunError::Node(_)) => error.to_string(),
        other => panic!("{mode}: {other:?}"),
    }
}

pub(crate) fn a_node_in_python_echoes() {
    let scratch = Scratch::new("python");
    let mut witness = Witness::default();
    let mut settings = settings(1.0, 100.0);
    settings.log_stderr = true;
    let stats =
        Processes::run(&settings, &scratch.options("echo.py", "well"), &mut witness).unwrap();
    assert_echoed(&witness, &stats);
    assert!(witness.logged.contains(&"n1: this is the third request".to_owned()));
    assert_eq!((witness.sent, witness.received), (0, 0), "nobody asked for traffic");
    let log = fs::read_to_string(scratch.0.join("node-logs/n0.log")).unwrap();
    assert_eq!(log, "this is the third request\n");
    scratch.assert_no_orphans();
}

/// Settings in which a second process is started every now and then.
fn with_twins() -> Settings {
    let mut settings = settings(3.0, 100.0);
    settings.disk = vec![DiskFault::Locked];
    settings.nemesis_interval = Duration::from_millis(300);
    settings
}

pub(crate) fn a_second_process_in_a_directory_that_is_in_use_may_not_serve() {
    let scratch = Scratch::new("twins");
    let options = scratch.options("echo.py", "well");
    // It ends with the first that serves.
    let settings = Settings { time_limit: PATIENCE, ..with_twins() };
    let error = Processes::run(&settings, &options, &mut Witness::default()).unwrap_err();
    assert_eq!(error.kind(), "two-processes-on-one-directory");
    scratch.assert_no_orphans();
}

pub(crate) fn a_second_process_that_finds_the_directory_locked_and_says_so_is_well() {
    let scratch = Scratch::new("locked");
    let mut settings = with_twins();
    settings.nemesis = vec![Fault::Kill.into()];
    let mut witness = Witness::default();
    Processes::run(&settings, &scratch.options("echo.py", "locks"), &mut witness).unwrap();
    let twins = ["n0-twin.log", "n1-twin.log"].map(|log| scratch.0.join("node-logs").join(log));
    let said: Vec<String> = twins.iter().flat_map(fs::read_to_string).collect();
    assert!(!said.is_empty() && said.iter().all(String::is_empty), "started, quietly: {said:?}");
    scratch.assert_no_orphans();
}

pub(crate) fn what_processes_cannot_have_is_refused() {
    let scratch = Scratch::new("refused");
    let mut disk = settings(1.0, 10.0);
    disk.disk = vec![DiskFault::Full];
    let mut clock = settings(1.0, 10.0);
    clock.nemesis = vec![Fault::Clock.into()];
    for settings in [disk, clock] {
        let options = scratch.options("echo.py", "well");
        let error = Processes::run(&settings, &options, &mut Witness::default()).unwrap_err();
        assert!(error.to_string().contains("does not exist with processes"), "{error}");
    }
}

pub(crate) fn a_node_in_javascript_echoes_and_its_traffic_can_be_had() {
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        return;
    }
    let scratch = Scratch::new("javascript");
    let mut witness = Witness::default();
    let options = ProcessOptions { journal: true, ..scratch.options("echo.js", "") };
    let stats = Processes::run(&settings(1.0, 100.0), &options, &mut witness).unwrap();
    assert_echoed(&witness, &stats);
    assert_eq!(witness.sent as u64, stats.net.all.send_count);
    assert_eq!(witness.received as u64, stats.net.all.recv_count);
}

pub(crate) fn nodes_that_are_killed_and_paused_come_back() {
    let scratch = Scratch::new("killed");
    let mut witness = Witness::default();
    let mut settings = settings(8.0, 100.0);
    settings.nemesis = vec![Fault::Kill.into(), Fault::Pause.into()];
    settings.nemesis_interval = Duration::from_millis(300);
    settings.concurrency = 20;
    Processes::run(&settings, &scratch.options("echo.py", "well"), &mut witness).unwrap();
    let nemesis =
        |f: &str| witness.ops.iter().filter(|op| op.f == f && op.value.get() != "[]").count();
    for f in ["kill", "start", "pause", "resume"] {
        assert!(nemesis(f) > 0, "{f}");
    }
    let oks: Vec<u64> =
        witness.ops.iter().filter(|op| op.kind == OpType::Ok).map(|op| op.time).collect();
    let first_kill = witness.ops.iter().find(|op| op.f == "kill").unwrap().time;
    assert!(oks.iter().any(|&time| time > first_kill), "some node is back");
    assert!(witness.ops.iter().all(|op| op.kind != OpType::Fail));
    scratch.assert_no_orphans();
}

pub(crate) fn what_a_node_may_not_do_ends_the_test_and_is_named() {
    let faults = [
        ("crashes", "ended before the test did, with exit status: 1"),
        ("crashes", "\n    this is the third request\n    out of luck"),
        ("exits", "ended before the test did, with exit status: 0"),
        ("says-hello", "printed line 4, `hello` to standard output, which is not JSON"),
        ("sends-an-array", "printed line 4, `[]`, which is not a message"),
        ("forges", "which claims to be from \"n9\""),
        ("sends-to-nobody", "which is for \"n9\""),
        (
            "refuses-init",
            "answered `init` with {\"in_reply_to\": 1, \"type\": \"error\", \"code\": 13",
        ),
        ("hangs-at-init", "did not answer `init` within 10 s"),
        ("closes-output", "closed its standard output before the test ended"),
    ];
    let mut modes: Vec<&str> = faults.map(|(mode, _)| mode).to_vec();
    modes.dedup();
    let found: BTreeMap<&str, String> = std::thread::scope(|scope| {
        let runs = modes.iter().map(|&mode| (mode, scope.spawn(|| fault_of(mode))));
        let runs: Vec<_> = runs.collect();
        runs.into_iter().map(|(mode, run)| (mode, run.join().unwrap())).collect()
    });
    for (mode, said) in faults {
        let text = &found[mode];
        assert!(text.starts_with("node n") && text.contains(said), "{mode}: {text}");
    }
}

pub(crate) fn sending_to_a_node_before_it_is_there_is_a_fault() {
    let mut faults = (0..5).filter_map(|seed| {
        let scratch = Scratch::new("greets");
        let options = scratch.options("echo.py", "greets");
        let mut settings = Settings { seed, ..settings(0.2, 100.0) };
        // Longer than a process takes to start, however busy the machine is.
        settings.start_spread = PATIENCE / 2;
        Processes::run(&settings, &options, &mut Witness::default()).err()
    });
    let Some(RunError::Node(failure)) = faults.next() else { panic!("no fault") };
    let FaultKind::TooEarly { line, .. } = &failure.fault.kind else { panic!("{failure:?}") };
    assert!(line.text.contains("hello"));
}

pub(crate) fn a_program_that_is_not_there_is_named() {
    let scratch = Scratch::new("missing");
    let error =
        Processes::run(&settings(1.0, 1.0), &scratch.options("none", ""), &mut Witness::default());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("tests/nodes/none") && text.contains("has it been built?"), "{text}");
}

pub(crate) fn a_node_that_ignores_the_end_of_its_input_and_sigterm_is_killed() {
    let scratch = Scratch::new("ignores-the-end");
    let options = scratch.options("echo.py", "ignores-the-end");
    Processes::run(&settings(1.0, 50.0), &options, &mut Witness::default()).unwrap();
    scratch.assert_no_orphans();
}

pub(crate) fn a_nodes_own_children_do_not_outlive_the_test() {
    let scratch = Scratch::new("with-children");
    let options = scratch.options("echo.py", "with-children");
    Processes::run(&settings(1.0, 50.0), &options, &mut Witness::default()).unwrap();
    assert_eq!(scratch.pids().len(), 4);
    scratch.assert_no_orphans();
}

/// A bench in a process of its own, for the tests that end one by force.
pub(crate) fn bench_to_be_ended(directory: &str) {
    let scratch = Scratch(PathBuf::from(directory));
    let options = scratch.options("echo.py", "with-children");
    let result = Processes::run(&settings(600.0, 10.0), &options, &mut Witness::default());
    let text = result.unwrap_err().to_string();
    fs::write(scratch.0.join("error"), text).unwrap();
    std::mem::forget(scratch);
}

/// A process whose run is over and that is busy otherwise.
pub(crate) fn busy_after_a_run(directory: &str) {
    let scratch = Scratch(PathBuf::from(directory));
    let options = scratch.options("echo.py", "well");
    Processes::run(&settings(0.1, 10.0), &options, &mut Witness::default()).unwrap();
    let _guard = ExitOnInterrupt::new().unwrap();
    fs::write(scratch.0.join("over"), "").unwrap();
    wait_for("a signal", || false);
}

pub(crate) fn a_process_whose_run_is_over_can_be_interrupted() {
    let scratch = Scratch::new("busy");
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["bench", "busy-after-a-run"])
        .arg(&scratch.0)
        .spawn()
        .unwrap();
    wait_for("the run to be over", || scratch.0.join("over").exists());
    kill(Pid::from_raw(i32::try_from(process.id()).unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(130));
}

/// Ends such a bench with a signal; whatever it says of it.
fn end_a_bench_with(signal: Signal) -> String {
    let scratch = Scratch::new(signal.as_str());
    let mut bench = Command::new(std::env::current_exe().unwrap())
        .args(["bench", "to-be-ended"])
        .arg(&scratch.0)
        .spawn()
        .unwrap();
    for pid in scratch.pids() {
        assert!(!is_gone(pid));
    }
    kill(Pid::from_raw(i32::try_from(bench.id()).unwrap()), signal).unwrap();
    bench.wait().unwrap();
    scratch.assert_no_orphans();
    fs::read_to_string(scratch.0.join("error")).unwrap_or_default()
}

pub(crate) fn nothing_outlives_an_interrupted_bench() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let text = end_a_bench_with(signal);
        assert_eq!(text, format!("interrupted by {signal}"));
    }
}

pub(crate) fn nothing_outlives_a_killed_bench() {
    end_a_bench_with(Signal::SIGKILL);
}
