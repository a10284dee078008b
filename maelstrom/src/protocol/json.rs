//! When two JSON texts are the same value.
//!
//! The canonical form of a text is equal for two texts exactly when they are the same
//! value, and is JSON of the same value itself. So canonical forms serve as keys of
//! maps. Of values the same:
//!
//! - white space, escapes and the order of an object's members do not matter; of members
//!   with one name the last one counts;
//! - an integer is never a fraction: `1` is not `1.0`, and integers are exact at any size;
//! - what fractions have in common is a choice, see [`Fractions`]; zero has no sign.
//!
//! What a Unicode string cannot hold (half a surrogate pair), fractions beyond what their
//! choice can hold, and lists and objects within more than [`MAX_DEPTH`] others are
//! compared by their text. [`try_canonical`] refuses the first and the last of these.
//!
//! | who | fractions |
//! | --- | --- |
//! | broadcast, which must not take two values for one | exact |
//! | services, checkers, keys of transactions: as the original, which reads JSON into Clojure's values | doubles |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::envelope::Text;

/// How deep values are looked into. The bound keeps a hostile sender's brackets from
/// using up the stack.
pub const MAX_DEPTH: usize = 64;

/// When two numbers with a fraction or an exponent are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fractions {
    /// When no digit that counts differs: `1.50` is `15e-1`.
    Exact,
    /// When they round to the same IEEE 754 double, which is what most readers of JSON
    /// make of them.
    Doubles,
}

/// Why a text has no canonical form of its own.
#[derive(Debug, thiserror::Error)]
pub enum NoForm {
    /// Lists and objects within one another, too many.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// JSON allows it, Unicode does not: half a surrogate pair.
    #[error("no Unicode: {0}")]
    NotUnicode(#[from] serde_json::Error),
}

/// The canonical form of a JSON text. Most scalars are written in it, and borrowed.
///
/// ```
/// use maelstrom::protocol::json::{Fractions, canonical};
///
/// let form = canonical(r#" {"b": 1.50, "a": "\u0041"} "#, Fractions::Exact);
/// assert_eq!(form, r#"{"a":"A","b":15e-1}"#);
/// ```
pub fn canonical(text: &str, fractions: Fractions) -> Cow<'_, str> {
    form(text, fractions).0
}

/// The canonical form of a JSON text that has one.
///
/// # Errors
///
/// When a part of it would have to be compared by its text.
pub fn try_canonical(text: &str, fractions: Fractions) -> Result<Cow<'_, str>, NoForm> {
    match form(text, fractions) {
        (form, None) => Ok(form),
        (_, Some(problem)) => Err(problem),
    }
}

/// Whether two JSON texts are the same value.
pub fn is_same(a: &str, b: &str, fractions: Fractions) -> bool {
    a == b || canonical(a, fractions) == canonical(b, fractions)
}

/// A JSON text, opened by one level: what is inside is text yet.
#[derive(Debug)]
pub enum Level<'a> {
    /// `null`, `true` or `false`, spelt like this.
    Word(&'a str),
    /// An integer's digits, perhaps with a minus sign; never `-0`.
    Integer(&'a str),
    /// A number with a fraction or an exponent.
    Fraction(&'a str),
    /// A string.
    String(Cow<'a, str>),
    /// A list.
    List(Vec<&'a RawValue>),
    /// An object; of members with one name the last.
    Object(BTreeMap<String, &'a RawValue>),
}

impl<'a> Level<'a> {
    /// Opens a JSON text without white space around it.
    ///
    /// # Errors
    ///
    /// When it is no JSON, or no Unicode.
    pub fn open(text: &'a str) -> serde_json::Result<Self> {
        Ok(match text.as_bytes().first() {
            Some(b'"') => Self::String(serde_json::from_str::<Text<'a>>(text)?.0),
            Some(b'[') => Self::List(serde_json::from_str(text)?),
            Some(b'{') => Self::Object(serde_json::from_str(text)?),
            Some(b'-' | b'0'..=b'9') if text.contains(['.', 'e', 'E']) => Self::Fraction(text),
            Some(b'-' | b'0'..=b'9') => Self::Integer(if text == "-0" { "0" } else { text }),
            _ => Self::Word(text),
        })
    }
}

/// The type of a JSON text without white space around it, in words: `an integer`.
///
/// ```
/// use maelstrom::protocol::json::type_of;
///
/// assert_eq!([type_of("-1"), type_of("1.0"), type_of("[]")], ["an integer", "a float", "a list"]);
/// ```
pub fn type_of(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ if text.contains(['.', 'e', 'E']) => "a float",
        _ => "an integer",
    }
}

/// What a decoder found wrong, in words and without position and value: what is wrong stands
/// beside it mostly, and the same mistake made twice is the same mistake.
///
/// ```
/// use maelstrom::protocol::json::in_words;
///
/// let error = serde_json::from_str::<Vec<i64>>(r#"[1, "2"]"#).unwrap_err();
/// assert_eq!(in_words(&error), "a string instead of an integer");
/// ```
pub fn in_words(error: &serde_json::Error) -> String {
    let error = error.to_string();
    let error = error.rfind(" at line ").map_or(&*error, |position| &error[..position]);
    let (found, expected) = error.rsplit_once(", expected ").unwrap_or((error, ""));
    let expected = match expected {
        "i64" | "u64" => "an integer".to_owned(),
        "a map" => "an object".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => other.replace("a tuple of size ", "a list of "),
    };
    if let Some(found) = found.strip_prefix("invalid type: ") {
        format!("{} instead of {expected}", named(found))
    } else if let Some(length) = found.strip_prefix("invalid length ") {
        format!("a list of {length} instead of {expected}")
    } else if found.starts_with("invalid value: ") {
        format!("a value that is out of range for {expected}")
    } else if error == "trailing characters" {
        "a list that is too long".to_owned()
    } else {
        error.to_owned()
    }
}

/// What the decoder calls a value of a type.
fn named(found: &str) -> &'static str {
    const NAMES: [(&str, &str); 7] = [
        ("null", "null"),
        ("boolean", "a boolean"),
        ("integer", "an integer"),
        ("floating point", "a float"),
        ("string", "a string"),
        ("sequence", "a list"),
        ("map", "an object"),
    ];
    let known = NAMES.iter().find(|(name, _)| found.starts_with(name));
    known.map_or("something else", |(_, words)| words)
}

/// A finite double, without the sign of a zero.
pub fn double(fraction: &str) -> Option<f64> {
    // Adding zero makes the negative zero positive.
    fraction.parse().ok().map(|double: f64| double + 0.0).filter(|double| double.is_finite())
}

fn form(text: &str, fractions: Fractions) -> (Cow<'_, str>, Option<NoForm>) {
    let text = text.trim_ascii();
    if is_canonical(text) {
        return (Cow::Borrowed(text), None);
    }
    let mut writer = Writer { out: String::with_capacity(text.len()), fractions, problem: None };
    writer.write(text, 0);
    (Cow::Owned(writer.out), writer.problem)
}

/// Whether this is a scalar as most programs write it, which is its canonical form.
fn is_canonical(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'"') => !text.contains('\\'),
        Some(b'-' | b'0'..=b'9') => text != "-0" && !text.contains(['.', 'e', 'E']),
        Some(b'[' | b'{') => false,
        _ => true,
    }
}

struct Writer {
    out: String,
    fractions: Fractions,
    /// The first one.
    problem: Option<NoForm>,
}

impl Writer {
    /// Appends the canonical form of what is within so many lists and objects.
    fn write(&mut self, text: &str, depth: usize) {
        if depth == MAX_DEPTH && text.starts_with(['[', '{']) {
            return self.write_as_is(text, NoForm::TooDeep);
        }
        match Level::open(text) {
            Ok(Level::Word(text) | Level::Integer(text)) => self.out.push_str(text),
            Ok(Level::Fraction(text)) => self.write_fraction(text),
            Ok(Level::String(string)) => self.write_string(&string),
            Ok(Level::List(items)) => {
                self.write_all(['[', ']'], items, |writer, item| {
                    writer.write(item.get(), depth + 1);
                });
            }
            Ok(Level::Object(members)) => {
                self.write_all(['{', '}'], members, |writer, (name, value)| {
                    writer.write_string(&name);
                    writer.out.push(':');
                    writer.write(value.get(), depth + 1);
                });
            }
            Err(error) => self.write_as_is(text, error.into()),
        }
    }

    fn write_as_is(&mut self, text: &str, problem: NoForm) {
        self.out.push_str(text);
        self.problem.get_or_insert(problem);
    }

    fn write_all<T>(
        &mut self,
        [open, close]: [char; 2],
        parts: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.out.push(open);
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write(self, part);
        }
        self.out.push(close);
    }

    fn write_string(&mut self, string: &str) {
        let _ = write!(self.out, "{}", serde_json::Value::from(string));
    }

    fn write_fraction(&mut self, text: &str) {
        let form = match self.fractions {
            Fractions::Exact => exact(text),
            Fractions::Doubles => {
                double(text).map(|double| serde_json::Value::from(double).to_string())
            }
        };
        self.out.push_str(form.as_deref().unwrap_or(text));
    }
}

/// `<digits>e<exponent>`, without zeros at either end of the digits; `None` if the
/// exponent is out of all bounds.
fn exact(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0e0".to_owned());
    }
    let shift = (digits.len() - significant.len()) as i64 - fraction.len() as i64;
    let exponent = exponent.parse::<i64>().ok()?.checked_add(shift)?;
    Some(format!("{sign}{significant}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_mistake_has_the_same_name_whatever_the_value() {
        fn problem<T: serde::de::DeserializeOwned>(text: &str) -> String {
            in_words(&serde_json::from_str::<T>(text).err().expect(text))
        }
        let pairs = problem::<Vec<(i64, bool)>>;
        let string = "a string instead of an integer";
        assert_eq!(pairs(r#"[["0", true]]"#), string);
        assert_eq!(pairs(r#"[[1, true], ["say \"7\", expected 8", true]]"#), string);
        assert_eq!(pairs("[[1.5, true]]"), "a float instead of an integer");
        assert_eq!(pairs("[[null, true]]"), "null instead of an integer");
        assert_eq!(pairs("[[[], true]]"), "a list instead of an integer");
        assert_eq!(pairs("[[1, 3]]"), "an integer instead of a boolean");
        assert_eq!(pairs("[3]"), "an integer instead of a list of 2");
        assert_eq!(pairs("[{}]"), "an object instead of a list of 2");
        assert_eq!(pairs("[[1]]"), "a list of 1 instead of a list of 2");
        assert_eq!(pairs("[[1, true, 2]]"), "a list that is too long");
        assert_eq!(pairs("{}"), "an object instead of a list");
        assert_eq!(pairs("true"), "a boolean instead of a list");
        assert_eq!(
            pairs("[[9223372036854775808, true]]"),
            "a value that is out of range for an integer"
        );
        type Map = std::collections::BTreeMap<String, i64>;
        assert_eq!(problem::<Map>("[]"), "a list instead of an object");
        assert_eq!(problem::<Map>("x"), "expected value");
        assert_eq!(problem::<Map>("\"{}\""), "a string instead of an object");
    }
}
