//! `workbench gateway`: a door for clients from outside to nodes that stay up on agents.
//!
//! The nodes are there for as long as their gateway, which holds their agents as a test does.
//!
//! - [`door`]: HTTP, and who may ask; [`socket`]: WebSocket.
//! - [`exchange`]: requests, replies, and what HTTP calls them.
//! - [`hub`]: the nodes, and the requests that wait for them.
//! - [`metrics`]: what Prometheus reads.

mod door;
mod exchange;
mod hub;
mod metrics;
mod socket;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::agent::eprint;
use crate::crew::{Crew, Plan};
use crate::link;
use crate::wire::Net;
use door::{Door, Limits};
use hub::{Health, Hub};
use metrics::Metrics;

/// The variable that may have the token.
const TOKEN: &str = "WORKBENCH_GATEWAY_TOKEN";
const SHORTEST_TOKEN: usize = 16;
/// How many connections there may be; who comes after them waits.
const CONNECTIONS: usize = 4096;
/// How many more may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long nodes may take to be ready before clients are let in.
const BEGIN: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
pub(crate) struct GatewayFlags {
    /// Where NATS is [default: NATS_URL, or nats://127.0.0.1:4222]
    #[arg(value_name = "URL")]
    nats: Option<String>,

    /// The program of the nodes, by the name that agents have it under
    #[arg(long, value_name = "NAME")]
    bin: String,

    /// How many nodes there are, n0 and so on, on all agents together
    #[arg(long, value_name = "NUM", default_value = "5")]
    node_count: NonZeroUsize,

    /// Where clients find it. At other addresses than this machine's own they need a token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// A file with the token that clients have to show, as `Authorization: Bearer`; or it is in
    /// the environment, as WORKBENCH_GATEWAY_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// How long a node may take to reply
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,

    /// How many requests may wait at a time; more are refused
    #[arg(long, value_name = "NUM", default_value = "1000")]
    max_waiting: NonZeroUsize,

    /// How long a request may be
    #[arg(long, value_name = "BYTES", default_value = "1000000")]
    max_body: usize,

    /// Arguments for the nodes, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    args: Vec<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "a number of seconds, more than 0".to_owned())
}

/// Serves clients until the process is asked to end.
pub(crate) async fn run(flags: GatewayFlags) -> anyhow::Result<()> {
    let GatewayFlags { nats, bin, node_count, listen, token_file, args, .. } = flags;
    let nats = link::address(nats)?;
    let token = token(token_file.as_deref())?;
    ensure!(
        token.is_some() || listen.ip().is_loopback(),
        "whoever can reach {listen} could ask nodes: --token-file or {TOKEN} keeps others out"
    );
    let node_count = node_count.get();
    let socket = bind(listen).with_context(|| format!("cannot listen at {listen}"))?;
    let network = Net { latency: Duration::ZERO, dist: String::new(), links: None, seed: 0 };
    let plan = Plan { program: bin.clone(), args, node_count, network, hears: hub::HEARS };
    let crew = Crew::gather(&nats, plan, "workbench gateway").await?;
    if !crew.has_services() {
        eprint("not all agents have etcd: nodes find no services");
    }
    let waiting = flags.max_waiting.get();
    let limits = Limits { token, timeout: flags.timeout, waiting, body: flags.max_body };
    let metrics = Arc::new(Metrics::new());
    let (requests, asked) = mpsc::channel(waiting);
    let hub = Hub::new(crew, node_count, asked, metrics.clone());
    let (end, ended) = watch::channel(false);
    let mut health = hub.health();
    let door = Door::new(limits, node_count, requests, hub.health(), metrics, ended);
    let hub = tokio::spawn(hub.serve());
    // Those that are not ready by then are refused clients, who know best whether that matters.
    let all = |health: &Health| health.nodes.values().all(|&stage| stage == "ready");
    let _ = tokio::time::timeout(BEGIN, health.wait_for(all)).await;
    let listener = socket.listen(BACKLOG)?;
    eprint(&format!("{node_count} nodes of {bin} at http://{}", listener.local_addr()?));
    accept(listener, Arc::new(door), &end).await?;
    // Nobody can ask any more.
    hub.await?;
    Ok(())
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // It may be one that a gateway before this one had.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves connections until the process is asked to end, and then lets requests come to theirs.
async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    end: &watch::Sender<bool>,
) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let next = async || {
        let permit = free.clone().acquire_owned().await?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return anyhow::Ok((stream, permit)),
                // The system has no room, or the client is gone already.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    loop {
        tokio::select! {
            next = next() => {
                let (stream, permit) = next?;
                connect(stream, door.clone(), permit);
            }
            _ = tokio::signal::ctrl_c() => break,
            _ = terminated.recv() => break,
        }
    }
    end.send_replace(true);
    let gone = free.acquire_many(u32::try_from(CONNECTIONS)?);
    // Whoever waits longer has had an answer by then.
    let _ = tokio::time::timeout(door.limits.timeout + PAUSE, gone).await;
    Ok(())
}

/// Answers the requests of a connection.
fn connect(stream: TcpStream, door: Arc<Door>, permit: OwnedSemaphorePermit) {
    // Replies are short, and somebody waits for them.
    let _ = stream.set_nodelay(true);
    let open = door.metrics.connections.clone();
    let (patience, mut ended) = (door.limits.timeout, door.ended.clone());
    let permit = Arc::new(permit);
    let answer = service_fn(move |request| door.clone().answer(request, permit.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        open.inc();
        // Whoever is on the other side has gone, or speaks something else, or is done.
        tokio::select! {
            _ = connection.as_mut() => {}
            () = wait(&mut ended) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
        open.dec();
    });
}

/// Waits until the gateway is to end.
async fn wait(ended: &mut watch::Receiver<bool>) {
    // Who would say so is gone.
    let _ = ended.wait_for(|&is_ended| is_ended).await;
}

/// The token, if there is to be one.
fn token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let (text, place) = match (file, std::env::var(TOKEN)) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path);
            let place = path.display().to_string();
            (text.with_context(|| format!("cannot read --token-file {place}"))?, place)
        }
        (None, Ok(text)) => (text, TOKEN.to_owned()),
        (None, Err(_)) => return Ok(None),
    };
    let token = text.trim().to_owned();
    ensure!(token.len() >= SHORTEST_TOKEN, "{place}: a token has {SHORTEST_TOKEN} bytes or more");
    Ok(Some(token))
}
