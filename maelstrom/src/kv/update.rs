//! Reading, modifying and writing a key, although others do so too and answers may
//! be missing.
//!
//! A cas from what was read to what is made of it succeeds only if nobody came in
//! between. What is left is the cas without an answer, which may have happened, or
//! may yet: [`Kv::update`] says so, [`Kv::update_stamped`] finds out.

use std::collections::BTreeMap;

use rand::RngExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time;

use super::{Cas, Kv, Ordered};
use crate::error::CallError;
use crate::protocol::Error;
use crate::rpc::SHORTEST;

impl<S, K: Ordered> Kv<S, K> {
    /// Reads, modifies and writes: sets `key` to what `modify` makes of its
    /// value, again and again until no other client came in between, and
    /// returns the new value. When `modify` returns `None` nothing is written.
    ///
    /// A value alone cannot tell whether a cas that timed out happened: another
    /// client may have written the same since. So that is what it reports; use
    /// [`Kv::update_stamped`] where it must be known, or where requests may be
    /// delivered twice.
    ///
    /// # Errors
    ///
    /// [`UpdateError::NotDone`] and [`UpdateError::Unknown`].
    pub async fn update<V: Serialize + DeserializeOwned>(
        &self,
        key: &(impl Serialize + ?Sized),
        mut modify: impl FnMut(Option<&V>) -> Option<V>,
    ) -> Result<Option<V>, UpdateError> {
        loop {
            let current: Option<V> = self.read(key).await.map_err(UpdateError::NotDone)?;
            let Some(new) = modify(current.as_ref()) else { return Ok(current) };
            match self.replace(key, current.as_ref(), &new).await {
                Ok(true) => return Ok(Some(new)),
                Ok(false) => {}
                Err(error) if error.is_definite() => return Err(UpdateError::NotDone(error)),
                Err(error) => return Err(UpdateError::Unknown(error)),
            }
        }
    }

    /// As [`Kv::update`], exactly once: the value carries a stamp of the last
    /// update by each node, so that one that timed out can be recognised, and
    /// repeated without being done twice.
    ///
    /// Why that is enough: every stamp is drawn anew, so no state of the key
    /// ever comes back; a cas that is still on its way expects a state that is
    /// gone once this update or another has happened, and fails. This node's
    /// stamp is changed by nobody but this node, which makes one stamped update
    /// of a key at a time: callers within one node must take turns.
    ///
    /// It goes on through timeouts for as long as it takes: put
    /// [`tokio::time::timeout`] around it to give up, not knowing.
    ///
    /// # Errors
    ///
    /// What the service answers other than a lost race, or that the node is
    /// shutting down: [`UpdateError::Unknown`] once a cas may have happened, whatever
    /// was answered after that.
    pub async fn update_stamped<V: Serialize + DeserializeOwned>(
        &self,
        key: &(impl Serialize + ?Sized),
        mut modify: impl FnMut(Option<&V>) -> V,
    ) -> Result<V, UpdateError> {
        let node = self.context.id().clone();
        let stamp: u64 = self.context.new_rng().random_range(0..1 << 53);
        // Whether a cas may have happened that nobody answered, or may yet.
        let mut in_doubt = false;
        loop {
            let current: Option<Stamped<V>> = match self.read(key).await {
                Err(CallError::Timeout { .. }) => {
                    self.pause().await;
                    continue;
                }
                Ok(Some(Stamped { value, stamps })) if stamps.get(&*node) == Some(&stamp) => {
                    return Ok(value);
                }
                read => read.map_err(|error| UpdateError::after(error, in_doubt))?,
            };
            let mut stamps = current.as_ref().map_or_else(BTreeMap::new, |c| c.stamps.clone());
            stamps.insert(node.to_string(), stamp);
            let value = modify(current.as_ref().map(|current| &current.value));
            let new = Stamped { value, stamps };
            match self.replace(key, current.as_ref(), &new).await {
                Ok(true) => return Ok(new.value),
                // Where requests are delivered twice, a race that was lost may have
                // been lost to the first copy. The next read tells, as after a timeout.
                Ok(false) => in_doubt = true,
                Err(CallError::Timeout { .. }) => {
                    in_doubt = true;
                    self.pause().await;
                }
                Err(error) => {
                    let in_doubt = in_doubt || !error.is_definite();
                    return Err(UpdateError::after(error, in_doubt));
                }
            }
        }
    }

    /// Keeps attempts apart where the client's patience does not.
    async fn pause(&self) {
        if self.timeout < SHORTEST {
            time::sleep(SHORTEST - self.timeout).await;
        }
    }

    /// A cas from what was read. When that was nothing the key is created, and
    /// compared with something that nobody ever wrote in case it exists by now:
    /// compared with `new`, a key that another client created with the same
    /// value would pass for ours.
    async fn replace<V: Serialize>(
        &self,
        key: &(impl Serialize + ?Sized),
        current: Option<&V>,
        new: &V,
    ) -> Result<bool, CallError> {
        match current {
            Some(current) => self.cas(key, current, new).await.map(Cas::is_set),
            None => {
                let nothing = format!("nothing {:x}", self.context.new_rng().random::<u128>());
                self.compare_and_set(key, &nothing, new, true).await.map(Cas::is_set)
            }
        }
    }
}

/// Why [`Kv::update`] or [`Kv::update_stamped`] ended without a new value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// Nothing was written and nothing will be.
    #[error("not updated: {0}")]
    NotDone(#[source] CallError),
    /// It may have been written, or may be yet.
    #[error("perhaps updated: {0}")]
    Unknown(#[source] CallError),
}

impl UpdateError {
    fn after(error: CallError, in_doubt: bool) -> Self {
        if in_doubt { Self::Unknown(error) } else { Self::NotDone(error) }
    }
}

/// Always indefinite, as the error of a call is: what failed there is a part of what
/// was asked here.
impl From<UpdateError> for Error {
    fn from(error: UpdateError) -> Self {
        let (UpdateError::NotDone(error) | UpdateError::Unknown(error)) = error;
        error.into()
    }
}

/// A value with the stamp of each node's last update, as it stands in the
/// service.
#[derive(Serialize, Deserialize)]
struct Stamped<V> {
    value: V,
    stamps: BTreeMap<String, u64>,
}
