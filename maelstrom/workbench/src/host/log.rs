//! What a node logs: all of it in a file, and the last lines in memory, for error messages.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use maelstrom::protocol::Lines;

use super::reasons::Reasons;

/// How many lines of standard error are kept for error messages.
const TAIL: usize = 32;
/// How much of such a line is kept.
const TAIL_LINE: usize = 1000;
/// How long a line of standard error may get before it counts as one.
pub(super) const LONGEST_LOG_LINE: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    lines: Lines,
    tail: VecDeque<String>,
    reasons: Reasons,
}

impl Log {
    /// A log in this file, which goes on where an earlier process left off, or begins.
    pub(super) fn open(path: PathBuf, goes_on: bool) -> io::Result<Self> {
        let mut options = File::options();
        let file = match goes_on {
            true => options.append(true).open(&path)?,
            false => options.write(true).create(true).truncate(true).open(&path)?,
        };
        let (lines, tail, reasons) = (Lines::default(), VecDeque::new(), Reasons::default());
        Ok(Self { path, file, lines, tail, reasons })
    }

    /// Takes more of it, and passes on the lines.
    pub(super) fn write(
        &mut self,
        mut chunk: &[u8],
        each: &mut impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.file.write_all(chunk)?;
        let mut lines = std::mem::take(&mut self.lines);
        let keep = |line: &[u8]| {
            self.keep(line);
            each(line);
            ControlFlow::<Infallible>::Continue(())
        };
        let ControlFlow::Continue(()) = lines.feed(&mut chunk, keep);
        // A line without end is not kept in memory without end.
        if lines.rest().len() > LONGEST_LOG_LINE {
            let part = lines.take_rest();
            self.keep(&part);
            each(&part);
        }
        self.lines = lines;
        Ok(())
    }

    /// Takes what stands behind the last line break as a line.
    pub(super) fn end(&mut self, each: &mut impl FnMut(&[u8])) {
        let rest = self.lines.take_rest();
        if !rest.is_empty() {
            self.keep(&rest);
            each(&rest);
        }
    }

    fn keep(&mut self, line: &[u8]) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        let shown = String::from_utf8_lossy(&line[..line.len().min(TAIL_LINE)]).into_owned();
        self.reasons.feed(&shown);
        self.tail.push_back(shown);
    }

    /// The last lines.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// What looks like the reason of an end, in the lines before those.
    pub(super) fn reasons(&self) -> Vec<String> {
        self.reasons.before_last(self.tail.len())
    }

    /// Where all of it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
