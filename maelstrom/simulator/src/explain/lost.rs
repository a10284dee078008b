//! A value that was known somewhere and is missing where it should be.

use checkers::Finding;

use super::Draft;
use super::run::{Run, Wanted, at, culprit, time, times};
use super::spread::{Spread, origins};
use crate::net::{Address, Cause};
use crate::trace::{Fate, Sent};

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let value = finding.subject.value.as_deref()?;
    let wanted = Wanted::new(value, None)?;
    let read = run.operation(*finding.ops.last()?)?;
    let node = run.node(read.invoked.process)?;
    Missing::new(run, &wanted, value.to_owned(), time(read.end()))?.at(node)
}

/// A value, and how far it came until somebody looked.
pub(super) struct Missing<'r, 'a> {
    run: &'r Run<'a>,
    name: String,
    /// Who was told first, when, and by which operation.
    origin: (Address, i64, u64),
    spread: Spread<'a>,
    /// When somebody looked.
    by: i64,
}

impl<'r, 'a> Missing<'r, 'a> {
    /// None if no client told it anybody.
    pub(super) fn new(run: &'r Run<'a>, wanted: &Wanted, name: String, by: i64) -> Option<Self> {
        let origins = origins(run, wanted);
        Self::from(run, wanted, name, &origins, by)
    }

    /// Of a value that clients told these.
    pub(super) fn from(
        run: &'r Run<'a>,
        wanted: &Wanted,
        name: String,
        origins: &[(Address, i64, u64)],
        by: i64,
    ) -> Option<Self> {
        let told: Vec<(Address, i64)> =
            origins.iter().map(|(node, time, _)| (*node, *time)).collect();
        let spread = Spread::of(run, wanted, &told);
        Some(Self { run, name, origin: *origins.first()?, spread, by })
    }

    /// Why this node does not have it.
    pub(super) fn at(&self, node: usize) -> Option<Draft> {
        let draft = self.why(Address::Node(node), &mut Vec::new());
        Some(draft?.ops([self.origin.2]))
    }

    /// The messages that carried it.
    pub(super) fn carriers(&self) -> impl Iterator<Item = &'a Sent> + '_ {
        self.spread.carriers.iter().copied()
    }

    /// The messages by which this node came to know it.
    pub(super) fn path(&self, node: usize) -> Vec<&'a Sent> {
        self.spread.path(Address::Node(node))
    }

    /// When this node first knew it.
    pub(super) fn knew(&self, node: usize) -> Option<i64> {
        self.spread.knew.get(&Address::Node(node)).copied()
    }

    fn why(&self, node: Address, visited: &mut Vec<Address>) -> Option<Draft> {
        visited.push(node);
        let carriers: Vec<&Sent> =
            self.spread.to(node).filter(|sent| sent.time < self.by).collect();
        match self.spread.knew.get(&node) {
            Some(knew) if *knew < self.by => Some(self.forgotten(node, *knew)),
            _ if carriers.is_empty() => Some(self.never_told(node, visited)),
            _ => Some(self.told_in_vain(node, &carriers)),
        }
    }

    /// It had it.
    fn forgotten(&self, node: Address, knew: i64) -> Draft {
        let (name, path) = (&self.name, self.spread.path(node));
        let since = match path.first() {
            Some(sent) => format!("{node} got {name} from {} at {}", sent.src, at(knew)),
            None => format!("{node} was told {name} at {}", at(knew)),
        };
        let text = match self.killed(node, knew) {
            Some(killed) => format!(
                "{since}, was killed at {} and had forgotten it when it started again; nobody told it \
                 again.",
                at(killed)
            ),
            None => format!("{since}, and yet has not got it later: {node} itself leaves it out."),
        };
        Draft::new(text).messages(path)
    }

    /// All that was sent to it was lost.
    fn told_in_vain(&self, node: Address, carriers: &[&Sent]) -> Draft {
        let name = &self.name;
        let mut senders: Vec<Address> = carriers.iter().map(|sent| sent.src).collect();
        senders.sort_unstable();
        senders.dedup();
        let when = match carriers {
            [first, .., last] => format!(", from {} to {}", at(first.time), at(last.time)),
            [only] => format!(", at {}", at(only.time)),
            [] => String::new(),
        };
        let sent = format!("sent it to {node} {}{when}", times(carriers.len()));
        let begin = match senders[..] {
            [sender] => {
                let knew = self.spread.knew.get(&sender).copied().unwrap_or_default();
                format!("{sender} knew {name} from {}, and {sent}", at(knew))
            }
            _ => format!("{} nodes knew {name}, and {sent}", senders.len()),
        };
        let text = format!("{begin}; {}.", lost(node, carriers));
        let path = senders.iter().flat_map(|sender| self.spread.path(*sender));
        Draft::new(text).messages(carriers.iter().copied()).messages(path)
    }

    /// Nobody sent it there.
    fn never_told(&self, node: Address, visited: &mut Vec<Address>) -> Draft {
        let (name, (origin, told, _)) = (&self.name, self.origin);
        let sources = self.sources(node);
        let knowing: Vec<Address> =
            sources.iter().copied().filter(|of| self.spread.knew.contains_key(of)).collect();
        if self.spread.carriers.is_empty()
            && let Some(killed) = self.killed(origin, told)
        {
            return Draft::new(format!(
                "{origin} was told {name} at {} and killed at {}, before it had sent it to anybody; \
                 nobody else knew it.",
                at(told),
                at(killed)
            ));
        }
        if self.spread.carriers.is_empty() {
            let text =
                format!("{origin} knew {name} from {}, and never sent it to anybody.", at(told));
            return Draft::new(text);
        }
        if let Some(source) = knowing.first() {
            let knew = self.spread.knew[source];
            let text =
                format!("{source} knew {name} from {}, and never sent it to {node}.", at(knew));
            return Draft::new(text).messages(self.spread.path(*source));
        }
        let lacking = sources.iter().copied().find(|source| !visited.contains(source));
        let inner = lacking.and_then(|source| Some((source, self.why(source, visited)?)));
        match inner {
            Some((source, draft)) => {
                let first = draft.text.split(". ").next().unwrap_or_default().trim_end_matches('.');
                let text = format!(
                    "{first}. So {node}, which hears of values from {source}, never got it."
                );
                Draft { text, ..draft }
            }
            None => {
                let text = format!(
                    "{origin} knew {name} from {}; nobody ever sent it to {node}.",
                    at(told)
                );
                Draft::new(text).messages(self.spread.carriers.iter().copied())
            }
        }
    }

    /// Who sends a node messages of the kinds that carry the value.
    fn sources(&self, node: Address) -> Vec<Address> {
        let mut kinds: Vec<String> = self.spread.carriers.iter().map(|sent| sent.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut sources: Vec<Address> = Vec::new();
        for sent in self.run.inner().filter(|sent| sent.dest == node && sent.time < self.by) {
            if !sources.contains(&sent.src) && kinds.contains(&sent.kind()) {
                sources.push(sent.src);
            }
        }
        sources
    }

    fn killed(&self, node: Address, since: i64) -> Option<i64> {
        match node {
            Address::Node(node) => self.run.killed(node, since, self.by),
            _ => None,
        }
    }
}

/// What became of messages none of which arrived in time.
fn lost(node: Address, carriers: &[&Sent]) -> String {
    let that = if carriers.len() == 1 { "that" } else { "all of them" };
    if let Some(Fate::Received(time)) = carriers.last().map(|sent| sent.fate()) {
        return format!("{that} arrived at {} only", at(time));
    }
    let mut causes: Vec<Option<Cause>> = carriers.iter().map(|sent| cause(sent)).collect();
    causes.sort_unstable();
    causes.dedup();
    match causes[..] {
        [Some(Cause::Kill)] => format!("{node} was down; nobody sent it again"),
        [Some(cause)] => format!("{} dropped {that}; nobody sent it again", culprit(cause)),
        [None] => format!("{that} had not arrived at the end"),
        _ => "all of them were lost; nobody sent it again".to_owned(),
    }
}

fn cause(sent: &Sent) -> Option<Cause> {
    match sent.fate() {
        Fate::Dropped(_, cause) => Some(cause),
        Fate::Received(_) | Fate::Unread => None,
    }
}
