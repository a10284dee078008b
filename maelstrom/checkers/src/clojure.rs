//! Orders that the original takes from hash tables.
//!
//! Which of several cycles it meets first, which of several longest lists it takes for
//! the order of appends, and which of several messages stands for an offset, follows from
//! how its tables lay out their entries. That is no chance: the hashes are functions of
//! the entries alone (Clojure's Murmur3 of an integer and of a vector), and so is the
//! layout (hash tries of 32 branches).

/// Where a set of integers in Clojure has this one: sets are walked by rising rank.
pub(crate) fn integer_rank(integer: i64) -> u64 {
    rank(hash_of_integer(integer))
}

/// Where a set of vectors has this vector of integers.
pub(crate) fn vector_rank(elements: &[i64]) -> u64 {
    let start = 1u32;
    let hash = elements
        .iter()
        .fold(start, |hash, &e| hash.wrapping_mul(31).wrapping_add(hash_of_integer(e)));
    rank(finished(mixed(0, hash), elements.len() as u32))
}

/// Five bits at a time choose the branch, the lowest first.
fn rank(hash: u32) -> u64 {
    (0..7).fold(0, |rank, depth| rank << 5 | u64::from(hash >> (5 * depth) & 31))
}

/// Entries in the order of a table (Bifurcan's `Map`) whose keys are operations,
/// hashed by their index.
pub(crate) fn as_table<T>(entries: Vec<T>, index: impl Fn(&T) -> u64) -> Vec<T> {
    let hashed = entries.into_iter().map(|entry| (table_hash(index(&entry)), entry)).collect();
    let mut table = Vec::new();
    walk(hashed, 0, &mut table);
    table
}

/// A node of the trie holds the entries that are alone in their branch before
/// the branches that hold several.
fn walk<T>(entries: Vec<(u32, T)>, depth: usize, table: &mut Vec<T>) {
    let mut branches: [Vec<(u32, T)>; 32] = Default::default();
    for entry in entries {
        branches[(entry.0 >> (5 * depth) & 31) as usize].push(entry);
    }
    for branch in branches.iter_mut().filter(|branch| branch.len() == 1) {
        table.extend(branch.drain(..).map(|(_, entry)| entry));
    }
    for branch in branches.into_iter().filter(|branch| !branch.is_empty()) {
        if depth < 6 {
            walk(branch, depth + 1, table);
        } else {
            table.extend(branch.into_iter().map(|(_, entry)| entry));
        }
    }
}

/// The hash of an operation in a table.
fn table_hash(index: u64) -> u32 {
    let signed = hash_of_integer(index.cast_signed()).cast_signed();
    let mut hash = if signed < 0 { !signed } else { signed }.cast_unsigned();
    hash ^= hash >> 20 ^ hash >> 12;
    hash ^ hash >> 7 ^ hash >> 4
}

/// Murmur3 of 64 bits, with 0 for 0.
fn hash_of_integer(integer: i64) -> u32 {
    if integer == 0 {
        return 0;
    }
    let [low, high] = [integer as u32, (integer >> 32) as u32];
    finished(mixed(mixed(0, low), high), 8)
}

fn mixed(hash: u32, block: u32) -> u32 {
    let block = block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ block).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn finished(hash: u32, length: u32) -> u32 {
    let hash = hash ^ length;
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_in_the_order_in_which_clojure_prints_a_set_of_them() {
        let mut set: Vec<i64> = (0..10).collect();
        set.sort_by_key(|integer| integer_rank(*integer));
        assert_eq!(set, [0, 7, 1, 4, 6, 3, 2, 9, 5, 8]);
        // (hash 1), (hash -1) in Clojure 1.6 and after.
        assert_eq!(hash_of_integer(1).cast_signed(), 1_392_991_556);
        assert_eq!(hash_of_integer(-1).cast_signed(), 1_651_860_712);
    }

    #[test]
    fn a_table_has_its_entries_in_the_order_of_the_trie() {
        assert_eq!(as_table(vec![2u64, 3, 8], |&index| index), [8, 3, 2]);
    }

    #[test]
    fn every_entry_stays_and_the_order_of_insertion_does_not_matter() {
        let mut table = as_table((0..3_000u64).collect(), |&index| index);
        assert_eq!(table, as_table((0..3_000).rev().collect(), |&index| index));
        table.sort_unstable();
        assert_eq!(table, (0..3_000).collect::<Vec<_>>());
    }

    #[test]
    fn longest_lists_are_ranked_as_in_a_set() {
        assert!(vector_rank(&[2, 5, 1, 3, 4]) < vector_rank(&[3, 2, 4, 1, 5]));
        assert!(vector_rank(&[1, 2, 3, 4]) < vector_rank(&[1, 2, 3, 7]));
    }
}
