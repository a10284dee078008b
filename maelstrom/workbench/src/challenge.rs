//! The challenges, with their flags and limits: the one place where they stand.
//!
//! Parameters and limits are those of [Gossip Glomers][challenges]; `raft-3` and `raft-5` are
//! extras.
//!
//! [challenges]: https://fly.io/dist-sys/

use crate::report::limits::Limit;

/// A challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `3c`, for instance.
    pub id: &'static str,
    /// The program of this workspace that solves it.
    pub node: &'static str,
    /// Its name on the site.
    pub title: &'static str,
    /// What is asked for, in a sentence or two.
    pub task: &'static str,
    /// Flags of the test command, the original's and ours alike.
    pub flags: &'static str,
    /// Limits beyond a valid verdict, as `--limits` takes them; may be empty.
    pub limits: &'static str,
}

const fn challenge(
    id: &'static str,
    node: &'static str,
    [title, task]: [&'static str; 2],
    flags: &'static str,
    limits: &'static str,
) -> Challenge {
    Challenge { id, node, title, task, flags, limits }
}

impl Challenge {
    /// All that there are nodes for, in order.
    pub const ALL: &[Self] = &[
        challenge(
            "1",
            "echo",
            ["Echo", "A node answers `echo` with what it was sent."],
            "-w echo --node-count 1 --time-limit 10",
            "",
        ),
        challenge(
            "2",
            "unique-ids",
            [
                "Unique ID Generation",
                "No id is given twice, and every request is answered, partitions or not.",
            ],
            "-w unique-ids --node-count 3 --time-limit 30 --rate 1000 --availability total \
             --nemesis partition",
            "",
        ),
        challenge(
            "3a",
            "broadcast",
            [
                "Single-Node Broadcast",
                "A node remembers every value that it is sent, and shows all of them.",
            ],
            "-w broadcast --node-count 1 --time-limit 20 --rate 10",
            "",
        ),
        challenge(
            "3b",
            "broadcast",
            ["Multi-Node Broadcast", "Every value reaches every node in the end."],
            "-w broadcast --node-count 5 --time-limit 20 --rate 10",
            "",
        ),
        challenge(
            "3c",
            "broadcast",
            [
                "Fault Tolerant Broadcast",
                "Every value reaches every node in the end, though the network is cut now and then.",
            ],
            "-w broadcast --node-count 5 --time-limit 20 --rate 10 --nemesis partition",
            "",
        ),
        challenge(
            "3d",
            "broadcast",
            [
                "Efficient Broadcast, Part I",
                "Every value reaches 25 nodes that are 100 ms apart, soon and with few messages.",
            ],
            "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100",
            "msgs-per-op<30,stable-median<400,stable-max<600",
        ),
        challenge(
            "3e",
            "broadcast",
            [
                "Efficient Broadcast, Part II",
                "As 3d, with fewer messages, for which it may take longer.",
            ],
            "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100",
            "msgs-per-op<20,stable-median<1000,stable-max<2000",
        ),
        challenge(
            "4",
            "g-counter",
            [
                "Grow-Only Counter",
                "In the end every node shows the sum of all that was added, partitions or not. The service `seq-kv` may be used.",
            ],
            "-w g-counter --node-count 3 --rate 100 --time-limit 20 --nemesis partition",
            "",
        ),
        challenge(
            "5a",
            "kafka-log",
            [
                "Single-Node Kafka-Style Log",
                "Messages get offsets in the log of their key. None is lost, and a poll skips none.",
            ],
            "-w kafka --node-count 1 --concurrency 2n --time-limit 20 --rate 1000",
            "",
        ),
        challenge(
            "5b",
            "kafka-log",
            [
                "Multi-Node Kafka-Style Log",
                "As 5a, with two nodes. The service `lin-kv` may be used.",
            ],
            "-w kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000",
            "",
        ),
        challenge(
            "5c",
            "kafka-log",
            [
                "Efficient Kafka-Style Log",
                "As 5b, with fewer messages and shorter latencies; the site names no limit.",
            ],
            "-w kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000",
            "",
        ),
        challenge(
            "6a",
            "txn-kv",
            [
                "Single-Node, Totally-Available Transactions",
                "A node executes transactions of reads and writes, and refuses none.",
            ],
            "-w txn-rw-register --node-count 1 --time-limit 20 --rate 1000 --concurrency 2n \
             --consistency-models read-uncommitted --availability total",
            "",
        ),
        challenge(
            "6b",
            "txn-kv",
            [
                "Totally-Available, Read Uncommitted Transactions",
                "As 6a, with two nodes, partitions or not: writes of two transactions do not mix.",
            ],
            "-w txn-rw-register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 \
             --consistency-models read-uncommitted --availability total --nemesis partition",
            "",
        ),
        challenge(
            "6c",
            "txn-kv",
            [
                "Totally-Available, Read Committed Transactions",
                "As 6b, and nobody reads what was not committed.",
            ],
            "-w txn-rw-register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 \
             --consistency-models read-committed --availability total --nemesis partition",
            "",
        ),
        challenge(
            "raft-3",
            "lin-kv",
            [
                "Raft, three nodes",
                "An extra: a key-value store of three nodes is linearizable, partitions or not.",
            ],
            "-w lin-kv --node-count 3 --concurrency 2n --time-limit 20 --rate 100 --nemesis partition",
            "",
        ),
        challenge(
            "raft-5",
            "lin-kv",
            ["Raft, five nodes", "As raft-3, with five nodes."],
            "-w lin-kv --node-count 5 --concurrency 2n --time-limit 20 --rate 100 --nemesis partition",
            "",
        ),
    ];

    /// The names of groups of challenges.
    pub(crate) const GROUPS: [&str; 4] = ["3", "5", "6", "raft"];

    /// The challenge of that name.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|challenge| challenge.id == id)
    }

    /// Its limits, one by one.
    pub(crate) fn limits(&self) -> impl Iterator<Item = Limit> {
        self.limits.split(',').filter_map(|limit| limit.parse().ok())
    }

    /// Whether it is no extra, but one of Gossip Glomers.
    pub(crate) fn is_of_gossip_glomers(&self) -> bool {
        self.id.starts_with(|first: char| first.is_ascii_digit())
    }

    /// The challenges of that name: one (`3d`), those of a group (`3`, `raft`), or `all` of
    /// Gossip Glomers. None, if it names none.
    pub(crate) fn select(name: &str) -> Vec<&'static Self> {
        let is_in_group = |challenge: &&Self| {
            let rest = challenge.id.strip_prefix(name);
            rest.is_some_and(|rest| rest.len() == 1 || rest.starts_with('-'))
        };
        match Self::find(name) {
            Some(challenge) => vec![challenge],
            None if name == "all" => {
                Self::ALL.iter().filter(|it| it.is_of_gossip_glomers()).collect()
            }
            None if name.is_empty() => Vec::new(),
            None => Self::ALL.iter().filter(is_in_group).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_found_by_their_names_and_no_two_share_one() {
        for challenge in Challenge::ALL {
            assert_eq!(Challenge::find(challenge.id), Some(challenge));
        }
        assert_eq!(Challenge::find("3z"), None);
    }

    #[test]
    fn every_group_has_challenges_and_every_challenge_with_siblings_is_in_one() {
        let of_groups: Vec<_> =
            Challenge::GROUPS.iter().flat_map(|name| Challenge::select(name)).collect();
        let is_alone = |it: &&Challenge| ["1", "2", "4"].contains(&it.id);
        let others: Vec<_> = Challenge::ALL.iter().filter(|it| !is_alone(it)).collect();
        assert_eq!(of_groups, others);
    }

    #[test]
    fn a_name_selects_a_challenge_a_group_or_all_of_the_site() {
        let ids = |name: &str| Challenge::select(name).iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(ids("3d"), ["3d"]);
        assert_eq!(ids("1"), ["1"]);
        assert_eq!(ids("3"), ["3a", "3b", "3c", "3d", "3e"]);
        assert_eq!(ids("raft"), ["raft-3", "raft-5"]);
        assert_eq!((ids("all").len(), ids("all")[13]), (14, "6c"));
        for name in ["", "7", "3z", "3dd", "ra", "-"] {
            assert_eq!(ids(name), [""; 0], "{name}");
        }
    }
}
