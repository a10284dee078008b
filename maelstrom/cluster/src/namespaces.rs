//! A network within this machine: each agent is in a network namespace of its own, with a cable to
//! a bridge, as this machine is.
//!
//! What there is of it is called by a random number and written down before it is made, so that
//! it can be removed whatever happens meanwhile. Addresses are of the range that is reserved for
//! measurements (RFC 2544), and of a part of it that nobody here uses.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::ip;

/// How many networks of 256 addresses there are from 198.18.0.0 on.
const SUBNETS: u16 = 512;
/// As many as have an address beside this machine's.
const MOST: usize = 253;
/// Of TCP: a connection to a machine that is cut off is given up after a second, not after a
/// quarter of an hour. Acknowledgements come from the kernel, so a busy machine does not matter.
const RETRIES: &str = "echo 1 > /proc/sys/net/ipv4/tcp_retries2";

/// The network of so many agents, which are numbered from 1 on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Network {
    id: u32,
    subnet: u16,
    agents: usize,
}

impl Network {
    /// One that is not there yet.
    pub(crate) fn draw(agents: usize) -> anyhow::Result<Self> {
        ensure!(cfg!(target_os = "linux"), "--namespaces: this system has none, Linux has");
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        ensure!(is_root, "--namespaces: only root may make network namespaces");
        ensure!(agents <= MOST, "--namespaces: a network has place for {MOST} agents");
        // An address of this machine has a route as well.
        let routes = ip::run(&["-4", "route", "show", "table", "all"])?;
        let first = rand::random_range(0..SUBNETS);
        let mut subnets = (0..SUBNETS).map(|more| (first + more) % SUBNETS);
        let is_free = |subnet: &u16| !routes.split_whitespace().any(|word| overlaps(word, *subnet));
        let subnet = subnets.find(is_free).context("--namespaces: 198.18.0.0/15 is in use")?;
        Ok(Self { id: rand::random(), subnet, agents })
    }

    /// This machine's end of its cable.
    fn link(&self) -> String {
        format!("wb-{:08x}", self.id)
    }

    /// That of an agent; the bridge is in one of its own, where no firewall of this machine is.
    pub(crate) fn namespace(&self, agent: Option<usize>) -> String {
        let name = agent.map_or_else(|| "bridge".to_owned(), |agent| agent.to_string());
        format!("workbench-{:08x}-{name}", self.id)
    }

    fn namespaces(&self) -> impl Iterator<Item = String> {
        self.places().map(|agent| self.namespace(agent))
    }

    pub(crate) fn agents(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.agents
    }

    /// Where processes are: on this machine, which is `None`, and at each agent.
    pub(crate) fn places(&self) -> impl Iterator<Item = Option<usize>> {
        [None].into_iter().chain(self.agents().map(Some))
    }

    /// Where this machine is for agents.
    pub(crate) fn own_address(&self) -> Ipv4Addr {
        address(self.subnet, 1)
    }

    pub(crate) fn address(&self, agent: usize) -> Ipv4Addr {
        address(self.subnet, u8::try_from(agent + 1).unwrap_or(u8::MAX))
    }

    /// A program that runs at an agent.
    pub(crate) fn command(&self, agent: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(Some(agent))]).arg(program);
        command
    }

    /// Makes it. If that fails, a part of it may be there.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        self.connect().context("--namespaces: there is no network within this machine")
    }

    fn connect(&self) -> anyhow::Result<()> {
        let (link, bridge) = (self.link(), self.namespace(None));
        let mut outside: Vec<String> =
            self.namespaces().map(|namespace| format!("netns add {namespace}")).collect();
        outside.extend([
            format!("link add {link} type veth peer name outside netns {bridge}"),
            format!("address add {}/24 dev {link}", self.own_address()),
            format!("link set {link} up"),
        ]);
        ip::batch(None, &outside)?;
        let mut inside = vec!["link add bridge type bridge".to_owned()];
        inside.extend(self.agents().map(|agent| {
            let namespace = self.namespace(Some(agent));
            format!("link add agent-{agent} type veth peer name eth0 netns {namespace}")
        }));
        let ends =
            self.agents().map(|agent| format!("agent-{agent}")).chain(["outside".to_owned()]);
        inside.extend(ends.map(|end| format!("link set {end} master bridge up")));
        inside.push("link set bridge up".to_owned());
        ip::batch(Some(&bridge), &inside)?;
        for agent in self.agents() {
            let namespace = self.namespace(Some(agent));
            let address = format!("address add {}/24 dev eth0", self.address(agent));
            let up = ["lo", "eth0"].map(|link| format!("link set {link} up"));
            ip::batch(Some(&namespace), &[&up[..], &[address]].concat())?;
            ip::run(&["netns", "exec", &namespace, "sh", "-c", RETRIES])?;
        }
        Ok(())
    }

    /// Removes what there is of it, and ends what still runs in it.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        let is_there = |namespace: &String| Path::new("/run/netns").join(namespace).exists();
        let namespaces: Vec<String> = self.namespaces().filter(is_there).collect();
        namespaces.iter().for_each(|namespace| end_processes(namespace));
        let namespaces = namespaces.iter().map(|namespace| format!("netns delete {namespace}"));
        let has_link = Path::new("/sys/class/net").join(self.link()).exists();
        let link = has_link.then(|| format!("link delete {}", self.link()));
        let lines: Vec<String> = link.into_iter().chain(namespaces).collect();
        if lines.is_empty() { Ok(()) } else { ip::batch(None, &lines) }
    }
}

/// Kills what runs there. Where nothing does, or the namespace is not whole, there is nothing to do.
fn end_processes(namespace: &str) {
    let pids = ip::run(&["netns", "pids", namespace]).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

fn address(subnet: u16, host: u8) -> Ipv4Addr {
    let [high, low] = subnet.to_be_bytes();
    Ipv4Addr::new(198, 18 + high, low, host)
}

/// Whether this is an address or a prefix that has something of the subnet. One that has a large
/// part of all addresses leads to the rest of the world, and takes none away.
fn overlaps(word: &str, subnet: u16) -> bool {
    let (prefix, length) = word.split_once('/').unwrap_or((word, "32"));
    let (Ok(prefix), Ok(length)) = (prefix.parse::<Ipv4Addr>(), length.parse::<u32>()) else {
        return false;
    };
    let mask = |address: Ipv4Addr| u32::from(address) >> (32 - length.clamp(1, 24));
    length >= 8 && mask(prefix) == mask(address(subnet, 0))
}

/// Where it is written down that a network is there, or is about to be.
pub(crate) struct Record(PathBuf);

impl Record {
    pub(crate) fn of(directory: &Path) -> Self {
        Self(directory.join("network.json"))
    }

    pub(crate) fn write(&self, network: &Network) -> anyhow::Result<()> {
        fs::write(&self.0, serde_json::to_vec(network)?)
            .with_context(|| format!("cannot write {}", self.0.display()))
    }

    /// Removes the network of which it tells, if it does.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        let text = match fs::read(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text?,
        };
        match serde_json::from_slice::<Network>(&text) {
            Ok(network) => network.remove()?,
            // It ended while this was written, before it made anything.
            Err(_) if text.is_empty() => {}
            Err(error) => bail!("{} is damaged: {error}", self.0.display()),
        }
        Ok(fs::remove_file(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_enough_for_linux_and_addresses_are_of_the_range() {
        let network = Network { id: u32::MAX, subnet: SUBNETS - 1, agents: MOST };
        assert!(network.link().len() <= 15);
        assert_eq!(network.own_address(), Ipv4Addr::new(198, 19, 255, 1));
        assert_eq!(network.address(MOST), Ipv4Addr::new(198, 19, 255, 254));
    }

    #[test]
    fn a_subnet_of_which_something_is_in_use_is_not_taken() {
        for taken in ["198.18.7.0/24", "198.18.7.255", "198.18.0.0/15", "198.18.7.8/30"] {
            assert!(overlaps(taken, 7), "{taken}");
        }
        for other in ["198.18.6.0/24", "198.19.7.1", "0.0.0.0/1", "128.0.0.0/1", "default", "/24"] {
            assert!(!overlaps(other, 7), "{other}");
        }
    }
}
