//! The contents of a file: what is there, and how to take back what is not synced.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Contents that were not synced as a whole.
#[derive(Default)]
pub(super) struct Inode {
    bytes: Vec<u8>,
    /// The changes since the last sync, each with what takes it back.
    unsynced: Vec<Change>,
}

/// Everything from `offset` on was `removed`, then `added` bytes took its place;
/// what both have in common in length is an overwrite, the rest makes the file
/// longer or shorter.
struct Change {
    offset: usize,
    removed: Vec<u8>,
    added: usize,
}

impl Inode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let start = offset.min(self.bytes.len());
        let end = (offset + bytes.len()).min(self.bytes.len()).max(start);
        let removed = self.bytes[start..end].to_vec();
        self.unsynced.push(Change { offset: start, removed, added: offset + bytes.len() - start });
        self.put(offset, bytes);
    }

    /// Cuts the end off, or appends zeros.
    pub(super) fn truncate(&mut self, length: usize) {
        let offset = length.min(self.bytes.len());
        let removed = self.bytes[offset..].to_vec();
        self.unsynced.push(Change { offset, removed, added: length - offset });
        self.bytes.resize(length, 0);
    }

    /// Keeps some of the unsynced changes, and perhaps only a part of the last of
    /// them that is kept.
    pub(super) fn lose_unsynced(&mut self, rng: &mut StdRng) {
        let mut redo = Vec::new();
        while let Some(change) = self.unsynced.pop() {
            redo.push(self.take_back(change));
        }
        redo.reverse();
        redo.retain(|_| rng.random());
        if rng.random()
            && let Some((_, Redo::Write(bytes))) = redo.last_mut()
        {
            bytes.truncate(rng.random_range(0..=bytes.len()));
        }
        for (offset, redo) in redo {
            match redo {
                Redo::Write(bytes) => self.put(offset, &bytes),
                Redo::Cut => self.bytes.truncate(offset),
            }
        }
    }

    /// Cuts the last write, if it is not synced, at a random byte. All before it is
    /// durable.
    pub(super) fn tear(&mut self, rng: &mut StdRng) {
        let Some(change) = self.unsynced.pop() else { return };
        self.unsynced.clear();
        if let (offset, Redo::Write(bytes)) = self.take_back(change) {
            let kept = rng.random_range(0..bytes.len().max(1));
            self.put(offset, &bytes[..kept]);
        }
    }

    pub(super) fn flip(&mut self, place: usize, bit: u32) {
        self.bytes[place] ^= 1 << bit;
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    /// Takes the last change back; what would bring it about again.
    fn take_back(&mut self, change: Change) -> (usize, Redo) {
        let Change { offset, removed, added } = change;
        let end = offset + added;
        let redo = match added {
            0 => Redo::Cut,
            _ => Redo::Write(self.bytes[offset..end].to_vec()),
        };
        if removed.len() < added {
            // It had made the file longer, up to here.
            self.bytes.truncate(offset + removed.len());
        }
        self.put(offset, &removed);
        (offset, redo)
    }
}

enum Redo {
    Write(Vec<u8>),
    /// The file ends here.
    Cut,
}
