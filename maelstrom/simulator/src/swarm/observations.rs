//! Whether each value was where it had to be: on every live node, once a live node had
//! held it for as long as values need.
//!
//! That a node holds a value is known from its own answers: it acknowledged the value, or
//! showed it in a read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use checkers::history::{self, Op, OpType, Process};
use serde_json::value::RawValue;

use super::holders::Holders;
use super::timeline::{Timeline, name_of, node_of};
use crate::simulation::Finished;

/// A value that was not where it had to be.
#[derive(Debug)]
pub struct Missing {
    /// The value.
    pub value: String,
    /// The node that certainly had it.
    pub node: String,
    /// The operations that acknowledged it, and that does not show it.
    pub operations: [u64; 2],
}

struct Read {
    index: u64,
    node: String,
    asked: Duration,
    answered: Duration,
    /// Which of the acknowledged values it shows, by their order: a bit each.
    shown: Vec<u64>,
}

impl Read {
    fn shows(&self, index: usize) -> bool {
        self.shown[index / 64] >> (index % 64) & 1 == 1
    }
}

/// Of each node, reads are looked at that are so far apart, and the last ones.
const APART: Duration = Duration::from_millis(500);

impl Missing {
    /// The values that a read at some node does not show though a live node had held them for
    /// the window, in which nothing hindered it and the node that was read was up, on the
    /// holder's side if the network was split; each once.
    ///
    /// # Errors
    ///
    /// When the history cannot be read.
    pub fn find(
        run: &Finished,
        timeline: &Timeline,
        window: Duration,
    ) -> Result<Vec<Self>, String> {
        let mut reads = reads(run, timeline)?;
        reads.sort_by_key(|read| read.asked);
        let values = timeline.acknowledged.keys().enumerate();
        let missing = values.filter_map(|(i, value)| follow(timeline, &reads, i, value, window));
        Ok(missing.collect())
    }
}

fn follow(
    timeline: &Timeline,
    reads: &[Read],
    index: usize,
    value: &str,
    window: Duration,
) -> Option<Missing> {
    let acknowledged = &timeline.acknowledged[value];
    let mut holders = Holders::among(timeline.nodes.iter().map(String::as_str), window, true);
    let mut shown: Vec<(Duration, &str)> = reads
        .iter()
        .filter(|read| read.shows(index))
        .map(|read| (read.answered, &*read.node))
        .collect();
    shown.push((acknowledged.at, &acknowledged.node));
    shown.sort_by_key(|&(at, _)| at);
    let (mut shown, mut events) = (shown.iter().peekable(), timeline.events.iter().peekable());
    for read in reads.iter().filter(|read| !read.shows(index)) {
        loop {
            let observed = shown.peek().map_or(Duration::MAX, |(at, _)| *at);
            let event = events.peek().map_or(Duration::MAX, |(at, _)| *at);
            // What is answered in the same moment may have happened afterwards.
            if observed.min(event) >= read.asked {
                break;
            }
            if observed < event {
                shown.next().into_iter().for_each(|(at, node)| holders.note(*at, node));
            } else {
                events.next().into_iter().for_each(|(at, event)| holders.apply(*at, event));
            }
        }
        if holders.has(read.asked, &read.node) {
            let operations = [acknowledged.index, read.index];
            return Some(Missing { value: value.to_owned(), node: read.node.clone(), operations });
        }
    }
    None
}

fn reads(run: &Finished, timeline: &Timeline) -> Result<Vec<Read>, String> {
    let mut indexes: HashMap<&str, usize> = HashMap::new();
    indexes.extend(timeline.acknowledged.keys().enumerate().map(|(index, name)| (&**name, index)));
    let (mut asked, mut last, mut reads) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for op in history::read(run.history.as_bytes()).map_err(|error| error.to_string())? {
        let op = op.map_err(|error| error.to_string())?;
        let Process::Client(process) = op.process else { continue };
        match op.kind {
            OpType::Invoke => _ = asked.insert(process, op.at()),
            OpType::Ok if op.f == "read" => {
                let (node, asked) = (node_of(process, &run.settings), asked[&process]);
                let is_due = last.get(&node).is_none_or(|last| *last + APART <= asked);
                if op.is_final || is_due {
                    last.insert(node.clone(), asked);
                    let shown = shown(&op, &indexes).map_err(|error| error.to_string())?;
                    let (index, answered) = (op.index, op.at());
                    reads.push(Read { index, node, asked, answered, shown });
                }
            }
            _ => {}
        }
    }
    Ok(reads)
}

fn shown(op: &Op, indexes: &HashMap<&str, usize>) -> serde_json::Result<Vec<u64>> {
    let mut bits = vec![0; indexes.len() / 64 + 1];
    for value in op.decode::<Vec<&RawValue>>()? {
        let index = indexes.get(value.get()).or_else(|| indexes.get(&*name_of(value.get())));
        if let Some(index) = index {
            bits[index / 64] |= 1_u64 << (index % 64);
        }
    }
    Ok(bits)
}
