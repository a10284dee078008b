//! The agents of a run, and what is wanted of them.
//!
//! All that is wanted of an agent stands in one [`Order`], which is sent again whenever it
//! changes and a few times a second; nothing depends on any single message.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::Subscriber;
use futures_util::StreamExt as _;
use rand::TryRng as _;
use rand::rngs::SysRng;
use simulator::{Address, Conditions, Message};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::agent::say;
use crate::link::{Link, TooLong};
use crate::wire::{
    self, End, Failure, HELLO, Hello, Net, Order, PATIENCE, PERIOD, Peer, State, Wanted,
};

/// How long agents may take to say that they are there.
const ROLL_CALL: Duration = Duration::from_secs(1);
/// How long agents may take to get ready for a run, and to end it.
const READY: Duration = Duration::from_secs(10);

pub(crate) struct Crew {
    pub(crate) link: Link,
    subject: String,
    /// What agents of this run say, as far as it is heard here.
    inboxes: Vec<Subscriber>,
    tick: Interval,
    pub(crate) agents: Vec<Agent>,
    /// Of each node, the number of its agent.
    agent_of: Vec<usize>,
}

pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) order: Order,
    /// Where others find its machine.
    address: Option<Ipv4Addr>,
    /// Whether it was not told of the last change.
    is_stale: bool,
    heard: Instant,
    pub(crate) state: Option<State>,
    pub(crate) is_gone: bool,
}

/// Two agents, by number, the lower one first.
pub(crate) type Pair = (usize, usize);

/// What is to run.
pub(crate) struct Plan {
    /// The file name of the nodes' program.
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) node_count: usize,
    pub(crate) network: Net,
    /// The subjects, within those of the run, of what is heard of it; states have to be.
    pub(crate) hears: &'static [&'static str],
}

/// What an agent said.
pub(crate) enum Heard<'a> {
    /// A line that somebody printed, with its id.
    Line {
        src: Address,
        /// None, if it is for nobody.
        dest: Option<Address>,
        id: u64,
        line: &'a [u8],
    },
    /// A line of a node's standard error.
    Log {
        node: usize,
        line: &'a [u8],
    },
    Fates(&'a [u8]),
    State(State),
}

impl<'a> Heard<'a> {
    /// What this is, in a run of this subject.
    pub(crate) fn of(message: &'a async_nats::Message, subject: &str) -> Option<Self> {
        let mut words = message.subject.as_str().strip_prefix(subject)?.split('.').skip(1);
        let payload = &message.payload[..];
        Some(match (words.next()?, words.next()) {
            ("m", Some(src)) => {
                let (id, line) = wire::split_id(payload)?;
                let dest = words.next().and_then(Address::parse);
                Self::Line { src: Address::parse(src)?, dest, id, line }
            }
            ("log", Some(node)) => Self::Log { node: wire::node_of(node)?, line: payload },
            ("fate", None) => Self::Fates(payload),
            ("state", None) => Self::State(serde_json::from_slice(payload).ok()?),
            _ => return None,
        })
    }
}

impl Crew {
    /// Shares the nodes out among all agents that have the program and no other run.
    pub(crate) async fn gather(url: &str, plan: Plan, who: &str) -> anyhow::Result<Self> {
        let Plan { program, args, node_count, network, hears } = plan;
        let mut link = Link::connect(url, who).await?;
        let agents = roll_call(&link, &program, url).await?;
        let run = SysRng.try_next_u64().context("the system has no random numbers")?;
        let run = format!("{run:016x}");
        let subject = wire::of_run(&run);
        let mut inboxes = Vec::new();
        for heard in hears {
            inboxes.push(link.subscribe(format!("{subject}.{heard}")).await?);
        }
        let blank = Order {
            run,
            serial: 1,
            program,
            args,
            node_count,
            network,
            conditions: Conditions::default(),
            has_services: agents.iter().all(|hello| hello.has_services),
            nodes: BTreeMap::new(),
            peers: Vec::new(),
            end: None,
        };
        let agent_of: Vec<usize> = (0..node_count).map(|node| node % agents.len()).collect();
        let of = |(number, Hello { agent: name, address, .. }): (usize, Hello)| {
            let own = (0..node_count).filter(|&node| agent_of[node] == number);
            let nodes = own.map(|node| (node, Wanted::default())).collect();
            let mut order = Order { nodes, ..blank.clone() };
            // Each edge draws for itself.
            order.network.seed = order.network.seed.wrapping_add(number as u64);
            let heard = Instant::now();
            Agent { name, order, address, is_stale: true, heard, state: None, is_gone: false }
        };
        let agents: Vec<Agent> = agents.into_iter().enumerate().map(of).collect();
        // More agents than nodes: the rest has nothing to do.
        let is_busy = |agent: &Agent| !agent.order.nodes.is_empty();
        let mut agents: Vec<Agent> = agents.into_iter().filter(is_busy).collect();
        introduce(&mut agents);
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        link.flush().await;
        let mut crew = Self { link, subject, inboxes, tick, agents, agent_of };
        crew.await_agents().await?;
        Ok(crew)
    }

    /// Waits until all agents are ready.
    async fn await_agents(&mut self) -> anyhow::Result<()> {
        let ready = std::future::poll_fn(|cx| {
            self.poll_tick(cx);
            while let Poll::Ready(Some(message)) = self.poll_inbox(cx) {
                if let Some(Heard::State(state)) = Heard::of(&message, &self.subject) {
                    self.note_state(state);
                }
            }
            self.poll_send(cx);
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

    /// The subject of all that is said in this run.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    pub(crate) fn has_services(&self) -> bool {
        self.agents.iter().all(|agent| agent.order.has_services)
    }

    pub(crate) fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<Option<async_nats::Message>> {
        for inbox in &mut self.inboxes {
            if let ready @ Poll::Ready(_) = inbox.poll_next_unpin(cx) {
                return ready;
            }
        }
        Poll::Pending
    }

    /// Whether orders are to be told again, and agents to be missed.
    pub(crate) fn poll_tick(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ticked = false;
        while self.tick.poll_tick(cx).is_ready() {
            self.agents.iter_mut().for_each(|agent| agent.is_stale = true);
            ticked = true;
        }
        ticked
    }

    /// Sends what is new or due.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) {
        for number in 0..self.agents.len() {
            self.send_order(number);
        }
        self.link.poll_send(cx);
    }

    fn send_order(&mut self, number: usize) {
        let agent = &mut self.agents[number];
        if std::mem::take(&mut agent.is_stale) {
            say(&mut self.link, format!("{}.order", wire::of_agent(&agent.name)), &agent.order);
        }
    }

    /// Changes what is wanted of a node.
    pub(crate) fn want(&mut self, node: usize, change: impl FnOnce(&mut Wanted)) {
        let agent = &mut self.agents[self.agent_of[node]];
        change(agent.order.nodes.entry(node).or_default());
        agent.change();
    }

    /// Has a new process of a node.
    pub(crate) fn start(&mut self, node: usize) {
        self.want(node, |wanted| {
            wanted.starts += 1;
            wanted.is_up = true;
            wanted.is_paused = false;
        });
    }

    pub(crate) fn impose(&mut self, conditions: &Conditions) {
        for agent in &mut self.agents {
            agent.order.conditions = conditions.clone();
            agent.change();
        }
    }

    /// The agents that are cut off from each other by a loss of packets.
    pub(crate) fn cut_off(&self) -> BTreeSet<Pair> {
        let number_of =
            |peer: &Peer| self.agents.iter().position(|agent| agent.address == Some(peer.address));
        let numbered = self.agents.iter().enumerate();
        let cuts = numbered.flat_map(|(number, agent)| {
            let others = agent.order.cut_off().filter_map(number_of);
            others.map(move |other| (number.min(other), number.max(other)))
        });
        cuts.collect()
    }

    /// The agents of two nodes, unless it is the same.
    pub(crate) fn pair(&self, one: usize, other: usize) -> Option<Pair> {
        let (one, other) = (*self.agent_of.get(one)?, *self.agent_of.get(other)?);
        (one != other).then(|| (one.min(other), one.max(other)))
    }

    /// How often a node was started so far.
    pub(crate) fn starts(&self, node: usize) -> u64 {
        self.agent_of(node).order.nodes.get(&node).map_or(0, |wanted| wanted.starts)
    }

    pub(crate) fn agent_of(&self, node: usize) -> &Agent {
        &self.agents[self.agent_of[node]]
    }

    /// Gives a message to a node.
    pub(crate) fn deliver(&mut self, node: usize, message: &Message) -> Result<(), TooLong> {
        let number = self.agent_of[node];
        // It may be for a process that this starts.
        self.send_order(number);
        let Agent { name, order, .. } = &self.agents[number];
        let subject = format!("{}.to.{}.n{node}", wire::of_agent(name), order.run);
        let mut line = Vec::new();
        message.write_line(&mut line);
        line.pop();
        self.link.send(subject, line)
    }

    /// Notes what an agent says of itself. Returns who that is, and what was known of it.
    pub(crate) fn note_state(&mut self, state: State) -> Option<(&mut Agent, Option<State>)> {
        let agent = self.agents.iter_mut().find(|agent| agent.name == state.agent)?;
        agent.heard = Instant::now();
        let before = agent.state.replace(state);
        Some((agent, before))
    }

    /// The agents that are gone as of now, since they were not heard for long, with their nodes.
    pub(crate) fn missed(&mut self) -> Vec<(String, Vec<usize>)> {
        if self.link.is_away() {
            self.hear_again();
        }
        let is_missed = |agent: &&mut Agent| !agent.is_gone && agent.heard.elapsed() >= PATIENCE;
        let missed = self.agents.iter_mut().filter(is_missed).map(|agent| {
            agent.is_gone = true;
            (agent.name.clone(), agent.order.nodes.keys().copied().collect())
        });
        missed.collect()
    }

    /// Nobody could be heard until now.
    pub(crate) fn hear_again(&mut self) {
        self.agents.iter_mut().for_each(|agent| agent.heard = Instant::now());
    }

    /// Ends the run at all agents, for as long as that may take. What is said meanwhile is
    /// handed on.
    pub(crate) async fn end(&mut self, end: End, mut hear: impl FnMut(Heard<'_>)) {
        for agent in &mut self.agents {
            agent.order.end = Some(end);
            agent.change();
        }
        let over = std::future::poll_fn(|cx| {
            self.poll_tick(cx);
            self.poll_send(cx);
            while let Poll::Ready(Some(message)) = self.poll_inbox(cx) {
                match Heard::of(&message, &self.subject) {
                    Some(Heard::State(state)) => drop(self.note_state(state)),
                    Some(heard) => hear(heard),
                    None => {}
                }
            }
            let is_over = |agent: &Agent| {
                agent.is_gone || agent.state.as_ref().is_some_and(|state| state.is_over)
            };
            if self.agents.iter().all(is_over) { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = tokio::time::timeout(READY, over).await;
    }
}

impl Agent {
    /// Whether it is a process that is wanted which failed so.
    pub(crate) fn is_failure(&self, node: usize, failure: &Failure) -> bool {
        let is_it = |wanted: &Wanted| wanted.is_up && wanted.starts == failure.starts;
        self.order.nodes.get(&node).is_some_and(is_it)
    }

    /// Its order is another one.
    fn change(&mut self) {
        self.order.serial += 1;
        self.is_stale = true;
    }
}

/// Tells agents of each other, as far as they can be cut off from each other.
fn introduce(agents: &mut [Agent]) {
    let peer = |agent: &Agent| {
        let nodes = agent.order.nodes.keys().copied().collect();
        agent.address.map(|address| Peer { address, nodes })
    };
    let peers: Vec<Peer> = agents.iter().filter_map(peer).collect();
    for agent in agents.iter_mut().filter(|agent| agent.address.is_some()) {
        let others = peers.iter().filter(|peer| Some(peer.address) != agent.address);
        agent.order.peers = others.cloned().collect();
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
