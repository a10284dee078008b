//! Bytes to lines, of any length.

use memchr::{memchr, memchr_iter};

/// Puts lines together from chunks. A line that lies within a chunk is not
/// copied.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    partial: Vec<u8>,
}

impl LineBuffer {
    /// Calls `each` with every line that `chunk` completes, without line breaks.
    ///
    /// # Errors
    ///
    /// The first error of `each`; what follows in the chunk is lost then.
    pub(super) fn feed<E>(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.partial.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else {
                self.partial.extend_from_slice(chunk);
                return Ok(());
            };
            self.partial.extend_from_slice(&chunk[..end]);
            chunk = &chunk[end + 1..];
            let line = std::mem::take(&mut self.partial);
            each(&line)?;
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', chunk) {
            each(&chunk[start..end])?;
            start = end + 1;
        }
        self.partial.extend_from_slice(&chunk[start..]);
        Ok(())
    }

    /// What came after the last line break.
    pub(super) fn rest(&self) -> &[u8] {
        &self.partial
    }

    /// The same, if it is anything, and it is forgotten.
    pub(super) fn take_rest(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `text`, fed in chunks of `size` bytes.
    fn lines(text: &str, size: usize) -> (Vec<String>, Option<String>) {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            let each = |line: &[u8]| {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
                Ok::<(), ()>(())
            };
            buffer.feed(chunk, each).unwrap();
        }
        (lines, buffer.take_rest().map(|rest| String::from_utf8(rest).unwrap()))
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = "one\n\ntwo and three\nfour";
        for size in 1..=text.len() {
            let (lines, rest) = lines(text, size);
            assert_eq!(lines, ["one", "", "two and three"], "in chunks of {size}");
            assert_eq!(rest.as_deref(), Some("four"));
        }
        assert_eq!(lines("a\n", 64), (vec!["a".to_owned()], None));
    }
}
