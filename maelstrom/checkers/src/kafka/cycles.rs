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

use serde_json::json;

use super::evidence::Evidence;
use super::names::MessageId;
use super::record::{Event, EventId, Record};
use super::report::{Anomaly, Report};
use crate::cases::Case;
use crate::graph::{Digraph, Search};
use crate::history::OpType;
use crate::witness::seconds;

/// Reports `G1c` and `G1c-realtime`.
pub(super) fn cycles(evidence: &Evidence, report: &mut Report) {
    let record = &evidence.record;
    if record
        .events()
        .all(|(id, _)| read_from(record, id).all(|(writer, _)| follows(record, writer, id)))
    {
        return;
    }
    let all = dependencies(record);
    let reads_only = Digraph::plain(record.event_count(), wr_edges(record));
    let mut is_in_flow = vec![false; all.len()];
    for vertex in reads_only.components().iter().flatten() {
        is_in_flow[*vertex as usize] = true;
    }
    let mut place = vec![0; all.len()];
    for component in &all.components() {
        let flow: Vec<u32> =
            component.iter().copied().filter(|v| is_in_flow[*v as usize]).collect();
        let (anomaly, cycle) = if flow.is_empty() {
            (Anomaly::G1cRealtime, shortest(record, &all, component, &mut place))
        } else {
            (Anomaly::G1c, shortest(record, &reads_only, &flow, &mut place))
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
        let text = "No operation follows another or reads from it, so nothing was tested: not one send \
                    or poll succeeded before the last began. See whether the nodes answer at all, and give \
                    the test more time or a higher rate.";
        report.add(Anomaly::EmptyTransactionGraph, 0, || {
            Case::new(Vec::new(), text.to_owned(), true.into())
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

/// How many operations of a component are tried as the beginning of a circle.
const BEGINNINGS: usize = 32;

/// A circle of operations in a component of a graph, the shortest through any of the
/// operations tried. Acknowledgements on the way do not count.
fn shortest(
    record: &Record,
    graph: &Digraph<()>,
    component: &[u32],
    place: &mut [u32],
) -> Vec<EventId> {
    let graph = graph.among(component, place);
    let event = |v: u32| {
        let index = component[v as usize] as usize;
        (index < record.event_count()).then(|| EventId::from_index(index))
    };
    // Every circle has a read that goes back; begin where it leads to.
    let is_reader = |v: &u32| {
        event(*v).is_some_and(|reader| {
            read_from(record, reader).any(|(writer, _)| !follows(record, writer, reader))
        })
    };
    let mut search = Search::new(graph.len());
    let circle = |start: u32| -> Option<Vec<EventId>> {
        let next: Vec<u32> = graph.arcs_from(start).iter().map(|arc| arc.to).collect();
        let is_free = |v: u32| event(v).is_none();
        let path = search.path_past(&graph, &next, |v| v == start, is_free)?;
        let first = path.first().map(|hop| hop.from);
        let vertices = first.into_iter().chain(path.into_iter().map(|hop| hop.to));
        Some(vertices.filter_map(event).collect())
    };
    let beginnings = (0..graph.len() as u32).filter(is_reader).take(BEGINNINGS);
    beginnings.filter_map(circle).min_by_key(Vec::len).unwrap_or_default()
}

fn cycle_case(evidence: &Evidence, cycle: &[EventId], size: usize) -> Case {
    let next = cycle.iter().cycle().skip(1);
    let steps: Vec<(String, &str)> =
        cycle.iter().zip(next).map(|(from, to)| step(evidence, *from, *to)).collect();
    let text: Vec<&str> = steps.iter().map(|(text, _)| text.as_str()).collect();
    let types: Vec<&str> = steps.iter().map(|(_, kind)| *kind).collect();
    let ops = evidence.ops(cycle.iter().copied());
    let detail = json!({ "cycle": ops, "steps": types, "scc-size": size });
    let text = format!(
        "Each of these operations must come before the next, in a circle: {}.",
        text.join("; ")
    );
    Case::new(ops, text, detail)
}

/// Why one operation must come before another.
fn step(evidence: &Evidence, from: EventId, to: EventId) -> (String, &'static str) {
    let record = &evidence.record;
    let (first, second) = (evidence.op(from), evidence.op(to));
    match read_from(record, to).find(|(writer, _)| *writer == from) {
        Some((_, message)) => {
            let key = evidence.key(record.names.key_of(message));
            let message = evidence.message(message);
            (format!("{first} sent {message} to key {key}, which {second} polled"), "wr")
        }
        None => {
            let begin = seconds(record.event(to).invoked.time);
            (format!("{first} was over before {second} began, at {begin}"), "realtime")
        }
    }
}
