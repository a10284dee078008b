//! Two nodes that know thousands of incarnations, and not the same of each, find out what
//! they lack with messages of bounded length.

use std::collections::VecDeque;
use std::time::Duration;

use broadcast::config::Config;
use broadcast::machine::{Broadcaster, Reply, Request};
use broadcast::wire::{LogId, Message, Rank, Run, Spread, Value};
use maelstrom::machine::{Client, Input, Machine as _, Output, Outputs};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::value::RawValue;

const MS: Duration = Duration::from_millis(1);
const LATENCY: Duration = Duration::from_millis(10);
/// The two, and one that everything came from and that is out of reach.
const NODES: usize = 3;
const SOURCE: Rank = 2;
/// The bytes of a value, and of a comma.
const VALUE: u64 = 11;

/// All that two nodes said to each other.
#[derive(Debug, Default)]
struct Talk {
    messages: usize,
    bytes: usize,
    /// The longest message, its values not counted.
    longest: usize,
    took: Duration,
}

struct Pair {
    nodes: [Broadcaster; 2],
    now: Duration,
    /// When, to whom, and what. All take as long, so that what was sent first comes first.
    flying: VecDeque<(Duration, Rank, Message)>,
    talk: Talk,
    rng: StdRng,
}

impl Pair {
    fn new(config: &Config, seed: u64) -> Self {
        let node = |rank| Broadcaster::new(rank, NODES, config, StdRng::seed_from_u64(seed));
        let nodes = [node(0), node(1)];
        let flying = VecDeque::new();
        let (talk, rng) = (Talk::default(), StdRng::seed_from_u64(seed));
        let mut pair = Self { nodes, now: Duration::ZERO, flying, talk, rng };
        (0..2).for_each(|rank| _ = pair.handle(rank, Input::Start, 1.0));
        pair
    }

    /// A node takes an input. What it has to say goes to the other one, but for this share
    /// of it. Returns what it replies.
    fn handle(&mut self, rank: Rank, input: Input<Broadcaster>, loss: f64) -> Option<Reply> {
        let (mut outputs, mut reply) = (Outputs::default(), None);
        self.nodes[rank].handle(self.now, input, &mut outputs);
        for output in outputs.drain() {
            match output {
                Output::Send(to, message) if to != SOURCE => self.carry(to, message, loss),
                Output::Reply(_, given) => reply = given.ok(),
                _ => {}
            }
        }
        reply
    }

    fn carry(&mut self, to: Rank, message: Message, loss: f64) {
        let (bytes, values) = length(&message);
        self.talk.messages += 1;
        self.talk.bytes += bytes;
        self.talk.longest = self.talk.longest.max(bytes - values);
        if !self.rng.random_bool(loss) {
            self.flying.push_back((self.now + LATENCY, to, message));
        }
    }

    /// The next thing happens.
    fn step(&mut self, loss: f64) {
        let wakes = [0, 1].map(|rank| (self.nodes[rank].deadline().unwrap_or(Duration::MAX), rank));
        let (wake, rank) = wakes.into_iter().min().unwrap();
        let is_due = self.flying.front().is_some_and(|(at, ..)| *at <= wake);
        if is_due && let Some((at, to, message)) = self.flying.pop_front() {
            self.now = at;
            self.handle(to, Input::Message(1 - to, message), loss);
        } else {
            self.now = self.now.max(wake);
            self.handle(rank, Input::Wake, loss);
        }
    }

    fn learn(&mut self, rank: Rank, runs: &[Run]) {
        for runs in runs.chunks(1000) {
            let spread = Spread { runs: runs.to_vec(), ..Spread::default() };
            self.handle(rank, Input::Message(SOURCE, Message::Spread(spread)), 1.0);
        }
    }

    /// How many values each of the two has. All are equally long.
    fn known(&mut self) -> [u64; 2] {
        [0, 1].map(|rank| match self.handle(rank, Input::Request(Client(0), Request::Read), 1.0) {
            Some(Reply::Values(values)) => values.get().len() as u64 / VALUE,
            _ => panic!("node {rank} does not answer"),
        })
    }
}

/// The bytes of a message, and how many of them are runs of values.
fn length(message: &Message) -> (usize, usize) {
    let text = |length: serde_json::Result<String>| length.unwrap().len();
    match message {
        Message::Spread(spread) => {
            (text(serde_json::to_string(spread)), text(serde_json::to_string(&spread.runs)))
        }
        Message::Digest(digest) => (text(serde_json::to_string(digest)), 0),
    }
}

/// The first values of an incarnation.
fn run(incarnation: u64, values: u64) -> Run {
    let value = |i: u64| RawValue::from_string((1_000_000_000 + incarnation * 10 + i).to_string());
    let values = (0..values).map(|i| Value::from(value(i).unwrap())).collect();
    // Names are spread over all that there can be.
    let incarnation = incarnation.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
    Run { log: LogId { origin: SOURCE, incarnation }, first: 0, values }
}

/// Two nodes know so many incarnations, each with up to three values; of this share of them
/// they do not know equally many. What they say to each other until both have everything, if
/// this share of their messages gets lost.
fn converge(period: Duration, incarnations: u64, differing: f64, loss: f64, seed: u64) -> Talk {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pair = Pair::new(&Config { period, ..Config::default() }, seed);
    while pair.now < 5000 * MS {
        pair.step(1.0);
    }
    let mut known = [Vec::new(), Vec::new()];
    let mut all = 0;
    for incarnation in 0..incarnations {
        let both = rng.random_range(1..=3);
        let differ = rng.random_bool(differing);
        let values = [(); 2].map(|()| if differ { rng.random_range(0..=3) } else { both });
        all += values[0].max(values[1]);
        for (known, values) in known.iter_mut().zip(values) {
            known.push(run(incarnation, values));
        }
    }
    for (rank, mut runs) in known.into_iter().enumerate() {
        runs.shuffle(&mut rng);
        pair.learn(rank, &runs);
    }
    let began = pair.now;
    pair.talk = Talk::default();
    while pair.known() != [all; 2] {
        pair.step(loss);
        pair.talk.took = pair.now - began;
        assert!(pair.talk.took < 120_000 * MS, "{:?} {:?}", pair.known(), pair.talk);
    }
    pair.talk
}

/// A message is never longer than this, whatever there is to say, its values not counted.
const LONGEST: usize = 40 * (256 + NODES) + 3000;

#[test]
fn nodes_with_any_differences_come_to_have_the_same() {
    let mut rng = StdRng::seed_from_u64(7);
    for seed in 0..16 {
        let incarnations = rng.random_range(1..6000);
        let differing = 10_f64.powf(rng.random_range(-4.0..=0.0));
        let period = if rng.random() { 380 * MS } else { Duration::ZERO };
        let talk = converge(period, incarnations, differing, 0.0, seed);
        let case = format!("{period:?}, {differing} of {incarnations}: {talk:?}");
        assert!(talk.longest < LONGEST, "{case}");
        assert!(talk.bytes < 40_000 + 200 * incarnations as usize, "{case}");
        assert!(talk.messages < 20 + incarnations as usize / 30, "{case}");
        // Without rounds, they first have to ask each other, and not the source.
        assert!(talk.took < if period.is_zero() { 60_000 * MS } else { 2000 * MS }, "{case}");
    }
}

/// Both ask at the same time here, and each finds out by itself.
#[test]
fn twenty_thousand_incarnations_are_compared_in_two_seconds_and_three_megabytes() {
    let talk = converge(380 * MS, 20_000, 1.0, 0.0, 1);
    assert!(talk.longest < LONGEST && talk.bytes < 3_000_000, "{talk:?}");
    assert!(talk.messages < 400 && talk.took < 2000 * MS, "{talk:?}");
}

#[test]
fn what_was_lost_on_the_way_is_found_out_later() {
    for seed in 0..6 {
        let period = if seed % 2 == 0 { 380 * MS } else { Duration::ZERO };
        let talk = converge(period, 2000, 0.5, 0.2, seed);
        assert!(talk.longest < LONGEST && talk.took < 60_000 * MS, "{period:?}: {talk:?}");
    }
}
