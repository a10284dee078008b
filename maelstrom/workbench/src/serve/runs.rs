//! What the store has: a folder for each run, in a folder for each workload.
//!
//! Whatever lies there is shown: a run that is under way, one that was ended before it had
//! results, one whose files are damaged, and a folder of something else.

use std::collections::HashMap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use checkers::edn;
use serde::Serialize;
use serde_json::Value;

use super::figures::{self, Figure, Kind};
use super::place::{Root, open, read};
use crate::report::status::{self, Status};

/// A file of results that is longer is not read.
const LARGEST: u64 = 64 << 20;
/// What only a run's folder has, this bench's or the original's.
const SIGNS: [&str; 6] =
    ["test.json", "history.jsonl", "status.json", "history.edn", "jepsen.log", "test.jepsen"];

/// A run as the list shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Run {
    /// Its folder, from the store's.
    pub id: String,
    pub state: State,
    /// The verdict in a word, if there is one.
    pub verdict: Option<&'static str>,
    /// What is wrong with what lies in the folder.
    pub problem: Option<String>,
    /// What was run, as the bench wrote it.
    pub test: Option<Value>,
    /// Where it stands, or stood last.
    pub status: Option<Status>,
    pub figures: Vec<Figure>,
    pub findings: Vec<Kind>,
    /// Whether there is a report.
    pub has_report: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    UnderWay,
    Ended,
    /// It is over, and has no results.
    Unfinished,
    /// Its results cannot be read.
    Damaged,
    /// No run left this.
    Foreign,
}

impl Run {
    fn new(id: &str, state: State, problem: Option<String>) -> Self {
        Self {
            id: id.to_owned(),
            state,
            verdict: None,
            problem,
            test: None,
            status: None,
            figures: Vec::new(),
            findings: Vec::new(),
            has_report: false,
        }
    }

    /// What lies in a folder.
    fn of(id: &str, folder: &Path) -> Self {
        let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
        let mut run = if status::is_under_way(folder) {
            Self::new(id, State::UnderWay, None)
        } else {
            match results(folder) {
                Ok(Some(results)) => Self::with(id, &results),
                Err(problem) => Self::new(id, State::Damaged, Some(problem)),
                Ok(None) if SIGNS.into_iter().any(is_there) => {
                    Self::new(id, State::Unfinished, None)
                }
                Ok(None) => {
                    return Self::new(
                        id,
                        State::Foreign,
                        Some("no file of a run is in it".to_owned()),
                    );
                }
            }
        };
        if run.state != State::Ended {
            run.status = Status::read(folder).ok();
        }
        match json(folder, "test.json") {
            Ok(test) => run.test = test,
            // It may be being written.
            Err(_) if run.state == State::UnderWay => {}
            // What is wrong with the results matters more.
            Err(problem) => _ = run.problem.get_or_insert(problem),
        }
        run.has_report = open(folder, "report.html").is_some();
        run
    }

    fn with(id: &str, results: &Value) -> Self {
        let verdict = figures::verdict(results);
        let (state, problem) = match verdict {
            Some(_) => (State::Ended, None),
            None => (State::Damaged, Some("the results have no verdict".to_owned())),
        };
        Self {
            verdict,
            figures: figures::figures(results),
            findings: figures::kinds(results),
            ..Self::new(id, state, problem)
        }
    }

    /// The name of its folder, which says when it began.
    fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }
}

/// The results that lie in a folder, this bench's or the original's.
pub(super) fn results(folder: &Path) -> Result<Option<Value>, String> {
    if let Some(results) = json(folder, "results.json")? {
        return Ok(Some(results));
    }
    let wrong = |error: &dyn std::fmt::Display| format!("results.edn: {error}");
    let text = read(folder, "results.edn", LARGEST).map_err(|error| wrong(&error))?;
    text.map(|text| {
        let text = String::from_utf8(text).map_err(|error| wrong(&error))?;
        let json = edn::to_json(&text).map_err(|error| wrong(&error))?;
        serde_json::from_str(&json).map_err(|error| wrong(&error))
    })
    .transpose()
}

fn json(folder: &Path, name: &str) -> Result<Option<Value>, String> {
    let text = read(folder, name, LARGEST).map_err(|error| format!("{name}: {error}"))?;
    let value = text.map(|text| serde_json::from_slice(&text));
    value.transpose().map_err(|error| format!("{name}: {error}"))
}

/// When files of a run were written last that are worth remembering, and their lengths.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// The runs of a store. Results are read again only when they have changed.
#[derive(Debug)]
pub(super) struct Runs {
    root: Root,
    known: Mutex<HashMap<String, (Stamp, Arc<Run>)>>,
}

impl Runs {
    pub(super) fn new(root: Root) -> Self {
        Self { root, known: Mutex::default() }
    }

    /// All runs, the newest first, then what is none.
    pub(super) fn all(&self) -> Vec<Arc<Run>> {
        let mut all: Vec<Arc<Run>> = Vec::new();
        // A store that is not there yet has no runs yet.
        for (workload, of_workload) in folders(self.root.path()).unwrap_or_default() {
            let foreign = |problem| Arc::new(Run::new(&workload, State::Foreign, Some(problem)));
            match folders(&of_workload) {
                Err(error) => all.push(foreign(error.to_string())),
                Ok(runs) if runs.is_empty() => all.push(foreign("no runs are in it".to_owned())),
                Ok(runs) => all.extend(
                    runs.iter().map(|(name, run)| self.one(&format!("{workload}/{name}"), run)),
                ),
            }
        }
        let order = |run: &Arc<Run>| (run.state != State::Foreign, run.name().to_owned());
        all.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| a.id.cmp(&b.id)));
        self.forget(&all);
        all
    }

    /// The run of a folder in the store.
    pub(super) fn one(&self, id: &str, folder: &Path) -> Arc<Run> {
        let stamp = ["results.json", "test.json"].map(|name| {
            let file = fs::symlink_metadata(folder.join(name)).ok()?;
            Some((file.modified().ok()?, file.len()))
        });
        let known = |(known, run): &(Stamp, Arc<Run>)| (*known == stamp).then(|| run.clone());
        if let Some(run) = self.lock().get(id).and_then(known) {
            return run;
        }
        let run = Arc::new(Run::of(id, folder));
        // What has results is over: nothing but those files changes it any more.
        if stamp[0].is_some() && run.state != State::UnderWay {
            self.lock().insert(id.to_owned(), (stamp, run.clone()));
        }
        run
    }

    fn forget(&self, all: &[Arc<Run>]) {
        let mut known = self.lock();
        if known.len() > all.len() {
            known.retain(|id, _| all.iter().any(|run| run.id == *id));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Stamp, Arc<Run>)>> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The folders in a folder, by name. Links are none: `latest` would be shown twice, and others
/// may lead anywhere.
fn folders(parent: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let is_folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let all = fs::read_dir(parent)?.flatten().filter(is_folder);
    let named = all.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    Ok(named.filter(|(name, _)| !name.starts_with('.')).collect())
}

/// A file of a run, by its path in the run's folder.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    path: String,
    size: u64,
}

/// The files in a folder, those that people look at first, and not too many of them.
pub(super) fn files(folder: &Path) -> Vec<Listed> {
    const MOST: usize = 500;
    let mut files = Vec::new();
    let mut open = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = open.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.metadata() {
                Ok(of) if of.is_dir() => open.push((format!("{path}/"), entry.path())),
                Ok(of) if of.is_file() => files.push(Listed { path, size: of.len() }),
                _ => {}
            }
            if files.len() + open.len() > MOST {
                break;
            }
        }
    }
    files.sort_by(|a, b| (a.path.contains('/'), &a.path).cmp(&(b.path.contains('/'), &b.path)));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::status::StatusWriter;

    #[test]
    fn whatever_lies_in_a_store_is_shown_as_what_it_is() {
        let store = std::env::temp_dir().join(format!("workbench-runs-{}", std::process::id()));
        let _ = fs::remove_dir_all(&store);
        for (file, text) in [
            ("echo/1/results.json", r#"{"valid?": true, "stats": {"count": 3}}"#),
            ("echo/2/results.json", r#"{"valid?": tr"#),
            ("echo/3/results.json", "[]"),
            ("echo/4/history.jsonl", ""),
            ("echo/5/notes.txt", ""),
            ("echo/6/results.edn", "{:valid? :unknown}"),
            ("echo/7/results.json", r#"{"valid?": true}"#),
            ("echo/7/test.json", "{"),
            ("echo/8/test.json", "{}"),
            ("papers/raft.pdf", ""),
        ] {
            let path = store.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("echo/1", store.join("latest")).unwrap();
        let runs = Runs::new(Root::new(&store));
        let writer = StatusWriter::begin(&store.join("echo/8"), std::time::Duration::ZERO);
        let all = runs.all();
        let shown: Vec<(&str, State, bool)> =
            all.iter().map(|run| (&*run.id, run.state, run.problem.is_some())).collect();
        let expected = [
            ("echo/8", State::UnderWay, false),
            ("echo/7", State::Ended, true),
            ("echo/6", State::Ended, false),
            ("echo/4", State::Unfinished, false),
            ("echo/3", State::Damaged, true),
            ("echo/2", State::Damaged, true),
            ("echo/1", State::Ended, false),
            ("papers", State::Foreign, true),
            ("echo/5", State::Foreign, true),
        ];
        assert_eq!(shown, expected);
        drop(writer);
        fs::write(store.join("echo/2/results.json"), r#"{"valid?": true}"#).unwrap();
        fs::remove_dir_all(store.join("echo/1")).unwrap();
        let again = runs.all();
        assert_eq!(again.len(), all.len() - 1);
        assert_eq!((again[0].state, again[5].verdict), (State::Unfinished, Some("valid")));
        assert!(Arc::ptr_eq(&again[1], &all[1]), "it is not read again");
        fs::remove_dir_all(&store).unwrap();
    }
}
