//! Partitions by packet loss: routes that lead nowhere.
//!
//! What this machine sends to a peer that it is cut off from is lost in the kernel, the
//! acknowledgements of TCP as well; so nothing comes from there, either. All routes of ours
//! have a protocol number that nobody else uses, so that those of an agent that was killed
//! are found by the next.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use anyhow::Context as _;

use super::eprint;
use crate::ip;

/// Marks routes as ours.
const PROTOCOL: u8 = 119;

/// The peers that this machine is cut off from. Ends with that when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Blackholes(BTreeSet<Ipv4Addr>);

impl Blackholes {
    /// Whether routes can be changed here. An agent that was killed leaves none behind then.
    pub(crate) fn try_out(own: Ipv4Addr) -> anyhow::Result<()> {
        // Its own address is found before any route of this kind.
        let lines = [route("replace", own), flush()];
        ip::batch(None, &lines).context("--address: cannot cut this machine off from others")
    }

    /// Cuts this machine off from these peers, and from no others.
    pub(crate) fn cut(&mut self, peers: BTreeSet<Ipv4Addr>) -> anyhow::Result<()> {
        let new = peers.difference(&self.0).map(|&peer| route("replace", peer));
        let old = self.0.difference(&peers).map(|&peer| route("del", peer));
        let lines: Vec<String> = new.chain(old).collect();
        if !lines.is_empty() {
            // What was begun has to be ended.
            self.0.extend(&peers);
            ip::batch(None, &lines)?;
            self.0 = peers;
        }
        Ok(())
    }
}

impl Drop for Blackholes {
    fn drop(&mut self) {
        if !self.0.is_empty()
            && let Err(error) = ip::batch(None, &[flush()])
        {
            eprint(&format!("error: {error:#}"));
        }
    }
}

fn route(change: &str, peer: Ipv4Addr) -> String {
    format!("route {change} blackhole {peer}/32 proto {PROTOCOL}")
}

fn flush() -> String {
    format!("route flush type blackhole proto {PROTOCOL}")
}
