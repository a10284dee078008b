//! A run, as far as it is an agent's.
//!
//! What a node prints goes to NATS at once. What comes for a node goes through the [`Edge`],
//! where the network's faults happen, and what became of it is told before the node can say
//! anything more: so whoever traces the run sees no answer before what was answered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use simulator::{
    Address, DiskFault, Edge, FaultKind, Latency, LatencyDist, Message, NodeFailure, NodeFault,
    RunError, ServiceName,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};
use workbench::{Nodes as _, Output, ProcessOptions, Processes};

use super::blackholes::Blackholes;
use super::{Options, say};
use crate::etcd::Etcd;
use crate::link::Link;
use crate::services::Services;
use crate::wire::{
    self, Away, End, Failure, FailureKind, Fate, Id, NOBODY, Net, Order, PATIENCE, State, Wanted,
    split_id, with_id,
};

pub(super) struct Run {
    order: Order,
    /// When the last order came.
    ordered: Instant,
    state: State,
    /// The number of the last outage, how long it was, and when it ended.
    outage: Option<(u64, Duration, Instant)>,
    processes: Processes,
    /// What there is of each node of `order`.
    nodes: BTreeMap<usize, Wanted>,
    /// What comes for each of them.
    inboxes: Vec<Subscriber>,
    edge: Edge<Box<RawValue>>,
    blackholes: Blackholes,
    /// None, if services are elsewhere.
    services: Option<Arc<Services>>,
    replies: mpsc::UnboundedReceiver<Reply>,
    reply_sender: mpsc::UnboundedSender<Reply>,
    /// How many replies there were.
    reply_count: u64,
    printed: Printed,
    began: Instant,
    alarm: Pin<Box<Sleep>>,
    line: Vec<u8>,
}

/// What a service answers a node.
struct Reply {
    service: ServiceName,
    node: usize,
    /// Which process of the node had asked.
    starts: u64,
    body: Box<RawValue>,
}

/// Replies of services have ids as if they were of nodes from this number on.
const SERVICES: usize = 1 << 11;

/// What nodes printed, on its way to NATS.
#[derive(Default)]
struct Printed {
    subject: String,
    /// Whether services are here.
    has_services: bool,
    /// What is for them.
    requests: Vec<Message>,
    /// How many lines each node printed, and how often it was started.
    counts: BTreeMap<usize, (u64, u64)>,
    messages: Vec<(String, Vec<u8>)>,
    error: Option<String>,
}

/// As much of a line as it takes to know whom it is for.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    dest: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Output for Printed {
    fn line(&mut self, node: usize, line: &[u8]) -> Result<Option<u64>, NodeFault> {
        let (starts, lines) = self.counts.entry(node).or_default();
        *lines += 1;
        let id = Id { node, starts: *starts, line: *lines }.number();
        let head = serde_json::Deserializer::from_slice(line).into_iter::<Head<'_>>().next();
        let dest = head.and_then(Result::ok).and_then(|head| Address::parse(&head.dest));
        if let Some(dest @ Address::Service(_)) = dest.filter(|_| self.has_services) {
            self.requests.extend(message(dest, id, line));
        }
        let dest = dest.map_or_else(|| NOBODY.to_owned(), |dest| dest.to_string());
        let subject = format!("{}.m.n{node}.{dest}", self.subject);
        self.messages.push((subject, with_id(id, line)));
        Ok(None)
    }

    fn log(&mut self, node: usize, line: &[u8]) {
        self.messages.push((format!("{}.log.n{node}", self.subject), line.to_vec()));
    }
}

impl Printed {
    fn send(&mut self, link: &mut Link) {
        for (subject, payload) in self.messages.drain(..) {
            if let Err(error) = link.send(subject, payload) {
                self.error.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

impl Run {
    /// Gets ready for a run. If it cannot, says for which run, and why not.
    pub(super) async fn begin(
        link: &Link,
        options: &Options,
        order: Order,
    ) -> Result<Self, (String, String)> {
        let run = order.run.clone();
        Self::new(link, options, order).await.map_err(|error| (run, format!("{error:#}")))
    }

    async fn new(link: &Link, options: &Options, order: Order) -> anyhow::Result<Self> {
        let Some(bin) = options.programs.get(&order.program) else {
            anyhow::bail!("it has no program {}", order.program);
        };
        let processes = processes(options, &order, bin)?;
        let subject = wire::of_run(&order.run);
        let mut inboxes = Vec::new();
        for node in order.nodes.keys() {
            inboxes.push(link.subscribe(format!("{subject}.m.*.n{node}")).await?);
        }
        let nodes = order.nodes.keys().map(|&node| (node, Wanted::default())).collect();
        let edge = edge(&order);
        let services = match order.has_services {
            true => {
                let services = Arc::new(Services::new(Etcd::new(&options.etcd)?, &order.run)?);
                tokio::spawn(Services::watch(Arc::downgrade(&services)));
                Some(services)
            }
            false => None,
        };
        let (reply_sender, replies) = mpsc::unbounded_channel();
        let mut run = Self {
            ordered: Instant::now(),
            state: State {
                agent: options.name.clone(),
                incarnation: rand::random(),
                ..State::default()
            },
            outage: None,
            processes,
            nodes,
            inboxes,
            edge,
            blackholes: Blackholes::default(),
            services,
            replies,
            reply_sender,
            reply_count: 0,
            printed: Printed { subject, has_services: order.has_services, ..Printed::default() },
            began: Instant::now(),
            alarm: Box::pin(sleep(PATIENCE)),
            line: Vec::new(),
            order: Order { serial: 0, ..order.clone() },
        };
        run.obey(order);
        Ok(run)
    }

    pub(super) fn id(&self) -> &str {
        &self.order.run
    }

    /// Whether nobody orders anything any more. Nobody can, while NATS is away.
    pub(super) fn is_abandoned(&mut self, is_away: bool) -> bool {
        if is_away {
            self.ordered = Instant::now();
        }
        self.ordered.elapsed() > PATIENCE
    }

    /// Messages were lost for so long, until now.
    pub(super) fn lost(&mut self, length: Duration) {
        let number = self.outage.map_or(0, |(number, ..)| number) + 1;
        self.outage = Some((number, length, Instant::now()));
    }

    pub(super) fn tell(&mut self, link: &mut Link) {
        if let Some(error) = &self.printed.error {
            self.state.error.get_or_insert_with(|| error.clone());
        }
        self.state.etcd = self.services.as_ref().and_then(|services| services.trouble());
        self.state.outage = self.outage.map(|(number, length, end)| {
            let ago = end.elapsed();
            Away { number, length, ago }
        });
        say(link, format!("{}.state", self.printed.subject), &self.state);
    }

    /// Does what is wanted now.
    pub(super) fn obey(&mut self, order: Order) {
        self.ordered = Instant::now();
        if order.serial <= self.order.serial {
            return;
        }
        self.edge.impose(order.conditions.clone());
        let peers = order.cut_off().map(|peer| peer.address).collect();
        if let Err(error) = self.blackholes.cut(peers) {
            self.state.error.get_or_insert_with(|| format!("{error:#}"));
        }
        for (&node, wanted) in &order.nodes {
            if let Err(error) = self.change(node, wanted) {
                self.state.error.get_or_insert_with(|| error.to_string());
            }
        }
        self.state.serial = order.serial;
        self.order = order;
    }

    fn change(&mut self, node: usize, wanted: &Wanted) -> Result<(), RunError> {
        let Some(is) = self.nodes.get_mut(&node) else { return Ok(()) };
        let was = std::mem::replace(is, wanted.clone());
        if was.is_up && (!wanted.is_up || was.starts != wanted.starts) {
            self.processes.kill(node);
            self.edge.disconnect(node, self.began.elapsed());
            for fault in DiskFault::ALL.into_iter().filter(|fault| fault.strikes_at_kills()) {
                if wanted.damage.iter().any(|name| name == fault.name()) {
                    self.processes.damage(node, fault)?;
                }
            }
        }
        let is_new = wanted.is_up && was.starts != wanted.starts;
        if is_new {
            self.state.failures.remove(&node);
            self.printed.counts.insert(node, (wanted.starts, 0));
            self.processes.start(node)?;
            self.edge.connect(node);
        }
        if wanted.is_up && (was.is_paused && !is_new) != wanted.is_paused {
            self.processes.pause(node, wanted.is_paused);
        }
        Ok(())
    }

    /// Gives a line to a node that runs, past the edge: the sender is a client, or the test has
    /// carried it already.
    pub(super) fn give(&mut self, node: usize, line: &[u8]) {
        if self.nodes.get(&node).is_some_and(|is| is.is_up) {
            self.processes.write(node, line);
        }
    }

    /// Does what can be done now, and says whether there was anything.
    pub(super) fn poll(&mut self, link: &mut Link, cx: &mut Context<'_>) -> bool {
        let mut busy = self.hear(cx);
        match self.processes.poll_output(cx, &mut self.printed) {
            Ok(was_busy) => busy |= was_busy,
            Err(error) => {
                self.failed(error);
                self.tell_at_once(link);
                busy = true;
            }
        }
        self.printed.send(link);
        for request in self.printed.requests.drain(..) {
            self.edge.arrive(request, self.began.elapsed());
        }
        while let Poll::Ready(Some(reply)) = self.replies.poll_recv(cx) {
            self.reply(&reply, link);
            busy = true;
        }
        busy |= self.deliver(link);
        if let Err(error) = self.processes.poll_write(cx) {
            self.failed(error);
            self.tell_at_once(link);
        }
        busy | self.poll_alarm(cx)
    }

    /// After what was printed before.
    fn tell_at_once(&mut self, link: &mut Link) {
        self.printed.send(link);
        self.tell(link);
    }

    /// Takes what came for nodes.
    fn hear(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        for (&node, inbox) in self.nodes.keys().zip(&mut self.inboxes) {
            while let Poll::Ready(Some(heard)) = inbox.poll_next_unpin(cx) {
                busy = true;
                let line = split_id(&heard.payload);
                let node = Address::Node(node);
                if let Some(message) = line.and_then(|(id, line)| message(node, id, line)) {
                    self.edge.arrive(message, self.began.elapsed());
                }
            }
        }
        busy
    }

    /// Gives nodes what is due, and tells what became of messages.
    fn deliver(&mut self, link: &mut Link) -> bool {
        let now = self.began.elapsed();
        while let Some(message) = self.edge.receive(now) {
            match (message.dest, message.src) {
                (Address::Node(node), _) => {
                    self.line.clear();
                    message.write_line(&mut self.line);
                    self.processes.write(node, self.line.trim_ascii_end());
                }
                (Address::Service(service), Address::Node(node)) => {
                    self.serve(service, node, message.body);
                }
                _ => {}
            }
        }
        let fates: Vec<Fate> =
            self.edge.fates().filter_map(|(time, what)| Fate::of(&what, time)).collect();
        if !fates.is_empty() {
            say(link, format!("{}.fate", self.printed.subject), &fates);
        }
        !fates.is_empty()
    }

    /// Has a service answer a node.
    fn serve(&self, service: ServiceName, node: usize, body: Box<RawValue>) {
        let Some(services) = self.services.clone() else { return };
        let starts = self.nodes.get(&node).map_or(0, |is| is.starts);
        let replies = self.reply_sender.clone();
        tokio::spawn(async move {
            if let Some(body) = services.handle(service, node, &body).await {
                // The run may be over.
                let _ = replies.send(Reply { service, node, starts, body });
            }
        });
    }

    /// Sends a reply, unless the process that waits for it is gone.
    fn reply(&mut self, reply: &Reply, link: &mut Link) {
        let Reply { service, node, starts, body } = reply;
        if self.nodes.get(node).is_none_or(|is| !is.is_up || is.starts != *starts) {
            return;
        }
        self.reply_count += 1;
        let id = Id { node: SERVICES + node, starts: *starts, line: self.reply_count }.number();
        let (service, node) = (Address::Service(*service), Address::Node(*node));
        let line = format!(r#"{{"src":"{service}","dest":"{node}","body":{body}}}"#);
        let subject = format!("{}.m.{service}.{node}", self.printed.subject);
        self.printed.messages.push((subject, with_id(id, line.as_bytes())));
        self.printed.send(link);
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.edge.next_due() else { return false };
        let due = self.began + due;
        if self.alarm.deadline() != due {
            self.alarm.as_mut().reset(due);
        }
        self.alarm.as_mut().poll(cx).is_ready()
    }

    fn failed(&mut self, error: RunError) {
        let RunError::Node(failure) = self.processes.explain(error) else { return };
        let NodeFailure { fault, hint, stderr, is_reason, .. } = *failure;
        let kind = match fault.kind {
            FaultKind::Exited { status } => FailureKind::Exited { status },
            FaultKind::ClosedOutput => FailureKind::ClosedOutput,
            FaultKind::ClosedInput { after } => FailureKind::ClosedInput { after },
            FaultKind::EndlessLine { bytes } => FailureKind::EndlessLine { bytes },
            FaultKind::NotReading { bytes } => FailureKind::NotReading { bytes },
            other => FailureKind::Exited { status: other.to_string() },
        };
        let starts = self.nodes.get(&fault.node).map_or(0, |is| is.starts);
        let failure = Failure { starts, kind, hint, stderr, is_reason };
        self.state.failures.entry(fault.node).or_insert(failure);
    }

    /// Ends its nodes, and tells of that.
    pub(super) async fn end(&mut self, link: &mut Link, end: End) {
        self.blackholes = Blackholes::default();
        self.processes.end(end == End::Well, &mut self.printed).await;
        self.printed.messages.retain(|(subject, _)| subject.contains(".log."));
        self.printed.send(link);
        // The others may go on with it, unless all were told to end.
        if let Some(services) = self.services.as_ref().filter(|_| self.order.end.is_some()) {
            services.forget().await;
        }
        self.state.is_over = true;
        self.tell(link);
    }
}

/// The processes of an order's nodes, none of which runs yet.
fn processes(options: &Options, order: &Order, bin: &Path) -> anyhow::Result<Processes> {
    let directory = std::path::absolute(options.directory.join(&order.run))?;
    let options = ProcessOptions {
        bin: bin.to_owned(),
        args: order.args.iter().map(Into::into).collect(),
        node_log_dir: directory.join("node-logs"),
        work_dir: directory.join("node-dirs"),
        journal: false,
        trace: false,
        watchdog: std::env::current_exe().ok(),
    };
    Ok(Processes::new(order.node_count, options, order.network.seed)?)
}

/// The network that an order asks for.
fn edge(order: &Order) -> Edge<Box<RawValue>> {
    let Net { latency: mean, dist, links, seed } = &order.network;
    let dist = LatencyDist::ALL.into_iter().find(|known| known.name() == dist);
    let latency = Latency { mean: *mean, dist: dist.unwrap_or_default() };
    Edge::new(order.node_count, latency, links.clone(), *seed)
}

/// A message for somebody, as a node printed it or a service sent it.
fn message(dest: Address, id: u64, line: &[u8]) -> Option<Message> {
    let line = serde_json::Deserializer::from_slice(line).into_iter::<Line<'_>>().next()?.ok()?;
    Some(Message { id, src: Address::parse(&line.src)?, dest, body: line.body.to_owned() })
}
