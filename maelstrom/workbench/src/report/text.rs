//! The summary of a test: a verdict first, then why, then numbers, then where
//! to find more.

use std::fmt::Write as _;

use checkers::{Ended, Figures, Validity};

use super::style::Style;
use super::summary::{self, Kind, Summary};

/// How many findings of a kind are shown.
const SHOWN: usize = 3;
const REASONS: usize = 5;
/// Findings and warnings begin in this column.
const INDENT: usize = 4;

/// Whatever belongs to a summary beside the report.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What was tested, after the verdict.
    pub title: String,
    /// Names and what to say of them, at the end.
    pub footer: Vec<(&'static str, String)>,
    /// The columns there are to write in.
    pub width: usize,
}

impl Summary {
    /// The summary as text.
    pub fn text(&self, frame: &Frame, style: Style) -> String {
        let mut page = Page { text: String::new(), style, width: frame.width.max(40) };
        page.verdict(self, frame);
        for kind in &self.findings {
            page.kind(&style.strong(&kind.name), kind);
        }
        page.operations(self);
        page.reasons(self);
        page.numbers(self);
        page.limits(self);
        for kind in &self.warnings {
            page.kind(&format!("{} {}", style.doubtful("warning:"), kind.name), kind);
        }
        page.not_visible(self);
        page.footer(frame);
        page.text
    }
}

struct Page {
    text: String,
    style: Style,
    width: usize,
}

impl Page {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref().trim_end());
        self.text.push('\n');
    }

    fn verdict(&mut self, summary: &Summary, frame: &Frame) {
        let verdict = match summary.valid {
            Validity::Valid => self.style.good(summary.verdict),
            Validity::Unknown => self.style.doubtful(summary.verdict),
            Validity::Invalid => self.style.bad(summary.verdict),
        };
        let separator = if frame.title.is_empty() { "" } else { ": " };
        self.line(format!("{verdict}{separator}{}", frame.title));
    }

    /// A kind of finding, and the first few of it.
    fn kind(&mut self, name: &str, kind: &Kind) {
        self.line("");
        let count = if kind.count > 1 { format!(" ({})", kind.count) } else { String::new() };
        self.line(format!("  {name}{count}"));
        let shown = kind.findings.iter().take(SHOWN);
        for finding in shown {
            self.paragraph(&finding.text);
            if let Some(why) = &finding.why {
                self.paragraph(&format!("why: {why}"));
            }
        }
        let more = kind.count.saturating_sub(SHOWN as u64);
        if more > 0 {
            self.paragraph(&format!("… and {more} more."));
        }
    }

    /// Text broken at the width; lines that it brings along stay lines.
    fn paragraph(&mut self, text: &str) {
        for line in text.lines() {
            for part in wrap(line, self.width - INDENT) {
                self.line(format!("{:INDENT$}{part}", ""));
            }
        }
    }

    fn not_visible(&mut self, summary: &Summary) {
        if let Some(text) = summary.figures.not_visible {
            self.line("");
            self.line(format!("  {}", self.style.faint("not visible here".to_owned())));
            self.paragraph(text);
        }
    }

    fn operations(&mut self, summary: &Summary) {
        let Figures { ended, latencies, .. } = &summary.figures;
        if ended.is_empty() {
            return;
        }
        let width = ended.keys().map(String::len).max().unwrap_or(0).max(10);
        self.line("");
        let heads = ["ok", "failed", "in doubt", "median", "95 %", "99 %", "worst"];
        let [ok, failed, doubt, median, p95, p99, worst] = heads;
        let head = format!(
            "  {:width$} {ok:>8} {failed:>8} {doubt:>8} {median:>9} {p95:>9} {p99:>9} {worst:>9}",
            "operations"
        );
        self.line(self.style.faint(head));
        for (f, &Ended { ok, fail, info }) in ended {
            let mut line = format!("  {f:width$} {ok:>8} {fail:>8} {info:>8}");
            for latency in summary::latencies(latencies.get(f).map(|of| &of.quantiles)) {
                let _ = write!(line, " {latency:>9}");
            }
            self.line(line);
        }
    }

    fn reasons(&mut self, summary: &Summary) {
        let reasons = &summary.figures.reasons;
        if reasons.is_empty() {
            return;
        }
        self.line("");
        self.line(self.style.faint("  not ok, because".to_owned()));
        for reason in reasons.iter().take(REASONS) {
            let (count, f, outcome) = (reason.count, &reason.f, summary::ended(reason.kind));
            self.paragraph(&format!("{count} {f} {outcome}: {}", summary::reason(reason)));
        }
    }

    fn numbers(&mut self, summary: &Summary) {
        let Figures { ok_fraction, elements, messages, .. } = &summary.figures;
        if ok_fraction.is_some() || messages.is_some() {
            self.line("");
        }
        if let Some(fraction) = ok_fraction {
            self.entry("succeeded", &summary::percent(*fraction));
        }
        if let Some(elements) = elements {
            self.entry("values", &summary::elements(elements));
            if let Some(stable) = summary::stable(elements) {
                self.entry("stable after", &stable);
            }
        }
        if let Some(messages) = messages {
            self.entry("messages", &summary::messages(messages));
        }
    }

    fn limits(&mut self, summary: &Summary) {
        for comparison in &summary.limits {
            let mark = match comparison.is_met() {
                true => self.style.good("kept"),
                false => self.style.bad("missed"),
            };
            let name = comparison.limit.metric.to_string();
            self.entry(&name, &format!("{comparison}  {mark}"));
        }
    }

    fn footer(&mut self, frame: &Frame) {
        if !frame.footer.is_empty() {
            self.line("");
        }
        for (name, text) in &frame.footer {
            self.entry(name, text);
        }
    }

    fn entry(&mut self, name: &str, text: &str) {
        let name = self.style.faint(format!("{name:13}"));
        self.line(format!("  {name} {text}"));
    }
}

/// Breaks a line at spaces, where it is longer than the width.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    for word in line.split_whitespace() {
        let is_start = last.trim().is_empty();
        if !is_start && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut last));
        } else if !is_start {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines.push(last);
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::history::OpType;
    use checkers::{Elements, Finding, Outcome, Quantiles, Reason, Report};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_workload_cannot_show_is_said() {
        let mut report = report(0);
        report.figures.not_visible = Some("G0 may hide");
        let frame = Frame { width: 80, ..Frame::default() };
        let text = Summary::of(&report, &[]).text(&frame, Style::PLAIN);
        assert!(text.contains("not visible here") && text.contains("G0 may hide"), "{text}");
    }

    fn report(findings: usize) -> Report {
        let finding = |number: usize| {
            Finding::new(
                "lost",
                format!("{number} is lost: known since 1.000 s, it was never read."),
                vec![number as u64],
            )
        };
        let stable = [12, 412, 412, 412].map(Duration::from_millis);
        let elements = Elements {
            attempts: 9,
            stable: 4,
            lost: vec![json!(1); 5],
            never_read: 0,
            latencies: Quantiles::of(&stable).map(|of| Quantiles { median: stable[0], ..of }),
        };
        let reason = |kind, reason: &str, count, example: &str| {
            let (f, reason, example) = ("read".to_owned(), reason.to_owned(), example.to_owned());
            Reason { f, kind, reason, count, example, op: 0 }
        };
        let figures = Figures {
            ended: [("read".to_owned(), Ended { ok: 3, fail: 0, info: 1 })].into(),
            reasons: vec![
                reason(OpType::Info, "no reply in time", 1, ""),
                reason(OpType::Fail, "x", 2, "{}"),
            ],
            ok_fraction: Some(0.99999),
            elements: Some(elements),
            ..Figures::default()
        };
        let findings = (0..findings).map(finding).collect();
        let mut report = Report::default();
        let outcome = Outcome { valid: Validity::Invalid, findings, figures, ..Outcome::default() };
        report.add("workload", outcome);
        report
    }

    #[test]
    fn the_verdict_comes_first_then_why_then_numbers() {
        let frame = Frame {
            title: "broadcast".to_owned(),
            footer: vec![("store", "store/latest".to_owned())],
            width: 80,
        };
        let text = Summary::of(&report(5), &[]).text(&frame, Style::PLAIN);
        let expected = "\
Invalid: broadcast

  lost (5)
    0 is lost: known since 1.000 s, it was never read.
    1 is lost: known since 1.000 s, it was never read.
    2 is lost: known since 1.000 s, it was never read.
    … and 2 more.

  operations       ok   failed in doubt    median      95 %      99 %     worst
  read              3        0        1         –         –         –         –

  not ok, because
    1 read in doubt: no reply in time
    2 read failed: x, for instance {}

  succeeded     99.99 %
  values        9 sent, 4 stable, 5 lost, 0 never read
  stable after  median 12.0 ms, 95 % 412 ms, 99 % 412 ms, worst 412 ms

  store         store/latest
";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_sentences_are_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("    at main.rs", 80), ["    at main.rs"]);
        assert_eq!(wrap("", 80), [""]);
    }
}
