//! The trace as it is, line by line.

use std::io::{self, BufRead, Write};

use rustc_hash::FxHashSet;
use serde::Deserialize;
use simulator::Address;
use simulator::trace::Trace;

use super::{Selection, finish};

/// What a line is about.
#[derive(Deserialize)]
struct Line<'a> {
    time: i64,
    event: &'a str,
    id: Option<u64>,
    src: Option<&'a str>,
    dest: Option<&'a str>,
    node: Option<&'a str>,
}

/// Copies the lines of a trace that is in this file as well as read.
pub(crate) fn write(
    mut output: impl Write,
    file: impl BufRead,
    trace: &Trace,
    selection: &Selection,
) -> io::Result<()> {
    let messages = trace.messages.iter().filter(|sent| selection.has(sent));
    let ids: FxHashSet<u64> = messages.map(|sent| sent.id).collect();
    for line in file.lines().take_while(Result::is_ok) {
        let line = line?;
        let is_wanted = serde_json::from_str::<Line<'_>>(&line).is_ok_and(|of| {
            let is_of = |name: Option<&str>| {
                name.and_then(Address::parse).is_some_and(|node| selection.has_node(node))
            };
            match (of.event, of.id) {
                ("late", _) => selection.has_time(of.time) && (is_of(of.src) || is_of(of.dest)),
                (_, Some(id)) => ids.contains(&id),
                _ => selection.has_time(of.time) && (of.node.is_none() || is_of(of.node)),
            }
        });
        if is_wanted {
            writeln!(output, "{line}")?;
        }
    }
    finish(output, "")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, LINES, small};
    use super::*;

    fn lines(selection: &Selection) -> String {
        let mut output = Vec::new();
        write(&mut output, LINES.as_bytes(), &small(), selection).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_whole_trace_is_as_it_was() {
        assert_eq!(lines(&ALL), LINES);
    }

    #[test]
    fn a_part_has_what_became_of_its_messages() {
        let part = lines(&Selection { from: 3_000_000, to: 3_000_000, ..ALL });
        let events: Vec<&str> = part.lines().map(|line| line.split('"').nth(5).unwrap()).collect();
        assert_eq!(events, ["send", "send", "fault", "recv", "drop", "recv"]);
        let part = lines(&Selection { nodes: vec![Address::Node(2)], ..ALL });
        assert!(!part.contains(r#""id":0"#) && part.contains(r#""id":2,"by""#), "{part}");
        assert!(part.contains("log") && !part.contains("ready"), "{part}");
    }
}
