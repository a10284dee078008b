//! A state as text on its way to the disk or to another node, made and read slice by slice: a
//! command waits for a slice at most, however much there is.

use std::fmt::{self, Debug};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Makes a slice of a state, by its number.
type Slices = dyn Fn(usize) -> serde_json::Result<String> + Send + Sync;

/// A part of a slice, about as much as a message has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextPart {
    /// Where it begins in all of the text, in bytes.
    pub offset: usize,
    /// What it says.
    pub text: Arc<str>,
    /// Whether its slice ends with it.
    pub ends: bool,
}

/// The text of a state as it was, from a place on. Clones share the state.
#[derive(Clone)]
pub(crate) struct Image {
    slices: Arc<Slices>,
    /// How many of its slices were made.
    made: usize,
    count: usize,
    /// The last one, of which so much was taken.
    slice: String,
    taken: usize,
    /// Where the next part begins.
    pub(crate) offset: usize,
    about: usize,
}

impl Image {
    /// The text of so many slices, in parts of about so many bytes.
    pub(crate) fn of<F>(count: usize, about: usize, slices: F) -> Self
    where
        F: Fn(usize) -> serde_json::Result<String> + Send + Sync + 'static,
    {
        let slices = Arc::new(slices);
        Self { slices, made: 0, count, slice: String::new(), taken: 0, offset: 0, about }
    }

    /// Whether all was taken.
    pub(crate) fn is_taken(&self) -> bool {
        self.made == self.count && self.taken == self.slice.len()
    }
}

impl Iterator for Image {
    type Item = serde_json::Result<TextPart>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_taken() {
            return None;
        }
        if self.taken == self.slice.len() {
            match (self.slices)(self.made) {
                Ok(slice) => (self.slice, self.taken, self.made) = (slice, 0, self.made + 1),
                Err(error) => return Some(Err(error)),
            }
        }
        let rest = &self.slice[self.taken..];
        let end = (self.about..rest.len()).find(|&at| rest.is_char_boundary(at));
        let (offset, text) = (self.offset, Arc::<str>::from(&rest[..end.unwrap_or(rest.len())]));
        self.taken += text.len();
        self.offset += text.len();
        Some(Ok(TextPart { offset, text, ends: end.is_none() }))
    }
}

impl Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("offset", &self.offset).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICES: [&str; 4] = ["\"aÄÖÜß€𝄞\"", "1", "\"\"", "[\"5:\",\"\\\"\"]"];

    #[test]
    fn parts_end_behind_whole_characters_and_come_to_the_slices() {
        for about in [1, 2, 3, 5, 7, 100] {
            let mut image = Image::of(SLICES.len(), about, |number| Ok(SLICES[number].to_owned()));
            let (mut slices, mut bytes) = (vec![String::new()], 0);
            while !image.is_taken() {
                let TextPart { offset, text, ends } = image.next().unwrap().unwrap();
                assert!(offset == bytes && (1..about + 4).contains(&text.len()));
                bytes += text.len();
                *slices.last_mut().unwrap() += &text;
                slices.extend(ends.then(String::new));
            }
            assert!(image.next().is_none());
            assert_eq!(slices, [&SLICES[..], &[""]].concat());
        }
    }
}
