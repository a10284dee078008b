//! Settings as the flags that make them.

use std::fmt::Display;
use std::time::Duration;

use checkers::txn::Model;

use crate::nemesis::Targets;
use crate::net::Latency;
use crate::settings::{Availability, PlannedFault, Promise, Settings};

impl Settings {
    /// The flags that make these settings, the workload's and the seed included. Those
    /// that have their defaults are left out.
    pub fn flags(&self) -> String {
        let mut line = Line("--workload".to_owned());
        line.word(self.workload.name());
        line.settings(self);
        line.flag("--seed", &self.seed);
        line.0
    }
}

struct Line(String);

impl Line {
    fn word(&mut self, word: &str) {
        self.0.push(' ');
        self.0.push_str(word);
    }

    fn flag(&mut self, name: &str, value: &dyn Display) {
        self.word(name);
        self.word(&value.to_string());
    }

    fn flag_unless(&mut self, name: &str, value: &dyn Display, default: &dyn Display) {
        if value.to_string() != default.to_string() {
            self.flag(name, value);
        }
    }

    fn switch(&mut self, name: &str, is_on: bool) {
        if is_on {
            self.word(name);
        }
    }

    fn settings(&mut self, settings: &Settings) {
        let defaults = Settings::new(settings.workload);
        self.flag_unless("--node-count", &settings.node_count, &defaults.node_count);
        self.flag_unless("--concurrency", &settings.concurrency, &settings.node_count);
        self.flag_unless("--rate", &settings.rate, &defaults.rate);
        self.flag_unless(
            "--time-limit",
            &seconds(settings.time_limit),
            &seconds(defaults.time_limit),
        );
        self.flag_unless("--values", &settings.values.name(), &defaults.values.name());
        let (spread, default) = (settings.start_spread, defaults.start_spread);
        self.flag_unless("--start-spread", &spread.as_millis(), &default.as_millis());
        let (init, default) = (settings.init_timeout, defaults.init_timeout);
        self.flag_unless("--init-timeout", &init.as_secs(), &default.as_secs());
        let Latency { mean, dist } = settings.latency;
        if !mean.is_zero() {
            self.flag("--latency", &mean.as_millis());
            self.flag_unless("--latency-dist", &dist.name(), &"constant");
        }
        self.flag_unless("--seq-kv", &settings.seq_kv.name(), &"real");
        self.flag_unless("--links", &settings.links, &defaults.links);
        if let Some(topology) = settings.topology {
            self.flag("--topology", &topology.name());
        }
        self.faults(settings, &defaults);
        if let Some(promise) = settings.promise {
            self.promise(promise);
        }
        self.switch("--intruder", settings.intruder);
        self.checks(settings, &defaults);
        self.switch("--log-stderr", settings.log_stderr);
        self.switch("--log-net-send", settings.log_net_send);
        self.switch("--log-net-recv", settings.log_net_recv);
    }

    fn faults(&mut self, settings: &Settings, defaults: &Settings) {
        let planned = |PlannedFault { fault, interval, calm }: &PlannedFault| {
            let interval = interval.map(|interval| format!(":{}", seconds(interval)));
            let calm = calm.map(|calm| format!("/{}", seconds(calm)));
            [Some(fault.name().to_owned()), interval, calm].into_iter().flatten().collect()
        };
        let faults: Vec<String> = settings.nemesis.iter().map(planned).collect();
        if !faults.is_empty() {
            self.flag("--nemesis", &faults.join(","));
        }
        let disk: Vec<&str> = settings.disk.iter().map(|fault| fault.name()).collect();
        if !disk.is_empty() {
            self.flag("--disk", &disk.join(","));
        }
        if !faults.is_empty() || !disk.is_empty() {
            let interval = seconds(settings.nemesis_interval);
            self.flag_unless("--nemesis-interval", &interval, &seconds(defaults.nemesis_interval));
        }
        if settings.planned_faults().any(|planned| planned.fault.has_targets()) {
            let names = |targets: &[Targets]| {
                targets.iter().map(|targets| targets.name()).collect::<Vec<_>>().join(",")
            };
            let (some, all) = (names(&settings.nemesis_targets), names(&defaults.nemesis_targets));
            self.flag_unless("--nemesis-targets", &some, &all);
        }
    }

    fn promise(&mut self, Promise { within, idle_messages, shown_within }: Promise) {
        self.flag("--settle-within", &within.as_millis());
        if let Some(rate) = idle_messages {
            self.flag("--idle-messages", &rate);
        }
        if let Some(within) = shown_within {
            self.flag("--shown-within", &within.as_millis());
        }
    }

    fn checks(&mut self, settings: &Settings, defaults: &Settings) {
        match settings.availability {
            Some(Availability::Total) => self.flag("--availability", &"total"),
            Some(Availability::Fraction(fraction)) => self.flag("--availability", &fraction),
            None => {}
        }
        let names = |models: &[Model]| {
            let names: Vec<&str> = models.iter().map(|model| model.name()).collect();
            names.join(",")
        };
        let (models, default) = (&settings.consistency_models, &defaults.consistency_models);
        self.flag_unless("--consistency-models", &names(models), &names(default));
        self.switch("--strict", settings.strict);
        self.switch("--compatible", settings.compatible);
        let (budget, usual) = (settings.check_budget, defaults.check_budget);
        self.flag_unless("--check-time-limit", &seconds(budget.time), &seconds(usual.time));
        self.flag_unless("--check-memory", &budget.memory_mib, &usual.memory_mib);
        self.flag_unless("--max-txn-length", &settings.max_txn_length, &defaults.max_txn_length);
        let (writes, default) = (settings.max_writes_per_key, defaults.max_writes_per_key);
        self.flag_unless("--max-writes-per-key", &writes, &default);
        if let Some(count) = settings.key_count {
            self.flag("--key-count", &count);
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::Links;
    use crate::nemesis::{DiskFault, Fault};
    use crate::settings::{SeqKv, Topology, Values, Workload};

    #[test]
    fn defaults_are_left_out() {
        let settings = Settings { seed: 7, ..Settings::new(Workload::Echo) };
        assert_eq!(settings.flags(), "--workload echo --seed 7");
    }

    #[test]
    fn whatever_differs_from_its_default_is_there() {
        let settings = Settings {
            node_count: 3,
            concurrency: 6,
            rate: 0.5,
            time_limit: Duration::from_millis(1500),
            nemesis: vec![
                Fault::Partition.into(),
                PlannedFault {
                    fault: Fault::Kill,
                    interval: Some(Duration::from_millis(2500)),
                    calm: Some(Duration::from_secs(9)),
                },
            ],
            nemesis_targets: vec![Targets::One, Targets::Minority],
            init_timeout: Duration::from_secs(30),
            disk: vec![DiskFault::LoseUnsynced, DiskFault::Full],
            intruder: true,
            availability: Some(Availability::Total),
            start_spread: Duration::ZERO,
            promise: Some(Promise {
                within: Duration::from_secs(2),
                idle_messages: Some(4.5),
                shown_within: Some(Duration::from_millis(300)),
            }),
            seq_kv: SeqKv::Adversarial,
            values: Values::Any,
            links: Links::Pairs(vec![(0, 1), (1, 2)]),
            topology: Some(Topology::Grid),
            strict: true,
            ..Settings::new(Workload::Broadcast)
        };
        assert_eq!(
            settings.flags(),
            "--workload broadcast --node-count 3 --concurrency 6 \
             --rate 0.5 --time-limit 1.5 --values any --start-spread 0 --init-timeout 30 --seq-kv adversarial \
             --links n0-n1,n1-n2 \
             --topology grid --nemesis partition,kill:2.5/9 --disk lose-unsynced,full \
             --nemesis-targets one,minority \
             --settle-within 2000 --idle-messages 4.5 --shown-within 300 --intruder \
             --availability total --strict --seed 0"
        );
    }
}
