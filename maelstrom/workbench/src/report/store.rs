//! The folder in which a run's results are kept.
//!
//! ```text
//! store/
//!   latest -> broadcast/20260131T093000.123Z
//!   broadcast/
//!     latest -> 20260131T093000.123Z
//!     20260131T093000.123Z/
//!       test.json      what is run
//!       status.json    where the run stands, while it is under way
//!       history.jsonl  what clients did and saw
//!       trace.jsonl    every message and fault: see `simulator::trace`
//!       why.json       of an invalid run, what is behind each finding
//!       results.json   the verdict, by the names of the original's results.edn
//!       report.html    the same for people
//!       history.edn, results.edn   as the original writes them, if asked for
//!       node-logs/     what nodes wrote to standard error
//!       node-dirs/     where nodes ran, if they left anything there
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use checkers::history::Op;
use serde::Serialize;

use super::trace::TraceWriter;

#[derive(Clone, Debug)]
pub(crate) struct Store {
    dir: PathBuf,
}

impl Store {
    /// Makes a folder for a run that begins now, and points `latest` at it.
    pub(crate) fn create(root: &Path, workload: &str) -> io::Result<Self> {
        let of_workload = root.join(workload);
        fs::create_dir_all(&of_workload)?;
        let name = make_unique(&of_workload, &timestamp(now()))?;
        link(&of_workload.join("latest"), Path::new(&name))?;
        link(&root.join("latest"), &Path::new(workload).join(&name))?;
        Ok(Self { dir: of_workload.join(name) })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Opens the history to be written.
    pub(crate) fn history(&self) -> io::Result<HistoryWriter> {
        let file = File::create(self.path("history.jsonl"))?;
        Ok(HistoryWriter { output: BufWriter::with_capacity(1 << 16, file), error: None })
    }

    /// Opens the trace to be written, of so many messages.
    pub(crate) fn trace(&self, limit: u64) -> io::Result<TraceWriter> {
        TraceWriter::create(self.path("trace.jsonl"), limit)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.path(name), text)
    }

    /// Writes a file of JSON, for people to read.
    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(self.path(name))?);
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.flush()
    }
}

/// Writes a history as it happens.
#[derive(Debug)]
pub(crate) struct HistoryWriter {
    output: BufWriter<File>,
    /// The first error; after it nothing more is written.
    error: Option<io::Error>,
}

impl HistoryWriter {
    /// Appends an operation. What goes wrong is told by
    /// [`finish`](Self::finish), so that a full disk does not end a test.
    pub(crate) fn append(&mut self, op: &Op) {
        if self.error.is_none() {
            self.error = self.try_append(op).err();
        }
    }

    fn try_append(&mut self, op: &Op) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, op)?;
        self.output.write_all(b"\n")
    }

    /// Brings what there is to the file, for whoever looks while the run is under way.
    pub(crate) fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.output.flush().err();
        }
    }

    /// Brings everything to the file.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match self.error {
            Some(error) => Err(error),
            None => self.output.flush(),
        }
    }
}

/// Makes a folder of this name, or with a number behind it if there is one.
fn make_unique(parent: &Path, name: &str) -> io::Result<String> {
    let mut candidate = name.to_owned();
    let mut number = 1_u64;
    loop {
        match fs::create_dir(parent.join(&candidate)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number += 1;
                candidate = format!("{name}-{number}");
            }
            other => return other.map(|()| candidate),
        }
    }
}

/// Points a link somewhere else, in one step for whoever looks meanwhile.
#[cfg(unix)]
fn link(link: &Path, target: &Path) -> io::Result<()> {
    let fresh = link.with_extension(format!("{}.new", std::process::id()));
    std::os::unix::fs::symlink(target, &fresh)?;
    fs::rename(&fresh, link).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "names a folder; nothing that is tested sees it")]
fn now() -> Duration {
    std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Time since 1970 as `20260131T093000.123Z`.
fn timestamp(since_epoch: Duration) -> String {
    let time = jiff::Timestamp::UNIX_EPOCH + since_epoch;
    time.strftime("%Y%m%dT%H%M%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> String {
        timestamp(Duration::from_secs(seconds))
    }

    #[test]
    fn times_are_written_as_dates() {
        assert_eq!(at(0), "19700101T000000.000Z");
        assert_eq!(at(951_782_399), "20000228T235959.000Z");
        assert_eq!(at(951_782_400), "20000229T000000.000Z");
        assert_eq!(at(1_735_689_599), "20241231T235959.000Z");
        assert_eq!(at(4_107_542_400), "21000301T000000.000Z");
        assert_eq!(timestamp(Duration::from_millis(1_769_851_800_123)), "20260131T093000.123Z");
    }

    #[test]
    fn two_runs_at_once_get_folders_of_their_own_and_latest_is_the_second() {
        let root = std::env::temp_dir().join(format!("workbench-store-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("echo")).unwrap();
        assert_eq!(make_unique(&root.join("echo"), "now").unwrap(), "now");
        assert_eq!(make_unique(&root.join("echo"), "now").unwrap(), "now-2");
        let first = Store::create(&root, "echo").unwrap();
        let second = Store::create(&root, "echo").unwrap();
        assert_ne!(first.dir(), second.dir());
        let latest = fs::canonicalize(root.join("latest")).unwrap();
        assert_eq!(latest, fs::canonicalize(second.dir()).unwrap());
        assert_eq!(latest, fs::canonicalize(root.join("echo/latest")).unwrap());
        fs::remove_dir_all(&root).unwrap();
    }
}
