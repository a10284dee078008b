//! Text in parts, which are shared: what a state machine comes to while it is on its way to the
//! disk or to another node.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON text in parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// Each with the offset at which it begins.
    parts: Vec<(usize, Arc<str>)>,
    bytes: usize,
}

impl Image {
    /// A value's JSON text, in parts of about so many bytes.
    pub(crate) fn of(value: &impl Serialize, about: usize) -> serde_json::Result<Self> {
        let mut writer = Writer { image: Self::default(), part: Vec::new(), about };
        // Most of what is written at once are some bytes.
        let mut buffered = BufWriter::new(&mut writer);
        serde_json::to_writer(&mut buffered, value)?;
        buffered.flush().map_err(serde_json::Error::io)?;
        drop(buffered);
        writer.end_part();
        Ok(writer.image)
    }

    /// The value whose text this is.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        // In one piece it is read several times as fast.
        let texts: Vec<&str> = self.parts.iter().map(|(_, text)| &**text).collect();
        serde_json::from_str(&texts.concat())
    }

    pub(crate) fn push(&mut self, part: Arc<str>) {
        let begin = self.bytes;
        self.bytes += part.len();
        self.parts.push((begin, part));
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The part that begins there.
    pub(crate) fn part(&self, offset: usize) -> Option<&Arc<str>> {
        let found = self.parts.binary_search_by_key(&offset, |(begin, _)| *begin);
        found.ok().map(|at| &self.parts[at].1)
    }

    /// Its parts, each with its offset.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = (usize, Arc<str>)> {
        self.parts.into_iter()
    }
}

/// Cuts what is written into parts.
struct Writer {
    image: Image,
    part: Vec<u8>,
    about: usize,
}

impl Writer {
    /// Ends the part, unless that is within a character.
    fn end_part(&mut self) {
        if let Ok(text) = str::from_utf8(&self.part)
            && !text.is_empty()
        {
            self.image.push(text.into());
            self.part.clear();
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.about.saturating_sub(self.part.len()).max(1);
        let taken = room.min(bytes.len());
        self.part.extend_from_slice(&bytes[..taken]);
        if self.part.len() >= self.about {
            self.end_part();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_behind_whole_characters_and_come_to_the_value() {
        let value = ["aÄÖÜß€𝄞".repeat(9), String::new(), "\"\\".repeat(9)];
        let whole = serde_json::to_string(&value).unwrap();
        for about in [1, 2, 3, 5, 7, 100, 1000] {
            let image = Image::of(&value, about).unwrap();
            let parts: Vec<_> = image.clone().into_parts().map(|(_, text)| text).collect();
            assert_eq!(parts.concat(), whole);
            assert!(parts.iter().all(|part| !part.is_empty() && part.len() < about + 4));
            assert_eq!(image.value::<[String; 3]>().unwrap(), value);
        }
    }

    #[test]
    fn a_part_is_known_by_where_it_begins() {
        let image = Image::of(&1_234_567, 3).unwrap();
        let parts = [0, 1, 3, 6, 7].map(|offset| image.part(offset).map(|part| &**part));
        assert_eq!(parts, [Some("123"), None, Some("456"), Some("7"), None]);
        assert_eq!(image.len(), 7);
    }
}
