//! What every history has in common: indices without gaps, times that do not run
//! backwards, and processes that do one thing at a time, which the workload has.

use rustc_hash::FxHashSet;

use super::{Op, OpType, Process};
use crate::Workload;

/// What is wrong with the form of a history.
#[expect(missing_docs, reason = "the messages say what the fields are")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("operation {expected} has the index {found}; indices count from 0 without gaps")]
    Index { expected: u64, found: u64 },
    #[error("operation {index} lies before the one before it: {time} ns after {previous} ns")]
    Time { index: u64, time: u64, previous: u64 },
    #[error(
        "operation {index} is `{f}`, which the workload {} does not have (it has {}): is this the \
         history of another workload?",
        .workload.name(), .workload.functions().join(", ")
    )]
    Function { index: u64, f: String, workload: Workload },
    #[error("operation {index}: {process} begins {f} while another operation of it is open")]
    Busy { index: u64, process: Process, f: String },
    #[error("operation {index}: {process} completes {f}, but has nothing open")]
    Idle { index: u64, process: Process, f: String },
}

/// Watches a history's form.
#[derive(Debug)]
pub struct Form {
    workload: Workload,
    next: u64,
    time: u64,
    busy: FxHashSet<Process>,
}

impl Form {
    /// Of a workload's history.
    pub fn new(workload: Workload) -> Self {
        Self { workload, next: 0, time: 0, busy: FxHashSet::default() }
    }

    /// Takes the next operation.
    ///
    /// # Errors
    ///
    /// When it does not fit those before it.
    pub fn observe(&mut self, op: &Op) -> Result<(), FormError> {
        if op.index != self.next {
            return Err(FormError::Index { expected: self.next, found: op.index });
        }
        if op.time < self.time {
            let (index, time) = (op.index, op.time);
            return Err(FormError::Time { index, time, previous: self.time });
        }
        self.next += 1;
        self.time = op.time;
        if op.process.is_client() { self.observe_process(op) } else { Ok(()) }
    }

    fn observe_process(&mut self, op: &Op) -> Result<(), FormError> {
        let (index, process) = (op.index, op.process);
        if !self.workload.functions().contains(&&*op.f) {
            let f = op.f.to_string();
            return Err(FormError::Function { index, f, workload: self.workload });
        }
        if op.kind == OpType::Invoke {
            let is_idle = self.busy.insert(process);
            let error = || FormError::Busy { index, process, f: op.f.to_string() };
            return if is_idle { Ok(()) } else { Err(error()) };
        }
        let was_busy = self.busy.remove(&process);
        let error = || FormError::Idle { index, process, f: op.f.to_string() };
        if was_busy { Ok(()) } else { Err(error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str]) -> Result<(), FormError> {
        let mut form = Form::new(Workload::GSet);
        lines.iter().try_for_each(|line| form.observe(&serde_json::from_str(line).unwrap()))
    }

    const INVOKE: &str = r#"{"index":0,"time":5,"type":"invoke","process":0,"f":"read"}"#;

    #[test]
    fn an_operation_and_its_completion_fit() {
        let ok = r#"{"index":1,"time":5,"type":"ok","process":0,"f":"read"}"#;
        assert_eq!(check(&[INVOKE, ok]), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let second = r#"{"index":1,"time":5,"type":"invoke","process":0,"f":"read"}"#;
        let gap = r#"{"index":2,"time":5,"type":"ok","process":0,"f":"read"}"#;
        let early = r#"{"index":1,"time":4,"type":"ok","process":0,"f":"read"}"#;
        let other = r#"{"index":1,"time":5,"type":"ok","process":3,"f":"read"}"#;
        let foreign = r#"{"index":1,"time":5,"type":"invoke","process":3,"f":"cas"}"#;
        let error = |line| check(&[INVOKE, line]).unwrap_err().to_string();
        assert!(error(second).contains("p0 begins read while another"));
        assert!(error(gap).contains("operation 1 has the index 2"));
        assert!(error(early).contains("before the one before it"));
        assert!(
            error(foreign)
                .contains("1 is `cas`, which the workload g-set does not have (it has add,")
        );
        assert!(error(other).contains("p3 completes read, but has nothing open"));
    }
}
