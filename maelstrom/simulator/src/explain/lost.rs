//! A value that was known somewhere and is missing where it should be.

use std::collections::BTreeSet;

use checkers::Finding;
use checkers::history::OpType;
use serde_json::Value;

use super::Draft;
use super::run::{Moment, Operation, Run, Wanted, at, dropped, member, time, times};
use super::services::error;
use super::spread::{Origin, Spread, is_telling, origins};
use crate::net::{Address, Cause};
use crate::trace::{Fate, Sent};

/// Of fewer values or messages, what they have in common may be chance.
const ENOUGH: usize = 3;

pub(super) fn explain(run: &Run<'_>, finding: &Finding) -> Option<Draft> {
    let value = finding.subject.value.as_deref()?;
    let wanted = Wanted::new(value, None)?;
    let element: Value = serde_json::from_str(value).ok()?;
    let lacks = |read: &Operation<'_>| {
        let list: Result<Vec<Value>, _> = read.end().decode();
        list.is_ok_and(|list| !list.contains(&element))
    };
    let read = finding.ops.iter().rev().filter_map(|op| run.operation(*op)).find(lacks)?;
    let node = run.node(read.invoked.process)?;
    Missing::from(run, &wanted, value.to_owned(), &origins(run, &wanted), &read)?.at(node)
}

/// A value, and how far it came until somebody looked.
pub(super) struct Missing<'r, 'a> {
    run: &'r Run<'a>,
    name: String,
    /// The clients' tellings.
    origins: Vec<Origin>,
    spread: Spread<'a>,
    /// Whether it is no value of a key.
    is_of_a_set: bool,
    /// When the question of who looked arrived.
    pub(super) by: Moment,
    /// When it was answered.
    answered: Moment,
    /// What the answer lists, if it is a list.
    shown: Vec<Value>,
}

impl<'r, 'a> Missing<'r, 'a> {
    /// What an operation wrote, when another asked for it.
    pub(super) fn of(
        run: &'r Run<'a>,
        writer: &Operation<'_>,
        (key, value): (&str, &str),
        reader: &Operation<'_>,
    ) -> Option<Self> {
        let wanted = Wanted::new(value, Some(key))?;
        let origin = Origin::of(run.requests(writer.invoked.index).next()?)?;
        Self::from(run, &wanted, value.to_owned(), &[origin], reader)
    }

    /// Of a value that clients told these. None if none did.
    fn from(
        run: &'r Run<'a>,
        wanted: &Wanted,
        name: String,
        origins: &[Origin],
        reader: &Operation<'_>,
    ) -> Option<Self> {
        let (by, answered) = run.asked(reader)?;
        let origins = origins.to_vec();
        origins.first()?;
        let spread = Spread::of(run, wanted, &origins);
        let is_of_a_set = !wanted.has_key();
        let shown = reader.end().decode().unwrap_or_default();
        Some(Self { run, name, origins, spread, is_of_a_set, by, answered, shown })
    }

    /// Why this node does not have it.
    pub(super) fn at(&self, node: usize) -> Option<Draft> {
        let draft = self.why(Address::Node(node), &mut Vec::new());
        Some(draft?.ops([self.origins[0].op]))
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
        self.spread.knew.get(&Address::Node(node)).map(|knew| knew.time)
    }

    /// When this node last got it before somebody looked, from whom unless from a client, and
    /// when it was killed after that. While it lives on, it is the first time that counts.
    pub(super) fn held(&self, node: usize) -> Option<(Moment, Option<&'a Sent>, Option<i64>)> {
        let address = Address::Node(node);
        let told = self.origins.iter().filter(|origin| origin.node == address);
        let told = told.map(|origin| (origin.told, None));
        let heard =
            self.spread.to(address).filter_map(|sent| Some((Moment::arrival(sent)?, Some(sent))));
        let mut all: Vec<(Moment, Option<&Sent>)> =
            told.chain(heard).filter(|(got, _)| *got < self.by).collect();
        all.sort_unstable_by_key(|(got, _)| *got);
        let killed = |got: &Moment| self.run.killed(node, got.time, self.by.time);
        let alive = all.iter().find(|(got, _)| killed(got).is_none());
        let (got, from) = *alive.or(all.last())?;
        Some((got, from, killed(&got)))
    }

    fn why(&self, node: Address, visited: &mut Vec<Address>) -> Option<Draft> {
        visited.push(node);
        let carriers: Vec<&Sent> =
            self.spread.to(node).filter(|sent| sent.line < self.by.line).collect();
        match self.spread.knew.get(&node) {
            Some(knew) if *knew < self.by => self.forgotten(node),
            _ if carriers.is_empty() => Some(self.never_told(node, visited)),
            _ => Some(self.told_in_vain(node, &carriers)),
        }
    }

    /// It had it.
    fn forgotten(&self, node: Address) -> Option<Draft> {
        let name = &self.name;
        let Address::Node(number) = node else { return None };
        let (got, from, killed) = self.held(number)?;
        let since = match from {
            Some(sent) => format!("{node} got {name} from {} at {}", sent.src, at(got.time)),
            None => format!("{node} was told {name} at {}", at(got.time)),
        };
        let mut by = None;
        let text = match killed {
            Some(killed) => {
                let (killed, again) = (at(killed), self.again(node, "told it", got));
                format!(
                    "{since}, was killed at {killed} and had forgotten it when it started again{again}."
                )
            }
            None => match from.and_then(|sent| self.refusal(sent)) {
                Some(error) => format!("{since}, and refused it: {error}."),
                None => {
                    by = self.replaced(node, got, self.by, &self.shown);
                    format!("{since}, {}", self.left_out(node, got, by))
                }
            },
        };
        Some(Draft::new(text).messages(by).messages(self.spread.path(node)).messages(from))
    }

    /// What its answers since it got it show.
    fn left_out(&self, node: Address, got: Moment, by: Option<&Sent>) -> String {
        let (name, answer) = (&self.name, at(self.answered.time));
        if let Some(sent) = by {
            let arrived = sent.receipts.first().copied().unwrap_or(sent.time);
            return format!(
                "but took the list without it in the {} of {}, which arrived at {}, in place of its own: its \
                 answer at {answer} lacks {name}.",
                kinds(&[sent]),
                sent.src,
                at(arrived)
            );
        }
        let reads = self.reads(node, got);
        if let Some(since) = self.unchanged(node, got, &reads) {
            return format!(
                "but its answer at {answer} lists what it did at {since} already, and none of what it was told \
                 after that: it answers from an old copy."
            );
        }
        match (reads.iter().rfind(|read| self.is_shown(read)), reads.len()) {
            (Some(read), _) => format!(
                "and answered with it at {} (op {}), but its answer at {answer} lacks it: {node} itself threw \
                 it away in between.",
                at(time(read.end())),
                read.end().index
            ),
            (None, 2..) => format!(
                "but none of its {} answers since then, the last at {answer}, has it: {node} did not keep it.",
                reads.len()
            ),
            _ => format!("but its answer at {answer} lacks it, so {node} itself left it out."),
        }
    }

    /// Since when a node's answers have been the same, although clients told it more.
    fn unchanged(&self, node: Address, got: Moment, reads: &[Operation<'a>]) -> Option<String> {
        let first = reads.first().filter(|_| !self.shown.is_empty())?;
        let all = self.reads(node, Moment { line: 0, time: i64::MIN });
        let same = |read: &&Operation<'_>| {
            read.end().decode().is_ok_and(|list: Vec<Value>| list == self.shown)
        };
        let same: Vec<&Operation<'_>> = all.iter().rev().take_while(same).collect();
        let since = same.last().filter(|read| read.end().index < first.end().index)?;
        let (since, until) = (time(since.end()), self.by.time);
        let told = self.run.trace.messages.iter().filter(|sent| {
            sent.dest == node
                && is_telling(self.run, sent)
                && sent.receipts.first().is_some_and(|at| (since..until).contains(at))
        });
        (got.time > since && told.count() >= ENOUGH).then(|| at(since))
    }

    /// The answers of a node that could have shown it.
    fn reads(&self, node: Address, got: Moment) -> Vec<Operation<'a>> {
        let of_node = |op: &Operation<'_>| {
            self.run.node(op.invoked.process).map(Address::Node) == Some(node)
                && op.invoked.f == "read"
                && time(op.invoked) > got.time
                && time(op.end()) <= self.answered.time
        };
        self.run.completed(OpType::Ok).filter(|op| self.is_of_a_set && of_node(op)).collect()
    }

    fn is_shown(&self, read: &Operation<'_>) -> bool {
        read.end().decode().is_ok_and(|list: Vec<Value>| list.contains(&self.element()))
    }

    fn element(&self) -> Value {
        serde_json::from_str(&self.name).unwrap_or_default()
    }

    /// The first message whose list, which lacks it, a node seems to have taken in place of its
    /// own: what it lists in the end is what the last such message had, and what clients told it
    /// after that.
    fn replaced(
        &self,
        node: Address,
        got: Moment,
        by: Moment,
        shows: &[Value],
    ) -> Option<&'a Sent> {
        let element = self.element();
        let heard = self.spread.to(node).filter_map(Moment::arrival);
        let heard = heard.filter(|moment| *moment < by).map(|moment| moment.time);
        let shown = self.reads(node, got).into_iter().filter(|read| self.is_shown(read));
        let shown = shown.filter(|read| time(read.end()) <= by.time);
        let since = heard.chain(shown.map(|read| time(read.end()))).max().unwrap_or(0);
        let is_between = |moment: Moment| got < moment && since <= moment.time && moment < by;
        let mut lists: Vec<(Moment, &Sent, Vec<Value>)> = self
            .run
            .inner()
            .filter(|sent| sent.dest == node)
            .filter_map(|sent| {
                let moment = Moment::arrival(sent).filter(|moment| is_between(*moment))?;
                let list = list(sent).filter(|list| !list.contains(&element))?;
                Some((moment, sent, list))
            })
            .collect();
        lists.sort_by_key(|(moment, ..)| *moment);
        let (last, sent, list) = lists.last()?;
        let told = |value: &Value| {
            let wanted = Wanted::new(&value.to_string(), None);
            let origins = wanted.map(|wanted| origins(self.run, &wanted)).unwrap_or_default();
            origins.iter().any(|origin| origin.node == node && origin.told > *last)
        };
        let is_its = list.iter().all(|value| shows.contains(value))
            && shows.iter().all(|value| list.contains(value) || told(value));
        let kind = sent.kind();
        let mut such = lists.iter().map(|(_, sent, _)| *sent);
        such.find(|sent| is_its && self.is_of_a_set && sent.kind() == kind)
    }

    /// The message with this older value that was sent before the one with the newer value, and
    /// arrived at a node after it, before somebody looked.
    pub(super) fn overtaken(&self, node: usize, older: &Wanted) -> Option<&'a Sent> {
        let (got, from, _) = self.held(node)?;
        let since = from.map_or(got.line, |sent| sent.line);
        let is_older = |sent: &&Sent| sent.dest == Address::Node(node) && sent.line < since;
        let mut old = self.run.inner().filter(is_older);
        old.rfind(|sent| {
            let is_between = |arrived: Moment| got < arrived && arrived < self.by;
            Moment::arrival(sent).is_some_and(is_between) && older.is_carried(self.run, sent)
        })
    }

    /// The error that was the answer to this message, in words.
    fn refusal(&self, told: &Sent) -> Option<String> {
        self.run.reply(told).filter(|answer| answer.kind() == "error").map(error)
    }

    /// Whether somebody did it again after all, as far as the trace tells.
    fn again(&self, node: Address, did: &str, since: Moment) -> String {
        let later = self.spread.to(node).find(|sent| sent.line >= self.by.line);
        match (later, self.run.unknown(since, Moment::END)) {
            // It may be another write of the same.
            (Some(_), _) if !self.is_of_a_set => format!("; nobody {did} again before that"),
            (Some(sent), _) => format!("; {} {did} again only at {}", sent.src, at(sent.time)),
            (None, Some(unknown)) => format!("; {unknown}"),
            (None, None) => format!("; nobody {did} again"),
        }
    }

    /// All that was sent to it was lost, or came too late.
    fn told_in_vain(&self, node: Address, carriers: &[&'a Sent]) -> Draft {
        let name = &self.name;
        let mut senders: Vec<Address> = carriers.iter().map(|sent| sent.src).collect();
        senders.sort_unstable();
        senders.dedup();
        let when = match carriers {
            [first, .., last] => format!(", from {} to {}", at(first.time), at(last.time)),
            [only] => format!(", at {}", at(only.time)),
            [] => String::new(),
        };
        let sent =
            format!("sent it to {node} {}{when} ({})", times(carriers.len()), kinds(carriers));
        let begin = match senders[..] {
            [sender] => {
                let knew = self.spread.knew.get(&sender).map_or(0, |knew| knew.time);
                format!("{sender} knew {name} from {}, and {sent}", at(knew))
            }
            _ => format!("{} nodes knew {name}, and {sent}", senders.len()),
        };
        let again = || {
            let first = carriers.first().map_or(self.by, |sent| Moment::sending(sent));
            self.again(node, "sent it", first)
        };
        let (lost, is_late) = lost(node, carriers);
        let again = if is_late { String::new() } else { again() };
        let text = format!("{begin}; {lost}{again}.");
        let path = senders.iter().flat_map(|sender| self.spread.path(*sender));
        Draft::new(text).messages(carriers.iter().copied()).messages(path)
    }

    /// Nobody sent it there.
    fn never_told(&self, node: Address, visited: &mut Vec<Address>) -> Draft {
        let (name, Origin { node: origin, told, .. }) = (&self.name, self.origins[0]);
        if let Some(sent) = self.spread.to(node).next() {
            return self.told_after(node, sent);
        }
        let known = format!("{origin} knew {name} from {}", at(told.time));
        if let Some(unknown) = self.run.unknown(told, Moment::END) {
            return Draft::new(format!("{known}; who sent it to {node} is not known: {unknown}."));
        }
        if self.spread.carriers.is_empty() {
            return self.kept(self.origins[0]);
        }
        let sources = self.sources(node);
        let is_known =
            |who: &&Address| self.spread.knew.get(who).is_some_and(|knew| *knew < self.by);
        if let Some(source) = sources.iter().find(is_known) {
            let knew = at(self.spread.knew[source].time);
            let text = format!("{source} knew {name} from {knew}, and never sent it to {node}.");
            return Draft::new(text).messages(self.spread.path(*source));
        }
        self.not_heard(node, &sources, visited).unwrap_or_else(|| {
            let text = format!("{known}; nobody ever sent it to {node}.");
            Draft::new(text).messages(self.spread.carriers.iter().copied())
        })
    }

    /// It was sent after somebody had looked.
    fn told_after(&self, node: Address, sent: &'a Sent) -> Draft {
        let (name, src, time) = (&self.name, sent.src, at(sent.time));
        let knew = self.spread.knew.get(&src).map_or(self.origins[0].told.time, |knew| knew.time);
        let is_busy = sent.line < self.answered.line;
        let busy =
            if is_busy { format!(", when {node} was answering already") } else { String::new() };
        let knew = at(knew);
        let text = format!(
            "{src} knew {name} from {knew}, but sent it to {node} only at {time} ({}){busy}.",
            kinds(&[sent])
        );
        Draft::new(text).messages(self.spread.path(src)).messages([sent])
    }

    /// Whom a client told it told nobody.
    fn kept(&self, origin: Origin) -> Draft {
        let (name, node, told) = (&self.name, origin.node, at(origin.told.time));
        let told_then = origin.told;
        let killed = match node {
            Address::Node(number) => self.run.killed(number, origin.told.time, self.by.time),
            _ => None,
        };
        let by = self.replaced_unsent(origin);
        let text = match (killed, by) {
            (Some(killed), _) => format!(
                "{node} was told {name} at {told} and killed at {}, before it had sent it to anybody; \
                 nobody else knew it.",
                at(killed)
            ),
            (None, Some(sent)) => format!(
                "{node} was told {name} at {told}, and before it had sent it to anybody, it took the list \
                 without it in the {} of {}, which arrived at {}, in place of its own.",
                kinds(&[sent]),
                sent.src,
                at(Moment::arrival(sent).map_or(sent.time, |arrived| arrived.time))
            ),
            (None, None) => format!(
                "{node} knew {name} from {told}, and never sent it to anybody{}.",
                self.but_others(node, None, told_then)
            ),
        };
        Draft::new(text).messages(by)
    }

    /// Other values of clients that a node did send after this, of those that it was told then.
    fn but_others(&self, node: Address, dest: Option<Address>, since: Moment) -> String {
        if !self.is_of_a_set {
            return String::new();
        }
        let told = self.run.trace.messages.iter().filter(|sent| {
            sent.dest == node && sent.line > since.line && is_telling(self.run, sent)
        });
        let own: Vec<&Sent> = self
            .run
            .inner()
            .filter(|sent| sent.src == node && dest.is_none_or(|dest| sent.dest == dest))
            .filter(|sent| since < Moment::sending(sent))
            .collect();
        let is_sent = |request: &&Sent| {
            let value: Value =
                serde_json::from_str(&member(request, "message")).unwrap_or_default();
            let wanted = Wanted::new(&value.to_string(), None);
            wanted.is_some_and(|wanted| own.iter().any(|sent| wanted.is_carried(self.run, sent)))
        };
        match told.filter(is_sent).count() {
            count if count >= ENOUGH => {
                format!(", although it sent {count} of those that it was told after that")
            }
            _ => String::new(),
        }
    }

    /// The message whose list such a node took in place of its own, by its first answer without
    /// the value.
    fn replaced_unsent(&self, Origin { node, told, .. }: Origin) -> Option<&'a Sent> {
        let lacking = self.reads(node, told).into_iter().filter(|read| !self.is_shown(read));
        let read = lacking.min_by_key(|read| read.invoked.index)?;
        let (by, _) = self.run.asked(&read)?;
        self.replaced(node, told, by, &read.end().decode::<Vec<Value>>().ok()?)
    }

    /// Those that a node hears from did not have it either.
    fn not_heard(
        &self,
        node: Address,
        sources: &[Address],
        visited: &mut Vec<Address>,
    ) -> Option<Draft> {
        let source = sources.iter().copied().find(|source| !visited.contains(source))?;
        let draft = self.why(source, visited)?;
        let so = format!("So {node}, which gets its values from {source}, never got it.");
        Some(Draft { so: Some(so), ..draft })
    }

    /// Who sends a node messages of the kinds that carry the value.
    fn sources(&self, node: Address) -> Vec<Address> {
        let mut kinds: Vec<String> = self.spread.carriers.iter().map(|sent| sent.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut sources: Vec<Address> = Vec::new();
        for sent in self.run.inner().filter(|sent| sent.dest == node && sent.line < self.by.line) {
            if !sources.contains(&sent.src) && kinds.contains(&sent.kind()) {
                sources.push(sent.src);
            }
        }
        sources
    }
}

/// The list that a message has, if it has one alone.
fn list(sent: &Sent) -> Option<Vec<Value>> {
    let body: Value = serde_json::from_str(&sent.body).ok()?;
    let mut lists = body.as_object()?.values().filter_map(Value::as_array);
    lists.next().filter(|_| lists.next().is_none()).cloned()
}

/// The types of messages, as a program spells them.
fn kinds(messages: &[&Sent]) -> String {
    let kinds: BTreeSet<String> =
        messages.iter().map(|sent| format!("`{}`", sent.kind())).collect();
    listed(&kinds.into_iter().collect::<Vec<_>>())
}

/// What became of messages none of which arrived in time, and whether one arrived at all or
/// may have.
pub(super) fn lost(node: Address, carriers: &[&Sent]) -> (String, bool) {
    let mut causes: Vec<Option<Cause>> =
        carriers.iter().map(|sent| sent.dropped.map(|(_, cause)| cause)).collect();
    let arrivals: Vec<i64> =
        carriers.iter().filter_map(|sent| sent.receipts.first()).copied().collect();
    causes.sort_unstable();
    causes.dedup();
    let (all, is_one) = (carriers.len(), carriers.len() == 1);
    let some = |count: usize| match count {
        _ if is_one => "that".to_owned(),
        count if count == all => "all of them".to_owned(),
        count => format!("{count} of them"),
    };
    let mut fates = Vec::new();
    for cause in causes.into_iter().flatten() {
        let count = carriers.iter().filter(|sent| sent.dropped.is_some_and(|(_, by)| by == cause));
        fates.push(dropped(cause, node, &some(count.count())));
    }
    let open = carriers.iter().filter(|sent| sent.fate() == Fate::Unread).count();
    if open > 0 {
        fates.push(format!("{} had not arrived when the run ended", some(open)));
    }
    if let Some(first) = arrivals.iter().min() {
        let what = if is_one { "that arrived only" } else { "the first one to arrive did so only" };
        fates.push(format!("{what} at {}", at(*first)));
    }
    (listed(&fates), open > 0 || !arrivals.is_empty())
}

/// That an older message was taken for a newer one.
pub(super) fn overtook(old: &Sent, node: Address) -> String {
    let arrived = old.receipts.first().copied().unwrap_or(old.time);
    let why = match old.delayed {
        Some((_, cause @ (Cause::Reorder | Cause::Slow))) => {
            format!(", because the {} fault held it back", cause.name())
        }
        _ => String::new(),
    };
    format!(
        "an older message, which {} had sent at {}, arrived after that, at {}{why}, and {node} took it for \
         a newer one",
        old.src,
        at(old.time),
        at(arrived)
    )
}

/// Parts of a sentence.
pub(super) fn listed(parts: &[String]) -> String {
    match parts {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => parts.concat(),
    }
}
