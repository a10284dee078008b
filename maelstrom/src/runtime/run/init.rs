//! `init`: makes the state, runs the hooks, and lets the node serve.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Context as Wakeup;

use futures_util::FutureExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::sleep;

use super::{Core, HOLD, Phase, Started};
use crate::protocol::{Definite, Envelope, Error, Number, Outgoing};
use crate::runtime::context::{Running, Setup};
use crate::runtime::job::Job;
use crate::runtime::message::{Empty, Init};
use crate::runtime::node::refuse;
use crate::runtime::panics::Place;

impl Core {
    /// Starts the node, or answers an `init` that came twice.
    pub(super) fn init(
        &mut self,
        envelope: &Envelope<'_>,
        line: &str,
        cx: &mut Wakeup<'_>,
    ) -> Result<(), Error> {
        let init: Init = envelope
            .decode_body(line)
            .map_err(|error| Error::malformed(format_args!("`init`: {error}")))?;
        if !init.node_ids.contains(&init.node_id) {
            let text = format_args!("`init`: `node_ids` lacks `node_id` {}", init.node_id);
            return Err(Error::malformed(text));
        }
        if let Some(running) = &self.running {
            check_same(running, &init)?;
        }
        match self.phase {
            Phase::Serving => {
                if let Some(running) = &self.running {
                    init_ok(running, &envelope.src, envelope.header.msg_id);
                }
                Ok(())
            }
            Phase::Starting(_) => Err(Error::unavailable("`init` is under way")),
            Phase::Waiting => {
                self.start(init, envelope)?;
                self.poll_start(cx);
                Ok(())
            }
        }
    }

    /// Makes the state, unless a failed `init` has made it, and runs the hooks.
    fn start(&mut self, init: Init, envelope: &Envelope<'_>) -> Result<(), Error> {
        let client = envelope.src.to_string();
        let msg_id = envelope.header.msg_id;
        if let Some(make_state) = self.make_state.take() {
            self.span = tracing::error_span!("node", id = %init.node_id);
            let rng = StdRng::from_rng(&mut self.rng);
            let setup = Setup::new(init.node_id, init.node_ids, self.host.clone(), rng);
            let state = self.host.panics.catch(Place::State, || make_state(&setup))?;
            let (outbox, calls) = (Arc::clone(&self.outbox), Arc::clone(&self.calls));
            self.running = Some(Arc::new(Running { setup, state, outbox, calls }));
            self.hold = Some(Box::pin(sleep(HOLD)));
        }
        let Some(running) = self.running.clone() else {
            return Err(Error::crash("`init` panicked before, and there is no state"));
        };
        let panics = self.host.panics.clone();
        let hooks = Arc::clone(&self.hooks);
        let run_hooks = async move {
            for hook in &*hooks {
                hook(&running).await?;
            }
            Ok(())
        };
        let caught = AssertUnwindSafe(run_hooks)
            .catch_unwind()
            .map(move |ended| ended.unwrap_or_else(|panic| Err(panics.caught(Place::Hook, panic))));
        let answered = caught.map(move |result| Started { client, msg_id, result });
        self.phase = Phase::Starting(Box::pin(answered));
        Ok(())
    }

    /// Answers `init`, and from then on serves.
    pub(super) fn started(&mut self, Started { client, msg_id, result }: Started) {
        let Some(running) = &self.running else { return };
        match result {
            Ok(()) => {
                init_ok(running, &client, msg_id);
                self.phase = Phase::Serving;
                for periodic in self.periodic.drain(..) {
                    let task = periodic(running);
                    let panics = self.host.panics.clone();
                    self.jobs.add_task(Job::new(task, 0, Place::Periodic, panics));
                }
            }
            Err(error) => {
                tracing::error!(%error, "`init` failed");
                self.phase = Phase::Waiting;
                if let Some(msg_id) = msg_id {
                    let number = Number::Reply(msg_id);
                    refuse(&self.outbox, running.setup.id(), &client, number, &error);
                }
            }
        }
    }
}

fn init_ok(running: &Running, client: &str, msg_id: Option<u64>) {
    if let Some(msg_id) = msg_id {
        let message =
            Outgoing { kind: "init_ok", number: Number::Reply(msg_id), payload: Empty {} };
        if let Err(error) = running.outbox.push(running.setup.id(), client, &message) {
            tracing::error!(%error, "`init_ok` could not be written");
        }
    }
}

/// A repeated `init` must say the same as the first.
fn check_same(running: &Running, init: &Init) -> Result<(), Error> {
    let setup = &running.setup;
    if *setup.id() == init.node_id && setup.node_ids() == init.node_ids {
        return Ok(());
    }
    let text = format_args!("`init`: this is {} already, in another cluster", setup.id());
    Err(Error::new(Definite::PreconditionFailed, text))
}
