//! Typed clients of Maelstrom's key-value services.
//!
//! The three services take the same requests and differ in what a read may
//! return; so do their clients, which are types of their own:
//!
//! - [`LinKv`] is linearizable. A read returns the newest value. Nothing
//!   surprises but the price: a service cannot be both this and available.
//! - [`SeqKv`] is sequentially consistent. All clients agree on one order of
//!   all operations, and each client's own operations stand in it in the order
//!   in which it made them. That says nothing about *when*: another client's
//!   write may stay invisible to this one for as long as the service likes.
//!   The example that surprises people: n0 writes `x = 1`, is told that it
//!   happened, and tells n1, which reads `x` and finds nothing. n1's read stands
//!   before n0's write in the common order, and no rule is broken. Nor does it
//!   help n1 to write something first: that write may stand before n0's as well.
//!   (With Maelstrom's own service it helps, if what is written is *unique*: a
//!   change is made to the newest state there, and reads of the same client come
//!   after it. Rewriting the value that is there already, or a cas that fails,
//!   proves nothing even there.) What holds everywhere: a key that is changed by
//!   cas alone, to values that never come back, has one chain of values, and who
//!   succeeds with a cas stood at its end. `workbench test --seq-kv adversarial` shows
//!   what a node has relied on beyond that.
//! - [`LwwKv`] is eventually consistent: the last writer wins, by a clock that
//!   need not agree with anybody's. A read may return any value that was ever
//!   written, a newer one and then an older one again. A cas decides on one
//!   replica's state, so two clients may both be told that they won.
//!
//! In all three a write that timed out may happen *later*, after writes that
//! were made since: a delayed message is still on its way. What must not be
//! overwritten by its own past goes through [`Kv::cas`], where what it expects
//! to find is gone by then. And where the network may deliver a request twice (as
//! Maelstrom's does not), the answer that comes may be that to the second copy: to
//! be told that a cas lost its race does not prove that it did not happen.
//!
//! Requests and replies: Maelstrom's [services page][services].
//!
//! [services]: https://github.com/jepsen-io/maelstrom/blob/main/doc/services.md

use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::Definite;
use crate::runtime::context::Context;
use crate::runtime::error::CallError;
use crate::runtime::message::{Empty, NodeId, Request};

mod update;

pub use update::UpdateError;

/// How long a request waits for its answer unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A kind of key-value service.
pub trait Service: sealed::Sealed {
    /// The service's name on the network.
    const NAME: &'static str;
}

/// A service whose cas is decided on one state, and can create a key.
pub trait Ordered: Service {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! services {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $kind {}
        impl sealed::Sealed for $kind {}
        impl Service for $kind {
            const NAME: &'static str = $name;
        }
    )*};
}

services! {
    /// `lin-kv`, linearizable.
    Lin = "lin-kv";
    /// `seq-kv`, sequentially consistent.
    Seq = "seq-kv";
    /// `lww-kv`, eventually consistent, last writer wins.
    Lww = "lww-kv";
}

impl Ordered for Lin {}
impl Ordered for Seq {}

/// A client of `lin-kv`: reads return the newest value.
pub type LinKv<S> = Kv<S, Lin>;
/// A client of `seq-kv`: reads may be stale, see the [module](self).
pub type SeqKv<S> = Kv<S, Seq>;
/// A client of `lww-kv`: reads may return any value that was ever written.
pub type LwwKv<S> = Kv<S, Lww>;

/// A client of a key-value service, made by [`Context::lin_kv`],
/// [`Context::seq_kv`] or [`Context::lww_kv`].
///
/// Keys and values are anything that has a JSON form. A missing key is `None`, and
/// [`Cas`] says what became of a compare-and-set; an error means that the outcome is unknown or that the
/// service refused, which [`CallError::is_definite`] tells apart.
pub struct Kv<S, K> {
    context: Context<S>,
    service: NodeId,
    timeout: Duration,
    kind: PhantomData<fn() -> K>,
}

/// What became of a compare-and-set: [`Kv::cas`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cas {
    /// The key had the expected value, and has the new one now.
    Set,
    /// There is no such key.
    NoSuchKey,
    /// The key has another value than the expected one.
    OtherValue,
}

impl Cas {
    /// Whether the key was set.
    pub fn is_set(self) -> bool {
        self == Self::Set
    }
}

impl<S> Context<S> {
    /// The linearizable key-value service.
    pub fn lin_kv(&self) -> LinKv<S> {
        Kv::new(self)
    }

    /// The sequentially consistent key-value service.
    pub fn seq_kv(&self) -> SeqKv<S> {
        Kv::new(self)
    }

    /// The eventually consistent key-value service.
    pub fn lww_kv(&self) -> LwwKv<S> {
        Kv::new(self)
    }
}

impl<S, K: Service> Kv<S, K> {
    /// The client of the service that `K` names.
    pub fn new(context: &Context<S>) -> Self {
        Self {
            context: context.clone(),
            service: K::NAME.into(),
            timeout: TIMEOUT,
            kind: PhantomData,
        }
    }

    /// Waits so long for an answer, instead of one second.
    ///
    /// A request and its answer take two hops. Ten times the mean latency of a hop is
    /// patient enough: with exponential latencies one request in 2,000 takes longer. So
    /// one second is right up to a mean of 100 ms. What is less than two hops fails
    /// always, and a write or a cas that failed so may have happened.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The value of `key`, `None` when it has none. How new it is depends on
    /// the service, see the [module](self).
    ///
    /// # Errors
    ///
    /// As [`Context::call`]; [`CallError::Undecodable`] when the value is no
    /// `V`. A read can always be repeated.
    pub async fn read<V: DeserializeOwned>(
        &self,
        key: &(impl Serialize + ?Sized),
    ) -> Result<Option<V>, CallError> {
        let read = Read::<_, V> { key, value: PhantomData };
        match self.context.call(&self.service, &read, self.timeout).await {
            Ok(ReadOk { value }) => Ok(Some(value)),
            Err(error) if answered(&error, Definite::KeyDoesNotExist) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets `key` to `value`, whatever it was.
    ///
    /// # Errors
    ///
    /// As [`Context::call`]. After a timeout the write may happen at any later
    /// time and undo what was written since; see [`Kv::cas`].
    pub async fn write(
        &self,
        key: &(impl Serialize + ?Sized),
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), CallError> {
        let write = Write { key, value };
        self.context.call(&self.service, &write, self.timeout).await.map(|Empty {}| ())
    }

    /// Sets `key` to `to` if it is `from`; a missing key is never equal.
    ///
    /// # Errors
    ///
    /// As [`Context::call`]. After a timeout nobody knows whether it happened,
    /// and it may yet, as long as the key is `from`.
    pub async fn cas<V: Serialize + ?Sized>(
        &self,
        key: &(impl Serialize + ?Sized),
        from: &V,
        to: &V,
    ) -> Result<Cas, CallError> {
        self.compare_and_set(key, from, to, false).await
    }

    pub(crate) async fn compare_and_set(
        &self,
        key: &(impl Serialize + ?Sized),
        from: &(impl Serialize + ?Sized),
        to: &(impl Serialize + ?Sized),
        create_if_not_exists: bool,
    ) -> Result<Cas, CallError> {
        let request = CasRequest { key, from, to, create_if_not_exists };
        match self.context.call(&self.service, &request, self.timeout).await {
            Ok(Empty {}) => Ok(Cas::Set),
            Err(error) if answered(&error, Definite::KeyDoesNotExist) => Ok(Cas::NoSuchKey),
            Err(error) if answered(&error, Definite::PreconditionFailed) => Ok(Cas::OtherValue),
            Err(error) => Err(error),
        }
    }
}

impl<S, K: Ordered> Kv<S, K> {
    /// As [`Kv::cas`], but a missing key is created with the value `to`, so there is
    /// only one way to lose: the key has another value.
    /// (`lww-kv` ignores the wish, so its client does not offer it.)
    ///
    /// # Errors
    ///
    /// As [`Kv::cas`].
    pub async fn cas_or_create<V: Serialize + ?Sized>(
        &self,
        key: &(impl Serialize + ?Sized),
        from: &V,
        to: &V,
    ) -> Result<bool, CallError> {
        self.compare_and_set(key, from, to, true).await.map(Cas::is_set)
    }
}

fn answered(error: &CallError, code: Definite) -> bool {
    error.code() == Some(code.into())
}

#[derive(Serialize)]
struct Read<'a, T: ?Sized, V> {
    key: &'a T,
    #[serde(skip)]
    value: PhantomData<V>,
}

#[derive(Deserialize)]
struct ReadOk<V> {
    value: V,
}

impl<T: ?Sized, V> Request for Read<'_, T, V> {
    const TYPE: &'static str = "read";
    type Reply = ReadOk<V>;
}

#[derive(Serialize)]
struct Write<'a, T: ?Sized, V: ?Sized> {
    key: &'a T,
    value: &'a V,
}

impl<T: ?Sized, V: ?Sized> Request for Write<'_, T, V> {
    const TYPE: &'static str = "write";
    type Reply = Empty;
}

#[derive(Serialize)]
struct CasRequest<'a, T: ?Sized, F: ?Sized, V: ?Sized> {
    key: &'a T,
    from: &'a F,
    to: &'a V,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    create_if_not_exists: bool,
}

impl<T: ?Sized, F: ?Sized, V: ?Sized> Request for CasRequest<'_, T, F, V> {
    const TYPE: &'static str = "cas";
    type Reply = Empty;
}
