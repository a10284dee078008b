//! Two pictures as SVG: how long each operation took, and how many there were a
//! second. Faults are shaded and named.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use checkers::txn::escape;

use super::chart::{COLUMNS, Chart, LONGEST, Outcomes, ROWS, SHORTEST};

const LEFT: f64 = 56.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
const WIDTH: f64 = COLUMNS as f64;
/// About as wide as a letter.
const LETTER: f64 = 7.0;
/// The height of the picture of rates.
const RATE_HEIGHT: f64 = 120.0;
/// Over how many spans of time rates are taken, at most and at least; of a second, if they may be.
const MOST_BUCKETS: f64 = 80.0;
const LEAST_BUCKETS: f64 = 20.0;

struct Picture<'a> {
    chart: &'a Chart,
    height: f64,
    svg: String,
}

/// Each operation at the time of its invocation, as high as it took long.
pub(crate) fn latencies(chart: &Chart) -> String {
    let mut picture = Picture::new(chart, f64::from(ROWS), "latency of each operation");
    let decades = (LONGEST / SHORTEST).log10().round() as i32;
    for decade in 0..=decades {
        let y = picture.height * (1.0 - f64::from(decade) / f64::from(decades));
        let label = duration(SHORTEST * 10_f64.powi(decade));
        // What is beyond the ends stands on them.
        let beyond = match decade {
            0 => "≤ ",
            decade if decade == decades => "≥ ",
            _ => "",
        };
        picture.rule(y, &format!("{beyond}{label}"));
    }
    for (number, (f, series)) in chart.series.iter().enumerate() {
        for (outcome, class) in series.outcomes.iter().zip(["ok", "fail", "info"]) {
            picture.dots(&format!("{class} f{}", number % 6), f, &outcome.points);
        }
    }
    picture.finish()
}

/// How many operations of each function succeeded a second, and of all how many
/// did not.
pub(crate) fn rates(chart: &Chart) -> String {
    let lines = rate_lines(chart);
    let most = lines.iter().flat_map(|(_, _, rates)| rates).copied().fold(0.0, f64::max);
    let step = step(most, 3.0, 1.0);
    let rules = (most / step).ceil().max(1.0);
    let most = rules * step;
    let mut picture = Picture::new(chart, RATE_HEIGHT, "operations a second");
    for rule in 0..=rules as u32 {
        let rate = f64::from(rule) * step;
        let unit = if rule == 0 { "" } else { "/s" };
        picture.rule(picture.height * (1.0 - rate / most), &format!("{rate}{unit}"));
    }
    for (class, name, rates) in &lines {
        picture.line(class, name, rates, most);
    }
    picture.finish()
}

/// The class, the name and the rates of each line.
fn rate_lines(chart: &Chart) -> Vec<(String, String, Vec<f64>)> {
    let buckets = seconds(chart.end).round().clamp(LEAST_BUCKETS, MOST_BUCKETS) as usize;
    let mut wrong = vec![0.0; buckets];
    let mut lines = Vec::new();
    for (number, (f, series)) in chart.series.iter().enumerate() {
        let mut rates = vec![0.0; buckets];
        let [ok, failed, in_doubt] = &series.outcomes;
        add(chart, &mut rates, ok);
        add(chart, &mut wrong, failed);
        add(chart, &mut wrong, in_doubt);
        lines.push((format!("rate f{}", number % 6), f.clone(), rates));
    }
    if wrong.iter().any(|rate| *rate > 0.0) {
        lines.push(("rate wrong".to_owned(), "failed or in doubt".to_owned(), wrong));
    }
    lines
}

/// Adds the counts of columns to the rates of buckets.
fn add(chart: &Chart, rates: &mut [f64], outcomes: &Outcomes) {
    let bucket_seconds = (seconds(chart.end) / rates.len() as f64).max(1e-9);
    for (&column, &count) in &outcomes.counts {
        // The middle of the column decides.
        let time = (f64::from(column) + 0.5) * seconds(chart.width);
        let bucket = ((time / bucket_seconds) as usize).min(rates.len() - 1);
        rates[bucket] += f64::from(count) / bucket_seconds;
    }
}

impl<'a> Picture<'a> {
    fn new(chart: &'a Chart, height: f64, label: &str) -> Self {
        let (width, total) = (LEFT + WIDTH + 10.0, TOP + height + BOTTOM);
        let svg = format!(
            "<svg viewBox=\"0 0 {width} {total}\" role=\"img\" aria-label=\"{label}\">\
             <g transform=\"translate({LEFT},{TOP})\">"
        );
        let mut picture = Self { chart, height, svg };
        picture.faults();
        picture.time_axis();
        picture
    }

    /// Where a time in nanoseconds is.
    fn x(&self, time: u64) -> f64 {
        round(WIDTH * time as f64 / self.chart.end.max(1) as f64)
    }

    /// Faults of one name have their names in a row of their own. One that is shorter than its
    /// name has it only if it is the first.
    fn faults(&mut self) {
        let mut names: Vec<&str> = Vec::new();
        for fault in &self.chart.faults {
            let known = names.iter().position(|name| *name == fault.name);
            let row = known.unwrap_or_else(|| {
                names.push(&fault.name);
                names.len() - 1
            });
            let (start, end) = (self.x(fault.start), self.x(fault.end.unwrap_or(self.chart.end)));
            let (name, height, width) = (escape(&fault.name), self.height, end - start);
            let _ = write!(
                self.svg,
                "<rect class=\"fault\" x=\"{start}\" y=\"0\" width=\"{}\" height=\"{height}\">\
                 <title>{name}</title></rect>",
                round(width.max(1.0)),
            );
            if known.is_none() || width > LETTER * name.len() as f64 {
                // At the right edge it stands before the end.
                let (x, class) = match start + LETTER * name.len() as f64 {
                    end if end > WIDTH => (WIDTH - 4.0, "of-fault y"),
                    _ => (start + 4.0, "of-fault"),
                };
                let y = 12 + 13 * row;
                let _ =
                    write!(self.svg, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{name}</text>");
            }
        }
    }

    fn time_axis(&mut self) {
        let total = seconds(self.chart.end);
        let step = step(total, 8.0, 0.1);
        let mut at = 0.0;
        while at <= total {
            let x = round(WIDTH * at / total.max(1e-9));
            let y = self.height + 16.0;
            let _ =
                write!(self.svg, "<text class=\"x\" x=\"{x}\" y=\"{y}\">{} s</text>", round(at));
            at += step;
        }
    }

    /// A horizontal line with a label.
    fn rule(&mut self, y: f64, label: &str) {
        let y = round(y);
        let _ = write!(
            self.svg,
            "<path class=\"rule\" d=\"M0 {y}H{WIDTH}\"/><text class=\"y\" x=\"-6\" y=\"{}\">{label}\
             </text>",
            y + 4.0
        );
    }

    fn dots(&mut self, class: &str, name: &str, points: &BTreeSet<(u32, u32)>) {
        let mut path = String::new();
        for &(column, row) in points {
            let middle = u64::from(column) * self.chart.width;
            let (x, y) = (self.x(middle), self.height - f64::from(row));
            let _ = write!(path, "M{x} {y}h0");
        }
        if !path.is_empty() {
            let name = escape(name);
            let _ = write!(
                self.svg,
                "<path class=\"dots {class}\" d=\"{path}\"><title>{name}</title></path>"
            );
        }
    }

    fn line(&mut self, class: &str, name: &str, rates: &[f64], most: f64) {
        let mut path = String::new();
        for (bucket, rate) in rates.iter().enumerate() {
            let x = round(WIDTH * (bucket as f64 + 0.5) / rates.len() as f64);
            let y = round(self.height * (1.0 - rate / most));
            let _ = write!(path, "{}{x} {y}", if bucket == 0 { "M" } else { "L" });
        }
        let name = escape(name);
        let _ =
            write!(self.svg, "<path class=\"{class}\" d=\"{path}\"><title>{name}</title></path>");
    }

    fn finish(mut self) -> String {
        self.svg.push_str("</g></svg>");
        self.svg
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// One decimal is as fine as a screen.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// A round number, so that about so many of them fill an axis, and not less than another.
fn step(total: f64, parts: f64, least: f64) -> f64 {
    let raw = (total / parts).max(least);
    let power = 10_f64.powf(raw.log10().floor());
    let part = [1.0, 2.0, 5.0, 10.0].into_iter().find(|part| part * power >= raw);
    part.unwrap_or(10.0) * power
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.999e-3 => format!("{} µs", (s * 1e6).round()),
        s if s < 0.999 => format!("{} ms", (s * 1e3).round()),
        s => format!("{} s", s.round()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::history::{Op, OpType, Process, null};

    use super::*;

    fn chart() -> Chart {
        let mut chart = Chart::new(Duration::from_secs(2));
        let ops = [
            (0, OpType::Invoke, Process::Client(0), "read"),
            (500, OpType::Info, Process::Nemesis, "start-partition"),
            (1_000, OpType::Ok, Process::Client(0), "read"),
            (2_000, OpType::Info, Process::Nemesis, "stop-partition"),
        ];
        for (millis, kind, process, f) in ops {
            chart.observe(&Op { time: millis * 1_000_000, ..Op::new(process, kind, f, null()) });
        }
        chart
    }

    #[test]
    fn an_operation_is_a_dot_and_a_fault_is_a_shade() {
        let svg = latencies(&chart());
        // One second is five sixths up the six decades.
        assert!(
            svg.contains("<path class=\"dots ok f0\" d=\"M0 40h0\"><title>read</title>"),
            "{svg}"
        );
        assert!(svg.contains("<rect class=\"fault\" x=\"160\" y=\"0\" width=\"480\""), "{svg}");
        assert!(
            svg.contains("<text class=\"of-fault\" x=\"164\" y=\"12\">partition</text>"),
            "{svg}"
        );
        let mut short = chart();
        for millis in [2_100, 2_110, 2_200, 4_000] {
            let f = if millis % 200 == 100 { "start-partition" } else { "stop-partition" };
            let op = Op::new(Process::Nemesis, OpType::Info, f, null());
            short.observe(&Op { time: millis * 1_000_000, ..op });
        }
        let svg = latencies(&short);
        assert_eq!(svg.matches("<rect class=\"fault\"").count(), 2, "{svg}");
        assert_eq!(svg.matches("<text class=\"of-fault").count(), 1, "{svg}");
        assert!(
            svg.contains(">≤ 10 µs<") && svg.contains(">1 ms<") && svg.contains(">≥ 10 s<"),
            "{svg}"
        );
    }

    #[test]
    fn the_rate_is_operations_over_time() {
        let lines = rate_lines(&chart());
        let area: f64 = lines[0].2.iter().map(|rate| rate * 2.0 / LEAST_BUCKETS).sum();
        assert!((area - 1.0).abs() < 1e-6, "{area}");
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn an_empty_chart_can_be_drawn() {
        let chart = Chart::new(Duration::from_secs(1));
        for svg in [latencies(&chart), rates(&chart)] {
            assert!(
                svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
        }
    }

    #[test]
    fn the_numbers_of_the_axes_are_round() {
        assert_eq!(step(20.0, 8.0, 0.1), 5.0);
        assert_eq!(step(60.0, 8.0, 0.1), 10.0);
        assert_eq!(step(0.0, 8.0, 0.1), 0.1);
        let mut chart = chart();
        for process in 1..=174 {
            for (time, kind) in [(3_000, OpType::Invoke), (3_001, OpType::Ok)] {
                let op = Op::new(Process::Client(process), kind, "read", null());
                chart.observe(&Op { time: time * 1_000_000, ..op });
            }
        }
        // 174 of them in one span of time, which is 3.001 s / 20.
        let svg = rates(&chart);
        for label in [">0<", ">500/s<", ">1000/s<", ">1500/s<"] {
            assert!(svg.contains(label), "{label}: {svg}");
        }
        assert_eq!(svg.matches("class=\"y\"").count(), 4, "{svg}");
    }
}
