//! Messages an operation against latency as SVG: two panels, both on logarithmic scales.
//!
//! A picture brings its own background, and colours for light and dark, so that it can be
//! read wherever it stands.

use std::fmt::Write as _;

/// A panel's size and place.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const GAP: f64 = 36.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 72.0;

const STYLE: &str = "\
    svg{font:12px system-ui,sans-serif}\
    .ground{fill:#fff}.text{fill:#1f2328}.faint{fill:#59636e}\
    .rule{stroke:#d1d9e0;stroke-width:1}\
    .limit{fill:#1a7f37;fill-opacity:.08;stroke:#1a7f37;stroke-opacity:.5;stroke-dasharray:4 3}\
    .line{fill:none;stroke:#0969da;stroke-width:1.5}.own{fill:#0969da}\
    .default{fill:#fff;stroke:#0969da;stroke-width:2.5}\
    .other{fill:none;stroke:#bc4c00;stroke-width:1.5}\
    @media(prefers-color-scheme:dark){\
    .ground{fill:#0d1117}.text{fill:#f0f6fc}.faint{fill:#9198a1}\
    .rule{stroke:#3d444d}\
    .limit{fill:#3fb950;stroke:#3fb950}\
    .line{stroke:#4493f8}.own{fill:#4493f8}\
    .default{fill:#0d1117;stroke:#4493f8}\
    .other{stroke:#f0883e}}";

/// A logarithmic scale.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// Where it begins.
    pub least: f64,
    /// Where it ends.
    pub most: f64,
    /// What is written at it.
    pub marks: &'static [f64],
}

impl Axis {
    /// Where a number is, from 0 to 1.
    fn at(&self, number: f64) -> f64 {
        let number = number.clamp(self.least, self.most);
        (number / self.least).ln() / (self.most / self.least).ln()
    }
}

/// How a point, or what is said of some, looks.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// A node of this workspace's.
    Own,
    /// The same as it is by default.
    Default,
    /// Another one.
    Other,
    /// What is asked for.
    Limit,
}

/// A picture. Points are pairs of a latency, in ms, and messages an operation.
#[derive(Debug)]
pub struct Picture {
    latency: Axis,
    messages: Axis,
    svg: String,
}

impl Picture {
    /// A picture with this title and nothing else.
    pub fn new(title: &str, latency: Axis, messages: Axis) -> Self {
        let svg = format!(
            "<style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n\
             <text class=\"text\" x=\"{LEFT}\" y=\"24\">{title}</text>\n"
        );
        Self { latency, messages, svg }
    }

    /// Draws the first panel (0) or the second one.
    pub fn panel(&mut self, number: u32, title: &str, draw: impl FnOnce(&mut Self)) {
        let left = LEFT + f64::from(number) * (WIDTH + GAP);
        let _ = writeln!(self.svg, "<g transform=\"translate({left},{TOP})\">");
        self.axes(title);
        draw(self);
        self.svg.push_str("</g>\n");
    }

    fn axes(&mut self, title: &str) {
        for &mark in self.latency.marks {
            let x = self.x(mark);
            let _ = writeln!(
                self.svg,
                "<path class=\"rule\" d=\"M{x} 0V{HEIGHT}\"/><text class=\"faint\" \
                 text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{mark}</text>",
                HEIGHT + 16.0
            );
        }
        for &mark in self.messages.marks {
            let y = self.y(mark);
            let _ = writeln!(
                self.svg,
                "<path class=\"rule\" d=\"M0 {y}H{WIDTH}\"/><text class=\"faint\" \
                 text-anchor=\"end\" x=\"-6\" y=\"{}\">{mark}</text>",
                y + 4.0
            );
        }
        let _ = writeln!(
            self.svg,
            "<text class=\"text\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{title}</text>",
            WIDTH / 2.0,
            HEIGHT + 34.0
        );
    }

    /// All that has no more latency and no more messages than this.
    pub fn limit(&mut self, name: &str, (latency, messages): (f64, f64)) {
        let (x, y) = (self.x(latency), self.y(messages));
        let _ = writeln!(
            self.svg,
            "<rect class=\"limit\" x=\"0\" y=\"{y}\" width=\"{x}\" height=\"{}\"/>\
             <text class=\"faint\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{name}</text>",
            round(HEIGHT - y),
            x - 4.0,
            y + 14.0
        );
    }

    /// A line from one point to the next.
    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut line = String::new();
        for (latency, messages) in points {
            let (x, y) = (self.x(latency), self.y(messages));
            let _ = write!(line, "{}{x} {y}", if line.is_empty() { "M" } else { "L" });
        }
        let _ = writeln!(self.svg, "<path class=\"line\" d=\"{line}\"/>");
    }

    /// A point that says what it is when it is pointed at.
    pub fn point(&mut self, mark: Mark, (latency, messages): (f64, f64), says: &str) {
        let at = (self.x(latency), self.y(messages));
        mark.draw(&mut self.svg, at, says);
    }

    /// A word beside a point.
    pub fn word(&mut self, (latency, messages): (f64, f64), word: &str) {
        let (x, y) = (round(self.x(latency) + 8.0), round(self.y(messages) + 4.0));
        let _ = writeln!(self.svg, "<text class=\"faint\" x=\"{x}\" y=\"{y}\">{word}</text>");
    }

    /// What the marks mean, each so far from the left.
    pub fn legend(&mut self, items: &[(f64, Mark, &str)]) {
        let y = TOP + HEIGHT + BOTTOM - 18.0;
        for &(at, mark, says) in items {
            mark.draw(&mut self.svg, (LEFT + at + 4.0, y - 4.0), says);
            let x = LEFT + at + 16.0;
            let _ = writeln!(self.svg, "<text class=\"text\" x=\"{x}\" y=\"{y}\">{says}</text>");
        }
    }

    /// What is in the picture, without the element around it.
    pub fn content(self) -> String {
        self.svg
    }

    /// The file's content.
    pub fn finish(self, label: &str) -> String {
        let (width, height) = (LEFT + 2.0 * WIDTH + GAP + 20.0, TOP + HEIGHT + BOTTOM);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-label=\"{label}\">\n{}</svg>\n",
            self.svg
        )
    }

    fn x(&self, latency: f64) -> f64 {
        round(WIDTH * self.latency.at(latency))
    }

    fn y(&self, messages: f64) -> f64 {
        round(HEIGHT * (1.0 - self.messages.at(messages)))
    }
}

impl Mark {
    fn draw(self, svg: &mut String, (x, y): (f64, f64), says: &str) {
        let (left, top) = (round(x - 3.5), round(y - 3.5));
        let (tag, shape) = match self {
            Self::Own => ("circle", format!("class=\"own\" cx=\"{x}\" cy=\"{y}\" r=\"3\"")),
            Self::Default => ("circle", format!("class=\"default\" cx=\"{x}\" cy=\"{y}\" r=\"5\"")),
            Self::Other => ("path", format!("class=\"other\" d=\"M{left} {top}l7 7m0 -7l-7 7\"")),
            Self::Limit => {
                let place = format!("x=\"{left}\" y=\"{top}\" width=\"14\" height=\"10\"");
                ("rect", format!("class=\"limit\" {place}"))
            }
        };
        let _ = writeln!(svg, "<{tag} {shape}><title>{says}</title></{tag}>");
    }
}

/// One decimal is as fine as a screen.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis = Axis { least: 0.3, most: 30.0, marks: &[1.0, 10.0] };

    #[test]
    fn scales_are_logarithmic_and_keep_everything_within_the_panel() {
        let picture = Picture::new("", AXIS, AXIS);
        assert_eq!((picture.x(0.3), picture.x(30.0)), (0.0, WIDTH));
        assert_eq!((picture.y(30.0), picture.y(0.3)), (0.0, HEIGHT));
        assert_eq!(picture.y(3.0), HEIGHT / 2.0);
        assert_eq!((picture.x(0.0), picture.y(1000.0)), (0.0, 0.0));
    }
}
