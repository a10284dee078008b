//! Lines out of bytes: messages are separated by line feeds, and of any length.

use std::mem;
use std::ops::ControlFlow;

/// A buffer that had to grow beyond this is given back after use.
pub(crate) const KEEP: usize = 1024 * 1024;

/// Puts lines together from chunks. A line that lies within a chunk is not copied.
///
/// ```
/// use std::ops::ControlFlow::Continue;
///
/// let mut lines = maelstrom::protocol::Lines::default();
/// let mut seen = Vec::new();
/// for mut chunk in [&b"one\ntw"[..], b"o\nthr"] {
///     let _ = lines.feed(&mut chunk, |line| {
///         seen.push(line.to_vec());
///         Continue::<()>(())
///     });
/// }
/// assert_eq!(seen, [b"one", b"two"]);
/// assert_eq!(lines.take_rest(), b"thr");
/// ```
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
}

impl Lines {
    /// Calls `each` with every line that `chunk` completes, without line feeds, until it
    /// breaks. What remains of the chunk then has not been looked at.
    pub fn feed<B>(
        &mut self,
        chunk: &mut &[u8],
        mut each: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let line = &chunk[..end];
            *chunk = &chunk[end + 1..];
            if self.partial.is_empty() {
                each(line)?;
            } else {
                self.partial.extend_from_slice(line);
                let flow = each(&self.partial);
                self.partial.clear();
                self.partial.shrink_to(KEEP);
                flow?;
            }
        }
        self.partial.extend_from_slice(chunk);
        *chunk = &[];
        ControlFlow::Continue(())
    }

    /// What came after the last line feed.
    pub fn rest(&self) -> &[u8] {
        &self.partial
    }

    /// The same, and it is forgotten.
    pub fn take_rest(&mut self) -> Vec<u8> {
        mem::take(&mut self.partial)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow::{Break, Continue};

    use super::*;

    /// The lines of `text`, fed in chunks of `size` bytes, and what comes after them.
    fn lines(text: &str, size: usize) -> (Vec<String>, String) {
        let mut buffer = Lines::default();
        let mut lines = Vec::new();
        let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for mut chunk in text.as_bytes().chunks(size) {
            let flow = buffer.feed(&mut chunk, |line| {
                lines.push(string(line));
                Continue::<()>(())
            });
            assert!(flow.is_continue() && chunk.is_empty());
        }
        (lines, string(&buffer.take_rest()))
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = "one\n\ntwo and three\nfour";
        for size in 1..=text.len() {
            let (lines, rest) = lines(text, size);
            assert_eq!(lines, ["one", "", "two and three"], "in chunks of {size}");
            assert_eq!(rest, "four");
        }
        assert_eq!(lines("a\n", 64), (vec!["a".to_owned()], String::new()));
    }

    #[test]
    fn what_comes_after_the_break_is_left() {
        let mut buffer = Lines::default();
        let _ = buffer.feed(&mut &b"o"[..], |_| Continue::<()>(()));
        let mut chunk = &b"ne\ntwo\nthree"[..];
        assert_eq!(buffer.feed(&mut chunk, |line| Break(line.len())), Break(3));
        assert_eq!(chunk, b"two\nthree");
        assert_eq!(buffer.feed(&mut chunk, |line| Break(line.len())), Break(3));
        assert_eq!((chunk, buffer.rest()), (&b"three"[..], &b""[..]));
    }
}
