//! Whatever a node is asked to echo, it answers.
//!
//! A request without an answer is no error, one that was refused is: the
//! original compares what the client kept of the refusal with the request.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::element::Element;
use super::witness::{Event, Findings, Names, shorten};
use super::{Checker, Outcome, Validity, fields};
use crate::history::{Op, OpType, Process};

#[derive(Default)]
pub(crate) struct Echo {
    names: Names,
    open: FxHashMap<Process, Request>,
    errors: Vec<Value>,
    findings: Findings,
}

struct Request {
    index: u64,
    text: Box<RawValue>,
}

impl Echo {
    pub(crate) fn new(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    fn compare(&mut self, request: &Request, op: &Op) {
        let sent = Element::parse(request.text.get());
        let body = Element::parse(op.value.get());
        if sent != echoed(&body) {
            let (expected, received) = (sent.to_value(), body.to_value());
            let words = ["Expected a message with :echo", "But received"];
            self.errors.push(json!([words[0], expected, words[1], received]));
            let who = self.names.who(op.process);
            self.findings.push(&[request.index, op.index], || describe(&who, request, op));
        }
    }
}

fn echoed(body: &Element) -> Element {
    let echo = match body {
        Element::Map(fields) => fields.get("echo").cloned(),
        _ => None,
    };
    echo.unwrap_or(Element::Null)
}

fn describe(who: &str, request: &Request, op: &Op) -> String {
    let asked = format!("{who} sent {} (op {})", shorten(request.text.get()), request.index);
    let at = Event::of(op).at();
    match (&op.error, op.kind) {
        (error, OpType::Fail) => {
            let error = error.as_ref().map_or("no reason", |error| error.get());
            format!("{asked} and was refused with {} ({at}).", shorten(error))
        }
        _ => {
            let body: Option<BTreeMap<String, Box<RawValue>>> = op.decode().ok();
            let echo = body.as_ref().and_then(|body| body.get("echo"));
            let echo = echo.map_or("a reply without echo", |echo| echo.get());
            format!("{asked} and got {} back ({at}).", shorten(echo))
        }
    }
}

impl Checker for Echo {
    fn observe(&mut self, op: &Op) {
        if !op.process.is_client() {
            return;
        }
        if op.is_invocation() {
            let request = Request { index: op.index, text: op.value.clone() };
            self.open.insert(op.process, request);
        } else if let Some(request) = self.open.remove(&op.process)
            && op.kind != OpType::Info
        {
            self.compare(&request, op);
        }
    }

    fn finish(self: Box<Self>) -> Outcome {
        Outcome {
            valid: Validity::of(self.errors.is_empty()),
            results: fields(json!({ "errors": self.errors })),
            findings: self.findings.into_vec("wrong-echo"),
            ..Outcome::default()
        }
    }
}
