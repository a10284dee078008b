//! The messages of one key, in memory, as small as their text.
//!
//! Messages stand one after another in pages: the raw JSON in one string, and
//! beside it where each message ends and which offset it has. A full page is
//! never touched again, so an append costs the same however long the log is,
//! and nothing large is ever copied. A message costs its text and 16 bytes; a
//! read finds its page and its place in it by binary search, and costs what it
//! returns.
//!
//! Always: offsets rise strictly.

/// A page is full with so many messages …
const PAGE_MESSAGES: usize = 512;
/// … or so many bytes, whichever comes first.
const PAGE_BYTES: usize = 64 * 1024;

/// Messages in the order of their offsets.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pages: Vec<Page>,
}

#[derive(Debug, Default)]
struct Page {
    offsets: Vec<u64>,
    /// Where each message ends in `text`.
    ends: Vec<usize>,
    text: String,
}

impl Pages {
    /// Appends a message, whose offset must be above all others.
    pub(crate) fn push(&mut self, offset: u64, text: &str) {
        debug_assert!(self.last().is_none_or(|last| last < offset), "offsets rise");
        if self.pages.last().is_none_or(Page::is_full) {
            if let Some(full) = self.pages.last_mut() {
                full.shrink();
            }
            self.pages.push(Page::default());
        }
        if let Some(page) = self.pages.last_mut() {
            page.offsets.push(offset);
            page.text.push_str(text);
            page.ends.push(page.text.len());
        }
    }

    /// The messages from `offset` on.
    pub(crate) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let skipped = self.pages.partition_point(|page| page.last() < Some(offset));
        let pages = self.pages.get(skipped..).unwrap_or_default();
        pages.iter().flat_map(move |page| {
            let first = page.offsets.partition_point(|&at| at < offset);
            (first..page.offsets.len()).map(|n| (page.offsets[n], page.message(n)))
        })
    }

    /// The highest offset.
    pub(crate) fn last(&self) -> Option<u64> {
        self.pages.last().and_then(Page::last)
    }
}

impl Page {
    fn is_full(&self) -> bool {
        self.offsets.len() >= PAGE_MESSAGES || self.text.len() >= PAGE_BYTES
    }

    fn last(&self) -> Option<u64> {
        self.offsets.last().copied()
    }

    fn message(&self, n: usize) -> &str {
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.text[start..self.ends[n]]
    }

    fn shrink(&mut self) {
        self.offsets.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.text.shrink_to_fit();
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
        let pages = every_third(5000);
        for offset in [0_u64, 1, 2, 3, 1535, 1536, 1537, 3071, 3072, 14_996, 14_997] {
            let expected = offset.div_ceil(3);
            let read: Vec<_> = pages.from(offset).take(2).collect();
            assert_eq!(read[0], (3 * expected, expected.to_string().as_str()), "from {offset}");
        }
        assert_eq!(pages.from(14_998).count(), 0);
        assert_eq!(pages.from(0).count(), 5000);
        assert_eq!(pages.last(), Some(14_997));
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
