//! One key's operations: waiting in line until their fate is known, then going
//! through the search.

use std::collections::VecDeque;

use maelstrom::protocol::Definite;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::budget::{Budget, Exhausted};
use super::search::{Action, Search, Slot, Stop, ValueId};
use crate::element::Element;
use crate::history::{Op, OpType, Process};
use crate::witness::{Event, Names};
use crate::{Subject, Validity};

#[derive(Debug)]
pub(super) enum Request {
    Read,
    Write(Element),
    Cas(Element, Element),
}

pub(super) fn decode(op: &Op) -> Option<(Element, Request)> {
    let (key, argument): (&RawValue, &RawValue) = op.decode().ok()?;
    let request = match &*op.f {
        "read" => Request::Read,
        "write" => Request::Write(Element::parse(argument.get())),
        "cas" => {
            let (from, to): (&RawValue, &RawValue) = serde_json::from_str(argument.get()).ok()?;
            Request::Cas(Element::parse(from.get()), Element::parse(to.get()))
        }
        _ => return None,
    };
    Some((Element::parse(key.get()), request))
}

fn value_read(op: &Op) -> Option<Element> {
    let (_, value): (&RawValue, &RawValue) = op.decode().ok()?;
    Some(Element::parse(value.get()))
}

/// What a refused operation saw of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Code 20: the key does not exist.
    Absent,
    /// Code 22: it is not what the cas takes it for.
    Differs,
}

impl Refusal {
    /// What an error says that a node answered; other errors, and those that a client
    /// met, say nothing of the key.
    fn of(request: &Request, op: &Op) -> Option<Self> {
        match request {
            Request::Write(_) => None,
            _ if op.is_refused_with(Definite::KeyDoesNotExist) => Some(Self::Absent),
            Request::Cas(..) => {
                op.is_refused_with(Definite::PreconditionFailed).then_some(Self::Differs)
            }
            Request::Read => None,
        }
    }
}

/// One key: its operations in line, and the search.
#[derive(Default)]
pub(super) struct Register {
    search: Search,
    values: Values,
    calls: FxHashMap<u64, Call>,
    line: VecDeque<Step>,
    open: FxHashMap<Process, u64>,
    last_ok: Option<u64>,
    /// Whether refusals are looked at, and null counts as no value.
    sees_absence: bool,
    pub(super) ended: Option<Ended>,
}

impl Register {
    /// A key that was never written. `sees_absence` says whether refused operations,
    /// and reads of null, are held against it.
    pub(super) fn new(sees_absence: bool) -> Self {
        Self { sees_absence, search: Search::new(), ..Self::default() }
    }
}

struct Call {
    invoked: Event,
    request: Request,
    fate: Fate,
    deadline: u64,
    slot: Option<Slot>,
}

enum Fate {
    NotKnown,
    /// A read brings what it saw.
    Ok(Option<Element>),
    Refused(Refusal),
    /// It did not happen, and says nothing.
    Fail,
    InDoubt,
}

/// What waits in line; calls by the index of their invocation.
enum Step {
    Invoke(u64),
    Complete(u64, Event),
}

pub(super) enum Ended {
    TooManyOpen,
    Exhausted(Exhausted),
    Impossible(Box<Witness>),
}

/// The completion that no order of operations explains.
pub(super) struct Witness {
    what: String,
    pub(super) invoked: Event,
    pub(super) completed: Event,
    previous_ok: Option<u64>,
    possible: Vec<String>,
}

impl Register {
    pub(super) fn invoke(&mut self, op: &Op, request: Request) {
        if self.ended.is_none() {
            let call = Call {
                invoked: Event::of(op),
                request,
                fate: Fate::NotKnown,
                deadline: 0,
                slot: None,
            };
            self.calls.insert(op.index, call);
            self.open.insert(op.process, op.index);
            self.line.push_back(Step::Invoke(op.index));
        }
    }

    pub(super) fn complete(&mut self, op: &Op) {
        let Some(id) = self.open.remove(&op.process) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.deadline = op.index;
        call.fate = match op.kind {
            OpType::Ok => {
                self.line.push_back(Step::Complete(id, Event::of(op)));
                Fate::Ok(value_read(op).filter(|_| matches!(call.request, Request::Read)))
            }
            OpType::Fail => {
                let refusal = Refusal::of(&call.request, op).filter(|_| self.sees_absence);
                refusal.map_or(Fate::Fail, |refusal| {
                    self.line.push_back(Step::Complete(id, Event::of(op)));
                    Fate::Refused(refusal)
                })
            }
            OpType::Info | OpType::Invoke => Fate::InDoubt,
        };
    }

    /// No more operations: what is still open stays in doubt.
    pub(super) fn end(&mut self, budget: &mut Budget) {
        let ids: Vec<u64> = std::mem::take(&mut self.open).into_values().collect();
        for id in ids {
            if let Some(call) = self.calls.get_mut(&id) {
                call.fate = Fate::InDoubt;
            }
        }
        self.advance(budget);
    }

    /// Takes steps up to the first operation whose fate is not known.
    pub(super) fn advance(&mut self, budget: &mut Budget) {
        while self.ended.is_none()
            && let Some(step) = self.line.pop_front()
        {
            let outcome = match step {
                Step::Invoke(id) if self.is_open(id) => return self.line.push_front(step),
                Step::Invoke(id) => self.begin(id, budget),
                Step::Complete(id, completion) => self.finish(id, completion, budget),
            };
            self.ended = outcome.err();
        }
        if self.ended.is_some() {
            // Nothing that comes later changes the verdict.
            self.line = VecDeque::new();
            self.calls = FxHashMap::default();
            self.search.abandon(budget);
        }
    }

    fn is_open(&self, id: u64) -> bool {
        self.calls.get(&id).is_some_and(|call| matches!(call.fate, Fate::NotKnown))
    }

    fn begin(&mut self, id: u64, budget: &mut Budget) -> Result<(), Ended> {
        let Some(call) = self.calls.get_mut(&id) else { return Ok(()) };
        let action = self.values.action(&call.request, &call.fate, self.sees_absence);
        match (&call.fate, action) {
            (Fate::Ok(_) | Fate::Refused(_), Some(action)) => {
                call.slot = Some(self.search.invoke(action, call.deadline, budget)?);
            }
            (Fate::Ok(_), None) => {}
            (Fate::InDoubt, Some(action)) => {
                self.search.doubt(action, budget)?;
                self.calls.remove(&id);
            }
            _ => {
                self.calls.remove(&id);
            }
        }
        Ok(())
    }

    fn finish(&mut self, id: u64, completion: Event, budget: &mut Budget) -> Result<(), Ended> {
        let Some(call) = self.calls.remove(&id) else { return Ok(()) };
        if let Some(slot) = call.slot {
            self.search.complete(slot, budget).map_err(|stop| match stop {
                Stop::Impossible(values) => Ended::Impossible(Box::new(Witness {
                    what: call.describe(),
                    invoked: call.invoked,
                    completed: completion,
                    previous_ok: self.last_ok,
                    possible: values.into_iter().map(|value| self.values.name(value)).collect(),
                })),
                other => other.into(),
            })?;
        }
        self.last_ok = Some(completion.index);
        Ok(())
    }

    pub(super) fn results(&self, valid: Validity) -> Value {
        let mut linearizable = json!({ "valid?": valid });
        if let Some(Ended::Impossible(witness)) = &self.ended {
            linearizable["op"] = json!({ "op-index": witness.completed.index });
            let previous = witness.previous_ok.map(|index| json!({ "op-index": index }));
            linearizable["previous-ok"] = json!(previous);
        }
        json!({ "valid?": valid, "linearizable": linearizable })
    }
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Exhausted(exhausted) => Self::Exhausted(exhausted),
            // Only an operation that returns is impossible.
            Stop::TooManyOpen | Stop::Impossible(_) => Self::TooManyOpen,
        }
    }
}

impl Call {
    /// What the client was told, as the middle of "p1 … key 3".
    fn describe(&self) -> String {
        match (&self.request, &self.fate) {
            (Request::Read, Fate::Refused(_)) => "read, and was told that there is no".to_owned(),
            (Request::Cas(from, to), Fate::Refused(Refusal::Absent)) => {
                format!("asked to change {from} to {to}, and was told that there is no")
            }
            (Request::Cas(from, to), Fate::Refused(Refusal::Differs)) => {
                format!("asked to change {from} to {to}, and was told that {from} is not in")
            }
            (Request::Read, Fate::Ok(Some(value))) => format!("read {value} from"),
            (Request::Write(value), _) => format!("wrote {value} to"),
            (Request::Cas(from, to), _) => format!("changed {from} to {to} in"),
            (Request::Read, _) => "read".to_owned(),
        }
    }
}

impl Witness {
    /// The key, and what it had to be if there is no choice.
    pub(super) fn subject(&self, key: &Element) -> Subject {
        match &self.possible[..] {
            [value] => Subject::both(key, value),
            _ => Subject::key(key),
        }
    }

    pub(super) fn describe(&self, key: &Element, names: Names) -> String {
        let before = match self.previous_ok {
            Some(index) => format!("Up to op {index} all can be explained"),
            None => "Nothing came before".to_owned(),
        };
        format!(
            "{} {} key {key} ({} to {}), which no order of the operations explains. \
             {before}; by then the key had to be {}.",
            names.who(self.completed.process),
            self.what,
            self.invoked.at(),
            self.completed.at(),
            self.possible.join(" or "),
        )
    }
}

#[derive(Default)]
struct Values {
    ids: FxHashMap<Element, ValueId>,
    names: Vec<String>,
}

impl Values {
    /// 0 for null, which is what a register holds before any write.
    fn id(&mut self, value: &Element) -> ValueId {
        if *value == Element::Null {
            return 0;
        }
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        self.names.push(value.to_string());
        let id = self.names.len() as ValueId;
        self.ids.insert(value.clone(), id);
        id
    }

    fn name(&self, id: ValueId) -> String {
        let index = (id as usize).checked_sub(1);
        index.map_or("without a value".to_owned(), |index| self.names[index].clone())
    }

    /// What the call does; `None` if it constrains nothing.
    fn action(&mut self, request: &Request, fate: &Fate, sees_absence: bool) -> Option<Action> {
        match (request, fate) {
            (_, Fate::Refused(Refusal::Absent)) => Some(Action::Read(0)),
            (Request::Cas(from, _), Fate::Refused(Refusal::Differs)) => {
                Some(Action::Differs(self.id(from)))
            }
            // A read of null agrees with anything, in the original.
            (Request::Read, Fate::Ok(Some(Element::Null))) if !sees_absence => None,
            (Request::Read, Fate::Ok(Some(value))) => Some(Action::Read(self.id(value))),
            (_, Fate::Fail | Fate::NotKnown) | (Request::Read, _) => None,
            (Request::Write(value), _) => Some(Action::Write(self.id(value))),
            (Request::Cas(from, to), _) => Some(Action::Cas(self.id(from), self.id(to))),
        }
    }
}
