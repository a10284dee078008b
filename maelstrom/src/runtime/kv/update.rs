//! Reading, modifying and writing a key, although others do so too and answers may
//! be missing.
//!
//! A cas from what was read to what is made of it succeeds only if nobody came in
//! between. What is left is the cas without an answer, which may have happened, or
//! may yet: [`Kv::update`] says so.

use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cas, Kv, Ordered};
use crate::protocol::Error;
use crate::runtime::error::CallError;

impl<S, K: Ordered> Kv<S, K> {
    /// Reads, modifies and writes: sets `key` to what `modify` makes of its
    /// value, again and again until no other client came in between, and
    /// returns the new value. When `modify` returns `None` nothing is written.
    ///
    /// A value alone cannot tell whether a cas that timed out happened: another
    /// client may have written the same since. So that is what it reports. Where
    /// requests may be delivered twice, a second copy may lose its race to the first, and
    /// the update happen twice.
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

/// Why [`Kv::update`] ended without a new value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// Nothing was written and nothing will be.
    #[error("not updated: {0}")]
    NotDone(#[source] CallError),
    /// It may have been written, or may be yet.
    #[error("perhaps updated: {0}")]
    Unknown(#[source] CallError),
}

/// Always indefinite, as the error of a call is: what failed there is a part of what
/// was asked here.
impl From<UpdateError> for Error {
    fn from(error: UpdateError) -> Self {
        let (UpdateError::NotDone(error) | UpdateError::Unknown(error)) = error;
        error.into()
    }
}
