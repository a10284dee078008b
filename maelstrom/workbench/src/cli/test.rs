//! `workbench test`: run nodes, check what clients saw, and keep all of it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use checkers::history::{self, Op};
use checkers::{Analysis, Finding, Outcome, Report, Validity};
use maelstrom::Panic;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde_json::{Map, json};
use simulator::trace::TraceLines;
use simulator::{
    Availability, Observer, PlannedFault, Progress, RunError, RunStats, Settings, Traffic,
    TrafficEvent, Workload,
};
use tokio::time::Instant;

use super::explain::{Kept, Recording};
use super::flags::Plan;
use super::ran::{INTERRUPTED, Ran};
use super::tell::{Case, TellFlags};
use super::{Remote, columns, or_warn};
use crate::host::process::{ProcessOptions, Processes};
use crate::host::signals::ExitOnInterrupt;
use crate::report::chart::Chart;
use crate::report::limits::Comparison;
use crate::report::live::Live;
use crate::report::status::StatusWriter;
use crate::report::store::{HistoryWriter, Store};
use crate::report::style::Style;
use crate::report::summary::{self, Summary};
use crate::report::trace::TraceWriter;
use crate::report::{edn, html, text};

/// How long recovery and final operations take, at least.
const EPILOGUE: Duration = Duration::from_secs(11);

/// Runs a test, tells what came of it and keeps it in the store.
pub(super) fn run_plan(
    plan: &Plan,
    tell: &TellFlags,
    remote: Option<&dyn Remote>,
) -> anyhow::Result<Ran> {
    let began = Instant::now();
    warn(&plan.settings);
    let analysis = Analysis::new(&plan.settings.checks(), plan.settings.names());
    let store = Store::create(&plan.store, plan.settings.workload.name())
        .with_context(|| format!("cannot make a folder in {}", plan.store.display()))?;
    store.write_json("test.json", &description(plan)).context("cannot write test.json")?;
    let expected = expected_duration(&plan.settings);
    let mut watcher = Watcher {
        analysis,
        history: store.history().context("cannot write the history")?,
        chart: Chart::new(expected),
        live: Live::new(),
        status: StatusWriter::begin(store.dir(), expected),
        trace: (plan.trace_limit > 0)
            .then(|| store.trace(plan.trace_limit).context("cannot write the trace"))
            .and_then(or_warn),
    };
    let result = run(plan, &store, &mut watcher, remote);
    let _while_checking = ExitOnInterrupt::new().context("cannot listen to signals")?;
    watcher.live.clear();
    watcher.status.phase("checking");
    watcher.history.finish().context("cannot write the history")?;
    let mut report = conclude(watcher.analysis, result, plan)?;
    let trace = watcher.trace.and_then(|trace| {
        let finished = trace.finish(|| times_of_findings(&report, &store));
        or_warn(finished.context("cannot write the trace"))
    });
    let told = trace.and_then(|()| explain(&store, &mut report, plan));
    let ran = Ran {
        title: title(&plan.settings),
        report,
        seed: plan.settings.seed,
        command: plan.command(),
        folder: store.dir().to_owned(),
        time: began.elapsed(),
    };
    show(plan, &ran, &watcher.chart, &store, told, tell)?;
    watcher.status.end();
    Ok(ran)
}

/// Reads what was recorded, finds out why things were found, and keeps that.
fn explain(store: &Store, report: &mut Report, plan: &Plan) -> Option<(Recording, Kept)> {
    let recording = or_warn(Recording::read(store.dir()))?;
    let kept = recording.explain(report, plan.settings.names());
    if !kept.is_empty() {
        or_warn(store.write_json("why.json", &kept).context("cannot keep why"));
    }
    Some((recording, kept))
}

/// A seed that is short enough to be typed.
pub(super) fn fresh_seed() -> anyhow::Result<u64> {
    let seed = SysRng.try_next_u32().context("the system has no random numbers")?;
    Ok(seed.into())
}

/// What can be asked for but not had.
fn warn(settings: &Settings) {
    let is_all = match settings.availability {
        Some(Availability::Total) => true,
        Some(Availability::Fraction(least)) => least >= 1.0,
        None => false,
    };
    if is_all && settings.workload == Workload::Kafka {
        let _ = writeln!(
            io::stderr(),
            "warning: kafka's crash operations never succeed, so --availability total fails as \
             soon as there is one; 0.999 asks for all others"
        );
    }
}

fn expected_duration(settings: &Settings) -> Duration {
    use Workload::{Broadcast, GCounter, GSet, Kafka, PnCounter};
    let has_epilogue = matches!(settings.workload, Broadcast | GCounter | GSet | Kafka | PnCounter);
    let epilogue = if has_epilogue { EPILOGUE } else { Duration::ZERO };
    settings.time_limit.saturating_add(epilogue)
}

/// The one place where a host is called.
fn run(
    plan: &Plan,
    store: &Store,
    watcher: &mut Watcher,
    remote: Option<&dyn Remote>,
) -> Result<RunStats, RunError> {
    let options = ProcessOptions {
        bin: plan.bin.clone(),
        args: plan.args.clone(),
        node_log_dir: store.path("node-logs"),
        work_dir: store.path("node-dirs"),
        journal: false,
        trace: plan.trace_limit > 0,
        watchdog: std::env::current_exe().ok(),
    };
    let settings = &plan.settings;
    let result = match (&plan.cluster, remote) {
        (Some(cluster), Some(remote)) => remote.run(cluster, settings, &options, watcher),
        _ => Processes::run(settings, &options, watcher),
    };
    remove_empty(&options.work_dir, plan.settings.node_count);
    result
}

/// Most nodes leave nothing in the directories that they ran in.
fn remove_empty(work_dir: &Path, node_count: usize) {
    for node in 0..node_count {
        // Fails where there is something, as it should.
        let _ = fs::remove_dir(work_dir.join(format!("n{node}")));
    }
    let _ = fs::remove_dir(work_dir);
}

struct Watcher {
    analysis: Analysis,
    history: HistoryWriter,
    chart: Chart,
    live: Live,
    status: StatusWriter,
    trace: Option<TraceWriter>,
}

impl Observer for Watcher {
    fn op(&mut self, op: &Op) {
        self.history.append(op);
        self.chart.observe(op);
        self.analysis.observe(op);
    }

    fn progress(&mut self, progress: &Progress) {
        self.live.progress(progress);
        self.history.flush();
        self.trace.iter_mut().for_each(TraceWriter::flush);
        // Whoever reads it finds in the files what it tells of.
        self.status.progress(progress);
    }

    fn trace(&mut self, lines: &TraceLines) {
        self.trace.iter_mut().for_each(|trace| trace.append(lines));
    }

    fn panic(&mut self, node: usize, at: Duration, panic: &Panic) {
        self.analysis.panic(node, at, &panic.place, &panic.text, &panic.location);
    }

    fn traffic(&mut self, traffic: &Traffic) {
        let mut line = Vec::new();
        traffic.message.write_line(&mut line);
        let verb = match traffic.event {
            TrafficEvent::Send => "send",
            TrafficEvent::Recv => "recv",
        };
        self.live.print(&format!("{verb} {}", String::from_utf8_lossy(&line).trim_end()));
    }

    fn node_log(&mut self, node: usize, line: &[u8]) {
        self.live.print(&format!("n{node}: {}", String::from_utf8_lossy(line)));
    }
}

/// When the operations were that findings are about.
fn times_of_findings(report: &Report, store: &Store) -> Vec<i64> {
    let findings = report.parts.values().flat_map(|part| &part.findings);
    let ops: BTreeSet<u64> = findings.flat_map(|finding| finding.ops.iter().copied()).collect();
    let history = File::open(store.path("history.jsonl")).ok();
    let all = history.and_then(|file| history::read(file).ok()).into_iter().flatten().flatten();
    let found = all.filter(|op| ops.contains(&op.index));
    found.map(|op| i64::try_from(op.time).unwrap_or(i64::MAX)).collect()
}

/// The report on a run. One that did not go through gets its verdict from that alone:
/// half a history would accuse nodes of having lost what they had no time to
/// spread.
fn conclude(
    analysis: Analysis,
    result: Result<RunStats, RunError>,
    plan: &Plan,
) -> anyhow::Result<Report> {
    let mut report = analysis.finish();
    match result {
        Ok(stats) => {
            stats.add_to(&plan.settings, &mut report);
            if !plan.limits.is_empty() {
                let comparisons = Comparison::of(&plan.limits, &report);
                report.add("limits", Comparison::outcome(&comparisons));
            }
            Ok(report)
        }
        Err(RunError::Node(failure)) => {
            Ok(only_run(report, Validity::Invalid, "node-failure", format!("{failure}")))
        }
        Err(RunError::Interrupted { signal }) => {
            let text = format!("The test was interrupted by {signal}, so there is no verdict.");
            Ok(only_run(report, Validity::Unknown, INTERRUPTED, text))
        }
        Err(error) => Err(error.into()),
    }
}

fn only_run(mut report: Report, valid: Validity, kind: &str, text: String) -> Report {
    report.parts.retain(|name, _| ["perf", "nodes"].contains(name));
    let findings = vec![Finding::new(kind, text, Vec::new())];
    report.add("run", Outcome { valid, results: Map::new(), findings, ..Outcome::default() });
    report
}

/// Writes the report to the store and tells it.
fn show(
    plan: &Plan,
    ran: &Ran,
    chart: &Chart,
    store: &Store,
    told: Option<(Recording, Kept)>,
    tell: &TellFlags,
) -> anyhow::Result<()> {
    let Ran { title, report, command, .. } = ran;
    let comparisons = Comparison::of(&plan.limits, report);
    let is_complete = !report.parts.contains_key("run");
    let summary = Summary::of(report, if is_complete { &comparisons } else { &[] });
    let page = html::Frame {
        title: title.clone(),
        settings: summary::describe(&plan.settings),
        command: command.clone(),
        run: told.map(|(recording, kept)| recording.sections(&kept, &summary)),
    };
    let kept = (|| {
        store.write_json("results.json", report)?;
        if plan.edn {
            edn::write(store.dir(), report, history(store)?.iter())?;
        }
        store.write("report.html", &html::render(&summary, &page, chart))?;
        anyhow::Ok(())
    })();
    let mut footer = vec![("results", store.dir().display().to_string())];
    if report.findings().next().is_some() {
        footer.push(("to look at it", store.path("report.html").display().to_string()));
    }
    footer.push(("to run again", command.clone()));
    let frame = text::Frame { title: title.clone(), footer, width: columns() };
    tell.print(&Case::of(ran), &summary.text(&frame, Style::of(&io::stdout())));
    kept.with_context(|| format!("cannot write to {}", store.dir().display()))
}

fn history(store: &Store) -> anyhow::Result<Vec<Op>> {
    let file = File::open(store.path("history.jsonl")).context("history.jsonl")?;
    Ok(history::read(file)?.collect::<Result<_, _>>()?)
}

fn title(settings: &Settings) -> String {
    let nodes = match settings.node_count {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    };
    let name = |planned: &PlannedFault| format!(", {}", planned.fault.name());
    let faults: String = settings.nemesis.iter().map(name).collect();
    format!("{}, {nodes}{faults}, seed {}", settings.workload.name(), settings.seed)
}

fn description(plan: &Plan) -> serde_json::Value {
    let args: Vec<_> = plan.args.iter().map(|arg| arg.to_string_lossy()).collect();
    let settings: Map<_, _> = summary::describe(&plan.settings)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    json!({
        "name": plan.settings.workload.name(),
        "bin": plan.bin.to_string_lossy(),
        "args": args,
        "seed": plan.settings.seed,
        "settings": settings,
        "command": plan.command(),
    })
}
