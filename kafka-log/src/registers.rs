//! Registers that are written once, made of `lin-kv`'s compare-and-set.
//!
//! A register is a key of `lin-kv`. It is written by a cas that creates the key,
//! and that expects, should the key exist, a value that no register ever has: so
//! it succeeds at most once per key, whoever tries, however often, and however
//! late a delayed request arrives. *What a register says never changes.* That is
//! all that the log's safety rests on.
//!
//! To [propose](Registers::propose) a text for a register is to have it say something for
//! good: that text if it is the first, what stands there otherwise. An attempt that is
//! not answered is repeated until it is known which, so the one who proposed
//! never has to guess; proposals differ, so nobody takes another's for his own.
//! And as it does not matter how often a register is read or proposed for, what is
//! answered late counts like what is answered in time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::Backoff;
use maelstrom::machine::{Answer, Outputs, Service, ServiceCall, Time};
use serde_json::value::RawValue;

use crate::broker::Broker;
use crate::log::Register;

/// How long after an attempt the next one is made.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(4) };
/// How long an answer is waited for while further attempts are made.
const GIVE_UP: Duration = Duration::from_secs(30);
/// What no register ever says.
const NOTHING: &str = "";

/// What is known of a register now.
#[derive(Debug)]
pub(crate) enum Known {
    /// It said this when it was read; `None` if it was not written.
    Read(Register, Option<Arc<str>>),
    /// It says this for good.
    Decided(Register, Arc<str>),
}

/// What is tried with a register.
#[derive(Clone, Debug)]
enum Aim {
    /// To know what it says.
    Read,
    /// To write this.
    Propose(Arc<str>),
    /// To know what it says instead of this.
    Yield(Arc<str>),
}

impl Aim {
    fn proposal(&self) -> Option<&Arc<str>> {
        match self {
            Aim::Read => None,
            Aim::Propose(text) | Aim::Yield(text) => Some(text),
        }
    }
}

/// What is tried again and again until it is answered.
#[derive(Debug)]
struct Attempts {
    register: Register,
    aim: Aim,
    /// When to try again, and how often that was done.
    next_at: Time,
    repeated: u32,
}

/// The registers that are being read or proposed for.
#[derive(Debug)]
pub(crate) struct Registers {
    /// By number.
    under_way: BTreeMap<u64, Attempts>,
    count: u64,
    /// The bug [`Bug::Overwrite`](crate::Bug::Overwrite): proposals are written, whatever
    /// the register says.
    overwrites: bool,
}

impl Registers {
    pub(crate) fn new(overwrites: bool) -> Self {
        Self { under_way: BTreeMap::new(), count: 0, overwrites }
    }

    /// Reads a register.
    pub(crate) fn read(&mut self, now: Time, register: Register, out: &mut Outputs<Broker>) {
        self.begin(now, register, Aim::Read, Duration::ZERO, out);
    }

    /// Writes a register unless it is written.
    pub(crate) fn propose(
        &mut self,
        now: Time,
        register: Register,
        text: Arc<str>,
        out: &mut Outputs<Broker>,
    ) {
        self.begin(now, register, Aim::Propose(text), Duration::ZERO, out);
    }

    /// Tries again what was not answered in time.
    pub(crate) fn retry(&mut self, now: Time, out: &mut Outputs<Broker>) {
        let due = self.under_way.iter_mut().filter(|(_, attempts)| attempts.next_at <= now);
        for (&number, attempts) in due {
            tracing::debug!(register = %attempts.register, "asking again");
            attempts.repeated += 1;
            attempts.next_at = now + BACKOFF.step(attempts.repeated);
            out.call(number, call(attempts.register, &attempts.aim, self.overwrites));
        }
    }

    /// When there is something to try again.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.under_way.values().map(|attempts| attempts.next_at).min()
    }

    /// An attempt with this number was answered, which makes the others with it moot.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        number: u64,
        answer: Answer,
        out: &mut Outputs<Broker>,
    ) -> Option<Known> {
        let Attempts { register, aim, .. } = self.under_way.get(&number)?;
        let (register, aim) = (*register, aim.clone());
        let says = match answer {
            Answer::Read(value) => value.map(|value| value.and_then(|value| text(&value))),
            Answer::Changed(done) => done.map(|done| aim.proposal().filter(|_| done).cloned()),
        };
        let says = says.inspect_err(|error| tracing::warn!(%register, %error, "no answer")).ok()?;
        self.under_way.remove(&number);
        match (aim, says) {
            (Aim::Read, says) => return Some(Known::Read(register, says)),
            (_, Some(says)) => return Some(Known::Decided(register, says)),
            (Aim::Propose(text), None) => {
                self.begin(now, register, Aim::Yield(text), Duration::ZERO, out);
            }
            (Aim::Yield(text), None) => {
                tracing::warn!(%register, "lin-kv neither creates this key nor has it");
                self.begin(now, register, Aim::Propose(text), BACKOFF.first, out);
            }
        }
        None
    }

    fn begin(
        &mut self,
        now: Time,
        register: Register,
        aim: Aim,
        pause: Duration,
        out: &mut Outputs<Broker>,
    ) {
        self.count += 1;
        out.call(self.count, call(register, &aim, self.overwrites).after(pause));
        let next_at = now + pause + BACKOFF.step(0);
        self.under_way.insert(self.count, Attempts { register, aim, next_at, repeated: 0 });
    }
}

fn call(register: Register, aim: &Aim, overwrites: bool) -> ServiceCall {
    let (service, key) = (Service::LinKv, register.to_string());
    let call = match aim {
        Aim::Propose(text) if overwrites => ServiceCall::write(service, key, text),
        Aim::Propose(text) => ServiceCall::cas_or_create(service, key, &NOTHING, text),
        Aim::Read | Aim::Yield(_) => ServiceCall::read(service, key),
    };
    call.timeout(GIVE_UP)
}

/// The text of a register. A value that no node writes is its own text, which says
/// nothing to nodes; [`NOTHING`] is overwritten like a register that is not there.
fn text(value: &RawValue) -> Option<Arc<str>> {
    let text: Arc<str> = serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().into());
    (&*text != NOTHING).then_some(text)
}
