//! What the nodes of a cluster say to one another: one type of message, or several.

use std::convert::Infallible;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Driver, Machine};
use crate::runtime::context::Context;
use crate::runtime::message::{Message, NodeId};
use crate::runtime::node::Node;

/// The messages of a [`Machine`]. A [`Message`] is one by itself, [`Infallible`] is none,
/// and [`messages!`](crate::messages) makes one of several.
pub trait Messages: Clone + Debug + Send + Sized + 'static {
    /// Sends it, under the type that it has on the network.
    fn send<S>(&self, context: &Context<S>, dest: &NodeId);

    /// Has a node take messages of all these types from the nodes of its cluster.
    #[must_use]
    fn receive<M: Machine<Message: From<Self>>>(node: Node<Driver<M>>) -> Node<Driver<M>>;
}

impl<T> Messages for T
where
    T: Message + Serialize + DeserializeOwned + Clone + Debug + Send + 'static,
{
    fn send<S>(&self, context: &Context<S>, dest: &NodeId) {
        context.send(dest, self);
    }

    fn receive<M: Machine<Message: From<Self>>>(node: Node<Driver<M>>) -> Node<Driver<M>> {
        node.receive_from_nodes(async |context: Context<Driver<M>>, message: Self| {
            context.heard(message.into());
        })
    }
}

impl Messages for Infallible {
    fn send<S>(&self, _: &Context<S>, _: &NodeId) {
        match *self {}
    }

    fn receive<M: Machine<Message: From<Self>>>(node: Node<Driver<M>>) -> Node<Driver<M>> {
        node
    }
}

/// An enum of the types of messages that the nodes of a cluster send one another.
///
/// On the network each is a message of its own type; the enum is not seen there.
///
/// ```
/// maelstrom::message_types! {
///     "ask": pub struct Ask {};
///     "tell": pub struct Tell { value: u64 };
/// }
///
/// maelstrom::messages! {
///     /// What nodes say to one another.
///     #[derive(Clone, Debug)]
///     pub enum Word {
///         /// A question.
///         Ask,
///         /// Its answer.
///         Tell,
///     }
/// }
///
/// assert!(matches!(Word::from(Tell { value: 1 }), Word::Tell(Tell { value: 1 })));
/// ```
#[macro_export]
macro_rules! messages {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$doc:meta])* $kind:ident),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $visibility enum $name {
            $($(#[$doc])* $kind($kind)),+
        }

        $(
            impl From<$kind> for $name {
                fn from(message: $kind) -> Self {
                    Self::$kind(message)
                }
            }
        )+

        impl $crate::machine::Messages for $name {
            fn send<S>(&self, context: &$crate::Context<S>, dest: &$crate::NodeId) {
                match self {
                    $(Self::$kind(message) => context.send(dest, message)),+
                }
            }

            fn receive<M: $crate::machine::Machine<Message: From<Self>>>(
                node: $crate::Node<$crate::machine::Driver<M>>,
            ) -> $crate::Node<$crate::machine::Driver<M>> {
                $(let node = $crate::machine::hear::<Self, $kind, M>(node);)+
                node
            }
        }
    };
}

/// Has a node take messages of a type that is one of `All`.
#[doc(hidden)]
pub fn hear<All, T, M>(node: Node<Driver<M>>) -> Node<Driver<M>>
where
    All: From<T>,
    T: Message + DeserializeOwned + Send + 'static,
    M: Machine<Message: From<All>>,
{
    node.receive_from_nodes(async |context: Context<Driver<M>>, message: T| {
        context.heard(All::from(message).into());
    })
}
