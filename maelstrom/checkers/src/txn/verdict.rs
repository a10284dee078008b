//! From cases of anomalies to a verdict.
//!
//! What a model asked for forbids makes a history invalid. What keeps the checker
//! from knowing makes it unknown. Everything else is left out of the verdict, but
//! helps to tell which models are ruled out.

use serde_json::{Map, Value};

use super::Options;
use super::anomaly::{Anomalies, Anomaly};
use super::log::Kind;
use super::model::{Boundary, Model};
use crate::{Figures, Finding, Outcome, Validity};

/// The verdict on what was found, and on what the original cannot see because it does not
/// infer so much.
pub(super) fn outcome(
    kind: Kind,
    models: &[Model],
    options: Options,
    mut found: Anomalies,
    mut inferred: Anomalies,
) -> Outcome {
    if options.strict {
        found.append(std::mem::take(&mut inferred));
    }
    let found = &found;
    let taken_for = |a: Anomaly| if options.compatible { a.in_the_original() } else { a };
    let is_forbidden =
        |a: Anomaly| a.is_beyond_models() || models.iter().any(|m| m.forbids(taken_for(a)));
    let is_counted = |a: Anomaly| options.strict || !is_overlooked(kind, options, a);
    let counted: Vec<Anomaly> = found.kinds().filter(|&a| is_counted(a)).collect();
    let mut reported: Vec<Anomaly> =
        counted.iter().copied().filter(|&a| is_forbidden(a) || a.is_unknown()).collect();
    drop_redundant(&mut reported);

    let valid = reported.iter().map(|&a| severity(kind, options, a)).max().unwrap_or_default();
    let warned: Vec<Anomaly> =
        found.kinds().filter(|&a| !is_counted(a) && is_forbidden(a)).collect();
    let also_warned: Vec<Anomaly> = inferred.kinds().filter(|&a| is_forbidden(a)).collect();
    let counted: Vec<Anomaly> = counted.into_iter().map(taken_for).collect();
    let mut results = results(&reported, &counted, found);
    let not_visible = (kind == Kind::Registers).then_some(NOT_VISIBLE);
    results.extend(not_visible.map(|text| ("not-visible".to_owned(), text.into())));
    let mut warnings = findings(&warned, found);
    warnings.extend(findings(&also_warned, &inferred));
    let findings = findings(&reported, found);
    let figures = Figures { not_visible, ..Figures::default() };
    Outcome { valid, results, findings, warnings, figures }
}

/// What registers never show.
const NOT_VISIBLE: &str = "\
    A register does not tell the order of its versions. Writes that interleave (G0) show only where \
    a transaction read what it overwrote, where all read the same at last, or where the model orders \
    the transactions that saw them. txn-list-append shows the order of all that is read.";

/// What the original does not look for. That a transaction reads its own future
/// counts all the same: no order allows it.
fn is_overlooked(kind: Kind, options: Options, anomaly: Anomaly) -> bool {
    match anomaly {
        Anomaly::OverwrittenOwnRead
        | Anomaly::Otv
        | Anomaly::FracturedRead
        | Anomaly::CausalityViolation
        | Anomaly::SessionCausalityViolation
        | Anomaly::DivergentFinalRead
        | Anomaly::ReplyMismatch => true,
        // Of lists, the original breaks down over the first.
        Anomaly::GarbageRead => kind == Kind::Registers,
        Anomaly::FutureRead => kind == Kind::Registers && options.compatible,
        _ => false,
    }
}

fn severity(kind: Kind, options: Options, anomaly: Anomaly) -> Validity {
    // Maelstrom turns whatever Elle reports on registers into `false`.
    let is_quirk = options.compatible && kind == Kind::Registers;
    match anomaly {
        Anomaly::EmptyTransactionGraph if is_quirk => Validity::Invalid,
        anomaly if anomaly.is_unknown() => Validity::Unknown,
        _ => Validity::Invalid,
    }
}

/// That some cycle exists is no news where another anomaly rules out as much.
fn drop_redundant(anomalies: &mut Vec<Anomaly>) {
    let shown: Vec<Anomaly> =
        anomalies.iter().copied().filter(|a| !matches!(a, Anomaly::CycleExists(_))).collect();
    anomalies.retain(|anomaly| match anomaly {
        Anomaly::CycleExists(model) => !shown.iter().any(|&other| model.forbids(other)),
        _ => true,
    });
}

fn results(reported: &[Anomaly], counted: &[Anomaly], found: &Anomalies) -> Map<String, Value> {
    let (mut counts, mut examples) = (Map::new(), Map::new());
    let mut names: Vec<String> = reported.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    for (anomaly, cases) in found.iter().filter(|(anomaly, _)| reported.contains(anomaly)) {
        let kept = cases.kept().map(|case| case.detail.clone()).collect();
        counts.insert(anomaly.to_string(), cases.count.into());
        examples.insert(anomaly.to_string(), kept);
    }
    let mut results = Map::from_iter([("anomaly-types".to_owned(), names.into())]);
    if !reported.is_empty() {
        let Boundary { not, also_not } = Boundary::of(counted);
        results.insert("anomaly-counts".to_owned(), counts.into());
        results.insert("anomalies".to_owned(), examples.into());
        results.insert("not".to_owned(), model_names(&not));
        results.insert("also-not".to_owned(), model_names(&also_not));
    }
    results
}

fn model_names(models: &[Model]) -> Value {
    models.iter().map(|model| Value::from(model.name())).collect()
}

fn findings(anomalies: &[Anomaly], found: &Anomalies) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (anomaly, cases) in found.iter().filter(|(anomaly, _)| anomalies.contains(anomaly)) {
        let name = anomaly.to_string();
        let told = cases.kept().map(|case| case.finding(&name, case.text.clone()));
        findings.extend(told);
        let more = (cases.count - cases.kept().len()) as u64;
        if more > 0 {
            let text = format!("{more} more cases are not listed");
            findings.push(Finding { text, ..Finding::omission(name, more) });
        }
    }
    findings
}
