//! A run that is under way, as it goes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use checkers::history::Op;
use serde::Serialize;

use super::events::Push;
use super::place;
use super::runs::{Run, Runs, State};
use crate::report::chart::Chart;
use crate::report::svg;

/// How much of the history is read at a time, at most, so that what is pushed stays fresh.
const CHUNK: usize = 8 << 20;
/// How many lines of the history are shown.
const SHOWN: usize = 12;
/// How much of a line is shown.
const LONGEST: usize = 200;
/// Between two drawings of the pictures so many looks are taken.
const PICTURES: u32 = 2;

/// Follows a run.
pub(super) struct Live {
    runs: Arc<Runs>,
    id: String,
    folder: PathBuf,
    /// What was read of the history so far, once there is one.
    history: Option<Tail>,
    /// How many looks were taken since the pictures were drawn.
    looks: u32,
    said: String,
}

/// What is pushed of a run.
#[derive(Serialize)]
struct Update<'a> {
    run: &'a Run,
    /// What was seen since the last time that this was pushed, if anything.
    #[serde(flatten)]
    seen: Option<Seen>,
}

#[derive(Serialize)]
struct Seen {
    latencies: String,
    rates: String,
    counts: Vec<(String, [u32; 3])>,
    last: Vec<String>,
}

impl Live {
    pub(super) fn new(runs: Arc<Runs>, id: String, folder: PathBuf) -> Self {
        Self { runs, id, folder, history: None, looks: PICTURES, said: String::new() }
    }

    /// What is new. The last of it is that the run is over.
    pub(super) fn next(&mut self) -> Push {
        let run = self.runs.one(&self.id, &self.folder);
        let expected = run.status.as_ref().map_or(0.0, |status| status.expected);
        let expected = Duration::try_from_secs_f64(expected).unwrap_or_default();
        if self.history.is_none() {
            self.history =
                place::open(&self.folder, "history.jsonl").map(|file| Tail::new(file, expected));
        }
        let is_over = run.state != State::UnderWay;
        self.looks += 1;
        let is_due = self.looks > PICTURES;
        let seen = self.history.as_mut().and_then(|history| history.seen(is_due || is_over));
        if seen.is_some() {
            self.looks = 0;
        }
        self.push(&run, seen, is_over)
    }

    fn push(&mut self, run: &Run, seen: Option<Seen>, is_over: bool) -> Push {
        let has_seen = seen.is_some();
        let text = serde_json::to_string(&Update { run, seen }).unwrap_or_default();
        match (is_over, has_seen || text != self.said) {
            (true, _) => Push::Last(text),
            (false, true) => {
                self.said.clone_from(&text);
                Push::Some(text)
            }
            (false, false) => Push::Nothing,
        }
    }
}

/// A history that grows.
struct Tail {
    input: BufReader<File>,
    /// A line whose end is not there yet.
    begun: Vec<u8>,
    chart: Chart,
    last: VecDeque<String>,
    /// Whether something was read that was not told.
    is_new: bool,
}

impl Tail {
    fn new(file: File, expected: Duration) -> Self {
        let chart = Chart::new(expected);
        Self {
            input: BufReader::with_capacity(1 << 16, file),
            begun: Vec::new(),
            chart,
            last: VecDeque::new(),
            is_new: false,
        }
    }

    /// Reads on, and tells what there is to see if it is due and new.
    fn seen(&mut self, is_due: bool) -> Option<Seen> {
        // What cannot be read is not shown; what was read before still is.
        let _ = self.read_on();
        if !is_due || !std::mem::take(&mut self.is_new) {
            return None;
        }
        let counts = self.chart.counts().map(|(f, counts)| (f.to_owned(), counts)).collect();
        Some(Seen {
            latencies: svg::latencies(&self.chart),
            rates: svg::rates(&self.chart),
            counts,
            last: self.last.iter().cloned().collect(),
        })
    }

    fn read_on(&mut self) -> io::Result<()> {
        let mut length = 0;
        while length < CHUNK {
            length += match self.input.read_until(b'\n', &mut self.begun)? {
                0 => return Ok(()),
                length => length,
            };
            if self.begun.ends_with(b"\n") {
                self.take_line();
            }
        }
        Ok(())
    }

    fn take_line(&mut self) {
        let line = std::mem::take(&mut self.begun);
        // A line that is damaged is left out.
        let Ok(op) = serde_json::from_slice::<Op>(&line) else { return };
        self.chart.observe(&op);
        self.is_new = true;
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        self.last.push_back(text.chars().take(LONGEST).collect());
    }
}
