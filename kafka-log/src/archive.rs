//! Gathers the segments of the node's own lane into chunks.
//!
//! A segment holds a few messages, because clients wait for it. A node that
//! starts again would have to read thousands of them; so a run of segments is
//! written once more, as one chunk, when it is long enough, at a cost of two
//! messages in some hundred segments. Chunks stand in registers of their own, as
//! dense as the segments'. They repeat what segments say and can be lost or late
//! without harm.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::segment::Chunk;

/// A chunk is written with so many segments …
const SEGMENTS: usize = 256;
/// … or so many bytes.
const BYTES: usize = 256 * 1024;

/// The segments that are in no chunk yet.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// The index of the next chunk.
    chunk: u64,
    /// The index of the first segment that is in no chunk.
    first: u64,
    texts: VecDeque<Arc<str>>,
    bytes: usize,
    /// A chunk is being written.
    writing: bool,
}

impl Archive {
    /// The lane has this segment; it is not gathered when a chunk has it.
    pub(crate) fn add(&mut self, index: u64, text: &Arc<str>) {
        if index == self.first + self.texts.len() as u64 {
            self.bytes += text.len();
            self.texts.push_back(Arc::clone(text));
        }
    }

    /// The register of chunk `chunk` says this.
    pub(crate) fn settled(&mut self, chunk: u64, content: &Chunk<'_>) {
        if chunk != self.chunk {
            return;
        }
        self.writing = false;
        self.chunk += 1;
        self.first = content.first + content.segments.len() as u64;
        for _ in 0..content.segments.len() {
            self.bytes -= self.texts.pop_front().map_or(0, |text| text.len());
        }
    }

    /// A chunk to be written, with its index. None when there is not enough for
    /// one, or another is being written.
    pub(crate) fn write(&mut self) -> Option<(u64, Chunk<'_>)> {
        if self.writing || (self.texts.len() < SEGMENTS && self.bytes < BYTES) {
            return None;
        }
        self.writing = true;
        let segments = self.texts.iter().map(|text| (&**text).into()).collect();
        Some((self.chunk, Chunk { first: self.first, segments }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(archive: &mut Archive, from: u64, until: u64) {
        for index in from..until {
            archive.add(index, &index.to_string().into());
        }
    }

    #[test]
    fn every_segment_is_in_one_chunk() {
        let mut archive = Archive::default();
        fill(&mut archive, 0, 255);
        assert!(archive.write().is_none(), "one is missing");
        fill(&mut archive, 255, 256);
        let (index, chunk) = archive.write().unwrap();
        assert_eq!((index, chunk.first, chunk.segments.len()), (0, 0, 256));
        let text = chunk.encode().unwrap();
        fill(&mut archive, 256, 600);
        assert!(archive.write().is_none(), "one at a time");
        archive.settled(0, &Chunk::decode(&text).unwrap());
        let (index, chunk) = archive.write().unwrap();
        assert_eq!((index, chunk.first, chunk.segments.len()), (1, 256, 344));
        assert_eq!(chunk.segments[0], "256");
    }

    #[test]
    fn a_former_lifes_chunk_counts_as_ones_own() {
        let mut archive = Archive::default();
        fill(&mut archive, 0, 300);
        assert!(archive.write().is_some());
        let former = Chunk { first: 0, segments: (0..256).map(|n| n.to_string().into()).collect() };
        archive.settled(0, &former);
        assert!(archive.write().is_none());
        fill(&mut archive, 300, 512);
        let (index, chunk) = archive.write().unwrap();
        assert_eq!((index, chunk.first, chunk.segments.len()), (1, 256, 256));
    }

    #[test]
    fn few_large_segments_make_a_chunk_too() {
        let mut archive = Archive::default();
        archive.add(0, &"x".repeat(BYTES).into());
        assert!(archive.write().is_some());
    }
}
