//! Workloads: what clients are asked to do, and how they do it on the wire.
//!
//! A [`Workload`] brings a [`Generator`], which says which operation comes next,
//! and [`Client`]s, which turn an operation into requests and replies into a
//! result. Both are pure; time, processes, timeouts and the history are the
//! world's (`crate::world`). [`new`] lists them.
//!
//! To add one: a function in [`simple`] if each of its operations is one request, else a
//! file with its `Workload` and `Client`; a line in [`new`], and a checker.

mod counter;
mod generator;
mod kafka;
mod lin_kv;
mod reply;
mod simple;
mod txn;
mod values;

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) use crate::request::Request;
pub(crate) use generator::{Completion, Context, EachThread, FreeThreads, Generator, Mixed, Next};
pub(crate) use reply::Malformed;
pub(crate) use reply::fields;

use checkers::history::{null, raw};

use crate::links::LinksError;
use crate::nemesis::Fault;
use crate::settings::{self, Settings};

pub(crate) trait Workload {
    /// A request to every node after its initialisation, if there is one.
    fn setup(&self) -> Option<&Request> {
        None
    }

    /// The operations of the test proper.
    fn generator(&self) -> Box<dyn Generator>;

    /// The operations after the recovery phase. A workload that has none has no
    /// recovery phase either.
    fn final_generator(&self) -> Option<Box<dyn Generator>> {
        None
    }

    /// What each client asks of its node soon after the last fault, if the settings
    /// state a promise: a read of everything, where the workload has one.
    fn probe(&self) -> Operation;

    fn client(&self) -> Box<dyn Client>;

    /// Whether a client goes on with its connection after an indeterminate
    /// operation. Otherwise it opens a new one, under a new client id.
    fn reuses_clients(&self) -> bool {
        false
    }

    /// What becomes of an operation that met an error.
    fn errors(&self) -> Errors;

    fn timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// What becomes of an operation whose request met an error or a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// A definite error fails it. Any other error leaves it indeterminate,
    /// unless it is one of these, which change nothing and so fail.
    Reported {
        /// Names of the functions that change nothing.
        idempotent: &'static [&'static str],
    },
    /// Every error leaves it indeterminate, definite ones included: the
    /// original's client of this workload turns them all into exceptions.
    Raised,
}

/// Performs one operation at a time.
pub(crate) trait Client {
    fn invoke(&mut self, operation: &Operation) -> Step;

    /// Goes on with it after a reply that is no error.
    fn reply(&mut self, operation: &Operation, body: &RawValue) -> Result<Step, Malformed>;
}

#[derive(Debug)]
pub(crate) enum Step {
    /// It sends a request to its node and waits for the reply.
    Request(Request),
    /// It is done: `ok`, with this value, or the invocation's for `None`.
    Ok(Option<Box<RawValue>>),
    /// It is done, and nobody knows whether the operation happened.
    Info,
}

/// An operation, as a generator makes it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The function: `read`, `broadcast`, …
    pub f: &'static str,
    /// Its argument.
    pub value: Box<RawValue>,
    /// Whether it is a read after the recovery phase that the history marks.
    pub is_final: bool,
    /// Whether it probes a node after the last fault.
    pub is_probe: bool,
    /// See [`Op::seek_to_beginning`](checkers::history::Op::seek_to_beginning).
    pub seek_to_beginning: bool,
    /// See [`Op::unseen`](checkers::history::Op::unseen).
    pub unseen: Option<Box<RawValue>>,
    /// See [`Op::poll_ms`](checkers::history::Op::poll_ms).
    pub poll_ms: Option<u64>,
}

impl Operation {
    pub(crate) fn new<T: Serialize + ?Sized>(f: &'static str, value: &T) -> Self {
        Self { value: raw(value), ..Self::bare(f) }
    }

    pub(crate) fn bare(f: &'static str) -> Self {
        Self {
            f,
            value: null(),
            is_final: false,
            is_probe: false,
            seek_to_beginning: false,
            unseen: None,
            poll_ms: None,
        }
    }

    pub(crate) fn marked_final(self) -> Self {
        Self { is_final: true, ..self }
    }
}

impl Settings {
    /// Whether the workload can be had with these settings.
    ///
    /// # Errors
    ///
    /// What does not go together.
    pub fn check(&self) -> Result<(), Unsupported> {
        new(self).map(drop)
    }
}

/// The workload that the settings ask for.
pub(crate) fn new(settings: &Settings) -> Result<Box<dyn Workload>, Unsupported> {
    let neighbours = settings.neighbours()?;
    check_values(settings)?;
    check_faults(settings)?;
    let values = settings.values;
    Ok(match settings.workload {
        settings::Workload::Broadcast => Box::new(simple::broadcast(settings, neighbours.as_ref())),
        settings::Workload::Echo => Box::new(simple::echo(values)),
        settings::Workload::GCounter => Box::new(simple::counter(values, false)),
        settings::Workload::GSet => Box::new(simple::g_set(values)),
        settings::Workload::Kafka => Box::new(kafka::Kafka::new(settings)),
        settings::Workload::LinKv => Box::new(lin_kv::LinKv::new(settings)?),
        settings::Workload::PnCounter => Box::new(simple::counter(values, true)),
        settings::Workload::TxnListAppend => Box::new(txn::Txn::list_append(settings)),
        settings::Workload::TxnRwRegister => Box::new(txn::Txn::rw_register(settings)),
        settings::Workload::UniqueIds => Box::new(simple::unique_ids()),
    })
}

/// Whether clients of the workload can send such values.
fn check_values(settings: &Settings) -> Result<(), Unsupported> {
    use settings::Workload::{LinKv, UniqueIds};
    let Settings { workload, values, .. } = *settings;
    let only_numbers = matches!(workload, LinKv | UniqueIds);
    if only_numbers && values != settings::Values::Integers {
        return Err(Unsupported::Values { workload });
    }
    Ok(())
}

/// Whether nodes of the workload can be asked for what the faults ask.
fn check_faults(settings: &Settings) -> Result<(), Unsupported> {
    let workload = settings.workload;
    let changes = settings.nemesis.iter().any(|planned| planned.fault == Fault::Membership);
    match changes && workload != settings::Workload::LinKv {
        true => Err(Unsupported::Membership { workload }),
        false => Ok(()),
    }
}

/// Settings that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The link set is none of so many nodes.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// Clients of this workload send numbers, or nothing.
    #[error(
        "{} has no values but integers: --values goes with broadcast, echo, g-counter, \
         g-set, kafka, pn-counter, txn-list-append and txn-rw-register",
        .workload.name()
    )]
    Values {
        /// The one that was asked for.
        workload: settings::Workload,
    },
    /// Nodes of this workload have no members to change.
    #[error(
        "nodes of {} cannot be asked for other members: --nemesis membership goes with lin-kv",
        .workload.name()
    )]
    Membership {
        /// The workload.
        workload: settings::Workload,
    },
    /// The client processes cannot be divided into the groups it works with.
    #[error(
        "{} gives each key to a group of {group} client processes (two a node), so the concurrency \
         has to be a multiple of {group}, not {concurrency}: try --concurrency 2n",
        .workload.name()
    )]
    Groups {
        /// The one that was asked for.
        workload: settings::Workload,
        /// The size of a group.
        group: usize,
        /// How many client processes there are.
        concurrency: usize,
    },
}
