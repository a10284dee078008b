//! The report as one page of HTML that needs nothing else.

use std::fmt::Write as _;

use checkers::txn::escape;
use checkers::{Ended, Figures, Finding, Reason, Validity};

use super::chart::Chart;
use super::page;
use super::summary::{self, Kind, Summary};
use super::svg;

const STYLE: &str = include_str!("../../page/page.css");

/// So many findings of a kind are in view from the beginning.
const SHOWN: usize = 3;

/// The columns of the table of operations, and what they say.
const COLUMNS: [(&str, &str); 8] = [
    ("Operation", "What clients asked."),
    ("ok", "Operations that succeeded."),
    (
        "failed",
        "Operations that did not happen: a node refused them, or an idempotent one got no answer.",
    ),
    ("in doubt", "Operations of which nobody knows whether they happened: no answer came in time."),
    (
        "median",
        "Half of the operations that succeeded took at most this long, from the request to the answer.",
    ),
    ("95 %", "Of the operations that succeeded, 95 of 100 took at most this long."),
    ("99 %", "Of the operations that succeeded, 99 of 100 took at most this long."),
    ("worst", "The longest that an operation took which succeeded."),
];
const SUCCEEDED: &str =
    "The share of all operations that succeeded; the others failed or are in doubt.";
const VALUES: &str = "A value is stable if every read from some time on has it, lost if it was known and then missing from the last reads, and never read if no read had it.";
const STABLE: &str =
    "How long after a value was known the last read began that lacked it; none lacked it later.";
const MESSAGES: &str = "What nodes and services sent each other, also for each operation of a client. Fewer cost less network.";

/// Where a picture of a finding begins.
const PICTURE: &str = "<details class=\"picture\"";

/// Where the script shows the run.
const DIAGRAM: &str =
    "<div id=\"messages\"><p class=\"note\">Messages are shown here by a script.</p></div>";

/// What the page says beside the summary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// What was tested.
    pub title: String,
    /// Settings and what they are.
    pub settings: Vec<(&'static str, String)>,
    /// The command that runs the test again; empty if none does.
    pub command: String,
    /// What there is to explore, if the run left a trace.
    pub run: Option<page::Sections>,
}

pub(crate) fn render(summary: &Summary, frame: &Frame, chart: &Chart) -> String {
    let mut page = String::new();
    head(&mut page, summary, frame);
    let mut number = 1;
    for kind in &summary.findings {
        findings(&mut page, kind, "finding", frame.run.as_ref().map(|_| number));
        number += kind.findings.len();
    }
    numbers(&mut page, summary);
    summary.warnings.iter().for_each(|kind| findings(&mut page, kind, "warning", None));
    if frame.run.is_some() {
        page.push_str(DIAGRAM);
    }
    pictures(&mut page, chart);
    if let Some(text) = summary.figures.not_visible {
        let _ = write!(page, "<h2>Not visible here</h2><p>{}</p>", escape(text));
    }
    if !frame.command.is_empty() {
        settings(&mut page, frame);
    }
    page.push_str("</main>");
    frame.run.iter().for_each(|run| run.append(&mut page));
    page.push_str("</body></html>\n");
    page
}

fn head(page: &mut String, summary: &Summary, frame: &Frame) {
    let class = match summary.valid {
        Validity::Valid => "good",
        Validity::Unknown => "doubtful",
        Validity::Invalid => "bad",
    };
    let (verdict, title) = (summary.verdict, escape(&frame.title));
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{verdict}: {title}</title>\
         <style>{STYLE}</style></head><body><main>\
         <h1><span class=\"{class}\">{verdict}</span> {title}</h1>"
    );
}

/// Findings of a kind. Those that the page can show have numbers, from the first one's on.
fn findings(page: &mut String, kind: &Kind, class: &str, first: Option<usize>) {
    let _ = write!(page, "<section class=\"{class}\"><h2>{}", escape(&kind.name));
    if kind.count > 1 {
        let _ = write!(page, " ({})", kind.count);
    }
    page.push_str("</h2><ul>");
    // Pictures take much room, and the first is the best example.
    let has_pictures = kind.findings.iter().any(|finding| finding.picture.is_some());
    let shown = if has_pictures { 1 } else { SHOWN };
    for (place, finding) in kind.findings.iter().enumerate() {
        if place == shown {
            let more = kind.count - shown as u64;
            let _ = write!(page, "</ul><details><summary>{more} more of this kind</summary><ul>");
        }
        page.push_str("<li>");
        one(page, finding, first.map(|first| first + place));
        page.push_str("</li>");
    }
    page.push_str("</ul>");
    let more = kind.count.saturating_sub(kind.findings.len() as u64);
    if more > 0 {
        let _ = write!(page, "<p>… and {more} more, which are not listed.</p>");
    }
    if kind.findings.len() > shown {
        page.push_str("</details>");
    }
    page.push_str("</section>");
}

fn one(page: &mut String, finding: &Finding, number: Option<usize>) {
    let show = number.filter(|_| !finding.ops.is_empty() || finding.why.is_some());
    let show = show.map(|number| format!(" <a href=\"#finding={number}\">Show it</a>"));
    let show = show.unwrap_or_default();
    let _ = match &finding.why {
        None => write!(page, "{}{show}", prose(&finding.text)),
        Some(why) => {
            let (text, why) = (prose(&finding.text), prose(why));
            write!(page, "{text}<p class=\"why\"><b>Why:</b> {why}{show}</p>")
        }
    };
    // A picture is made here, of escaped texts; it is no node's. All but the first are out of
    // view at first: the messages are below them.
    if let Some(picture) = &finding.picture {
        let open = if page.contains(PICTURE) { "" } else { " open" };
        let _ = write!(page, "{PICTURE}{open}><summary>As a picture</summary>");
        let _ = write!(page, "<div class=\"sideways\">{picture}</div></details>");
    }
}

/// A text in which what stands between backticks is code.
fn prose(text: &str) -> String {
    let escaped = escape(text);
    let parts: Vec<&str> = escaped.split('`').collect();
    // One that has no other is none of ours.
    if parts.len().is_multiple_of(2) {
        return escaped;
    }
    let tags = ["<code>", "</code>"].into_iter().cycle();
    let mut all: String =
        parts.iter().zip(tags).map(|(part, tag)| (*part).to_owned() + tag).collect();
    all.truncate(all.len() - "<code>".len());
    all
}

fn numbers(page: &mut String, summary: &Summary) {
    let Figures { ok_fraction, elements, messages, .. } = &summary.figures;
    operations(page, &summary.figures);
    reasons(page, &summary.figures.reasons);
    page.push_str("<dl>");
    if let Some(fraction) = ok_fraction {
        let percent = summary::percent(*fraction);
        figure(page, "Succeeded", SUCCEEDED, &format!("{percent} of all operations"));
    }
    if let Some(elements) = elements {
        figure(page, "Values", VALUES, &summary::elements(elements));
        if let Some(stable) = summary::stable(elements) {
            figure(page, "Stable after", STABLE, &stable);
        }
    }
    if let Some(messages) = messages {
        figure(page, "Messages", MESSAGES, &summary::messages(messages));
    }
    for comparison in &summary.limits {
        let (mark, class) = if comparison.is_met() { ("kept", "good") } else { ("missed", "bad") };
        let metric = comparison.limit.metric;
        let text = format!("{comparison}, {mark}");
        let _ = write!(
            page,
            "<dt>{}</dt><dd class=\"{class}\">{}</dd>",
            explained(&metric.to_string(), metric.meaning()),
            escape(&text)
        );
    }
    page.push_str("</dl>");
}

fn operations(page: &mut String, figures: &Figures) {
    if figures.ended.is_empty() {
        return;
    }
    page.push_str("<div class=\"sideways\"><table><tr>");
    for (head, meaning) in COLUMNS {
        let _ = write!(page, "<th>{}</th>", explained(head, meaning));
    }
    page.push_str("</tr>");
    for (number, (f, Ended { ok, fail, info })) in figures.ended.iter().enumerate() {
        let (name, key) = (escape(f), number % 6);
        let _ = write!(page, "<tr><td><i class=\"key f{key}\"></i>{name}</td>");
        let counts = [ok, fail, info].map(u64::to_string);
        let latencies = summary::latencies(figures.latencies.get(f).map(|of| &of.quantiles));
        for (cell, (_, meaning)) in counts.iter().chain(&latencies).zip(&COLUMNS[1..]) {
            let _ = write!(page, "<td title=\"{meaning}\">{cell}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div>");
}

fn reasons(page: &mut String, reasons: &[Reason]) {
    if reasons.is_empty() {
        return;
    }
    page.push_str("<h2>Not ok, because</h2><ul>");
    for reason in reasons {
        let (count, f, outcome) = (reason.count, escape(&reason.f), summary::ended(reason.kind));
        let _ =
            write!(page, "<li>{count} {f} {outcome}: {}</li>", escape(&summary::reason(reason)));
    }
    page.push_str("</ul>");
}

fn entry(page: &mut String, name: &str, text: &str) {
    let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(text));
}

fn figure(page: &mut String, name: &str, meaning: &str, text: &str) {
    let (name, text) = (explained(name, meaning), escape(text));
    let _ = write!(page, "<dt>{name}</dt><dd title=\"{meaning}\">{text}</dd>");
}

/// A name that says what it means when a pointer is on it, or the keyboard.
fn explained(name: &str, meaning: &str) -> String {
    format!("<span class=\"says\" tabindex=\"0\" data-says=\"{meaning}\">{name}</span>")
}

fn pictures(page: &mut String, chart: &Chart) {
    if chart.series.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<h2>Latency</h2>{}<p class=\"note\">A dot is an operation, at the time when it began: red if it \
         failed, orange if it stayed in doubt, else in the colour of the table. Faults are \
         shaded.</p><h2>Operations a second</h2>{}<p class=\"note\">Those that succeeded, in the colours of \
         the table; in red, all that failed or stayed in doubt.</p>",
        svg::latencies(chart),
        svg::rates(chart)
    );
}

fn settings(page: &mut String, frame: &Frame) {
    page.push_str("<h2>Settings</h2><dl>");
    for (name, value) in &frame.settings {
        entry(page, name, value);
    }
    // A line breaks between words alone, and not after the hyphens of a flag.
    let words = frame.command.split(' ').map(|word| format!("<span>{}</span>", escape(word)));
    let words: Vec<String> = words.collect();
    let _ = write!(page, "</dl><h2>To run it again</h2><pre>{}</pre>", words.join(" "));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::history::OpType;
    use checkers::{Outcome, Report};

    use simulator::trace::Trace;

    use super::*;
    use crate::report::limits::Comparison;

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(prose("a `b<c` d `e`"), "a <code>b&lt;c</code> d <code>e</code>");
        assert_eq!(prose("`a"), "`a");
        assert_eq!(prose("a"), "a");
    }

    #[test]
    fn a_cycle_is_shown_as_a_picture_beside_its_words() {
        let mut page = String::new();
        let mut finding = Finding::new("G1c", "a cycle", vec![1, 2]);
        finding.picture = Some("<svg>two boxes</svg>".to_owned());
        let kind = Kind { name: "G1c".to_owned(), findings: vec![finding; 2], count: 40 };
        findings(&mut page, &kind, "finding", None);
        findings(&mut page, &kind, "finding", None);
        assert_eq!(page.matches("<svg>two boxes</svg></div></details>").count(), 4, "{page}");
        let open = "a cycle<details class=\"picture\" open>";
        assert_eq!((page.matches(open).count(), page.find(open) < page.find("</li>")), (1, true));
        assert!(page.contains("<summary>39 more of this kind</summary>"), "{page}");
    }

    #[test]
    fn what_a_node_said_cannot_break_out_of_the_page() {
        let finding = Finding::new("lost", "<script>alert(1)</script> & more".to_owned(), vec![3]);
        let mut report = Report::default();
        report.add(
            "workload",
            Outcome { valid: Validity::Invalid, findings: vec![finding], ..Outcome::default() },
        );
        let frame = Frame { title: "a<b".to_owned(), ..Frame::default() };
        let chart = Chart::new(Duration::from_secs(1));
        let page = render(&Summary::of(&report, &[]), &frame, &chart);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"));
        assert!(!page.contains("<script"));
        assert!(page.contains("<span class=\"bad\">Invalid</span> a&lt;b"));
    }

    #[test]
    fn a_warning_stands_before_everything_that_takes_much_room() {
        let finding = Finding::new("never-ok", "Not one append succeeded", vec![3]);
        let mut report = Report::default();
        report.add("stats", Outcome { warnings: vec![finding], ..Outcome::default() });
        let run = page::Sections::of(&Trace::default(), Vec::new(), &[]);
        let frame = Frame { run: Some(run), ..Frame::default() };
        let chart = Chart::new(Duration::from_secs(1));
        let page = render(&Summary::of(&report, &[]), &frame, &chart);
        let (warning, diagram) = (page.find("Not one append"), page.find(DIAGRAM));
        assert!(warning.is_some() && warning < diagram, "{page}");
    }

    #[test]
    fn reasons_are_told_with_what_a_node_answered() {
        let reason = Reason {
            f: "read".to_owned(),
            kind: OpType::Info,
            reason: "malformed".to_owned(),
            count: 3,
            example: "{\"a\":\"<b>\"}".to_owned(),
            op: 1,
        };
        let mut page = String::new();
        reasons(&mut page, &[reason]);
        assert!(page.contains("3 read in doubt: malformed, for instance"), "{page}");
        assert!(page.contains("&lt;b&gt;"), "{page}");
    }

    #[test]
    fn every_figure_says_what_it_means_to_pointers_and_keyboards() {
        let mut report = Report::default();
        report.figures.ok_fraction = Some(0.99999);
        report.figures.ended.insert("read".to_owned(), Ended { ok: 3, fail: 0, info: 1 });
        let limits = ["msgs-per-op<30".parse().unwrap()];
        let mut page = String::new();
        numbers(&mut page, &Summary::of(&report, &Comparison::of(&limits, &report)));
        let explained = page.matches("<span class=\"says\" tabindex=\"0\" data-says=\"").count();
        assert_eq!(explained, COLUMNS.len() + page.matches("<dt>").count());
        assert_eq!(page.matches("<td title=").count(), COLUMNS.len() - 1);
        assert!(page.contains("99.99 % of all operations"), "{page}");
        assert!(page.contains(">msgs-per-op</span></dt><dd class=\"bad\">not measured"), "{page}");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let chart = Chart::new(Duration::from_secs(1));
        let run = Some(page::Sections::of(&Trace::default(), Vec::new(), &[]));
        let frame = Frame { run, ..Frame::default() };
        let mut report = Report::default();
        let findings = vec![Finding::new("lost", "gone", vec![1]); 5];
        report.add("workload", Outcome { findings, ..Outcome::default() });
        let page = render(&Summary::of(&report, &[]), &frame, &chart);
        assert!(page.contains("gone <a href=\"#finding=5\">Show it</a>"));
        for outside in ["http://", "https://", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count());
    }
}
