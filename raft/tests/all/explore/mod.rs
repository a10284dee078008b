//! A small cluster, explored exhaustively: whatever can happen next happens, in every state.
//!
//! The nodes are the machines that run everywhere else. Three of them start; two clients ask
//! whoever leads; messages arrive late, again, or never; a node's time goes on when it likes;
//! one node is killed at any moment, between saying something and writing it down as well,
//! and starts again. In each of about a million states the five properties of the paper's
//! figure 3 are looked at.
//!
//! What is bounded:
//!
//! - two terms: a state with a third one is looked at, and is not gone on from;
//! - two commands, one crash, and one wake: a leader's heartbeat, or an election timeout of
//!   the second node, which may stand without one when it is started again;
//! - between two nodes, in each direction, only what was said last may arrive, any number of times.
//!   Whatever was said before is lost, which it may be at any time, and so is what comes from
//!   a former term. A second exploration has one command less, and has the message before the
//!   last arrive as well, in any order;
//! - what a node writes is safe before it takes another input, unless it is killed just then;
//! - timeouts are drawn once, and are the same in all states.
//!
//! So reads, changes of members and snapshots do not occur here; nor do bugs that take more
//! than two terms. Those that it covers are put in below, and each is found.

mod nodes;
mod past;
mod world;

use raft::{Bug, Bugs, Term};
use stateright::{Checker, HasDiscoveries, Model, Property};

use self::nodes::{Event, Nodes};
use self::world::World;

const TERMS: u64 = 2;
const CRASHES: usize = 1;
const WAKES: usize = 1;
const BOTH: &str = "a second leader commits both commands";

#[derive(Clone, Copy)]
struct Bounds {
    commands: usize,
    /// How many messages may arrive of those that a node has said to another one.
    kept: usize,
}

const LATEST: Bounds = Bounds { commands: 2, kept: 1 };
const OLDER: Bounds = Bounds { commands: 1, kept: 2 };

struct Exploration {
    nodes: Nodes,
    bounds: Bounds,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Action {
    rank: usize,
    event: Event,
    /// Whether the node is killed then, before what it writes is safe.
    is_last: bool,
}

impl Model for Exploration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.nodes.started(self.bounds.kept)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.nodes().any(|node| node.term() > Term::from(TERMS)) {
            return;
        }
        let may_crash = world.crashes < CRASHES;
        for (rank, node) in world.nodes().enumerate() {
            let arrive = world.messages_to(rank).map(|(from, age)| Event::Arrive(from, age));
            let may = [
                (Event::Ask, node.is_leader() && world.asked < self.bounds.commands),
                (Event::Wake, node.is_leader() && world.wakes < WAKES),
                (Event::WakeLate, rank == 1 && world.wakes < WAKES),
                (Event::Restart, may_crash),
            ];
            let may = may.into_iter().filter_map(|(event, may)| may.then_some(event));
            for event in arrive.chain(may) {
                actions.push(Action { rank, event, is_last: false });
                if may_crash && self.nodes.tells_what_is_not_safe(world, rank, event) {
                    actions.push(Action { rank, event, is_last: true });
                }
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let Action { rank, event, is_last } = action;
        self.nodes.next(world, rank, event, is_last)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("election safety", |_, world| past::election_safety(world)),
            Property::always("leader append-only", |_, world| past::leader_append_only(world)),
            Property::always("log matching", |_, world| past::log_matching(world)),
            Property::always("leader completeness", |_, world| past::leader_completeness(world)),
            Property::always("state machine safety", |_, world| past::state_machine_safety(world)),
            // The bounds leave room for what is to be seen.
            Property::sometimes(BOTH, |_, world| past::second_leader_commits_all(world)),
        ]
    }
}

/// Explores such nodes, until a property is broken.
fn explore(bugs: Bugs, bounds: Bounds) -> impl Checker<Exploration> {
    let exploration = Exploration { nodes: Nodes::new(3, bugs), bounds };
    exploration.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

#[test]
fn the_five_properties_hold_in_every_state() {
    let checker = explore(Bugs::default(), LATEST);
    assert_eq!(found(&checker), [BOTH]);
    let states = checker.unique_state_count();
    assert!((500_000..2_000_000).contains(&states), "{states} states");
}

#[test]
fn they_hold_where_an_old_message_arrives_behind_a_newer_one() {
    let checker = explore(Bugs::default(), OLDER);
    assert!(found(&checker).is_empty());
    let states = checker.unique_state_count();
    assert!((500_000..2_000_000).contains(&states), "{states} states");
}

#[test]
fn a_log_that_every_append_cuts_off_breaks_leader_completeness() {
    assert_breaks(Bug::TruncateAlways, "leader completeness", OLDER);
}

/// The properties that such nodes break, or show.
fn found(checker: &impl Checker<Exploration>) -> Vec<&'static str> {
    let mut found: Vec<&str> = checker.discoveries().into_keys().collect();
    found.sort_unstable();
    found
}

/// Asserts that such nodes are seen to break a property.
fn assert_breaks(bug: Bug, property: &'static str, bounds: Bounds) {
    let checker = explore(Bugs::only(bug), bounds);
    let found = found(&checker);
    assert!(found.contains(&property), "{bug:?} breaks {found:?}");
}

#[test]
fn a_candidate_that_forgets_its_own_vote_breaks_election_safety() {
    assert_breaks(Bug::ForgetOwnVote, "election safety", LATEST);
}

#[test]
fn votes_that_are_told_before_they_are_safe_break_election_safety() {
    assert_breaks(Bug::EarlyVote, "election safety", LATEST);
}

#[test]
fn acknowledgements_before_entries_are_safe_break_leader_completeness() {
    assert_breaks(Bug::EarlyAcknowledgement, "leader completeness", LATEST);
}

#[test]
fn votes_for_whoever_asks_break_leader_completeness() {
    assert_breaks(Bug::VoteForAnyLog, "leader completeness", LATEST);
}
