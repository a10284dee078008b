//! What clients send: the original's integers, or values of every JSON kind.
//!
//! Values are numbered, and no two numbers have the same value, so that what is read
//! tells which write it came from.

use checkers::history::raw;
use serde_json::value::RawValue;

use crate::settings::Values;

/// The first values of [`Values::Any`]: whatever is at the edge of something.
const EDGES: [&str; 34] = [
    "null",
    "0",
    "0.0",
    "false",
    r#""""#,
    "[]",
    "{}",
    "true",
    r#""0""#,
    "[0]",
    r#"{"i":-0}"#,
    r#"{"f":-0.0}"#,
    "-1",
    "1",
    "1.0",
    r#""null""#,
    "[null]",
    r#"{"":null}"#,
    "[[],{}]",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "123456789012345678901234567890",
    "1.7976931348623157e308",
    "5e-324",
    r#""\u0000\u001f""#,
    r#""\"\\\/\b\f\n\r\t""#,
    r#""\u00e9""#,
    r#""e\u0301""#,
    r#""\ud83d\ude00""#,
    r#"{"b":[1,{"c":null}],"a":"x"}"#,
    "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
    r#"{"type":"error","code":13,"msg_id":1,"in_reply_to":1}"#,
];

/// Every which value of [`Values::Large`] is large.
const LARGE: u64 = 16;

impl Values {
    /// The value of a number.
    pub(super) fn json(self, number: u64) -> Box<RawValue> {
        let text = match self {
            Self::Integers => return raw(&number),
            Self::Large if number % LARGE == LARGE - 1 => large(number),
            Self::Any | Self::Large => any(number),
        };
        RawValue::from_string(text).unwrap_or_else(|_| unreachable!("JSON of our own"))
    }
}

/// An edge, or what no edge looks like: all kinds in turn.
fn any(number: u64) -> String {
    if let Some(edge) = usize::try_from(number).ok().and_then(|number| EDGES.get(number)) {
        return (*edge).to_owned();
    }
    match number % 8 {
        0 => format!("{number}"),
        1 => format!("-{number}.25"),
        2 => format!(r#""{number} \"\u0041\\\/\n\ud83d\ude00 ü""#),
        3 => format!(r#"[{number},null,["x",{{}}],true]"#),
        4 => format!(r#"{{"z":{number},"a":[0.5,"{number}"]}}"#),
        5 => format!("1{number:024}"),
        6 => format!("{number}e3"),
        _ => format!(r#""{number}""#),
    }
}

/// A string of a megabyte, 128 or 16 kB, and so on through seven sizes.
fn large(number: u64) -> String {
    let size = 1_usize << (20 - number / LARGE * 3 % 7);
    let start = format!(r#""{number} "#);
    let filler = "x".repeat(size.saturating_sub(start.len() + 1));
    format!(r#"{start}{filler}""#)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use maelstrom::protocol::json::{Fractions, canonical};

    use super::*;

    #[test]
    fn no_value_comes_twice() {
        for values in [Values::Integers, Values::Any, Values::Large] {
            let count = if values == Values::Large { 300 } else { 3000 };
            let all: HashSet<String> = (0..count)
                .map(|number| canonical(values.json(number).get(), Fractions::Doubles).into_owned())
                .collect();
            assert_eq!(all.len() as u64, count, "{values:?}");
        }
    }

    #[test]
    fn the_largest_values_have_a_megabyte() {
        let sizes = (0..200).map(|number| Values::Large.json(number).get().len());
        assert_eq!(sizes.max(), Some(1 << 20));
    }
}
