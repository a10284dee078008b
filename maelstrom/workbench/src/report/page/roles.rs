//! Who led in which term, from what nodes log.
//!
//! A node of any language that elects leaders may log what it is, each time that it changes: a
//! line with the words `role=leader` and `term=5` in it, in any order, among any others. What
//! stands behind `role=` may also be `follower`, `candidate` or another word, and in quotes. It
//! holds until the node's next such line, or until it is killed or ends.

use simulator::trace::Trace;

/// What a node is in a term, from when to when, in nanoseconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held<'a> {
    pub node: usize,
    pub role: &'a str,
    pub term: u64,
    pub from: i64,
    /// `None` if it lasted to the end of the run.
    pub until: Option<i64>,
}

/// All spells by when they began.
pub(super) fn spells(trace: &Trace) -> Vec<Held<'_>> {
    let ends = trace.nodes.iter().filter(|of| matches!(&*of.event, "start" | "kill" | "exit"));
    let ends = ends.map(|of| (of.time, of.node, None));
    let told = trace.logs.iter().filter_map(|of| Some((of.time, of.node, Some(told(&of.line)?))));
    let mut changes: Vec<_> = ends.chain(told).collect();
    changes.sort_by_key(|(time, ..)| *time);
    let nodes = changes.iter().map(|(_, node, _)| node + 1).max().unwrap_or(0);
    let (mut spells, mut open): (Vec<Held<'_>>, _) = (Vec::new(), vec![None; nodes]);
    for (time, node, told) in changes {
        let current = open[node].map(|place: usize| &mut spells[place]);
        if current.as_ref().is_some_and(|spell| Some((spell.role, spell.term)) == told) {
            continue;
        }
        if let Some(spell) = current {
            spell.until = Some(time);
        }
        open[node] = told.map(|_| spells.len());
        spells.extend(told.map(|(role, term)| Held { node, role, term, from: time, until: None }));
    }
    spells
}

/// The role and the term that a line tells.
fn told(line: &str) -> Option<(&str, u64)> {
    let value = |name: &str| {
        let mut words = line.split(|c: char| c.is_whitespace() || c == ',');
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"'))
    };
    let role = value("role").filter(|role| !role.is_empty())?;
    Some((role, value("term")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_line_tells_a_role_if_it_has_both_words() {
        assert_eq!(told("role=leader term=5"), Some(("leader", 5)));
        let tracing = r#"2026-01-01T00:00:00Z  INFO node{id=n0}: raft::role: role=follower term=7"#;
        assert_eq!(told(tracing), Some(("follower", 7)));
        assert_eq!(
            told(r#"level=info term="9", votes=2, role="candidate""#),
            Some(("candidate", 9))
        );
        let none = ["role=leader", "term=5", "role= term=5", "role=leader term=soon", "a role=b"];
        assert_eq!(none.map(told), [None; 5]);
    }

    #[test]
    fn nodes_in_virtual_time_tell_their_roles_as_processes_do() {
        use simulator::{Simulation, Workload};
        let run = {
            let node = || lin_kv::node(raft::Options::default());
            Simulation::new(Workload::LinKv, node).nodes(3).clients(6).seconds(2).traced().run()
        };
        let trace = Trace::read(run.trace.as_bytes()).unwrap();
        let spells = spells(&trace);
        assert!(spells.iter().any(|spell| spell.role == "leader"), "{spells:?}");
        assert_eq!(spells.iter().map(|spell| spell.node).collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn a_role_holds_until_the_next_one_or_until_the_node_is_killed() {
        let lines = [
            r#"{"time":1,"event":"start","node":"n0"}"#,
            r#"{"time":2,"event":"log","node":"n0","line":"role=leader term=1"}"#,
            r#"{"time":3,"event":"log","node":"n1","line":"role=follower term=1"}"#,
            r#"{"time":4,"event":"log","node":"n0","line":"role=leader term=1"}"#,
            r#"{"time":5,"event":"kill","node":"n0"}"#,
            r#"{"time":6,"event":"log","node":"n1","line":"role=leader term=2"}"#,
        ];
        let trace = Trace::read(format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
        let spell = |node, role, term, from, until| Held { node, role, term, from, until };
        let expected = [
            spell(0, "leader", 1, 2, Some(5)),
            spell(1, "follower", 1, 3, Some(6)),
            spell(1, "leader", 2, 6, None),
        ];
        assert_eq!(spells(&trace), expected);
    }
}
