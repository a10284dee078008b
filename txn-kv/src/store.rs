//! The versions of all keys, in the keys' order, of which a copy is made at once.
//!
//! They stand in portions that a copy shares with the original. Whichever of the two is
//! changed next makes a portion its own then, so that no single step takes long, however
//! much there is.

use std::sync::Arc;

use crate::json::{Key, Value};
use crate::vector::Stamp;

/// A portion with more versions than this is split.
const MOST: usize = 512;

/// A key, what was written to it, and by which transaction.
#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    stamp: Stamp,
    value: Value,
}

/// See the [module's documentation](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// None is empty.
    portions: Vec<Arc<Vec<Entry>>>,
}

impl Store {
    /// Where a key is, or belongs.
    fn portion(&self, key: &Key) -> usize {
        self.portions.partition_point(|portion| portion[0].key <= *key).saturating_sub(1)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        let portion = self.portions.get(self.portion(key))?;
        let place = portion.binary_search_by(|entry| entry.key.cmp(key)).ok()?;
        Some(&portion[place].value)
    }

    /// Writes a version; that with the greatest stamp stays.
    pub(crate) fn write(&mut self, key: &Key, stamp: &Stamp, value: &Value) {
        let number = self.portion(key);
        let entry = || Entry { key: key.clone(), stamp: stamp.clone(), value: value.clone() };
        let Some(portion) = self.portions.get_mut(number) else {
            return self.portions.push(Arc::new(vec![entry()]));
        };
        match portion.binary_search_by(|entry| entry.key.cmp(key)) {
            Ok(place) if portion[place].stamp >= *stamp => {}
            Ok(place) => Arc::make_mut(portion)[place] = entry(),
            Err(place) => {
                let portion = Arc::make_mut(portion);
                portion.insert(place, entry());
                if portion.len() > MOST {
                    let rest = portion.split_off(MOST / 2);
                    self.portions.insert(number + 1, Arc::new(rest));
                }
            }
        }
    }

    /// All of them, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Value, &Stamp)> {
        let entries = self.portions.iter().flat_map(|portion| portion.iter());
        entries.map(|entry| (&entry.key, &entry.value, &entry.stamp))
    }

    /// The same, portion by portion.
    pub(crate) fn into_portions<T>(
        self,
        of: impl Fn(&Key, &Value, &Stamp) -> T + Send + 'static,
    ) -> impl Iterator<Item = Vec<T>> + Send + 'static {
        self.portions.into_iter().map(move |portion| {
            portion.iter().map(|entry| of(&entry.key, &entry.value, &entry.stamp)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::vector::Incarnation;

    fn json(number: u64) -> Value {
        serde_json::from_str(&number.to_string()).unwrap()
    }

    fn write(store: &mut Store, key: u64, time: u64) {
        let stamp = Stamp { time, incarnation: Incarnation::new("n0", 1) };
        store.write(&Key::new(&json(key)).unwrap(), &stamp, &json(time));
    }

    fn contents(store: &Store) -> Vec<(String, u64)> {
        store.iter().map(|(key, _, stamp)| (key.text().to_owned(), stamp.time)).collect()
    }

    #[test]
    fn it_is_an_ordered_map_in_which_the_latest_stays() {
        let (mut store, mut model) = (Store::default(), BTreeMap::new());
        for step in 0..20_000_u64 {
            let (key, time) = (step * 7919 % 3001, step * 104_729 % 20_011 + 1);
            write(&mut store, key, time);
            let latest = model.entry(key.to_string()).or_insert(time);
            *latest = time.max(*latest);
        }
        assert_eq!(contents(&store), model.clone().into_iter().collect::<Vec<_>>());
        for (key, time) in model {
            let key = Key::new(&serde_json::from_str(&key).unwrap()).unwrap();
            assert_eq!(store.get(&key).unwrap().text(), time.to_string());
        }
        assert!(store.get(&Key::new(&json(9_999)).unwrap()).is_none());
        assert!(store.portions.iter().all(|portion| (1..=MOST).contains(&portion.len())));
    }

    #[test]
    fn a_copy_stays_as_it_was_and_shares_what_was_not_changed() {
        let mut store = Store::default();
        (0..5_000).for_each(|key| write(&mut store, key, 1));
        let (copy, before) = (store.clone(), contents(&store));
        write(&mut store, 17, 2);
        write(&mut store, 9_999, 2);
        assert_eq!(contents(&copy), before);
        assert_eq!(contents(&store).len(), 5_001);
        let is_shared = |portion| copy.portions.iter().any(|other| Arc::ptr_eq(portion, other));
        let own = store.portions.iter().filter(|portion| !is_shared(portion)).count();
        assert!((1..=3).contains(&own), "{own}");
    }
}
