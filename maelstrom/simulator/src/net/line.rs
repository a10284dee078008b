//! What a node may print: a line that is a message; and in words for people what is
//! wrong with one that is none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use maelstrom::protocol::json::{in_words, type_of};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// What a node may print, decoded up to the body.
///
/// As in the original no other keys are allowed, and `id` (which a node that
/// sends a received message back may leave in) has to be an integer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line<'a> {
    #[serde(borrow)]
    /// Whom it says that it is from.
    pub src: Cow<'a, str>,
    #[serde(borrow)]
    /// Whom it is for.
    pub dest: Cow<'a, str>,
    #[serde(borrow)]
    /// Its body, as it was written.
    pub body: &'a RawValue,
    #[serde(default, rename = "id", deserialize_with = "integer")]
    _id: (),
    /// What stands on the line after the message, which nobody reads.
    #[serde(skip)]
    pub rest: &'a str,
}

fn integer<'a, D: Deserializer<'a>>(deserializer: D) -> Result<(), D::Error> {
    let value = <&RawValue>::deserialize(deserializer)?;
    if is_integer(value) { Ok(()) } else { Err(D::Error::custom("no integer")) }
}

/// Whether a JSON value is an integer, of any size.
pub(crate) fn is_integer(value: &RawValue) -> bool {
    value.get().bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// What is wrong with a line, in words that end a sentence.
#[derive(Debug)]
pub(crate) enum LineError {
    /// Not JSON at all.
    NotJson(String),
    /// JSON, but not of the right shape.
    NotAMessage(String),
}

impl<'a> Line<'a> {
    /// Decodes a line without its line break: the first JSON value on it.
    pub(crate) fn parse(line: &'a str) -> Result<Self, LineError> {
        let mut values = serde_json::Deserializer::from_str(line).into_iter::<Self>();
        // The decoder also takes a list of the fields' values.
        match values.next() {
            Some(Ok(message)) if is_object(line) && is_object(message.body.get()) => {
                Ok(Self { rest: line[values.byte_offset()..].trim_ascii(), ..message })
            }
            Some(Ok(_)) => Err(what_is_wrong(line, &serde_json::Error::custom("no object"))),
            Some(Err(error)) => Err(what_is_wrong(line, &error)),
            None => Err(LineError::NotJson(
                "it is empty, and every line on standard output has to be a message".to_owned(),
            )),
        }
    }
}

fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// Tells text from JSON of the wrong shape. Something is wrong, that is known already, so
/// this may read the line a second time.
fn what_is_wrong(line: &str, error: &serde_json::Error) -> LineError {
    match serde_json::Deserializer::from_str(line).into_iter::<&RawValue>().next() {
        Some(Err(error)) => LineError::NotJson(no_json(line, &error)),
        Some(Ok(value)) => LineError::NotAMessage(no_message(value, error)),
        None => LineError::NotAMessage(error.to_string()),
    }
}

fn no_json(line: &str, error: &serde_json::Error) -> String {
    if let Some(encoding) = other_encoding(line) {
        return encoding.to_owned();
    }
    if error.classify() == Category::Eof {
        return "it ends before the JSON does. A message has to stand on one line: without \
                pretty-printing, and with line breaks in strings as \\n"
            .to_owned();
    }
    let text = line.trim_ascii_start();
    if text.starts_with("[object ") {
        return "an object was printed as it is: encode it, with JSON.stringify".to_owned();
    }
    if text.starts_with(['{', '[']) {
        let at = error.column().saturating_sub(1);
        let rest: String = line.get(at..).unwrap_or_default().chars().take(REST).collect();
        let how = match rest.starts_with('\'') {
            true => "Names and strings are in double quotes: encode the message as JSON",
            false => "Encode the message with a JSON library",
        };
        return format!("it cannot be read from `{rest}` on. {how}");
    }
    match text.find(r#"{"src""#) {
        Some(_) => "other text stands before the message. Only messages go to standard output, \
                    each on a line of its own; logs belong on standard error"
            .to_owned(),
        None => "only messages go there; logs belong on standard error".to_owned(),
    }
}

/// How much is shown from where a line cannot be read.
const REST: usize = 20;

/// Text that is not plain UTF-8.
fn other_encoding(line: &str) -> Option<&'static str> {
    let (zeros, all) = (line.matches('\0').count(), line.chars().count());
    if zeros > 1 && zeros * 3 >= all {
        return Some("it looks like UTF-16, and messages are UTF-8");
    }
    match line.chars().next()? {
        '\u{feff}' => Some("it begins with a byte order mark: write UTF-8 without one"),
        '\0' => Some("it begins with the character NUL, which belongs to no message"),
        '\u{1b}' => Some("it begins with colours for a terminal, which belong to no message"),
        _ => None,
    }
}

/// Why a value is no message.
fn no_message(value: &RawValue, error: &serde_json::Error) -> String {
    const HAS: &str = "a message is an object with `src`, `dest` and `body`";
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()) else {
        return format!("it is {}, and {HAS}{}", type_of(value.get()), twice(value));
    };
    let is_odd = |name: &&String| !["src", "dest", "body", "id"].contains(&name.as_str());
    if let Some(name) = members.keys().find(is_odd) {
        let is_of_body = ["type", "msg_id", "in_reply_to"].contains(&name.as_str());
        let place = if is_of_body { "belongs into `body`" } else { "does not belong there" };
        return format!("`{name}` {place}; {HAS}");
    }
    for (name, right) in [("src", "a string"), ("dest", "a string"), ("body", "an object")] {
        let Some(value) = members.get(name) else { return format!("`{name}` is missing") };
        let found = type_of(value.get());
        if found != right {
            return format!("`{name}` is {found} instead of {right}{}", twice(value));
        }
    }
    let is_right = |id: &&RawValue| is_integer(id);
    match members.get("id").is_none_or(is_right) {
        true => in_words(error),
        false => "`id` has to be an integer, or not be there".to_owned(),
    }
}

/// That JSON in a string was meant for a message, or a body.
fn twice(value: &RawValue) -> &'static str {
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    match text.is_some_and(|text| serde_json::from_str::<Object>(&text).is_ok()) {
        true => ". It was encoded as JSON twice",
        false => "",
    }
}

type Object = BTreeMap<String, IgnoredAny>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_up_to_the_body() {
        let line = r#" {"dest":"c1","body":{"type":"a", "x":1.0},"src":"n\u0030","id":3} "#;
        let line = Line::parse(line).unwrap();
        assert_eq!((line.src.as_ref(), line.dest.as_ref()), ("n0", "c1"));
        assert_eq!(line.body.get(), r#"{"type":"a", "x":1.0}"#);
    }

    #[test]
    fn text_and_json_of_another_shape_are_told_apart() {
        for line in ["", "hello", "{\"src\":\"n0\"", "\u{feff}{}"] {
            assert!(matches!(Line::parse(line), Err(LineError::NotJson(_))), "{line:?}");
        }
        for line in [
            "1",
            "null",
            "[]",
            r#"["n0","n1",{},1]"#,
            r#"{"src":"n0","body":{}}"#,
            r#"{"src":"n0","dest":1,"body":{}}"#,
            r#"{"src":"n0","dest":"n1"}"#,
            r#"{"src":"n0","dest":"n1","body":null}"#,
            r#"{"src":"n0","dest":"n1","body":[]}"#,
            r#"{"src":"n0","dest":"n1","body":{},"more":1}"#,
            r#"{"src":"n0","dest":"n1","body":{},"id":"x"}"#,
            r#"{"src":"n0","dest":"n1","body":{},"id":null}"#,
            r#"{"src":"n0","dest":"n1","body":{},"id":1.0}"#,
            r#"{"src":"n0","dest":"n1"} {"src":"n0","dest":"n1","body":{}}"#,
        ] {
            assert!(matches!(Line::parse(line), Err(LineError::NotAMessage(_))), "{line:?}");
        }
    }

    #[test]
    fn an_id_may_be_an_integer_of_any_size() {
        for id in ["0", "-1", "123456789012345678901234567890"] {
            let line = format!(r#"{{"id":{id},"src":"n0","dest":"n1","body":{{}}}}"#);
            assert!(Line::parse(&line).is_ok(), "{id}");
        }
    }

    #[test]
    fn the_first_message_on_a_line_counts_and_the_rest_is_kept_apart() {
        let message = r#"{"src":"n0","dest":"n1","body":{"type":"a"}}"#;
        for (rest, kept) in
            [("\r", ""), ("\0", "\0"), (" and text", "and text"), (message, message)]
        {
            let line = format!("{message}{rest}");
            let line = Line::parse(&line).unwrap();
            assert_eq!(line.body.get(), r#"{"type":"a"}"#);
            assert_eq!(line.rest, kept);
        }
    }

    #[track_caller]
    fn said(line: &str) -> String {
        match Line::parse(line) {
            Err(LineError::NotJson(said) | LineError::NotAMessage(said)) => said,
            Ok(_) => panic!("{line} is a message"),
        }
    }

    const MESSAGE: &str = r#"{"src":"n0","dest":"n1","body":{"type":"a"}}"#;

    #[test]
    fn text_that_is_no_json_is_told_what_it_looks_like() {
        let wide = |text: &str| text.chars().map(|char| format!("{char}\0")).collect::<String>();
        for (line, what) in [
            ("", "it is empty"),
            ("\r", "it is empty"),
            ("Server started", "logs belong on standard error"),
            ("undefined", "logs belong on standard error"),
            (&format!("sending {MESSAGE}"), "other text stands before the message"),
            (&format!("\u{feff}{MESSAGE}"), "a byte order mark"),
            (&format!("\0{MESSAGE}"), "the character NUL"),
            (&format!("\u{1b}[32m{MESSAGE}"), "colours for a terminal"),
            (&wide(MESSAGE), "it looks like UTF-16"),
            (&format!("\u{fffd}\u{fffd}{}", wide(MESSAGE)), "it looks like UTF-16"),
            ("{", "one line: without pretty-printing"),
            (r#"{"src": "n0","#, "one line: without pretty-printing"),
            (r#"{"src":"n0","dest":"n1","body":{"type":"a"#, "one line"),
            ("[object Object]", "JSON.stringify"),
            ("{'src': 'n0'}", "from `'src': 'n0'}` on. Names and strings are in double quotes"),
            (r#"{"src":"n0","body":{"x":NaN}}"#, "from `NaN}}` on"),
            (r#"{"src":"n0","dest":"n1",}"#, "from `}` on"),
            ("{src: 1}", "from `src: 1}` on"),
        ] {
            let said = said(line);
            assert!(said.contains(what), "{line}: {said}");
        }
    }

    #[test]
    fn what_a_message_lacks_or_has_too_much_is_named() {
        for (line, what) in [
            ("7", "it is an integer, and a message is an object with `src`, `dest` and `body`"),
            ("null", "it is null, and a message is"),
            (&format!("[{MESSAGE}]"), "it is a list, and a message is"),
            (
                r#""hello""#,
                "it is a string, and a message is an object with `src`, `dest` and `body`",
            ),
            (r#""{\"src\":\"n0\"}""#, "`body`. It was encoded as JSON twice"),
            (r#"{"type":"a_ok","in_reply_to":1}"#, "`in_reply_to` belongs into `body`"),
            (r#"{"Src":"n0","Dest":"n1","Body":{}}"#, "`Body` does not belong there; a message"),
            (r#"{"dest":"n1","body":{}}"#, "`src` is missing"),
            (r#"{"src":"n0","dest":null,"body":{}}"#, "`dest` is null instead of a string"),
            (r#"{"src":0,"dest":"n1","body":{}}"#, "`src` is an integer instead of a string"),
            (r#"{"src":"n0","dest":"n1","body":[]}"#, "`body` is a list instead of an object"),
            (
                r#"{"src":"n0","dest":"n1","body":"{\"type\":\"a\"}"}"#,
                "`body` is a string instead of an object. It was encoded as JSON twice",
            ),
            (r#"{"src":"n0","dest":"n1","body":{},"id":1.0}"#, "`id` has to be an integer"),
            (r#"{"src":"n0","src":"n0","dest":"n1","body":{}}"#, "duplicate field `src`"),
        ] {
            let said = said(line);
            assert!(said.contains(what), "{line}: {said}");
            assert!(!said.contains("column"), "{line}: {said}");
        }
    }
}
