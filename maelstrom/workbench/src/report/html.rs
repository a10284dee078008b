//! The report as one page of HTML that needs nothing else.

use std::fmt::Write as _;

use checkers::Validity;

use super::chart::Chart;
use super::digest::{Digest, Kind, Operations, Reason, millis};
use super::svg::{self, escape};

const STYLE: &str = include_str!("report.css");

/// What the page says beside the digest.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What was tested.
    pub title: String,
    /// Settings and what they are.
    pub settings: Vec<(&'static str, String)>,
    /// The command that runs the test again.
    pub command: String,
}

/// The page.
pub fn render(digest: &Digest, frame: &Frame, chart: &Chart) -> String {
    let mut page = String::new();
    head(&mut page, digest, frame);
    digest.findings.iter().for_each(|kind| findings(&mut page, kind, "finding"));
    numbers(&mut page, digest);
    pictures(&mut page, chart);
    digest.warnings.iter().for_each(|kind| findings(&mut page, kind, "warning"));
    if let Some(text) = &digest.not_visible {
        let _ = write!(page, "<h2>Not visible here</h2><p>{}</p>", escape(text));
    }
    settings(&mut page, frame);
    page.push_str("</main></body></html>\n");
    page
}

fn head(page: &mut String, digest: &Digest, frame: &Frame) {
    let class = match digest.valid {
        Validity::Valid => "good",
        Validity::Unknown => "doubtful",
        Validity::Invalid => "bad",
    };
    let (verdict, title) = (digest.verdict, escape(&frame.title));
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{verdict}: {title}</title>\
         <style>{STYLE}</style></head><body><main>\
         <h1><span class=\"{class}\">{verdict}</span> {title}</h1>"
    );
}

fn findings(page: &mut String, kind: &Kind, class: &str) {
    let _ = write!(page, "<section class=\"{class}\"><h2>{}</h2><ul>", escape(&kind.name));
    for finding in &kind.findings {
        // A picture is made here, of escaped texts; it is no node's.
        let picture = finding.picture.as_deref().unwrap_or_default();
        let _ = write!(page, "<li>{}{picture}</li>", escape(&finding.text));
    }
    page.push_str("</ul>");
    let more = kind.count.saturating_sub(kind.findings.len() as u64);
    if more > 0 {
        let _ = write!(page, "<p>… and {more} more.</p>");
    }
    page.push_str("</section>");
}

fn numbers(page: &mut String, digest: &Digest) {
    operations(page, &digest.operations);
    reasons(page, &digest.reasons);
    page.push_str("<dl>");
    if let Some(fraction) = digest.ok_fraction {
        entry(page, "Succeeded", &format!("{fraction} of all operations"));
    }
    if let Some(stable) = &digest.stable {
        let [attempts, count, lost, never_read] = stable.counts;
        let text = format!("{attempts} sent, {count} stable, {lost} lost, {never_read} never read");
        entry(page, "Values", &text);
        let [median, p95, p99, worst] = stable.latencies.map(millis);
        let text = format!("median {median}, 95 % {p95}, 99 % {p99}, worst {worst}");
        entry(page, "Stable after", &text);
    }
    if let Some(messages) = &digest.messages {
        let [all, servers] = messages.counts;
        let per_op = messages.per_op.map_or(String::new(), |n| format!(", {n:.2} per operation"));
        let text = format!("{servers} between nodes{per_op}; {all} with those of clients");
        entry(page, "Messages", &text);
    }
    for comparison in &digest.limits {
        let mark = if comparison.is_met() { "kept" } else { "missed" };
        entry(page, &comparison.limit.metric.to_string(), &format!("{comparison}, {mark}"));
    }
    page.push_str("</dl>");
}

fn operations(page: &mut String, rows: &[Operations]) {
    let heads = ["Operation", "ok", "failed", "in doubt", "median", "95 %", "99 %", "worst"];
    page.push_str("<table><tr>");
    for head in heads {
        let _ = write!(page, "<th>{head}</th>");
    }
    page.push_str("</tr>");
    for (number, row) in rows.iter().enumerate() {
        let f = escape(&row.f);
        let _ = write!(page, "<tr><td><i class=\"key f{}\"></i>{f}</td>", number % 6);
        for count in row.counts {
            let _ = write!(page, "<td>{count}</td>");
        }
        for latency in row.latencies {
            let _ = write!(page, "<td>{}</td>", millis(latency));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>");
}

fn reasons(page: &mut String, reasons: &[Reason]) {
    if reasons.is_empty() {
        return;
    }
    page.push_str("<h2>Not ok, because</h2><ul>");
    for reason in reasons {
        let (count, f, outcome) = (reason.count, escape(&reason.f), reason.outcome());
        let _ = write!(page, "<li>{count} {f} {outcome}: {}</li>", escape(&reason.text()));
    }
    page.push_str("</ul>");
}

fn entry(page: &mut String, name: &str, text: &str) {
    let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(text));
}

fn pictures(page: &mut String, chart: &Chart) {
    let _ = write!(
        page,
        "<h2>Latency</h2>{}<p class=\"note\">A dot is an operation, at the time when it began: red if it \
         failed, orange if it stayed in doubt, else in the colour of the table. Shaded: \
         faults.</p><h2>Operations a second</h2>{}",
        svg::latencies(chart),
        svg::rates(chart)
    );
}

fn settings(page: &mut String, frame: &Frame) {
    page.push_str("<h2>Settings</h2><dl>");
    for (name, value) in &frame.settings {
        entry(page, name, value);
    }
    let _ = write!(page, "</dl><h2>To run it again</h2><pre>{}</pre>", escape(&frame.command));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::{Finding, Outcome, Report};

    use super::*;

    #[test]
    fn a_cycle_is_shown_as_a_picture_beside_its_words() {
        let mut page = String::new();
        let mut finding = Finding::new("G1c", "a cycle", vec![1, 2]);
        finding.picture = Some("<svg>two boxes</svg>".to_owned());
        let kind = Kind { name: "G1c".to_owned(), findings: vec![finding], count: 1 };
        findings(&mut page, &kind, "finding");
        assert!(page.contains("a cycle<svg>two boxes</svg>"), "{page}");
    }

    #[test]
    fn what_a_node_said_cannot_break_out_of_the_page() {
        let finding = Finding::new("lost", "<script>alert(1)</script> & more".to_owned(), vec![3]);
        let mut report = Report::default();
        report.add(
            "workload",
            Outcome {
                valid: Validity::Invalid,
                results: serde_json::Map::new(),
                findings: vec![finding],
                warnings: Vec::new(),
            },
        );
        let frame = Frame { title: "a<b".to_owned(), ..Frame::default() };
        let chart = Chart::new(Duration::from_secs(1));
        let page = render(&Digest::of(&report, &[]), &frame, &chart);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"));
        assert!(!page.contains("<script"));
        assert!(page.contains("<span class=\"bad\">Invalid</span> a&lt;b"));
    }

    #[test]
    fn reasons_are_told_with_what_a_node_answered() {
        let reason = Reason {
            f: "read".to_owned(),
            kind: "info".to_owned(),
            reason: "malformed".to_owned(),
            count: 3,
            example: "{\"a\":\"<b>\"}".to_owned(),
        };
        let mut page = String::new();
        reasons(&mut page, &[reason]);
        assert!(page.contains("3 read in doubt: malformed, for instance"), "{page}");
        assert!(page.contains("&lt;b&gt;"), "{page}");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let chart = Chart::new(Duration::from_secs(1));
        let page = render(&Digest::of(&Report::default(), &[]), &Frame::default(), &chart);
        for outside in ["http://", "https://", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
