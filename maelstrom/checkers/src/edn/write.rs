//! From JSON to EDN.

/// How EDN spells a string or an array of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As JSON does.
    Plain,
    /// A string as a keyword, if it can be one.
    Keyword,
    /// A string that is a number without its quotes.
    Number,
    /// An array as a set.
    Set,
}

/// Where a string or an array stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// In how many arrays and objects.
    pub depth: usize,
    /// The how many'th value it is in its array, from 0.
    pub index: usize,
    /// Whether it is an object's key.
    pub is_key: bool,
    /// The outermost object's key that it belongs to, if that is what it is in.
    pub field: &'a str,
    /// Of a string, what stands between its quotes; empty of an array.
    pub text: &'a str,
}

/// A text in JSON as EDN on one line, as Clojure prints it. The text has to be JSON.
pub(crate) fn from_json(json: &str, spell: impl Fn(Place<'_>) -> Spelling) -> String {
    let edn = String::with_capacity(json.len());
    let mut writer = Writer { spell, edn, open: Vec::new(), field: "" };
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        writer.token(first, token);
        rest = after;
    }
    writer.edn
}

fn token_length(rest: &str, first: char) -> usize {
    let is_end = |char: char| ",:]}".contains(char) || char.is_whitespace();
    match first {
        '"' => string_length(rest),
        '[' | '{' | ']' | '}' | ',' | ':' => 1,
        _ if first.is_whitespace() => first.len_utf8(),
        _ => rest.find(is_end).unwrap_or(rest.len()),
    }
}

/// With both quotes.
fn string_length(rest: &str) -> usize {
    let mut is_escaped = false;
    let end = rest[1..].find(|char: char| {
        let is_end = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_end
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// An array or an object.
struct Open {
    closing: char,
    is_object: bool,
    /// How many commas it had.
    index: usize,
    /// Whether a key comes next.
    at_key: bool,
}

struct Writer<'a, S> {
    spell: S,
    edn: String,
    open: Vec<Open>,
    /// The outermost object's key.
    field: &'a str,
}

impl<'a, S: Fn(Place<'_>) -> Spelling> Writer<'a, S> {
    fn token(&mut self, first: char, token: &'a str) {
        match first {
            '[' => {
                let is_set = self.spelling("") == Spelling::Set;
                self.edn.push_str(if is_set { "#{" } else { "[" });
                self.open(if is_set { '}' } else { ']' }, false);
            }
            '{' => {
                self.edn.push('{');
                self.open('}', true);
            }
            ']' | '}' => self.edn.extend(self.open.pop().map(|open| open.closing)),
            ',' => self.comma(),
            ':' => {
                self.edn.push(' ');
                self.open.iter_mut().last().into_iter().for_each(|open| open.at_key = false);
            }
            '"' => self.string(token),
            _ if first.is_whitespace() => {}
            _ => self.atom(token),
        }
    }

    fn open(&mut self, closing: char, is_object: bool) {
        self.open.push(Open { closing, is_object, index: 0, at_key: is_object });
    }

    fn comma(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        open.index += 1;
        open.at_key = open.is_object;
        self.edn.push_str(if open.is_object { ", " } else { " " });
    }

    fn spelling(&self, text: &str) -> Spelling {
        let (index, is_key) = self.open.last().map_or((0, false), |open| (open.index, open.at_key));
        let depth = self.open.len();
        (self.spell)(Place { depth, index, is_key, field: self.field, text })
    }

    fn string(&mut self, token: &'a str) {
        let text = &token[1..token.len() - 1];
        if self.open.len() == 1 && self.open[0].at_key {
            self.field = text;
        }
        match self.spelling(text) {
            Spelling::Keyword if is_keyword(text) => {
                self.edn.push(':');
                self.edn.push_str(text);
            }
            Spelling::Number if text.parse::<f64>().is_ok() => self.edn.push_str(text),
            _ => push_string(token, &mut self.edn),
        }
    }

    fn atom(&mut self, token: &str) {
        self.edn.push_str(if token == "null" { "nil" } else { token });
        let is_integer = token.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if is_integer && token.parse::<i64>().is_err() {
            self.edn.push('N');
        }
    }
}

/// EDN has the escapes of JSON, but none for a slash.
fn push_string(token: &str, edn: &mut String) {
    let mut rest = token;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        edn.push_str(before);
        edn.push_str(if escape.starts_with("\\/") { "/" } else { &escape[..2] });
        rest = &escape[2..];
    }
    edn.push_str(rest);
}

/// Whether this can stand behind a colon.
pub(super) fn is_keyword(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_?!*+.<>=".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::to_json;

    fn plain(json: &str) -> String {
        from_json(json, |_| Spelling::Plain)
    }

    #[test]
    fn json_is_spelled_as_clojure_prints_it() {
        for (json, edn) in [
            ("null", "nil"),
            ("[1,-2, 1.50 ,1e400]", "[1 -2 1.50 1e400]"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808N"),
            (r#"{"a":true,"b":[],"c":{}}"#, r#"{"a" true, "b" [], "c" {}}"#),
            (r#"["\\/","\/","\"","\ud800","\\"]"#, r#"["\\/" "/" "\"" "\ud800" "\\"]"#),
        ] {
            assert_eq!(plain(json), edn);
        }
    }

    #[test]
    fn json_comes_back_as_it_was() {
        for json in [
            r#"[[1,"a b",null,{"k":[{},[],1.0,-0,12345678901234567890123,"é\\\"\u0000"]}],false]"#,
            r#""""#,
            r#"{"":{"1":2}}"#,
        ] {
            assert_eq!(to_json(&plain(json)).as_deref(), Ok(json));
        }
    }

    #[test]
    fn places_are_told_as_they_are() {
        let json = r#"{"value":[["r",1,"x y"],{"7":["r"]}],"error":"r"}"#;
        let edn = from_json(json, |place| match place {
            Place { depth: 3, text: "", .. } => Spelling::Set,
            Place { is_key: true, text: "7", .. } => Spelling::Number,
            Place { is_key: true, .. } | Place { depth: 3, index: 0, field: "value", .. } => {
                Spelling::Keyword
            }
            _ => Spelling::Plain,
        });
        assert_eq!(edn, r#"{:value [[:r 1 "x y"] {7 #{"r"}}], :error "r"}"#);
        assert_eq!(from_json(r#""x y""#, |_| Spelling::Keyword), r#""x y""#);
    }
}
