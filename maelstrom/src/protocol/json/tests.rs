use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use super::Fractions::{Doubles, Exact};
use super::*;

#[track_caller]
fn same(a: &str, b: &str) {
    for fractions in [Exact, Doubles] {
        assert!(is_same(a, b, fractions), "{a} is {b}, by {fractions:?}");
    }
}

#[track_caller]
fn different(a: &str, b: &str) {
    for fractions in [Exact, Doubles] {
        assert!(!is_same(a, b, fractions), "{a} is not {b}, by {fractions:?}");
    }
}

#[test]
fn spelling_does_not_matter() {
    same(r#"{"a":1,"b":[true,null]}"#, r#" { "b" : [ true , null ] , "a" : 1 } "#);
    same(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    same(r#""\u0041\/""#, r#""A/""#);
    same("1.50", "15e-1");
    same("1E2", "100.0");
    same("0.0", "-0.00e7");
    same("-0", "0");
}

#[test]
fn integers_fractions_and_other_kinds_of_values_differ() {
    different("1", "1.0");
    different("100", "1e2");
    different("[1]", "[1.0]");
    different("1", "\"1\"");
    different("[]", "{}");
    different("null", "\"null\"");
    different("null", "false");
    different(r#"{"a":1}"#, r#"{"a":2}"#);
    different(r#"{"a":1}"#, r#"{"a":1,"b":1}"#);
    different("[[1],2]", "[1,[2]]");
    different("[1,2]", "[2,1]");
}

#[test]
fn integers_are_exact_at_any_size() {
    different("9007199254740993", "9007199254740992");
    different("[123456789012345678901234567890]", "[123456789012345678901234567891]");
}

#[test]
fn fractions_are_exact_or_doubles() {
    let (a, b) = ("0.1", "0.10000000000000000001");
    assert!(!is_same(a, b, Exact));
    assert!(is_same(a, b, Doubles));
    // Beyond what a double and an exponent of 64 bits can hold.
    different("1e400", "1e401");
    same("1e99999999999999999999", "1e99999999999999999999");
}

#[test]
fn what_is_no_unicode_is_compared_by_its_text_or_refused() {
    same(r#""\ud800""#, r#""\ud800""#);
    different(r#""\ud800""#, r#""\ud801""#);
    for text in [r#""\ud800""#, r#"[1,{"a":"\ud800"}]"#, r#"{"\ud800":1}"#] {
        assert!(matches!(try_canonical(text, Exact), Err(NoForm::NotUnicode(_))), "{text}");
    }
}

#[test]
fn what_is_nested_too_deeply_is_compared_by_its_text_or_refused() {
    let nested = |depth: usize, inner: &str| "[".repeat(depth) + inner + &"]".repeat(depth);
    same(&nested(MAX_DEPTH, "1.0"), &nested(MAX_DEPTH, " 1.00"));
    different(&nested(MAX_DEPTH, "[1]"), &nested(MAX_DEPTH, "[ 1]"));
    same(&nested(100_000, ""), &nested(100_000, ""));
    different(&nested(100_000, ""), &nested(100_001, ""));
    assert!(try_canonical(&nested(MAX_DEPTH, "1"), Exact).is_ok());
    for depth in [MAX_DEPTH + 1, 50_000] {
        assert!(matches!(try_canonical(&nested(depth, ""), Exact), Err(NoForm::TooDeep)));
    }
}

/// A JSON value without a spelling.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Word(&'static str),
    Integer(i128),
    /// So many times ten to the power of the second; the first one is no multiple of ten.
    Fraction(i64, i32),
    String(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

fn draw_string(rng: &mut StdRng) -> String {
    (0..rng.random_range(0..3))
        .map(|_| *['a', 'b', '"', '\\', '\n', 'é', '𝄞'].choose(rng).unwrap())
        .collect()
}

impl Value {
    /// Of so few that the same is drawn again and again.
    fn draw(rng: &mut StdRng, depth: u32) -> Self {
        match rng.random_range(0..if depth < 3 { 6 } else { 4 }) {
            0 => Self::Word(["null", "true", "false"].choose(rng).unwrap()),
            1 => Self::Integer(
                rng.random_range(-2..3) * [1, 1 << 53, i128::MAX / 4].choose(rng).unwrap(),
            ),
            2 => Self::Fraction(*[0, 1, -1, 15, 151].choose(rng).unwrap(), rng.random_range(-2..3))
                .without_zeros(),
            3 => Self::String(draw_string(rng)),
            4 => Self::List(
                (0..rng.random_range(0..3)).map(|_| Self::draw(rng, depth + 1)).collect(),
            ),
            _ => {
                let mut member = || (draw_string(rng), Self::draw(rng, depth + 1));
                Self::Object((0..2).map(|_| member()).collect())
            }
        }
    }

    /// Zero is zero, whatever its exponent.
    fn without_zeros(self) -> Self {
        if let Self::Fraction(0, _) = self { Self::Fraction(0, 0) } else { self }
    }

    /// One of the many ways to write it.
    fn spell(&self, rng: &mut StdRng) -> String {
        let space = ["", " ", "\n\t"].choose(rng).unwrap();
        let text = match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Integer(0) => ["0", "-0"].choose(rng).unwrap().to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Fraction(digits, exponent) => spell_fraction(*digits, *exponent, rng),
            Self::String(string) => spell_string(string, rng),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.spell(rng)).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(members) => {
                let mut member = |(name, value): (&String, &Self)| {
                    format!("{}{space}:{}", spell_string(name, rng), value.spell(rng))
                };
                let mut members: Vec<String> = members.iter().map(&mut member).collect();
                members.shuffle(rng);
                format!("{{{space}{}}}", members.join(","))
            }
        };
        format!("{space}{text}{space}")
    }
}

fn spell_fraction(digits: i64, exponent: i32, rng: &mut StdRng) -> String {
    let zeros = rng.random_range(0..3);
    let shifted = digits * 10_i64.pow(zeros);
    let exponent = exponent - zeros as i32;
    let sign = if digits == 0 && rng.random() { "-" } else { "" };
    match rng.random_range(0..3) {
        0 => format!("{sign}{shifted}E{exponent:+}"),
        1 => format!("{sign}{shifted}.000e{exponent:03}"),
        _ => format!("{sign}{shifted}.0e{exponent}"),
    }
}

fn spell_string(string: &str, rng: &mut StdRng) -> String {
    let mut text = String::from('"');
    for c in string.chars() {
        if rng.random() || matches!(c, '"' | '\\' | '\n') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text + "\""
}

#[test]
fn two_texts_have_one_form_exactly_when_they_are_one_value() {
    let rng = &mut StdRng::seed_from_u64(1);
    let mut equal = 0;
    for _ in 0..30_000 {
        let (a, b) = (Value::draw(rng, 0), Value::draw(rng, 0));
        equal += u32::from(a == b);
        let [again, a_text, b_text] = [&a, &a, &b].map(|value| value.spell(rng));
        for fractions in [Exact, Doubles] {
            let form = canonical(&a_text, fractions);
            assert_eq!(form, canonical(&again, fractions), "{a_text} and {again}");
            assert_eq!(canonical(&form, fractions), form, "the form of {a_text} is its own form");
            assert!(try_canonical(&a_text, fractions).is_ok(), "{a_text}");
            let is_same = form == canonical(&b_text, fractions);
            assert_eq!(is_same, a == b, "{a_text} and {b_text}, by {fractions:?}");
        }
    }
    assert!((300..29_000).contains(&equal), "{equal} pairs were the same value");
}
