//! How data stands in a page: compressed with gzip, in base64.
//!
//! Numbers are columns of 32 bits below a header of JSON; `page/src/binary.js` reads them. A
//! number that needs more has its upper half in a second column of the name with `_high`, which
//! is there only if some number of the column needs it.

use std::cmp::Reverse;
use std::io::Write as _;
use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

/// What stands in a column where there is no number.
pub(super) const NONE: u32 = u32::MAX;

/// The largest number that a browser can count to.
const MOST: u64 = (1 << 53) - 1;

/// Columns of numbers, in order.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<(String, Vec<u32>)>);

impl Columns {
    pub(super) fn push(&mut self, name: &'static str, numbers: impl IntoIterator<Item = u32>) {
        self.0.push((name.to_owned(), numbers.into_iter().collect()));
    }

    /// Numbers of any size; [`NONE`] stands where there is none.
    pub(super) fn push_wide(
        &mut self,
        name: &'static str,
        numbers: impl IntoIterator<Item = Option<u64>>,
    ) {
        let halves = numbers.into_iter().map(|number| match number.map(|n| n.min(MOST)) {
            None => (NONE, 0),
            // With an upper half of nothing it would stand for no number.
            Some(number) if number == u64::from(NONE) => (NONE - 1, 0),
            Some(number) => (number as u32, (number >> 32) as u32),
        });
        let (low, high): (Vec<u32>, Vec<u32>) = halves.unzip();
        self.0.push((name.to_owned(), low));
        if high.iter().any(|half| *half > 0) {
            self.0.push((format!("{name}_high"), high));
        }
    }

    /// Ascending numbers as differences: these are small, and compress well.
    pub(super) fn push_ascending(
        &mut self,
        name: &'static str,
        first: i64,
        numbers: impl IntoIterator<Item = i64>,
    ) {
        let mut last = first;
        self.push_wide(
            name,
            numbers.into_iter().map(|number| {
                let difference = difference(last, number);
                last = last.max(number);
                Some(difference)
            }),
        );
    }

    /// All of it in one text. The header gets a list of the columns.
    pub(super) fn finish(self, mut header: Map<String, Value>) -> String {
        let lengths = self.0.iter().map(|(name, column)| (name, column.len()));
        header.insert(
            "columns".to_owned(),
            lengths.map(|(name, len)| vec![Value::from(&**name), len.into()]).collect(),
        );
        let mut header = Value::from(header).to_string().into_bytes();
        // Numbers of 32 bits begin at multiples of four bytes.
        header.resize(header.len().next_multiple_of(4), b' ');
        let mut bytes = u32::try_from(header.len()).unwrap_or(NONE).to_le_bytes().to_vec();
        bytes.append(&mut header);
        let numbers = self.0.into_iter().flat_map(|(_, column)| column);
        bytes.extend(numbers.flat_map(u32::to_le_bytes));
        compress(&bytes)
    }
}

/// Texts one after the other.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) all: String,
    /// Texts that would begin behind so many bytes are left out.
    pub(super) limit: usize,
}

impl Texts {
    /// Takes a text up; how long it is, or [`NONE`] if it is left out.
    pub(super) fn push(&mut self, text: &str) -> u32 {
        if self.all.len() < self.limit {
            return push_ascii(&mut self.all, text);
        }
        NONE
    }
}

/// Names by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) all: Vec<String>,
    numbers: FxHashMap<String, u32>,
}

impl Names {
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.all.len() as u32;
        self.all.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Keeps so many of the commonest names alone, and one for all others; which one each has now.
    pub(super) fn commonest(&mut self, numbers: Vec<u32>, most: usize) -> Vec<u32> {
        if self.all.len() <= most {
            return numbers;
        }
        let mut counts = vec![0; self.all.len()];
        numbers.iter().for_each(|number| counts[*number as usize] += 1);
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by_key(|&number| Reverse(counts[number]));
        let mut now = vec![most as u32; counts.len()];
        order.truncate(most);
        order.iter().zip(0..).for_each(|(&number, rank)| now[number] = rank);
        let others = format!("{} other types", counts.len() - most);
        let names = order.iter().map(|&number| mem::take(&mut self.all[number]));
        self.all = names.chain([others]).collect();
        numbers.iter().map(|number| now[*number as usize]).collect()
    }
}

/// What a number is more than another, as a column can have it.
pub(super) fn difference(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

pub(super) fn compress(bytes: &[u8]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    STANDARD.encode(written.expect("memory takes all that is written"))
}

/// JSON text in ASCII: a browser keeps it with a byte for each character.
pub(super) fn push_ascii(to: &mut String, json: &str) -> u32 {
    let before = to.len();
    if json.is_ascii() {
        to.push_str(json);
    } else {
        let mut units = [0; 2];
        for c in json.chars() {
            match c {
                '\0'..='\x7f' => to.push(c),
                c => c.encode_utf16(&mut units).iter().for_each(|u| *to += &format!("\\u{u:04x}")),
            }
        }
    }
    u32::try_from(to.len() - before).unwrap_or(NONE)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    pub(in super::super) fn inflate(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzDecoder::new(&*STANDARD.decode(text).unwrap()).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The header and the columns of a section, as the page reads them.
    pub(in super::super) fn unpack(text: &str) -> (Value, BTreeMap<String, Vec<u32>>) {
        let bytes = inflate(text);
        let (length, rest) = bytes.split_first_chunk().unwrap();
        let (header, mut numbers) = rest.split_at(u32::from_le_bytes(*length) as usize);
        assert_eq!(header.len() % 4, 0);
        let header: Value = serde_json::from_slice(header).unwrap();
        let mut columns = BTreeMap::new();
        for column in header["columns"].as_array().unwrap() {
            let (name, count) = (column[0].as_str().unwrap(), column[1].as_u64().unwrap());
            let (of, rest) = numbers.split_at(count as usize * 4);
            let of = of.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
            columns.insert(name.to_owned(), of);
            numbers = rest;
        }
        assert!(numbers.is_empty());
        (header, columns)
    }

    #[test]
    fn columns_stand_behind_their_header() {
        let mut columns = Columns::default();
        columns.push("plain", [7, NONE]);
        columns.push_ascending("times", -5, [-3, 0, 300]);
        let text = columns.finish(Map::from_iter([("end".to_owned(), 9.into())]));
        let (header, columns) = unpack(&text);
        assert_eq!(header["end"], 9);
        assert_eq!((&*columns["plain"], &*columns["times"]), (&[7, NONE][..], &[2, 3, 300][..]));
    }

    #[test]
    fn large_numbers_have_an_upper_half_and_small_ones_none() {
        let mut columns = Columns::default();
        let none = u64::from(NONE);
        columns.push_wide("wide", [Some(7), None, Some(none), Some(none + 6), Some(u64::MAX)]);
        columns.push_wide("small", [Some(7), None]);
        columns.push_ascending("times", 0, [1, 8_000_000_000, 8_000_000_001, i64::MAX]);
        let (_, columns) = unpack(&columns.finish(Map::new()));
        let sum = |name: &str, row: usize| {
            let high = columns.get(&format!("{name}_high")).map_or(0, |high| u64::from(high[row]));
            (high << 32) + u64::from(columns[name][row])
        };
        let wide: Vec<u64> = (0..5).map(|row| sum("wide", row)).collect();
        assert_eq!(wide, [7, none, none - 1, none + 6, MOST]);
        assert!(!columns.contains_key("small_high"));
        assert_eq!(sum("times", 1), 7_999_999_999);
        assert_eq!(sum("times", 2), 1, "what follows is where it is");
    }

    #[test]
    fn of_very_many_names_the_commonest_are_kept() {
        let mut names = Names::default();
        let numbers = ["a", "b", "c", "b", "d", "c", "b"].map(|name| names.number(name));
        assert_eq!(names.commonest(numbers.to_vec(), 2), [2, 0, 1, 0, 2, 1, 0]);
        assert_eq!(names.all, ["b", "c", "2 other types"]);
    }

    #[test]
    fn texts_beyond_the_limit_are_left_out() {
        let mut texts = Texts { limit: 3, ..Texts::default() };
        assert_eq!(["ab", "cd", "e"].map(|text| texts.push(text)), [2, 2, NONE]);
        assert_eq!(texts.all, "abcd");
    }

    #[test]
    fn what_is_not_ascii_is_escaped_as_json_does() {
        let mut text = String::new();
        assert_eq!(push_ascii(&mut text, r#""aü🙂""#), 21);
        assert_eq!(text, r#""a\u00fc\ud83d\ude42""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "aü🙂");
    }
}
