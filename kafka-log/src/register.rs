//! Registers that are written once, made of `lin-kv`'s compare-and-set.
//!
//! A register is a key of `lin-kv`. It is written by a cas that creates the key,
//! and that expects, should the key exist, a value that no register ever has: so
//! it succeeds at most once per key, whoever tries, however often, and however
//! late a delayed request arrives. *What a register says never changes.* That is
//! all that the log's safety rests on.
//!
//! To [`settle`] a register is to have it say something for good: the own
//! proposal if it is the first, what stands there otherwise. An attempt that is
//! not answered is repeated until it is known which, so the one who proposed
//! never has to guess; proposals differ, so nobody takes another's for his own.

use std::sync::Arc;
use std::time::Duration;

use maelstrom::{CallError, Context};
use tokio::time;

/// How long the first attempt waits for an answer; further ones wait longer.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(4);
/// The pause after an answer that is none.
const PAUSE: Duration = Duration::from_millis(100);
/// What no register ever says.
const NOTHING: &str = "";

/// What the register says, `None` when it is not written yet. Ends only when it
/// is known, or with an error when the node is shutting down.
pub(crate) async fn read<S>(
    context: &Context<S>,
    key: &str,
) -> Result<Option<Arc<str>>, CallError> {
    let mut patience = FIRST;
    loop {
        match context.lin_kv().timeout(patience).read(key).await {
            Err(error) => unanswered(key, error).await?,
            answer => return answer,
        }
        patience = (patience * 2).min(LONGEST);
    }
}

/// Writes the register unless it is written, and returns what it says then, for
/// good. Ends only when that is known, or with an error when the node is
/// shutting down.
pub(crate) async fn settle<S>(
    context: &Context<S>,
    key: &str,
    proposal: &Arc<str>,
) -> Result<Arc<str>, CallError> {
    let mut patience = FIRST;
    loop {
        match context.lin_kv().timeout(patience).cas_or_create(key, NOTHING, &**proposal).await {
            Ok(true) => return Ok(Arc::clone(proposal)),
            Ok(false) => match read(context, key).await? {
                Some(text) => return Ok(text),
                None => {
                    tracing::warn!(key, "lin-kv neither creates this key nor has it");
                    time::sleep(PAUSE).await;
                }
            },
            Err(error) => unanswered(key, error).await?,
        }
        patience = (patience * 2).min(LONGEST);
    }
}

/// The bug [`Sabotage::Overwrite`](crate::Sabotage::Overwrite): writes the
/// register, whatever it says.
pub(crate) async fn overwrite<S>(
    context: &Context<S>,
    key: &str,
    text: &Arc<str>,
) -> Result<Arc<str>, CallError> {
    loop {
        match context.lin_kv().write(key, &**text).await {
            Ok(()) => return Ok(Arc::clone(text)),
            Err(error) => unanswered(key, error).await?,
        }
    }
}

/// Passes on that the node is shutting down; waits a little after anything else
/// but a timeout, which was wait enough.
async fn unanswered(key: &str, error: CallError) -> Result<(), CallError> {
    match error {
        CallError::Closed => return Err(error),
        CallError::Timeout { .. } => tracing::debug!(key, %error, "asking again"),
        _ => {
            tracing::warn!(key, %error, "asking again");
            time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
