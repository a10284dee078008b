//! Whether histories of `seq-kv` are sequentially consistent, by search: is there
//! an order of all operations that keeps each session's own, and in which every
//! answer is right?

use std::collections::BTreeSet;

use rand::RngExt as _;

use super::*;

const KEYS: usize = 2;
type State = [Option<u64>; KEYS];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write(u64),
    Cas { from: u64, to: u64, create: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Value(u64),
    Done,
    Missing,
    Refused,
}

#[derive(Clone, Copy, Debug)]
struct Op {
    session: usize,
    key: usize,
    call: Call,
    answer: Answer,
}

impl Op {
    /// The state after it, if its answer is right.
    fn apply(self, mut state: State) -> Option<State> {
        let current = &mut state[self.key];
        let right = match (self.call, *current) {
            (Call::Read, Some(value)) => Answer::Value(value),
            (Call::Write(value), _) => {
                *current = Some(value);
                Answer::Done
            }
            (Call::Cas { from, to, .. }, Some(value)) if value == from => {
                *current = Some(to);
                Answer::Done
            }
            (Call::Cas { to, create: true, .. }, None) => {
                *current = Some(to);
                Answer::Done
            }
            (Call::Cas { .. }, Some(_)) => Answer::Refused,
            (Call::Read | Call::Cas { .. }, None) => Answer::Missing,
        };
        (self.answer == right).then_some(state)
    }
}

/// Whether any order explains all answers.
fn is_sequential(history: &[Op]) -> bool {
    let sessions = history.iter().map(|op| op.session + 1).max().unwrap_or(0);
    let of = |session| history.iter().filter(move |op| op.session == session).copied().collect();
    let orders: Vec<Vec<Op>> = (0..sessions).map(of).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![(vec![0; sessions], State::default())];
    while let Some((done, state)) = open.pop() {
        if orders.iter().zip(&done).all(|(order, &done)| order.len() == done) {
            return true;
        }
        if !seen.insert((done.clone(), state)) {
            continue;
        }
        for (session, order) in orders.iter().enumerate() {
            if let Some(after) = order.get(done[session]).and_then(|op| op.apply(state)) {
                let mut done = done.clone();
                done[session] += 1;
                open.push((done, after));
            }
        }
    }
    false
}

/// Whether the order in which operations were answered explains all answers.
fn is_in_order(history: &[Op]) -> bool {
    let mut state = State::default();
    history.iter().all(|op| op.apply(state).map(|after| state = after).is_some())
}

/// Sessions that do something at random, one operation after the other.
struct Sessions {
    services: Services,
    rng: StdRng,
    /// How many values there are; with few, values come back.
    values: u64,
    /// Whether each key is written by one session only.
    owned: bool,
    next: u64,
}

impl Sessions {
    fn new(seed: u64, kind: SeqKv, values: u64, owned: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let services = Services::new(&mut rng, kind);
        Self { services, rng, values, owned, next: 0 }
    }

    fn run(&mut self, sessions: usize, length: usize) -> Vec<Op> {
        (0..length).map(|_| self.step(sessions)).collect()
    }

    fn step(&mut self, sessions: usize) -> Op {
        let session = self.rng.random_range(0..sessions);
        let key = self.rng.random_range(0..KEYS);
        let call = match self.rng.random_range(0..4) {
            0 | 1 => Call::Read,
            _ if self.owned && key != session => Call::Read,
            2 => Call::Write(self.value()),
            _ => {
                let from = self.next - self.rng.random_range(0..=self.next.min(3));
                let from = from % self.values;
                Call::Cas { from, to: self.value(), create: self.rng.random() }
            }
        };
        Op { session, key, call, answer: self.ask(session, key, call) }
    }

    fn value(&mut self) -> u64 {
        self.next += 1;
        self.next % self.values
    }

    fn ask(&mut self, session: usize, key: usize, call: Call) -> Answer {
        let body = match call {
            Call::Read => json!({"type": "read", "key": key}),
            Call::Write(value) => json!({"type": "write", "key": key, "value": value}),
            Call::Cas { from, to, create } => {
                json!({"type": "cas", "key": key, "from": from, "to": to,
                       "create_if_not_exists": create})
            }
        };
        let reply = ask(&mut self.services, SEQ, Address::Node(session), &body);
        match (reply["value"].as_u64(), reply["code"].as_u64()) {
            (Some(value), _) => Answer::Value(value),
            (_, Some(20)) => Answer::Missing,
            (_, Some(22)) => Answer::Refused,
            _ => Answer::Done,
        }
    }
}

const UNIQUE: u64 = u64::MAX;

#[test]
fn either_seq_kv_is_sequentially_consistent() {
    for kind in SeqKv::ALL {
        for seed in 0..1500 {
            let values = [2, 3, UNIQUE][seed as usize % 3];
            let sessions = 2 + seed as usize % 3;
            let history = Sessions::new(seed, kind, values, false).run(sessions, 16);
            assert!(is_sequential(&history), "{kind:?}, seed {seed}: {history:#?}");
        }
    }
}

#[test]
fn the_adversarial_one_is_hardly_ever_what_it_would_be_if_it_were_linearizable() {
    let fresh = |kind| {
        let histories = (0..300).map(|seed| Sessions::new(seed, kind, UNIQUE, false).run(3, 16));
        histories.filter(|history| is_in_order(history)).count()
    };
    let (real, adversarial) = (fresh(SeqKv::Real), fresh(SeqKv::Adversarial));
    assert!(
        adversarial < 15 && adversarial < real,
        "{adversarial} of 300, where the real one is so {real} times"
    );
}

/// Where every key has one writer, the order of its versions is that in which they
/// were written, and it can be tried out whether a read could have been older.
#[test]
fn no_read_of_the_adversarial_one_could_have_been_older() {
    let mut could_have_been_newer = 0;
    for seed in 0..600 {
        let mut sessions = Sessions::new(seed, SeqKv::Adversarial, UNIQUE, true);
        let mut history = Vec::new();
        let mut versions: [Vec<Answer>; KEYS] = [vec![Answer::Missing], vec![Answer::Missing]];
        for _ in 0..16 {
            let op = sessions.step(3);
            if op.answer == Answer::Done {
                let (Call::Write(value) | Call::Cas { to: value, .. }) = op.call else { panic!() };
                versions[op.key].push(Answer::Value(value));
            }
            if op.call == Call::Read {
                let shown = versions[op.key].iter().position(|&answer| answer == op.answer);
                let shown = shown.expect("one of the key's values");
                could_have_been_newer += usize::from(shown + 1 < versions[op.key].len());
                for &answer in &versions[op.key][..shown] {
                    history.push(Op { answer, ..op });
                    assert!(!is_sequential(&history), "seed {seed}: {history:#?}");
                    history.pop();
                }
            }
            history.push(op);
        }
    }
    assert!(could_have_been_newer > 1000, "only {could_have_been_newer} reads were stale");
}

#[test]
fn the_search_tells_what_an_order_explains_from_what_none_does() {
    let op = |session, key, call, answer| Op { session, key, call, answer };
    let write = |session, key| op(session, key, Call::Write(1), Answer::Done);
    let read = |session, key, answer| op(session, key, Call::Read, answer);
    // A read of what another session wrote a while ago may be stale …
    assert!(is_sequential(&[write(0, 0), read(1, 0, Answer::Missing)]));
    // … but not for both of two who wrote first (Dekker).
    let found =
        |answer| [write(0, 0), read(0, 1, Answer::Missing), write(1, 1), read(1, 0, answer)];
    assert!(is_sequential(&found(Answer::Value(1))));
    assert!(!is_sequential(&found(Answer::Missing)));
    // Nor may a session see time run backwards.
    assert!(!is_sequential(&[
        write(0, 0),
        read(1, 0, Answer::Value(1)),
        read(1, 0, Answer::Missing)
    ]));
}
