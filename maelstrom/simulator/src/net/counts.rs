//! How many messages went over the network.

use serde::Serialize;

use super::Message;

/// Messages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// How often a message was sent.
    pub send_count: u64,
    /// How often a message was received. What was lost, or is still under way
    /// when the test ends, is not.
    pub recv_count: u64,
    /// How many different messages there were.
    pub msg_count: u64,
}

/// The counts under `net` of the results, by the original's names; those of
/// initialisation and topology included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetCounts {
    /// All messages.
    pub all: Counts,
    /// Messages to or from a client.
    pub clients: Counts,
    /// Messages among nodes and services.
    pub servers: Counts,
}

impl NetCounts {
    pub(crate) fn sent<B>(&mut self, message: &Message<B>) {
        for counts in self.kinds_of(message) {
            counts.send_count += 1;
            counts.msg_count += 1;
        }
    }

    pub(crate) fn received<B>(&mut self, message: &Message<B>) {
        for counts in self.kinds_of(message) {
            counts.recv_count += 1;
        }
    }

    /// A message between nodes or services was received.
    pub(crate) fn received_elsewhere(&mut self) {
        self.all.recv_count += 1;
        self.servers.recv_count += 1;
    }

    fn kinds_of<B>(&mut self, message: &Message<B>) -> [&mut Counts; 2] {
        let kind = if message.involves_client() { &mut self.clients } else { &mut self.servers };
        [&mut self.all, kind]
    }
}
