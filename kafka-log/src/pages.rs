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
//! Messages that a snapshot has need not be in memory: of a log that was restored from
//! one, its parts are read when somebody asks for them, and stay then. They are the log's
//! beginning; what came since stands in pages.
//!
//! A log's beginning can be dropped: its pages and parts then go as a whole, when
//! everything on them was dropped.
//!
//! Always: offsets rise strictly; no page but the open one is empty; what is in `stored`
//! and what is in pages overlap or touch, so that together they have every message.

use std::collections::BTreeMap;

use crate::snapshot::{Part, Stored};

/// A page is full with so many messages …
const PAGE_MESSAGES: usize = 8192;
/// … or so many bytes, whichever comes first.
const PAGE_BYTES: usize = 256 * 1024;

/// How many parts are read ahead for a poll: a page of it is about as large.
const AHEAD: usize = 4;

/// Messages in the order of their offsets.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Which parts of snapshots have the messages up to which offset.
    stored: Vec<Stored>,
    /// So many of them have what no page has.
    cold: usize,
    /// What was read of those.
    loaded: BTreeMap<usize, FullPage>,
    full: Vec<FullPage>,
    open: OpenPage,
    /// What is below was dropped.
    start: u64,
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
    /// Of a log whose messages are in these parts.
    pub(crate) fn restored(stored: Vec<Stored>, start: u64) -> Self {
        Self { cold: stored.len(), stored, start, ..Self::default() }
    }

    /// The offset below which messages were dropped.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// The first offset above all.
    pub(crate) fn end(&self) -> u64 {
        self.last().map_or(0, |last| last + 1).max(self.start)
    }

    /// The first offset of the fewest last messages that have so many bytes, as far as
    /// pages have them; 0 if those have fewer.
    pub(crate) fn newest(&self, mut bytes: usize) -> u64 {
        if let Some(offset) = self.open.newest(&mut bytes) {
            return offset;
        }
        self.full.iter().rev().find_map(|page| page.newest(&mut bytes)).unwrap_or(0)
    }

    /// Drops what is below this offset.
    pub(crate) fn drop_below(&mut self, start: u64) {
        if start <= self.start {
            return;
        }
        self.start = start;
        let parts = self.stored.partition_point(|stored| stored.1 < start);
        self.stored.drain(..parts);
        self.cold = self.cold.saturating_sub(parts);
        let loaded = self.loaded.split_off(&parts).into_iter();
        self.loaded = loaded.map(|(n, page)| (n - parts, page)).collect();
        let full = self.full.partition_point(|page| page.last() < Some(start));
        self.full.drain(..full);
        if self.open.last() < Some(start) {
            self.open = OpenPage::default();
        }
    }

    /// Which parts of snapshots have messages of this log.
    pub(crate) fn stored(&self) -> &[Stored] {
        &self.stored
    }

    /// The first offset above those that parts have.
    pub(crate) fn stored_end(&self) -> u64 {
        self.stored.last().map_or(0, |stored| stored.1 + 1).max(self.start)
    }

    /// This part has what comes after the other parts, too.
    pub(crate) fn store(&mut self, stored: Stored) {
        if stored.1 >= self.stored_end() {
            self.stored.push(stored);
        }
    }

    /// Parts that have to be read before all messages from `offset` on can be, the first
    /// few of them.
    pub(crate) fn missing(&self, offset: u64) -> impl Iterator<Item = Part> {
        let is_loaded = self.loaded.len() == self.cold;
        let offset = offset.max(self.start);
        let first = if is_loaded { self.cold } else { self.skipped(offset) };
        let missing = (first..self.cold).filter(|n| !self.loaded.contains_key(n));
        missing.take(AHEAD).map(|n| self.stored[n].0)
    }

    /// This part has these messages.
    pub(crate) fn load(&mut self, part: Part, messages: &[(u64, &str)]) {
        let cold = self.stored[..self.cold].iter().enumerate();
        let places: Vec<usize> = cold.filter(|(_, at)| at.0 == part).map(|(n, _)| n).collect();
        for n in places {
            let from = n.checked_sub(1).map_or(0, |before| self.stored[before].1 + 1);
            let mut page = OpenPage::default();
            for &(offset, text) in messages {
                if (from..=self.stored[n].1).contains(&offset) {
                    page.push(offset, text);
                }
            }
            self.loaded.insert(n, page.seal());
        }
    }

    fn skipped(&self, offset: u64) -> usize {
        self.stored[..self.cold].partition_point(|stored| stored.1 < offset)
    }

    /// Appends a message, whose offset must be above all others.
    pub(crate) fn push(&mut self, offset: u64, text: &str) {
        debug_assert!(self.last().is_none_or(|last| last < offset), "offsets rise");
        self.open.push(offset, text);
        if self.open.is_full() {
            self.full.push(self.open.seal());
        }
    }

    /// The messages from `offset` on, up to the first [missing](Self::missing) part.
    pub(crate) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let offset = offset.max(self.start);
        let cold = (self.skipped(offset)..self.cold).map_while(|n| self.loaded.get(&n));
        let is_whole = self.missing(offset).next().is_none();
        let resident = is_whole.then(|| self.resident(offset));
        cold.flat_map(move |page| page.from(offset)).chain(resident.into_iter().flatten())
    }

    fn resident(&self, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let skipped = self.full.partition_point(|page| page.last() < Some(offset));
        let full = self.full.get(skipped..).unwrap_or_default();
        full.iter().flat_map(move |page| page.from(offset)).chain(self.open.from(offset))
    }

    /// The highest offset.
    pub(crate) fn last(&self) -> Option<u64> {
        let cold = || self.cold.checked_sub(1).map(|last| self.stored[last].1);
        self.open.last().or_else(|| self.full.last().and_then(Page::last)).or_else(cold)
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
        &self.text.as_ref()[self.begin(n)..self.ends.as_ref()[n]]
    }

    fn begin(&self, n: usize) -> usize {
        if n == 0 { 0 } else { self.ends.as_ref()[n - 1] }
    }

    /// The first offset of the fewest last messages that have so many bytes. If there
    /// are none, what is here is subtracted.
    fn newest(&self, bytes: &mut usize) -> Option<u64> {
        let len = self.text.as_ref().len();
        let Some(most) = len.checked_sub(*bytes) else {
            *bytes -= len;
            return None;
        };
        // The last message that begins at `most` or before.
        let ends = self.ends.as_ref();
        let n = ends.partition_point(|&end| end <= most).min(ends.len().checked_sub(1)?);
        self.offsets.as_ref().get(n).copied()
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
    fn a_restored_log_has_its_messages_once_their_parts_are_read() {
        let parts = [Part(9, 0), Part(9, 4), Part(3, 1)];
        let mut pages = Pages::restored(
            vec![Stored(parts[0], 5), Stored(parts[1], 7), Stored(parts[2], 10)],
            0,
        );
        assert_eq!(pages.last(), Some(10));
        pages.push(12, "12");
        let offsets = |pages: &Pages, from| -> Vec<u64> {
            pages.from(from).map(|(offset, _)| offset).collect()
        };
        assert_eq!(offsets(&pages, 11), [12], "needs no part");
        assert_eq!(offsets(&pages, 8), [] as [u64; 0], "10 is missing, and 12 comes after it");
        assert!(pages.missing(0).eq(parts));
        assert!(pages.missing(6).eq(parts[1..].iter().copied()));
        // A part may repeat what another has: two nodes wrote it.
        pages.load(parts[2], &[(5, "5"), (6, "6"), (8, "8"), (10, "10")]);
        assert_eq!(offsets(&pages, 8), [8, 10, 12]);
        assert_eq!(offsets(&pages, 6), [] as [u64; 0]);
        pages.load(parts[0], &[(1, "1"), (5, "5")]);
        assert_eq!(offsets(&pages, 0), [1, 5]);
        pages.load(parts[1], &[(6, "6"), (7, "7")]);
        assert_eq!(offsets(&pages, 0), [1, 5, 6, 7, 8, 10, 12]);
        assert_eq!(pages.missing(0).count(), 0);
        pages.drop_below(7);
        assert_eq!(offsets(&pages, 0), [7, 8, 10, 12]);
        assert_eq!((pages.stored().len(), pages.start(), pages.end()), (2, 7, 13));
        pages.drop_below(13);
        assert_eq!(offsets(&pages, 0), [] as [u64; 0]);
        assert_eq!((pages.stored_end(), pages.end()), (13, 13));
        pages.push(15, "15");
        assert_eq!(offsets(&pages, 0), [15]);
    }

    #[test]
    fn the_newest_messages_are_as_many_as_have_the_bytes() {
        let mut pages = every_third(PAGE_MESSAGES as u64 + 100);
        let last = pages.last().unwrap();
        assert_eq!(pages.newest(1), last);
        assert_eq!(pages.newest(4), last, "its text has four digits");
        assert_eq!(pages.newest(5), last - 3);
        assert_eq!(pages.newest(4 * 150), last - 3 * 149, "on the page before");
        assert_eq!(pages.newest(1_000_000), 0);
        let before = pages.from(300).count();
        pages.drop_below(300);
        assert_eq!((pages.from(0).count(), pages.from(0).next()), (before, Some((300, "100"))));
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
