//! The contents of a file: what is there, and how to take back what is not synced.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Contents that were not synced as a whole.
#[derive(Clone, Default)]
pub(super) struct Inode {
    /// Copied when it is written to, so that a copy of a disk costs little.
    bytes: Arc<Vec<u8>>,
    /// The changes since the last sync, each with what takes it back.
    unsynced: Vec<Change>,
    /// How many of them, from the first on, no sync makes durable: one of them failed.
    forsaken: usize,
}

/// Everything from `offset` on was `removed`, then `added` bytes took its place;
/// what both have in common in length is an overwrite, the rest makes the file
/// longer or shorter.
#[derive(Clone)]
struct Change {
    offset: usize,
    removed: Vec<u8>,
    added: usize,
    /// It only made the file longer.
    is_growth: bool,
}

impl Change {
    /// Whether nothing is left of a change before this one.
    fn covers(&self, before: &Self) -> bool {
        let is_behind = self.offset + self.added >= before.offset + before.added;
        self.offset <= before.offset && (self.added == 0 || is_behind)
    }
}

impl Inode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn sync(&mut self) {
        let synced = self.unsynced.split_off(self.forsaken);
        // What was written over, or cut off, is gone in any case.
        self.unsynced.retain(|change| !synced.iter().any(|later| later.covers(change)));
        self.forsaken = self.unsynced.len();
    }

    /// A sync failed: nothing makes durable what was to be.
    pub(super) fn forsake(&mut self) {
        self.forsaken = self.unsynced.len();
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let start = offset.min(self.bytes.len());
        let end = (offset + bytes.len()).min(self.bytes.len()).max(start);
        let removed = self.bytes[start..end].to_vec();
        let added = offset + bytes.len() - start;
        self.unsynced.push(Change { offset: start, removed, added, is_growth: false });
        self.put(offset, bytes);
    }

    /// Cuts the end off, or appends zeros.
    pub(super) fn truncate(&mut self, length: usize) {
        let offset = length.min(self.bytes.len());
        let removed = self.bytes[offset..].to_vec();
        let added = length - offset;
        self.unsynced.push(Change { offset, removed, added, is_growth: added > 0 });
        self.bytes_mut().resize(length, 0);
    }

    /// Keeps some of the unsynced changes, and perhaps only a part of the last of
    /// them that is kept.
    pub(super) fn lose_unsynced(&mut self, rng: &mut StdRng) {
        self.forsaken = 0;
        let mut redo = Vec::new();
        while let Some(change) = self.unsynced.pop() {
            redo.push(self.take_back(change));
        }
        redo.reverse();
        let mut kept: Vec<bool> = redo.iter().map(|_| rng.random()).collect();
        // File systems with a journal grow a file before what is written to it later.
        let last = kept.iter().rposition(|kept| *kept).unwrap_or(0);
        for (kept, (_, redo)) in kept[..last].iter_mut().zip(&redo) {
            *kept |= matches!(redo, Redo::Grow(_));
        }
        let mut kept = kept.into_iter();
        redo.retain(|_| kept.next().unwrap_or(false));
        if rng.random()
            && let Some((_, Redo::Write(bytes))) = redo.last_mut()
        {
            bytes.truncate(rng.random_range(0..=bytes.len()));
        }
        for (offset, redo) in redo {
            match redo {
                Redo::Write(bytes) => self.put(offset, &bytes),
                Redo::Grow(length) => {
                    let length = self.bytes.len().max(length);
                    self.bytes_mut().resize(length, 0);
                }
                Redo::Cut => self.bytes_mut().truncate(offset),
            }
        }
    }

    /// Loses all changes that are not synced.
    pub(super) fn forget_unsynced(&mut self) {
        while let Some(change) = self.unsynced.pop() {
            self.take_back(change);
        }
    }

    /// Cuts the last write, if it is not synced, at a random byte. All before it is
    /// durable.
    pub(super) fn tear(&mut self, rng: &mut StdRng) {
        if let Some(change) = self.unsynced.last() {
            let kept = if change.added > 0 { rng.random_range(0..change.added) } else { 0 };
            self.cut(kept);
        }
        (self.unsynced, self.forsaken) = (Vec::new(), 0);
    }

    /// Keeps so many bytes of the last write, if it is not synced.
    pub(super) fn cut(&mut self, kept: usize) {
        let Some(change) = self.unsynced.pop() else { return };
        if let (offset, Redo::Write(bytes)) = self.take_back(change) {
            self.write(offset, &bytes[..kept.min(bytes.len())]);
        }
    }

    pub(super) fn flip(&mut self, place: usize, bit: u32) {
        self.bytes_mut()[place] ^= 1 << bit;
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let (present, end) = (self.bytes_mut(), offset + bytes.len());
        if present.len() < end {
            present.resize(end, 0);
        }
        present[offset..end].copy_from_slice(bytes);
    }

    fn bytes_mut(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.bytes)
    }

    /// Takes the last change back; what would bring it about again.
    fn take_back(&mut self, change: Change) -> (usize, Redo) {
        let Change { offset, removed, added, is_growth } = change;
        let end = offset + added;
        let redo = match added {
            0 => Redo::Cut,
            _ if is_growth => Redo::Grow(end),
            _ => Redo::Write(self.bytes[offset..end].to_vec()),
        };
        let kept = offset + removed.len();
        if kept < end && end == self.bytes.len() {
            // It had made the file longer, up to here.
            self.bytes_mut().truncate(kept);
        } else if kept < end {
            // What was synced later stays.
            self.bytes_mut()[kept..end].fill(0);
        }
        self.put(offset, &removed);
        (offset, redo)
    }
}

/// What is found, and what of it is durable.
impl Hash for Inode {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.bytes, self.unsynced.len(), self.forsaken).hash(hasher);
    }
}

enum Redo {
    Write(Vec<u8>),
    /// The file is at least so long.
    Grow(usize),
    /// The file ends here.
    Cut,
}
