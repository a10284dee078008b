//! Carries out what the counter commands: calls to `seq-kv`, messages, answers,
//! and one alarm clock.
//!
//! Every event goes through [`drive`], which is never entered twice at a time:
//! what a command leads to comes back as an event of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maelstrom::kv::SeqKv;
use maelstrom::{CallError, Context, NodeId, Setup};
use rand::RngExt;
use tokio::sync::oneshot;
use tokio::time::{self, Instant};

use crate::counter::{Answer, Command, Counter, Refusal};
use crate::injected_bugs::{Bug, Bugs};
use crate::ledger::{NoAnswer, Pace};
use crate::share::Share;

/// Nonces are integers that every JSON library represents exactly.
const NONCES: u64 = 1 << 53;
/// How long a lookup waits.
const PATIENCE: Duration = Duration::from_secs(1);

type Client = oneshot::Sender<Answer>;
type Commands = Vec<Command<Client>>;
/// What takes the answer to a call.
type Report<V> = fn(&mut Counter<Client>, Result<V, NoAnswer>, Instant) -> Commands;

/// The state of a node: its counter.
pub struct Shell {
    contents: Mutex<Contents>,
    pub(crate) bugs: Bugs,
}

struct Contents {
    counter: Counter<Client>,
    /// When the alarm will ring.
    alarm: Option<Instant>,
}

impl Shell {
    pub(crate) fn new(setup: &Setup, bugs: Bugs) -> Self {
        let nonce = match setup.new_rng().random_range(0..NONCES) {
            _ if bugs.has(Bug::SameNonce) => 7,
            nonce => nonce,
        };
        let mut counter = Counter::new(setup.id(), setup.node_ids(), nonce, Instant::now());
        counter.ledger.bugs = bugs;
        Self { contents: Mutex::new(Contents { counter, alarm: None }), bugs }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the counter take a client's request, and waits for its answer.
pub(crate) async fn ask(
    context: &Context<Shell>,
    request: impl FnOnce(&mut Counter<Client>, Client, Instant) -> Commands,
) -> Answer {
    let (client, answer) = oneshot::channel();
    drive(context, |counter, now| request(counter, client, now));
    // The counter answers everybody before it goes.
    answer.await.unwrap_or(Answer::Refused(Refusal::Unknown))
}

/// Has the counter take an event, carries out what it commands, and sets the
/// alarm.
pub(crate) fn drive(
    context: &Context<Shell>,
    event: impl FnOnce(&mut Counter<Client>, Instant) -> Commands,
) {
    let now = Instant::now();
    let commands = event(&mut context.state().lock().counter, now);
    for command in commands {
        carry_out(context, command);
    }
    set_alarm(context, now);
}

fn carry_out(context: &Context<Shell>, command: Command<Client>) {
    let this = context.clone();
    match command {
        Command::Write { from, to, pace } => context.spawn(write(this, from, to, pace)),
        Command::Check(pace) => context.spawn(check(this, pace)),
        Command::Look(nodes) => context.spawn(look_up(this, nodes)),
        Command::Tell(node, gossip) => context.send(&node, &gossip),
        Command::Answer(client, answer) => {
            // A client that has gone away needs no answer.
            let _ = client.send(answer);
        }
    }
}

async fn write(context: Context<Shell>, from: Share, to: Share, pace: Pace) {
    let service = paced(&context, pace).await;
    if context.state().bugs.has(Bug::BlindFence) && to.is_fence() {
        let answer = service.write(&key(context.id()), &to).await.map(|()| true);
        return report(&context, answer, Counter::written);
    }
    // The service runs on its newest state whatever changes that state, and a
    // key that an old state lacks would be created: so this is never refused
    // because some old state has no such key yet.
    let answer = service.cas_or_create(&key(context.id()), &from, &to).await;
    report(&context, answer, Counter::written);
}

async fn check(context: Context<Shell>, pace: Pace) {
    let service = paced(&context, pace).await;
    let answer = service.read::<Share>(&key(context.id())).await;
    let answer = answer.map(|share| share.unwrap_or_else(Share::unwritten));
    report(&context, answer, Counter::checked);
}

async fn look_up(context: Context<Shell>, nodes: Vec<NodeId>) {
    let fresh: u64 = context.new_rng().random_range(0..NONCES);
    let (key, service) = (format!("fresh/{}", context.id()), context.seq_kv().timeout(PATIENCE));
    if let Err(error) = service.write(&key, &fresh).await {
        tracing::debug!(%error, "what is looked up may be old");
    }
    for node in nodes {
        context.spawn(look(context.clone(), node));
    }
}

async fn look(context: Context<Shell>, node: NodeId) {
    match context.seq_kv().timeout(PATIENCE).read::<Share>(&key(&node)).await {
        Ok(None) => {}
        Ok(Some(share)) => drive(&context, |counter, now| counter.looked_up(&node, share, now)),
        Err(error) => tracing::debug!(%node, %error, "a lookup failed"),
    }
}

/// The key that holds a node's share.
fn key(node: &NodeId) -> String {
    format!("counter/{node}")
}

async fn paced(context: &Context<Shell>, pace: Pace) -> SeqKv<Shell> {
    if !pace.pause.is_zero() {
        time::sleep(pace.pause).await;
    }
    context.seq_kv().timeout(pace.patience)
}

/// Hands on what a call brought. Every error is as good as silence, whatever
/// the service means by it: what counts is what the key will be found to be.
fn report<V>(context: &Context<Shell>, answer: Result<V, CallError>, event: Report<V>) {
    if matches!(answer, Err(CallError::Closed)) {
        return drive(context, |counter, _| counter.close());
    }
    let answer = answer.map_err(|error| {
        tracing::warn!(%error, "asking again");
        NoAnswer
    });
    drive(context, |counter, now| event(counter, answer, now));
}

/// Makes sure that the counter is woken at its deadline.
fn set_alarm(context: &Context<Shell>, now: Instant) {
    let mut contents = context.state().lock();
    let Some(deadline) = contents.counter.deadline(now) else { return };
    if contents.alarm.is_some_and(|alarm| alarm <= deadline) {
        return;
    }
    contents.alarm = Some(deadline);
    context.spawn(ring(context.clone(), deadline));
}

async fn ring(context: Context<Shell>, at: Instant) {
    time::sleep_until(at).await;
    {
        let alarm = &mut context.state().lock().alarm;
        // An earlier one may have been set since, and have rung.
        if *alarm == Some(at) {
            *alarm = None;
        }
    }
    drive(&context, Counter::tick);
}
