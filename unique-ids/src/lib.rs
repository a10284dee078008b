//! Challenge 2: a node that generates globally unique ids, without talking to
//! anybody.
//!
//! An id is the text `<node>-<incarnation>-<count>`, for example
//! `n1-7d3c2b9e6f014c5f9a8b7c6d5e4f3a2b-1f`:
//!
//! - *node*: this node's id. Two nodes never make the same id, whenever they
//!   were started, because the cluster gives no two nodes one name.
//! - *incarnation*: a random [UUID] drawn when the node starts, 122 bits from
//!   the operating system. It tells apart what one node made before and after a
//!   restart, without a disk and without a clock. Were a node restarted a
//!   billion times, the chance that any two of its incarnations drew the same would be
//!   below 10⁻¹⁹ (n²/2 pairs in 2¹²² values).
//! - *count*: how many ids this incarnation of the node made before, in hexadecimal.
//!   No two requests share a count, as taking one is atomic.
//!   <!-- figures: ids -->
//!   The counter has 64 bits: an incarnation that makes a billion ids a second has
//!   enough for 585 years.
//!   <!-- /figures -->
//!
//! So two ids differ in the node, or in the incarnation, or in the count. The
//! parts cannot run into each other: incarnation and count contain no hyphen.
//!
//! Nodes never talk to each other, so any network will do, complete or not.
//!
//! <!-- figures: promise-unique-ids -->
//! With the defaults, and all nodes linked to each other, every node serves its clients
//! again 1 s after the last fault. When clients ask for nothing, N nodes send no
//! messages a second then, those to and from services included. The swarm checks both.
//! <!-- /figures -->
//!
//! [UUID]: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-4

use std::sync::atomic::{AtomicU64, Ordering};

use maelstrom::{Context, Error, Node, Setup};
use rand::RngExt;
use uuid::Builder;

maelstrom::message_types! {
    /// `{"type":"generate"}`, answered `{"type":"generate_ok","id":"…"}`.
    "generate": pub struct Generate {} -> pub struct Generated {
        /// An id that nobody else was or will be given.
        pub id: String,
    };
}

/// A node that keeps nothing but how many ids it made.
pub fn node() -> Node<Ids> {
    Node::new(Ids::new).handle(generate)
}

async fn generate(context: Context<Ids>, _: Generate) -> Result<Generated, Error> {
    Ok(Generated { id: context.state().next() })
}

/// The ids of one incarnation of a node.
pub struct Ids {
    /// `<node>-<incarnation>-`
    prefix: String,
    count: AtomicU64,
}

impl Ids {
    /// Ids of an incarnation that begins now.
    pub fn new(setup: &Setup) -> Self {
        let incarnation = Builder::from_random_bytes(setup.new_rng().random()).into_uuid();
        let prefix = format!("{}-{}-", setup.id(), incarnation.simple());
        Self { prefix, count: AtomicU64::new(0) }
    }

    /// An id that was not returned before.
    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{}{count:x}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_suffices_for_five_centuries_at_a_billion_ids_a_second() {
        let bits = AtomicU64::new(0).into_inner().leading_zeros();
        let counts = 2_f64.powi(i32::try_from(bits).unwrap());
        let years = counts / 1e9 / (365.25 * 86_400.0);
        assert!((500.0..600.0).contains(&years), "{years} years");
    }

    #[test]
    fn a_billion_restarts_draw_the_same_incarnation_with_a_chance_below_one_in_ten_to_the_19() {
        let [low, high] = [0, u128::MAX].map(|random: u128| {
            Builder::from_random_bytes(random.to_be_bytes()).into_uuid().as_u128()
        });
        let drawn = (low ^ high).count_ones();
        assert_eq!(drawn, 122, "bits that are drawn");
        let pairs = 1e9 * 1e9 / 2.0;
        assert!(pairs / 2_f64.powi(122) < 1e-19);
    }

    #[test]
    fn counts_are_hexadecimal_and_none_comes_twice_up_to_the_last() {
        let ids = Ids { prefix: "n1-0-".to_owned(), count: AtomicU64::new(u64::MAX - 1) };
        assert_eq!([ids.next(), ids.next()], ["n1-0-fffffffffffffffe", "n1-0-ffffffffffffffff"]);
    }
}
