//! A run for other programs to show.
//!
//! - [`lamport`]: a picture like the original's `messages.svg`.
//! - [`shiviz`]: a log with vector clocks, for ShiViz.
//! - [`chrome`]: Chrome's trace events, for Perfetto.
//! - [`lines`]: the trace as it is.

mod chrome;
mod lamport;
mod lines;
mod shiviz;

use std::io::{self, Write};

use simulator::Address;
use simulator::trace::{Fate, Moment, Sent, Trace};

pub(crate) use self::chrome::write as chrome;
pub(crate) use self::lamport::write as lamport;
pub(crate) use self::lines::write as lines;
pub(crate) use self::shiviz::write as shiviz;

/// Which part of a run.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Whose messages; everybody's, if nobody is named.
    pub nodes: Vec<Address>,
    /// Nothing before this time.
    pub from: i64,
    /// And nothing after this one.
    pub to: i64,
}

impl Selection {
    fn has_time(&self, time: i64) -> bool {
        self.from <= time && time <= self.to
    }

    fn has_node(&self, node: Address) -> bool {
        self.nodes.is_empty() || self.nodes.contains(&node)
    }

    /// Of a message, the sending decides.
    pub(crate) fn has(&self, sent: &Sent) -> bool {
        self.has_time(sent.time) && (self.has_node(sent.src) || self.has_node(sent.dest))
    }

    /// How many messages it has.
    pub(crate) fn count(&self, trace: &Trace) -> usize {
        trace.messages.iter().filter(|sent| self.has(sent)).count()
    }

    fn has_moment(&self, trace: &Trace, time: i64, moment: Moment) -> bool {
        match moment {
            Moment::Sent(place) | Moment::Received(place) | Moment::Dropped(place) => {
                self.has(&trace.messages[place])
            }
            Moment::Late(place) => self.has(&trace.late[place]),
            Moment::Node(place) => {
                self.has_time(time) && self.has_node(Address::Node(trace.nodes[place].node))
            }
            Moment::Log(place) => {
                self.has_time(time) && self.has_node(Address::Node(trace.logs[place].node))
            }
            Moment::Fault(_) | Moment::FaultEnd(_) => self.has_time(time),
        }
    }

    /// What happened in this part, in order.
    fn moments(&self, trace: &Trace) -> Vec<(i64, Moment)> {
        let all = trace.order.iter().copied();
        all.filter(|(time, moment)| self.has_moment(trace, *time, *moment)).collect()
    }
}

/// What became of a message, in words.
fn fate(sent: &Sent) -> String {
    match sent.fate() {
        Fate::Received(_) if sent.receipts.len() > 1 => {
            format!("received {} times", sent.receipts.len())
        }
        Fate::Received(time) => format!("received at {}", seconds(time)),
        Fate::Dropped(time, cause) => format!("dropped at {} by {}", seconds(time), cause.name()),
        Fate::Unread => "never received".to_owned(),
    }
}

fn seconds(time: i64) -> String {
    format!("{:.3} s", time as f64 / 1e9)
}

/// Text that is to stand on a line.
fn printable(text: &str) -> String {
    text.chars().map(|char| if is_printable(char) { char } else { '·' }).collect()
}

/// XML has no way to say the others.
fn is_printable(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{fffe}' | '\u{ffff}')
}

/// Ends a file.
fn finish(mut output: impl Write, end: &str) -> io::Result<()> {
    output.write_all(end.as_bytes())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ALL: Selection = Selection { nodes: Vec::new(), from: i64::MIN, to: i64::MAX };

    /// A request that n0 tells n1, which gets it twice and tells n2; the partition drops
    /// what n0 tells n2. Several things happen at one time.
    pub(super) const LINES: &str = concat!(
        r#"{"time":-1000000,"event":"start","node":"n0"}"#,
        "\n",
        r#"{"time":2000000,"event":"send","id":0,"src":"c3","dest":"n0","op":0,"body":{"type":"add","value":7,"msg_id":1}}"#,
        "\n",
        r#"{"time":2000000,"event":"recv","id":0}"#,
        "\n",
        r#"{"time":3000000,"event":"send","id":1,"src":"n0","dest":"n1","body":{"type":"gossip","value":7}}"#,
        "\n",
        r#"{"time":3000000,"event":"send","id":2,"src":"n0","dest":"n2","body":{"type":"gossip","value":7}}"#,
        "\n",
        r#"{"time":3000000,"event":"fault","fault":"partition","links":[["n0","n2"]]}"#,
        "\n",
        r#"{"time":4000000,"event":"recv","id":1}"#,
        "\n",
        r#"{"time":4000000,"event":"send","id":3,"src":"n1","dest":"n2","body":{"type":"gossip","value":7}}"#,
        "\n",
        r#"{"time":4000000,"event":"recv","id":3}"#,
        "\n",
        r#"{"time":5000000,"event":"drop","id":2,"by":"partition"}"#,
        "\n",
        r#"{"time":5000000,"event":"recv","id":1}"#,
        "\n",
        r#"{"time":6000000,"event":"fault-end","fault":"partition"}"#,
        "\n",
        r#"{"time":6000000,"event":"log","node":"n2","line":"a\u0007b <&>"}"#,
        "\n",
        r#"{"time":7000000,"event":"send","id":4,"src":"n0","dest":"c3","body":{"type":"add_ok","in_reply_to":1}}"#,
        "\n",
    );

    pub(super) fn small() -> Trace {
        Trace::read(LINES.as_bytes()).unwrap()
    }

    #[test]
    fn a_part_is_by_time_and_by_node() {
        let trace = small();
        let ids = |selection: Selection| -> Vec<u64> {
            let wanted = trace.messages.iter().filter(|sent| selection.has(sent));
            wanted.map(|sent| sent.id).collect()
        };
        assert_eq!(ids(Selection { nodes: vec![Address::Node(2)], ..ALL }), [2, 3]);
        assert_eq!(ids(Selection { from: 3_000_000, to: 4_000_000, ..ALL }), [1, 2, 3]);
        assert_eq!(ids(Selection { nodes: vec![Address::Client(3)], to: 2_000_000, ..ALL }), [0]);
        assert_eq!(ALL.moments(&trace).len(), LINES.lines().count());
    }
}
