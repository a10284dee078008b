//! Histories of the services while servers die, the leader among them, and what no history of
//! theirs may be.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use checkers::history::{Op, OpType, Process, raw};
use checkers::{Checks, Names, Validity, Workload};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

const KEYS: u64 = 2;
const VALUES: u64 = 5;
/// Asked after an error, for it is likely to come again at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Kills each server in its turn, and starts it again. Then each stands still for longer than
/// anybody waits for its answer.
async fn deaths(servers: &mut Servers, are_over: &Cell<bool>) {
    for number in 0..servers.ports.len() {
        sleep(Duration::from_millis(500)).await;
        servers.kill(number);
        sleep(Duration::from_millis(1500)).await;
        servers.restart(number);
        servers.await_answer().await;
    }
    for child in &servers.children {
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        sleep(Duration::from_millis(3500)).await;
        kill(pid, Signal::SIGCONT).unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    are_over.set(true);
}

/// Services that begin with different servers, as agents on three machines would have them.
fn three(servers: &Servers) -> [Services; 3] {
    [0, 1, 2].map(|number| servers.services(number, RUN))
}

/// A request at random.
fn request(rng: &mut StdRng, key: &str) -> Value {
    let mut value = || rng.random_range(0..VALUES);
    match (value(), value(), value()) {
        (0 | 1, ..) => read(key),
        (2 | 3, value, _) => write(key, value),
        (_, from, to) => cas(key, from, to),
    }
}

/// A client that does one thing after the other, as the checkers' histories tell it.
async fn client(
    services: &Services,
    number: u64,
    are_over: &Cell<bool>,
    history: &RefCell<Vec<Op>>,
) {
    let (mut rng, mut process) = (StdRng::seed_from_u64(number), number);
    while !are_over.get() || history.borrow().len() < 2000 {
        // A key that has had its share is left.
        let key = history.borrow().len() as u64 / 200 * KEYS + rng.random_range(0..KEYS);
        let mut body = request(&mut rng, &key.to_string());
        // The checker knows no other.
        body["create_if_not_exists"] = false.into();
        let f = body["type"].as_str().unwrap().to_owned();
        let value = match f.as_str() {
            "read" => json!([key, null]),
            "write" => json!([key, body["value"]]),
            _ => json!([key, [body["from"], body["to"]]]),
        };
        let op =
            |kind, value: &Value| Op::new(Process::Client(process), kind, f.clone(), raw(value));
        history.borrow_mut().push(op(OpType::Invoke, &value));
        let reply = ask(services, LIN, 0, body).await;
        let ended = match reply["code"].as_u64() {
            None if f == "read" => op(OpType::Ok, &json!([key, reply["value"]])),
            None => op(OpType::Ok, &value),
            Some(13) => op(OpType::Info, &value),
            Some(code) => {
                let name = maelstrom::protocol::ErrorCode::from(code.cast_signed()).name();
                Op { error: Some(raw(&json!([name, reply["text"]]))), ..op(OpType::Fail, &value) }
            }
        };
        history.borrow_mut().push(ended);
        if matches!(reply["code"].as_u64(), Some(11 | 13)) {
            process += 100;
            sleep(PAUSE).await;
        }
    }
}

#[tokio::test]
async fn lin_kv_is_linearizable_while_leaders_die() {
    let mut servers = Servers::start("linearizable", 3).await;
    let [one, two, three] = three(&servers);
    let (are_over, history) = (Cell::new(false), RefCell::default());
    let clients = [(&one, 1), (&one, 2), (&two, 3), (&two, 4), (&three, 5), (&three, 6)];
    let clients = clients.map(|(services, number)| client(services, number, &are_over, &history));
    tokio::join!(deaths(&mut servers, &are_over), futures_util::future::join_all(clients));
    let mut checker = Checks::new(Workload::LinKv).checker(Names::unknown());
    let mut counts = [0; 2];
    for (index, op) in history.into_inner().into_iter().enumerate() {
        counts[0] += usize::from(op.kind == OpType::Ok);
        counts[1] += usize::from(op.kind == OpType::Info);
        checker.observe(&Op { index: index as u64, ..op });
    }
    let outcome = checker.finish();
    assert_eq!(outcome.valid, Validity::Valid, "{}", outcome.to_json());
    assert!(counts.iter().all(|&count| count > 0), "acknowledged and in doubt: {counts:?}");
}

#[tokio::test]
async fn timestamps_go_up_while_leaders_die() {
    let mut servers = Servers::start("clock", 3).await;
    let services = three(&servers);
    let (are_over, newest) = (Cell::new(false), Cell::new(0));
    let all = RefCell::new(BTreeSet::new());
    let clients = services.iter().map(|services| async {
        while !are_over.get() || all.borrow().len() < 100 {
            let before = newest.get();
            let reply = ask(services, TSO, 0, json!({"type": "ts"})).await;
            let Some(ts) = reply["ts"].as_u64() else {
                sleep(PAUSE).await;
                continue;
            };
            assert!(ts > before, "{ts} after {before}");
            assert!(all.borrow_mut().insert(ts), "{ts} twice");
            newest.set(newest.get().max(ts));
        }
    });
    tokio::join!(deaths(&mut servers, &are_over), futures_util::future::join_all(clients));
}

/// An operation of a session on one of a few keys.
#[derive(Clone, Debug)]
struct Did {
    key: usize,
    body: Value,
    /// None, if nobody knows whether it happened.
    reply: Option<Value>,
}

type State = [Option<u64>; KEYS as usize];

impl Did {
    /// The state after it, if that is what was answered.
    fn apply(&self, mut state: State) -> Option<State> {
        let current = &mut state[self.key];
        let number = |field: &str| self.body[field].as_u64();
        let (value, code) = match (self.body["type"].as_str()?, *current) {
            ("write", _) => (number("value"), None),
            ("cas", None) => (number("to"), None),
            ("cas", now) if now == number("from") => (number("to"), None),
            ("cas", now) => (now, Some(22)),
            (_, now) => (now, now.is_none().then_some(20)),
        };
        *current = value;
        let is_it = |reply: &Value| {
            let is_value = self.body["type"] != "read" || reply["value"].as_u64() == value;
            reply["code"].as_u64() == code && is_value
        };
        self.reply.as_ref().is_none_or(is_it).then_some(state)
    }
}

/// Whether some order of all operations explains every answer and is each session's own. What
/// is in doubt may have happened at any time, or never.
fn is_sequential(sessions: &[Vec<Did>]) -> bool {
    let mut orders: Vec<Vec<&Did>> = Vec::new();
    for session in sessions {
        orders.push(session.iter().filter(|did| did.reply.is_some()).collect());
    }
    let known = orders.len();
    let in_doubt = sessions.iter().flatten().filter(|did| did.reply.is_none());
    orders.extend(in_doubt.map(|did| vec![did]));
    let mut seen = BTreeSet::new();
    let mut open = vec![(vec![0; orders.len()], State::default())];
    while let Some((done, state)) = open.pop() {
        if orders.iter().zip(&done).take(known).all(|(order, &done)| order.len() == done) {
            return true;
        }
        if !seen.insert((done.clone(), state)) {
            continue;
        }
        for (session, order) in orders.iter().enumerate() {
            if let Some(after) = order.get(done[session]).and_then(|did| did.apply(state)) {
                let mut done = done.clone();
                done[session] += 1;
                open.push((done, after));
            }
        }
    }
    false
}

/// What a node does with the keys of a round, while it goes from server to server.
async fn session(services: &Services, node: usize, round: u64) -> Vec<Did> {
    let mut rng = StdRng::seed_from_u64(round * 3 + node as u64);
    let mut session = Vec::new();
    for _ in 0..6 {
        services.etcd.turn_to_next();
        let key = rng.random_range(0..KEYS);
        let body = request(&mut rng, &format!("{round} {key}"));
        let reply = ask(services, SEQ, node, body.clone()).await;
        let reply = match (reply["code"].as_u64(), body["type"].as_str()) {
            (Some(11), _) | (Some(13), Some("read")) => continue,
            (Some(13), _) => None,
            _ => Some(reply),
        };
        session.push(Did { key: usize::try_from(key).unwrap(), body, reply });
    }
    session
}

#[tokio::test]
async fn seq_kv_is_sequentially_consistent_while_leaders_die() {
    let mut servers = Servers::start("sequential", 3).await;
    let [one, two, three] = three(&servers);
    let are_over = Cell::new(false);
    let rounds = async {
        let mut rounds = 0;
        while !are_over.get() || rounds < 50 {
            let sessions = tokio::join!(
                session(&one, 1, rounds),
                session(&two, 2, rounds),
                session(&three, 3, rounds)
            );
            let sessions = [sessions.0, sessions.1, sessions.2];
            assert!(is_sequential(&sessions), "{sessions:#?}");
            rounds += 1;
        }
    };
    tokio::join!(deaths(&mut servers, &are_over), rounds);
}

#[test]
fn the_search_tells_what_no_order_explains() {
    let did = |body: Value, reply: Value| Did { key: 0, body, reply: Some(reply) };
    let wrote = |value| did(write("k", value), json!({}));
    let saw = |value: u64| did(read("k"), json!({"value": value}));
    assert!(is_sequential(&[vec![wrote(1), saw(1)], vec![saw(1)]]));
    assert!(is_sequential(&[vec![wrote(1), wrote(2)], vec![did(read("k"), json!({"code": 20}))]]));
    assert!(!is_sequential(&[vec![wrote(1), wrote(2)], vec![saw(2), saw(1)]]));
    assert!(!is_sequential(&[vec![wrote(1), did(read("k"), json!({"code": 20}))]]));
    let doubtful = Did { reply: None, ..wrote(3) };
    assert!(is_sequential(&[vec![doubtful.clone(), wrote(1), saw(3)]]));
    assert!(!is_sequential(&[vec![doubtful, saw(3), wrote(1), saw(3)]]));
}

#[tokio::test]
async fn what_was_written_last_wins_after_leaders_died() {
    let mut servers = Servers::start("last", 3).await;
    let services = three(&servers);
    let (are_over, next, time) = (Cell::new(false), Cell::new(0_u64), Cell::new(0_u64));
    let tick = || time.replace(time.get() + 1);
    // Of each write: its value, when it was asked for, and when it was acknowledged.
    let writes = RefCell::new(Vec::new());
    let clients = services.iter().map(|services| async {
        while !are_over.get() {
            let (value, asked) = (next.replace(next.get() + 1), tick());
            let reply = ask(services, LWW, 0, write("k", value)).await;
            match reply["code"].as_u64() {
                None => writes.borrow_mut().push((value, asked, Some(tick()))),
                Some(11) => {}
                Some(_) => {
                    writes.borrow_mut().push((value, asked, None));
                    sleep(PAUSE).await;
                }
            }
        }
    });
    tokio::join!(deaths(&mut servers, &are_over), futures_util::future::join_all(clients));
    let (mut last, mut times) = (None, 0);
    for number in 0..300 {
        let value = ask(&services[number % 3], LWW, 0, read("k")).await["value"].as_u64();
        times = if value == last { times + 1 } else { 0 };
        last = value;
    }
    assert!(times > 50, "replicas do not agree");
    let writes = writes.into_inner();
    let (_, _, end) = writes.iter().find(|(value, ..)| Some(*value) == last).unwrap();
    let later = writes
        .iter()
        .find(|(_, asked, ended)| ended.is_some() && end.is_some_and(|end| *asked > end));
    assert_eq!(later, None, "it was written after {last:?} and lost");
}
