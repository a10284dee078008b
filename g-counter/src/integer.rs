//! Integers of any size, so that no sum is ever out of range.
//!
//! On the wire they are JSON integers: in requests and answers, between nodes, and in
//! the service's registers. A client's delta has at most [`MAX_DIGITS`] digits, for
//! else one add would make every later message large. The sum of `n` such deltas has
//! at most `log10(n)` digits more.

use std::fmt;
use std::ops::{AddAssign, SubAssign};

use num_bigint::BigInt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// How many digits a delta may have.
pub const MAX_DIGITS: usize = 1_000;
/// How many any other integer may have. (2¹²⁸ deltas come to fewer.)
const MAX_SUM_DIGITS: usize = MAX_DIGITS + 40;

/// An integer of any size.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Integer(BigInt);

impl Integer {
    /// Whether it is less than 0.
    pub fn is_negative(&self) -> bool {
        *self < Self::default()
    }

    /// Reads digits, perhaps after a minus sign, but no more than `most`.
    fn parse(text: &str, most: usize) -> Result<Self, String> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("expected an integer".to_owned());
        }
        if digits.len() > most {
            return Err(format!("an integer of {} digits; at most {most} are taken", digits.len()));
        }
        text.parse().map(Self).map_err(|_| "expected an integer".to_owned())
    }
}

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

impl AddAssign<&Integer> for Integer {
    fn add_assign(&mut self, other: &Self) {
        self.0 += &other.0;
    }
}

impl SubAssign<&Integer> for Integer {
    fn sub_assign(&mut self, other: &Self) {
        self.0 -= &other.0;
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(&self.0) {
            Ok(small) => serializer.serialize_i64(small),
            Err(_) => {
                let digits = RawValue::from_string(self.to_string());
                digits.map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(text.get(), MAX_SUM_DIGITS).map_err(D::Error::custom)
    }
}

/// What a client adds: an integer of at most [`MAX_DIGITS`] digits.
pub(crate) fn delta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Integer, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Integer::parse(text.get(), MAX_DIGITS).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [&str; 9] = [
        "0",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "170141183460469231731687303715884105727",
        "-170141183460469231731687303715884105729",
        "340282366920938463463374607431768211456",
    ];

    fn integer(text: &str) -> Integer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_digit_is_kept_on_the_wire() {
        for edge in EDGES {
            assert_eq!(serde_json::to_string(&integer(edge)).unwrap(), edge);
            assert_eq!(integer(edge).to_string(), edge);
        }
        assert_eq!(serde_json::to_string(&integer("-0")).unwrap(), "0");
    }

    #[test]
    fn sums_cross_every_edge_and_come_back() {
        for edge in EDGES {
            let mut sum = integer(edge);
            sum += &integer(edge);
            sum += &integer("1");
            sum -= &integer("1");
            sum -= &integer(edge);
            assert_eq!(sum, integer(edge));
        }
        let mut twice = integer(EDGES[6]);
        twice += &integer(EDGES[6]);
        assert_eq!(twice.to_string(), "340282366920938463463374607431768211454");
    }

    #[test]
    fn what_is_no_integer_or_too_long_is_refused() {
        let long = "9".repeat(MAX_SUM_DIGITS + 1);
        for text in ["1.0", "1e3", "\"1\"", "null", "[1]", &long] {
            assert!(serde_json::from_str::<Integer>(text).is_err(), "{text}");
        }
        let most = "9".repeat(MAX_DIGITS);
        assert_eq!(integer(&most).to_string(), most);
    }
}
