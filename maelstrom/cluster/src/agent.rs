//! An agent: has nodes on this machine, for one run at a time.
//!
//! It does what the [`Order`]s of a run want, and says what there is in [`State`]s. Whoever
//! orders nothing any more is gone, and the run with it.
//!
//! - [`run`]: one run.
//! - [`blackholes`]: partitions by packet loss.

mod blackholes;
mod run;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::ser::Error as _;
use tokio::time::{Interval, MissedTickBehavior};

use crate::etcd::Access;
use crate::link::{Link, Outage};
use crate::wire::{self, End, HELLO, Hello, Order, PERIOD, State};
pub(crate) use blackholes::Blackholes;
use run::Run;

/// What an agent has.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) name: String,
    /// By file name.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// No servers, if services are elsewhere.
    pub(crate) etcd: Access,
    /// Gets a folder for each run.
    pub(crate) directory: PathBuf,
    /// Where others find this machine, if it may be cut off from them.
    pub(crate) address: Option<Ipv4Addr>,
}

/// Does what runs want, for as long as nobody ends it.
pub(crate) async fn serve(link: Link, options: Options) -> anyhow::Result<()> {
    let mut agent = Agent::new(link, options).await?;
    loop {
        match std::future::poll_fn(|cx| agent.poll(cx)).await {
            Next::Begin(order) => agent.begin(*order).await,
            Next::End(end) => agent.end(end).await,
        }
    }
}

struct Agent {
    link: Link,
    options: Options,
    questions: Subscriber,
    orders: Subscriber,
    tick: Interval,
    run: Option<Run>,
}

/// What takes a while.
enum Next {
    Begin(Box<Order>),
    End(End),
}

impl Agent {
    async fn new(link: Link, options: Options) -> anyhow::Result<Self> {
        let questions = link.subscribe(HELLO.to_owned()).await?;
        let orders = link.subscribe(format!("{}.>", wire::of_agent(&options.name))).await?;
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { link, options, questions, orders, tick, run: None })
    }

    /// Does what can be done now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            let mut busy = false;
            if let Poll::Ready(outage) = self.link.poll_outage(cx) {
                self.lost(outage);
                busy = true;
            }
            while let Poll::Ready(Some(question)) = self.questions.poll_next_unpin(cx) {
                self.introduce(&question);
                busy = true;
            }
            while let Poll::Ready(Some(message)) = self.orders.poll_next_unpin(cx) {
                busy = true;
                if let Some(next) = self.heard(&message) {
                    return Poll::Ready(next);
                }
            }
            if let Some(run) = &mut self.run {
                busy |= run.poll(&mut self.link, cx);
            }
            while self.tick.poll_tick(cx).is_ready() {
                busy = true;
                if let Some(run) = &mut self.run {
                    if run.is_abandoned(self.link.is_away()) {
                        return Poll::Ready(Next::End(End::AtOnce));
                    }
                    run.tell(&mut self.link);
                }
            }
            self.link.poll_send(cx);
            if !busy {
                return Poll::Pending;
            }
        }
    }

    fn lost(&mut self, outage: Outage) {
        eprint(&match outage {
            Outage::Away(time) => format!("NATS was away for {:.1} s", time.as_secs_f64()),
            Outage::Overflow => "NATS brought more than could be taken".to_owned(),
        });
        if let Some(run) = &mut self.run {
            run.lost(match outage {
                Outage::Away(time) => time,
                Outage::Overflow => Duration::ZERO,
            });
        }
    }

    fn introduce(&mut self, question: &Message) {
        let Some(reply) = &question.reply else { return };
        let hello = Hello {
            agent: self.options.name.clone(),
            programs: self.options.programs.keys().cloned().collect(),
            has_services: !self.options.etcd.endpoints.is_empty(),
            run: self.run.as_ref().map(|run| run.id().to_owned()),
            address: self.options.address,
        };
        say(&mut self.link, reply.to_string(), &hello);
    }

    /// An order, or a line for a node.
    fn heard(&mut self, message: &Message) -> Option<Next> {
        let mut words = message.subject.as_str().split('.').skip(3);
        match (words.next()?, words.next(), words.next()) {
            ("order", None, None) => self.ordered(serde_json::from_slice(&message.payload).ok()?),
            ("to", Some(run), Some(node)) => {
                let run = self.run.as_mut().filter(|known| known.id() == run)?;
                run.give(wire::node_of(node)?, &message.payload);
                None
            }
            _ => None,
        }
    }

    fn ordered(&mut self, order: Order) -> Option<Next> {
        match &mut self.run {
            Some(run) if run.id() == order.run => {
                let end = order.end;
                run.obey(order);
                end.map(Next::End)
            }
            None if order.end.is_none() => Some(Next::Begin(Box::new(order))),
            // Whoever missed that its run is over is told again.
            None => {
                let state =
                    State { agent: self.options.name.clone(), is_over: true, ..State::default() };
                say(&mut self.link, format!("{}.state", wire::of_run(&order.run)), &state);
                None
            }
            Some(_) => None,
        }
    }

    async fn begin(&mut self, order: Order) {
        eprint(&format!("run {} begins, with {} nodes here", order.run, order.nodes.len()));
        match Run::begin(&self.link, &self.options, order).await {
            Ok(mut run) => {
                run.tell(&mut self.link);
                self.run = Some(run);
            }
            Err((run, error)) => {
                let error = Some(error.to_string());
                let state = State { agent: self.options.name.clone(), error, ..State::default() };
                say(&mut self.link, format!("{}.state", wire::of_run(&run)), &state);
            }
        }
    }

    async fn end(&mut self, end: End) {
        if let Some(mut run) = self.run.take() {
            run.end(&mut self.link, end).await;
            eprint(&format!("run {} is over", run.id()));
        }
    }
}

/// Sends this as JSON.
pub(crate) fn say(link: &mut Link, subject: String, what: &impl Serialize) {
    let sent = serde_json::to_vec(what)
        .and_then(|payload| link.send(subject, payload).map_err(serde_json::Error::custom));
    if let Err(error) = sent {
        eprint(&format!("error: {error}"));
    }
}

pub(crate) fn eprint(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether an agent may be called so: a name is a part of a subject.
pub(crate) fn check_name(name: &str) -> Result<String, String> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => Ok(name.to_owned()),
        false => Err("a name has letters, digits, - and _ alone".to_owned()),
    }
}
