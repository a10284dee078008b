//! Why a run failed: from a finding to what made it, in a sentence or two.
//!
//! A finding says what clients saw that cannot be. The trace has what happened in between:
//! who knew a value when, which messages carried it, and which fault dropped them. From both
//! comes a [`Why`]: a text, and the causal slice, which is the messages and operations on the
//! way to the finding and no others.
//!
//! Nothing here knows a node's protocol. A message *carries* a value if the value stands
//! anywhere in its body and its sender knew it: because a client had told it, or because a
//! message that carries it had reached it ([`spread`]). A place where something stands that
//! its sender could not know, such as a count, carries none ([`places`]). So the text is as
//! true as that is: a node that sends values in another form is said to have never sent them.
//! Where the trace leaves messages or long bodies out, nothing is said to be missing.
//!
//! - [`run`]: history and trace, side by side.
//! - [`places`]: where in messages values stand.
//! - [`spread`]: how a value went from node to node.
//! - [`known`]: who knew which value when, of all values at once.
//! - [`lost`]: a value that is missing where it should be.
//! - [`register`]: a read that contradicts what came before it.
//! - [`transactions`]: reads of what was refused, or is out of date, and answers to another one.
//! - [`logs`]: messages of a log that were skipped, or stand in it twice.
//! - [`counter`]: sums that are too low or too high.
//! - [`tried`]: wrong ways to count, tried out.
//! - [`services`]: what was in the way of writes to services.
//! - [`reach`]: how far what clients added can have got.
//! - [`lacking`]: adds that a sum lacks, and how far each got.
//! - [`ids`]: ids that were given out twice.
//! - [`spelling`]: a value that came back as one of another type.
//! - [`answers`]: answers that are wrong, or did not come.

mod answers;
mod counter;
mod ids;
mod known;
mod lacking;
mod logs;
mod lost;
mod places;
mod reach;
mod register;
mod run;
mod services;
mod spelling;
mod spread;
mod transactions;
mod tried;

use std::collections::BTreeSet;

use checkers::Finding;
use serde::{Deserialize, Serialize};

use crate::trace::Sent;
pub use known::Known;
pub use run::Run;

/// Around the first and the last event of a slice, so much is shown, in nanoseconds.
const MARGIN: i64 = 200_000_000;

/// Why something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// At most two sentences.
    #[serde(rename = "why")]
    pub text: String,
    /// The messages on the way to the finding, by id.
    pub messages: Vec<u64>,
    /// The operations, by index.
    #[serde(rename = "relevant_ops")]
    pub ops: Vec<u64>,
    /// The value that it is about, as JSON, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it began, in nanoseconds on the history's clock.
    pub from: i64,
    /// When it was over.
    pub to: i64,
}

impl Run<'_> {
    /// Why this was found, if the trace shows it.
    pub fn explain(&self, finding: &Finding) -> Option<Why> {
        let spelt = spelling::explain(self, finding);
        let altered = || transactions::altered(self, finding);
        let draft = spelt.or_else(altered).or_else(|| draft(self, finding))?;
        Some(draft.finish(self, finding))
    }
}

fn draft(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    match finding.kind.as_str() {
        "lost" | "missing-at-end" | "reads-differ" => lost::explain(run, finding),
        "not-linearizable" => register::explain(run, finding),
        "G1a" if logs::is_of_a_log(run, finding) => logs::refused(run, finding),
        "poll-skip" | "int-poll-skip" | "lost-write" | "unseen" => logs::missing(run, finding),
        "duplicate" => logs::twice(run, finding),
        "int-nonmonotonic-poll" => logs::unsorted(run, finding),
        "inconsistent-offsets" => logs::disagreeing(run, finding),
        "wrong-sum" => counter::explain(run, finding),
        "duplicated" => ids::explain(run, finding),
        "wrong-echo" => answers::wrong(run, finding),
        "never-ok" | "unavailable" => answers::missing(run, finding),
        "node-failure" => answers::ended(run),
        "G1a" => transactions::refused(run, finding),
        "internal" => transactions::forgetful(run, finding),
        "G1b" => transactions::intermediate(run, finding),
        _ => transactions::contradiction(run, finding),
    }
}

/// What is being put together.
#[derive(Clone, Debug, Default)]
struct Draft {
    /// The first sentence.
    text: String,
    /// The second one, if there is room for it.
    so: Option<String>,
    messages: BTreeSet<u64>,
    ops: BTreeSet<u64>,
}

impl Draft {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The same as a second sentence.
    fn after(self, first: &str) -> Self {
        Self { text: format!("{first}. {}", self.text), so: None, ..self }
    }

    fn messages<'a>(mut self, messages: impl IntoIterator<Item = &'a Sent>) -> Self {
        self.messages.extend(messages.into_iter().map(|sent| sent.id));
        self
    }

    fn ops(mut self, ops: impl IntoIterator<Item = u64>) -> Self {
        self.ops.extend(ops);
        self
    }

    fn finish(mut self, run: &Run<'_>, finding: &Finding) -> Why {
        self.ops.extend(finding.ops.iter().copied());
        let sent = self.messages.iter().filter_map(|id| run.trace.message(*id));
        let ops = self.ops.iter().filter_map(|op| run.op(*op));
        let times = sent.flat_map(|sent| sent.receipts.iter().copied().chain([sent.time]));
        let times: Vec<i64> = times.chain(ops.map(run::time)).collect();
        let (first, last) = (times.iter().min(), times.iter().max());
        Why {
            text: self.so.into_iter().fold(self.text, |text, so| format!("{text} {so}")),
            messages: self.messages.into_iter().collect(),
            ops: self.ops.into_iter().collect(),
            value: finding.subject.value.clone(),
            from: first.copied().unwrap_or_default() - MARGIN,
            to: last.copied().unwrap_or_default() + MARGIN,
        }
    }
}
