//! A picture like the original's `messages.svg`: time flows down, a step for each thing
//! that happens; everybody has a line, and messages are arrows between them.
//!
//! Beyond the original's: messages that are lost end in a cross, and what happens to
//! nodes and links stands where it happens. A message's label stands beside its sender, in
//! the row of the step in which it was sent; nothing else is written there, so no two labels
//! ever lie over each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use checkers::txn::escape;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use simulator::Address;
use simulator::trace::{Fate, Moment, NodeEvent, Sent, Trace};

use super::{Selection, fate, finish, printable, seconds};

/// The original draws no more steps.
const LIMIT: usize = 10_000;
/// Pixels a step.
const STEP: f64 = 20.0;
/// Pixels of all columns together, unless they are many.
const WIDTH: f64 = 1200.0;
const NARROWEST: f64 = 60.0;
/// Names stand again, in a row of their own, after so many steps.
const NAMES_EVERY: usize = 50;
/// How much of a message is written beside its arrow, and how much shown on hovering.
const LABEL: usize = 48;
/// Pixels of a character, about, and between a line and what is written beside it.
const CHARACTER: f64 = 6.0;
const GAP: f64 = 6.0;
const TITLE: usize = 1000;

const STYLE: &str = "\
svg { font-family: Helvetica, Arial, sans-serif; font-size: 11px; background: #fff; }
text { text-anchor: middle; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.name { dominant-baseline: middle; fill: #888; }
.lane { stroke: #ccc; }
.note { fill: #d96918; }
.right { text-anchor: start; } .left { text-anchor: end; }
.rule { stroke: #d96918; stroke-dasharray: 2 4; }
path { stroke-width: 3; fill: none; }
path:hover { stroke-width: 6; }
.servers { stroke: #000; } .client { stroke: #81bffc; } .error { stroke: #ff1e90; }
.lost { stroke-dasharray: 6 4; }";

/// Writes the picture. How many steps it has no room for.
pub(crate) fn write(output: impl Write, trace: &Trace, selection: &Selection) -> io::Result<usize> {
    let mut moments = selection.moments(trace);
    let left_out = moments.len().saturating_sub(LIMIT);
    moments.truncate(LIMIT);
    let mut picture = Picture::new(output, trace, &moments);
    picture.begin()?;
    for (step, (time, moment)) in moments.iter().enumerate() {
        picture.moment(step, *time, *moment)?;
    }
    picture.unread(moments.len())?;
    picture.end(left_out)?;
    Ok(left_out)
}

struct Picture<'a, W> {
    output: W,
    trace: &'a Trace,
    width: f64,
    columns: BTreeMap<(u8, Address), f64>,
    steps: usize,
    /// The steps in which messages were sent whose end is not drawn yet.
    sent: FxHashMap<usize, usize>,
    /// What is written beside arrows. It comes last, over all arrows.
    labels: String,
}

fn y(step: usize) -> f64 {
    STEP * (1.5 + (step + step / NAMES_EVERY) as f64)
}

/// Clients stand left, services right.
fn rank(address: Address) -> (u8, Address) {
    let side = match address {
        Address::Client(_) => 0,
        Address::Node(_) => 1,
        Address::Service(_) => 2,
    };
    (side, address)
}

/// Who has a part in these moments.
fn addresses(trace: &Trace, moments: &[(i64, Moment)]) -> BTreeSet<(u8, Address)> {
    let both = |sent: &Sent| vec![sent.src, sent.dest];
    let of_moment = |(_, moment): &(i64, Moment)| match *moment {
        Moment::Sent(place) | Moment::Received(place) | Moment::Dropped(place) => {
            both(&trace.messages[place])
        }
        Moment::Late(place) => both(&trace.late[place]),
        Moment::Node(place) => vec![Address::Node(trace.nodes[place].node)],
        Moment::Log(place) => vec![Address::Node(trace.logs[place].node)],
        Moment::Fault(_) | Moment::FaultEnd(_) => Vec::new(),
    };
    moments.iter().flat_map(of_moment).map(rank).collect()
}

impl<'a, W: Write> Picture<'a, W> {
    fn new(output: W, trace: &'a Trace, moments: &[(i64, Moment)]) -> Self {
        let names = addresses(trace, moments);
        let width = WIDTH.max(NARROWEST * names.len() as f64);
        let room = width / names.len().max(1) as f64;
        let columns =
            names.into_iter().enumerate().map(|(n, name)| (name, (n as f64 + 0.5) * room));
        let (columns, sent) = (columns.collect(), FxHashMap::default());
        Self { output, trace, width, columns, steps: moments.len(), sent, labels: String::new() }
    }

    fn x(&self, address: Address) -> f64 {
        self.columns.get(&rank(address)).copied().unwrap_or_default()
    }

    fn begin(&mut self) -> io::Result<()> {
        let (width, height) = (self.width + 50.0, y(self.steps) + 5.0 * STEP);
        writeln!(
            self.output,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\n\
             <style>\n{STYLE}\n</style>\n<defs>\n\
             <polygon id=\"ahead\" points=\"0 0, -12 4, -12 -4\"/>\n\
             <path id=\"cross\" class=\"error\" d=\"M-5-5 5 5M-5 5 5-5\"/>\n</defs>"
        )?;
        let bottom = y(self.steps + 1);
        for ((_, name), x) in &self.columns {
            let top = y(0);
            writeln!(
                self.output,
                "<line class=\"lane\" x1=\"{x}\" x2=\"{x}\" y1=\"{top}\" y2=\"{bottom}\"/>"
            )?;
            for step in (0..=self.steps).step_by(NAMES_EVERY) {
                let y = y(step) - STEP;
                writeln!(self.output, "<text class=\"name\" x=\"{x}\" y=\"{y}\">{name}</text>")?;
            }
        }
        Ok(())
    }

    fn moment(&mut self, step: usize, time: i64, moment: Moment) -> io::Result<()> {
        let trace = self.trace;
        match moment {
            Moment::Sent(place) => {
                self.sent.insert(place, step);
                Ok(())
            }
            Moment::Received(place) => match self.sent.get(&place) {
                Some(&from) => self.arrow(&trace.messages[place], from, step, false),
                None => Ok(()),
            },
            Moment::Dropped(place) => match self.sent.get(&place) {
                Some(&from) => self.arrow(&trace.messages[place], from, step, true),
                None => Ok(()),
            },
            Moment::Late(place) => self.arrow(&trace.late[place], step, step, false),
            Moment::Node(place) => {
                let NodeEvent { node, event, text, .. } = &trace.nodes[place];
                self.note(Address::Node(*node), step, event, text)
            }
            Moment::Log(place) => {
                let line = &trace.logs[place];
                self.note(Address::Node(line.node), step, &cut(&line.line, LABEL), &line.line)
            }
            Moment::Fault(place) => self.rule(step, time, &trace.faults[place].fault, "begins"),
            Moment::FaultEnd(place) => self.rule(step, time, &trace.faults[place].fault, "ends"),
        }
    }

    /// Messages that nobody received.
    fn unread(&mut self, end: usize) -> io::Result<()> {
        let mut all: Vec<(usize, usize)> =
            self.sent.iter().map(|(place, step)| (*step, *place)).collect();
        all.sort_unstable();
        for (step, place) in all {
            let sent = &self.trace.messages[place];
            if sent.fate() == Fate::Unread {
                self.arrow(sent, step, (step + 1).min(end), true)?;
            }
        }
        Ok(())
    }

    /// A message from its step to the one in which it was received, or lost half way.
    fn arrow(&mut self, sent: &Sent, from: usize, to: usize, is_lost: bool) -> io::Result<()> {
        let share = if is_lost { 0.5 } else { 1.0 };
        let (x, top) = (self.x(sent.src), y(from));
        let (dx, dy) = ((self.x(sent.dest) - x) * share, y(to) - top);
        let length = dx.hypot(dy);
        let angle = dy.atan2(dx).to_degrees();
        let class = class(sent);
        let (lost, end) = match (is_lost, sent.fate()) {
            (true, Fate::Dropped(..)) => (" lost", "cross"),
            (true, _) => (" lost", ""),
            (false, _) => ("", "ahead"),
        };
        let end = match end {
            "" => String::new(),
            shape => format!("<use href=\"#{shape}\" x=\"{length:.1}\"/>"),
        };
        let (line, title) = ((length - 4.0).max(0.0), escape(&title(sent)));
        writeln!(
            self.output,
            "<g transform=\"translate({x:.1} {top}) rotate({angle:.2})\">\
             <path class=\"{class}{lost}\" d=\"M0 0H{line:.1}\"><title>{title}</title></path>{end}</g>"
        )?;
        self.label(&label(sent), x, top - 4.0, dx < 0.0);
        Ok(())
    }

    /// A message's label: on the side of its arrow, unless there is no room.
    fn label(&mut self, label: &str, x: f64, y: f64, is_left: bool) {
        let room = if is_left { x } else { self.width - x };
        let has_room = GAP + CHARACTER * label.chars().count() as f64 <= room;
        let (side, x) = match is_left == has_room {
            true => ("left", x - GAP),
            false => ("right", x + GAP),
        };
        let label = escape(label);
        self.labels += &format!("<text class=\"{side}\" x=\"{x:.1}\" y=\"{y}\">{label}</text>\n");
    }

    /// Something that happens to one node.
    fn note(&mut self, node: Address, step: usize, text: &str, title: &str) -> io::Result<()> {
        let (x, y) = (self.x(node), y(step) + 4.0);
        let (text, title) = (escape(&printable(text)), escape(&printable(title)));
        writeln!(
            self.output,
            "<text class=\"note\" x=\"{x}\" y=\"{y}\">{text}<title>{title}</title></text>"
        )
    }

    /// Something that happens to the network.
    fn rule(&mut self, step: usize, time: i64, fault: &str, does: &str) -> io::Result<()> {
        let (y, width) = (y(step), self.width);
        let (fault, time) = (escape(&printable(fault)), seconds(time));
        writeln!(
            self.output,
            "<path class=\"rule\" d=\"M0 {y}H{width}\"/>\
             <text class=\"note\" x=\"{}\" y=\"{y}\">{fault} {does}, {time}</text>",
            width / 2.0,
        )
    }

    fn end(mut self, left_out: usize) -> io::Result<()> {
        self.output.write_all(self.labels.as_bytes())?;
        if left_out > 0 {
            let (x, y) = (self.width / 2.0, y(self.steps + 2));
            writeln!(
                self.output,
                "<text class=\"note\" x=\"{x}\" y=\"{y}\">{left_out} more steps are not shown</text>"
            )?;
        }
        finish(self.output, "</svg>\n")
    }
}

/// The original's colours.
fn class(sent: &Sent) -> &'static str {
    match sent.kind() {
        kind if kind == "error" => "error",
        _ if sent.src.is_client() || sent.dest.is_client() => "client",
        _ => "servers",
    }
}

fn title(sent: &Sent) -> String {
    let body = cut(&sent.body, TITLE);
    let (time, fate) = (seconds(sent.time), fate(sent));
    format!("{} → {} {body}\nsent at {time}, {fate}", sent.src, sent.dest)
}

/// The type, and what the message says beside what every message does; of an error, its
/// text.
fn label(sent: &Sent) -> String {
    let kind = sent.kind();
    let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(&sent.body).unwrap_or_default();
    if let (true, Some(text)) = (kind == "error", fields.get("text")) {
        return cut(&format!("{kind} {text}"), LABEL);
    }
    let plain = ["type", "msg_id", "in_reply_to"];
    let said = fields.iter().filter(|(name, _)| !plain.contains(name));
    let said: Vec<String> = said.map(|(name, value)| format!("{name} {value}")).collect();
    cut(&format!("{kind} {}", said.join(", ")), LABEL)
}

fn cut(text: &str, length: usize) -> String {
    let mut short: String = printable(text).chars().take(length).collect();
    if text.chars().nth(length).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, small};
    use super::*;

    fn draw(trace: &Trace, selection: &Selection) -> String {
        let mut output = Vec::new();
        write(&mut output, trace, selection).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn messages_are_arrows_and_lost_ones_end_in_a_cross() {
        let svg = draw(&small(), &ALL);
        assert_eq!(svg.matches("#ahead\"").count(), 4, "received, one of them twice: {svg}");
        assert_eq!(svg.matches("#cross\"").count(), 1);
        assert_eq!(svg.matches("class=\"servers lost\"").count(), 1);
        assert_eq!(svg.matches("class=\"client lost\"").count(), 1, "nobody read it");
        assert!(svg.contains("sent at 0.003 s, dropped at 0.005 s by partition"));
        assert!(svg.contains(">gossip value 7</text>") && svg.contains(">add value 7</text>"));
        assert!(svg.contains(">partition begins, 0.003 s<") && svg.contains(">partition ends"));
        assert!(svg.contains("a·b &lt;&amp;&gt;"), "{svg}");
        let name = |name: &str| svg.find(&format!(">{name}</text>")).unwrap();
        assert!(name("c3") < name("n0") && name("n0") < name("n2"));
    }

    /// Thirty messages to and fro between three nodes, many of them at a time and for long.
    fn crowded() -> Trace {
        let mut lines: Vec<(usize, String)> = Vec::new();
        for id in 0..30_usize {
            let (src, dest) = (id % 3, (id + 1 + id / 15) % 3);
            let (sent, received) = (id * 3, id * 3 + [2, 40, 41, 7][id % 4]);
            lines.push((
                sent,
                format!(
                    "{{\"time\":{sent},\"event\":\"send\",\"id\":{id},\"src\":\"n{src}\",\"dest\":\"n{dest}\",\
                     \"body\":{{\"type\":\"gossip\",\"values\":\"{id} & <{}>\"}}}}\n",
                    "x".repeat(id)
                ),
            ));
            let recv = format!("{{\"time\":{received},\"event\":\"recv\",\"id\":{id}}}\n");
            lines.push((received, recv));
        }
        lines.sort();
        let text: String = lines.into_iter().map(|(_, line)| line).collect();
        Trace::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_picture_is_xml_with_every_message_and_no_label_lies_over_another() {
        let svg = draw(&crowded(), &ALL);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let elements =
            |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
        let titles: Vec<&str> = elements("title").filter_map(|title| title.text()).collect();
        let boxes: Vec<[f64; 4]> = elements("text")
            .map(|text| {
                let number = |name| text.attribute(name).unwrap().parse::<f64>().unwrap();
                let (x, y) = (number("x"), number("y"));
                let width = CHARACTER * text.text().unwrap().chars().count() as f64;
                let (left, middle) = match text.attribute("class") {
                    Some("right") => (x, y - 4.0),
                    Some("left") => (x - width, y - 4.0),
                    _ => (x - width / 2.0, y),
                };
                [left, left + width, middle - 6.0, middle + 6.0]
            })
            .collect();
        assert_eq!(boxes.len(), 30 + 2 * 3, "every message has a label, and names stand twice");
        for id in 0..30 {
            assert!(titles.iter().any(|title| title.contains(&format!("{id} & <"))), "{id}");
        }
        for (number, a) in boxes.iter().enumerate() {
            assert!(a[0] >= 0.0 && a[1] <= WIDTH + 50.0, "{a:?} is cut off");
            for b in &boxes[..number] {
                let is_apart = a[1] <= b[0] || b[1] <= a[0] || a[3] <= b[2] || b[3] <= a[2];
                assert!(is_apart, "{a:?} lies over {b:?}");
            }
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut lines = String::new();
        for id in 0..LIMIT {
            lines += &format!(
                "{{\"time\":{id},\"event\":\"send\",\"id\":{id},\"src\":\"n0\",\"dest\":\"n1\",\
                 \"body\":{{}}}}\n{{\"time\":{id},\"event\":\"recv\",\"id\":{id}}}\n"
            );
        }
        let trace = Trace::read(lines.as_bytes()).unwrap();
        let svg = draw(&trace, &ALL);
        assert!(svg.contains(">10000 more steps are not shown<"));
        assert_eq!(svg.matches("#ahead\"").count(), LIMIT / 2);
        let part = Selection { to: 4, ..ALL };
        assert!(!draw(&trace, &part).contains("not shown"));
    }

    #[test]
    fn nothing_can_be_drawn() {
        assert!(draw(&Trace::default(), &ALL).ends_with("</svg>\n"));
    }
}
