//! Whether what clients saw is read atomic and causally consistent.
//!
//! Deliberately dumb: every transaction's past is written out in full, and
//! every read compared with every write in it. All written values differ, so a
//! value tells who wrote it.

use std::collections::{BTreeMap, BTreeSet};

use crate::vector::Stamp;

/// A transaction as its client saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Whose: its transactions see one another.
    pub(super) session: usize,
    /// The order of concurrent writes; of a transaction that wrote.
    pub(super) stamp: Option<Stamp>,
    /// Key and value read, `None` if there was none; without reads of what the
    /// transaction wrote itself.
    pub(super) reads: Vec<(u64, Option<u64>)>,
    /// The last write to each key.
    pub(super) writes: BTreeMap<u64, u64>,
}

/// Says what is wrong with a history, if something is. Transactions are in the
/// order in which they ran.
pub(super) fn check(history: &[Seen]) -> Result<(), String> {
    let mut writer: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    let mut pasts: Vec<BTreeSet<usize>> = Vec::new();
    for (index, seen) in history.iter().enumerate() {
        let mut direct: Vec<usize> = last.get(&seen.session).copied().into_iter().collect();
        for (key, value) in &seen.reads {
            let Some(value) = value else { continue };
            let Some(&by) = writer.get(value) else {
                return Err(format!("transaction {index} read {value}, which nobody wrote"));
            };
            if history[by].writes.get(key) != Some(value) {
                return Err(format!("transaction {index} read {value} at another key, {key}"));
            }
            direct.push(by);
        }
        let mut past = BTreeSet::new();
        for before in direct {
            past.insert(before);
            past.extend(&pasts[before]);
        }
        check_stamp(history, index, &past)?;
        for &(key, value) in &seen.reads {
            let by = value.map(|value| writer[&value]);
            check_read(history, index, key, by, &past, &pasts)?;
        }
        writer.extend(seen.writes.values().map(|&value| (value, index)));
        last.insert(seen.session, index);
        pasts.push(past);
    }
    Ok(())
}

/// Write order must agree with the order of cause and effect.
fn check_stamp(history: &[Seen], index: usize, past: &BTreeSet<usize>) -> Result<(), String> {
    let Some(stamp) = &history[index].stamp else { return Ok(()) };
    let later = past.iter().find(|&&before| history[before].stamp.as_ref() >= Some(stamp));
    later.map_or(Ok(()), |before| {
        Err(format!("transaction {index} saw {before}, and is ordered before it"))
    })
}

/// A read must not return what something in the transaction's past replaced.
fn check_read(
    history: &[Seen],
    index: usize,
    key: u64,
    by: Option<usize>,
    past: &BTreeSet<usize>,
    pasts: &[BTreeSet<usize>],
) -> Result<(), String> {
    for &other in past.iter().filter(|&&other| history[other].writes.contains_key(&key)) {
        let replaced = match by {
            None => true,
            Some(by) => pasts[other].contains(&by) || history[other].stamp > history[by].stamp,
        };
        if replaced && by != Some(other) {
            return Err(format!(
                "transaction {index} read {key} as of {by:?}, though {other} is in its past"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Origin;

    /// `"1 r2=3 w4=5"`: session 1 read 3 at key 2 and wrote 5 to key 4. The
    /// stamps are as the transactions stand, unless `@` says otherwise.
    fn history(lines: &[&str]) -> Vec<Seen> {
        let seen = |(index, line): (usize, &&str)| {
            let mut words = line.split(' ');
            let session = words.next().unwrap().parse().unwrap();
            let mut time = index as u64 + 1;
            let (mut reads, mut writes) = (Vec::new(), BTreeMap::new());
            for word in words {
                let (kind, rest) = word.split_at(1);
                if kind == "@" {
                    time = rest.parse().unwrap();
                    continue;
                }
                let (key, value) = rest.split_once('=').unwrap();
                let (key, value) = (key.parse().unwrap(), value.parse().ok());
                match kind {
                    "r" => reads.push((key, value)),
                    _ => drop(writes.insert(key, value.unwrap())),
                }
            }
            let stamp = Stamp { time, origin: Origin::new("n", session as u64) };
            Seen { session, stamp: (!writes.is_empty()).then_some(stamp), reads, writes }
        };
        lines.iter().enumerate().map(seen).collect()
    }

    #[test]
    fn stale_and_concurrent_reads_are_fine() {
        check(&history(&["0 w1=1", "1 r1=_", "1 r1=1 w1=2", "0 r1=1", "2 r1=_ r2=_"])).unwrap();
        let lost_update = ["0 w1=1", "1 r1=1 w1=2", "2 r1=1 w1=3", "1 r1=3", "2 r1=3"];
        check(&history(&lost_update)).unwrap();
        check(&history(&["0 r2=_ w1=1", "1 r1=_ w2=2", "2 r1=1 r2=_", "3 r1=_ r2=2"])).unwrap();
    }

    #[test]
    fn violations_are_found() {
        let violations: [(&str, &[&str]); 8] = [
            ("out of thin air", &["0 r1=7"]),
            ("own write", &["0 w1=1", "0 r1=_"]),
            ("monotonic reads", &["0 w1=1", "1 r1=1", "1 r1=_"]),
            ("half a transaction", &["0 w1=1 w2=2", "1 r1=1 r2=_"]),
            (
                "an older version beside a newer one",
                &["0 w1=1 w2=2", "1 w2=3 @9", "2 r2=3", "2 r2=2"],
            ),
            ("effect without cause", &["0 w1=1", "1 r1=1 w2=2", "2 r2=2 r1=_"]),
            ("effect ordered before cause", &["0 w1=1 @5", "1 r1=1 w2=2 @4"]),
            ("replaced by its own reader", &["0 w1=1", "1 r1=1 w1=2", "1 r1=1"]),
        ];
        for (name, lines) in violations {
            assert!(check(&history(lines)).is_err(), "{name}");
        }
    }
}
