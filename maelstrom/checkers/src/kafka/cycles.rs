//! Operations that depend on each other in a circle.
//!
//! Two relations put operations in order: `wr`, one sent what the other polled, and
//! `rt`, one was completed before the other was invoked. A circle of `wr` alone is
//! `G1c`, circular information flow (Adya, section 4.2); one that needs `rt` too is
//! `G1c-realtime`, of which the plainest is a message polled before it was sent.
//! As in the original with Maelstrom's settings, the order of the log itself makes
//! no dependencies, since sends are not isolated from each other.
//!
//! Every component in which all operations depend on each other is one case, and a
//! short circle in it is the witness.

use std::collections::VecDeque;

use serde_json::json;

use super::evidence::{Evidence, seconds};
use super::names::MessageId;
use super::record::{Event, EventId, Record};
use super::report::{Anomaly, Case, Report};
use crate::graph::{Arc, Digraph};
use crate::history::OpType;

/// Reports `G1c` and `G1c-realtime`.
pub(super) fn cycles(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    if record
        .events()
        .all(|(id, _)| read_from(record, id).all(|(writer, _)| follows(record, writer, id)))
    {
        return;
    }
    let (all, reads_only) = (dependencies(record), wr_graph(record));
    let mut is_in_flow = vec![false; all.len()];
    for vertex in reads_only.components().iter().flatten() {
        is_in_flow[*vertex as usize] = true;
    }
    let mut witnesses = (Witnesses::new(record, &all), Witnesses::new(record, &reads_only));
    for component in &all.components() {
        let flow: Vec<u32> =
            component.iter().copied().filter(|v| is_in_flow[*v as usize]).collect();
        let (anomaly, cycle) = if flow.is_empty() {
            (Anomaly::G1cRealtime, witnesses.0.shortest(component))
        } else {
            (Anomaly::G1c, witnesses.1.shortest(&flow))
        };
        let badness = -i64::try_from(cycle.len()).unwrap_or(i64::MAX);
        report.add(anomaly, badness, || cycle_case(evidence, &cycle, component.len()));
    }
}

/// Reports `empty-transaction-graph`: clients did something, but no two operations
/// are related, so that nothing was tested.
pub(super) fn emptiness(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    let completed =
        || record.events().filter(|(_, event)| event.is_transfer() && event.completed.is_some());
    let first_end = completed()
        .find(|(_, event)| event.kind == OpType::Ok)
        .map(|(_, event)| event.witness().index);
    let last_start = completed().map(|(_, event)| event.invoked.index).max();
    let in_order = matches!((first_end, last_start), (Some(end), Some(start)) if end < start);
    if !in_order && completed().all(|(id, _)| read_from(record, id).next().is_none()) {
        report.set_entry(Anomaly::EmptyTransactionGraph, json!({ "count": 1, "errs": true }));
        report.add(Anomaly::EmptyTransactionGraph, 0, || Case {
            err: true.into(),
            text: "No operation follows another or reads from it, so nothing was tested: not one send or \
                   poll succeeded before the last began. See whether the nodes answer at all, and give the \
                   test more time or a higher rate."
                .to_owned(),
            ops: Vec::new(),
        });
    }
}

/// The other operations whose messages an event read, each with the message.
fn read_from(record: &Record, reader: EventId) -> impl Iterator<Item = (EventId, MessageId)> {
    let messages = record.reads(record.event(reader)).flat_map(|group| group.messages);
    messages.filter_map(move |message| {
        let writer = record.facts(*message).writer.filter(|writer| *writer != reader)?;
        Some((writer, *message))
    })
}

/// Whether the reader comes after the writer in an order that `rt` always agrees
/// with: an operation that only sends stands where it was invoked, any other where
/// it was completed. If every read agrees with it as well, there is no circle, and
/// no graph need be built. Where no operation both sends and polls, a read that
/// disagrees is a circle by itself: its end came before the send's beginning.
fn follows(record: &Record, writer: EventId, reader: EventId) -> bool {
    position(record, record.event(writer)) < position(record, record.event(reader))
}

fn position(record: &Record, event: &Event) -> u64 {
    let only_sends = record.reads(event).next().is_none();
    if only_sends { event.invoked.index } else { completion(event) }
}

fn completion(event: &Event) -> u64 {
    event.completed.map_or(u64::MAX, |point| point.index)
}

fn wr_edges(record: &Record) -> Vec<(u32, u32)> {
    let pairs = record.events().flat_map(|(reader, _)| {
        read_from(record, reader).map(move |(writer, _)| (writer.number(), reader.number()))
    });
    pairs.collect()
}

fn wr_graph(record: &Record) -> Digraph<()> {
    Digraph::plain(record.event_count(), wr_edges(record))
}

/// Both relations. Who ended before whom began would be a quadratic number of edges;
/// so every acknowledgement is a vertex too, joined to the next one. An operation
/// leads to its own acknowledgement, and the last one before it was invoked leads to
/// it. (Indeterminate and failed operations end at no known time.)
fn dependencies(record: &Record) -> Digraph<()> {
    let transfers = || record.events().filter(|(_, event)| event.is_transfer());
    let ends: Vec<(u64, u32)> = transfers()
        .filter(|(_, event)| event.kind == OpType::Ok)
        .map(|(id, event)| (completion(event), id.number()))
        .collect();
    let first = EventId::from_index(record.event_count()).number();
    let mut edges = wr_edges(record);
    for (acknowledgement, (_, event)) in (first..).zip(&ends) {
        edges.push((*event, acknowledgement));
        if acknowledgement > first {
            edges.push((acknowledgement - 1, acknowledgement));
        }
    }
    for (id, event) in transfers() {
        let before = ends.partition_point(|(end, _)| *end < event.invoked.index);
        if let Some(last) = before.checked_sub(1) {
            edges.push((first + EventId::from_index(last).number(), id.number()));
        }
    }
    Digraph::plain(record.event_count() + ends.len(), edges)
}

/// Finds short circles.
struct Witnesses<'a> {
    record: &'a Record,
    graph: &'a Digraph<()>,
    /// By vertex, whether circles may go through it.
    is_inside: Vec<bool>,
    /// By vertex, from where it was reached first.
    came_from: Vec<Option<u32>>,
}

/// How many operations of a component are tried as the beginning of a circle.
const BEGINNINGS: usize = 32;

impl<'a> Witnesses<'a> {
    fn new(record: &'a Record, graph: &'a Digraph<()>) -> Self {
        Witnesses {
            record,
            graph,
            is_inside: vec![false; graph.len()],
            came_from: vec![None; graph.len()],
        }
    }

    /// A circle of operations in a component, the shortest through any of the
    /// operations tried.
    fn shortest(&mut self, component: &[u32]) -> Vec<EventId> {
        let record = self.record;
        let events = component.iter().filter(|v| self.is_event(**v));
        // Every circle has a read that goes back; begin where it leads to.
        let back = |v: &u32| {
            let reader = EventId::from_index(*v as usize);
            read_from(record, reader).any(|(writer, _)| !follows(record, writer, reader))
        };
        let beginnings: Vec<u32> = events.copied().filter(back).take(BEGINNINGS).collect();
        self.confine(component, true);
        let circles = beginnings.into_iter().filter_map(|start| self.circle(start));
        let shortest = circles.min_by_key(Vec::len).unwrap_or_default();
        self.confine(component, false);
        shortest
    }

    fn confine(&mut self, component: &[u32], is_inside: bool) {
        for vertex in component {
            self.is_inside[*vertex as usize] = is_inside;
        }
    }

    /// A shortest circle through a vertex, counted in operations: acknowledgements on
    /// the way cost nothing, so they go to the front of the queue.
    fn circle(&mut self, start: u32) -> Option<Vec<EventId>> {
        let graph = self.graph;
        let mut queue = VecDeque::from([start]);
        let mut reached = Vec::new();
        let mut closed = false;
        while let (false, Some(vertex)) = (closed, queue.pop_front()) {
            for &Arc { to: target, .. } in graph.arcs_from(vertex) {
                if !self.is_inside[target as usize] || self.came_from[target as usize].is_some() {
                    continue;
                }
                self.came_from[target as usize] = Some(vertex);
                reached.push(target);
                closed |= target == start;
                if self.is_event(target) {
                    queue.push_back(target);
                } else {
                    queue.push_front(target);
                }
            }
        }
        let circle = closed.then(|| self.way_back(start));
        for vertex in reached {
            self.came_from[vertex as usize] = None;
        }
        circle
    }

    fn way_back(&self, start: u32) -> Vec<EventId> {
        let mut circle = Vec::new();
        let mut vertex = start;
        while let Some(previous) = self.came_from[vertex as usize] {
            if self.is_event(vertex) {
                circle.push(EventId::from_index(vertex as usize));
            }
            vertex = previous;
            if vertex == start {
                break;
            }
        }
        circle.reverse();
        circle
    }

    fn is_event(&self, vertex: u32) -> bool {
        (vertex as usize) < self.record.event_count()
    }
}

fn cycle_case(evidence: &Evidence, cycle: &[EventId], size: usize) -> Case {
    let next = cycle.iter().cycle().skip(1);
    let steps: Vec<(String, &str)> =
        cycle.iter().zip(next).map(|(from, to)| step(evidence, *from, *to)).collect();
    let text: Vec<&str> = steps.iter().map(|(text, _)| text.as_str()).collect();
    let types: Vec<&str> = steps.iter().map(|(_, kind)| *kind).collect();
    let ops: Vec<u64> = cycle.iter().map(|event| evidence.op_index(*event)).collect();
    Case {
        err: json!({ "cycle": ops, "steps": types, "scc-size": size }),
        text: format!(
            "Each of these operations must come before the next, in a circle: {}.",
            text.join("; ")
        ),
        ops,
    }
}

/// Why one operation must come before another.
fn step(evidence: &Evidence, from: EventId, to: EventId) -> (String, &'static str) {
    let record = &evidence.record;
    let (first, second) = (evidence.op(from), evidence.op(to));
    match read_from(record, to).find(|(writer, _)| *writer == from) {
        Some((_, message)) => {
            let key = evidence.key(record.names.key_of(message));
            (
                format!(
                    "{first} sent {} to key {key}, which {second} polled",
                    evidence.message(message)
                ),
                "wr",
            )
        }
        None => {
            let begin = seconds(record.event(to).invoked.time);
            (format!("{first} was over before {second} began, at {begin}"), "realtime")
        }
    }
}
