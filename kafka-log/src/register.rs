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
//! And as it does not matter how often a register is read or proposed for, what is
//! answered late counts like what is answered in time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use maelstrom::{CallError, Context};
use serde_json::value::RawValue;
use tokio::time::{self, Instant};

/// How long after the first attempt the second is made; further ones come later
/// and later.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(4);
/// How long an answer is waited for while further attempts are made.
const GIVE_UP: Duration = Duration::from_secs(30);
/// What no register ever says.
const NOTHING: &str = "";

/// What the register says, `None` when it is not written yet. Ends only when it
/// is known, or with an error when the node is shutting down.
pub(crate) async fn read<S>(
    context: &Context<S>,
    key: &str,
) -> Result<Option<Arc<str>>, CallError> {
    let read = || async { context.lin_kv().timeout(GIVE_UP).read::<Box<RawValue>>(key).await };
    Ok(persist(key, read).await?.and_then(|value| text(&value)))
}

/// The text of a register. A value that no node writes is its own text, which says
/// nothing to nodes; [`NOTHING`] is overwritten like a register that is not there.
fn text(value: &RawValue) -> Option<Arc<str>> {
    let text: Arc<str> = serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().into());
    (&*text != NOTHING).then_some(text)
}

/// Writes the register unless it is written, and returns what it says then, for
/// good. Ends only when that is known, or with an error when the node is
/// shutting down.
pub(crate) async fn settle<S>(
    context: &Context<S>,
    key: &str,
    proposal: &Arc<str>,
) -> Result<Arc<str>, CallError> {
    let create = || async {
        context.lin_kv().timeout(GIVE_UP).cas_or_create(key, NOTHING, &**proposal).await
    };
    loop {
        if persist(key, create).await? {
            return Ok(Arc::clone(proposal));
        }
        if let Some(text) = read(context, key).await? {
            return Ok(text);
        }
        tracing::warn!(key, "lin-kv neither creates this key nor has it");
        time::sleep(FIRST).await;
    }
}

/// The bug [`Bug::Overwrite`](crate::Bug::Overwrite): writes the
/// register, whatever it says.
pub(crate) async fn overwrite<S>(
    context: &Context<S>,
    key: &str,
    text: &Arc<str>,
) -> Result<Arc<str>, CallError> {
    persist(key, || async { context.lin_kv().write(key, &**text).await }).await?;
    Ok(Arc::clone(text))
}

/// Makes one attempt after another until any of them is answered.
async fn persist<T, Attempt>(key: &str, attempt: impl Fn() -> Attempt) -> Result<T, CallError>
where
    Attempt: Future<Output = Result<T, CallError>>,
{
    let mut attempts = FuturesUnordered::new();
    let mut patience = FIRST;
    loop {
        attempts.push(attempt());
        let next_at = Instant::now() + patience;
        while let Ok(Some(answer)) = time::timeout_at(next_at, attempts.next()).await {
            match answer {
                Err(error) if error != CallError::Closed => {
                    tracing::warn!(key, %error, "no answer");
                }
                answer => return answer,
            }
        }
        time::sleep_until(next_at).await;
        tracing::debug!(key, "asking again");
        patience = (patience * 2).min(LONGEST);
    }
}
