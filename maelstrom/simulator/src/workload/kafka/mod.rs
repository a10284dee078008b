//! `kafka`: logs that are appended to, and polled from positions on.
//!
//! `send`s and `poll`s are lists of one micro-operation each (the checker knows
//! of transactions, this workload does not): `["send", key, message]`, which
//! becomes `["send", key, [offset, message]]`, and `["poll"]`, which becomes
//! `["poll", {key: [[offset, message], …]}]`. The value of an `assign` is a list
//! of keys; a `crash` has none.
//!
//! - [`client`]: positions, commits.
//! - [`generator`]: the operations of the test proper.
//! - [`final_polls`]: the operations after the recovery phase.
//! - [`offsets`]: which offsets were sent and polled.

mod client;
mod final_polls;
mod generator;
mod offsets;

use std::cell::RefCell;
use std::rc::Rc;

use self::client::KafkaClient;
use self::final_polls::FinalPolls;
use self::generator::SendsAndPolls;
use self::offsets::Highest;
use super::txn::Accesses;
use super::{Client, Errors, Generator, Operation, Workload};
use crate::settings::Settings;

#[derive(Debug)]
pub(super) struct Kafka {
    accesses: Accesses,
    concurrency: usize,
    /// Of each key the highest offset that was sent or polled: written by the
    /// generator of the test proper, read when the final polls begin.
    highest: Rc<RefCell<Highest>>,
}

impl Kafka {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            accesses: Accesses::of(settings),
            concurrency: settings.concurrency,
            highest: Rc::default(),
        }
    }
}

impl Workload for Kafka {
    fn generator(&self) -> Box<dyn Generator> {
        Box::new(SendsAndPolls::new(self.accesses.clone(), self.concurrency, self.highest.clone()))
    }

    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        Some(Box::new(FinalPolls::new(&self.highest.borrow(), self.concurrency)))
    }

    fn probe(&self) -> Operation {
        generator::poll()
    }

    fn client(&self) -> Box<dyn Client> {
        Box::<KafkaClient>::default()
    }

    fn errors(&self) -> Errors {
        Errors::Reported { idempotent: &["assign"] }
    }
}

#[cfg(test)]
mod tests;
