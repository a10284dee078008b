//! The order in which a Clojure hash set has its elements.
//!
//! The original takes the first element of such a set where it needs any, so its
//! findings depend on this order. For integers, which is what the workload sends, it
//! is known: a set is a trie of hashes, five bits a level, the lowest first; the hash
//! of an integer is Murmur3 (Appleby, 2011) of its eight bytes, with the seed 0.

use super::names::Message;

/// Elements of a set are in the order of these. Anything but an integer comes last.
pub(super) fn place_in_a_set(message: &Message) -> [u32; 7] {
    const BITS: u32 = 5;
    match message {
        Message::Integer(integer) => {
            let hash = hash(*integer);
            std::array::from_fn(|level| (hash >> (BITS * level as u32)) & ((1 << BITS) - 1))
        }
        Message::Other(_) => [u32::MAX; 7],
    }
}

fn hash(integer: i64) -> u32 {
    if integer == 0 {
        return 0;
    }
    let bits = integer as u64;
    let mut hash = 0;
    for half in [bits as u32, (bits >> 32) as u32] {
        let mixed = half.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        hash = (hash ^ mixed).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    hash ^= 8;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_in_the_order_in_which_clojure_prints_them() {
        let mut set: Vec<i64> = (0..10).collect();
        set.sort_by_key(|integer| place_in_a_set(&Message::Integer(*integer)));
        assert_eq!(set, [0, 7, 1, 4, 6, 3, 2, 9, 5, 8]);
        assert_eq!(hash(1), 1_392_991_556);
    }
}
