//! A node as a task in this process: its pipes are buffers, each incarnation is a future.
//!
//! A node is one future (see [`maelstrom::Node::run`]), polled by the host and by
//! nobody else. So to kill it is to drop it, and to pause it is not to poll it;
//! its timers go off meanwhile, as they do for a stopped process, and it learns
//! of them when it goes on.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use maelstrom::{Panic, Panics, Senders};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// A node from its start to its end.
pub(crate) type Incarnation =
    Pin<Box<dyn Future<Output = Result<maelstrom::Stats, maelstrom::RunError>>>>;

type Types = dyn Fn() -> Vec<(&'static str, Senders)>;
type Start = dyn Fn(Input, Output, maelstrom::Host) -> Incarnation;

/// What a node runs: makes a new incarnation whenever it is started.
#[derive(Clone)]
pub struct Program {
    start: Rc<Start>,
    types: Rc<Types>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

impl Program {
    /// The program that `node` describes, usually a crate's `node` function.
    pub fn new<S: Send + Sync + 'static>(node: impl Fn() -> maelstrom::Node<S> + 'static) -> Self {
        let node = Rc::new(node);
        let describe = Rc::clone(&node);
        Self {
            start: Rc::new(move |input, output, host| Box::pin(node().run(input, output, host))),
            types: Rc::new(move || describe().message_types().collect()),
        }
    }

    /// The types of the messages that it takes, and whose, as far as it says so: see
    /// [`maelstrom::Node::message_types`].
    pub fn message_types(&self) -> Vec<(&'static str, Senders)> {
        (self.types)()
    }
}

pub(crate) struct Task {
    incarnation: Incarnation,
    input: Input,
    output: Output,
    wakeup: Arc<Wakeup>,
    paused: bool,
    panics: Panics,
    panics_taken: u64,
}

/// How a node ended, in words.
pub(crate) struct Ended(pub(crate) String);

impl Task {
    /// Starts a node: number `node`, which `ready` will list when it has
    /// something to do, as it has now.
    pub(crate) fn start(
        program: &Program,
        node: usize,
        mut host: maelstrom::Host,
        ready: &Arc<Ready>,
    ) -> Self {
        let panics = Panics::kept();
        host.panics = panics.clone();
        let (input, output) = (Input::default(), Output::default());
        let incarnation = (program.start)(input.clone(), output.clone(), host);
        let wakeup =
            Arc::new(Wakeup { node, listed: AtomicBool::new(false), ready: ready.clone() });
        wakeup.wake_by_ref();
        Self { incarnation, input, output, wakeup, paused: false, panics, panics_taken: 0 }
    }

    /// Lets it do what it can do now, and takes what it printed into `printed`.
    pub(crate) fn poll(&mut self, printed: &mut Vec<u8>) -> Result<(), Ended> {
        if self.paused {
            return Ok(());
        }
        self.wakeup.listed.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.wakeup.clone());
        let mut cx = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| self.incarnation.as_mut().poll(&mut cx)));
        std::mem::swap(&mut *self.output.0.borrow_mut(), printed);
        match polled {
            Ok(Poll::Pending) => Ok(()),
            Ok(Poll::Ready(Ok(_))) => Err(Ended("its input still open".to_owned())),
            Ok(Poll::Ready(Err(error))) => Err(Ended(error.to_string())),
            Err(_) => Err(Ended("a panic".to_owned())),
        }
    }

    pub(crate) fn panics(&mut self) -> Vec<Panic> {
        let count = self.panics.count();
        if std::mem::replace(&mut self.panics_taken, count) == count {
            return Vec::new();
        }
        self.panics.take()
    }

    pub(crate) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut pending = self.input.pending.borrow_mut();
        write(&mut pending.bytes);
        if let Some(reader) = pending.reader.take() {
            reader.wake();
        }
    }

    /// Stops it from being polled, or lets it go on.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.wakeup.listed.store(false, Ordering::Relaxed);
        self.wakeup.wake_by_ref();
    }
}

/// The nodes that have something to do, in the order in which they got it.
#[derive(Default)]
pub(crate) struct Ready(Mutex<List>);

#[derive(Default)]
struct List {
    nodes: VecDeque<usize>,
    host: Option<Waker>,
}

impl Ready {
    /// The next node, or none; then `host` is woken when there is one.
    pub(crate) fn next(&self, host: &Waker) -> Option<usize> {
        let mut list = self.lock();
        let next = list.nodes.pop_front();
        if next.is_none() {
            list.host = Some(host.clone());
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wakeup {
    node: usize,
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::Relaxed) {
            let mut list = self.ready.lock();
            list.nodes.push_back(self.node);
            if let Some(host) = list.host.take() {
                host.wake();
            }
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Input {
    pending: Rc<RefCell<Pending>>,
    current: Vec<u8>,
    taken: usize,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    reader: Option<Waker>,
}

impl AsyncBufRead for Input {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.taken == this.current.len() {
            let mut pending = this.pending.borrow_mut();
            if pending.bytes.is_empty() {
                pending.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            this.current.clear();
            this.taken = 0;
            std::mem::swap(&mut this.current, &mut pending.bytes);
        }
        Poll::Ready(Ok(&this.current[this.taken..]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().taken += amount;
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = std::task::ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}

#[derive(Clone, Default)]
pub(crate) struct Output(Rc<RefCell<Vec<u8>>>);

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
