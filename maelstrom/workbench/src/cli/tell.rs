//! What a test says to the program that runs it: GitHub's workflow commands, JSON, JUnit's
//! XML.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use checkers::txn::escape;
use checkers::{Finding, Report, Validity};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::ran::Ran;
use super::{print, printable};

/// GitHub shows no more annotations of a step.
const ANNOTATIONS: usize = 10;

/// How results are told.
#[derive(Args, Clone, Debug)]
pub(super) struct TellFlags {
    /// How results are printed (not in Maelstrom)
    #[arg(long, value_enum, default_value = "text", help_heading = "Output")]
    format: Format,

    /// Write the verdicts to this file, too, as JUnit does (not in Maelstrom)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    junit: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For people, and what was found as annotations of a workflow on GitHub
    Github,
    /// A line of JSON for each run: title, command, folder and results
    Json,
}

/// A run, or a history that was checked.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// What it was.
    pub title: String,
    /// What came of it.
    pub report: Report,
    /// How to have it again.
    pub command: Option<String>,
    /// Where all of it is.
    pub folder: Option<PathBuf>,
    /// How long it took.
    pub time: Duration,
}

impl Case {
    pub(super) fn of(ran: &Ran) -> Self {
        let Ran { title, report, command, folder, time, .. } = ran.clone();
        Self { title, report, command: Some(command), folder: Some(folder), time }
    }

    pub(super) fn valid(&self) -> Validity {
        self.report.valid()
    }
}

impl TellFlags {
    /// Whether whoever reads the output is a person.
    pub(super) fn is_for_people(&self) -> bool {
        self.format != Format::Json
    }

    /// Whether nothing but text for people was asked for.
    pub(super) fn is_plain(&self) -> bool {
        self.format == Format::Text && self.junit.is_none()
    }

    /// Prints what came of a case: the text is for people.
    pub(super) fn print(&self, case: &Case, text: &str) {
        match self.format {
            Format::Text => print(text),
            Format::Github => print(&(text.to_owned() + &annotations(case))),
            Format::Json => print(&format!("{}\n", in_json(case))),
        }
    }

    /// Writes the file of verdicts, if there is to be one.
    pub(super) fn keep(
        &self,
        cases: &[Case],
        failure: Option<&anyhow::Error>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.junit else { return Ok(()) };
        let failure = failure.map(|error| format!("{error:#}"));
        fs::write(path, junit(cases, failure.as_deref()))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

fn in_json(Case { title, report, command, folder, .. }: &Case) -> serde_json::Value {
    let folder = folder.as_ref().map(|folder| folder.display().to_string());
    json!({ "title": title, "command": command, "folder": folder, "results": report })
}

/// Findings and warnings as GitHub's workflow commands.
fn annotations(case: &Case) -> String {
    let findings = case.report.findings().map(|finding| ("error", finding));
    let warnings = case.report.in_order().flat_map(|part| &part.warnings);
    let all = findings.chain(warnings.map(|warning| ("warning", warning))).take(ANNOTATIONS);
    let line = |(level, finding): (&str, &Finding)| {
        let title = in_property(&format!("{}: {}", case.title, finding.kind));
        format!("::{level} title={title}::{}\n", in_data(&told(finding)))
    };
    all.map(line).collect()
}

fn told(finding: &Finding) -> String {
    match &finding.why {
        Some(why) => format!("{}\nwhy: {why}", finding.text),
        None => finding.text.clone(),
    }
}

fn in_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn in_property(text: &str) -> String {
    in_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A file as JUnit writes it.
fn junit(cases: &[Case], failure: Option<&str>) -> String {
    let (errors, tests) = (usize::from(failure.is_some()), cases.len());
    let failures = cases.iter().filter(|case| case.valid() != Validity::Valid).count();
    let time: Duration = cases.iter().map(|case| case.time).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"workbench\" \
         tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" time=\"{:.3}\">\n",
        tests + errors,
        time.as_secs_f64()
    );
    cases.iter().for_each(|case| xml += &in_junit(case));
    if let Some(failure) = failure {
        let text = in_attribute(failure);
        xml += &format!(
            "<testcase classname=\"workbench\" name=\"a run without a verdict\">\
             <error message=\"{text}\"/></testcase>\n"
        );
    }
    xml + "</testsuite>\n</testsuites>\n"
}

fn in_junit(case: &Case) -> String {
    let begin = format!(
        "<testcase classname=\"workbench\" name=\"{}\" time=\"{:.3}\"",
        in_attribute(&case.title),
        case.time.as_secs_f64()
    );
    if case.valid() == Validity::Valid {
        return format!("{begin}/>\n");
    }
    let findings: Vec<&Finding> = case.report.findings().collect();
    let kind = findings.first().map_or("unknown", |finding| &finding.kind);
    let message = findings.first().map_or("too little was seen to say", |finding| &finding.text);
    let mut text: Vec<String> =
        findings.iter().map(|finding| format!("{}: {}", finding.kind, told(finding))).collect();
    text.extend(case.folder.iter().map(|folder| format!("results: {}", folder.display())));
    text.extend(case.command.iter().map(|command| format!("to run again: {command}")));
    format!(
        "{begin}><failure type=\"{}\" message=\"{}\">{}</failure></testcase>\n",
        in_attribute(kind),
        in_attribute(message),
        text.iter().map(|line| in_xml(line) + "\n").collect::<String>()
    )
}

/// Lines stay lines; XML has no way to say other control characters.
fn in_xml(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| escape(&printable(line))).collect();
    lines.join("\n").replace(['\u{fffe}', '\u{ffff}'], "·")
}

/// Readers make spaces of lines in an attribute, unless they are written so.
fn in_attribute(text: &str) -> String {
    in_xml(text).replace('\n', "&#10;")
}

#[cfg(test)]
mod tests {
    use checkers::Outcome;

    use super::*;

    fn case(valid: Validity, findings: Vec<Finding>) -> Case {
        let mut report = Report::default();
        report.add("workload", Outcome { valid, findings, ..Outcome::default() });
        let command = Some("workbench test --limits 'a<1'".to_owned());
        let (title, folder) = ("echo, 1 node".to_owned(), Some("store".into()));
        Case { title, report, command, folder, time: Duration::from_millis(1500) }
    }

    fn broken() -> Case {
        let mut finding = Finding::new("lost", "1 < 2: 100 %\u{7}", vec![1]);
        finding.why = Some("n0 was told".to_owned());
        case(Validity::Invalid, vec![finding])
    }

    #[test]
    fn github_is_told_each_finding_on_one_line() {
        let expected =
            "::error title=echo%2C 1 node%3A lost::1 < 2: 100 %25\u{7}%0Awhy: n0 was told\n";
        assert_eq!(annotations(&broken()), expected);
        assert_eq!(annotations(&case(Validity::Valid, Vec::new())), "");
        let many = vec![Finding::new("lost", "x", Vec::new()); 30];
        assert_eq!(annotations(&case(Validity::Invalid, many)).lines().count(), ANNOTATIONS);
    }

    #[test]
    fn junit_has_what_failed_and_how_to_have_it_again() {
        let cases =
            [case(Validity::Valid, Vec::new()), broken(), case(Validity::Unknown, Vec::new())];
        let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites>
<testsuite name=\"workbench\" tests=\"4\" failures=\"2\" errors=\"1\" skipped=\"0\" time=\"4.500\">
<testcase classname=\"workbench\" name=\"echo, 1 node\" time=\"1.500\"/>
<testcase classname=\"workbench\" name=\"echo, 1 node\" time=\"1.500\"><failure type=\"lost\" message=\"1 &lt; 2: 100 %·\">\
lost: 1 &lt; 2: 100 %·
why: n0 was told
results: store
to run again: workbench test --limits 'a&lt;1'
</failure></testcase>
<testcase classname=\"workbench\" name=\"echo, 1 node\" time=\"1.500\"><failure type=\"unknown\" \
message=\"too little was seen to say\">results: store
to run again: workbench test --limits 'a&lt;1'
</failure></testcase>
<testcase classname=\"workbench\" name=\"a run without a verdict\">\
<error message=\"no &quot;sh&quot;\"/></testcase>
</testsuite>
</testsuites>
";
        assert_eq!(junit(&cases, Some("no \"sh\"")), expected);
    }
}
