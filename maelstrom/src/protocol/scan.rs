//! Reading the usual line by hand, which costs half of what a general parser takes: an
//! object without white space, whose names and addresses have no escapes.
//!
//! Whatever is not as usual, a line that is malformed included, is left to `serde_json`.
//! So a line that is read here is one that `serde_json` reads in the same way.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::fields::Fields;
use super::{Envelope, Header};

/// So many digits are a number of 64 bits; what follows them is not as usual.
const DIGITS: usize = 18;

/// The bytes that end a string, or that are not in it as they are.
const IS_SPECIAL: [bool; 256] = {
    let mut is_special = [false; 256];
    let mut byte = 0;
    while byte < b' ' as usize {
        is_special[byte] = true;
        byte += 1;
    }
    is_special[b'"' as usize] = true;
    is_special[b'\\' as usize] = true;
    is_special
};

/// Reads a line; `None` if it is not as usual.
pub(super) fn scan(line: &str) -> Option<Envelope<'_>> {
    let mut scanner = Scanner { line, at: 0 };
    let envelope = scanner.envelope()?;
    (scanner.at == line.len()).then_some(envelope)
}

/// A line, and how much of it was read.
struct Scanner<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn envelope(&mut self) -> Option<Envelope<'a>> {
        let (mut src, mut dest, mut body) = (None, None, None);
        self.object(|scanner, name| {
            match &scanner.line.as_bytes()[name] {
                b"src" => src = Some(scanner.string()?),
                b"dest" => dest = Some(scanner.string()?),
                b"body" => body = Some(scanner.body()?),
                _ => scanner.value()?,
            }
            Some(())
        })?;
        let text = |place: Range<usize>| self.line[place].into();
        let (header, fields) = body?;
        Some(Envelope { src: text(src?), dest: text(dest?), header, fields: Some(fields) })
    }

    fn body(&mut self) -> Option<(Header<'a>, Fields)> {
        let (mut kind, mut msg_id, mut in_reply_to) = (None, None, None);
        let mut fields = Fields::of_body_at(self.at);
        self.object(|scanner, name| {
            match &scanner.line.as_bytes()[name.clone()] {
                b"type" => kind = Some(scanner.string()?),
                b"msg_id" => msg_id = Some(scanner.integer()?),
                b"in_reply_to" => in_reply_to = Some(scanner.integer()?),
                _ => {
                    let from = scanner.at;
                    scanner.value()?;
                    fields.add(name, from..scanner.at);
                }
            }
            Some(())
        })?;
        Some((Header { kind: self.line[kind?].into(), msg_id, in_reply_to }, fields))
    }

    /// Reads an object that is not empty: `field` is called behind each name, and reads the
    /// value.
    fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, Range<usize>) -> Option<()>,
    ) -> Option<()> {
        self.skip(b'{')?;
        loop {
            let name = self.string()?;
            self.skip(b':')?;
            field(self, name)?;
            if self.skip(b',').is_none() {
                return self.skip(b'}');
            }
        }
    }

    /// Reads a string; where its characters stand.
    fn string(&mut self) -> Option<Range<usize>> {
        let from = self.at + 1;
        let text = self.rest().strip_prefix(b"\"")?;
        let end = from + text.iter().position(|&byte| IS_SPECIAL[usize::from(byte)])?;
        self.at = end;
        self.skip(b'"').map(|()| from..end)
    }

    /// Reads a number without sign, fraction and exponent.
    fn integer(&mut self) -> Option<u64> {
        let (mut number, mut digits) = (0, 0);
        for digit in self.rest().iter().take_while(|byte| byte.is_ascii_digit()).take(DIGITS) {
            number = number * 10 + u64::from(digit - b'0');
            digits += 1;
        }
        let has_leading_zero = digits > 1 && self.rest()[0] == b'0';
        self.at += digits;
        (digits > 0 && !has_leading_zero).then_some(number)
    }

    /// Skips any value.
    fn value(&mut self) -> Option<()> {
        let from = self.at;
        if self.string().is_some() || self.integer().is_some() {
            return Some(());
        }
        self.at = from;
        let values = serde_json::Deserializer::from_str(&self.line[from..]);
        let mut values = values.into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        (self.line.as_bytes().get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    fn rest(&self) -> &'a [u8] {
        &self.line.as_bytes()[self.at..]
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Lines that are as usual, and lines that are not, though some of them are messages.
    #[test]
    fn what_is_read_by_hand_is_what_a_general_parser_reads() {
        for (is_usual, line) in [
            (true, r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1,"echo":"é"}}"#),
            (true, r#"{"id":7,"body":{"a":[1, {"b":-1.5e3}],"type":"x"},"dest":"n0","src":"c1"}"#),
            (true, r#"{"src":"a","src":"b","dest":"c","body":{"in_reply_to":0,"type":""}}"#),
            (true, r#"{"src":"a","dest":"b","body":{"type":"x","text":"\"\u00e9","end":null}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","large":123456789012345678901}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","msg_id":12345678901234567890}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","msg_id":null}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","msg_id":01}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","n":01}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","n":1.5}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","n":1,}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x","n":[}}"#),
            (false, "{\"src\":\"a\nb\",\"dest\":\"b\",\"body\":{\"type\":\"x\"}}"),
            (false, r#"{"src":"\u0061","dest":"b","body":{"type":"x"}}"#),
            (false, r#"{"src":"a","dest":"b","body":{"type":"x"}}}"#),
            (false, r#"{"src":"a","dest":"b", "body":{"type":"x"}}"#),
            (false, r#"{"src":"a","dest":"b","body":{}}"#),
            (false, r#"{"src":"a","dest":"b"}"#),
        ] {
            let Some(scanned) = scan(line) else {
                assert!(!is_usual, "{line}");
                continue;
            };
            assert!(is_usual, "{line}");
            assert_eq!(shown(&scanned, line), shown(&parsed(line), line));
        }
    }

    /// A line that is almost as usual is read as usual, or left alone.
    #[test]
    fn lines_with_bytes_changed_are_read_as_a_general_parser_reads_them() {
        const LINES: [&str; 3] = [
            r#"{"src":"c1","dest":"n0","body":{"type":"txn","msg_id":12,"txn":[["r",1,null]]}}"#,
            r#"{"id":70,"dest":"n0","body":{"in_reply_to":0,"type":"ok","e":-1.5e3},"src":"c"}"#,
            r#"{"src":"é","dest":"b","body":{"a":"\"\u00e9","type":"x","type":"y","a":{"b":{}}}}"#,
        ];
        const BYTES: &[u8] = b"\"\\{}[]:,0123456789eE+-. \ntrulfasbody";
        let (mut rng, mut read) = (StdRng::seed_from_u64(1), 0);
        for _ in 0..200_000 {
            let mut line = LINES[rng.random_range(0..LINES.len())].as_bytes().to_vec();
            for _ in 0..rng.random_range(1..=3) {
                let at = rng.random_range(0..line.len());
                let byte = BYTES[rng.random_range(0..BYTES.len())];
                match rng.random_range(0..3) {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    _ => drop(line.remove(at)),
                }
            }
            let Ok(line) = str::from_utf8(&line) else { continue };
            if let Some(scanned) = scan(line) {
                assert_eq!(shown(&scanned, line), shown(&parsed(line), line), "{line}");
                read += 1;
            }
        }
        assert!(read > 20_000, "{read}");
    }

    fn parsed(line: &str) -> Envelope<'_> {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn shown(envelope: &Envelope<'_>, line: &str) -> String {
        let Envelope { src, dest, header, .. } = envelope;
        let body = envelope.decode_body::<serde_json::Map<String, serde_json::Value>>(line);
        format!("{src} {dest} {header:?} {:?}", body.ok())
    }
}
