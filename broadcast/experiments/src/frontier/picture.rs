//! The figures as SVG: messages an operation against the median of the latency,
//! and beside it against the maximum, both on logarithmic scales.
//!
//! The picture brings its own background, and colours for light and dark, so that
//! it can be read wherever it stands.

use std::fmt::Write as _;

use super::published::PUBLISHED;
use super::{Figures, Setting};

/// A panel's size and place.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const GAP: f64 = 36.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 72.0;

/// What the axes show: latency in ms, and messages an operation.
const LATENCY: Axis =
    Axis { least: 50.0, most: 2500.0, marks: &[50.0, 100.0, 200.0, 400.0, 600.0, 1000.0, 2000.0] };
const MESSAGES: Axis = Axis { least: 0.3, most: 30.0, marks: &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0] };

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
struct Axis {
    least: f64,
    most: f64,
    marks: &'static [f64],
}

impl Axis {
    /// Where a number is, from 0 to 1.
    fn at(&self, number: f64) -> f64 {
        let number = number.clamp(self.least, self.most);
        (number / self.least).ln() / (self.most / self.least).ln()
    }
}

fn x(latency: f64) -> f64 {
    round(WIDTH * LATENCY.at(latency))
}

fn y(messages: f64) -> f64 {
    round(HEIGHT * (1.0 - MESSAGES.at(messages)))
}

/// One decimal is as fine as a screen.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Which latency a panel shows.
struct Panel {
    title: &'static str,
    of: fn(&Figures) -> f64,
    /// The most latency and messages of challenges 3d and 3e.
    limits: [(&'static str, f64, f64); 2],
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "median latency, ms",
        of: |figures| figures.median,
        limits: [("3e", 1000.0, 20.0), ("3d", 400.0, 30.0)],
    },
    Panel {
        title: "longest latency, ms",
        of: |figures| figures.max,
        limits: [("3e", 2000.0, 20.0), ("3d", 600.0, 30.0)],
    },
];

/// The picture.
pub(super) fn draw(settings: &[Setting], default: u64) -> String {
    let (width, height) = (LEFT + 2.0 * WIDTH + GAP + 20.0, TOP + HEIGHT + BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"messages between nodes an operation against latency\">\n<style>{STYLE}\
         </style>\n<rect class=\"ground\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n"
    );
    let _ = writeln!(
        svg,
        "<text class=\"text\" x=\"{LEFT}\" y=\"24\">messages between nodes an operation: 25 nodes, \
         100 ms, 100 operations a second</text>"
    );
    for (number, panel) in PANELS.iter().enumerate() {
        let left = LEFT + number as f64 * (WIDTH + GAP);
        let _ = writeln!(svg, "<g transform=\"translate({left},{TOP})\">");
        panel.draw(&mut svg, settings, default);
        svg.push_str("</g>\n");
    }
    legend(&mut svg, height - 18.0);
    svg.push_str("</svg>\n");
    svg
}

impl Panel {
    fn draw(&self, svg: &mut String, settings: &[Setting], default: u64) {
        self.axes(svg);
        for (name, latency, messages) in self.limits {
            let (x, y) = (x(latency), y(messages));
            let _ = writeln!(
                svg,
                "<rect class=\"limit\" x=\"0\" y=\"{y}\" width=\"{x}\" height=\"{}\"/>\
                 <text class=\"faint\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{name}</text>",
                round(HEIGHT - y),
                x - 4.0,
                y + 14.0
            );
        }
        for figures in PUBLISHED {
            let (x, y) = (x((self.of)(figures)), y(figures.messages));
            let cross = format!("M{} {}l7 7m0 -7l-7 7", round(x - 3.5), round(y - 3.5));
            point(
                svg,
                &format!("<path class=\"other\" d=\"{cross}\">"),
                "path",
                figures,
                "published",
            );
        }
        self.settings(svg, settings, default);
    }

    fn axes(&self, svg: &mut String) {
        for &mark in LATENCY.marks {
            let x = x(mark);
            let _ = writeln!(
                svg,
                "<path class=\"rule\" d=\"M{x} 0V{HEIGHT}\"/><text class=\"faint\" \
                 text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{mark}</text>",
                HEIGHT + 16.0
            );
        }
        for &mark in MESSAGES.marks {
            let y = y(mark);
            let _ = writeln!(
                svg,
                "<path class=\"rule\" d=\"M0 {y}H{WIDTH}\"/><text class=\"faint\" \
                 text-anchor=\"end\" x=\"-6\" y=\"{}\">{mark}</text>",
                y + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"text\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
            WIDTH / 2.0,
            HEIGHT + 34.0,
            self.title
        );
    }

    fn settings(&self, svg: &mut String, settings: &[Setting], default: u64) {
        let place = |figures: &Figures| (x((self.of)(figures)), y(figures.messages));
        // A period of zero is another way of spreading, not the end of this one.
        let mut line = String::new();
        for setting in settings.iter().filter(|setting| setting.period > 0) {
            let (x, y) = place(&setting.figures);
            let _ = write!(line, "{}{x} {y}", if line.is_empty() { "M" } else { "L" });
        }
        let _ = writeln!(svg, "<path class=\"line\" d=\"{line}\"/>");
        for Setting { period, figures } in settings {
            let (x, y) = place(figures);
            let (class, r) = if *period == default { ("default", 5) } else { ("own", 3) };
            let circle = format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\">");
            point(svg, &circle, "circle", figures, &format!("--period-ms {period}"));
        }
    }
}

/// A point that says what it is when it is pointed at.
fn point(svg: &mut String, open: &str, tag: &str, figures: &Figures, name: &str) {
    let Figures { messages, median, max } = figures;
    let _ = writeln!(
        svg,
        "{open}<title>{name}: {messages:.2} messages an operation, median {median:.0} ms, longest \
         {max:.0} ms</title></{tag}>"
    );
}

fn legend(svg: &mut String, y: f64) {
    let middle = y - 4.0;
    let _ = writeln!(
        svg,
        "<g transform=\"translate({LEFT},0)\">\
         <circle class=\"own\" cx=\"4\" cy=\"{middle}\" r=\"3\"/>\
         <text class=\"text\" x=\"14\" y=\"{y}\">this node, period from 0 to 1600 ms</text>\
         <circle class=\"default\" cx=\"254\" cy=\"{middle}\" r=\"5\"/>\
         <text class=\"text\" x=\"266\" y=\"{y}\">its default</text>\
         <path class=\"other\" d=\"M350 {}l7 7m0 -7l-7 7\"/>\
         <text class=\"text\" x=\"364\" y=\"{y}\">published by others</text>\
         <rect class=\"limit\" x=\"500\" y=\"{}\" width=\"14\" height=\"10\"/>\
         <text class=\"text\" x=\"520\" y=\"{y}\">within the limits of challenges 3d and 3e</text></g>",
        middle - 3.5,
        middle - 5.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_logarithmic_and_keep_everything_within_the_panel() {
        assert_eq!((x(50.0), x(2500.0)), (0.0, WIDTH));
        assert_eq!((y(30.0), y(0.3)), (0.0, HEIGHT));
        assert_eq!(y(3.0), HEIGHT / 2.0);
        assert_eq!((x(0.0), y(1000.0)), (0.0, 0.0));
    }

    #[test]
    fn every_setting_is_a_point_in_both_panels_and_names_itself() {
        let figures = Figures { messages: 1.2, median: 230.0, max: 470.0 };
        let settings = [0, 340].map(|period| Setting { period, figures });
        let svg = draw(&settings, 340);
        assert_eq!(svg.matches("--period-ms 0:").count(), 2);
        assert_eq!(svg.matches("class=\"default\" cx").count(), 3);
        assert_eq!(svg.matches("published:").count(), 2 * PUBLISHED.len());
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}
