//! The nodes of a test that run on agents.
//!
//! All that is wanted of an agent stands in one [`Order`], which is sent again whenever it
//! changes and a few times a second; nothing depends on any single message. What nodes print
//! comes by as it goes to its receivers, and is handed to the world, to be checked and counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::Subscriber;
use futures_util::StreamExt as _;
use rand::TryRng as _;
use rand::rngs::SysRng;
use simulator::{
    Address, Conditions, DiskFault, Elsewhere, FaultKind, Message, NodeFailure, RunError, Settings,
};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use workbench::{NodeLog, Nodes, Output as _, ProcessOptions, Test};

use crate::agent::say;
use crate::link::{Link, Outage};
use crate::wire::{
    self, End, Failure, FailureKind, Fate, HELLO, Hello, Id, Net, Order, PATIENCE, PERIOD, State,
    Wanted, node_of, split_id,
};

/// How long agents may take to say that they are there.
const ROLL_CALL: Duration = Duration::from_secs(1);
/// How long agents may take to get ready for a run, and to end it.
const READY: Duration = Duration::from_secs(10);

pub(crate) struct Fleet {
    link: Link,
    subject: String,
    /// All that agents of this run say.
    inbox: Subscriber,
    tick: Interval,
    agents: Vec<Agent>,
    /// Of each node, the number of its agent.
    agent_of: Vec<usize>,
    logs: Vec<NodeLog>,
    messages: Messages,
    /// What keeps lines from nodes.
    error: Option<String>,
}

struct Agent {
    name: String,
    order: Order,
    /// Whether it was not told of the last change.
    is_stale: bool,
    heard: Instant,
    state: Option<State>,
    is_gone: bool,
}

/// The messages that agents carry, by their ids there.
#[derive(Default)]
struct Messages {
    /// Their ids in the test.
    ids: HashMap<u64, u64>,
    /// What became of those that were not heard of before.
    early: HashMap<u64, Vec<Fate>>,
}

impl Messages {
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
        let (world, now) = test.world();
        if let Some(what) = fate.what(ours, now) {
            world.became(what, now);
        }
    }
}

impl Fleet {
    /// Shares the nodes of a test out among all agents that have the program and no other run.
    pub(crate) async fn gather(
        url: &str,
        settings: &Settings,
        options: &ProcessOptions,
    ) -> anyhow::Result<Self> {
        let program = options.bin.file_name().and_then(|name| name.to_str());
        let program = program.context("the program has no name that agents could know")?.to_owned();
        let mut link = Link::connect(url, "workbench test").await?;
        let agents = roll_call(&link, &program, url).await?;
        let run = SysRng.try_next_u64().context("the system has no random numbers")?;
        let run = format!("{run:016x}");
        let subject = wire::of_run(&run);
        let inbox = link.subscribe(format!("{subject}.>")).await?;
        let blank = Order {
            run,
            serial: 1,
            program,
            args: options.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            node_count: settings.node_count,
            network: Net {
                latency: settings.latency.mean,
                dist: settings.latency.dist.name().to_owned(),
                links: settings.neighbours()?,
                seed: settings.seed,
            },
            conditions: Conditions::default(),
            has_services: agents.iter().all(|hello| hello.has_services),
            nodes: BTreeMap::new(),
            end: None,
        };
        std::fs::create_dir_all(&options.node_log_dir).context("cannot keep logs")?;
        let log = |node| NodeLog::open(options.node_log_dir.join(format!("n{node}.log")), false);
        let logs = (0..settings.node_count).map(log).collect::<Result<_, _>>()?;
        let agent_of: Vec<usize> =
            (0..settings.node_count).map(|node| node % agents.len()).collect();
        let of = |(number, Hello { agent: name, .. }): (usize, Hello)| {
            let own = (0..settings.node_count).filter(|&node| agent_of[node] == number);
            let nodes = own.map(|node| (node, Wanted::default())).collect();
            let mut order = Order { nodes, ..blank.clone() };
            // Each edge draws for itself.
            order.network.seed = settings.seed.wrapping_add(number as u64);
            let heard = Instant::now();
            Agent { name, order, is_stale: true, heard, state: None, is_gone: false }
        };
        let agents: Vec<Agent> = agents.into_iter().enumerate().map(of).collect();
        // More agents than nodes: the rest has nothing to do.
        let agents = agents.into_iter().filter(|agent| !agent.order.nodes.is_empty()).collect();
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        link.flush().await;
        let messages = Messages::default();
        let mut fleet =
            Self { link, subject, inbox, tick, agents, agent_of, logs, messages, error: None };
        fleet.await_agents().await?;
        Ok(fleet)
    }

    /// Waits until all agents are ready.
    async fn await_agents(&mut self) -> anyhow::Result<()> {
        let ready = std::future::poll_fn(|cx| {
            self.poll_tick(cx);
            while let Poll::Ready(Some(message)) = self.inbox.poll_next_unpin(cx) {
                if let Ok(state) = serde_json::from_slice(&message.payload) {
                    self.note_state(state);
                }
            }
            self.send_orders();
            self.link.poll_send(cx);
            let is_ready = |agent: &Agent| agent.state.is_some();
            if self.agents.iter().all(is_ready) { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = tokio::time::timeout(READY, ready).await;
        for Agent { name, state, .. } in &self.agents {
            match state {
                None => bail!("agent {name} does not take this run"),
                Some(State { error: Some(error), .. }) => bail!("agent {name}: {error}"),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn poll_tick(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ticked = false;
        while self.tick.poll_tick(cx).is_ready() {
            self.agents.iter_mut().for_each(|agent| agent.is_stale = true);
            ticked = true;
        }
        ticked
    }

    fn send_orders(&mut self) {
        for number in 0..self.agents.len() {
            self.send_order(number);
        }
    }

    fn send_order(&mut self, number: usize) {
        let agent = &mut self.agents[number];
        if std::mem::take(&mut agent.is_stale) {
            say(&mut self.link, format!("{}.order", wire::of_agent(&agent.name)), &agent.order);
        }
    }

    /// Changes what is wanted of a node.
    fn want(&mut self, node: usize, change: impl FnOnce(&mut Wanted)) {
        let agent = &mut self.agents[self.agent_of[node]];
        change(agent.order.nodes.entry(node).or_default());
        agent.order.serial += 1;
        agent.is_stale = true;
    }

    fn starts(&self, node: usize) -> u64 {
        let agent = &self.agents[self.agent_of[node]];
        agent.order.nodes.get(&node).map_or(0, |wanted| wanted.starts)
    }

    /// Notes what an agent says of itself. Returns whether messages were lost there since.
    fn note_state(&mut self, state: State) -> bool {
        let Some(agent) = self.agents.iter_mut().find(|agent| agent.name == state.agent) else {
            return false;
        };
        agent.heard = Instant::now();
        let before = agent.state.as_ref().map_or(state.outages, |state| state.outages);
        let is_lossy = state.outages > before;
        agent.state = Some(state);
        is_lossy
    }

    fn hear(&mut self, message: &async_nats::Message, test: &mut Test<'_>) -> Result<(), RunError> {
        let rest = message.subject.as_str().strip_prefix(self.subject.as_str());
        let words: Vec<&str> = rest.unwrap_or_default().split('.').skip(1).collect();
        let payload = &message.payload[..];
        match words[..] {
            ["m", src, _] => {
                let Some((id, line)) = split_id(payload) else { return Ok(()) };
                let ours = match Address::parse(src) {
                    Some(Address::Node(node)) if Id::is_of(id, self.starts(node)) => {
                        test.line(node, line)?
                    }
                    Some(Address::Service(service)) => test.service_line(service, line),
                    _ => None,
                };
                if let Some(ours) = ours {
                    self.messages.sent(id, ours, test);
                }
            }
            ["log", node] => {
                let Some(node) = node_of(node) else { return Ok(()) };
                let Some(log) = self.logs.get_mut(node) else { return Ok(()) };
                let each = &mut |line: &[u8]| test.log(node, line);
                let line = [payload, b"\n"].concat();
                log.write(&line, each).map_err(RunError::io("write a node's log"))?;
            }
            ["fate"] => {
                let fates: Vec<Fate> = serde_json::from_slice(payload).unwrap_or_default();
                fates.into_iter().for_each(|fate| self.messages.became(fate, test));
            }
            ["state"] => {
                let Ok(state) = serde_json::from_slice::<State>(payload) else { return Ok(()) };
                let name = state.agent.clone();
                if self.note_state(state) {
                    test.outage(&format!("at agent {name}"));
                }
                self.check_agent(&name)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether an agent does what it should.
    fn check_agent(&self, name: &str) -> Result<(), RunError> {
        let Some(agent) = self.agents.iter().find(|agent| agent.name == name) else {
            return Ok(());
        };
        let Some(state) = &agent.state else { return Ok(()) };
        if let Some(error) = &state.error {
            return Err(RunError::Impossible(format!("agent {name}: {error}")));
        }
        for (&node, failure) in &state.failures {
            let is_wanted = |wanted: &Wanted| wanted.is_up && wanted.starts == failure.starts;
            if agent.order.nodes.get(&node).is_some_and(is_wanted) {
                return Err(self.failure(node, failure.clone()));
            }
        }
        Ok(())
    }

    fn failure(&self, node: usize, failure: Failure) -> RunError {
        let Failure { kind, hint, stderr, is_reason, .. } = failure;
        let kind = match kind {
            FailureKind::Exited { status } => FaultKind::Exited { status },
            FailureKind::ClosedOutput => FaultKind::ClosedOutput,
            FailureKind::ClosedInput { after } => FaultKind::ClosedInput { after },
            FailureKind::EndlessLine { bytes } => FaultKind::EndlessLine { bytes },
            FailureKind::NotReading { bytes } => FaultKind::NotReading { bytes },
        };
        let (fault, log) = (kind.of(node), self.log_path(node));
        RunError::Node(Box::new(NodeFailure { fault, hint, stderr, is_reason, log }))
    }

    fn log_path(&self, node: usize) -> PathBuf {
        self.logs[node].path().to_owned()
    }

    /// Gives up agents that were not heard for long.
    fn miss_agents(&mut self, test: &mut Test<'_>) -> Result<(), RunError> {
        if self.link.is_away() {
            self.hear_again();
        }
        for (number, agent) in self.agents.iter_mut().enumerate() {
            if agent.is_gone || agent.heard.elapsed() < PATIENCE {
                continue;
            }
            agent.is_gone = true;
            let why = format!("agent {} was not heard for {} s", agent.name, PATIENCE.as_secs());
            let own: BTreeSet<usize> =
                (0..self.agent_of.len()).filter(|&node| self.agent_of[node] == number).collect();
            for node in own {
                let (world, now) = test.world();
                world.lose(node, &why, now)?;
            }
        }
        Ok(())
    }

    /// Nobody could be heard until now.
    fn hear_again(&mut self) {
        self.agents.iter_mut().for_each(|agent| agent.heard = Instant::now());
    }
}

/// The agents that are there, by name.
pub(crate) async fn present(link: &Link) -> anyhow::Result<Vec<Hello>> {
    let mut answers = link.ask_all(HELLO).await?;
    let mut here: Vec<Hello> = Vec::new();
    let listen = async {
        while let Some(answer) = answers.next().await {
            here.extend(serde_json::from_slice::<Hello>(&answer.payload));
        }
    };
    let _ = tokio::time::timeout(ROLL_CALL, listen).await;
    here.sort_unstable_by(|a, b| a.agent.cmp(&b.agent));
    Ok(here)
}

/// The agents that have this program and no run.
async fn roll_call(link: &Link, program: &str, url: &str) -> anyhow::Result<Vec<Hello>> {
    let here = present(link).await?;
    ensure!(!here.is_empty(), "there are no agents at {url}: `workbench agent` makes one");
    if let Some(two) = here.windows(2).find(|two| two[0].agent == two[1].agent) {
        bail!("two agents are called {}: --name gives one another name", two[0].agent);
    }
    let knows = |hello: &&Hello| hello.programs.iter().any(|name| name == program);
    let able: Vec<&Hello> = here.iter().filter(knows).collect();
    if able.is_empty() {
        let known: BTreeSet<&str> =
            here.iter().flat_map(|hello| &hello.programs).map(String::as_str).collect();
        let known: Vec<&str> = known.into_iter().collect();
        bail!("no agent has a program {program}; they have {}", known.join(", "));
    }
    let free: Vec<Hello> = able.into_iter().filter(|hello| hello.run.is_none()).cloned().collect();
    ensure!(!free.is_empty(), "all agents that have {program} are busy with another run");
    Ok(free)
}

impl Nodes for Fleet {
    fn start(&mut self, node: usize) -> Result<(), RunError> {
        self.want(node, |wanted| {
            wanted.starts += 1;
            wanted.is_up = true;
            wanted.is_paused = false;
        });
        Ok(())
    }

    fn kill(&mut self, node: usize) {
        self.want(node, |wanted| {
            wanted.is_up = false;
            wanted.is_paused = false;
            wanted.damage.clear();
        });
    }

    fn pause(&mut self, node: usize, paused: bool) {
        self.want(node, |wanted| wanted.is_paused = paused);
    }

    fn damage(&mut self, node: usize, fault: DiskFault) -> Result<(), RunError> {
        self.want(node, |wanted| wanted.damage.push(fault.name().to_owned()));
        Ok(())
    }

    fn start_twin(&mut self, _: usize, _: &Message) -> Result<(), RunError> {
        let reason = "--disk locked does not exist on agents: leave it out, or run nodes here";
        Err(RunError::Impossible(reason.to_owned()))
    }

    fn deliver(&mut self, node: usize, message: &Message) {
        let number = self.agent_of[node];
        // It may be for a process that this starts.
        self.send_order(number);
        let Self { link, agents, error, .. } = self;
        let Agent { name, order, .. } = &agents[number];
        let subject = format!("{}.to.{}.n{node}", wire::of_agent(name), order.run);
        let mut line = Vec::new();
        message.write_line(&mut line);
        line.pop();
        if let Err(too_long) = link.send(subject, line) {
            error.get_or_insert_with(|| too_long.to_string());
        }
    }

    fn elsewhere(&self) -> Elsewhere {
        match self.agents.iter().all(|agent| agent.order.has_services) {
            true => Elsewhere::NodesAndServices,
            false => Elsewhere::Nodes,
        }
    }

    fn impose(&mut self, conditions: Conditions) {
        for agent in &mut self.agents {
            agent.order.conditions = conditions.clone();
            agent.order.serial += 1;
            agent.is_stale = true;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, test: &mut Test<'_>) -> Result<bool, RunError> {
        let mut busy = false;
        while let Poll::Ready(Some(message)) = self.inbox.poll_next_unpin(cx) {
            busy = true;
            self.hear(&message, test)?;
        }
        if let Poll::Ready(outage) = self.link.poll_outage(cx) {
            busy = true;
            self.hear_again();
            test.outage(&match outage {
                Outage::Away(time) => format!("for {:.1} s", time.as_secs_f64()),
                Outage::Overflow => "when more came than could be taken".to_owned(),
            });
        }
        if self.poll_tick(cx) {
            busy = true;
            self.miss_agents(test)?;
        }
        match self.error.take() {
            Some(error) => Err(RunError::Impossible(error)),
            None => Ok(busy),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), RunError> {
        self.send_orders();
        self.link.poll_send(cx);
        Ok(())
    }

    /// What a node did not end does not come here.
    fn unended(&self, _: usize) -> &[u8] {
        &[]
    }

    async fn shut_down(&mut self, politely: bool, test: &mut Test<'_>) {
        let end = if politely { End::Well } else { End::AtOnce };
        for agent in &mut self.agents {
            agent.order.end = Some(end);
            agent.order.serial += 1;
            agent.is_stale = true;
        }
        let over = std::future::poll_fn(|cx| {
            self.poll_tick(cx);
            self.send_orders();
            self.link.poll_send(cx);
            while let Poll::Ready(Some(message)) = self.inbox.poll_next_unpin(cx) {
                if !message.subject.as_str().contains(".m.") {
                    let _ = self.hear(&message, test);
                }
            }
            let is_over = |agent: &Agent| {
                agent.is_gone || agent.state.as_ref().is_some_and(|state| state.is_over)
            };
            if self.agents.iter().all(is_over) { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = tokio::time::timeout(READY, over).await;
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
