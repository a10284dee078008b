//! A run as `page/src/run.js` reads it: messages and operations as columns, all else as JSON.

use std::collections::BTreeSet;

use checkers::Finding;
use checkers::history::Op;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use simulator::Address;
use simulator::explain::{self, Known, Why};
use simulator::trace::{Fate, Sent, Spell, Trace};

use super::operations::{self, Operation};
use super::pack::{self, Columns, NONE, Names, Texts};
use super::roles::{self, Held};

/// Up to how many bytes of text there are behind messages, operations and events. More makes a
/// page slow to open; the rest stays in the store alone.
const TEXT_LIMITS: [usize; 3] = [96 << 20, 120 << 20, 128 << 20];
/// How many types of messages have names. A node may make up any number of them.
const MOST_TYPES: usize = 100;
/// Of so many values the page tells who knew them.
const MOST_VALUES: usize = 20_000;
/// Longer names are cut.
const LONGEST_NAME: usize = 60;

/// Both sections of data of a page.
#[derive(Clone, Debug)]
pub(crate) struct Sections {
    /// What the page reads at once.
    pub run: String,
    /// Bodies and values: what it reads when it needs them.
    pub texts: String,
}

impl Sections {
    /// Of a run that came to these findings, in the order of the summary, and why.
    pub(crate) fn of(
        trace: &Trace,
        history: Vec<Op>,
        findings: &[(&Finding, Option<&Why>)],
    ) -> Self {
        Self::within(TEXT_LIMITS, trace, history, findings)
    }

    fn within(
        [of_messages, of_operations, of_events]: [usize; 3],
        trace: &Trace,
        history: Vec<Op>,
        findings: &[(&Finding, Option<&Why>)],
    ) -> Self {
        let known = who_knew(trace, &history, findings);
        let operations = operations::of(history);
        let mut builder = Builder::new(trace, &operations);
        builder.texts.limit = of_messages;
        builder.messages(&trace.messages);
        builder.texts.limit = of_operations;
        builder.operations(&operations);
        builder.texts.limit = of_events;
        let kinds = builder.events(trace);
        let roles = builder.roles(trace);
        let values = known.map(|known| builder.known(&trace.messages, known));
        let mut header = builder.header(trace, findings);
        header.insert("values".to_owned(), values.into());
        header.insert("event_kinds".to_owned(), kinds.into());
        header.insert("roles".to_owned(), roles.into());
        Self {
            run: builder.columns.finish(header),
            texts: pack::compress(builder.texts.all.as_bytes()),
        }
    }
}

struct Builder {
    begin: i64,
    end: i64,
    places: Vec<Address>,
    rows: FxHashMap<Address, u32>,
    /// Whose request belongs to an operation, and to whom it went.
    clients: FxHashMap<u64, (u32, u32)>,
    types: Names,
    functions: Names,
    causes: Names,
    columns: Columns,
    texts: Texts,
}

/// A message as it was received once, or was not.
struct Row<'a> {
    sent: &'a Sent,
    fate: Fate,
}

impl Builder {
    fn new(trace: &Trace, operations: &[Operation]) -> Self {
        let places: BTreeSet<Address> = trace
            .messages
            .iter()
            .flat_map(|sent| [sent.src, sent.dest])
            .chain(trace.nodes.iter().map(|event| Address::Node(event.node)))
            .collect();
        let places: Vec<Address> = places.into_iter().collect();
        let rows: FxHashMap<Address, u32> = places.iter().copied().zip(0..).collect();
        let requests = trace.messages.iter().filter_map(|sent| Some((sent.op?, sent)));
        let clients =
            requests.map(|(op, sent)| (op, (rows[&sent.src], rows[&sent.dest]))).collect();
        let (begin, end) = extent(trace, operations);
        Self {
            begin,
            end,
            places,
            rows,
            clients,
            types: Names::default(),
            functions: Names::default(),
            causes: Names::default(),
            columns: Columns::default(),
            texts: Texts::default(),
        }
    }

    fn messages(&mut self, messages: &[Sent]) {
        let rows: Vec<Row<'_>> = messages.iter().flat_map(rows).collect();
        let numbers = rows.iter().map(|row| i64::try_from(row.sent.id).unwrap_or(i64::MAX));
        self.columns.push_ascending("id", 0, numbers);
        let times = rows.iter().map(|row| micros(row.sent.time));
        self.columns.push_ascending("sent", self.begin, times);
        self.columns.push_wide("took", rows.iter().map(Row::took));
        self.columns.push("from", rows.iter().map(|row| self.rows[&row.sent.src]));
        self.columns.push("to", rows.iter().map(|row| self.rows[&row.sent.dest]));
        let types = rows.iter().map(|row| self.types.number(&brief(&row.sent.kind()))).collect();
        let types = self.types.commonest(types, MOST_TYPES);
        self.columns.push("type", types);
        self.columns.push(
            "fate",
            rows.iter().map(|row| match row.fate {
                Fate::Received(_) => 0,
                Fate::Unread => 1,
                Fate::Dropped(_, cause) => 2 + self.causes.number(cause.name()),
            }),
        );
        self.columns.push(
            "delay",
            rows.iter().map(|row| match row.sent.delayed {
                None => 0,
                Some((_, cause)) => 1 + self.causes.number(cause.name()),
            }),
        );
        let sizes: Vec<u32> = rows.iter().map(|row| self.texts.push(&row.sent.body)).collect();
        self.columns.push("size", sizes);
        let long =
            rows.iter().zip(0..).filter_map(|(row, place)| Some((place, row.sent.left_out?)));
        let (places, bytes): (Vec<u32>, Vec<u64>) = long.unzip();
        self.columns.push("long", places);
        self.columns
            .push("long_bytes", bytes.into_iter().map(|n| u32::try_from(n).unwrap_or(NONE)));
    }

    fn operations(&mut self, operations: &[Operation]) {
        let numbers = operations.iter().map(|op| i64::try_from(op.began.index).unwrap_or(i64::MAX));
        self.columns.push_ascending("index", 0, numbers);
        let completion = |Operation { began, ended }: &Operation| {
            ended.as_ref().map(|ended| ended.index.saturating_sub(began.index))
        };
        self.columns.push_wide("completion", operations.iter().map(completion));
        let times = operations.iter().map(|op| op_micros(&op.began));
        self.columns.push_ascending("began", self.begin, times);
        let lasted = |Operation { began, ended }: &Operation| {
            ended.as_ref().map(|ended| pack::difference(op_micros(began), op_micros(ended)))
        };
        self.columns.push_wide("lasted", operations.iter().map(lasted));
        let places = |op: &Operation| self.clients.get(&op.began.index).copied();
        self.columns.push("client", operations.iter().map(|op| places(op).map_or(NONE, |of| of.0)));
        self.columns.push("node", operations.iter().map(|op| places(op).map_or(NONE, |of| of.1)));
        // In the order of the summary's table, and so in its colours.
        let names: BTreeSet<&str> = operations.iter().map(|op| &*op.began.f).collect();
        let functions = &mut self.functions;
        for name in names {
            functions.number(name);
        }
        self.columns.push("f", operations.iter().map(|op| functions.number(&op.began.f)));
        self.columns.push("outcome", operations.iter().map(Operation::outcome));
        let mut sizes = Vec::new();
        for Operation { began, ended } in operations {
            let asked = self.texts.push(began.value.get());
            let ended = ended.as_ref().map_or(String::new(), operations::result);
            sizes.push((asked, self.texts.push(&ended)));
        }
        self.columns.push("asked", sizes.iter().map(|size| size.0));
        self.columns.push("got", sizes.iter().map(|size| size.1));
    }

    /// What happened to nodes and what they logged: a node may log a line a message. Which kinds
    /// of events there are.
    fn events(&mut self, trace: &Trace) -> Vec<String> {
        let events = trace.nodes.iter().map(|of| (of.time, of.node, &*of.event, &*of.text));
        let logs = trace.logs.iter().map(|of| (of.time, of.node, "log", &*of.line));
        let row = |node| self.rows.get(&Address::Node(node)).copied();
        let events = events
            .chain(logs)
            .filter_map(|(time, node, kind, text)| Some((micros(time), row(node)?, kind, text)));
        let mut events: Vec<_> = events.collect();
        events.sort_by_key(|(time, ..)| *time);
        let mut kinds = Names::default();
        self.columns.push_ascending("event_time", self.begin, events.iter().map(|event| event.0));
        self.columns.push("event_place", events.iter().map(|event| event.1));
        self.columns.push("event_kind", events.iter().map(|event| kinds.number(event.2)));
        let texts = events.iter().map(|event| match event.3 {
            "" => 0,
            text => self.texts.push(&Value::from(text).to_string()),
        });
        self.columns.push("event_size", texts);
        kinds.all
    }

    /// Who had which role in which term. The names of the roles.
    fn roles(&mut self, trace: &Trace) -> Vec<String> {
        let row = |spell: &Held<'_>| self.rows.get(&Address::Node(spell.node)).copied();
        let spells: Vec<_> = roles::spells(trace)
            .into_iter()
            .filter_map(|spell| Some((row(&spell)?, spell)))
            .collect();
        let mut names = Names::default();
        let from = spells.iter().map(|(_, spell)| micros(spell.from));
        self.columns.push_ascending("role_from", self.begin, from);
        let lasted = |spell: &Held<'_>| {
            Some(pack::difference(micros(spell.from), spell.until.map_or(self.end, micros)))
        };
        self.columns.push_wide("role_lasted", spells.iter().map(|(_, spell)| lasted(spell)));
        self.columns.push("role_place", spells.iter().map(|(row, _)| *row));
        self.columns.push_wide("role_term", spells.iter().map(|(_, spell)| Some(spell.term)));
        let numbers = spells.iter().map(|(_, spell)| names.number(&brief(spell.role))).collect();
        self.columns.push("role", names.commonest(numbers, MOST_TYPES));
        names.all
    }

    /// Who knew which value since when, and which message was the first to be sent after that:
    /// what was sent before does not carry it, even at the same time. The values.
    fn known(&mut self, messages: &[Sent], known: Vec<Known>) -> Vec<String> {
        let mut first_rows = Vec::with_capacity(messages.len() + 1);
        let mut count = 0;
        for sent in messages {
            first_rows.push(count);
            count += u32::try_from(sent.receipts.len().max(1)).unwrap_or(NONE);
        }
        first_rows.push(count);
        let told = known.iter().flat_map(|known| &known.told).map(|place| first_rows[*place]);
        self.columns.push("told_row", told);
        self.columns.push("told_count", known.iter().map(|known| known.told.len() as u32));
        self.columns.push("known_count", known.iter().map(|known| known.who.len() as u32));
        let who = || known.iter().flat_map(|known| &known.who);
        self.columns.push("known_place", who().map(|(who, ..)| self.rows[who]));
        let begin = self.begin;
        let since = who().map(|(_, time, _)| Some(pack::difference(begin, micros(*time))));
        self.columns.push_wide("known_time", since);
        let after = |line: u64| first_rows[messages.partition_point(|sent| sent.line < line)];
        self.columns.push("known_row", who().map(|(.., line)| after(*line)));
        known.into_iter().map(|known| known.value).collect()
    }

    fn header(&self, trace: &Trace, findings: &[(&Finding, Option<&Why>)]) -> Map<String, Value> {
        let places = self.places.iter().map(|place| {
            let kind = match place {
                Address::Node(_) => "node",
                Address::Client(_) => "client",
                Address::Service(_) => "service",
            };
            json!({"name": place.to_string(), "kind": kind})
        });
        let gaps = trace.gaps.iter();
        let gaps = gaps.map(|gap| json!([micros(gap.time), gap.messages, gap.logs]));
        let header = [
            ("begin", self.begin.into()),
            ("end", self.end.into()),
            ("places", places.collect()),
            ("types", self.types.all.clone().into()),
            ("functions", self.functions.all.clone().into()),
            ("causes", self.causes.all.clone().into()),
            ("faults", trace.faults.iter().map(|fault| self.fault(fault)).collect()),
            ("gaps", gaps.collect()),
            ("findings", findings.iter().zip(1..).map(finding).collect()),
        ];
        header.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
    }

    fn fault(&self, fault: &Spell) -> Value {
        let row = |address: &Address| self.rows.get(address).copied();
        let nodes = fault.nodes.iter().flatten().filter_map(|node| row(&Address::Node(*node)));
        let links = fault.links.iter().flatten();
        let links = links.filter_map(|(src, dest)| Some([row(src)?, row(dest)?]));
        json!({
            "fault": fault.fault,
            "from": micros(fault.from),
            "to": fault.until.map_or(self.end, micros),
            "nodes": nodes.collect::<Vec<_>>(),
            "links": links.collect::<Vec<_>>(),
            "everywhere": fault.nodes.is_none() && fault.links.is_none(),
        })
    }
}

/// A row for each time that a message was received, or one.
fn rows(sent: &Sent) -> impl Iterator<Item = Row<'_>> {
    let copies = sent.receipts.iter().skip(1).map(|time| Fate::Received(*time));
    std::iter::once(sent.fate()).chain(copies).map(move |fate| Row { sent, fate })
}

impl Row<'_> {
    fn took(&self) -> Option<u64> {
        match self.fate {
            Fate::Received(time) | Fate::Dropped(time, _) => {
                Some(pack::difference(micros(self.sent.time), micros(time)))
            }
            Fate::Unread => None,
        }
    }
}

/// What the page tells of values, those of findings first; none if the run says too much.
fn who_knew(
    trace: &Trace,
    history: &[Op],
    findings: &[(&Finding, Option<&Why>)],
) -> Option<Vec<Known>> {
    let of_findings: Vec<&str> =
        findings.iter().filter_map(|(finding, why)| value(finding, *why)).collect();
    let run = explain::Run::new(history, trace, checkers::Names::unknown());
    run.known(&of_findings, MOST_VALUES)
}

/// The value that a finding is about.
fn value<'a>(finding: &'a Finding, why: Option<&'a Why>) -> Option<&'a str> {
    why.and_then(|why| why.value.as_deref()).or(finding.subject.value.as_deref())
}

fn brief(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// A finding and its number. Without the trace's word it is its operations alone.
fn finding(((finding, why), number): (&(&Finding, Option<&Why>), usize)) -> Value {
    let value = value(finding, *why);
    json!({
        "number": number,
        "ops": why.map_or(&finding.ops, |why| &why.ops),
        "messages": why.map_or(&[][..], |why| &why.messages),
        "value": value,
        "key": finding.subject.key,
        "span": why.map(|why| json!({"from": micros(why.from), "to": micros(why.to)})),
    })
}

/// When the first thing happened and when the last.
fn extent(trace: &Trace, operations: &[Operation]) -> (i64, i64) {
    let event = trace.nodes.first().map(|event| micros(event.time));
    let first = trace.messages.first().map(|sent| micros(sent.time));
    let begin = first.into_iter().chain(event).min().unwrap_or(0).min(0);
    let ends = trace.messages.iter().filter_map(|sent| match sent.fate() {
        Fate::Received(time) | Fate::Dropped(time, _) => Some(micros(time)),
        Fate::Unread => None,
    });
    let ended = operations.iter().filter_map(|op| op.ended.as_ref()).map(op_micros);
    let event = trace.nodes.last().map(|event| micros(event.time));
    let log = trace.logs.last().map(|log| micros(log.time));
    let last = ends.chain(ended).chain(event).chain(log).max();
    (begin, last.unwrap_or(0).max(begin + 1))
}

pub(super) fn micros(nanos: i64) -> i64 {
    nanos.div_euclid(1000)
}

fn op_micros(op: &Op) -> i64 {
    i64::try_from(op.time / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use checkers::history::{OpType, Process, null};

    use super::super::pack::tests::{inflate, unpack};
    use super::*;

    const TRACE: &str = r#"{"time":-2000,"event":"start","node":"n1"}
{"time":-1000,"event":"send","id":0,"src":"n1","dest":"n0","body":{"type":"hi"}}
{"time":0,"event":"fault","fault":"partition","links":[["n0","n1"]]}
{"time":1000,"event":"recv","id":0}
{"time":1000,"event":"send","id":1,"src":"c7","dest":"n0","op":0,"body":{"type":"read","x":"ü"}}
{"time":2000,"event":"duplicate","id":0,"until":3000}
{"time":3000,"event":"recv","id":0}
{"time":5000,"event":"send","id":2,"src":"n0","dest":"n1","body":{"type":"hi"}}
{"time":9000,"event":"drop","id":2,"by":"partition"}
"#;

    fn sections(ops: Vec<Op>) -> Sections {
        let trace = Trace::read(TRACE.as_bytes()).unwrap();
        let finding = Finding::new("lost", "a <text>", vec![0, 1]);
        let why = Why {
            text: "because".to_owned(),
            messages: vec![2],
            ops: vec![0],
            value: Some("26".to_owned()),
            from: 1000,
            to: 9000,
        };
        Sections::of(&trace, ops, &[(&finding, None), (&finding, Some(&why))])
    }

    fn op(index: u64, time: u64, kind: OpType) -> Op {
        Op { index, time, ..Op::new(Process::Client(0), kind, "read", null()) }
    }

    #[test]
    fn messages_and_operations_are_columns_and_all_else_is_in_the_header() {
        let ops = vec![op(0, 1000, OpType::Invoke), op(1, 8000, OpType::Ok)];
        let (header, columns) = unpack(&sections(ops).run);
        // Message 0 has two rows: it came twice.
        assert_eq!(columns["id"], [0, 0, 1, 1]);
        assert_eq!(columns["sent"], [1, 0, 2, 4]);
        assert_eq!(columns["took"], [2, 4, NONE, 4]);
        assert_eq!(columns["fate"], [0, 0, 1, 2]);
        assert_eq!((&columns["from"], &columns["to"]), (&vec![1, 1, 2, 0], &vec![0, 0, 0, 1]));
        assert_eq!((columns["client"][0], columns["node"][0]), (2, 0));
        assert_eq!((columns["lasted"][0], columns["completion"][0]), (7, 1));
        assert_eq!(header["places"][2], json!({"name": "c7", "kind": "client"}));
        let fault = &header["faults"][0];
        assert_eq!((&fault["links"], &fault["to"]), (&json!([[0, 1]]), &json!(9)));
        assert_eq!(fault["everywhere"], false);
        let bare = json!({"number": 1, "ops": [0, 1], "messages": [], "value": null, "key": null, "span": null});
        let span = json!({"from": 1, "to": 9});
        let told = json!({"number": 2, "ops": [0], "messages": [2], "value": "26", "key": null, "span": span});
        assert_eq!(header["findings"], json!([bare, told]));
    }

    #[test]
    fn a_body_that_the_trace_left_out_has_its_length() {
        let long = r#"{"time":6000,"event":"send","id":3,"src":"n0","dest":"n1","type":"all","bytes":99999}"#;
        let trace = Trace::read(format!("{TRACE}{long}\n").as_bytes()).unwrap();
        let (_, columns) = unpack(&Sections::of(&trace, Vec::new(), &[]).run);
        assert_eq!((&columns["long"], &columns["long_bytes"]), (&vec![4], &vec![99_999]));
    }

    #[test]
    fn a_node_that_makes_up_types_does_not_make_the_page_long() {
        let send = |n: u64| {
            format!(
                "{{\"time\":{n},\"event\":\"send\",\"id\":{n},\"src\":\"n0\",\"dest\":\"n1\",\"body\":{{\"type\":\"{}\"}}}}\n",
                if n.is_multiple_of(2) { "usual".to_owned() } else { format!("{n:070}") }
            )
        };
        let trace = Trace::read((0..3000).map(send).collect::<String>().as_bytes()).unwrap();
        let (header, columns) = unpack(&Sections::of(&trace, Vec::new(), &[]).run);
        let types = header["types"].as_array().unwrap();
        assert_eq!((types.len(), &types[0]), (2, &json!("usual")), "long names are cut");
        assert_eq!(columns["type"].len(), 3000);
    }

    #[test]
    fn what_happens_to_nodes_and_what_they_log_are_columns() {
        let log = r#"{"time":4000,"event":"log","node":"n0","line":"a\"ü"}"#;
        let trace = Trace::read(format!("{TRACE}{log}\n").as_bytes()).unwrap();
        let Sections { run, texts } = Sections::of(&trace, Vec::new(), &[]);
        let (header, columns) = unpack(&run);
        assert_eq!(header["event_kinds"], json!(["start", "log"]));
        assert_eq!((&columns["event_time"], &columns["event_place"]), (&vec![0, 6], &vec![1, 0]));
        assert_eq!(columns["event_size"], [0, 11]);
        assert!(inflate(&texts).ends_with(br#""a\"\u00fc""#));
    }

    #[test]
    fn texts_stand_in_the_order_of_the_rows_that_say_how_long_they_are() {
        let ops = vec![op(0, 1000, OpType::Invoke)];
        let Sections { run, texts } = sections(ops);
        let (_, columns) = unpack(&run);
        assert_eq!(columns["size"], [13, 13, 28, 13]);
        assert_eq!((columns["asked"][0], columns["got"][0]), (4, 0));
        let texts = String::from_utf8(inflate(&texts)).unwrap();
        let hi = r#"{"type":"hi"}"#;
        assert_eq!(texts, format!(r#"{hi}{hi}{{"type":"read","x":"\u00fc"}}{hi}null"#));
    }
}
