//! What broadcast's one setting, the period of its rounds, buys: messages against
//! latency over its range, measured as challenges 3d and 3e measure it, beside what
//! others have published.
//!
//! - [`mod@published`]: the others' figures.
//! - [`picture`]: the figures as SVG.

mod picture;
mod published;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use broadcast::config::Config;
use broadcast::thresholds::EFFICIENCY;
use checkers::Validity;
use clap::Args;
use simulator::LatencyDist;

use crate::thresholds::{self, Threshold};
use crate::{millis, print, table as markdown};

/// The periods in ms, beside the default.
const PERIODS: &[u64] =
    &[50, 75, 100, 150, 200, 250, 300, 340, 500, 600, 700, 850, 1000, 1200, 1450];
/// How many seeds each figure is the worst of.
const SEEDS: u64 = 5;
/// The periods, beside the default, that are measured with latencies that vary, too.
const VARYING: [u64; 2] = [0, 300];

/// What the command line of `broadcast-experiments frontier` says.
#[derive(Args, Debug)]
pub struct Flags {
    /// How many seeds each period is measured with
    #[arg(long, value_name = "NUM", default_value_t = SEEDS)]
    seeds: u64,

    /// Measure these periods in ms instead of the usual ones
    #[arg(long, value_name = "MS", value_delimiter = ',')]
    periods: Vec<u64>,

    /// Draw the figures into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Messages between nodes an operation; latencies in ms.
#[derive(Clone, Copy, Debug)]
struct Figures {
    messages: f64,
    median: f64,
    max: f64,
}

/// What a period of the rounds, in ms, leads to: each figure is the worst of all
/// seeds.
#[derive(Clone, Copy, Debug)]
struct Setting {
    period: u64,
    figures: Figures,
}

/// Measures, and says whether all bounds are kept.
///
/// # Errors
///
/// When a run does not go through.
pub fn run(flags: &Flags) -> anyhow::Result<bool> {
    ensure!(flags.seeds > 0, "there are no seeds");
    let default = u64::try_from(Config::default().period.as_millis())?;
    let chosen = if flags.periods.is_empty() { PERIODS } else { &flags.periods };
    let mut periods = bounded().to_vec();
    periods.extend(chosen);
    periods.sort_unstable();
    periods.dedup();
    let settings = over(&periods, LatencyDist::Constant, flags.seeds)?;
    if let Some(file) = &flags.svg {
        let picture = picture::draw(&settings, default);
        std::fs::write(file, picture)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let thresholds = thresholds(&settings);
    print(&render(&settings, default));
    for dist in [LatencyDist::Uniform, LatencyDist::Exponential] {
        let settings = over(&[VARYING[0], VARYING[1], default], dist, flags.seeds)?;
        print(&format!("latencies that vary, {dist:?}\n{}", table(&settings, default)));
    }
    print(&thresholds::render(&thresholds));
    Ok(thresholds.iter().all(Threshold::is_kept))
}

/// Measures each of these periods with each seed.
fn over(periods: &[u64], dist: LatencyDist, seeds: u64) -> anyhow::Result<Vec<Setting>> {
    let runs = crate::over(0..periods.len() as u64 * seeds, |run| {
        let period = periods[(run / seeds) as usize];
        measure(period, dist, run % seeds).with_context(|| format!("--period-ms {period}"))
    })?;
    let runs = runs.chunks(usize::try_from(seeds)?);
    let setting = |(&period, runs)| Setting { period, figures: worst(runs) };
    Ok(periods.iter().zip(runs).map(setting).collect())
}

fn measure(period: u64, dist: LatencyDist, seed: u64) -> anyhow::Result<Figures> {
    let load = crate::simulation(&["--period-ms".to_owned(), period.to_string()])?;
    let load = load.nodes(25).rate(100.0);
    let load = load.seconds(20).latency(100).set(|settings| settings.latency.dist = dist);
    let finished = load.seed(seed).run();
    ensure!(finished.valid() == Validity::Valid, "{finished}");
    let latencies = finished.stable_latencies();
    Ok(Figures {
        messages: finished.msgs_per_op(),
        median: millis(latencies.median),
        max: millis(latencies.max),
    })
}

fn worst(runs: &[Figures]) -> Figures {
    let worst = |of: fn(&Figures) -> f64| thresholds::worst(runs.iter().map(of));
    Figures { messages: worst(|f| f.messages), median: worst(|f| f.median), max: worst(|f| f.max) }
}

/// The periods that have bounds, in ms.
fn bounded() -> [u64; 4] {
    EFFICIENCY.map(|bounds| millis(bounds.period) as u64)
}

fn thresholds(settings: &[Setting]) -> Vec<Threshold> {
    let mut thresholds = Vec::new();
    for (period, bounds) in bounded().into_iter().zip(EFFICIENCY) {
        let setting = settings.iter().find(|setting| setting.period == period);
        let figures = setting.map(|setting| setting.figures);
        for (what, of, most) in [
            ("msgs-per-op", (|f| f.messages) as fn(Figures) -> f64, bounds.messages),
            ("median", |f| f.median, millis(bounds.median)),
            ("max", |f| f.max, millis(bounds.longest)),
        ] {
            let found = figures.map_or(f64::NAN, of);
            thresholds.push(Threshold::new(format!("--period-ms {period}: {what}"), found, most));
        }
    }
    thresholds
}

const HEAD: &str = "messages an operation | median, ms | longest, ms";

impl Figures {
    fn cells(&self) -> String {
        format!("{:.2} | {:.0} | {:.0}", self.messages, self.median, self.max)
    }
}

/// The default and the ends of the setting, as a table.
///
/// # Errors
///
/// When a run does not go through.
pub fn ends() -> anyhow::Result<String> {
    let notes = [
        "the default: 3d, with a margin",
        "the limits of 3d",
        "the limits of 3e",
        "no rounds: every value straight to everybody",
    ];
    let settings = over(&bounded(), LatencyDist::Constant, SEEDS)?;
    let rows = settings.iter().zip(notes).map(|(Setting { period, figures }, note)| {
        format!("`--period-ms {period}` ({note}) | {}", figures.cells())
    });
    Ok(markdown(&format!("setting | {HEAD}"), rows))
}

/// The settings under latencies that vary, as a table.
///
/// # Errors
///
/// When a run does not go through.
pub fn jitter() -> anyhow::Result<String> {
    let default = u64::try_from(Config::default().period.as_millis())?;
    let mut rows = Vec::new();
    for dist in [LatencyDist::Uniform, LatencyDist::Exponential] {
        let settings = over(&[default, VARYING[1], VARYING[0]], dist, SEEDS)?;
        rows.extend(settings.iter().map(|Setting { period, figures }| {
            format!("{}, `--period-ms {period}` | {}", dist.name(), figures.cells())
        }));
    }
    Ok(markdown(&format!("latencies and setting | {HEAD}"), rows))
}

/// The fewest messages that others published within the limits of 3d and of 3e.
///
/// # Errors
///
/// When a run does not go through.
pub fn published() -> anyhow::Result<String> {
    let within = |median: f64, max: f64| {
        let within = |figures: &&Figures| figures.median < median && figures.max < max;
        let fewest = |a: &&Figures, b: &&Figures| a.messages.total_cmp(&b.messages);
        published::PUBLISHED.iter().filter(within).min_by(fewest).context("nothing published")
    };
    let [in_3d, in_3e] = [within(400.0, 600.0)?, within(1000.0, 2000.0)?];
    Ok(format!(
        "The fewest messages an operation that others published are {:.2} within the limits of \
         3d ({:.0} and {:.0} ms) and {:.2} within those of 3e ({:.0} and {:.0} ms).",
        in_3d.messages, in_3d.median, in_3d.max, in_3e.messages, in_3e.median, in_3e.max
    ))
}

fn render(settings: &[Setting], default: u64) -> String {
    let mut text = table(settings, default);
    text.push_str("published\n");
    for Figures { messages, median, max } in published::PUBLISHED {
        let _ = writeln!(text, "{messages:>24.2}  {median:>9.0}  {max:>6.0}");
    }
    text.push('\n');
    text
}

fn table(settings: &[Setting], default: u64) -> String {
    let mut text = String::from("--period-ms  msgs-per-op  median ms  max ms  limits\n");
    for Setting { period, figures } in settings {
        let Figures { messages, median, max } = figures;
        let limits = match (*median, *max) {
            (median, max) if median < 400.0 && max < 600.0 => "3d 3e",
            (median, max) if median < 1000.0 && max < 2000.0 => "3e",
            _ => "",
        };
        let is_default = if *period == default { "  default" } else { "" };
        let _ = writeln!(
            text,
            "{period:>11}  {messages:>11.2}  {median:>9.0}  {max:>6.0}  {limits}{is_default}"
        );
    }
    text.push('\n');
    text
}
