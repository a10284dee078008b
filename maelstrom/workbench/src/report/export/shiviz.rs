//! A log for [ShiViz](https://bestchai.bitbucket.io/shiviz/), which draws it: after the
//! expression that it is to be read by, and an empty line, two lines for each event, whose
//! first has who it happened to, and its vector clock.
//!
//! Clocks count what is in the log, and nothing that was left out of it: ShiViz insists
//! on every step of a clock.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rustc_hash::FxHashMap;
use simulator::Address;
use simulator::trace::{Moment, Sent, Trace};

use super::{Selection, fate, finish, printable, seconds};

/// What ShiViz finds host, clock and event by.
const EXPRESSION: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";

/// How many events each host had, as far as somebody knows.
type Clock = BTreeMap<Address, u64>;

/// Writes the log.
pub(crate) fn write(
    mut output: impl Write,
    trace: &Trace,
    selection: &Selection,
) -> io::Result<()> {
    write!(output, "{EXPRESSION}\n\n")?;
    let mut log = Log { output, clocks: BTreeMap::new(), sent: FxHashMap::default() };
    for (time, moment) in selection.moments(trace) {
        match moment {
            Moment::Sent(place) => {
                let sent = &trace.messages[place];
                let event = told("sends", "to", sent.dest, sent);
                let clock = log.event(time, sent.src, &format!("{event} ({})", fate(sent)))?;
                log.sent.insert(place, clock);
            }
            Moment::Received(place) => {
                let sent = &trace.messages[place];
                log.learn(sent.dest, place);
                log.event(time, sent.dest, &told("receives", "from", sent.src, sent))?;
            }
            Moment::Late(place) => {
                let sent = &trace.late[place];
                log.event(time, sent.src, &told("answers too late", "to", sent.dest, sent))?;
            }
            Moment::Node(place) => {
                let event = &trace.nodes[place];
                let text = format!("{} {}", event.event, event.text);
                log.event(time, Address::Node(event.node), text.trim_end())?;
            }
            Moment::Log(place) => {
                let line = &trace.logs[place];
                log.event(time, Address::Node(line.node), &format!("logs {}", line.line))?;
            }
            // They happen to no host.
            Moment::Dropped(_) | Moment::Fault(_) | Moment::FaultEnd(_) => {}
        }
    }
    finish(log.output, "")
}

fn told(does: &str, way: &str, whom: Address, sent: &Sent) -> String {
    format!("{does} {} {way} {whom}: {}", sent.kind(), sent.body)
}

struct Log<W> {
    output: W,
    clocks: BTreeMap<Address, Clock>,
    /// The clock that each message has.
    sent: FxHashMap<usize, Clock>,
}

impl<W: Write> Log<W> {
    /// Who receives a message knows what its sender knew.
    fn learn(&mut self, host: Address, place: usize) {
        let Some(clock) = self.sent.get(&place) else { return };
        let known = self.clocks.entry(host).or_default();
        for (&other, &count) in clock {
            let least = known.entry(other).or_default();
            *least = count.max(*least);
        }
    }

    fn event(&mut self, time: i64, host: Address, text: &str) -> io::Result<Clock> {
        let clock = self.clocks.entry(host).or_default();
        *clock.entry(host).or_default() += 1;
        let counts: Vec<String> =
            clock.iter().map(|(host, count)| format!("\"{host}\":{count}")).collect();
        let counts = counts.join(",");
        writeln!(self.output, "{host} {{{counts}}}\n{} {}", seconds(time), printable(text))?;
        Ok(clock.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{ALL, small};
    use super::*;

    fn log(selection: &Selection) -> String {
        let mut output = Vec::new();
        write(&mut output, &small(), selection).unwrap();
        String::from_utf8(output).unwrap()
    }

    /// Hosts with their clocks.
    fn clocks(log: &str) -> Vec<&str> {
        log.lines().skip(2).step_by(2).collect()
    }

    #[test]
    fn whoever_receives_a_message_knows_what_its_sender_knew() {
        let log = log(&ALL);
        assert!(log.starts_with("(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\nn0 {\"n0\":1}\n"));
        let expected = [
            r#"n0 {"n0":1}"#,                      // starts
            r#"c3 {"c3":1}"#,                      // asks n0
            r#"n0 {"n0":2,"c3":1}"#,               // receives it
            r#"n0 {"n0":3,"c3":1}"#,               // tells n1, twice received
            r#"n0 {"n0":4,"c3":1}"#,               // tells n2, which is lost
            r#"n1 {"n0":3,"n1":1,"c3":1}"#,        // receives it
            r#"n1 {"n0":3,"n1":2,"c3":1}"#,        // tells n2
            r#"n2 {"n0":3,"n1":2,"n2":1,"c3":1}"#, // receives it
            r#"n1 {"n0":3,"n1":3,"c3":1}"#,        // receives the copy
            r#"n2 {"n0":3,"n1":2,"n2":2,"c3":1}"#, // logs
            r#"n0 {"n0":5,"c3":1}"#,               // answers
        ];
        assert_eq!(clocks(&log), expected);
        assert!(log.contains("0.003 s sends gossip to n2: {\"type\":\"gossip\",\"value\":7} (dropped at 0.005 s by partition)\n"), "{log}");
        assert!(log.contains("0.006 s logs a·b <&>\n"), "{log}");
    }

    #[test]
    fn each_host_counts_its_own_events_one_by_one() {
        let (log, mut last) = (log(&ALL), BTreeMap::new());
        for line in clocks(&log) {
            let (host, clock) = line.split_once(' ').unwrap();
            let clock: BTreeMap<String, u64> = serde_json::from_str(clock).unwrap();
            let count = last.entry(host.to_owned()).or_insert(0);
            *count += 1;
            assert_eq!(clock[host], *count, "{line}");
        }
        assert_eq!(last.len(), 4);
    }

    #[test]
    fn clocks_count_what_is_in_the_log() {
        let log = log(&Selection { nodes: vec![Address::Node(2)], ..ALL });
        let expected =
            [r#"n0 {"n0":1}"#, r#"n1 {"n1":1}"#, r#"n2 {"n1":1,"n2":1}"#, r#"n2 {"n1":1,"n2":2}"#];
        assert_eq!(clocks(&log), expected);
    }
}
