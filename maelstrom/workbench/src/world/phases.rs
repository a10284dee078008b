//! The course of a test: what each phase begins with and when it is over.

use std::time::Duration;

use super::fault::{FaultKind, NodeFault};
use super::wire::Owner;
use super::{Command, Phase, RECOVERY, SETUP_TIMEOUT, World};
use crate::net::Message;
use crate::settings::Settings;
use crate::workload::{Request, fields};

impl World {
    pub(super) fn ask_every_node(
        &mut self,
        request: impl Fn(usize) -> Request,
        timeout: Duration,
        now: Duration,
    ) {
        self.unanswered = self.own.len();
        for (node, own) in self.own.iter_mut().enumerate() {
            if let Some(old) = own.take() {
                self.wire.close(old);
            }
            let connection = own.insert(self.wire.open(Owner::Node(node)));
            self.wire.request(connection, node, &request(node), timeout, now);
        }
    }

    /// A node answered what it was asked before the test.
    pub(super) fn answered(
        &mut self,
        node: usize,
        reply: &Message,
        now: Duration,
    ) -> Result<(), NodeFault> {
        let (request, expected) = match self.phase {
            Phase::Init => ("init", "init_ok"),
            _ => (self.setup_request(), self.workload.setup().map_or("", |setup| setup.reply)),
        };
        if fields(&reply.body, expected, []).is_err() {
            let body = reply.body.get().to_owned();
            return Err(FaultKind::Unwilling { request, expected, body }.of(node));
        }
        self.unanswered -= 1;
        if self.unanswered == 0 {
            match self.phase {
                Phase::Init => self.begin_setup(now),
                _ => self.begin_main(now),
            }
        }
        Ok(())
    }

    pub(super) fn setup_request(&self) -> &'static str {
        self.workload.setup().map_or("", |setup| setup.request.kind())
    }

    fn begin_setup(&mut self, now: Duration) {
        self.recorder.origin = now;
        match self.workload.setup() {
            Some(setup) => {
                self.phase = Phase::Setup;
                self.ask_every_node(|_| setup.request.clone(), SETUP_TIMEOUT, now);
            }
            None => self.begin_main(now),
        }
    }

    fn begin_main(&mut self, now: Duration) {
        self.phase = Phase::Main;
        let Settings { rate, time_limit, .. } = self.settings;
        self.load.start(self.workload.generator(), rate, now, time_limit);
        self.nemesis.start(now);
    }

    /// A phase of operations is over when no more are to come, no more faults
    /// either, and none is open.
    pub(super) fn end_phase_if_done(&mut self, now: Duration, out: &mut Vec<Command>) {
        let more = self.load.is_running() || self.next_fault().is_some();
        if more || !self.threads.all_free() {
            return;
        }
        match self.phase {
            Phase::Main if self.workload.final_generator().is_some() => {
                if let Some(action) = self.nemesis.stop() {
                    self.carry_out(action, now, out);
                }
                self.phase = Phase::Recovery;
                self.recovered_at = now + RECOVERY;
            }
            Phase::Main | Phase::Final => self.phase = Phase::Finished,
            Phase::Init | Phase::Setup | Phase::Recovery | Phase::Finished => {}
        }
    }

    pub(super) fn begin_final(&mut self, now: Duration) {
        self.phase = Phase::Final;
        if let Some(generator) = self.workload.final_generator() {
            self.load.start_unpaced(generator, now);
        }
    }
}
