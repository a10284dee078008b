//! Reads the original's `results.edn`, as far as results need it: maps, lists,
//! sets, strings, numbers and keywords become the JSON that our own results are.
//! Keywords lose their colon, keys become strings, tags and ratios' exactness are
//! dropped.
//!
//! The format: <https://github.com/edn-format/edn>.

use serde_json::{Map, Value};

/// Where reading failed, in bytes from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no EDN at byte {at}")]
pub(crate) struct EdnError {
    at: usize,
}

/// Deeper nesting than this is refused; results have less than ten.
const MAX_DEPTH: usize = 200;

/// Reads one value.
pub(crate) fn read(text: &str) -> Result<Value, EdnError> {
    let mut reader = Reader { text, at: 0 };
    reader.value(0)?.ok_or(EdnError { at: reader.at })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fail<T>(&self) -> Result<T, EdnError> {
        Err(EdnError { at: self.at })
    }

    /// Blanks, commas and comments.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\n', '\r', '\t', ',']).len();
            self.at += blank;
            if !self.rest().starts_with(';') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// The next value; `None` before a closing bracket or the end.
    fn value(&mut self, depth: usize) -> Result<Option<Value>, EdnError> {
        self.skip_blanks();
        if depth > MAX_DEPTH {
            return self.fail();
        }
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let value = match first {
            ')' | ']' | '}' => return Ok(None),
            '(' | '[' => Value::Array(self.list(1, depth)?),
            '{' => self.map(depth)?,
            '"' => Value::String(self.string()?),
            '#' => return self.dispatched(depth),
            _ => self.atom()?,
        };
        Ok(Some(value))
    }

    /// `#{…}` is a set, `#_value` a comment, `#tag value` a value.
    fn dispatched(&mut self, depth: usize) -> Result<Option<Value>, EdnError> {
        if self.rest().starts_with("#{") {
            return Ok(Some(Value::Array(self.list(2, depth)?)));
        }
        if self.rest().starts_with("#_") {
            self.at += 2;
            self.value(depth + 1)?;
            return self.value(depth + 1);
        }
        self.at += 1;
        self.atom()?;
        self.value(depth + 1)
    }

    fn list(&mut self, opening: usize, depth: usize) -> Result<Vec<Value>, EdnError> {
        self.at += opening;
        let mut values = Vec::new();
        while let Some(value) = self.value(depth + 1)? {
            values.push(value);
        }
        self.close()?;
        Ok(values)
    }

    fn map(&mut self, depth: usize) -> Result<Value, EdnError> {
        let mut entries = self.list(1, depth)?.into_iter();
        let mut map = Map::new();
        while let Some(key) = entries.next() {
            let Some(value) = entries.next() else { return self.fail() };
            let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }

    fn close(&mut self) -> Result<(), EdnError> {
        if !self.rest().starts_with([')', ']', '}']) {
            return self.fail();
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, EdnError> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        self.fail()
    }

    fn atom(&mut self) -> Result<Value, EdnError> {
        let is_end = |c: char| c.is_whitespace() || ",()[]{}\";".contains(c);
        let length = self.rest().find(is_end).unwrap_or(self.rest().len());
        if length == 0 {
            return self.fail();
        }
        let atom = &self.text[self.at..self.at + length];
        self.at += length;
        Ok(match atom {
            "nil" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => number(atom).unwrap_or_else(|| atom.trim_start_matches(':').into()),
        })
    }
}

/// Integers (`1`, `1N`), floats (`1.5`, `1.5M`) and ratios (`1/3`).
fn number(atom: &str) -> Option<Value> {
    if !atom.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some((numerator, denominator)) = atom.split_once('/') {
        let ratio = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
        return Some(ratio.into());
    }
    let digits = atom.trim_end_matches(['N', 'M']);
    let integer = digits.parse::<i64>().ok().map(Value::from);
    integer.or_else(|| digits.parse::<f64>().ok().map(Value::from))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_of_the_original_are_understood() {
        let text = "; comment\n{:perf {:valid? true}, :net {:servers {:send-count 34, \
                    :msgs-per-op 0.09606987}},\n :workload {:stable-latencies {0 0, 0.5 375, 1 588}, \
                    :lost (), :never-read #{1 2}, :note \"a \\\"b\\\"\", :ratio 1/2, \
                    :op #jepsen.history.Op{:index 3, :f :read}},\n :valid? :unknown}";
        let value = read(text).unwrap();
        assert_eq!(value["net"]["servers"]["msgs-per-op"], json!(0.09606987));
        assert_eq!(value["workload"]["stable-latencies"], json!({"0": 0, "0.5": 375, "1": 588}));
        assert_eq!(value["workload"]["never-read"], json!([1, 2]));
        assert_eq!(value["workload"]["note"], json!("a \"b\""));
        assert_eq!(value["workload"]["ratio"], json!(0.5));
        assert_eq!(value["workload"]["op"]["index"], json!(3));
        assert_eq!(value["valid?"], json!("unknown"));
    }

    #[test]
    fn broken_text_is_refused_where_it_breaks() {
        for text in ["", "{:a", "[1 2", "\"abc", "{:a 1 :b}", ")"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"[".repeat(10_000)).is_err());
    }
}
