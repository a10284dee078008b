//! NATS in a network of namespaces: a server for each agent, in its namespace, and one for tests
//! and clients, on this machine.
//!
//! Each has a route to each other. What comes by a route is never handed on by another one, so
//! that agents which are cut off from each other do not hear each other by a third, and whoever
//! runs a test hears all of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::namespaces::Network;

/// Where an agent finds its server, in its namespace.
pub(crate) const URL: &str = "nats://127.0.0.1:4222";
pub(crate) const PORT: u16 = 4222;
/// Where servers find each other.
const ROUTES: u16 = 6222;
/// Where a server says which routes it has.
const MONITOR: u16 = 8222;
/// How long routes may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Writes the settings of a server; `None` is that of this machine, which clients find at a port
/// of their own.
pub(crate) fn configure(
    directory: &Path,
    network: &Network,
    agent: Option<usize>,
    port: u16,
) -> anyhow::Result<PathBuf> {
    let routes = network.places().filter(|other| *other != agent).map(|other| {
        let address = address(network, other);
        format!("    nats://{address}:{ROUTES}\n")
    });
    let (name, address) = (name(agent), address(network, agent));
    // A connection without traffic is to be missed as well, once it is cut; a client that is
    // slow to answer is none that is gone.
    let text = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"{address}:{MONITOR}\"\n\
         ping_interval: \"500ms\"\nping_max: 20\n\
         cluster {{\n  name: workbench\n  listen: \"{address}:{ROUTES}\"\n  no_advertise: true\n  \
         routes: [\n{}  ]\n}}\n",
        routes.collect::<String>()
    );
    let path = directory.join(format!("{name}.conf"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What a server is called.
pub(crate) fn name(agent: Option<usize>) -> String {
    agent.map_or_else(|| "nats".to_owned(), |agent| format!("nats-{agent}"))
}

/// Waits until each server has a route to each other.
pub(crate) async fn await_routes(network: &Network) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    for agent in network.places() {
        loop {
            let found = routes(address(network, agent));
            if matches!(&found, Ok(count) if *count == network.agents().count()) {
                break;
            }
            if Instant::now() > until {
                let (name, why) =
                    (name(agent), "--namespaces: NATS' servers do not find each other");
                match found {
                    Ok(count) => bail!("{why}: {name} has {count} routes"),
                    Err(error) => return Err(error.context(format!("{why}: {name}"))),
                }
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn address(network: &Network, agent: Option<usize>) -> Ipv4Addr {
    agent.map_or_else(|| network.own_address(), |agent| network.address(agent))
}

/// To how many servers the one at this address has a route.
fn routes(address: Ipv4Addr) -> anyhow::Result<usize> {
    #[derive(Deserialize)]
    struct Routes {
        #[serde(default)]
        routes: Vec<Route>,
    }
    #[derive(Deserialize)]
    struct Route {
        remote_id: String,
    }
    let to = SocketAddr::from((address, MONITOR));
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /routez HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Routes { routes } = serde_json::from_str(body)?;
    // Newer servers have several connections to each other.
    let remote: std::collections::BTreeSet<String> =
        routes.into_iter().map(|route| route.remote_id).collect();
    Ok(remote.len())
}
