//! The original's command, and the results of the run that it made.
//!
//! The original keeps its results in `store`, which holds those of earlier runs,
//! too. Only results that were written while the command ran count, and only if
//! its exit code says the same. Every other ending is a failure.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use checkers::{Validity, edn};
use serde_json::Value;

use super::Exit;
use crate::report::table;

/// How many lines of the command's output a failure shows.
const TAIL: usize = 20;
/// How long output may come after the command's end, from what it left running.
const AFTERMATH: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Failure {
    why: String,
    output: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { why, output } = self;
        if output.is_empty() {
            return write!(f, "{why}. It printed nothing.");
        }
        write!(f, "{why}. The end of what it printed:")?;
        output.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// Runs the command and shows what it prints. Its results, which it leaves in
/// `store`, if it left any.
pub(super) fn run(command: &mut Command, store: &Path) -> io::Result<Result<Value, Failure>> {
    let before = Store::look(store);
    let (status, output) = run_shown(command)?;
    let results = verdict(status).and_then(|verdict| {
        let results = Store::look(store).results_since(&before)?;
        agree(&results, verdict).map(|()| results)
    });
    Ok(results.map_err(|why| Failure { why, output }))
}

/// The verdict that an exit code stands for.
fn verdict(status: ExitStatus) -> Result<Validity, String> {
    let known = [
        (Exit::Valid, Validity::Valid),
        (Exit::Invalid, Validity::Invalid),
        (Exit::Unknown, Validity::Unknown),
    ];
    let verdict = known.iter().find(|(exit, _)| status.code() == Some(*exit as i32));
    verdict.map(|&(_, verdict)| verdict).ok_or_else(|| match (status.code(), status.signal()) {
        (Some(127), _) => "it ended with exit code 127: a program that it needs is missing".into(),
        (Some(254), _) => "it ended with exit code 254: it does not know these flags".into(),
        (Some(255), _) => "it ended with exit code 255: the test did not go through".into(),
        (Some(code), _) => format!("it ended with exit code {code}, which is no verdict"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => format!("it ended with {status}"),
    })
}

/// Results that say something else than the exit code are not the run's.
fn agree(results: &Value, verdict: Validity) -> Result<(), String> {
    match table::validity(results) {
        Some(found) if found == verdict => Ok(()),
        Some(found) => Err(format!(
            "its exit code says {verdict:?}, but its results say {found:?}: they cannot be of \
             one run"
        )),
        None => Err("its results have no verdict (`:valid?`)".to_owned()),
    }
}

struct Store {
    results: PathBuf,
    /// What tells the latest results from others.
    latest: Option<Stamp>,
    /// Every folder with results.
    runs: BTreeSet<PathBuf>,
}

/// A file that is written again has another one.
#[derive(PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Store {
    fn look(root: &Path) -> Self {
        let results = root.join("latest/results.edn");
        let folders = folders(root).into_iter().flat_map(|workload| folders(&workload));
        let runs = folders.filter(|run| run.join("results.edn").exists()).collect();
        Self { latest: Stamp::of(&results), results, runs }
    }

    /// The latest results, if they are not what was there before.
    fn results_since(&self, before: &Self) -> Result<Value, String> {
        let shown = self.results.display();
        if self.latest.is_none() {
            return Err(format!("it left no results: there is no {shown}"));
        }
        if self.latest == before.latest {
            return Err(format!("it left no results: {shown} is from an earlier run"));
        }
        let new = self.runs.difference(&before.runs).count();
        if new > 1 {
            return Err(format!("{new} runs left results at the same time: which is this one?"));
        }
        let text = fs::read_to_string(&self.results)
            .map_err(|error| format!("its results, {shown}, cannot be read: {error}"))?;
        let unreadable = |why: &dyn Display| format!("its results, {shown}, cannot be read: {why}");
        let json = edn::to_json(&text).map_err(|error| unreadable(&error))?;
        serde_json::from_str(&json).map_err(|error| unreadable(&error))
    }
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let path = fs::canonicalize(file).ok()?;
        let file = fs::metadata(&path).ok()?;
        let modified = (file.mtime(), file.mtime_nsec());
        Some(Self { path, inode: file.ino(), length: file.len(), modified })
    }
}

/// The folders in a folder, links left out.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|file| file.is_dir());
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_folder).collect()
}

/// Runs a command, passes on what it prints, and keeps the end of it.
fn run_shown(command: &mut Command) -> io::Result<(ExitStatus, Vec<String>)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let (open, closed) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        pass_on(stdout, io::stdout(), tail.clone(), open.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        pass_on(stderr, io::stderr(), tail.clone(), open.clone());
    }
    drop(open);
    let status = child.wait()?;
    // What it left running may hold its output open for ever.
    let _ = closed.recv_timeout(AFTERMATH);
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((status, tail.iter().cloned().collect()))
}

/// Copies lines until there are no more; `open` is held as long.
fn pass_on(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    tail: Arc<Mutex<VecDeque<String>>>,
    open: mpsc::Sender<()>,
) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            // Nobody may be reading.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(text);
            line.clear();
        }
        drop(open);
    });
}
