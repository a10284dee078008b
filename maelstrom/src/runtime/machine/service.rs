//! Calls to services as data: what a machine wants to ask, and what came of it.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use crate::runtime::error::CallError;

/// How long a call waits for its answer unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A key-value service; the [`kv`](crate::kv) module says what each promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `lin-kv`, linearizable.
    LinKv,
    /// `seq-kv`, sequentially consistent.
    SeqKv,
    /// `lww-kv`, eventually consistent.
    LwwKv,
}

impl Service {
    /// The service's name on the network.
    pub fn name(self) -> &'static str {
        match self {
            Service::LinKv => "lin-kv",
            Service::SeqKv => "seq-kv",
            Service::LwwKv => "lww-kv",
        }
    }
}

/// A call to a service: what, how long to wait for the answer, and how long to wait
/// before asking.
///
/// ```
/// use std::time::Duration;
/// use maelstrom::machine::{Service, ServiceCall};
///
/// let call = ServiceCall::cas_or_create(Service::SeqKv, "counter/n1", &3, &4)
///     .timeout(Duration::from_secs(2))
///     .after(Duration::from_millis(10));
/// assert_eq!(call.timeout, Duration::from_secs(2));
/// ```
#[derive(Clone, Debug)]
pub struct ServiceCall {
    /// Who is called.
    pub service: Service,
    /// The key.
    pub key: String,
    /// What is done with it.
    pub operation: Operation,
    /// How long to wait before the request is sent.
    pub pause: Duration,
    /// How long to wait for the answer, from then on.
    pub timeout: Duration,
}

/// What is done with a key. Values are JSON.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Read its value.
    Read,
    /// Set it to a value, whatever it was.
    Write(Box<RawValue>),
    /// Set it to another value if it has this one.
    Cas {
        /// The value that it should have.
        from: Box<RawValue>,
        /// The value that it gets.
        to: Box<RawValue>,
        /// Whether a key without a value gets one as well.
        create: bool,
    },
}

impl ServiceCall {
    /// Reads a key; see [`Kv::read`](crate::kv::Kv::read).
    pub fn read(service: Service, key: impl Into<String>) -> Self {
        let (key, operation) = (key.into(), Operation::Read);
        Self { service, key, operation, pause: Duration::ZERO, timeout: TIMEOUT }
    }

    /// Writes a key; see [`Kv::write`](crate::kv::Kv::write).
    ///
    /// # Panics
    ///
    /// When the value has no JSON form.
    pub fn write(service: Service, key: impl Into<String>, value: &impl Serialize) -> Self {
        Self { operation: Operation::Write(raw(value)), ..Self::read(service, key) }
    }

    /// Compares and sets a key; see [`Kv::cas`](crate::kv::Kv::cas).
    ///
    /// # Panics
    ///
    /// When a value has no JSON form.
    pub fn cas(
        service: Service,
        key: impl Into<String>,
        from: &impl Serialize,
        to: &impl Serialize,
    ) -> Self {
        let operation = Operation::Cas { from: raw(from), to: raw(to), create: false };
        Self { operation, ..Self::read(service, key) }
    }

    /// Compares and sets a key, or creates it; see
    /// [`Kv::cas_or_create`](crate::kv::Kv::cas_or_create). (`lww-kv` ignores the wish
    /// that it be created.)
    ///
    /// # Panics
    ///
    /// When a value has no JSON form.
    pub fn cas_or_create(
        service: Service,
        key: impl Into<String>,
        from: &impl Serialize,
        to: &impl Serialize,
    ) -> Self {
        let operation = Operation::Cas { from: raw(from), to: raw(to), create: true };
        Self { operation, ..Self::read(service, key) }
    }

    /// Waits so long for an answer, instead of one second.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Waits so long before it asks.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|error| panic!("a value has no JSON form: {error}"))
}

/// What a call to a service brought.
///
/// An error means that the outcome is unknown or that the service refused, as in
/// [`kv`](crate::kv); [`CallError::is_definite`] tells which.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To a read: the value, `None` when the key has none.
    Read(Result<Option<Box<RawValue>>, CallError>),
    /// To a write or a compare-and-set: whether it was done.
    Changed(Result<bool, CallError>),
}

impl Answer {
    /// The value that a read found, `None` when the key has none.
    ///
    /// # Errors
    ///
    /// What the call failed with; [`CallError::Undecodable`] when the value is no `V`.
    ///
    /// # Panics
    ///
    /// When the call was no read.
    pub fn value<V: DeserializeOwned>(self) -> Result<Option<V>, CallError> {
        let Answer::Read(found) = self else { panic!("a change of a key has no value") };
        let Some(value) = found? else { return Ok(None) };
        serde_json::from_str(value.get()).map(Some).map_err(|error| CallError::Undecodable {
            dest: "the service".to_owned(),
            problem: error.to_string(),
        })
    }

    /// Whether a write or a compare-and-set was done. A write that is answered was.
    ///
    /// # Errors
    ///
    /// What the call failed with.
    ///
    /// # Panics
    ///
    /// When the call was a read.
    pub fn done(self) -> Result<bool, CallError> {
        let Answer::Changed(done) = self else { panic!("a read changes nothing") };
        done
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(
            self,
            Answer::Read(Err(CallError::Closed)) | Answer::Changed(Err(CallError::Closed))
        )
    }
}
