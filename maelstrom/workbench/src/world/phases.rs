//! The course of a test: what each phase begins with and when it is over.

use std::time::Duration;

use super::{Command, Phase, RECOVERY, World};
use crate::settings::Settings;

impl World {
    /// The phases of preparation are over when every node is ready.
    pub(super) fn end_preparation_if_done(&mut self, now: Duration) {
        if self.phase == Phase::Init && self.all_ready() {
            self.phase = Phase::Setup;
            self.recorder.origin = now;
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
            Phase::Main if self.workload.final_generator().is_some() => {
                for action in self.nemesis.stop() {
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
