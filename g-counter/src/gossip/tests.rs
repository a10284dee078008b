//! Links, message by message.

use maelstrom::machine::Output;

use super::*;

fn members(me: Rank, count: usize) -> Members {
    let ids: Vec<NodeId> = (0..count).map(|i| format!("n{i}").into()).collect();
    Members::new(&ids[me], &ids)
}

/// The name of a node that is not one of the two.
const THIRD: Rank = 5;

/// One of two neighbours in a cluster, with its view.
struct Node {
    me: Rank,
    links: Links,
    view: View,
}

impl Node {
    /// An incarnation of a node that has counted `sum`.
    fn begin(me: Rank, epoch: u64, sum: i64) -> Self {
        let mut links = Links::new(members(me, 6));
        links.links.retain(|&node, _| node < 2);
        links.begin(epoch);
        let mut node = Self { me, links, view: View::default() };
        node.count(Contribution { epoch, incarnation: epoch, sequence: 0, sum: sum.into() });
        node
    }

    fn count(&mut self, contribution: Contribution) {
        self.view.learn(self.me, contribution, None);
    }

    /// The message that is due to the neighbour, if one is.
    fn tell(&mut self, now: Time) -> Option<Gossip> {
        let mut out = Outputs::default();
        self.links.tell(now, &self.view, &mut out);
        let mut due = out.drain().map(|output| match output {
            Output::Send(_, gossip) => gossip,
            output => panic!("{output:?}"),
        });
        let gossip = due.next();
        assert_eq!(due.next(), None);
        gossip
    }

    fn hear(&mut self, from: Rank, gossip: &Gossip) {
        self.links.receive(from, gossip.clone(), Time::ZERO, &mut self.view);
    }
}

fn sums(gossip: &Gossip) -> Vec<i64> {
    gossip
        .contributions
        .values()
        .map(|contribution| contribution.sum.to_string().parse().unwrap())
        .collect()
}

/// Two neighbours that know all of each other.
fn acquainted(now: Time) -> (Node, Node) {
    let (mut a, mut b) = (Node::begin(0, 1, 10), Node::begin(1, 1, 20));
    b.hear(0, &a.tell(now).unwrap());
    a.hear(1, &b.tell(now).unwrap());
    b.hear(0, &a.tell(now + PERIOD).unwrap());
    assert_eq!((a.tell(now + 10 * PERIOD), b.tell(now + 10 * PERIOD)), (None, None));
    assert_eq!((a.view.total(), b.view.total()), (&30.into(), &30.into()));
    (a, b)
}

#[test]
fn hubs_are_neighbours_of_all_and_the_others_of_hubs_only() {
    let neighbours = |me: Rank, count: usize| -> Vec<Rank> {
        Links::new(members(me, count)).links.into_keys().collect()
    };
    assert_eq!(neighbours(0, 5), [1, 2, 3, 4]);
    assert_eq!(neighbours(1, 5), [0, 2, 3, 4]);
    assert_eq!(neighbours(4, 5), [0, 1]);
    assert!(neighbours(0, 1).is_empty());
}

#[test]
fn only_what_changed_is_told_and_silence_follows_its_acknowledgement() {
    let start = Time::ZERO;
    let (mut a, mut b) = acquainted(start);
    let now = start + 10 * PERIOD;
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 1, sum: 11.into() });
    let news = a.tell(now).unwrap();
    assert_eq!(sums(&news), [11]);
    b.hear(0, &news);
    let acknowledgement = b.tell(now).unwrap();
    assert!(sums(&acknowledgement).is_empty());
    a.hear(1, &acknowledgement);
    let later = now + 100 * PERIOD;
    assert_eq!((a.tell(later), b.tell(later)), (None, None));
    assert_eq!(a.links.deadline(&a.view), None);
}

#[test]
fn a_busy_link_carries_one_message_a_period() {
    let now = 10 * PERIOD;
    let (mut a, mut b) = acquainted(Time::ZERO);
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 1, sum: 11.into() });
    b.hear(0, &a.tell(now).unwrap());
    a.hear(1, &b.tell(now).unwrap());
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 2, sum: 12.into() });
    assert_eq!(a.tell(now + PERIOD / 2), None);
    assert_eq!(a.links.deadline(&a.view), Some(now + PERIOD));
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 3, sum: 13.into() });
    assert_eq!(sums(&a.tell(now + PERIOD).unwrap()), [13]);
}

#[test]
fn news_are_repeated_ever_more_rarely_until_they_are_acknowledged() {
    let start = 10 * PERIOD;
    let (mut a, mut b) = acquainted(Time::ZERO);
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 1, sum: 11.into() });
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..5 {
        assert_eq!(sums(&a.tell(now).unwrap()), [11]);
        let next = a.links.deadline(&a.view).unwrap();
        waits.push(next - now);
        now = next;
    }
    assert_eq!(waits, [PERIOD * 2, PERIOD * 4, PERIOD * 8, PERIOD * 8, PERIOD * 8]);
    assert!(a.links.is_silent(1) && a.links.is_cut_off());
    b.hear(0, &a.tell(now).unwrap());
    a.hear(1, &b.tell(now).unwrap());
    assert!(!a.links.is_any_silent());
    assert_eq!(a.links.deadline(&a.view), None);
}

#[test]
fn a_new_incarnation_is_told_everything_whatever_the_old_one_had_acknowledged() {
    let (mut a, _) = acquainted(Time::ZERO);
    let mut now = 10 * PERIOD;
    let mut b = Node::begin(1, 2, 20);
    for _ in 0..4 {
        if let Some(gossip) = b.tell(now) {
            a.hear(1, &gossip);
        }
        if let Some(gossip) = a.tell(now) {
            b.hear(0, &gossip);
        }
        now += PERIOD;
    }
    assert_eq!(*b.view.total(), 30.into());
    assert_eq!((a.tell(now), b.tell(now)), (None, None));
}

#[test]
fn a_delta_for_the_old_incarnation_does_not_pass_for_everything() {
    let (mut a, _) = acquainted(Time::ZERO);
    let now = 10 * PERIOD;
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 1, sum: 11.into() });
    a.view.learn(
        THIRD,
        Contribution { epoch: 1, incarnation: 1, sequence: 0, sum: 500.into() },
        None,
    );
    let delta = a.tell(now).unwrap();
    assert!(delta.since > 0);
    let mut b = Node::begin(1, 2, 20);
    b.hear(0, &delta);
    let answer = b.tell(now).unwrap();
    assert_eq!((answer.seen_epoch, answer.seen_version), (1, 0));
    a.hear(1, &answer);
    let everything = a.tell(now + 2 * PERIOD).unwrap();
    assert_eq!((everything.since, sums(&everything)), (0, vec![11, 500]));
}

#[test]
fn a_late_message_of_an_old_incarnation_acknowledges_nothing() {
    let now = 10 * PERIOD;
    let (mut a, mut old) = acquainted(Time::ZERO);
    a.count(Contribution { epoch: 1, incarnation: 1, sequence: 1, sum: 11.into() });
    old.hear(0, &a.tell(now).unwrap());
    let late = old.tell(now).unwrap();
    let mut b = Node::begin(1, 2, 20);
    a.hear(1, &b.tell(now).unwrap());
    a.hear(1, &late);
    assert_eq!(sums(&a.tell(now + 2 * PERIOD).unwrap()), [11]);
}

#[test]
fn a_new_incarnation_speaks_up_even_if_its_own_contribution_is_no_news() {
    let (mut a, _) = acquainted(Time::ZERO);
    let now = 10 * PERIOD;
    let mut b = Node::begin(1, 2, 20);
    // n0 has looked it up in the service before n1 could tell.
    a.view.learn(b.me, b.view.contribution(b.me), None);
    b.hear(0, &a.tell(now).unwrap());
    assert_eq!(b.view.news_for(a.me, 0).count(), 0);
    a.hear(1, &b.tell(now).unwrap());
    b.hear(0, &a.tell(now + PERIOD).unwrap());
    assert_eq!(*b.view.total(), 30.into());
}

#[test]
fn a_new_incarnation_is_told_even_what_the_old_one_had_told() {
    let (mut a, mut old) = acquainted(Time::ZERO);
    let mut now = 10 * PERIOD;
    let third = Contribution { epoch: 1, incarnation: 1, sequence: 0, sum: 500.into() };
    old.view.learn(THIRD, third, None);
    a.hear(1, &old.tell(now).unwrap());
    let mut b = Node::begin(1, 2, 20);
    for _ in 0..4 {
        now += PERIOD;
        b.tell(now).iter().for_each(|gossip| a.hear(1, gossip));
        a.tell(now).iter().for_each(|gossip| b.hear(0, gossip));
    }
    assert_eq!(*b.view.total(), 530.into());
}

#[test]
fn an_incarnation_that_gets_a_new_epoch_is_known_under_it_and_falls_silent() {
    let (mut a, mut b) = acquainted(Time::ZERO);
    let mut now = 10 * PERIOD;
    b.links.begin(5);
    b.count(Contribution { epoch: 5, incarnation: 1, sequence: 0, sum: 20.into() });
    for _ in 0..4 {
        now += PERIOD;
        b.tell(now).iter().for_each(|gossip| a.hear(1, gossip));
        a.tell(now).iter().for_each(|gossip| b.hear(0, gossip));
    }
    now += 10 * PERIOD;
    assert_eq!((a.tell(now), b.tell(now)), (None, None));
    b.count(Contribution { epoch: 5, incarnation: 1, sequence: 1, sum: 21.into() });
    a.hear(1, &b.tell(now).unwrap());
    assert_eq!(*a.view.total(), 31.into());
}
