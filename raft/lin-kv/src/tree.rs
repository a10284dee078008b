//! A sorted map of which a clone costs little: clones share its leaves, each until it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Json, Key};

/// About how many bytes a leaf has at most, unless they are one value.
const LEAF_BYTES: usize = 16 << 10;
/// What an entry has beside its texts.
const ENTRY_BYTES: usize = 32;

/// The values of all keys, in leaves in the order of their keys. There is one at least, and
/// none is empty but the only one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tree(Vec<Arc<Leaf>>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Leaf {
    values: BTreeMap<Key, Json>,
    bytes: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self(vec![Arc::default()])
    }
}

impl Tree {
    /// Where the leaf is to which a key belongs.
    fn place(&self, key: &Key) -> usize {
        let is_before = |leaf: &Arc<Leaf>| leaf.values.keys().next().is_some_and(|one| one <= key);
        self.0.partition_point(is_before).saturating_sub(1)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Json> {
        self.0[self.place(key)].values.get(key)
    }

    pub(crate) fn insert(&mut self, key: Key, value: Json) {
        let at = self.place(&key);
        if let Some(right) = Arc::make_mut(&mut self.0[at]).insert(key, value) {
            self.0.insert(at + 1, Arc::new(right));
        }
    }

    pub(crate) fn leaves(&self) -> usize {
        self.0.len()
    }

    /// A leaf as JSON.
    pub(crate) fn leaf(&self, number: usize) -> serde_json::Result<String> {
        serde_json::to_string(&self.0[number].values)
    }

    /// Of such leaves, in order.
    pub(crate) fn with_leaf(before: Option<Self>, leaf: &str) -> serde_json::Result<Self> {
        let mut leaves = before.map_or_else(Vec::new, |tree| tree.0);
        leaves.push(Arc::new(Leaf::of(serde_json::from_str(leaf)?)));
        Ok(Self(leaves))
    }
}

impl Leaf {
    fn of(values: BTreeMap<Key, Json>) -> Self {
        let bytes = values.iter().map(|(key, value)| size(key, value)).sum();
        Self { values, bytes }
    }

    /// Returns what comes behind it, if it was too much.
    fn insert(&mut self, key: Key, value: Json) -> Option<Self> {
        self.bytes += size(&key, &value);
        if let Some(former) = self.values.get(&key) {
            self.bytes -= size(&key, former);
        }
        self.values.insert(key, value);
        if self.bytes <= LEAF_BYTES || self.values.len() == 1 {
            return None;
        }
        let middle = self.values.keys().nth(self.values.len() / 2)?.clone();
        let right = Self::of(self.values.split_off(&middle));
        self.bytes -= right.bytes;
        Some(right)
    }
}

fn size(key: &Key, value: &Json) -> usize {
    ENTRY_BYTES + key.0.len() + value.text().len()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn json(number: usize) -> Json {
        let text = format!("\"{}{number}\"", "x".repeat(number % 3 * 1_000));
        RawValue::from_string(text).unwrap().into()
    }

    fn key(number: usize) -> Key {
        Key::from(&*json(number).0)
    }

    fn leaves(tree: &Tree) -> Vec<String> {
        (0..tree.leaves()).map(|number| tree.leaf(number).unwrap()).collect()
    }

    /// Writes of some keys, again and again, each with the number of the write as its value.
    fn write(tree: &mut Tree, map: &mut BTreeMap<Key, Json>, writes: std::ops::Range<usize>) {
        for number in writes {
            let key = key(number * 7_919 % 1_000);
            tree.insert(key.clone(), json(number));
            map.insert(key, json(number));
        }
    }

    #[test]
    fn it_is_a_map_in_leaves_of_some_kilobytes() {
        let (mut tree, mut map) = (Tree::default(), BTreeMap::new());
        assert_eq!((tree.get(&key(1)), leaves(&tree)), (None, vec!["{}".to_owned()]));
        write(&mut tree, &mut map, 0..3_000);
        assert!(map.iter().all(|(key, value)| tree.get(key) == Some(value)));
        assert_eq!(tree.get(&key(1_001)), None);
        assert!(
            tree.0.windows(2).all(|two| two[0].values.keys().max() < two[1].values.keys().min())
        );
        assert_eq!(tree.0.iter().map(|leaf| leaf.values.len()).sum::<usize>(), map.len());
        for leaf in &tree.0 {
            assert_eq!(leaf.bytes, Leaf::of(leaf.values.clone()).bytes);
            assert!((LEAF_BYTES / 8..=LEAF_BYTES).contains(&leaf.bytes), "{} bytes", leaf.bytes);
        }
        let again =
            leaves(&tree).iter().try_fold(None, |tree, leaf| Tree::with_leaf(tree, leaf).map(Some));
        assert_eq!(leaves(&again.unwrap().unwrap()), leaves(&tree));
    }

    #[test]
    fn a_clone_stays_as_it_was_and_shares_what_is_not_written() {
        let (mut tree, mut map) = (Tree::default(), BTreeMap::new());
        write(&mut tree, &mut map, 0..3_000);
        let (clone, before) = (tree.clone(), leaves(&tree));
        write(&mut tree, &mut map, 3_000..3_005);
        assert_eq!(leaves(&clone), before);
        let shared = |leaf: &&Arc<Leaf>| clone.0.iter().any(|one| Arc::ptr_eq(one, leaf));
        assert!(tree.0.iter().filter(shared).count() >= tree.0.len() - 6);
    }
}
