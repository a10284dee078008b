//! What runs of logs have to show, where the general oracles ask too much.

use checkers::Finding;
use simulator::{Fault, Finished};

/// As [`Finished::failures`], but a log that answers before the service has a message may lose
/// those of the last moments when a node is killed, and give their offsets out again; and
/// one that drops messages has them no more.
pub(crate) fn log(finished: &Finished) -> Vec<Finding> {
    let kills = finished.settings.nemesis.iter().any(|planned| planned.fault == Fault::Kill);
    let forgotten = if kills && has(finished, "--ack-early") { FORGOTTEN } else { &[] };
    let dropped = dropped(finished);
    let mut findings = finished.failures();
    findings.retain(|finding| ![forgotten, dropped].concat().contains(&&*finding.kind));
    findings
}

/// How it shows that messages were dropped: consumers that are behind skip some, and what
/// nobody polled, or only polls of which nobody knows how they ended, is seen by nobody.
/// The latter takes a fault where only that is dropped which was polled and committed.
fn dropped(finished: &Finished) -> &'static [&'static str] {
    let drops_all = has(finished, "--retain=bytes:20");
    let drops_committed =
        has(finished, "--retain=committed") && !has(finished, "--retain=ms:600000");
    let is_faulty = !finished.settings.nemesis.is_empty();
    match (drops_all, drops_committed) {
        (true, _) => &["lost-write", "unseen", "poll-skip"],
        (false, true) if is_faulty => &["lost-write", "unseen", "poll-skip"],
        (false, true) => &["poll-skip"],
        (false, false) => &[],
    }
}

fn has(finished: &Finished, argument: &str) -> bool {
    finished.arguments.iter().any(|given| given == argument)
}

/// How it shows that acknowledged messages were forgotten: they are nowhere, polls go
/// past them, and others have their offsets.
const FORGOTTEN: &[&str] =
    &["lost-write", "unseen", "inconsistent-offsets", "int-poll-skip", "poll-skip"];
