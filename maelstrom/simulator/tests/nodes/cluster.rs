//! Clusters of machines: what they hold machines to, and what survives what.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use maelstrom::machine::{
    Client, Input, Machine, Members, Outputs, Rank, Record, Service, ServiceCall, Time,
};
use maelstrom::{Error, message_types};
use simulator::cluster::{Cluster, Conditions, Kept};
use simulator::{DiskFault, Effect, Fault, Latency, LatencyDist, Links, Skew};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

message_types! { "word": struct Word { number: u64 }; }

/// What a client asks of a [`Clerk`].
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// To reply so often.
    Replies(usize),
    /// To write this, and reply when it is safe.
    Write(u64),
    /// To set a key of a service from one number to another, and to reply whether it did.
    Cas(Service, u64, u64),
    /// To tell all others a number.
    Tell(u64),
    /// To be woken all the time.
    Spin,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry(u64);

impl Record for Entry {
    fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(self.0.to_le_bytes().to_vec())
    }
}

#[derive(Debug)]
struct Clerk {
    members: Members,
    records: Vec<u64>,
    waiting: VecDeque<Client>,
    /// What it heard of its records that is no `Written`.
    news: Vec<String>,
    heard: Vec<(Time, Rank, u64)>,
    spins: bool,
}

impl Clerk {
    fn new(members: Members, kept: &Kept<Self>) -> Self {
        let (waiting, news, heard, spins) = Default::default();
        let number = |piece: &Vec<u8>| u64::from_le_bytes(piece[..].try_into().unwrap());
        let pieces = kept.pieces.iter().map(number);
        let records = pieces.chain(kept.records.iter().map(|entry| entry.0)).collect();
        Self { members, records, waiting, news, heard, spins }
    }

    fn asked(&mut self, client: Client, ask: Ask, out: &mut Outputs<Self>) {
        match ask {
            Ask::Replies(times) => (0..times).for_each(|_| out.reply(client, true)),
            Ask::Write(record) => {
                self.waiting.push_back(client);
                self.records.push(record);
                out.write(Entry(record));
            }
            Ask::Cas(service, from, to) => {
                let call = ServiceCall::cas_or_create(service, "key", &from, &to);
                out.call(client, call.after(10 * MS));
            }
            Ask::Tell(number) => {
                self.members.others().for_each(|node| out.send(node, Word { number }));
                out.reply(client, true);
            }
            Ask::Spin => self.spins = true,
        }
    }
}

impl Machine for Clerk {
    type Request = Ask;
    type Reply = bool;
    type Message = Word;
    type Call = Client;
    type Record = Entry;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        match input {
            Input::Request(client, ask) => self.asked(client, ask, out),
            Input::Message(from, Word { number }) => self.heard.push((now, from, number)),
            Input::Written(records) => {
                let written = self.waiting.drain(..records as usize);
                written.for_each(|client| out.reply(client, true));
            }
            Input::Compact => {
                self.news.push(format!("Compact of {}", self.records.len()));
                let records = self.records.clone();
                out.snapshot(records.into_iter().map(|record| Ok(record.to_le_bytes().to_vec())));
            }
            Input::Stalled(_) | Input::WriteFailed(_) => self.news.push(format!("{input:?}")),
            Input::Returned(client, answer) => match answer.done() {
                Ok(done) => out.reply(client, done),
                Err(error) => out.fail(client, error.into()),
            },
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.spins.then_some(Time::ZERO)
    }
}

fn cluster(nodes: usize, conditions: Conditions) -> Cluster<Clerk> {
    Cluster::new(nodes, 1, conditions, |members, _, kept| Clerk::new(members, kept))
}

fn constant(mean: Duration) -> Latency {
    Latency { mean, dist: LatencyDist::Constant }
}

#[test]
fn a_client_that_is_replied_to_twice_or_gives_up_without_a_reply_fails_the_run() {
    let mut twice = cluster(1, Conditions::default());
    twice.ask(0, Ask::Replies(2));
    let what = twice.run_for(SECOND).unwrap_err();
    assert!(what.starts_with("seed 1, 0ns: n0 replies Ok(true) to Client(0)"), "{what}");

    let mut silent = cluster(1, Conditions::default());
    silent.ask_within(SECOND, 0, Ask::Replies(1));
    assert_eq!(silent.run_for(2 * SECOND), Ok(()));
    silent.ask_within(SECOND, 0, Ask::Replies(0));
    let what = silent.run_for(2 * SECOND).unwrap_err();
    assert!(what.contains("3s: n0 does not reply to Client(1), who gives up"), "{what}");
}

#[test]
fn an_oracle_sees_every_step_and_ends_the_run() {
    let mut cluster = cluster(2, Conditions::default());
    cluster.check(|step| match step.machine.heard.len() {
        3 => Err(format!("n{} has heard enough", step.node)),
        _ => Ok(()),
    });
    (0..5).for_each(|number| {
        cluster.ask(0, Ask::Tell(number));
    });
    assert_eq!(cluster.run_for(SECOND), Err("seed 1, 0ns: n1 has heard enough".to_owned()));
    assert_eq!(cluster.steps(), 2 + 5 + 3, "both start, 5 requests, 3 messages");
}

#[test]
fn a_machine_whose_deadline_stays_in_the_past_is_woken_once_a_millisecond() {
    let mut cluster = cluster(1, Conditions::default());
    cluster.ask(0, Ask::Spin);
    cluster.run_for(SECOND).unwrap();
    assert_eq!(cluster.steps(), 2 + 1001);
}

#[test]
fn what_is_safe_survives_a_kill_and_of_the_rest_perhaps_the_first() {
    let mut found = BTreeSet::new();
    for seed in 0..20 {
        let conditions = Conditions { write_time: 10 * MS, ..Conditions::default() };
        let mut cluster =
            Cluster::new(1, seed, conditions, |members, _, kept| Clerk::new(members, kept));
        let safe = cluster.ask(0, Ask::Write(1));
        cluster.run_for(5 * MS).unwrap();
        let unsafe_ones = [2, 3].map(|record| cluster.ask(0, Ask::Write(record)));
        cluster.run_for(5 * MS).unwrap();
        cluster.apply(Effect::Kill(vec![0]));
        cluster.run_for(SECOND).unwrap();
        assert_eq!(cluster.reply(safe), Some(&Ok(true)));
        assert_eq!(unsafe_ones.map(|client| cluster.reply(client)), [None; 2]);
        assert!(cluster.machine(0).is_none());
        cluster.apply(Effect::Start);
        let again = cluster.ask(0, Ask::Write(4));
        cluster.run_for(SECOND).unwrap();
        assert_eq!(cluster.reply(again), Some(&Ok(true)));
        let mut records = cluster.machine(0).unwrap().records.clone();
        assert_eq!(records.pop(), Some(4));
        found.insert(records);
    }
    let expected = [vec![1], vec![1, 2], vec![1, 2, 3]];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_disk_that_is_full_delays_records_and_a_broken_one_is_the_end_until_a_restart() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let conditions =
            Conditions { write_time: 10 * MS, write_faults: 0.5, ..Conditions::default() };
        let mut cluster =
            Cluster::new(1, seed, conditions, |members, _, kept| Clerk::new(members, kept));
        let asked: Vec<_> = (0..5).map(|number| cluster.ask(0, Ask::Write(number))).collect();
        cluster.run_for(20 * SECOND).unwrap();
        let replied = asked.iter().take_while(|client| cluster.reply(**client).is_some()).count();
        let machine = cluster.machine(0).unwrap();
        let count = |what| machine.news.iter().filter(|news| news.starts_with(what)).count();
        let (stalls, ends) = (count("Stalled"), count("WriteFailed"));
        assert_eq!(replied < 5, ends > 0, "seed {seed}: {:?}", machine.news);
        let times = cluster.asked().iter().filter_map(|asked| Some(asked.reply.as_ref()?.0));
        assert!(times.max().is_none_or(|last| (last > SECOND) == (stalls > 0)), "seed {seed}");
        seen.insert((stalls > 0, ends > 0));
        cluster.heal();
        let again = cluster.ask(0, Ask::Write(9));
        cluster.run_for(SECOND).unwrap();
        assert_eq!(cluster.reply(again), Some(&Ok(true)));
        let records = &cluster.machine(0).unwrap().records;
        assert!((0..replied as u64).eq(records.iter().copied().take(replied)), "{records:?}");
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_disk_that_is_to_fail_fails_the_next_record_unless_all_faults_end_before() {
    let mut cluster = cluster(1, Conditions::default());
    cluster.apply(Effect::Upset(DiskFault::FailOnce, vec![0]));
    cluster.heal();
    let replied = [true, false].map(|is_well| {
        let client = cluster.ask(0, Ask::Write(1));
        cluster.run_for(SECOND).unwrap();
        assert_eq!(cluster.reply(client).is_some(), is_well);
        cluster.apply(Effect::Upset(DiskFault::FailOnce, vec![0]));
        client
    });
    assert_eq!(cluster.reply(replied[0]), Some(&Ok(true)));
    assert!(cluster.machine(0).unwrap().news[0].starts_with("WriteFailed"));
}

#[test]
fn a_node_goes_by_its_own_clock() {
    let mut cluster = cluster(2, Conditions::default());
    let skew = Skew { node: 1, rate: 500, jump: 3 * SECOND };
    cluster.apply(Effect::Clock(vec![skew]));
    for _ in 0..2 {
        cluster.run_for(SECOND).unwrap();
        cluster.ask(0, Ask::Tell(1));
    }
    cluster.heal();
    cluster.run_for(SECOND).unwrap();
    cluster.ask(0, Ask::Tell(1));
    cluster.run_for(SECOND).unwrap();
    let times = cluster.machine(1).unwrap().heard.iter().map(|heard| heard.0.as_millis());
    assert_eq!(times.collect::<Vec<_>>(), [3_500, 4_000, 5_000]);
}

#[test]
fn a_snapshot_takes_the_place_of_the_records_before_it_once_it_is_durable() {
    let conditions = Conditions { write_time: 10 * MS, snapshot_every: 3, ..Conditions::default() };
    let kept = |cluster: &mut Cluster<Clerk>| {
        cluster.apply(Effect::Kill(vec![0]));
        cluster.apply(Effect::Start);
        cluster.machine(0).unwrap().records.clone()
    };
    for (time, pieces) in [(40 * MS, 0), (SECOND, 3)] {
        let pieces_found = Rc::new(Cell::new(0));
        let found = Rc::clone(&pieces_found);
        let mut cluster = Cluster::new(1, 1, conditions.clone(), move |members, _, kept| {
            found.set(kept.pieces.len());
            Clerk::new(members, kept)
        });
        for number in 0..3 {
            cluster.ask(0, Ask::Write(number));
        }
        cluster.run_for(15 * MS).unwrap();
        assert_eq!(cluster.machine(0).unwrap().news, ["Compact of 3"]);
        cluster.ask(0, Ask::Write(3));
        cluster.run_for(time).unwrap();
        assert_eq!(kept(&mut cluster), [0, 1, 2, 3]);
        assert_eq!(pieces_found.get(), pieces, "after {time:?}");
    }
}

#[test]
fn services_answer_after_the_pause_and_both_ways_or_the_time_is_over() {
    for service in [Service::LinKv, Service::SeqKv] {
        let latency = constant(100 * MS);
        let mut cluster = cluster(1, Conditions { latency, ..Conditions::default() });
        let asks: Vec<Client> = [(1, 2), (1, 3), (2, 3)]
            .map(|(from, to)| {
                let client = cluster.ask(0, Ask::Cas(service, from, to));
                cluster.run_for(SECOND).unwrap();
                client
            })
            .to_vec();
        let times = asks.iter().map(|client| {
            let asked = &cluster.asked()[client.0 as usize];
            let (at, reply) = asked.reply.as_ref().unwrap();
            (reply.clone().unwrap(), *at - asked.at)
        });
        let both_ways = 210 * MS;
        assert_eq!(
            times.collect::<Vec<_>>(),
            [(true, both_ways), (false, both_ways), (true, both_ways)]
        );
    }
    let latency = constant(2 * SECOND);
    let mut slow = cluster(1, Conditions { latency, ..Conditions::default() });
    let asked = slow.ask(0, Ask::Cas(Service::LinKv, 1, 2));
    slow.run_for(10 * SECOND).unwrap();
    let late = Err(Error::timeout("lin-kv did not answer within 1s"));
    assert_eq!(slow.reply(asked), Some(&late));
}

#[test]
fn a_paused_node_handles_what_came_meanwhile_when_it_goes_on() {
    let mut cluster = cluster(2, Conditions { latency: constant(MS), ..Conditions::default() });
    cluster.apply(Effect::Pause(vec![1]));
    cluster.ask(0, Ask::Tell(7));
    let waits = cluster.ask(1, Ask::Replies(1));
    cluster.run_for(SECOND).unwrap();
    assert!(cluster.machine(1).unwrap().heard.is_empty() && cluster.reply(waits).is_none());
    cluster.apply(Effect::Resume);
    assert_eq!(cluster.machine(1).unwrap().heard, [(SECOND, 0, 7)]);
    assert_eq!(cluster.reply(waits), Some(&Ok(true)));
}

#[test]
fn only_nodes_with_a_link_that_is_not_cut_hear_each_other() {
    let links = Links::Chain.neighbours(3).unwrap();
    let mut cluster = cluster(3, Conditions { links: Some(links), ..Conditions::default() });
    let heard = |cluster: &Cluster<Clerk>, node| cluster.machine(node).unwrap().heard.len();
    cluster.ask(0, Ask::Tell(1));
    cluster.run_for(SECOND).unwrap();
    assert_eq!((heard(&cluster, 1), heard(&cluster, 2)), (1, 0));
    cluster.apply(Effect::Partition(vec![[1].into(), [0].into(), [].into()]));
    cluster.ask(0, Ask::Tell(1));
    cluster.run_for(SECOND).unwrap();
    assert_eq!(heard(&cluster, 1), 1);
    cluster.heal();
    cluster.ask(0, Ask::Tell(1));
    cluster.run_for(SECOND).unwrap();
    assert_eq!(heard(&cluster, 1), 2);
}

#[test]
fn the_same_seed_brings_the_same_steps() {
    let run = |seed| {
        let conditions = Conditions {
            latency: Latency { mean: 20 * MS, dist: LatencyDist::Exponential },
            faults: Fault::OF_NETWORKS_AND_NODES.to_vec(),
            ..Conditions::default()
        };
        let mut cluster =
            Cluster::new(4, seed, conditions, |members, _, kept| Clerk::new(members, kept));
        cluster.load(20 * SECOND, 50.0, |cluster, node| {
            cluster.ask(node, Ask::Tell(1));
        })?;
        cluster.heal();
        cluster.run_for(SECOND)?;
        let heard = (0..4).map(|node| cluster.machine(node).unwrap().heard.clone());
        Ok::<_, String>((cluster.steps(), heard.collect::<Vec<_>>()))
    };
    assert!(run(7).unwrap().0 > 1000);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// (A machine without messages, calls and records.)
struct Idle;

impl Machine for Idle {
    type Request = ();
    type Reply = ();
    type Message = Infallible;
    type Call = Infallible;
    type Record = Infallible;

    fn handle(&mut self, _: Time, _: Input<Self>, _: &mut Outputs<Self>) {}

    fn deadline(&self) -> Option<Time> {
        None
    }
}

#[test]
fn a_node_that_is_down_replies_never_and_starts_once() {
    let mut cluster = Cluster::new(2, 1, Conditions::default(), |_, _, _| Idle);
    cluster.apply(Effect::Kill(vec![0, 0]));
    cluster.ask_within(SECOND, 0, ());
    cluster.apply(Effect::Start);
    cluster.run_for(2 * SECOND).unwrap();
    assert_eq!(cluster.steps(), 3, "two starts, and another one");
}
