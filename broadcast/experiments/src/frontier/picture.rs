//! The figures as SVG: messages an operation against the median of the latency, and beside it
//! against the maximum.

use super::published::PUBLISHED;
use super::{Figures, Setting};
use crate::plot::{Axis, Mark, Picture};

const LATENCY: Axis =
    Axis { least: 50.0, most: 2500.0, marks: &[50.0, 100.0, 200.0, 400.0, 600.0, 1000.0, 2000.0] };
const MESSAGES: Axis = Axis { least: 0.3, most: 30.0, marks: &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0] };

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

const LEGEND: [(f64, Mark, &str); 4] = [
    (0.0, Mark::Own, "this node, period from 0 to 1600 ms"),
    (250.0, Mark::Default, "its default"),
    (350.0, Mark::Other, "published by others"),
    (500.0, Mark::Limit, "within the limits of challenges 3d and 3e"),
];

/// The picture.
pub(super) fn draw(settings: &[Setting], default: u64) -> String {
    let title = "messages between nodes an operation: 25 nodes, 100 ms, 100 operations a second";
    let mut picture = Picture::new(title, LATENCY, MESSAGES);
    for (number, panel) in (0..).zip(PANELS) {
        picture.panel(number, panel.title, |picture| panel.draw(picture, settings, default));
    }
    picture.legend(&LEGEND);
    picture.finish("messages between nodes an operation against latency")
}

impl Panel {
    fn draw(&self, picture: &mut Picture, settings: &[Setting], default: u64) {
        for (name, latency, messages) in self.limits {
            picture.limit(name, (latency, messages));
        }
        let place = |figures: &Figures| ((self.of)(figures), figures.messages);
        for figures in PUBLISHED {
            picture.point(Mark::Other, place(figures), &figures.says("published"));
        }
        // A period of zero is another way of spreading, not the end of this one.
        let rounds = settings.iter().filter(|setting| setting.period > 0);
        picture.line(rounds.map(|setting| place(&setting.figures)));
        for Setting { period, figures } in settings {
            let mark = if *period == default { Mark::Default } else { Mark::Own };
            picture.point(mark, place(figures), &figures.says(&format!("--period-ms {period}")));
        }
    }
}

impl Figures {
    fn says(&self, name: &str) -> String {
        let Self { messages, median, max } = self;
        format!(
            "{name}: {messages:.2} messages an operation, median {median:.0} ms, longest {max:.0} \
             ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
