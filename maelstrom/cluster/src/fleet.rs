//! The nodes of a test that run on agents.
//!
//! What nodes print comes by as it goes to its receivers, and is handed to the world, to be
//! checked and counted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use simulator::{
    Address, Cause, Conditions, DiskFault, Elsewhere, FaultKind, Message, NodeFailure, RunError,
    Settings, What,
};
use tokio::time::Instant;
use workbench::{NodeLog, Nodes, Output as _, ProcessOptions, Test};

use crate::crew::{Crew, Heard, Plan};
use crate::link::Outage;
use crate::outages::Outages;
use crate::unheard::Unheard;
use crate::wire::{End, Failure, Fate, Id, Net, PATIENCE, State};

pub(crate) struct Fleet {
    crew: Crew,
    logs: Vec<NodeLog>,
    messages: Messages,
    outages: Outages,
    /// What keeps lines from nodes.
    error: Option<String>,
}

/// The messages that agents carry, by their ids there.
struct Messages {
    /// Their ids in the test.
    ids: HashMap<u64, u64>,
    /// What became of those that were not heard of before.
    early: HashMap<u64, Vec<Fate>>,
    /// Of which nobody told yet what became of them.
    unheard: Unheard,
}

impl Messages {
    fn new(latency: Duration) -> Self {
        Self { ids: HashMap::new(), early: HashMap::new(), unheard: Unheard::new(latency) }
    }

    fn sent(&mut self, theirs: u64, ours: u64, test: &mut Test<'_>) {
        self.ids.insert(theirs, ours);
        for fate in self.early.remove(&theirs).into_iter().flatten() {
            self.became(fate, test);
        }
    }

    fn became(&mut self, fate: Fate, test: &mut Test<'_>) {
        let Some(&ours) = self.ids.get(&fate.id()) else {
            self.early.entry(fate.id()).or_default().push(fate);
            return;
        };
        self.unheard.heard(fate.id());
        let (world, now) = test.world();
        if let Some(what) = fate.what(ours, now) {
            world.became(what, now);
        }
    }

    /// Partitions lost these.
    fn lost(&self, theirs: &[u64], test: &mut Test<'_>) {
        let (world, now) = test.world();
        for ours in theirs.iter().filter_map(|id| self.ids.get(id)) {
            world.became(What::Dropped(*ours, Cause::Partition), now);
        }
    }
}

impl Fleet {
    /// Shares the nodes of a test out among agents.
    pub(crate) async fn gather(
        url: &str,
        settings: &Settings,
        options: &ProcessOptions,
    ) -> anyhow::Result<Self> {
        let program = options.bin.file_name().and_then(|name| name.to_str());
        let program = program.context("the program has no name that agents could know")?.to_owned();
        let plan = Plan {
            program,
            args: options.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            node_count: settings.node_count,
            network: Net {
                latency: settings.latency.mean,
                dist: settings.latency.dist.name().to_owned(),
                links: settings.neighbours()?,
                seed: settings.seed,
            },
            hears: &[">"],
        };
        let crew = Crew::gather(url, plan, "workbench test").await?;
        std::fs::create_dir_all(&options.node_log_dir).context("cannot keep logs")?;
        let log = |node| NodeLog::open(options.node_log_dir.join(format!("n{node}.log")), false);
        let logs = (0..settings.node_count).map(log).collect::<Result<_, _>>()?;
        let messages = Messages::new(settings.latency.mean);
        let outages = Outages::default();
        Ok(Self { crew, logs, messages, outages, error: None })
    }

    fn hear(&mut self, message: &async_nats::Message, test: &mut Test<'_>) -> Result<(), RunError> {
        match Heard::of(message, self.crew.subject()) {
            Some(Heard::Line { src, dest, id, line }) => {
                let ours = match src {
                    Address::Node(node) if Id::is_of(id, self.crew.starts(node)) => {
                        test.line(node, line)?
                    }
                    Address::Service(service) => test.service_line(service, line),
                    _ => None,
                };
                if let Some(ours) = ours {
                    if let (Address::Node(src), Some(Address::Node(dest))) = (src, dest)
                        && let Some(pair) = self.crew.pair(src, dest)
                    {
                        self.messages.unheard.sent(id, pair, Instant::now());
                    }
                    self.messages.sent(id, ours, test);
                }
            }
            Some(Heard::Log { node, line }) => {
                keep_log(&mut self.logs, node, line, test)
                    .map_err(RunError::io("write a node's log"))?;
            }
            Some(Heard::Fates(payload)) => {
                let fates: Vec<Fate> = serde_json::from_slice(payload).unwrap_or_default();
                fates.into_iter().for_each(|fate| self.messages.became(fate, test));
            }
            Some(Heard::State(state)) => self.hear_state(state, test)?,
            None => {}
        }
        Ok(())
    }

    fn hear_state(&mut self, state: State, test: &mut Test<'_>) -> Result<(), RunError> {
        let State { outage, incarnation, etcd, .. } = state.clone();
        let Some((agent, before)) = self.crew.note_state(state) else { return Ok(()) };
        let name = agent.name.clone();
        if before.as_ref().is_some_and(|before| before.incarnation != incarnation) {
            let why = format!("agent {name} was started anew");
            let nodes: Vec<usize> = agent.order.nodes.keys().copied().collect();
            lose(&nodes, &why, test)?;
        }
        let was_away = before.as_ref().is_some_and(|before| before.etcd.is_some());
        if let Some(why) = etcd.filter(|_| !was_away) {
            test.world().0.services_away(&format!("at agent {name}: {why}"));
        }
        let known = before.and_then(|before| before.outage).map_or(0, |outage| outage.number);
        if let Some(outage) = outage.filter(|outage| outage.number > known) {
            let end = Instant::now().checked_sub(outage.ago).unwrap_or_else(Instant::now);
            self.outage(end, outage.length, &format!("at agent {name}"), test);
        }
        self.check_agent(&name)
    }

    /// Messages were not carried for so long, until then.
    fn outage(&mut self, end: Instant, length: Duration, what: &str, test: &mut Test<'_>) {
        self.messages.unheard.forget();
        match self.outages.is_another(end, length) {
            true => test.outage(what),
            false => test.prepare_again(),
        }
    }

    /// Whether an agent does what it should.
    fn check_agent(&self, name: &str) -> Result<(), RunError> {
        let Some(agent) = self.crew.agents.iter().find(|agent| agent.name == name) else {
            return Ok(());
        };
        let Some(state) = &agent.state else { return Ok(()) };
        if let Some(error) = &state.error {
            return Err(RunError::Impossible(format!("agent {name}: {error}")));
        }
        for (&node, failure) in &state.failures {
            if agent.is_failure(node, failure) {
                return Err(self.failure(node, failure.clone()));
            }
        }
        Ok(())
    }

    fn failure(&self, node: usize, failure: Failure) -> RunError {
        let Failure { kind, hint, stderr, is_reason, .. } = failure;
        let (fault, log) = (FaultKind::from(kind).of(node), self.log_path(node));
        RunError::Node(Box::new(NodeFailure { fault, hint, stderr, is_reason, log }))
    }

    fn log_path(&self, node: usize) -> PathBuf {
        self.logs[node].path().to_owned()
    }

    /// Gives up agents that were not heard for long.
    fn miss_agents(&mut self, test: &mut Test<'_>) -> Result<(), RunError> {
        for (name, nodes) in self.crew.missed() {
            let why = format!("agent {name} was not heard for {} s", PATIENCE.as_secs());
            lose(&nodes, &why, test)?;
        }
        Ok(())
    }
}

/// Goes on without these nodes.
fn lose(nodes: &[usize], why: &str, test: &mut Test<'_>) -> Result<(), RunError> {
    for &node in nodes {
        let (world, now) = test.world();
        world.lose(node, why, now)?;
    }
    Ok(())
}

fn keep_log(
    logs: &mut [NodeLog],
    node: usize,
    line: &[u8],
    test: &mut Test<'_>,
) -> std::io::Result<()> {
    let Some(log) = logs.get_mut(node) else { return Ok(()) };
    log.write(&[line, b"\n"].concat(), &mut |line: &[u8]| test.log(node, line))
}

impl Nodes for Fleet {
    fn start(&mut self, node: usize) -> Result<(), RunError> {
        self.crew.start(node);
        Ok(())
    }

    fn kill(&mut self, node: usize) {
        self.crew.want(node, |wanted| {
            wanted.is_up = false;
            wanted.is_paused = false;
            wanted.damage.clear();
        });
    }

    fn pause(&mut self, node: usize, paused: bool) {
        self.crew.want(node, |wanted| wanted.is_paused = paused);
    }

    fn damage(&mut self, node: usize, fault: DiskFault) -> Result<(), RunError> {
        self.crew.want(node, |wanted| wanted.damage.push(fault.name().to_owned()));
        Ok(())
    }

    fn start_twin(&mut self, _: usize, _: &Message) -> Result<(), RunError> {
        let reason = "--disk locked does not exist on agents: leave it out, or run nodes here";
        Err(RunError::Impossible(reason.to_owned()))
    }

    fn deliver(&mut self, node: usize, message: &Message) {
        if let Err(too_long) = self.crew.deliver(node, message) {
            self.error.get_or_insert_with(|| too_long.to_string());
        }
    }

    fn elsewhere(&self) -> Elsewhere {
        match self.crew.has_services() {
            true => Elsewhere::NodesAndServices,
            false => Elsewhere::Nodes,
        }
    }

    fn impose(&mut self, conditions: Conditions) {
        self.crew.impose(&conditions);
        self.messages.unheard.cut(self.crew.cut_off(), Instant::now());
    }

    fn poll(&mut self, cx: &mut Context<'_>, test: &mut Test<'_>) -> Result<bool, RunError> {
        let mut busy = false;
        while let Poll::Ready(Some(message)) = self.crew.poll_inbox(cx) {
            busy = true;
            self.hear(&message, test)?;
        }
        if let Poll::Ready(outage) = self.crew.link.poll_outage(cx) {
            busy = true;
            self.crew.hear_again();
            let (length, what) = match outage {
                Outage::Away(time) => (time, format!("for {:.1} s", time.as_secs_f64())),
                Outage::Overflow => {
                    (Duration::ZERO, "when more came than could be taken".to_owned())
                }
            };
            self.outage(Instant::now(), length, &what, test);
        }
        if self.crew.poll_tick(cx) {
            busy = true;
            self.miss_agents(test)?;
            let lost = self.messages.unheard.lost(Instant::now());
            self.messages.lost(&lost, test);
        }
        match self.error.take() {
            Some(error) => Err(RunError::Impossible(error)),
            None => Ok(busy),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), RunError> {
        self.crew.poll_send(cx);
        Ok(())
    }

    /// What a node did not end does not come here.
    fn unended(&self, _: usize) -> &[u8] {
        &[]
    }

    async fn shut_down(&mut self, politely: bool, test: &mut Test<'_>) {
        let end = if politely { End::Well } else { End::AtOnce };
        let lost = self.messages.unheard.lost_in_the_end(Instant::now());
        self.messages.lost(&lost, test);
        let Self { crew, logs, .. } = self;
        let hear = |heard: Heard<'_>| {
            if let Heard::Log { node, line } = heard {
                let _ = keep_log(logs, node, line, test);
            }
        };
        crew.end(end, hear).await;
    }

    fn explain(&self, error: RunError) -> RunError {
        match error {
            RunError::Node(failure) if failure.log.as_os_str().is_empty() => {
                let node = failure.fault.node;
                let (stderr, is_reason) = self.logs[node].shown();
                let log = self.log_path(node);
                RunError::Node(Box::new(NodeFailure { stderr, is_reason, log, ..*failure }))
            }
            error => error,
        }
    }
}
