//! Schedules faults.
//!
//! Each kind of fault that the settings ask for comes and goes by a schedule of
//! its own: it starts and stops in turn, the first start at once, and the gap
//! between two actions is uniform between 0 and twice the interval. What ends a
//! test of a workload with final operations is always the end of every fault.
//! Names and shapes of the history's operations are those of
//! `jepsen.nemesis.combined`.
//!
//! Whom a fault concerns is drawn here; carrying it out is the world's, which
//! knows who is alive.

mod clock;
mod disk;
mod effect;
mod fault;
mod membership;
mod partition;
mod targets;

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

pub use clock::Skew;
pub(crate) use clock::skews_by_name;
pub use disk::DiskFault;
pub use effect::Effect;
pub use fault::{Fault, PlannedFault};
pub use membership::Change;
pub(crate) use membership::changes_by_name;
use partition::Partition;
pub use targets::Targets;

use checkers::history::{null, raw};

use crate::net::{Grudge, SHARE};

#[derive(Debug)]
pub(crate) struct Nemesis {
    rng: StdRng,
    nodes: usize,
    targets: Vec<Targets>,
    schedules: Vec<Schedule>,
    running: bool,
}

#[derive(Debug)]
struct Schedule {
    fault: Fault,
    interval: Duration,
    /// The same between an end and the next beginning.
    calm: Duration,
    due: Duration,
    in_force: bool,
}

#[derive(Debug)]
pub(crate) struct Action {
    /// The function, in the history.
    pub f: &'static str,
    /// The value of the first of both operations in the history: what is asked.
    pub asked: Box<RawValue>,
    /// What is to be done.
    pub effect: Effect,
}

impl Nemesis {
    /// Brings these faults among so many nodes, each time to as many as one of the targets
    /// says. Those without an interval of their own have the usual one.
    pub(crate) fn new(
        nodes: usize,
        faults: impl IntoIterator<Item = PlannedFault>,
        usual: Duration,
        targets: &[Targets],
        rng: StdRng,
    ) -> Self {
        let schedule = |PlannedFault { fault, interval, calm }| {
            let interval = interval.unwrap_or(usual);
            let calm = calm.unwrap_or(interval);
            Schedule { fault, interval, calm, due: Duration::ZERO, in_force: false }
        };
        let schedules = faults.into_iter().map(schedule).collect();
        Self { rng, nodes, targets: targets.to_vec(), schedules, running: false }
    }

    pub(crate) fn start(&mut self, now: Duration) {
        self.running = true;
        for schedule in &mut self.schedules {
            schedule.due = now;
        }
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        let schedules = self.schedules.iter().filter(|_| self.running);
        schedules.map(|schedule| schedule.due).min()
    }

    pub(crate) fn in_force(&self) -> impl Iterator<Item = Fault> + '_ {
        self.schedules.iter().filter(|schedule| schedule.in_force).map(|schedule| schedule.fault)
    }

    pub(crate) fn next(&mut self) -> Option<Action> {
        let Self { rng, nodes, targets, schedules, .. } = self;
        let schedule = schedules.iter_mut().min_by_key(|schedule| schedule.due)?;
        schedule.in_force = !schedule.in_force;
        let interval = if schedule.in_force { schedule.interval } else { schedule.calm };
        schedule.due += draw_gap(interval, rng);
        Some(if schedule.in_force {
            begin(schedule.fault, *nodes, targets, rng)
        } else {
            end(schedule.fault, *nodes)
        })
    }

    /// Ends for good, with the end of each kind of fault. As in the original it is
    /// ended whether or not it is in force.
    pub(crate) fn stop(&mut self) -> Vec<Action> {
        let running = std::mem::take(&mut self.running);
        let nodes = self.nodes;
        let schedules = self.schedules.iter_mut().filter(|_| running);
        let ends = schedules.map(|schedule| {
            schedule.in_force = false;
            end(schedule.fault, nodes)
        });
        ends.collect()
    }
}

fn begin(fault: Fault, nodes: usize, hit: &[Targets], rng: &mut StdRng) -> Action {
    let (f, asked, effect) = match fault {
        Fault::Partition => {
            let partition = Partition::ALL[rng.random_range(0..Partition::ALL.len())];
            let effect = Effect::Partition(partition.draw(nodes, rng));
            ("start-partition", raw(partition.name()), effect)
        }
        Fault::OneWay => {
            ("start-one-way", null(), Effect::OneWay(partition::draw_one_way(nodes, rng)))
        }
        Fault::Loss => ("start-loss", raw(&SHARE), Effect::Loss(true)),
        Fault::Duplicate => ("start-duplicate", raw(&SHARE), Effect::Duplicate(true)),
        Fault::Reorder => ("start-reorder", raw(&SHARE), Effect::Reorder(true)),
        Fault::Slow => ("start-slow", null(), Effect::Slow(Some(rng.random()))),
        Fault::Disk(fault) => {
            let (asked, drawn) = targets::draw(nodes, hit, rng);
            let effect = match fault {
                DiskFault::Locked => Effect::Twin(drawn),
                _ => Effect::Upset(fault, drawn),
            };
            (fault.begins(), asked, effect)
        }
        Fault::Membership => return membership::begin(nodes, rng),
        Fault::Kill | Fault::Pause | Fault::Clock => {
            let (asked, drawn) = targets::draw(nodes, hit, rng);
            let (f, effect) = match fault {
                Fault::Kill => ("kill", Effect::Kill(drawn)),
                Fault::Pause => ("pause", Effect::Pause(drawn)),
                _ => {
                    let skews = drawn.into_iter().map(|node| Skew::draw(node, rng));
                    ("start-clock", Effect::Clock(skews.collect()))
                }
            };
            (f, asked, effect)
        }
    };
    Action { f, asked, effect }
}

fn end(fault: Fault, nodes: usize) -> Action {
    let (f, asked, effect) = match fault {
        Fault::Partition => ("stop-partition", null(), Effect::Heal),
        Fault::Kill => ("start", raw("all"), Effect::Start),
        Fault::Pause => ("resume", raw("all"), Effect::Resume),
        Fault::OneWay => ("stop-one-way", null(), Effect::OneWay(Grudge::new())),
        Fault::Loss => ("stop-loss", null(), Effect::Loss(false)),
        Fault::Duplicate => ("stop-duplicate", null(), Effect::Duplicate(false)),
        Fault::Reorder => ("stop-reorder", null(), Effect::Reorder(false)),
        Fault::Slow => ("stop-slow", null(), Effect::Slow(None)),
        Fault::Clock => {
            ("stop-clock", raw("all"), Effect::Clock((0..nodes).map(Skew::none).collect()))
        }
        Fault::Membership => return membership::end(nodes),
        Fault::Disk(fault) => {
            let is_over = fault == DiskFault::Locked;
            let effect = if is_over { Effect::Nothing } else { Effect::Mend(fault) };
            (fault.ends(), null(), effect)
        }
    };
    Action { f, asked, effect }
}

/// At least a millisecond, lest an interval of nothing take forever.
fn draw_gap(interval: Duration, rng: &mut StdRng) -> Duration {
    interval.mul_f64(2.0 * rng.random::<f64>()).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn only_as_many_nodes_are_hit_as_was_asked_for() {
        let mut nemesis = nemesis(&[Fault::Kill]);
        nemesis.targets = vec![Targets::One, Targets::Majority];
        let mut counts = std::collections::BTreeSet::new();
        for _ in 0..100 {
            if let Effect::Kill(nodes) = nemesis.next().unwrap().effect {
                counts.insert(nodes.len());
            }
        }
        assert!(counts.into_iter().eq([1, 3]));
    }

    fn nemesis(faults: &[Fault]) -> Nemesis {
        let faults = faults.iter().map(|&fault| fault.into());
        let rng = StdRng::seed_from_u64(0);
        Nemesis::new(5, faults, Duration::from_secs(10), &Targets::ALL, rng)
    }

    #[test]
    fn cuts_and_heals_alternate_at_about_the_interval() {
        let mut nemesis = nemesis(&[Fault::Partition]);
        assert_eq!(nemesis.due(), None);
        nemesis.start(Duration::from_secs(1));
        assert_eq!(nemesis.due(), Some(Duration::from_secs(1)));
        for turn in 0..2000 {
            let action = nemesis.next().unwrap();
            assert_eq!(action.effect == Effect::Heal, turn % 2 == 1);
        }
        let mean = nemesis.due().unwrap().as_secs_f64() / 2000.0;
        assert!((9.0..11.0).contains(&mean), "{mean}");
        let effects: Vec<Effect> = nemesis.stop().into_iter().map(|action| action.effect).collect();
        assert_eq!(effects, [Effect::Heal]);
        assert_eq!(nemesis.due(), None);
        assert!(nemesis.stop().is_empty());
    }

    #[test]
    fn each_kind_of_fault_comes_and_goes_by_itself() {
        let mut nemesis = nemesis(&Fault::ALL);
        nemesis.start(Duration::ZERO);
        let fs: Vec<&str> = (0..1000).map(|_| nemesis.next().unwrap().f).collect();
        for [start, stop] in [
            ["start-partition", "stop-partition"],
            ["kill", "start"],
            ["pause", "resume"],
            ["start-one-way", "stop-one-way"],
            ["start-loss", "stop-loss"],
            ["start-duplicate", "stop-duplicate"],
            ["start-reorder", "stop-reorder"],
            ["start-slow", "stop-slow"],
            ["start-clock", "stop-clock"],
            ["start-membership", "stop-membership"],
        ] {
            let own: Vec<&str> = fs.iter().copied().filter(|f| [start, stop].contains(f)).collect();
            assert!(own.len() > 80, "{}", own.len());
            assert!(
                own.iter().enumerate().all(|(n, &f)| f == if n % 2 == 0 { start } else { stop })
            );
        }
        let ends: Vec<&str> = nemesis.stop().into_iter().map(|action| action.f).collect();
        assert_eq!(ends.len(), Fault::ALL.len());
        assert_eq!(nemesis.in_force().count(), 0);
    }

    #[test]
    fn a_fault_may_have_an_interval_of_its_own() {
        let mut nemesis = nemesis(&[Fault::Partition, Fault::Kill]);
        nemesis.schedules[1].interval = Duration::from_secs(1);
        nemesis.schedules[1].calm = Duration::from_secs(1);
        nemesis.start(Duration::ZERO);
        let kills = (0..1100).filter(|_| nemesis.next().unwrap().f == "kill").count();
        assert!((400..600).contains(&kills), "{kills} of 1,100 actions");
    }

    #[test]
    fn a_fault_may_be_short_and_rare() {
        let mut nemesis = nemesis(&[Fault::Loss]);
        nemesis.schedules[0].interval = Duration::from_secs(1);
        nemesis.start(Duration::ZERO);
        let mut in_force = Duration::ZERO;
        while let Some(began) = nemesis.due().filter(|due| *due < Duration::from_secs(10_000)) {
            nemesis.next();
            in_force += nemesis.due().unwrap() - began;
            nemesis.next();
        }
        assert!((600..1300).contains(&in_force.as_secs()), "{in_force:?} of 10,000 s");
    }

    #[test]
    fn targets_are_as_many_as_their_name_says() {
        let mut rng = StdRng::seed_from_u64(0);
        for (targets, counts) in [
            (Targets::Some, 1..=5),
            (Targets::One, 1..=1),
            (Targets::MinorityThird, 1..=1),
            (Targets::Minority, 2..=2),
            (Targets::Majority, 3..=3),
            (Targets::Every, 5..=5),
        ] {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..200 {
                let drawn = targets.draw(5, &mut rng);
                assert!(
                    drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn.iter().all(|&n| n < 5)
                );
                seen.insert(drawn.len());
            }
            assert_eq!(seen, counts.collect(), "{targets:?}");
        }
    }
}
