//! Clusters under every fault, in virtual time: the properties of the paper after every
//! step, linearizable histories, and service soon after the faults.
//!
//! What a schedule contains is drawn from its seed. That these checks can fail is shown by
//! nodes with a classic mistake each.

mod amnesia;
mod beginning;
mod clients;
mod laggards;
mod measures;
mod members;
mod oracles;
mod storm;
mod votes;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use maelstrom::machine::Rank;
use raft::{Bug, Bugs, Config, Options, Raft, Reads, Term};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use simulator::cluster::{Asked, Conditions};
use simulator::{DiskFault, Effect, Fault, Latency, LatencyDist, Skew};

use self::storm::run;
use self::world::World;

/// A write fails, and with it all that come after it.
const BROKEN_DISK: Fault = Fault::Disk(DiskFault::FailOnce);
const SECOND: Duration = Duration::from_secs(1);

/// Elections with a nemesis that looks: whoever begins a term, or wins it, is killed and started again
/// at once, or cut off from all others a little later, with luck between two messages.
fn hunt(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (nodes, restarts) = ([3, 3, 5][rng.random_range(0..3)], rng.random());
    let changes = seed % 4 == 3;
    let mean = if restarts { SECOND / 40 } else { SECOND / 100 };
    let latency = Latency { mean, dist: LatencyDist::Exponential };
    let write_time = SECOND.mul_f64(rng.random_range(0.0..if restarts { 0.03 } else { 0.02 }));
    let mut options = Options::default();
    (options.heartbeat, options.election) = (SECOND / 100, SECOND / 25);
    (options.batch_bytes, options.window_messages) = (1, 1);
    (options.adaptive, options.pace) = (false, Duration::ZERO);
    options.bugs = bugs;
    let conditions = Conditions { latency, write_time, ..Conditions::default() };
    let mut world = World::new(nodes, seed, conditions, &options);
    // The cluster is there.
    world.cluster.run_for(SECOND)?;
    world.cluster.apply(Effect::Loss(restarts));
    let mut known = (Term::default(), false);
    let mut cut_off_at = None;
    for _ in 0..if restarts { 10_000 } else { 2_000 } {
        world.cluster.run_for(Duration::from_millis(rng.random_range(1..6)))?;
        let term = |node| world.cluster.machine(node).map_or(Term::default(), Raft::term);
        let newest = (0..nodes).max_by_key(|&node| term(node)).unwrap_or(0);
        let is_leader = world.cluster.machine(newest).is_some_and(Raft::is_leader);
        let is_new = known < (term(newest), is_leader);
        known = (term(newest), is_leader);
        if rng.random_ratio(1, 20) {
            world.ask(newest);
        }
        if changes && rng.random_ratio(1, 100) {
            world.change_somehow(newest);
        }
        if restarts && is_new && rng.random_ratio(if is_leader { 3 } else { 1 }, 4) {
            world.cluster.apply(Effect::Kill(vec![newest]));
            world.cluster.apply(Effect::Start);
        }
        if !restarts && is_new {
            cut_off_at = Some(world.cluster.now() + Duration::from_millis(rng.random_range(0..60)));
        }
        if cut_off_at.take_if(|at| *at <= world.cluster.now()).is_some() {
            world.cluster.apply(cut_off(newest, nodes));
        }
    }
    world.is_linearizable()
}

/// Has nobody hear this node, and this node hear nobody.
fn cut_off(node: Rank, nodes: usize) -> Effect {
    let all: BTreeSet<Rank> = (0..nodes).collect();
    let grudge = |other| if other == node { all.clone() } else { [node].into() };
    Effect::Partition((0..nodes).map(grudge).collect())
}

/// Has nobody of these nodes hear one of the others, nor the other way round.
fn cut_in_two(part: &BTreeSet<Rank>, nodes: usize) -> Effect {
    let (part, rest): (BTreeSet<Rank>, _) = (0..nodes).partition(|node| part.contains(node));
    let grudge = |node| if part.contains(&node) { rest.clone() } else { part.clone() };
    Effect::Partition((0..nodes).map(grudge).collect())
}

/// Cuts off the leader, again and again, while clients ask all nodes.
fn behead(seed: u64, bugs: Bugs) -> Result<(), String> {
    let nodes = [3, 5][seed as usize % 2];
    let latency = Latency { mean: SECOND / 500, dist: LatencyDist::Uniform };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut options = Options::default();
    options.bugs = bugs;
    let mut world = World::new(nodes, seed, conditions, &options);
    world.changes = seed % 8 > 5;
    for _ in 0..5 {
        world.load(SECOND, 200.0)?;
        if let Some(leader) = (0..nodes).find_map(|node| world.cluster.machine(node)?.leader()) {
            world.cluster.apply(cut_off(leader, nodes));
        }
        world.load(SECOND, 200.0)?;
        world.cluster.apply(Effect::Heal);
    }
    world.is_linearizable()
}

/// The same with leases, and clocks that differ as much as they are said to.
fn drift(seed: u64, bugs: Bugs) -> Result<(), String> {
    let nodes = [3, 5][seed as usize % 2];
    let latency = Latency { mean: SECOND / 500, dist: LatencyDist::Uniform };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut options = Options::default();
    (options.reads, options.drift, options.bugs) = (Reads::Lease, 0.5, bugs);
    let mut world = World::new(nodes, seed, conditions, &options);
    for _ in 0..5 {
        world.load(SECOND, 200.0)?;
        if let Some(leader) = (0..nodes).find_map(|node| world.cluster.machine(node)?.leader()) {
            let rate = |node| if node == leader { 800 } else { 1200 };
            let skew = |node| Skew { node, rate: rate(node), jump: Duration::ZERO };
            world.cluster.apply(Effect::Clock((0..nodes).map(skew).collect()));
            world.load(SECOND, 200.0)?;
            world.cluster.apply(cut_off(leader, nodes));
        }
        world.load(SECOND, 200.0)?;
        world.cluster.apply(Effect::Heal);
    }
    world.is_linearizable()
}

/// Kills a node that waits for the answer to a read, starts it again, and reads again.
fn reread(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let latency = Latency { mean: SECOND / 50, dist: LatencyDist::Exponential };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut options = Options::default();
    options.bugs = bugs;
    let mut world = World::new(3, seed, conditions, &options);
    world.cluster.run_for(2 * SECOND)?;
    for _ in 0..100 {
        let node = rng.random_range(0..3);
        world.read(node, world.key());
        world.cluster.run_for(Duration::from_millis(rng.random_range(0..40)))?;
        world.cluster.apply(Effect::Kill(vec![node]));
        world.cluster.apply(Effect::Start);
        (0..3).for_each(|node| world.ask(node));
        world.cluster.run_for(Duration::from_millis(rng.random_range(0..40)))?;
        world.read(node, world.key());
        world.cluster.run_for(Duration::from_millis(rng.random_range(0..400)))?;
        if seed % 4 == 3 && rng.random_ratio(1, 10) {
            world.change_somehow(node);
        }
    }
    world.is_linearizable()
}

/// How long a cluster is without service when it loses its leader, and half of those who
/// have its last entry: who is left and has it must not be kept from standing for election.
fn fail_over(seed: u64, bugs: Bugs) -> Duration {
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Uniform };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut options = Options::default();
    options.bugs = bugs;
    let mut world = World::new(5, seed, conditions, &options);
    world.cluster.run_for(3 * SECOND).unwrap();
    let leader = world.cluster.machine(0).unwrap().leader().unwrap();
    let [one, other, up_to_date, lost] = [1, 2, 3, 4].map(|offset| (leader + offset) % 5);
    let behind = BTreeSet::from([one, other]);
    let grudge = |node| match behind.contains(&node) {
        true => [leader, up_to_date, lost].into(),
        false => behind.clone(),
    };
    world.cluster.apply(Effect::Partition((0..5).map(grudge).collect()));
    (0..20).for_each(|_| world.ask(leader));
    world.cluster.run_for(SECOND / 10).unwrap();
    world.cluster.apply(Effect::Heal);
    world.cluster.apply(Effect::Kill(vec![leader, lost]));
    let start = world.cluster.now();
    let is_served = |asked: &Asked<_>| asked.at >= start && matches!(asked.reply, Some((_, Ok(_))));
    while world.cluster.now() < start + 10 * SECOND && !world.cluster.asked().iter().any(is_served)
    {
        world.read(one, 0);
        world.cluster.run_for(SECOND / 20).unwrap();
    }
    world.cluster.now() - start
}

/// Makes all nodes voters again.
fn take_all_in(world: &mut World) -> Result<(), String> {
    if !world.changes {
        return Ok(());
    }
    let nodes = world.cluster.size();
    (0..nodes).for_each(|node| world.change(node, Config::new(0..nodes)));
    world.cluster.run_for(5 * SECOND)?;
    let is_open = |asked: &&Asked<_>| !matches!(asked.reply, Some((_, Ok(_))));
    match world.cluster.asked().iter().rev().take(nodes).find(is_open) {
        Some(Asked { node, reply, .. }) => Err(format!("n{node} is not let in: {reply:?}")),
        None => Ok(()),
    }
}

/// Whether all nodes answer, are of one mind, and say no more than heartbeats.
fn serves(world: &mut World) -> Result<(), String> {
    let nodes = world.cluster.size();
    let first = world.operations();
    for node in 0..nodes {
        world.read(node, 0);
    }
    world.cluster.run_for(SECOND)?;
    if let Some(asked) =
        world.cluster.asked()[first..].iter().find(|asked| !matches!(asked.reply, Some((_, Ok(_)))))
    {
        return Err(format!("n{} does not serve: {:?}", asked.node, asked.reply));
    }
    let state = |node: Rank| {
        let machine = world.cluster.machine(node).unwrap();
        (machine.term(), machine.leader(), machine.applied_index(), machine.log().last())
    };
    if let Some(node) = (0..nodes).find(|&node| state(node) != state(0)) {
        return Err(format!("n0 and n{node} differ: {:?}, {:?}", state(0), state(node)));
    }
    let before = world.cluster.net_counts().all.send_count;
    world.cluster.run_for(10 * SECOND)?;
    let sent = world.cluster.net_counts().all.send_count - before;
    // A heartbeat and its acknowledgement, ten times a second.
    let heartbeats = 10 * 10 * 2 * (nodes as u64 - 1);
    if sent > heartbeats + 10 {
        return Err(format!("{nodes} idle nodes send {sent} messages in ten seconds"));
    }
    Ok(())
}

/// A cluster grows and shrinks between three and four, where two are a majority and where
/// they are not, and just then somebody is cut off; or three of five become other three, and
/// just then the network is cut in two.
fn resize(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let latency = Latency { mean: SECOND / 100, dist: LatencyDist::Exponential };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut options = Options::default();
    (options.voters, options.bugs) = (Some(3), bugs);
    let nodes = [4, 5][seed as usize % 2];
    let mut world = World::new(nodes, seed, conditions, &options);
    world.cluster.run_for(2 * SECOND)?;
    for _ in 0..20 {
        let leaders = (0..nodes).filter_map(|node| world.cluster.machine(node)?.leader());
        let leader = leaders.max().unwrap_or(0);
        let mut members: Vec<Rank> = (0..nodes).collect();
        members.shuffle(&mut rng);
        members.truncate(if nodes == 4 { rng.random_range(3..=4) } else { 3 });
        world.change(leader, Config::new(members));
        world.load(Duration::from_millis(rng.random_range(0..120)), 300.0)?;
        let lost = if rng.random() { leader } else { rng.random_range(0..nodes) };
        world.cluster.apply(match nodes {
            4 => cut_off(lost, nodes),
            _ => cut_in_two(&(0..nodes).filter(|_| rng.random()).collect(), nodes),
        });
        world.load(Duration::from_millis(rng.random_range(0..1_500)), 100.0)?;
        world.cluster.apply(Effect::Heal);
        world.load(Duration::from_millis(rng.random_range(0..1_500)), 100.0)?;
    }
    world.is_linearizable()
}

#[test]
fn while_members_change_and_the_network_is_cut_nothing_is_lost_and_nothing_old_is_read() {
    for seed in 0..50 {
        assert_eq!(resize(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn whatever_happens_nothing_is_lost_and_the_cluster_serves_again() {
    for seed in 0..200 {
        assert_eq!(run(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn who_hunts_leaders_breaks_nothing() {
    for seed in 0..100 {
        assert_eq!(hunt(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

/// Asserts that such nodes are seen to be wrong in this way, within 500 seeds.
fn assert_caught(bug: Bug, how: fn(u64, Bugs) -> Result<(), String>, by: &str) {
    let is_wrong = |seed| how(seed, Bugs::only(bug)).is_err_and(|what| what.contains(by));
    assert!((0..500).any(is_wrong), "{bug:?} passes 500 seeds");
}

#[test]
fn commits_of_old_terms_by_counting_are_caught() {
    assert_caught(Bug::CommitOldTerms, hunt, "leader completeness");
}

#[test]
fn acknowledgements_before_entries_are_safe_are_caught() {
    assert_caught(Bug::EarlyAcknowledgement, run, "leader completeness");
}

#[test]
fn a_log_that_every_append_cuts_off_is_caught() {
    assert_caught(Bug::TruncateAlways, run, "leader completeness");
}

#[test]
fn refused_votes_that_put_off_elections_are_caught() {
    let long = |seed, bugs| match fail_over(seed, bugs) > 3 * SECOND {
        true => Err("long".to_owned()),
        false => Ok(()),
    };
    assert_caught(Bug::RefusalResetsTimer, long, "long");
}

#[test]
fn old_acknowledgements_that_count_for_new_reads_are_caught() {
    assert_caught(Bug::CountOldAcknowledgements, behead, "not linearizable");
}

#[test]
fn reads_that_are_numbered_as_before_a_restart_are_caught() {
    assert_caught(Bug::ReuseReadNumbers, reread, "not linearizable");
}

#[test]
fn reads_under_the_number_of_others_that_wait_are_caught() {
    assert_caught(Bug::ReuseReadContext, run, "not linearizable");
}

#[test]
fn leases_that_ignore_that_clocks_differ_are_caught() {
    assert_caught(Bug::LeaseIgnoresDrift, drift, "not linearizable");
}

#[test]
fn leases_of_leaders_with_slow_clocks_show_nothing_old() {
    for seed in 0..50 {
        assert_eq!(drift(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}

#[test]
fn members_that_count_before_they_are_in_the_log_are_caught() {
    assert_caught(Bug::ConfigBeforeLog, resize, "");
}

#[test]
fn snapshots_that_replace_newer_logs_are_caught() {
    assert_caught(Bug::OldSnapshot, run, "");
}

#[test]
fn changes_of_the_voters_without_a_time_of_both_are_caught() {
    assert_caught(Bug::SkipJoint, resize, "");
}

#[test]
fn a_retry_that_is_applied_twice_is_caught() {
    assert_caught(Bug::ApplyTwice, run, "not linearizable");
}

#[test]
fn votes_for_whoever_asks_are_caught() {
    assert_caught(Bug::VoteForAnyLog, run, "leader completeness");
}

#[test]
fn reads_before_the_first_entry_of_a_term_is_committed_are_caught() {
    assert_caught(Bug::ReadBeforeNoop, run, "not linearizable");
}

#[test]
fn reads_that_miss_what_a_follower_has_answered_are_caught() {
    assert_caught(Bug::ReadKnownCommits, run, "not linearizable");
}

#[test]
fn a_cluster_that_loses_its_leader_serves_again_within_a_second_mostly() {
    let mut times: Vec<Duration> = (0..200).map(|seed| fail_over(seed, Bugs::default())).collect();
    times.sort();
    let (median, worst) = (times[100], times[199]);
    assert!(median <= SECOND && worst <= 3 * SECOND, "median {median:?}, worst {worst:?}");
}

#[test]
fn leaders_that_are_cut_off_show_nothing_old() {
    for seed in 0..50 {
        assert_eq!(behead(seed, Bugs::default()), Ok(()), "seed {seed}");
    }
}
