//! The protocol's own matters, for nodes and for whatever surrounds them.
//!
//! - [`Envelope`] and [`Header`]: a line read; who sent it, to whom, and its body's
//!   `type`, `msg_id` and `in_reply_to`. [`LooseHeader`] is what can be read of a body
//!   that need not be right.
//! - [`ErrorCode`], [`Error`]: what is answered instead of a reply, and what it says
//!   about the request.
//! - [`reply_type`] and [`is_reply_to`]: how a reply's type follows from the request's.
//! - [`Lines`]: lines out of bytes.
//! - [`json`]: when two JSON texts are the same value.
//!
//! Shapes and field names: [Maelstrom's protocol page][messages].
//!
//! [messages]: https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#messages

#![cfg_attr(
    not(feature = "node"),
    allow(dead_code, unused_imports, reason = "some of it only nodes need")
)]

mod encode;
mod envelope;
mod error;
mod fields;
pub mod json;
mod lines;
mod loose;
mod scan;

use std::fmt;

pub(crate) use encode::{Number, Outgoing, encode};
pub(crate) use envelope::OwnedBody;
use envelope::decode;
pub use envelope::{Envelope, Header, Malformed};
pub use error::{Definite, Error, ErrorCode, Indefinite};
pub(crate) use lines::KEEP;
pub use lines::Lines;
pub use loose::LooseHeader;
pub(crate) use loose::{Salvaged, salvage};

/// The type of the first message that a node gets.
pub const INIT: &str = "init";
/// The type of a body that says why there is no reply.
pub const ERROR: &str = "error";

/// The type of the reply to a request of type `request`.
///
/// ```
/// assert_eq!(maelstrom::protocol::reply_type("read"), "read_ok");
/// ```
pub fn reply_type(request: &str) -> String {
    format!("{request}_ok")
}

/// Whether `reply` is the type of the reply to a request of type `request`.
pub fn is_reply_to(reply: &str, request: &str) -> bool {
    reply.strip_suffix("_ok") == Some(request)
}

/// The most characters of somebody else's text that are repeated in an error or a log.
const BRIEF: usize = 500;

/// The beginning of a text.
pub(crate) fn brief(text: impl fmt::Display) -> String {
    struct Beginning(String, usize);

    impl fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let Self(beginning, left) = self;
            let end = text.char_indices().nth(*left).map(|(end, _)| end);
            let kept = &text[..end.unwrap_or(text.len())];
            beginning.push_str(kept);
            *left -= kept.chars().count();
            end.map_or(Ok(()), |_| Err(fmt::Error))
        }
    }

    let mut beginning = Beginning(String::new(), BRIEF);
    if fmt::write(&mut beginning, format_args!("{text}")).is_err() {
        beginning.0.push('…');
    }
    beginning.0
}
