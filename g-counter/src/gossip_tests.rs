//! Links, message by message.

use super::*;

fn names(count: usize) -> Vec<NodeId> {
    (0..count).map(|i| format!("n{i}").into()).collect()
}

/// One of two neighbours, with its table.
struct Node {
    name: NodeId,
    links: Links,
    table: Table,
}

impl Node {
    /// A life of a node that has counted `sum`.
    fn begin(name: &str, incarnation: u64, sum: i64) -> Self {
        let mut links = Links::new(&name.into(), &names(2));
        links.begin(incarnation);
        let mut node = Self { name: name.into(), links, table: Table::default() };
        node.count(Share { incarnation, nonce: incarnation, sequence: 0, sum: sum.into() });
        node
    }

    fn count(&mut self, share: Share) {
        self.table.learn(&self.name, share, None);
    }

    /// The message that is due to the neighbour, if one is.
    fn tell(&mut self, now: Instant) -> Option<Gossip> {
        let mut due = self.links.due(now, &self.table);
        assert!(due.len() <= 1);
        due.pop().map(|(_, gossip)| gossip)
    }

    fn hear(&mut self, from: &str, gossip: &Gossip) {
        self.links.receive(&from.into(), gossip, Instant::now(), &mut self.table);
    }
}

fn sums(gossip: &Gossip) -> Vec<i64> {
    gossip.shares.values().map(|share| share.sum.to_string().parse().unwrap()).collect()
}

/// Two neighbours that know all of each other.
fn acquainted(now: Instant) -> (Node, Node) {
    let (mut a, mut b) = (Node::begin("n0", 1, 10), Node::begin("n1", 1, 20));
    b.hear("n0", &a.tell(now).unwrap());
    a.hear("n1", &b.tell(now).unwrap());
    b.hear("n0", &a.tell(now + PERIOD).unwrap());
    assert_eq!((a.tell(now + 10 * PERIOD), b.tell(now + 10 * PERIOD)), (None, None));
    assert_eq!((a.table.total(), b.table.total()), (&30.into(), &30.into()));
    (a, b)
}

#[test]
fn hubs_are_neighbours_of_all_and_the_others_of_hubs_only() {
    let neighbours = |own: &str| -> Vec<String> {
        let links = Links::new(&own.into(), &names(5));
        links.links.keys().map(ToString::to_string).collect()
    };
    assert_eq!(neighbours("n0"), ["n1", "n2", "n3", "n4"]);
    assert_eq!(neighbours("n1"), ["n0", "n2", "n3", "n4"]);
    assert_eq!(neighbours("n4"), ["n0", "n1"]);
    assert!(Links::new(&"n0".into(), &names(1)).links.is_empty());
}

#[test]
fn only_what_changed_is_told_and_silence_follows_its_acknowledgement() {
    let start = Instant::now();
    let (mut a, mut b) = acquainted(start);
    let now = start + 10 * PERIOD;
    a.count(Share { incarnation: 1, nonce: 1, sequence: 1, sum: 11.into() });
    let news = a.tell(now).unwrap();
    assert_eq!(sums(&news), [11]);
    b.hear("n0", &news);
    let acknowledgement = b.tell(now).unwrap();
    assert!(sums(&acknowledgement).is_empty());
    a.hear("n1", &acknowledgement);
    let later = now + 100 * PERIOD;
    assert_eq!((a.tell(later), b.tell(later)), (None, None));
    assert_eq!(a.links.deadline(later, &a.table), None);
}

#[test]
fn a_busy_link_carries_one_message_a_period() {
    let now = Instant::now() + 10 * PERIOD;
    let (mut a, mut b) = acquainted(Instant::now());
    a.count(Share { incarnation: 1, nonce: 1, sequence: 1, sum: 11.into() });
    b.hear("n0", &a.tell(now).unwrap());
    a.hear("n1", &b.tell(now).unwrap());
    a.count(Share { incarnation: 1, nonce: 1, sequence: 2, sum: 12.into() });
    assert_eq!(a.tell(now + PERIOD / 2), None);
    assert_eq!(a.links.deadline(now, &a.table), Some(now + PERIOD));
    a.count(Share { incarnation: 1, nonce: 1, sequence: 3, sum: 13.into() });
    assert_eq!(sums(&a.tell(now + PERIOD).unwrap()), [13]);
}

#[test]
fn news_are_repeated_ever_more_rarely_until_they_are_acknowledged() {
    let start = Instant::now() + 10 * PERIOD;
    let (mut a, mut b) = acquainted(Instant::now());
    a.count(Share { incarnation: 1, nonce: 1, sequence: 1, sum: 11.into() });
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..5 {
        assert_eq!(sums(&a.tell(now).unwrap()), [11]);
        let next = a.links.deadline(now, &a.table).unwrap();
        waits.push(next - now);
        now = next;
    }
    assert_eq!(waits, [PERIOD * 2, PERIOD * 4, PERIOD * 8, PERIOD * 8, PERIOD * 8]);
    assert!(a.links.is_silent(&"n1".into()) && a.links.is_cut_off());
    b.hear("n0", &a.tell(now).unwrap());
    a.hear("n1", &b.tell(now).unwrap());
    assert!(!a.links.is_any_silent());
    assert_eq!(a.links.deadline(now, &a.table), None);
}

#[test]
fn a_new_life_is_told_everything_whatever_the_old_one_had_acknowledged() {
    let (mut a, _) = acquainted(Instant::now());
    let mut now = Instant::now() + 10 * PERIOD;
    let mut b = Node::begin("n1", 2, 20);
    for _ in 0..4 {
        if let Some(gossip) = b.tell(now) {
            a.hear("n1", &gossip);
        }
        if let Some(gossip) = a.tell(now) {
            b.hear("n0", &gossip);
        }
        now += PERIOD;
    }
    assert_eq!(*b.table.total(), 30.into());
    assert_eq!((a.tell(now), b.tell(now)), (None, None));
}

#[test]
fn a_delta_for_the_old_life_does_not_pass_for_everything() {
    let (mut a, _) = acquainted(Instant::now());
    let now = Instant::now() + 10 * PERIOD;
    a.count(Share { incarnation: 1, nonce: 1, sequence: 1, sum: 11.into() });
    let origin = NodeId::from("n5");
    a.table.learn(&origin, Share { incarnation: 1, nonce: 1, sequence: 0, sum: 500.into() }, None);
    let delta = a.tell(now).unwrap();
    assert!(delta.since > 0);
    let mut b = Node::begin("n1", 2, 20);
    b.hear("n0", &delta);
    let answer = b.tell(now).unwrap();
    assert_eq!((answer.seen_incarnation, answer.seen_version), (1, 0));
    a.hear("n1", &answer);
    let everything = a.tell(now + 2 * PERIOD).unwrap();
    assert_eq!((everything.since, sums(&everything)), (0, vec![11, 500]));
}

#[test]
fn a_late_message_of_an_old_life_acknowledges_nothing() {
    let now = Instant::now() + 10 * PERIOD;
    let (mut a, mut old) = acquainted(Instant::now());
    a.count(Share { incarnation: 1, nonce: 1, sequence: 1, sum: 11.into() });
    old.hear("n0", &a.tell(now).unwrap());
    let late = old.tell(now).unwrap();
    let mut b = Node::begin("n1", 2, 20);
    a.hear("n1", &b.tell(now).unwrap());
    a.hear("n1", &late);
    assert_eq!(sums(&a.tell(now + 2 * PERIOD).unwrap()), [11]);
}

#[test]
fn a_new_life_speaks_up_even_if_its_own_share_is_no_news() {
    let (mut a, _) = acquainted(Instant::now());
    let now = Instant::now() + 10 * PERIOD;
    let mut b = Node::begin("n1", 2, 20);
    // n0 has looked it up in the service before n1 could tell.
    a.table.learn(&b.name, b.table.share(&b.name), None);
    b.hear("n0", &a.tell(now).unwrap());
    assert_eq!(b.table.news_for(&a.name, 0).count(), 0);
    a.hear("n1", &b.tell(now).unwrap());
    b.hear("n0", &a.tell(now + PERIOD).unwrap());
    assert_eq!(*b.table.total(), 30.into());
}

#[test]
fn a_new_life_is_told_even_what_the_old_one_had_told() {
    let (mut a, mut old) = acquainted(Instant::now());
    let mut now = Instant::now() + 10 * PERIOD;
    let third = Share { incarnation: 1, nonce: 1, sequence: 0, sum: 500.into() };
    old.table.learn(&"n5".into(), third, None);
    a.hear("n1", &old.tell(now).unwrap());
    let mut b = Node::begin("n1", 2, 20);
    for _ in 0..4 {
        now += PERIOD;
        b.tell(now).iter().for_each(|gossip| a.hear("n1", gossip));
        a.tell(now).iter().for_each(|gossip| b.hear("n0", gossip));
    }
    assert_eq!(*b.table.total(), 530.into());
}

#[test]
fn a_life_that_gets_a_new_number_is_known_under_it_and_falls_silent() {
    let (mut a, mut b) = acquainted(Instant::now());
    let mut now = Instant::now() + 10 * PERIOD;
    b.links.begin(5);
    b.count(Share { incarnation: 5, nonce: 1, sequence: 0, sum: 20.into() });
    for _ in 0..4 {
        now += PERIOD;
        b.tell(now).iter().for_each(|gossip| a.hear("n1", gossip));
        a.tell(now).iter().for_each(|gossip| b.hear("n0", gossip));
    }
    now += 10 * PERIOD;
    assert_eq!((a.tell(now), b.tell(now)), (None, None));
    b.count(Share { incarnation: 5, nonce: 1, sequence: 1, sum: 21.into() });
    a.hear("n1", &b.tell(now).unwrap());
    assert_eq!(*a.table.total(), 31.into());
}
