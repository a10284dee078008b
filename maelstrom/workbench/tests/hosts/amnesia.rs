//! A node that forgets what it acknowledged when it is killed fails lin-kv, in the
//! simulator and as processes; the same node with a file passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use checkers::Validity;
use maelstrom::disk::File;
use maelstrom::{CallError, Context, Definite, Empty, Error, Node, NodeId, Request, Setup};
use serde::Serialize;
use serde::de::DeserializeOwned;
use simulator::{Fault, Simulation, Workload};

maelstrom::message_types! {
    "read": struct Read { key: u64 } -> struct Found { value: u64 };
    "write": struct Write { key: u64, value: u64 } -> Empty;
    "cas": struct Cas { key: u64, from: u64, to: u64 } -> Empty;
}

/// How a primary keeps its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In memory alone.
    Forgets,
    /// In a file, too, before it acknowledges.
    Remembers,
}

/// The first node keeps all registers; the others pass on what they are asked.
pub(crate) struct Primary {
    registers: Mutex<BTreeMap<u64, u64>>,
    file: Option<File>,
}

impl Primary {
    fn new(setup: &Setup, kind: Kind) -> Self {
        let disk = setup.disk().filter(|_| kind == Kind::Remembers);
        let file = disk.map(|disk| disk.create("registers").expect("a file"));
        let text = file.as_ref().map(|file| file.read().expect("its content")).unwrap_or_default();
        let lines = text.split(|&byte| byte == b'\n');
        let registers = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Self { registers: Mutex::new(registers), file }
    }

    fn read(&self, key: u64) -> Result<u64, Error> {
        let missing = || Error::new(Definite::KeyDoesNotExist, "no such key");
        self.registers.lock().unwrap().get(&key).copied().ok_or_else(missing)
    }

    fn write(&self, key: u64, value: u64) -> Result<Empty, Error> {
        if let Some(file) = &self.file {
            let kept = file.append(format!("[{key},{value}]\n").as_bytes());
            kept.and_then(|()| file.sync()).map_err(Error::crash)?;
        }
        self.registers.lock().unwrap().insert(key, value);
        Ok(Empty {})
    }
}

/// Has the first node answer, if this is another one.
async fn ask<R>(
    context: &Context<Primary>,
    request: &R,
    answer: impl FnOnce(&Primary) -> Result<R::Reply, Error>,
) -> Result<R::Reply, Error>
where
    R: Request + Serialize,
    R::Reply: DeserializeOwned,
{
    let primary: NodeId = context.node_ids()[0].clone();
    if primary == *context.id() {
        return answer(context.state());
    }
    match context.call(&primary, request, Duration::from_millis(800)).await {
        Err(CallError::Remote { error, .. }) => Err(error),
        other => Ok(other?),
    }
}

pub(crate) fn node(kind: Kind) -> Node<Primary> {
    Node::new(move |setup| Primary::new(setup, kind))
        .handle(async |context: Context<Primary>, read: Read| {
            ask(&context, &read, |primary| Ok(Found { value: primary.read(read.key)? })).await
        })
        .handle(async |context: Context<Primary>, write: Write| {
            ask(&context, &write, |primary| primary.write(write.key, write.value)).await
        })
        .handle(async |context: Context<Primary>, cas: Cas| {
            ask(&context, &cas, |primary| match primary.read(cas.key)? {
                value if value == cas.from => primary.write(cas.key, cas.to),
                _ => Err(Error::new(Definite::PreconditionFailed, "another value")),
            })
            .await
        })
}

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("amnesia-{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the bench says of three such processes that are killed now and then.
fn process_is_valid(kind: Kind, seed: u64) -> bool {
    let scratch = Scratch::new(&format!("{kind:?}-{seed}"));
    let argument = if kind == Kind::Forgets { "forgets" } else { "remembers" };
    let output = Command::new(env!("CARGO_BIN_EXE_workbench"))
        .args(["test", "-w", "lin-kv", "--node-count", "3", "--concurrency", "2n"])
        .args(["--rate", "40", "--time-limit", "6", "--nemesis", "kill"])
        .args(["--nemesis-interval", "1", "--seed", &seed.to_string(), "--bin"])
        .arg(std::env::current_exe().expect("this program"))
        .args([Path::new("--store"), &scratch.0])
        .args(["--", "node", argument])
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => true,
        Some(1) if text.contains("not-linearizable") => false,
        other => panic!("{other:?}: {text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn simulated(kind: Kind, compatible: bool, seed: u64) -> Validity {
    let scratch = Scratch::new("simulated");
    let mut simulation = Simulation::new(Workload::LinKv, move || node(kind))
        .nodes(3)
        .clients(6)
        .rate(40.0)
        .seconds(20)
        .seed(seed)
        .nemesis(&[Fault::Kill], 2.0)
        .set(|settings| settings.compatible = compatible);
    if kind == Kind::Remembers {
        simulation = simulation.directory(&scratch.0);
    }
    simulation.run().report.parts["workload"].valid
}

pub(crate) fn a_node_that_forgets_is_found_within_five_seeds_as_processes() {
    let found = (0..5).find(|&seed| !process_is_valid(Kind::Forgets, seed));
    assert!(found.is_some(), "valid in five runs");
}

pub(crate) fn a_node_that_remembers_is_valid_as_processes() {
    assert!(process_is_valid(Kind::Remembers, 0));
}

pub(crate) fn a_node_that_forgets_is_found_in_most_simulations() {
    let found = |&seed: &u64| simulated(Kind::Forgets, false, seed) == Validity::Invalid;
    let found = (0..20).filter(found).count();
    assert!(found > 10, "{found}");
}

pub(crate) fn the_original_sees_less_of_it() {
    let count = |compatible| {
        let found = |&seed: &u64| simulated(Kind::Forgets, compatible, seed) == Validity::Invalid;
        (0..20).filter(found).count()
    };
    assert!(count(true) < count(false));
}

pub(crate) fn a_node_that_remembers_is_valid_in_simulations() {
    for seed in 0..20 {
        assert_eq!(simulated(Kind::Remembers, false, seed), Validity::Valid, "seed {seed}");
    }
}
