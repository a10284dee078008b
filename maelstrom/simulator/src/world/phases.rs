//! The course of a test: what each phase begins with and when it is over.

use std::time::Duration;

use super::{Command, Phase, RECOVERY, World};
use crate::settings::{Promise, Settings};
use crate::workload::{EachThread, Operation};

impl World {
    /// The phases of preparation are over when every node is ready.
    pub(super) fn end_preparation_if_done(&mut self, now: Duration) {
        if self.phase == Phase::Init && self.all_ready() {
            self.phase = Phase::Setup;
            self.recorder.origin = now;
            self.begin_trace(now);
            (0..self.nodes.len()).for_each(|node| self.set_up(node, now));
        }
        if self.phase == Phase::Setup && self.all_ready() {
            self.begin_main(now);
        }
    }

    fn begin_main(&mut self, now: Duration) {
        self.phase = Phase::Main;
        if self.script.is_some() {
            return;
        }
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
            Phase::Main => self.begin_end(now, out),
            Phase::Probing => self.wait(Phase::Recovery, now + RECOVERY),
            Phase::Final => self.phase = Phase::Finished,
            Phase::Init | Phase::Setup | Phase::Settling | Phase::Recovery | Phase::Finished => {}
        }
    }

    /// Ends all faults; a workload whose end is not looked at ends with them in force.
    fn begin_end(&mut self, now: Duration, out: &mut Vec<Command>) {
        let promise = self.settings.promise;
        if promise.is_none() && self.workload.final_generator().is_none() {
            self.phase = Phase::Finished;
            return;
        }
        for action in self.nemesis.stop() {
            self.carry_out(action, now, out);
        }
        match promise {
            Some(Promise { within, .. }) => self.wait(Phase::Settling, now + within),
            None => self.wait(Phase::Recovery, now + RECOVERY),
        }
    }

    fn wait(&mut self, phase: Phase, until: Duration) {
        self.phase = phase;
        self.waits_until = until;
    }

    /// What a phase of waiting is followed by.
    pub(super) fn end_waiting(&mut self, now: Duration) {
        if self.phase == Phase::Settling {
            self.phase = Phase::Probing;
            let probe = Operation { is_probe: true, ..self.workload.probe() };
            self.load.start_unpaced(Box::new(EachThread::once(probe)), now);
        } else {
            self.begin_final(now);
        }
    }

    fn begin_final(&mut self, now: Duration) {
        match self.workload.final_generator() {
            Some(generator) => {
                self.phase = Phase::Final;
                self.load.start_unpaced(generator, now);
            }
            None => self.phase = Phase::Finished,
        }
    }
}
