//! Why operations failed or stayed in doubt: the same reasons together, with
//! counts and an example each.

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::protocol::ErrorCode;
use maelstrom::protocol::json::type_of;
use serde_json::{Value, json};

use super::Reason;
use super::witness::shorten_to;
use crate::history::{Op, OpType};

/// How many different reasons are told apart.
const KEPT: usize = 100;
const TOLD: usize = 10;
/// The codes that the protocol assigns are among these.
const CODES: std::ops::Range<i64> = 0..100;
const EXAMPLE: usize = 300;
/// Why an operation ended that its client gave up.
const TIMEOUT: &str = "no reply in time";

#[derive(Debug, Default)]
pub(super) struct Reasons {
    by: BTreeMap<(String, OpType, String), Reason>,
}

pub(super) fn to_json(reasons: &[Reason]) -> Value {
    let each = |Reason { f, kind, reason, count, example, op }: &Reason| {
        let mut shown = json!({ "f": f, "type": kind, "reason": reason, "count": count, "op": op });
        if !example.is_empty() {
            shown["example"] = json!(example);
        }
        shown
    };
    reasons.iter().map(each).collect()
}

impl Reasons {
    pub(super) fn observe(&mut self, op: &Op) {
        if !matches!(op.kind, OpType::Fail | OpType::Info) {
            return;
        }
        let Some(error) = &op.error else { return };
        let (reason, example) = split(error.get());
        let key = (op.f.to_string(), op.kind, reason);
        let has_room = self.by.len() < KEPT;
        match self.by.get_mut(&key) {
            Some(known) => known.count += 1,
            None if has_room => {
                let (f, kind, reason) = key.clone();
                let example = shorten_to(&example, EXAMPLE);
                self.by.insert(key, Reason { f, kind, reason, count: 1, example, op: op.index });
            }
            None => {}
        }
    }

    /// The most frequent ones, the most frequent first.
    pub(super) fn most_frequent(&self) -> Vec<Reason> {
        let mut all: Vec<Reason> = self.by.values().cloned().collect();
        all.sort_by_key(|reason| (std::cmp::Reverse(reason.count), reason.op));
        all.truncate(TOLD);
        all
    }

    pub(super) fn main_of(&self, f: &str) -> Option<&Reason> {
        let of_f = self.by.values().filter(|reason| reason.f == f);
        of_f.max_by_key(|reason| (reason.count, std::cmp::Reverse(reason.op)))
    }
}

/// Says of operations that were given up how many of them were answered later, and by how
/// much at most.
pub(super) fn add_late(reasons: &mut [Reason], f: &str, count: u64, most: Duration) {
    let are_given_up = |reason: &&mut Reason| reason.f == f && reason.reason == TIMEOUT;
    let Some(reason) = reasons.iter_mut().find(are_given_up) else { return };
    let seconds = most.as_secs_f64();
    reason.reason += &match (count, reason.count) {
        (1, 1) => format!("; the answer came {seconds:.3} s later"),
        (1, _) => format!("; one answer came after that, {seconds:.3} s later"),
        _ => format!("; {count} answers came after that, up to {seconds:.3} s later"),
    };
}

/// What an operation's error has in common with others, and what is its own: as
/// the simulator writes them, and as the original does.
fn split(error: &str) -> (String, String) {
    match serde_json::from_str(error) {
        Ok(Value::String(text)) => split_text(&text),
        Ok(Value::Array(parts)) => answered(&parts),
        _ => (shorten_to(error, EXAMPLE), String::new()),
    }
}

fn split_text(text: &str) -> (String, String) {
    let text = text.strip_prefix("indeterminate: ").unwrap_or(text);
    if ["net-timeout", "Client read timeout"].contains(&text) {
        return (TIMEOUT.to_owned(), String::new());
    }
    let is_malformed = text.starts_with("malformed ");
    if let Some((reason, example)) = text.split_once(", in ").filter(|_| is_malformed) {
        return (reason.to_owned(), example.to_owned());
    }
    match text.strip_prefix("the node answered ").and_then(|answer| answer.split_once(": ")) {
        Some((error, example)) => {
            let name = error.split(" (code ").next().unwrap_or_default();
            let code = error[name.len()..].strip_prefix(" (code ");
            (told(name, code.and_then(|code| code.strip_suffix(')'))), example.to_owned())
        }
        None => (shorten_to(text, EXAMPLE), String::new()),
    }
}

/// `[name, text]` or `[name, text, code]`.
fn answered(parts: &[Value]) -> (String, String) {
    let name = parts.first().and_then(Value::as_str).unwrap_or("unknown");
    let code = parts.get(2).map(ToString::to_string);
    let text = parts.get(1).filter(|text| !text.is_null());
    let text = text.map_or(String::new(), ToString::to_string);
    (told(name, code.as_deref()), text)
}

/// An error by its name, and by its code as the node spelt it, if the protocol has none.
fn told(name: &str, code: Option<&str>) -> String {
    match code {
        Some("null") => "the node answered an error without a `code`".to_owned(),
        Some(code) if type_of(code) == "an integer" => {
            format!("the node answered an error of its own (code {code})")
        }
        Some(code) => {
            let found = type_of(code);
            format!(
                "the node answered an error whose `code` is {found} instead of an integer: {code}"
            )
        }
        None => match CODES.into_iter().find(|number| ErrorCode::from(*number).name() == name) {
            Some(number) => format!("the node answered {name} (code {number})"),
            None => format!("the node answered {name}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::{Process, null, raw};

    fn reasons(errors: &[(OpType, Value)]) -> Vec<(u64, String, String)> {
        let mut reasons = Reasons::default();
        for (index, (kind, error)) in errors.iter().enumerate() {
            let mut op = Op::new(Process::Client(0), *kind, "read", null());
            op.index = index as u64;
            op.error = Some(raw(error));
            reasons.observe(&op);
        }
        let told = |reason: Reason| (reason.count, reason.reason, reason.example);
        reasons.most_frequent().into_iter().map(told).collect()
    }

    #[test]
    fn the_same_reasons_are_counted_together_the_most_frequent_first() {
        let malformed =
            |n| json!(format!("indeterminate: malformed x_ok reply: bad, in {{\"n\":{n}}}"));
        let told = reasons(&[
            (OpType::Fail, json!("net-timeout")),
            (OpType::Info, malformed(1)),
            (OpType::Info, malformed(2)),
            (OpType::Info, malformed(3)),
            (OpType::Fail, json!(["abort", "busy 1"])),
            (OpType::Fail, json!(["abort", "busy 2"])),
            (OpType::Info, json!(["unknown", null, "11"])),
            (OpType::Info, json!(["unknown", null, null])),
            (OpType::Info, json!(["unknown", null, 1000])),
            (OpType::Info, json!("indeterminate: the node answered crash: \"x: y\"")),
            (OpType::Info, json!("indeterminate: the node answered unknown (code 99): null")),
            (OpType::Info, json!(["own-name", "x"])),
        ]);
        let expected = [
            (3, "malformed x_ok reply: bad", r#"{"n":1}"#),
            (2, "the node answered abort (code 14)", r#""busy 1""#),
            (1, "no reply in time", ""),
            (
                1,
                "the node answered an error whose `code` is a string instead of an integer: \"11\"",
                "",
            ),
            (1, "the node answered an error without a `code`", ""),
            (1, "the node answered an error of its own (code 1000)", ""),
            (1, "the node answered crash (code 13)", r#""x: y""#),
            (1, "the node answered an error of its own (code 99)", "null"),
            (1, "the node answered own-name", r#""x""#),
        ];
        assert_eq!(told, expected.map(|(count, why, what)| (count, why.into(), what.into())));
    }

    #[test]
    fn answers_that_came_late_are_told_with_the_operations_that_were_given_up() {
        let told = |count: u64, late: u64| {
            let op = || Op {
                error: Some(raw("net-timeout")),
                ..Op::new(Process::Client(0), OpType::Info, "read", null())
            };
            let mut reasons = Reasons::default();
            (0..count).for_each(|_| reasons.observe(&op()));
            let mut reasons = reasons.most_frequent();
            for f in ["write", "read"] {
                add_late(&mut reasons, f, late, Duration::from_millis(1500));
            }
            reasons.remove(0).reason
        };
        assert_eq!(told(1, 1), "no reply in time; the answer came 1.500 s later");
        assert_eq!(told(3, 1), "no reply in time; one answer came after that, 1.500 s later");
        assert_eq!(told(3, 2), "no reply in time; 2 answers came after that, up to 1.500 s later");
    }

    #[test]
    fn there_are_never_many_and_none_is_long() {
        let errors: Vec<_> = (0..1000)
            .map(|number| (OpType::Info, json!([format!("own-{number}"), "x".repeat(10_000)])))
            .collect();
        let told = reasons(&errors);
        assert_eq!(told.len(), TOLD);
        assert!(told.iter().all(|(_, _, example)| example.chars().count() <= EXAMPLE + 1));
    }
}
