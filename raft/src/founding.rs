//! How a cluster begins, once, without anybody who remembers another beginning: when all nodes
//! are there, or a majority with journals. `DESIGN.md` says why both are sound.

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::machine::{Rank, Time, draw_incarnation};

use crate::role::Role;
use crate::{Config, Hello, Index, Options, Part, Raft, Server, StateMachine, Term};

/// How often a node logs whom it has not heard.
const COMPLAINTS: Duration = Duration::from_secs(5);

/// A round of questions; the later one is greater. A random number tells those apart that
/// have the same place.
type Round = (u64, u64);

/// What is known of who is new.
#[derive(Clone, Debug, Default)]
pub(crate) struct Founding {
    /// The latest round. Before the first one it is zero.
    round: Round,
    /// Who has said so in it.
    new: BTreeMap<Rank, u64>,
    /// Who has in the round before, as the founder knows.
    before: Option<BTreeMap<Rank, u64>>,
    /// Who has said hello, and whether as the first server of its node.
    pub(crate) met: BTreeMap<Rank, (u64, bool)>,
    /// When all others are told.
    tell_at: Time,
    /// Before that a first server without entries stands for no election.
    begin_at: Time,
    /// When it logs whom it has not heard.
    complain_at: Time,
}

impl Founding {
    fn begin(&mut self, round: Round, tell_at: Time) {
        self.new.clear();
        (self.round, self.tell_at) = (round, tell_at);
    }
}

impl<S: StateMachine> Raft<S> {
    /// Whether it knows of no cluster.
    pub(crate) fn is_new(&self) -> bool {
        self.term() == Term::default() && self.knows_nobody()
    }

    /// Whether it has heard of no members.
    pub(crate) fn knows_nobody(&self) -> bool {
        *self.log().config() == Config::default()
    }

    fn has_entries(&self) -> bool {
        self.log().last().index > Index::ZERO
    }

    /// Whether it has a part in the beginning: nobody brings it entries.
    fn is_beginning(&self) -> bool {
        let is_led = self.leader().is_some() || matches!(self.role, Role::Halted);
        !self.has_entries() && !is_led && (self.is_new() || self.persistent.is_first())
    }

    /// When there is something to say to all.
    pub(crate) fn founding_at(&self) -> Option<Time> {
        self.is_beginning().then_some(self.founding.tell_at)
    }

    /// The founder asks at once. When first servers stand for election without all others, each
    /// at its turn, whoever remembers anything had time to say so. Where the founders are known,
    /// the first one of them leads at first: nobody has voted for another one.
    pub(crate) fn start_founding(&mut self) {
        let Options { heartbeat, election, .. } = self.options;
        let (rank, begin_at) = (self.me.min(64) as u32, self.now + election);
        self.founding.tell_at = self.now + heartbeat * rank.min(1);
        (self.founding.begin_at, self.founding.complain_at) = (begin_at, self.now + COMPLAINTS);
        let (is_new, term) = (self.is_new(), self.term());
        match &mut self.role {
            Role::Follower(follower) if is_new => {
                follower.election_at = begin_at + election / 4 * rank.min(8);
            }
            Role::Follower(follower) if term == Term::default() => {
                follower.election_at = follower.election_at.min(self.now + election / 2 * rank);
            }
            _ => {}
        }
    }

    /// Whether it is too early to stand for election: somebody may have entries.
    pub(crate) fn is_early(&self) -> bool {
        self.persistent.is_first() && !self.has_entries() && self.now < self.founding.begin_at
    }

    /// The founder asks, until in two rounds the same servers were new; and everybody passes
    /// on what it knows: all of them together say no more than the heartbeats of a leader, and
    /// what answers these.
    pub(crate) fn advance_founding(&mut self) {
        if self.is_new() && self.advance_rounds() {
            return self.found();
        }
        let now = self.now;
        if self.founding_at().is_none_or(|at| now < at) {
            return;
        }
        self.founding.tell_at = now + self.options.heartbeat * self.nodes as u32 / 2;
        let me = self.me;
        (0..self.nodes).filter(|&rank| rank != me).for_each(|rank| self.say_hello(rank));
        if self.founding.complain_at <= now {
            self.founding.complain_at = now + COMPLAINTS;
            tracing::warn!("{}", self.why_not_begun());
        }
    }

    /// Whether all are the founders that were new.
    fn advance_rounds(&mut self) -> bool {
        let (founding, now) = (&mut self.founding, self.now);
        founding.new.insert(self.me, self.incarnation);
        while self.me == 0 && (founding.round.0 == 0 || founding.new.len() == self.nodes) {
            if founding.before.as_ref() == Some(&founding.new) {
                return true;
            }
            founding.before = Some(founding.new.clone());
            founding
                .begin((founding.round.0.saturating_add(1), draw_incarnation(&mut self.rng)), now);
            founding.new.insert(self.me, self.incarnation);
        }
        false
    }

    fn say_hello(&mut self, to: Rank) {
        let (round, new) = match self.is_new() {
            true => (self.founding.round, self.founding.new.clone()),
            false => Default::default(),
        };
        let is_first = self.persistent.is_first();
        self.outbox.say(to, self.now, Part::Hello(Hello { round, new, is_first }));
    }

    /// Somebody asks who is new, or says it.
    pub(crate) fn take_hello(&mut self, from: Server, Hello { round, new, is_first }: Hello) {
        self.founding.met.insert(from.rank, (from.incarnation, is_first));
        if self.has_entries() {
            return self.outbox.say(from.rank, self.now, Part::Begun);
        }
        if !self.is_new() {
            return;
        }
        let (is_founder, founding) = (self.me == 0, &mut self.founding);
        if is_founder && round.0 >= founding.round.0 && round != founding.round {
            // A former founder's: this one's are later.
            founding.before = None;
            return founding
                .begin((round.0.saturating_add(1), draw_incarnation(&mut self.rng)), self.now);
        }
        let is_asked = !is_founder && round > founding.round;
        if is_asked {
            founding.begin(round, founding.tell_at);
            founding.new.insert(self.me, self.incarnation);
        }
        if round == founding.round {
            founding.new.extend(new.into_iter().filter(|&(rank, _)| rank < self.nodes));
        }
        if is_asked {
            self.say_hello(from.rank);
        }
    }

    fn found(&mut self) {
        let voters = self.options.voters.unwrap_or(self.nodes);
        let new = self.founding.new.range(..voters);
        let founders = new.map(|(&rank, &incarnation)| Server { rank, incarnation });
        self.persistent.found(Config::of(founders));
        self.become_candidate(false);
    }

    /// Before there are entries a first server that has heard a majority of them, and has heard
    /// of no entries, knows who votes.
    pub(crate) fn make_founders(&mut self) {
        let me = self.server();
        if !self.persistent.is_first() || self.has_entries() || self.is_early() {
            return;
        }
        let founders = match self.knows_nobody() {
            true => Config::new(0..self.options.voters.unwrap_or(self.nodes)),
            false => self.log().config().clone(),
        };
        let founders = founders.resolved(|server| match self.founding.met.get(&server.rank) {
            _ if server.incarnation != 0 => server.incarnation,
            _ if server.rank == me.rank => me.incarnation,
            Some((incarnation, true)) => *incarnation,
            _ => 0,
        });
        let is_majority = founders.is_quorum(|server| server.incarnation != 0);
        if is_majority && founders.has_voter(me) && founders != *self.log().config() {
            self.persistent.found(founders);
        }
    }

    /// Whoever hears of a term hears how the cluster has begun.
    pub(crate) fn tell_beginning(&mut self, to: Rank) {
        match self.has_entries() {
            true => self.outbox.say(to, self.now, Part::Begun),
            false => self.tell_founders(to),
        }
    }

    /// Whoever hears of a term before there is an entry hears who can go on with it: nobody is
    /// new any more who knows a term.
    pub(crate) fn tell_founders(&mut self, to: Rank) {
        let log = self.persistent.log();
        if log.config_index() == Index::ZERO && !self.knows_nobody() {
            self.outbox.say(to, self.now, Part::Found(log.config().clone()));
        }
    }

    /// A cluster was founded, and not with a former incarnation of this node.
    pub(crate) fn take_founders(&mut self, founders: Config) {
        let is_one = founders.has_voter(self.server()) || !founders.is_voter(self.me);
        if self.knows_nobody() && founders.is_final_among(self.nodes) && is_one {
            self.persistent.found(founders);
        }
    }

    /// Somebody has entries: this node will get them.
    pub(crate) fn take_begun(&mut self) {
        let election = self.options.election;
        self.founding.tell_at = self.now + 5 * election;
        self.founding.begin_at = self.founding.tell_at + election;
    }

    /// What keeps a cluster from beginning, as far as this node knows; that there is no leader,
    /// if it has begun.
    pub(crate) fn why_not_begun(&self) -> String {
        if !self.is_new() {
            return "there is no leader".to_owned();
        }
        let Founding { new, met, .. } = &self.founding;
        let is_missing = |rank: &Rank| !new.contains_key(rank) && !met.contains_key(rank);
        let missing = (0..self.nodes).filter(|rank| *rank != self.me).filter(is_missing);
        match &*missing.map(|rank| self.persistent.id(rank).as_str()).collect::<Vec<_>>() {
            [] => "the cluster has not begun".to_owned(),
            [one] => format!("the cluster has not begun: {one} was never heard"),
            some => format!("the cluster has not begun: {} were never heard", some.join(", ")),
        }
    }
}
