//! What a run says of itself while it is under way.
//!
//! `status.json` tells where it stands, a few times a second. That it is under way is what
//! a lock on its folder says, which ends with the process whatever that dies of.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use simulator::Progress;

use super::live;

const NAME: &str = "status.json";

/// Where a run stands, or stood last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Status {
    /// What it does, in a word or two.
    pub phase: String,
    /// Seconds since the test proper began.
    pub elapsed: f64,
    /// How many seconds it is expected to take.
    pub expected: f64,
    /// Operations so far.
    pub count: u64,
    /// Those of them that failed.
    pub fail_count: u64,
    /// Those of them that are in doubt.
    pub info_count: u64,
    /// The faults in force.
    pub faults: Vec<String>,
}

impl Status {
    /// The last that was said in this folder.
    pub(crate) fn read(run: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(run.join(NAME))?)?)
    }
}

/// Whether a process is busy with the run of this folder.
pub(crate) fn is_under_way(run: &Path) -> bool {
    let lock = File::open(run).map(|folder| folder.try_lock_shared());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}

/// Says where a run stands. It is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct StatusWriter {
    path: PathBuf,
    fresh: PathBuf,
    /// It is closed when a node is started, so it is this process's alone.
    _lock: Option<File>,
    last: Status,
}

impl StatusWriter {
    /// A run in this folder begins, and is expected to take so long.
    pub(crate) fn begin(run: &Path, expected: Duration) -> Self {
        let lock = File::open(run).and_then(|folder| folder.lock().map(|()| folder));
        let last = Status { expected: expected.as_secs_f64(), ..Status::default() };
        let mut writer = Self {
            path: run.join(NAME),
            fresh: run.join("status.json.new"),
            // Without one the run is shown when it is over.
            _lock: lock.ok(),
            last,
        };
        writer.phase("starting");
        writer
    }

    /// It stands here now.
    pub(crate) fn progress(&mut self, progress: &Progress) {
        let Progress { phase, elapsed, tally, faults } = progress;
        self.last = Status {
            phase: live::phase(*phase).to_owned(),
            elapsed: elapsed.as_secs_f64(),
            expected: self.last.expected,
            count: tally.invoked,
            fail_count: tally.failed,
            info_count: tally.indeterminate,
            faults: faults.iter().map(ToString::to_string).collect(),
        };
        self.write();
    }

    /// It does something else now.
    pub(crate) fn phase(&mut self, phase: &str) {
        phase.clone_into(&mut self.last.phase);
        self.write();
    }

    /// The results are there, and say more.
    pub(crate) fn end(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// In one step, for whoever reads it meanwhile. That it cannot be written is no reason
    /// to end a test.
    fn write(&self) {
        let text = serde_json::to_vec(&self.last).unwrap_or_default();
        let written =
            fs::write(&self.fresh, text).and_then(|()| fs::rename(&self.fresh, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&self.fresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use simulator::{Phase, Tally};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "processes end in real time")]
    fn a_run_is_under_way_until_its_writer_is_gone_and_says_where_it_stands() {
        let run = std::env::temp_dir().join(format!("workbench-status-{}", std::process::id()));
        fs::create_dir_all(&run).unwrap();
        assert!(!is_under_way(&run));
        let mut writer = StatusWriter::begin(&run, Duration::from_secs(31));
        assert!(is_under_way(&run));
        writer.progress(&Progress {
            phase: Phase::Main,
            elapsed: Duration::from_millis(1_500),
            tally: Tally { invoked: 30, ok: 28, failed: 2, indeterminate: 0 },
            faults: vec!["partition"],
        });
        writer.phase("checking");
        let status = Status::read(&run).unwrap();
        assert_eq!(
            (status.phase.as_str(), status.elapsed, status.expected),
            ("checking", 1.5, 31.0)
        );
        assert_eq!((status.count, status.fail_count), (30, 2));
        assert_eq!(status.faults, ["partition"]);
        drop(writer);
        // A process that another test starts has the lock, too, until it has its program.
        for _ in 0..1000 {
            if !is_under_way(&run) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!is_under_way(&run));
        assert_eq!(Status::read(&run).unwrap(), status, "how far it came");
        StatusWriter::begin(&run, Duration::ZERO).end();
        assert_eq!(fs::read_dir(&run).unwrap().count(), 0, "nothing is left");
        fs::remove_dir_all(&run).unwrap();
    }
}
