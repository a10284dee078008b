//! What a node logs: all of it in a file, and in memory what error messages show of it.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use maelstrom::protocol::Lines;

use super::reasons::Excerpt;

/// How much of a line of standard error is kept for error messages.
const SHOWN_LINE: usize = 1000;
/// How long a line of standard error may get before it counts as one.
pub(super) const LONGEST_LOG_LINE: usize = 1 << 20;

/// A node's log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    lines: Lines,
    excerpt: Excerpt,
}

impl Log {
    /// A log in this file, which goes on where an earlier process left off, or begins.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn open(path: PathBuf, goes_on: bool) -> io::Result<Self> {
        let mut options = File::options();
        let file = match goes_on {
            true => options.append(true).open(&path)?,
            false => options.write(true).create(true).truncate(true).open(&path)?,
        };
        Ok(Self { path, file, lines: Lines::default(), excerpt: Excerpt::default() })
    }

    /// Takes more of it, and passes on the lines.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&mut self, mut chunk: &[u8], each: &mut impl FnMut(&[u8])) -> io::Result<()> {
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
        self.excerpt.feed(&String::from_utf8_lossy(&line[..line.len().min(SHOWN_LINE)]));
    }

    /// What is shown of it.
    pub(super) fn excerpt(&self) -> &Excerpt {
        &self.excerpt
    }

    /// The lines of it that are worth showing, and whether the first of them looks like the
    /// reason of a death.
    pub fn shown(&self) -> (Vec<String>, bool) {
        self.excerpt.shown()
    }

    /// Where all of it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
