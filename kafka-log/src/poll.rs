//! A page of messages, written as the JSON text that it is on the wire.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::replica::Replica;

/// A page has at most so many messages …
const MESSAGES: usize = 4096;
/// … and so many bytes, unless its only message alone has more.
const BYTES: usize = 1024 * 1024;

/// The messages that may be shown from these offsets on, as many as fit. Keys
/// are filled one after another, so a client that goes on from where each key
/// ended gets to see them all.
pub(crate) fn page(
    replica: &Replica,
    offsets: &BTreeMap<String, u64>,
) -> serde_json::Result<Box<RawValue>> {
    let mut room = Room { messages: MESSAGES, bytes: BYTES };
    let mut page = String::from("{");
    for (key, &offset) in offsets {
        let mut separator = None;
        for (offset, message) in replica.stable(key, offset) {
            if !room.take(message) {
                break;
            }
            match separator {
                None => {
                    page += if page.len() > 1 { "," } else { "" };
                    page += &serde_json::to_string(key)?;
                    page += ":[";
                }
                Some(comma) => page += comma,
            }
            separator = Some(",");
            page += &format!("[{offset},{message}]");
        }
        if separator.is_some() {
            page.push(']');
        }
    }
    page.push('}');
    RawValue::from_string(page)
}

/// What still fits on a page.
struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    /// Whether the message fits, and has been given its place. The first one
    /// always does; after one that does not, none does.
    fn take(&mut self, message: &str) -> bool {
        let first = self.messages == MESSAGES;
        let fits = first || (self.messages > 0 && message.len() <= self.bytes);
        self.bytes = if fits { self.bytes.saturating_sub(message.len()) } else { 0 };
        self.messages = if fits { self.messages - 1 } else { 0 };
        fits
    }
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
        page(replica, &offsets).unwrap().get().to_owned()
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
    fn pages_are_bounded_in_messages() {
        let many = vec!["1"; MESSAGES + 1];
        let replica = replica(&[("a", &many), ("b", &["2"])]);
        let first = poll(&replica, &[("a", 0), ("b", 0)]);
        assert_eq!(first.matches('[').count(), MESSAGES + 1);
        assert!(!first.contains('b'));
        let rest = poll(&replica, &[("a", MESSAGES as u64), ("b", 0)]);
        assert_eq!(rest, format!(r#"{{"a":[[{MESSAGES},1]],"b":[[0,2]]}}"#));
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
