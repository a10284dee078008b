//! The challenges, with their flags and limits: the one place where they stand.
//!
//! Parameters and limits are those of [Gossip Glomers][challenges]; `raft-3` and `raft-5` are
//! extras.
//!
//! [challenges]: https://fly.io/dist-sys/

/// A challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `3c`, for instance.
    pub id: &'static str,
    /// The program that solves it.
    pub node: &'static str,
    /// Flags of the test command, the original's and ours alike.
    pub flags: &'static str,
    /// Limits beyond a valid verdict, as `--limits` takes them; may be empty.
    pub limits: &'static str,
}

const fn challenge(
    id: &'static str,
    node: &'static str,
    flags: &'static str,
    limits: &'static str,
) -> Challenge {
    Challenge { id, node, flags, limits }
}

/// All challenges that there are nodes for, in order.
pub const CHALLENGES: &[Challenge] = &[
    challenge("1", "echo", "-w echo --node-count 1 --time-limit 10", ""),
    challenge(
        "2",
        "unique-ids",
        "-w unique-ids --node-count 3 --time-limit 30 --rate 1000 --availability total \
         --nemesis partition",
        "",
    ),
    challenge("3a", "broadcast", "-w broadcast --node-count 1 --time-limit 20 --rate 10", ""),
    challenge("3b", "broadcast", "-w broadcast --node-count 5 --time-limit 20 --rate 10", ""),
    challenge(
        "3c",
        "broadcast",
        "-w broadcast --node-count 5 --time-limit 20 --rate 10 --nemesis partition",
        "",
    ),
    challenge(
        "3d",
        "broadcast",
        "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100",
        "msgs-per-op<30,stable-median<400,stable-max<600",
    ),
    challenge(
        "3e",
        "broadcast",
        "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100",
        "msgs-per-op<20,stable-median<1000,stable-max<2000",
    ),
    challenge(
        "4",
        "g-counter",
        "-w g-counter --node-count 3 --rate 100 --time-limit 20 --nemesis partition",
        "",
    ),
    challenge(
        "5a",
        "kafka-log",
        "-w kafka --node-count 1 --concurrency 2n --time-limit 20 --rate 1000",
        "",
    ),
    challenge(
        "5b",
        "kafka-log",
        "-w kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000",
        "",
    ),
    challenge(
        "5c",
        "kafka-log",
        "-w kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000",
        "",
    ),
    challenge(
        "6a",
        "txn-kv",
        "-w txn-rw-register --node-count 1 --time-limit 20 --rate 1000 --concurrency 2n \
         --consistency-models read-uncommitted --availability total",
        "",
    ),
    challenge(
        "6b",
        "txn-kv",
        "-w txn-rw-register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 \
         --consistency-models read-uncommitted --availability total --nemesis partition",
        "",
    ),
    challenge(
        "6c",
        "txn-kv",
        "-w txn-rw-register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 \
         --consistency-models read-committed --availability total --nemesis partition",
        "",
    ),
    challenge(
        "raft-3",
        "lin-kv",
        "-w lin-kv --node-count 3 --concurrency 2n --time-limit 20 --rate 100 --nemesis partition",
        "",
    ),
    challenge(
        "raft-5",
        "lin-kv",
        "-w lin-kv --node-count 5 --concurrency 2n --time-limit 20 --rate 100 --nemesis partition",
        "",
    ),
];

impl Challenge {
    /// The challenge of that name.
    pub fn find(id: &str) -> Option<&'static Self> {
        CHALLENGES.iter().find(|challenge| challenge.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_found_by_their_names_and_no_two_share_one() {
        for challenge in CHALLENGES {
            assert_eq!(Challenge::find(challenge.id), Some(challenge));
        }
        assert_eq!(Challenge::find("3z"), None);
    }
}
