//! Which messages a poll is answered with: those from its offsets on that fit on a page.
//!
//! A page is limited by its bytes on the wire alone. So how many polls a client needs
//! to read a log depends on how large the log is, not on how small its messages are: a
//! page has some 70,000 messages of a few digits each.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::polled::Page;
use crate::replica::Replica;
use crate::snapshot::Part;

/// A page has at most so many bytes, unless its only message alone has more.
const BYTES: usize = 1024 * 1024;
/// So many parts are read at a time for one poll, about.
const PARTS: usize = 16;

/// The messages that may be shown from these offsets on, as many as fit. Keys
/// are filled one after another, so a client that goes on from where each key
/// ended gets to see them all.
///
/// If some of them are in parts of snapshots that were not read yet: those parts.
pub(crate) fn page(
    replica: &Replica,
    offsets: &BTreeMap<String, u64>,
) -> serde_json::Result<Result<Box<RawValue>, Vec<Part>>> {
    let mut page = Page::new(BYTES);
    let mut missing = Vec::new();
    for (key, &offset) in offsets {
        let fits = page.fill(key, replica.stable(key, offset))?;
        if !fits || missing.len() >= PARTS {
            break;
        }
        missing.extend(replica.missing(key, offset));
    }
    if missing.is_empty() { RawValue::from_string(page.finish()).map(Ok) } else { Ok(Err(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::segment::Segment;

    fn replica(messages: &[(&str, &[&str])]) -> Replica {
        let mut replica = Replica::new(1, Options::default());
        for (index, (key, texts)) in messages.iter().enumerate() {
            let raw: Vec<Box<RawValue>> =
                texts.iter().map(|&text| RawValue::from_string(text.to_owned()).unwrap()).collect();
            let numbered = raw.iter().map(|raw| (replica.next_offset(0, key), &**raw)).collect();
            let sends = BTreeMap::from([((*key).into(), numbered)]);
            let seen = vec![index as u64 + 1];
            replica.apply(0, &Segment { seen, sends, ..Segment::default() }).unwrap();
        }
        replica
    }

    fn poll(replica: &Replica, offsets: &[(&str, u64)]) -> String {
        let offsets = offsets.iter().map(|&(key, offset)| (key.to_owned(), offset)).collect();
        page(replica, &offsets).unwrap().unwrap().get().to_owned()
    }

    #[test]
    fn a_page_begins_at_the_offset_and_leaves_out_keys_without_messages() {
        let replica = replica(&[("a", &["1", "{\"x\":2.0}", "3"]), ("b\"", &["null"])]);
        assert_eq!(
            poll(&replica, &[("a", 1), ("b\"", 0)]),
            r#"{"a":[[1,{"x":2.0}],[2,3]],"b\"":[[0,null]]}"#
        );
        assert_eq!(poll(&replica, &[("a", 3), ("c", 0)]), "{}");
        assert_eq!(poll(&replica, &[]), "{}");
    }

    #[test]
    fn small_messages_are_limited_by_their_bytes_not_their_number() {
        let many = vec!["1"; 150_000];
        let replica = replica(&[("a", &many), ("b", &["2"])]);
        let first = poll(&replica, &[("a", 0), ("b", 0)]);
        assert!(first.len() <= BYTES + 2 && first.len() > BYTES - 20, "{}", first.len());
        let count = first.matches('[').count() - 1;
        assert!(count > 80_000 && !first.contains('b'), "{count} messages");
        let rest = poll(&replica, &[("a", count as u64), ("b", 0)]);
        assert_eq!(rest.matches('[').count() - 3, many.len() - count);
        assert!(rest.ends_with(r#"[149999,1]],"b":[[0,2]]}"#));
    }

    #[test]
    fn pages_are_bounded_in_bytes_but_a_large_message_is_passed_on() {
        let large = format!("\"{}\"", "x".repeat(2 * BYTES));
        let half = format!("\"{}\"", "y".repeat(BYTES / 2));
        let replica = replica(&[("a", &["1", &large, &half, &half, "5"])]);
        let count = |from| poll(&replica, &[("a", from)]).matches('[').count() - 1;
        assert_eq!(count(0), 1, "the large one does not fit");
        assert_eq!(count(1), 1, "nothing fits beside the large one");
        assert_eq!(count(2), 1, "no two halves");
        assert_eq!(count(3), 2);
    }
}
