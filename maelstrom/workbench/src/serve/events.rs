//! Server-sent events: what is new is pushed to whoever looks.

use std::time::Duration;

use http_body_util::{Channel, Either, Full};
use hyper::body::Bytes;
use tokio::sync::watch;
use tokio::{task, time};

/// Time between two looks at the store.
const PERIOD: Duration = Duration::from_millis(200);
/// After so many looks without news a sign is sent: it shows whether somebody is there.
const QUIET: u32 = 25;

pub(super) type Body = Either<Full<Bytes>, Channel<Bytes>>;

/// What a look brings.
#[derive(Debug)]
pub(super) enum Push {
    Nothing,
    Some(String),
    /// Nothing comes after this.
    Last(String),
}

impl Push {
    /// As it is sent. JSON has no ends of lines.
    fn event(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Some(text) => Some(format!("data: {text}\n\n")),
            Self::Last(text) => Some(format!("event: last\ndata: {text}\n\n")),
        }
    }
}

/// A body that has what these looks bring, until nobody reads it or the server ends.
pub(super) fn stream(
    mut look: impl FnMut() -> Push + Send + 'static,
    mut ended: watch::Receiver<()>,
) -> Body {
    let (mut sender, body) = Channel::new(1);
    let push = async move {
        let mut quiet = 0;
        loop {
            let looked = task::spawn_blocking(move || (look(), look)).await;
            // It panicked; the reader asks again.
            let Ok((push, back)) = looked else { return };
            look = back;
            let is_last = matches!(push, Push::Last(_));
            quiet += 1;
            let event = push.event().or_else(|| (quiet == QUIET).then(|| ":\n\n".to_owned()));
            if let Some(event) = event {
                quiet = 0;
                if sender.send_data(event.into()).await.is_err() || is_last {
                    return;
                }
            }
            time::sleep(PERIOD).await;
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = push => {}
            _ = ended.changed() => {}
        }
    });
    Either::Right(body)
}
