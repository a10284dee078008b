//! How far what clients added to a counter can have got.
//!
//! A message does not say which adds it counts. But a node can count only what clients told
//! it and what messages brought it, and what has left a node by a time is no more than what
//! the node knew by then. So this is the most that each node can have known: an add that is
//! beyond it lacks for certain. What a service keeps under a key is known to whoever reads it.
//!
//! Nodes forget what they know when they are killed, unless a final read shows more than its
//! node can have known like that: then nodes keep it on a disk.

use std::collections::BTreeMap;
use std::rc::Rc;

use checkers::history::OpType;
use rustc_hash::FxHashMap;

use super::counter::delta;
use super::run::{Moment, Operation, Run, in_reply_to, member, msg_id};
use crate::net::Address;
use crate::trace::Sent;

/// An add that reached a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Add<'a> {
    pub(super) op: Operation<'a>,
    pub(super) delta: i64,
    pub(super) request: &'a Sent,
    /// The life of a node that was told it.
    pub(super) life: usize,
    /// How many adds that life had been told before.
    number: u32,
}

/// A node from its start to its kill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) node: usize,
    pub(super) killed: Option<i64>,
    /// So many of its adds were known to it when it last sent something that may tell of them.
    told: u32,
}

/// Of each life, how many of its adds are known: always the first ones.
type Known = Rc<Vec<u32>>;

/// Whoever can know something: a node, or what a service has under a key.
type Holder = (Address, String);

/// What was known when a final read was answered.
pub(super) struct Sight {
    holders: BTreeMap<Holder, Known>,
    /// What the node had known when it was last killed, and when that was.
    forgotten: Option<(Known, i64)>,
}

pub(super) struct Reach<'a> {
    pub(super) adds: Vec<Add<'a>>,
    pub(super) lives: Vec<Life>,
    /// By the index of a final read's completion.
    sights: FxHashMap<u64, Sight>,
    /// Messages that did not arrive, with what they could tell.
    lost: Vec<(&'a Sent, Known)>,
}

impl<'a> Reach<'a> {
    /// Of a whole run.
    pub(super) fn of(run: &Run<'a>) -> Self {
        let reach = Walk::new(true).walk(run);
        if reach.fits(run) { reach } else { Walk::new(false).walk(run) }
    }

    /// Whether no final read shows more than its node can have known.
    fn fits(&self, run: &Run<'a>) -> bool {
        final_reads(run).all(|(read, node)| {
            let (Some(sight), Ok(value)) =
                (self.sights.get(&read.end().index), read.end().decode())
            else {
                return true;
            };
            let known = self.adds.iter().filter(|add| sight.knows(Address::Node(node), add));
            let (gains, losses): (Vec<i64>, Vec<i64>) =
                known.map(|add| add.delta).partition(|delta| *delta > 0);
            let value: i64 = value;
            (losses.iter().sum()..=gains.iter().sum()).contains(&value)
        })
    }

    pub(super) fn sight(&self, read: &Operation<'_>) -> Option<&Sight> {
        self.sights.get(&read.end().index)
    }

    /// Whether it left the node that was told it.
    pub(super) fn was_told(&self, add: &Add<'_>) -> bool {
        add.number < self.lives[add.life].told
    }

    /// The messages to a node that could tell of an add and did not arrive.
    pub(super) fn lost(&self, dest: Address, add: &Add<'_>, by: Moment) -> Vec<&'a Sent> {
        let to_it = self.lost.iter().filter(|(sent, _)| sent.dest == dest && sent.line < by.line);
        to_it.filter(|(_, known)| add.is_in(known)).map(|(sent, _)| *sent).collect()
    }
}

impl Add<'_> {
    fn is_in(&self, known: &Known) -> bool {
        known.get(self.life).is_some_and(|count| self.number < *count)
    }
}

impl Sight {
    pub(super) fn knows(&self, who: Address, add: &Add<'_>) -> bool {
        self.holders.get(&(who, String::new())).is_some_and(|known| add.is_in(known))
    }

    /// Those that could know of an add.
    pub(super) fn knowing(&self, add: &Add<'_>) -> Vec<Address> {
        let knowing = self.holders.iter().filter(|(_, known)| add.is_in(known));
        let mut knowing: Vec<Address> = knowing.map(|((address, _), _)| *address).collect();
        knowing.dedup();
        knowing
    }

    /// When the reading node was killed that had known of an add.
    pub(super) fn forgot(&self, add: &Add<'_>) -> Option<i64> {
        let (known, killed) = self.forgotten.as_ref()?;
        add.is_in(known).then_some(*killed)
    }
}

fn final_reads<'r, 'a>(
    run: &'r Run<'a>,
) -> impl Iterator<Item = (Operation<'a>, usize)> + use<'r, 'a> {
    let reads = run.completed(OpType::Ok).filter(|op| op.end().is_final && op.invoked.f == "read");
    reads.filter_map(|read| Some((read, run.node(read.invoked.process)?)))
}

enum Event<'a> {
    Sends(&'a Sent),
    Arrives(&'a Sent),
    Killed(usize, i64),
    /// A final read of this index is answered by a node.
    Read(u64, usize),
}

/// Goes through a run.
struct Walk<'a> {
    forgets: bool,
    reach: Reach<'a>,
    /// By node, the life that it lives.
    lives: BTreeMap<usize, usize>,
    holders: BTreeMap<Holder, Known>,
    forgotten: BTreeMap<usize, (Known, i64)>,
    /// What messages under way can tell.
    under_way: FxHashMap<u64, (&'a Sent, Holder, Known)>,
    /// The keys that were asked for: who asked whom, under which number.
    keys: FxHashMap<(Address, Address, String), String>,
}

impl<'a> Walk<'a> {
    fn new(forgets: bool) -> Self {
        let (adds, lives) = (Vec::new(), Vec::new());
        Self {
            forgets,
            reach: Reach { adds, lives, sights: FxHashMap::default(), lost: Vec::new() },
            lives: BTreeMap::new(),
            holders: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            under_way: FxHashMap::default(),
            keys: FxHashMap::default(),
        }
    }

    fn walk(mut self, run: &Run<'a>) -> Reach<'a> {
        for (_, event) in events(run) {
            match event {
                Event::Sends(sent) => self.sends(sent),
                Event::Arrives(sent) if sent.op.is_some() => self.is_told(run, sent),
                Event::Arrives(sent) => self.arrives(sent),
                Event::Killed(node, time) => self.killed(node, time),
                Event::Read(read, node) => {
                    let forgotten = self.forgotten.get(&node).cloned();
                    let sight = Sight { holders: self.holders.clone(), forgotten };
                    self.reach.sights.insert(read, sight);
                }
            }
        }
        let mut lost: Vec<_> =
            self.under_way.into_values().map(|(sent, _, known)| (sent, known)).collect();
        lost.sort_unstable_by_key(|(sent, _)| sent.line);
        Reach { lost, ..self.reach }
    }

    fn life(&mut self, node: usize) -> usize {
        *self.lives.entry(node).or_insert_with(|| {
            self.reach.lives.push(Life { node, killed: None, told: 0 });
            self.reach.lives.len() - 1
        })
    }

    fn is_told(&mut self, run: &Run<'a>, request: &'a Sent) {
        let add = request.op.and_then(|op| run.operation(op));
        let (Some(op), Address::Node(node)) = (add, request.dest) else { return };
        let Some(delta) = delta(&op) else { return };
        let life = self.life(node);
        let known = self.holders.entry((request.dest, String::new())).or_default();
        let known = Rc::make_mut(known);
        known.resize(known.len().max(life + 1), 0);
        self.reach.adds.push(Add { op, delta, request, life, number: known[life] });
        known[life] += 1;
    }

    fn sends(&mut self, sent: &'a Sent) {
        let kind = sent.kind();
        let link = |id| (sent.src, sent.dest, id);
        let holder = |address: Address, key: &str| (address, key.to_owned());
        let (from, to) = match (sent.src, sent.dest) {
            (_, Address::Service(_)) => {
                let key = member(sent, "key");
                if kind == "read" {
                    self.keys.extend(msg_id(sent).map(|id| (link(id), key)));
                    return;
                }
                (holder(sent.src, ""), holder(sent.dest, &key))
            }
            (Address::Service(_), _) => {
                let asked = in_reply_to(sent).map(|id| (sent.dest, sent.src, id));
                let Some(key) = asked.and_then(|asked| self.keys.remove(&asked)) else { return };
                (holder(sent.src, &key), holder(sent.dest, ""))
            }
            _ if kind == "read" => return,
            _ => (holder(sent.src, ""), holder(sent.dest, "")),
        };
        let Some(known) = self.holders.get(&from).cloned() else { return };
        if let Address::Node(node) = sent.src {
            let life = self.life(node);
            let told = &mut self.reach.lives[life].told;
            *told = (*told).max(known.get(life).copied().unwrap_or_default());
        }
        self.under_way.insert(sent.id, (sent, to, known));
    }

    fn arrives(&mut self, sent: &Sent) {
        let Some((_, to, known)) = self.under_way.remove(&sent.id) else { return };
        let own = self.holders.entry(to).or_default();
        if own.len() < known.len() || own.iter().zip(&*known).any(|(own, heard)| own < heard) {
            let own = Rc::make_mut(own);
            own.resize(own.len().max(known.len()), 0);
            own.iter_mut().zip(&*known).for_each(|(own, heard)| *own = (*own).max(*heard));
        }
    }

    fn killed(&mut self, node: usize, time: i64) {
        if !self.forgets {
            return;
        }
        if let Some(life) = self.lives.remove(&node) {
            self.reach.lives[life].killed = Some(time);
        }
        let holder = (Address::Node(node), String::new());
        let known = self.holders.remove(&holder).unwrap_or_default();
        self.forgotten.insert(node, (known, time));
    }
}

/// What happened, in order.
fn events<'a>(run: &Run<'a>) -> Vec<(u64, Event<'a>)> {
    let mut events: Vec<(u64, Event<'a>)> = Vec::new();
    for sent in run.inner() {
        events.push((sent.line, Event::Sends(sent)));
        events.extend(sent.arrived.map(|line| (line, Event::Arrives(sent))));
    }
    let requests = run.trace.messages.iter().filter(|sent| sent.op.is_some());
    events.extend(requests.filter_map(|sent| Some((sent.arrived?, Event::Arrives(sent)))));
    let kills = run.trace.nodes.iter().filter(|event| event.event == "kill");
    events.extend(kills.map(|kill| (kill.line, Event::Killed(kill.node, kill.time))));
    events.extend(final_reads(run).filter_map(|(read, node)| {
        Some((run.asked(&read)?.1.line, Event::Read(read.end().index, node)))
    }));
    events.sort_by_key(|(line, _)| *line);
    events
}
