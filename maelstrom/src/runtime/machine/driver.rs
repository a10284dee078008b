//! What runs a machine as a node: the one place between algorithms and the world.
//!
//! It holds the machine's lock, its clock, its one alarm and the clients that wait, and
//! carries out what the machine wants done. Every event goes through
//! [`Context::handle`]: the machine is locked once, handles the input, and its outputs are
//! carried out in their order. It is never locked across an `await`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    Answer, Client, Input, Machine, Members, Messages, Operation, Output, Outputs, Service,
    ServiceCall, Time,
};
use crate::journal::{Journal, Writer};
use crate::kv;
use crate::protocol::Error;
use crate::runtime::context::{Context, Setup};
use crate::runtime::node::Node;
use crate::runtime::panics::Place;

/// The granularity of timers: a machine whose deadline has passed is woken this often.
const GRANULARITY: Duration = Duration::from_millis(1);

/// The state of a node that runs a [`Machine`].
///
/// [`Driver::node`] makes such a node; its handlers ask the machine by
/// [`Context::ask`].
pub struct Driver<M: Machine> {
    make: Box<Make<M>>,
    /// `None` until an `init` has made it.
    machine: Mutex<Option<Running<M>>>,
    /// What writes its records; empty where they stay in memory.
    pub(super) writer: OnceLock<Writer>,
    members: Members,
    /// The machine wants to be woken earlier than it did.
    replanned: Notify,
}

type Make<M> = dyn Fn(&Setup, Members) -> Result<Opened<M>, Error> + Send + Sync;

/// What a client is answered.
pub(super) type Reply<M> = Result<<M as Machine>::Reply, Error>;

/// A machine at work.
pub(super) struct Running<M: Machine> {
    machine: M,
    /// Empty between two events.
    outputs: Outputs<M>,
    /// When it was started: by the first event.
    started: Option<Instant>,
    /// When it wants to be woken.
    deadline: Option<Time>,
    /// Those who were not answered at once, in order: most are answered in that order, too.
    waiting: VecDeque<(Client, oneshot::Sender<Reply<M>>)>,
    last_client: u64,
    /// How many records it has written in memory, where they are as safe as they will be.
    pub(super) in_memory: u64,
}

impl<M: Machine> Driver<M> {
    /// A node that runs the machine which `make` makes when `init` comes. It takes the
    /// [messages](Machine::Message) of its cluster's nodes; what is left to add are the
    /// handlers of clients' requests.
    pub fn node(make: impl Fn(&Setup, Members) -> M + Send + Sync + 'static) -> Node<Self> {
        Self::node_with_journal(move |setup, members| Ok((make(setup, members), None)))
    }

    /// The same for a machine that writes [records](Machine::Record): `make` makes it of
    /// what the journal has, and returns both. (Without a journal every record counts as
    /// written at once.) What it fails with is the answer to `init`; it is tried again when
    /// `init` is repeated.
    pub fn node_with_journal<F>(make: F) -> Node<Self>
    where
        F: Fn(&Setup, Members) -> Result<Opened<M>, Error> + Send + Sync + 'static,
    {
        let node = Node::new(|setup| Self {
            make: Box::new(make),
            machine: Mutex::new(None),
            writer: OnceLock::new(),
            members: Members::new(setup.id(), setup.node_ids()),
            replanned: Notify::new(),
        });
        M::Message::receive(node.on_init(begin))
    }

    /// The nodes of the cluster.
    pub fn members(&self) -> &Members {
        &self.members
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Running<M>>> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes a machine that was made.
    fn with<T>(&self, look: impl FnOnce(&mut Running<M>) -> T) -> Option<T> {
        self.lock().as_mut().map(look)
    }
}

/// A machine that was made, and the journal that its records go to.
pub type Opened<M> = (M, Option<Journal>);

impl<M: Machine> Context<Driver<M>> {
    /// Has the machine take a client's request, and waits for its reply, for as long as
    /// the node's input lasts.
    ///
    /// # Errors
    ///
    /// What the machine [fails](Outputs::fail) the request with.
    pub async fn ask(&self, request: M::Request) -> Result<M::Reply, Error> {
        self.room().await?;
        match self.admit(request) {
            Ok(reply) => reply,
            Err((client, mut reply)) => self.reply(client, &mut reply).await,
        }
    }

    /// The same with a limit to the client's patience: when it has ended, the machine
    /// gets [`Input::GiveUp`] and has to reply.
    ///
    /// # Errors
    ///
    /// As [`Context::ask`].
    pub async fn ask_within(
        &self,
        patience: Duration,
        request: M::Request,
    ) -> Result<M::Reply, Error> {
        let begun = Instant::now();
        timeout(patience, self.room()).await.unwrap_or_else(|_| Err(no_room()))?;
        let (client, mut reply) = match self.admit(request) {
            Ok(reply) => return reply,
            Err(waiting) => waiting,
        };
        let left = patience.saturating_sub(begun.elapsed());
        if let Ok(reply) = timeout(left, self.reply(client, &mut reply)).await {
            return reply;
        }
        self.give_up(client);
        replied::<M>(reply.await)
    }

    /// Waits for a reply for as long as something may come that brings it.
    async fn reply(&self, client: Client, reply: &mut oneshot::Receiver<Reply<M>>) -> Reply<M> {
        if self.has_input_ended() {
            self.settle().await;
            self.give_up(client);
        }
        replied::<M>(reply.await)
    }

    /// The reply to a request, or, if there is none yet, what will bring it.
    fn admit(&self, request: M::Request) -> Result<Reply<M>, Waiting<M>> {
        let mut slot = self.state().lock();
        let Some(running) = &mut *slot else {
            return Ok(Err(Error::unavailable("this node has not been initialised yet")));
        };
        running.last_client += 1;
        let client = Client(running.last_client);
        let input = Input::Request(client, request);
        if let Some(reply) = self.handle(running, Some(input), Some(client)) {
            return Ok(reply);
        }
        let (sender, reply) = oneshot::channel();
        running.waiting.push_back((client, sender));
        Err((client, reply))
    }

    /// Tells the machine that a client waits no longer, and answers for a machine that
    /// does not.
    fn give_up(&self, client: Client) {
        if self.state().with(|running| running.position(client)).flatten().is_some() {
            self.event(Some(Input::GiveUp(client)));
            let error = Error::timeout("no answer in time; it may have happened, or may yet");
            self.state().with(|running| {
                if running.position(client).is_some() {
                    running.reply(client, Err(error));
                }
            });
        }
    }

    /// Another node says something. Nothing bounds what others say but that messages get
    /// lost, which they do where what they bring could not be written.
    pub(super) fn heard(&self, message: M::Message) {
        if let Some(from) = self.state().members.rank(self.source())
            && self.has_room()
        {
            self.event(Some(Input::Message(from, message)));
        }
    }

    /// Hands an input to the machine, or just starts it, and carries out what it wants
    /// done.
    fn event(&self, input: Option<Input<M>>) {
        if let Some(running) = &mut *self.state().lock() {
            self.handle(running, input, None);
        }
    }

    /// The same for a task that has to go on after a panic.
    fn guarded_event(&self, input: Option<Input<M>>) {
        // What is to be said of a panic has been said.
        let _ = self.panics().catch(Place::Task, || self.event(input));
    }

    /// The same with a machine that is locked. Returns what it replies to the client
    /// `asking`, if it does.
    pub(super) fn handle(
        &self,
        running: &mut Running<M>,
        input: Option<Input<M>>,
        asking: Option<Client>,
    ) -> Option<Reply<M>> {
        let (mut reply, mut next) = (None, input);
        let planned = running.deadline;
        loop {
            running.handle(next.take());
            self.carry_out(running, asking, &mut reply);
            next = running.written_in_memory();
            if next.is_none() {
                break;
            }
        }
        if running.deadline.is_some_and(|at| planned.is_none_or(|planned| at < planned)) {
            self.state().replanned.notify_one();
        }
        reply
    }

    /// Carries out what the machine wants done. A panic takes nothing along but the output
    /// that it is in: were a record missing, the machine would wait for it for ever.
    fn carry_out(
        &self,
        running: &mut Running<M>,
        asking: Option<Client>,
        replied: &mut Option<Reply<M>>,
    ) {
        let mut outputs = std::mem::take(&mut running.outputs);
        let mut left = outputs.drain();
        let mut carry_out = || {
            left.by_ref().for_each(|output| match output {
                Output::Reply(client, reply) if asking == Some(client) => {
                    replied.get_or_insert(reply);
                }
                output => self.carry_out_one(running, output),
            });
        };
        while let Err(panic) = catch_unwind(AssertUnwindSafe(&mut carry_out)) {
            self.panics().caught(Place::Task, panic);
        }
        drop(left);
        running.outputs = outputs;
    }

    fn carry_out_one(&self, running: &mut Running<M>, output: Output<M>) {
        match output {
            Output::Reply(client, reply) => running.reply(client, reply),
            Output::Send(to, message) => message.send(self, self.state().members.id(to)),
            Output::Call(tag, call) => self.spawn(carry_out_call(self.clone(), tag, call)),
            Output::Write(record) => self.write(running, &record),
            Output::Snapshot(pieces) => self.write_snapshot(pieces),
        }
    }
}

/// Whoever waits for a reply.
type Waiting<M> = (Client, oneshot::Receiver<Reply<M>>);

fn replied<M: Machine>(reply: Result<Reply<M>, oneshot::error::RecvError>) -> Reply<M> {
    reply.unwrap_or_else(|_| Err(Error::crash("the node ended before it replied")))
}

impl<M: Machine> Running<M> {
    fn new(machine: M) -> Self {
        Self {
            machine,
            outputs: Outputs::default(),
            started: None,
            deadline: None,
            waiting: VecDeque::new(),
            last_client: 0,
            in_memory: 0,
        }
    }

    fn handle(&mut self, input: Option<Input<M>>) {
        let Self { machine, outputs, started, .. } = self;
        let started = started.get_or_insert_with(|| {
            machine.handle(Time::ZERO, Input::Start, outputs);
            Instant::now()
        });
        if let Some(input) = input {
            machine.handle(started.elapsed(), input, outputs);
        }
        self.deadline = self.machine.deadline();
    }

    /// When it wants to be woken, if that can be. It is asked anew: after a panic it may
    /// want something else than before.
    fn alarm(&self) -> Option<Instant> {
        self.started?.checked_add(self.machine.deadline()?)
    }

    /// Where a client waits.
    fn position(&self, client: Client) -> Option<usize> {
        self.waiting.binary_search_by_key(&client, |(waiting, _)| *waiting).ok()
    }

    fn reply(&mut self, client: Client, reply: Reply<M>) {
        match self.position(client).and_then(|position| self.waiting.remove(position)) {
            // Its handler may have gone; then nobody is to be told.
            Some((_, waiting)) => drop(waiting.send(reply)),
            None => tracing::debug!(?client, "a reply to nobody who waits"),
        }
    }

    /// What the machine hears of its records where there is no journal.
    fn written_in_memory(&mut self) -> Option<Input<M>> {
        let records = std::mem::take(&mut self.in_memory);
        (records > 0).then_some(Input::Written(records))
    }
}

/// Makes the machine and starts the tasks of its node, unless that was done by an `init`
/// that failed later.
async fn begin<M: Machine>(context: Context<Driver<M>>) -> Result<(), Error> {
    let driver = context.state();
    if driver.with(|_| ()).is_some() {
        return Ok(());
    }
    let opened = (driver.make)(context.setup(), driver.members.clone());
    if let Some(disk) = context.disk() {
        disk.catch_up().await;
    }
    let (machine, journal) = opened?;
    if let Some(journal) = journal {
        context.keep(journal);
    }
    *driver.lock() = Some(Running::new(machine));
    context.spawn(keep_time(context.clone()));
    context.spawn(watch_input(context.clone()));
    Ok(())
}

/// Starts the machine when others can be talked to (earlier, it would take the time for
/// which its messages are held back for theirs), and wakes it whenever it wants to be,
/// but no more often than timers can tell apart.
async fn keep_time<M: Machine>(context: Context<Driver<M>>) {
    context.cluster_started().await;
    context.guarded_event(None);
    let driver = context.state();
    let mut earliest = Instant::now();
    loop {
        match driver.with(|running| running.alarm()).flatten().map(|at| earliest.max(at)) {
            // Either way, look again.
            Some(at) if at > Instant::now() => {
                let _ = timeout_at(at, driver.replanned.notified()).await;
            }
            Some(_) => {
                context.guarded_event(Some(Input::Wake));
                earliest = Instant::now() + GRANULARITY;
            }
            None => driver.replanned.notified().await,
        }
    }
}

/// Ends the patience of all clients at the end of input, when what was written is safe: no
/// message and no answer that could help them will come.
async fn watch_input<M: Machine>(context: Context<Driver<M>>) {
    context.input_ended().await;
    context.settle().await;
    let waiting = context
        .state()
        .with(|running| running.waiting.iter().map(|(client, _)| *client).collect::<Vec<_>>());
    waiting.unwrap_or_default().into_iter().for_each(|client| context.give_up(client));
}

/// What a client is told whose request was not even asked for.
pub(super) fn no_room() -> Error {
    Error::unavailable("too much is waiting to be written here")
}

async fn carry_out_call<M: Machine>(context: Context<Driver<M>>, tag: M::Call, call: ServiceCall) {
    if !call.pause.is_zero() {
        sleep(call.pause).await;
    }
    let answer = match call.service {
        Service::LinKv => ask_service(context.lin_kv(), &call).await,
        Service::SeqKv => ask_service(context.seq_kv(), &call).await,
        Service::LwwKv => ask_service(context.lww_kv(), &call).await,
    };
    if !answer.is_closed() {
        context.event(Some(Input::Returned(tag, answer)));
    }
}

async fn ask_service<S, K: kv::Service>(service: kv::Kv<S, K>, call: &ServiceCall) -> Answer {
    let (service, key) = (service.timeout(call.timeout), &call.key);
    match &call.operation {
        Operation::Read => Answer::Read(service.read(key).await),
        Operation::Write(value) => Answer::Changed(service.write(key, value).await.map(|()| true)),
        Operation::Cas { from, to, create } => Answer::Changed(
            service.compare_and_set(key, from, to, *create).await.map(kv::Cas::is_set),
        ),
    }
}
