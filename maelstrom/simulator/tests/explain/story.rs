//! A small run, written down message by message.

use checkers::history::{self, Op};
use checkers::{Finding, Names, Subject};
use serde_json::{Value, json};
use simulator::explain::Run;
use simulator::trace::Trace;

/// A run of two nodes. Processes 0 and 10 talk to n0, process 1 to n1, as the trace shows.
#[derive(Clone, Default)]
pub(crate) struct Story {
    pub(crate) ops: Vec<Value>,
    pub(crate) trace: String,
    pub(crate) now: i64,
    pub(crate) ids: u64,
}

impl Story {
    /// So many milliseconds have passed.
    pub(crate) fn at(&mut self, millis: i64) -> &mut Self {
        self.now = millis * 1_000_000;
        self
    }

    pub(crate) fn line(&mut self, event: &str, rest: &str) {
        self.trace += &format!("{{\"time\":{},\"event\":\"{event}\",{rest}}}\n", self.now);
    }

    /// A message is sent.
    pub(crate) fn send(&mut self, src: &str, dest: &str, body: &Value) -> u64 {
        self.sent(src, dest, &format!("\"body\":{body}"))
    }

    pub(crate) fn sent(&mut self, src: &str, dest: &str, rest: &str) -> u64 {
        let id = self.ids;
        self.ids += 1;
        self.line("send", &format!(r#""id":{id},"src":"{src}","dest":"{dest}",{rest}"#));
        id
    }

    pub(crate) fn received(&mut self, id: u64) {
        self.line("recv", &format!("\"id\":{id}"));
    }

    pub(crate) fn dropped(&mut self, id: u64, by: &str) {
        self.line("drop", &format!("\"id\":{id},\"by\":\"{by}\""));
    }

    /// A message is sent and arrives.
    pub(crate) fn tell(&mut self, src: &str, dest: &str, body: &Value) {
        let id = self.send(src, dest, body);
        self.received(id);
    }

    pub(crate) fn op(&mut self, kind: &str, process: usize, f: &str, value: &Value) -> u64 {
        let index = self.ops.len() as u64;
        let op = json!({"index": index, "time": self.now, "type": kind, "process": process, "f": f,
                        "value": value});
        self.ops.push(op);
        index
    }

    /// A client asks, and its request arrives.
    pub(crate) fn ask(&mut self, process: usize, f: &str, value: &Value, mut body: Value) -> u64 {
        let index = self.op("invoke", process, f, value);
        body["type"] = f.into();
        body["msg_id"] = (index + 1).into();
        let (client, node) = (format!("c{}", process + 10), format!("n{}", process % 10));
        let id = self.sent(&client, &node, &format!("\"op\":{index},\"body\":{body}"));
        self.received(id);
        index
    }

    /// It is answered.
    pub(crate) fn answer(&mut self, asked: u64, value: &Value) -> u64 {
        let process =
            self.ops[usize::try_from(asked).unwrap()]["process"].as_u64().unwrap() as usize;
        let f = self.ops[usize::try_from(asked).unwrap()]["f"].as_str().unwrap().to_owned();
        let body = json!({"type": format!("{f}_ok"), "in_reply_to": asked + 1});
        self.tell(&format!("n{}", process % 10), &format!("c{}", process + 10), &body);
        self.op("ok", process, &f, value)
    }

    /// It is not, and the client gives up.
    pub(crate) fn time_out(&mut self, asked: u64) -> u64 {
        let process =
            self.ops[usize::try_from(asked).unwrap()]["process"].as_u64().unwrap() as usize;
        let index = self.op("info", process, "echo", &Value::Null);
        self.ops.last_mut().unwrap()["error"] = "net-timeout".into();
        index
    }

    /// Asks for it and is answered at once.
    pub(crate) fn done(&mut self, process: usize, f: &str, value: &Value, body: Value) -> u64 {
        let asked = self.ask(process, f, value, body);
        self.answer(asked, value)
    }

    pub(crate) fn broadcast(&mut self, process: usize, value: u64) -> u64 {
        self.done(process, "broadcast", &value.into(), json!({"message": value}))
    }

    /// Why this was found.
    pub(crate) fn why(
        &self,
        kind: &str,
        ops: &[u64],
        subject: [Option<&str>; 2],
    ) -> Option<String> {
        let [key, value] = subject.map(|part| part.map(str::to_owned));
        self.why_of(kind, ops, Subject { key, value, ..Subject::default() })
    }

    pub(crate) fn why_of(&self, kind: &str, ops: &[u64], subject: Subject) -> Option<String> {
        let lines: Vec<String> = self.ops.iter().map(Value::to_string).collect();
        let lines = lines.join("\n");
        let history: Vec<Op> =
            history::read(lines.as_bytes()).unwrap().map(Result::unwrap).collect();
        let trace = Trace::read(self.trace.as_bytes()).unwrap();
        let run = Run::new(&history, &trace, Names::unknown());
        let mut finding = Finding::new(kind, "", ops.to_vec());
        finding.subject = subject;
        run.explain(&finding).map(|why| why.text)
    }

    /// Why a read of n1 does not have a value.
    pub(crate) fn lost(&mut self, value: &str) -> String {
        let read = self.done(1, "read", &json!([]), json!({}));
        self.why("lost", &[read], [None, Some(value)]).unwrap()
    }
}

/// Fails unless the text has these parts and none of those.
#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str], never: &[&str]) {
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    assert!(!never.iter().any(|part| text.contains(part)), "{text}");
}
