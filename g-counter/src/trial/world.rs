//! A cluster of counters in virtual time: queue, network, processes, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maelstrom::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::settings::SeqKv;
use tokio::time::Instant;

use super::service::{Caller, Service};
use crate::counter::{Answer, Command, Counter};
use crate::gossip::Gossip;
use crate::injected_bugs::{Bug, Bugs};
use crate::ledger::{NoAnswer, Pace};
use crate::share::Share;

/// What the network and the service do.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    pub(super) seq_kv: SeqKv,
    /// Messages take up to so long, between nodes and to the service.
    pub(super) latency: Duration,
    /// One in ten takes up to so much longer.
    pub(super) slow: Duration,
    /// The share of messages that is lost, and that is doubled.
    pub(super) loss: f64,
    pub(super) doubling: f64,
}

impl Weather {
    pub(super) fn fair() -> Self {
        Self {
            seq_kv: SeqKv::Real,
            latency: Duration::ZERO,
            slow: Duration::ZERO,
            loss: 0.0,
            doubling: 0.0,
        }
    }
}

const AT_ONCE: Pace = Pace { pause: Duration::ZERO, patience: Duration::from_secs(1) };

#[derive(Clone, Debug)]
enum Request {
    Write {
        from: Share,
        to: Share,
    },
    Check,
    /// Write something new, and then look these up.
    Refresh(Vec<NodeId>),
    Look(NodeId),
}

#[derive(Clone, Debug)]
enum Response {
    Written(bool),
    Read(Option<Share>),
}

/// A node, and which of its lives.
type Life = (NodeId, u64);

#[derive(Clone, Debug)]
enum Event {
    Ask { from: Life, call: u64, request: Request },
    Reply { to: Life, call: u64, response: Response },
    Timeout { to: Life, call: u64 },
    Gossip { from: NodeId, to: NodeId, gossip: Gossip },
    Tick { to: Life },
}

#[derive(Default)]
struct Process {
    life: u64,
    /// `None` while it is dead.
    counter: Option<Counter<usize>>,
    paused_until: Duration,
    /// When it will be woken.
    alarm: Option<Duration>,
    /// What the pending calls ask.
    calls: BTreeMap<u64, Request>,
}

/// What became of a client's request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) node: usize,
    /// `None` for a read.
    pub(super) delta: Option<i64>,
    pub(super) at: Duration,
    pub(super) answer: Option<(Duration, Answer)>,
}

impl Asked {
    pub(super) fn added(&self) -> bool {
        matches!(self.answer, Some((_, Answer::Added)))
    }
}

/// What was read; deltas are small here, so that it is as well.
pub(super) fn value_of(answer: &Answer) -> Option<i64> {
    match answer {
        Answer::Value(value) => value.to_string().parse().ok(),
        _ => None,
    }
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) rng: StdRng,
    pub(super) names: Vec<NodeId>,
    pub(super) weather: Weather,
    pub(super) asked: Vec<Asked>,
    /// Messages among nodes and service.
    pub(super) messages: u64,
    /// Who does not hear whom: (sender, receiver).
    pub(super) cut: BTreeSet<(usize, usize)>,
    epoch: Instant,
    bugs: Bugs,
    service: Service,
    processes: Vec<Process>,
    queue: BTreeMap<(Duration, u64), Event>,
    count: u64,
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize, weather: Weather, bugs: Bugs) -> Self {
        let mut names: Vec<NodeId> = (0..nodes).map(|i| format!("n{i}").into()).collect();
        names.sort();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = Self {
            now: Duration::ZERO,
            names,
            asked: Vec::new(),
            messages: 0,
            cut: BTreeSet::new(),
            epoch: Instant::now(),
            bugs,
            service: Service::new(weather.seq_kv, &mut rng),
            rng,
            processes: (0..nodes).map(|_| Process::default()).collect(),
            queue: BTreeMap::new(),
            count: 0,
            weather,
        };
        for node in 0..nodes {
            world.restart(node);
        }
        world
    }

    /// Kills a node, unless it is dead, and starts it with empty memory.
    pub(super) fn restart(&mut self, node: usize) {
        let nonce = if self.bugs.has(Bug::SameNonce) { 7 } else { self.rng.random() };
        let mut counter = Counter::new(&self.names[node], &self.names, nonce, self.instant());
        counter.ledger.bugs = self.bugs;
        self.kill(node);
        self.service.begin_life(node, self.count);
        let process = &mut self.processes[node];
        let life = process.life + 1;
        *process = Process { life, counter: Some(counter), ..Process::default() };
        self.event(node, Counter::start);
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.processes[node].counter = None;
        self.processes[node].calls.clear();
    }

    pub(super) fn is_alive(&self, node: usize) -> bool {
        self.processes[node].counter.is_some()
    }

    pub(super) fn pause(&mut self, node: usize, length: Duration) {
        self.processes[node].paused_until = self.now + length;
    }

    pub(super) fn add(&mut self, node: usize, delta: i64) {
        let client = self.client(node, Some(delta));
        self.event(node, |counter, now| counter.add(client, delta.into(), now));
    }

    pub(super) fn read(&mut self, node: usize) -> usize {
        let client = self.client(node, None);
        self.event(node, |counter, now| counter.read(client, now));
        client
    }

    /// What all living nodes read; `None` where there is no answer at once.
    pub(super) fn read_all(&mut self) -> Vec<Option<i64>> {
        let alive = (0..self.names.len()).filter(|&node| self.is_alive(node));
        let alive: Vec<usize> = alive.collect();
        alive.into_iter().map(|node| self.read_now(node)).collect()
    }

    fn read_now(&mut self, node: usize) -> Option<i64> {
        let client = self.read(node);
        self.asked[client].answer.as_ref().and_then(|(_, answer)| value_of(answer))
    }

    /// Lets everything happen up to `time`.
    pub(super) fn run_until(&mut self, time: Duration) {
        while let Some(next) = self.queue.first_entry()
            && next.key().0 <= time
        {
            let ((at, _), event) = next.remove_entry();
            self.now = at;
            self.happen(event);
        }
        self.now = time;
    }

    fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    fn client(&mut self, node: usize, delta: Option<i64>) -> usize {
        self.asked.push(Asked { node, delta, at: self.now, answer: None });
        self.asked.len() - 1
    }

    fn index(&self, name: &NodeId) -> usize {
        self.names.binary_search(name).expect("a node of the cluster")
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.queue.insert((self.now + after, self.count), event);
    }

    /// Puts a message on its way: none, one or two copies.
    fn send(&mut self, event: &Event) {
        self.messages += 1;
        let copies = if self.rng.random_bool(self.weather.loss) {
            0
        } else {
            1 + usize::from(self.rng.random_bool(self.weather.doubling))
        };
        for _ in 0..copies {
            let mut delay = self.weather.latency.mul_f64(self.rng.random());
            if self.rng.random_bool(0.1) {
                delay += self.weather.slow.mul_f64(self.rng.random());
            }
            self.schedule(delay, event.clone());
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask { from, call, request } => self.serve(from, call, &request),
            Event::Reply { ref to, call, ref response } => {
                let node = self.index(&to.0);
                if !self.postponed(node, &event) {
                    self.answered(node, call, Some(response.clone()));
                }
            }
            Event::Timeout { ref to, call } => {
                let node = self.index(&to.0);
                if !self.postponed(node, &event) {
                    self.answered(node, call, None);
                }
            }
            Event::Gossip { ref from, ref to, ref gossip } => {
                let (sender, node) = (self.index(from), self.index(to));
                if self.cut.contains(&(sender, node)) || self.postponed(node, &event) {
                    return;
                }
                let (from, gossip) = (from.clone(), gossip.clone());
                self.event(node, |counter, now| counter.received(&from, gossip, now));
            }
            Event::Tick { ref to } => {
                let node = self.index(&to.0);
                if to.1 == self.processes[node].life && !self.postponed(node, &event) {
                    self.processes[node].alarm = None;
                    self.event(node, Counter::tick);
                }
            }
        }
    }

    /// Whether a node stands still; what it would see happens later then.
    fn postponed(&mut self, node: usize, event: &Event) -> bool {
        let until = self.processes[node].paused_until;
        if until > self.now {
            self.schedule(until - self.now, event.clone());
        }
        until > self.now
    }

    fn serve(&mut self, from: Life, call: u64, request: &Request) {
        let caller = Caller { node: self.index(&from.0), request: call };
        let (own, service) = (&from.0, &mut self.service);
        let response = match request {
            Request::Write { to, .. } if self.bugs.has(Bug::BlindFence) && to.is_fence() => {
                service.write(caller, own, to);
                Response::Written(true)
            }
            Request::Write { from: expected, to } => {
                Response::Written(service.cas(caller, own, expected, to))
            }
            Request::Check => Response::Read(service.read(caller, own)),
            Request::Refresh(_) => {
                let (fresh, key) =
                    (Share { nonce: call, ..Share::default() }, format!("fresh/{own}"));
                service.write(caller, &key.into(), &fresh);
                Response::Written(true)
            }
            Request::Look(node) => Response::Read(service.read(caller, node)),
        };
        self.send(&Event::Reply { to: from, call, response });
    }

    /// A call of a node was answered, or timed out. Calls that ended before, or
    /// belong to a former life, are pending no more.
    fn answered(&mut self, node: usize, call: u64, response: Option<Response>) {
        let Some(request) = self.processes[node].calls.remove(&call) else { return };
        if let Request::Refresh(others) = request {
            for other in others {
                self.call(node, Request::Look(other), AT_ONCE);
            }
            return;
        }
        let found = match response {
            Some(Response::Written(done)) => {
                return self.event(node, |counter, now| counter.written(Ok(done), now));
            }
            Some(Response::Read(share)) => Ok(share),
            None => Err(NoAnswer),
        };
        self.event(node, |counter, now| match (request, found) {
            (Request::Write { .. }, _) => counter.written(Err(NoAnswer), now),
            (Request::Check, found) => {
                counter.checked(found.map(|share| share.unwrap_or_else(Share::unwritten)), now)
            }
            (Request::Look(other), Ok(Some(share))) => counter.looked_up(&other, share, now),
            (Request::Look(_) | Request::Refresh(_), _) => Vec::new(),
        });
    }

    /// Lets a living node take an event, and does what it commands.
    fn event(
        &mut self,
        node: usize,
        event: impl FnOnce(&mut Counter<usize>, Instant) -> Vec<Command<usize>>,
    ) {
        let now = self.instant();
        let Some(counter) = &mut self.processes[node].counter else { return };
        let commands = event(counter, now);
        let deadline = counter.deadline(now);
        for command in commands {
            self.carry_out(node, command);
        }
        if let Some(deadline) = deadline {
            self.set_alarm(node, deadline.duration_since(self.epoch));
        }
    }

    fn set_alarm(&mut self, node: usize, at: Duration) {
        let alarm = &mut self.processes[node].alarm;
        if alarm.is_none_or(|alarm| at < alarm) {
            *alarm = Some(at);
            let to = self.present(node);
            self.schedule(at.saturating_sub(self.now), Event::Tick { to });
        }
    }

    fn present(&self, node: usize) -> Life {
        (self.names[node].clone(), self.processes[node].life)
    }

    fn carry_out(&mut self, node: usize, command: Command<usize>) {
        match command {
            Command::Write { from, to, pace } => self.call(node, Request::Write { from, to }, pace),
            Command::Check(pace) => self.call(node, Request::Check, pace),
            Command::Look(others) => self.call(node, Request::Refresh(others), AT_ONCE),
            Command::Tell(to, gossip) => {
                self.send(&Event::Gossip { from: self.names[node].clone(), to, gossip });
            }
            Command::Answer(client, answer) => {
                let answered = self.asked[client].answer.replace((self.now, answer));
                assert!(answered.is_none(), "client {client} was answered twice");
            }
        }
    }

    /// (A pause before a call counts as a part of its way.)
    fn call(&mut self, node: usize, request: Request, pace: Pace) {
        self.count += 1;
        let (call, from) = (self.count, self.present(node));
        self.processes[node].calls.insert(call, request.clone());
        let timeout = Event::Timeout { to: from.clone(), call };
        self.schedule(pace.pause + pace.patience, timeout);
        let start = self.now;
        self.now += pace.pause;
        self.send(&Event::Ask { from, call, request });
        self.now = start;
    }
}
