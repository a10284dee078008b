//! What is on the wire: one JSON object a line, `{"src","dest","body"}`.
//!
//! Here are the types of messages and names. [`decode`] reads lines, [`salvage`]
//! what can be read of malformed ones, [`encode`](mod@encode) writes them.
//!
//! Shapes and field names: [Maelstrom's protocol page][messages].
//!
//! [messages]: https://github.com/jepsen-io/maelstrom/blob/main/doc/protocol.md#messages

mod decode;
mod encode;
mod salvage;

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use decode::{Envelope, Header, Malformed};
pub(crate) use encode::{Number, Outgoing, encode};
pub(crate) use salvage::{Salvaged, salvage};

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

/// A message that wants no answer. [`message_types!`](crate::message_types!) defines such types:
///
/// ```
/// maelstrom::message_types! { "gossip": struct Gossip { values: Vec<u64> }; }
/// # fn main() {}
/// ```
pub trait Message {
    /// The `type` of the body. The type's own fields stand beside it, so none
    /// of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
}

/// A message that is answered: by a reply of type `<TYPE>_ok`, or by an error.
/// [`message_types!`](crate::message_types!) defines such types:
///
/// ```
/// use maelstrom::Empty;
///
/// // Answered {"type":"add_ok","in_reply_to":…}
/// maelstrom::message_types! { "add": struct Add { delta: u64 } -> Empty; }
/// # fn main() {}
/// ```
pub trait Request {
    /// The `type` of the request's body; its own fields stand beside it, so
    /// none of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
    /// The fields of the reply's body: a struct or map, or [`Empty`].
    type Reply;
}

/// A body without fields of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The name of a node, a client or a service; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for NodeId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for NodeId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for NodeId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl PartialEq<str> for NodeId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for NodeId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The `init` request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Init {
    pub(crate) node_id: NodeId,
    pub(crate) node_ids: Vec<NodeId>,
}
