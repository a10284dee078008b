//! What a bad network does to single messages: it loses, doubles and delays them.
//!
//! Not in the original, and off unless asked for. It concerns messages among nodes
//! and services; clients talk to their nodes undisturbed. A message that is
//! delayed waits beside the receiver's queue and joins it when its time has come,
//! so it holds up nobody; that is what makes it come out of order.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::{Address, Cause, Message};

/// The share of messages that is lost, doubled or put out of order while the fault
/// lasts.
pub(crate) const SHARE: f64 = 0.2;
/// A slow link takes so many times as long; the least latency that this is
/// reckoned from is a millisecond.
const FACTOR: u32 = 10;
/// A message out of order, and the copy of a doubled one, come late by up to this.
const LATEST: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkFaults {
    /// A share of messages is lost.
    pub loss: bool,
    /// A share of messages arrives a second time, late.
    pub duplicate: bool,
    /// A share of messages comes late, behind others.
    pub reorder: bool,
    /// A third of the links is slow; the number decides which.
    pub slow: Option<u64>,
}

/// What becomes of a message: the extra delays of its copies. None means that it
/// is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) first: Option<Duration>,
    pub(super) second: Option<Duration>,
    /// Why they are delayed, if they are.
    pub(super) cause: Cause,
}

impl LinkFaults {
    /// Draws what becomes of a message whose latency is this.
    pub(super) fn draw<B>(self, message: &Message<B>, latency: Duration, rng: &mut StdRng) -> Fate {
        if self == Self::default() || message.involves_client() {
            return Fate { first: Some(Duration::ZERO), second: None, cause: Cause::Slow };
        }
        let mut happens = |wanted: bool| wanted && rng.random_bool(SHARE);
        let [is_lost, is_doubled, is_late] =
            [self.loss, self.duplicate, self.reorder].map(&mut happens);
        let mut late = || LATEST.mul_f64(rng.random());
        let mut delay = if is_late { late() } else { Duration::ZERO };
        if self.slow.is_some_and(|salt| is_slow(salt, message.src, message.dest)) {
            delay += latency.max(Duration::from_millis(1)) * (FACTOR - 1);
        }
        Fate {
            first: (!is_lost).then_some(delay),
            second: is_doubled.then(|| delay + late()),
            cause: if is_late { Cause::Reorder } else { Cause::Slow },
        }
    }
}

/// Whether a link is among the third that is slow: by a hash, so that nothing has
/// to be kept for each pair of nodes.
pub(crate) fn is_slow(salt: u64, src: Address, dest: Address) -> bool {
    let number = |address: Address| match address {
        Address::Node(node) => node as u64,
        Address::Service(service) => u64::MAX - service as u64,
        Address::Client(client) => client,
    };
    // The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    let mut hash =
        salt ^ number(src).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number(dest).rotate_left(32);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)).is_multiple_of(3)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use serde_json::value::RawValue;

    use super::*;

    fn message(src: usize, dest: usize) -> Message {
        let body = RawValue::from_string("{}".to_owned()).unwrap();
        Message { id: 0, src: Address::Node(src), dest: Address::Node(dest), body }
    }

    fn fates(faults: LinkFaults) -> Vec<Fate> {
        let mut rng = StdRng::seed_from_u64(0);
        let latency = Duration::from_millis(10);
        (0..1000).map(|_| faults.draw(&message(0, 1), latency, &mut rng)).collect()
    }

    fn count(fates: &[Fate], which: impl Fn(&Fate) -> bool) -> usize {
        fates.iter().filter(|fate| which(fate)).count()
    }

    #[test]
    fn without_faults_every_message_arrives_once_and_in_time() {
        let in_time = Fate { first: Some(Duration::ZERO), second: None, cause: Cause::Slow };
        assert!(fates(LinkFaults::default()).iter().all(|fate| *fate == in_time));
    }

    #[test]
    fn a_fifth_is_lost_or_doubled_or_late() {
        let lost = fates(LinkFaults { loss: true, ..LinkFaults::default() });
        assert!((150..250).contains(&count(&lost, |fate| fate.first.is_none())));
        let doubled = fates(LinkFaults { duplicate: true, ..LinkFaults::default() });
        assert!((150..250).contains(&count(&doubled, |fate| fate.second.is_some())));
        let late = fates(LinkFaults { reorder: true, ..LinkFaults::default() });
        let is_late = |fate: &Fate| fate.first.is_some_and(|delay| !delay.is_zero());
        assert!((150..250).contains(&count(&late, is_late)));
    }

    #[test]
    fn about_a_third_of_the_links_is_slow_and_the_same_ones_all_the_time() {
        let slow = |salt| {
            (0..900).filter(move |n| is_slow(salt, Address::Node(n / 30), Address::Node(n % 30)))
        };
        assert!((220..380).contains(&slow(1).count()), "{}", slow(1).count());
        assert!(slow(1).eq(slow(1)));
        assert!(!slow(1).eq(slow(2)));
        let mut rng = StdRng::seed_from_u64(0);
        let faults = LinkFaults { slow: Some(1), ..LinkFaults::default() };
        let pair = slow(1).next().unwrap();
        let fate = faults.draw(&message(pair / 30, pair % 30), Duration::from_millis(10), &mut rng);
        assert_eq!(fate.first, Some(Duration::from_millis(90)));
    }
}
