//! `lin-kv`: registers that are read, written, and compared and set.
//!
//! An operation's value is `[key, argument]`: nothing for a read (its result then
//! stands there), the value for a write, `[from, to]` for a cas. Each key is
//! checked by itself, so the generator ([`groups`]) keeps its history short.

mod groups;

use std::time::Duration;

use checkers::history::{null, raw};
use serde_json::value::RawValue;

use self::groups::Groups;
use super::{
    Client, Errors, Generator, Malformed, Operation, Request, Step, Unsupported, Workload, reply,
};
use crate::settings::Settings;

/// The least time that a client waits for a reply.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct LinKv {
    /// Threads that read a key, and as many that change it.
    readers: usize,
    groups: usize,
    timeout: Duration,
}

impl LinKv {
    pub(super) fn new(settings: &Settings) -> Result<Self, Unsupported> {
        let Settings { workload, concurrency, node_count, .. } = *settings;
        let group = 2 * node_count;
        if concurrency == 0 || !concurrency.is_multiple_of(group) {
            return Err(Unsupported::Groups { workload, group, concurrency });
        }
        Ok(Self {
            readers: node_count,
            groups: concurrency / group,
            timeout: PATIENCE.max(10 * settings.latency.mean),
        })
    }
}

impl Workload for LinKv {
    fn generator(&self) -> Box<dyn Generator> {
        Box::new(Groups::new(self.groups, self.readers))
    }

    fn probe(&self) -> Operation {
        Operation::new("read", &(0, ()))
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(LinKvClient)
    }

    fn reuses_clients(&self) -> bool {
        true
    }

    fn errors(&self) -> Errors {
        Errors::Reported { idempotent: &["read"] }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

struct LinKvClient;

impl LinKvClient {
    fn key_and_argument(operation: &Operation) -> (&RawValue, &RawValue) {
        serde_json::from_str(operation.value.get()).unwrap_or((RawValue::NULL, RawValue::NULL))
    }
}

impl Client for LinKvClient {
    fn invoke(&mut self, operation: &Operation) -> Step {
        let (key, argument) = Self::key_and_argument(operation);
        let request = Request::new(operation.f).with("key", key);
        Step::Request(match operation.f {
            "write" => request.with("value", argument),
            "cas" => {
                let none = || [null(), null()];
                let [from, to] = serde_json::from_str(argument.get()).unwrap_or_else(|_| none());
                request.with("from", &from).with("to", &to)
            }
            _ => request,
        })
    }

    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed> {
        if operation.f != "read" {
            return reply::fields(body, operation.f, []).map(|[]| Step::Ok(None));
        }
        let [value] = reply::fields(body, operation.f, ["value"])?;
        let (key, _) = Self::key_and_argument(operation);
        Ok(Step::Ok(Some(raw(&(key, value)))))
    }
}

#[cfg(test)]
mod tests;
