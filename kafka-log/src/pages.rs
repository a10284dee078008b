//! The messages of one key, in memory, as small as their text.
//!
//! Messages stand one after another in pages: the raw JSON in one string, and
//! beside it where each message ends and which offset it has. The last page is
//! open; when it is full, it is copied to where it takes exactly the room that it
//! needs, and never touched again. So an append costs the same however long the
//! log is. A message costs its text and 16 bytes; a read finds its page and its
//! place in it by binary search, and costs what it returns.
//!
//! Pages are large, because what stays for good would otherwise lie scattered among
//! what comes and goes, and the allocator would get slower with every page.
//!
//! Always: offsets rise strictly; no page but the open one is empty.

/// A page is full with so many messages …
const PAGE_MESSAGES: usize = 8192;
/// … or so many bytes, whichever comes first.
const PAGE_BYTES: usize = 256 * 1024;

/// Messages in the order of their offsets.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    full: Vec<FullPage>,
    open: OpenPage,
}

type OpenPage = Page<Vec<u64>, Vec<usize>, String>;
type FullPage = Page<Box<[u64]>, Box<[usize]>, Box<str>>;

#[derive(Debug, Default)]
struct Page<O, E, T> {
    offsets: O,
    /// Where each message ends in `text`.
    ends: E,
    text: T,
}

impl Pages {
    /// Appends a message, whose offset must be above all others.
    pub(crate) fn push(&mut self, offset: u64, text: &str) {
        debug_assert!(self.last().is_none_or(|last| last < offset), "offsets rise");
        self.open.push(offset, text);
        if self.open.is_full() {
            self.full.push(self.open.seal());
        }
    }

    /// The messages from `offset` on.
    pub(crate) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let skipped = self.full.partition_point(|page| page.last() < Some(offset));
        let full = self.full.get(skipped..).unwrap_or_default();
        full.iter().flat_map(move |page| page.from(offset)).chain(self.open.from(offset))
    }

    /// The highest offset.
    pub(crate) fn last(&self) -> Option<u64> {
        self.open.last().or_else(|| self.full.last().and_then(Page::last))
    }
}

impl OpenPage {
    fn push(&mut self, offset: u64, text: &str) {
        self.offsets.push(offset);
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    fn is_full(&self) -> bool {
        self.offsets.len() >= PAGE_MESSAGES || self.text.len() >= PAGE_BYTES
    }

    /// A copy of exactly the size; this one is empty then, and keeps its room.
    fn seal(&mut self) -> FullPage {
        let sealed = Page {
            offsets: self.offsets.as_slice().into(),
            ends: self.ends.as_slice().into(),
            text: self.text.as_str().into(),
        };
        self.offsets.clear();
        self.ends.clear();
        self.text.clear();
        sealed
    }
}

impl<O: AsRef<[u64]>, E: AsRef<[usize]>, T: AsRef<str>> Page<O, E, T> {
    fn last(&self) -> Option<u64> {
        self.offsets.as_ref().last().copied()
    }

    fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let offsets = self.offsets.as_ref();
        let first = offsets.partition_point(|&at| at < offset);
        (first..offsets.len()).map(move |n| (offsets[n], self.message(n)))
    }

    fn message(&self, n: usize) -> &str {
        let ends = self.ends.as_ref();
        let start = if n == 0 { 0 } else { ends[n - 1] };
        &self.text.as_ref()[start..ends[n]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_third(count: u64) -> Pages {
        let mut pages = Pages::default();
        for n in 0..count {
            pages.push(3 * n, &n.to_string());
        }
        pages
    }

    #[test]
    fn a_read_begins_at_the_offset_or_the_next_that_exists() {
        const PAGE: u64 = PAGE_MESSAGES as u64;
        let pages = every_third(3 * PAGE + 7);
        let last = 3 * (3 * PAGE + 6);
        let ends = [3 * PAGE - 1, 3 * PAGE, 3 * PAGE + 1, 9 * PAGE, 9 * PAGE + 1];
        for offset in [0, 1, 2, 3].into_iter().chain(ends).chain([last - 1, last]) {
            let expected = offset.div_ceil(3);
            let (at, text) = pages.from(offset).next().unwrap();
            assert_eq!((at, text), (3 * expected, expected.to_string().as_str()), "from {offset}");
        }
        assert_eq!(pages.from(last + 1).count(), 0);
        assert!(pages.from(0).map(|(offset, _)| offset).eq((0..=last).step_by(3)));
        assert_eq!(pages.last(), Some(last));
    }

    #[test]
    fn nothing_is_read_from_nothing() {
        assert_eq!(Pages::default().from(0).count(), 0);
        assert_eq!(Pages::default().last(), None);
    }

    #[test]
    fn large_messages_fill_pages_of_their_own() {
        let mut pages = Pages::default();
        let large = "x".repeat(PAGE_BYTES);
        pages.push(0, &large);
        pages.push(7, "1");
        pages.push(8, &large);
        let lengths: Vec<_> = pages.from(0).map(|(offset, text)| (offset, text.len())).collect();
        assert_eq!(lengths, [(0, PAGE_BYTES), (7, 1), (8, PAGE_BYTES)]);
    }
}
