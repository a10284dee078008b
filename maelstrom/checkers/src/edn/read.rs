//! From EDN to JSON.

use super::EdnError;

/// Deeper nesting than this is refused; results have less than ten.
const MAX_DEPTH: usize = 200;

/// What ends a symbol, a keyword or a number.
fn is_delimiter(char: char) -> bool {
    is_blank(char) || "()[]{}\";".contains(char)
}

fn is_blank(char: char) -> bool {
    char.is_whitespace() || char == ','
}

/// The only value in a text, as JSON.
///
/// Ratios become decimal fractions; infinities and what is no number become `null`.
///
/// # Errors
///
/// When the text is not one value: where, and what is wrong.
pub fn to_json(text: &str) -> Result<String, EdnError> {
    let mut reader = Reader { text, at: 0, json: String::with_capacity(text.len()) };
    let is_value = reader.value(0).and_then(|is_value| {
        reader.skip_blanks();
        match reader.next() {
            Some(bracket) if !is_value => Err(format!("{bracket} closes nothing")),
            Some(_) => Err("there is more after the value".to_owned()),
            None => Ok(is_value),
        }
    });
    match is_value {
        Ok(true) => Ok(reader.json),
        Ok(false) => Err(reader.error("there is no value".to_owned())),
        Err(what) => Err(reader.error(what)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    json: String,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// What is wrong where it stopped reading.
    fn error(&self, what: String) -> EdnError {
        let read = &self.text[..self.at];
        let line = read.rsplit('\n').next().unwrap_or_default();
        EdnError { line: read.matches('\n').count() + 1, column: line.chars().count() + 1, what }
    }

    /// Blanks, commas and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches(is_blank).len();
            if self.next() != Some(';') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// Reads the next value; there is none before a closing bracket or the end.
    fn value(&mut self, depth: usize) -> Result<bool, String> {
        self.skip_blanks();
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        match self.next() {
            None | Some(')' | ']' | '}') => return Ok(false),
            Some('(') => self.list(1, ')', depth)?,
            Some('[') => self.list(1, ']', depth)?,
            Some('{') => self.map(depth)?,
            Some('"') => self.string()?,
            Some('\\') => self.character()?,
            Some('#') => return self.dispatched(depth),
            Some(_) => self.atom()?,
        }
        Ok(true)
    }

    /// `#{…}` is a set, `#_value` a comment, `##name` a number that JSON does not have,
    /// `#tag value` a value.
    fn dispatched(&mut self, depth: usize) -> Result<bool, String> {
        let rest = self.rest();
        if rest.starts_with("#{") {
            return self.list(2, '}', depth).map(|()| true);
        }
        if rest.starts_with("##") {
            self.at += 2;
            self.take_atom();
            self.json.push_str("null");
            return Ok(true);
        }
        let kept = self.json.len();
        if rest.starts_with("#_") {
            self.at += 2;
            self.expect(depth, "#_ stands before nothing")?;
            self.json.truncate(kept);
            return self.value(depth + 1);
        }
        self.at += 1;
        if self.take_atom().is_empty() {
            return Err("# stands before what is no tag".to_owned());
        }
        self.expect(depth, "a tag stands before nothing").map(|()| true)
    }

    /// Reads a value that has to be there.
    fn expect(&mut self, depth: usize, otherwise: &str) -> Result<(), String> {
        if self.value(depth + 1)? { Ok(()) } else { Err(otherwise.to_owned()) }
    }

    fn list(&mut self, opening: usize, closing: char, depth: usize) -> Result<(), String> {
        self.at += opening;
        self.json.push('[');
        let first = self.json.len();
        loop {
            let end = self.json.len();
            if end > first {
                self.json.push(',');
            }
            if !self.value(depth + 1)? {
                self.json.truncate(end);
                self.json.push(']');
                return self.close(closing);
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.json.push('{');
        let first = self.json.len();
        loop {
            let end = self.json.len();
            if end > first {
                self.json.push(',');
            }
            let key = self.json.len();
            if !self.value(depth + 1)? {
                self.json.truncate(end);
                self.json.push('}');
                return self.close('}');
            }
            if !self.json[key..].starts_with('"') {
                let text = self.json.split_off(key);
                self.text_in_quotes(&text);
            }
            self.json.push(':');
            self.expect(depth, "a key has no value")?;
        }
    }

    fn close(&mut self, closing: char) -> Result<(), String> {
        match self.next() {
            Some(found) if found == closing => self.at += 1,
            Some(found) => return Err(format!("{found} stands where {closing} has to be")),
            None => return Err(format!("it ends before {closing}")),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        self.json.push('"');
        loop {
            let plain = self.rest().find(|char: char| char == '"' || char == '\\' || char < ' ');
            let Some(length) = plain else {
                self.at = self.text.len();
                return Err("it ends within a string".to_owned());
            };
            self.json.push_str(&self.rest()[..length]);
            self.at += length;
            match self.next() {
                Some('\\') => self.escape()?,
                Some('"') => break,
                Some(control) => {
                    self.json.push_str(&format!("\\u{:04x}", control as u32));
                    self.at += 1;
                }
                None => {}
            }
        }
        self.at += 1;
        self.json.push('"');
        Ok(())
    }

    /// JSON has the same escapes.
    fn escape(&mut self) -> Result<(), String> {
        let escaped = &self.rest()[1..];
        let length = match escaped.chars().next() {
            Some('"' | '\\' | 'b' | 'f' | 'n' | 'r' | 't') => 2,
            Some('u') if is_hex(escaped.get(1..5)) => 6,
            Some(other) => return Err(format!("there is no escape \\{other}")),
            None => return Err("it ends within a string".to_owned()),
        };
        self.json.push_str(&self.rest()[..length]);
        self.at += length;
        Ok(())
    }

    /// `\a`, `\newline`, `\u0041`: a string of one character.
    fn character(&mut self) -> Result<(), String> {
        self.at += 1;
        let Some(first) = self.next() else {
            return Err("it ends within a character".to_owned());
        };
        self.at += first.len_utf8();
        let name = format!("{first}{}", self.take_atom());
        let escaped = match &*name {
            "newline" => "\\n",
            "return" => "\\r",
            "tab" => "\\t",
            "formfeed" => "\\f",
            "backspace" => "\\b",
            "space" => " ",
            _ if name.chars().count() == 1 => {
                self.text_in_quotes(&name);
                return Ok(());
            }
            _ if name.len() == 5 && first == 'u' && is_hex(name.get(1..)) => &format!("\\{name}"),
            _ => return Err(format!("there is no character \\{name}")),
        };
        self.json.push_str(&format!("\"{escaped}\""));
        Ok(())
    }

    fn take_atom(&mut self) -> &'a str {
        let rest = self.rest();
        let atom = &rest[..rest.find(is_delimiter).unwrap_or(rest.len())];
        self.at += atom.len();
        atom
    }

    fn atom(&mut self) -> Result<(), String> {
        let start = self.at;
        let atom = self.take_atom();
        let is_number =
            atom.trim_start_matches(['+', '-']).starts_with(|char: char| char.is_ascii_digit());
        match atom {
            "nil" => self.json.push_str("null"),
            "true" | "false" => self.json.push_str(atom),
            _ if is_number => {
                let number = number(atom).ok_or_else(|| {
                    self.at = start;
                    format!("{atom} is no number")
                })?;
                self.json.push_str(&number);
            }
            _ => self.text_in_quotes(atom.strip_prefix(':').unwrap_or(atom)),
        }
        Ok(())
    }

    fn text_in_quotes(&mut self, text: &str) {
        self.json.push_str(&serde_json::Value::from(text).to_string());
    }
}

fn is_hex(digits: Option<&str>) -> bool {
    digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Integers (`1`, `1N`, `0x1f`), floats (`1.5`, `1.5M`) and ratios (`1/3`), as JSON spells
/// them.
fn number(atom: &str) -> Option<String> {
    let plain = atom.trim_start_matches('+');
    if let Some(digits) = plain.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(|integer| integer.to_string());
    }
    if let Some((numerator, denominator)) = plain.split_once('/') {
        let ratio = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
        return ratio.is_finite().then(|| ratio.to_string());
    }
    let digits = plain.strip_suffix(['N', 'M']).unwrap_or(plain);
    if serde_json::from_str::<&serde_json::value::RawValue>(digits).is_ok() {
        return Some(digits.to_owned());
    }
    // Leading zeros, or nothing behind the point.
    let float = digits.parse::<f64>().ok().filter(|float| float.is_finite())?;
    Some(if digits.contains(['.', 'e', 'E']) { format!("{float:?}") } else { float.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn results_of_the_original_are_understood() {
        let text = "; comment\n{:perf {:valid? true}, :net {:servers {:send-count 34, \
                    :msgs-per-op 0.09606987}},\n :workload {:stable-latencies {0 0, 0.5 375, 1 588}, \
                    :lost (), :never-read #{1 2}, :note \"a \\\"b\\\"\", :ratio 1/2, :worst ##Inf, \
                    :op #jepsen.history.Op{:index 3, :f :read}},\n :valid? :unknown}";
        let value: Value = serde_json::from_str(&to_json(text).unwrap()).unwrap();
        assert_eq!(value["net"]["servers"]["msgs-per-op"], json!(0.09606987));
        let workload = json!({
            "stable-latencies": {"0": 0, "0.5": 375, "1": 588}, "lost": [], "never-read": [1, 2],
            "note": "a \"b\"", "ratio": 0.5, "worst": null, "op": {"index": 3, "f": "read"},
        });
        assert_eq!(value["workload"], workload);
        assert_eq!(value["valid?"], json!("unknown"));
    }

    #[test]
    fn every_kind_of_value_has_its_json() {
        for (edn, json) in [
            ("[1, -2 +3 4N]", "[1,-2,3,4]"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("[1.0 1.50M 1e3 1. 007]", "[1.0,1.50,1e3,1.0,7]"),
            ("(a b/c :d :e/f - -g)", r#"["a","b/c","d","e/f","-","-g"]"#),
            (r"[\a \( \newline \u0041 \é]", r#"["a","(","\n","\u0041","é"]"#),
            (r#""tab\t\u0001 \\""#, r#""tab\t\u0001 \\""#),
            ("\"a\nb\"", r#""a\u000ab""#),
            ("[1 #_2 3 #_[4 5]]", "[1,3]"),
            ("{#_a :b 1 #_c}", r#"{"b":1}"#),
            ("{[1 2] 3, nil 4}", r#"{"[1,2]":3,"null":4}"#),
            (r##"#inst "2026""##, r#""2026""#),
            (r#"#object[foo.Bar$baz 0x1f "x"]"#, r#"["foo.Bar$baz",31,"x"]"#),
            ("{}", "{}"),
            ("  [] ; the end", "[]"),
        ] {
            assert_eq!(to_json(edn).as_deref(), Ok(json), "{edn}");
        }
    }

    #[test]
    fn damaged_text_is_refused_where_it_breaks() {
        for (text, line, column, what) in [
            ("", 1, 1, "there is no value"),
            ("; nothing\n", 2, 1, "there is no value"),
            ("{:a", 1, 4, "a key has no value"),
            ("{:a 1\n :b}", 2, 4, "a key has no value"),
            ("[1 2", 1, 5, "it ends before ]"),
            ("[1\n  {:é 2]", 2, 8, "] stands where } has to be"),
            ("\"abc", 1, 5, "it ends within a string"),
            (r#""a\q""#, 1, 3, "there is no escape \\q"),
            (r#""a\u12""#, 1, 3, "there is no escape \\u"),
            ("[1x]", 1, 2, "1x is no number"),
            ("1/0", 1, 1, "1/0 is no number"),
            (")", 1, 1, ") closes nothing"),
            ("{:a 1} {:b 2}", 1, 8, "there is more after the value"),
            ("[#_]", 1, 4, "#_ stands before nothing"),
            ("#tag", 1, 5, "a tag stands before nothing"),
            ("# 1", 1, 2, "# stands before what is no tag"),
            (r"\wrong", 1, 7, "there is no character \\wrong"),
        ] {
            let error = to_json(text).unwrap_err();
            assert_eq!((error.line, error.column, &*error.what), (line, column, what), "{text}");
        }
        for deep in ["[", "{", "#{", "#a ", "#_"] {
            let error = to_json(&deep.repeat(10_000)).unwrap_err();
            assert!(error.what.contains("nested more than 200 deep"), "{deep}: {error}");
        }
    }

    /// Wherever a history is cut, or a character of it lost, it is read or refused.
    #[test]
    fn no_damage_makes_the_reader_fail_otherwise() {
        let text = r#"{:index 0, :time 1, :value [[:r 1 nil] #{"é\n" \a}], :error [:abort "x"]}"#;
        assert!(to_json(text).is_ok());
        for (at, char) in text.char_indices() {
            assert!(to_json(&text[..at]).is_err(), "{}", &text[..at]);
            let without = format!("{}{}", &text[..at], &text[at + char.len_utf8()..]);
            if let Ok(json) = to_json(&without) {
                assert!(serde_json::from_str::<Value>(&json).is_ok(), "{without}: {json}");
            }
        }
    }
}
