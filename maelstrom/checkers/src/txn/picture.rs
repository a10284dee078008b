//! A cycle as an image: transactions on an ellipse, an arrow for every step.
//!
//! The image is one SVG element without references to anything outside it, so
//! that a page can hold it as it is, and give it other colours by its classes. Text that came
//! from a node is escaped.

use std::f64::consts::TAU;
use std::fmt::Write;

use super::relation::Relation;

/// Above this many transactions an image explains nothing.
const MOST_NODES: usize = 12;

const BOX_HEIGHT: f64 = 44.0;
const CHARACTER_WIDTH: f64 = 6.7;
/// Characters of a transaction that are shown.
const MOST_CHARACTERS: usize = 48;

/// A transaction, and the arrow that leads from it to the next one.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) label: String,
    pub(super) relation: Relation,
}

#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

/// Draws a cycle of `nodes`; `None` if it is too long.
pub(super) fn draw(title: &str, mut nodes: Vec<Node>) -> Option<String> {
    if nodes.is_empty() || nodes.len() > MOST_NODES {
        return None;
    }
    nodes.iter_mut().for_each(|node| node.text = shortened(&node.text));
    let texts = nodes.iter().flat_map(|node| [&node.title, &node.text]);
    let widest = texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let box_width = widest as f64 * CHARACTER_WIDTH + 20.0;
    let labels = nodes.iter().map(|node| shortened(&node.label).chars().count());
    let label_width = labels.max().unwrap_or(0) as f64 * CHARACTER_WIDTH + 40.0;
    let radius = Point {
        x: box_width * 0.55 + 40.0 * nodes.len() as f64,
        y: 60.0 + 26.0 * nodes.len() as f64,
    };
    // Two boxes stand above each other, with a label on either side between them.
    let width = match nodes.len() {
        1 | 2 => box_width.max(2.0 * label_width),
        _ => 2.0 * radius.x + box_width.max(2.0 * label_width),
    };
    let size = Point { x: width + 20.0, y: 2.0 * radius.y + BOX_HEIGHT + 80.0 };
    let centers: Vec<Point> =
        (0..nodes.len()).map(|i| center(i, nodes.len(), radius, size)).collect();

    let mut svg = String::new();
    open(&mut svg, title, size);
    for (i, node) in nodes.iter().enumerate() {
        let (from, to) = (centers[i], centers[(i + 1) % centers.len()]);
        draw_arrow(&mut svg, from, to, box_width, node);
    }
    for (node, &center) in nodes.iter().zip(&centers) {
        draw_node(&mut svg, node, center, box_width);
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Writing to a string does not fail.
macro_rules! put {
    ($svg:expr, $($argument:tt)*) => { let _ = write!($svg, $($argument)*); };
}

fn open(svg: &mut String, title: &str, size: Point) {
    let Point { x, y } = size;
    put!(svg, r#"<svg xmlns="http://www.w3.org/2000/svg" class="cycle" role="img" "#);
    put!(svg, r#"viewBox="0 0 {x:.0} {y:.0}" width="{x:.0}" height="{y:.0}" "#);
    put!(svg, r#"font-family="monospace" font-size="11">"#);
    put!(
        svg,
        r##"<rect class="ground" width="100%" height="100%" fill="#fff"/><title>{}</title>"##,
        escape(title)
    );
    put!(svg, r##"<text x="10" y="18" font-size="13" fill="#222">{}</text>"##, escape(title));
}

fn center(i: usize, count: usize, radius: Point, size: Point) -> Point {
    let angle = TAU * (i as f64 / count as f64 - 0.25);
    Point {
        x: size.x / 2.0 + radius.x * angle.cos(),
        y: size.y / 2.0 + 12.0 + radius.y * angle.sin(),
    }
}

fn draw_node(svg: &mut String, Node { title, text, .. }: &Node, center: Point, width: f64) {
    let Point { x, y } = center;
    let (left, top) = (x - width / 2.0, y - BOX_HEIGHT / 2.0);
    put!(
        svg,
        r#"<rect class="box" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{BOX_HEIGHT}" rx="5" "#
    );
    put!(svg, r##"fill="#f4f6fa" stroke="#456"/>"##);
    put!(svg, r##"<text x="{x:.1}" y="{:.1}" text-anchor="middle" fill="#222">"##, y - 5.0);
    put!(svg, r#"<tspan font-weight="bold">{}</tspan></text>"#, escape(title));
    put!(svg, r##"<text x="{x:.1}" y="{:.1}" text-anchor="middle" fill="#222">"##, y + 12.0);
    put!(svg, "{}</text>", escape(text));
}

/// A curve that bends to its left, so that two opposite arrows stay apart. Boxes stand clockwise:
/// labels are outside of their circle, and not all in its middle.
fn draw_arrow(svg: &mut String, from: Point, to: Point, box_width: f64, arrow: &Node) {
    let (class, color) = style(arrow.relation);
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy).max(1.0);
    let bend = 0.16 * length;
    let middle = Point {
        x: (from.x + to.x) / 2.0 + dy / length * bend,
        y: (from.y + to.y) / 2.0 - dx / length * bend,
    };
    let (start, end) = (edge(from, middle, box_width), edge(to, middle, box_width));
    put!(svg, r#"<g class="{class}">"#);
    put!(svg, r#"<path d="M{:.1} {:.1} Q{:.1} {:.1} "#, start.x, start.y, middle.x, middle.y);
    put!(svg, r#"{:.1} {:.1}" fill="none" stroke="{color}" stroke-width="1.6"/>"#, end.x, end.y);
    draw_head(svg, middle, end, color);
    // The label is on the side to which the curve bends, so that those of two opposite arrows
    // stay apart, too. The curve passes half-way to its control point.
    let side = Point { x: dy / length, y: -dx / length };
    let anchor = match side.x {
        ..-0.3 => "end",
        0.3.. => "start",
        _ => "middle",
    };
    let x = (start.x + end.x) / 4.0 + middle.x / 2.0 + 7.0 * side.x;
    let y = (start.y + end.y) / 4.0 + middle.y / 2.0 + 15.0 * side.y + 4.0;
    put!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{color}" "#);
    put!(svg, r##"stroke="#fff" stroke-width="4" paint-order="stroke">"##);
    put!(svg, "{}</text></g>", escape(&shortened(&arrow.label)));
}

fn draw_head(svg: &mut String, from: Point, tip: Point, color: &str) {
    let angle = (tip.y - from.y).atan2(tip.x - from.x);
    let wing = |turn: f64| {
        let (sin, cos) = (angle + turn).sin_cos();
        (tip.x - 9.0 * cos, tip.y - 9.0 * sin)
    };
    let ((ax, ay), (bx, by)) = (wing(0.4), wing(-0.4));
    put!(svg, r#"<path d="M{:.1} {:.1} L{ax:.1} {ay:.1} L{bx:.1} {by:.1} Z" "#, tip.x, tip.y);
    put!(svg, r#"fill="{color}"/>"#);
}

/// Where the line from a box's center to `towards` leaves the box.
fn edge(center: Point, towards: Point, box_width: f64) -> Point {
    let (dx, dy) = (towards.x - center.x, towards.y - center.y);
    let by_width = (box_width / 2.0 + 3.0) / dx.abs().max(0.01);
    let by_height = (BOX_HEIGHT / 2.0 + 3.0) / dy.abs().max(0.01);
    let part = by_width.min(by_height).min(1.0);
    Point { x: center.x + dx * part, y: center.y + dy * part }
}

/// An arrow's class and its color. Anti-dependencies stand out: how many there are is the
/// cycle's name.
fn style(relation: Relation) -> (&'static str, &'static str) {
    match relation {
        Relation::Ww => ("ww", "#7a3db8"),
        Relation::Wr => ("wr", "#1f6fb2"),
        Relation::Rw => ("rw", "#c0392b"),
        Relation::Process | Relation::Realtime => ("order", "#5d6d7e"),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= MOST_CHARACTERS {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST_CHARACTERS - 1).collect();
    format!("{start}…")
}

/// A text in which what means something in HTML and SVG stands for itself.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(count: usize, text: &str) -> Option<String> {
        let node = |i: usize| Node {
            title: format!("T{i}"),
            text: text.to_owned(),
            label: "rw 1: 2 → 3".to_owned(),
            relation: Relation::Rw,
        };
        draw("G2-item", (0..count).map(node).collect())
    }

    #[test]
    fn every_transaction_and_every_step_is_drawn() {
        let svg = picture(3, "[]").unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        assert!(["T0", "T1", "T2"].iter().all(|name| svg.contains(name)));
        assert_eq!(svg.matches("rw 1: 2 → 3").count(), 3);
        assert!(!svg.contains("NaN"));
        assert_eq!(svg.matches(r#"<g class="rw">"#).count(), 3);
    }

    #[test]
    fn labels_of_two_opposite_arrows_do_not_cover_each_other() {
        let svg = picture(2, "[]").unwrap();
        assert!(svg.contains(r#"text-anchor="start" fill"#), "{svg}");
        assert!(svg.contains(r#"text-anchor="end" fill"#), "{svg}");
    }

    #[test]
    fn no_label_covers_another_and_none_is_cut() {
        let number = |text: &str, name: &str| -> f64 {
            let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.parse().unwrap()
        };
        for count in 2..=MOST_NODES {
            let svg = picture(count, "[[\"append\",1,2]]").unwrap();
            let (width, height) = (number(&svg, " width"), number(&svg, " height"));
            let labels = svg.split("<text ").filter(|text| text.contains("paint-order"));
            let boxes: Vec<_> = labels
                .map(|text| {
                    let (x, y) = (number(text, "x"), number(text, "y"));
                    let long = "rw 1: 2 → 3".chars().count() as f64 * CHARACTER_WIDTH;
                    let left = match text {
                        text if text.contains("anchor=\"end\"") => x - long,
                        text if text.contains("anchor=\"start\"") => x,
                        _ => x - long / 2.0,
                    };
                    (left, left + long, y)
                })
                .collect();
            assert_eq!(boxes.len(), count);
            for (i, a) in boxes.iter().enumerate() {
                assert!(a.0 > 0.0 && a.1 < width && a.2 > 30.0 && a.2 < height, "{count}: {a:?}");
                let covers =
                    |b: &&(f64, f64, f64)| a.0 < b.1 && b.0 < a.1 && (a.2 - b.2).abs() < 12.0;
                assert_eq!(boxes[i + 1..].iter().find(covers), None, "{count}: {a:?}");
            }
        }
    }

    #[test]
    fn text_of_a_node_cannot_leave_its_place() {
        let svg = picture(2, r#"["</text><script>alert(1)</script>"]"#).unwrap();
        assert!(!svg.contains("<script>"));
    }

    #[test]
    fn a_cycle_too_long_to_read_is_not_drawn() {
        assert!(picture(MOST_NODES + 1, "[]").is_none());
    }
}
