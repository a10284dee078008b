//! The read-modify-write helpers of the library's clients, on networks that lose,
//! double and delay: nodes that keep a counter in one register of a service, all in
//! the same. The workload's own check says whether every acknowledged add was
//! counted once, and every other at most once; adds that a node calls undone count
//! as undone.

use std::marker::PhantomData;

use checkers::history::{self, OpType};
use checkers::{Analysis, Report, Validity};
use maelstrom::kv::{Kv, Lin, Ordered, Seq, UpdateError};
use maelstrom::{CallError, Context, Definite, Empty, Error, Node};
use rand::RngExt as _;
use simulator::{Fault, Settings, Simulation, Workload};

use crate::wire::counters::{Add, Sum, SumOk};

/// How nodes change the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// [`Kv::update`]
    Plain,
    /// As `Plain`, and once more after a timeout.
    Stubborn,
}

/// A node whose register is in service `K`.
struct Register<K> {
    way: Way,
    service: PhantomData<fn() -> K>,
}

/// The register's value, and a mark without which an update that adds nothing would
/// change nothing, and so might see the past.
type Marked = (i64, u64);

/// Adds to the register; returns the sum.
async fn update<K: Ordered + 'static>(
    context: &Context<Register<K>>,
    delta: i64,
) -> Result<i64, Error> {
    let kv = Kv::<_, K>::new(context);
    let mark: u64 = context.new_rng().random_range(0..1 << 53);
    let add = |old: Option<&Marked>| (old.map_or(0, |old| old.0) + delta, mark);
    loop {
        return match kv.update("sum", |old| Some(add(old))).await {
            Ok(new) => Ok(new.map_or(0, |new| new.0)),
            Err(UpdateError::NotDone(error)) => Err(Error::new(Definite::Abort, error)),
            Err(UpdateError::Unknown(CallError::Timeout { .. }))
                if context.state().way == Way::Stubborn =>
            {
                continue;
            }
            Err(UpdateError::Unknown(error)) => Err(error.into()),
        };
    }
}

fn node<K: Ordered + 'static>(way: Way) -> Node<Register<K>> {
    Node::new(move |_| Register { way, service: PhantomData })
        .handle(async |context: Context<Register<K>>, Add { delta }| {
            update(&context, delta).await.map(|_| Empty {})
        })
        .handle(async |context: Context<Register<K>>, Sum {}| {
            update(&context, 0).await.map(|value| SumOk { value })
        })
}

struct ChaosTest {
    way: Way,
    adversarial: bool,
    faults: Vec<Fault>,
    seed: u64,
}

impl ChaosTest {
    /// Runs it; what the checks say, and how many adds were acknowledged.
    fn run<K: Ordered + 'static>(&self) -> (Report, usize) {
        let way = self.way;
        let simulation = Simulation::new(Workload::PnCounter, move || node::<K>(way))
            .nodes(3)
            .clients(6)
            .rate(20.0)
            .seconds(10)
            .latency([1, 20][self.seed as usize % 2])
            .nemesis(&self.faults, 1.0)
            .seed(self.seed);
        let simulation =
            if self.adversarial { simulation.adversarial_seq_kv() } else { simulation };
        let finished = simulation.recorded().run();
        assert!(finished.ended.is_ok(), "{finished}");
        check(&finished.settings, &finished.history)
    }
}

/// The workload's own check, strictly, of a history in which what a node calls
/// undone has failed. (In that of the original it is in doubt.)
fn check(settings: &Settings, text: &str) -> (Report, usize) {
    let settings = Settings { strict: true, ..settings.clone() };
    let mut analysis = Analysis::new(&settings.checks(), settings.names());
    let mut acknowledged = 0;
    for op in history::read(text.as_bytes()).unwrap() {
        let mut op = op.unwrap();
        if op.error.as_ref().is_some_and(|error| error.get().contains("abort")) {
            op.kind = OpType::Fail;
        }
        acknowledged += usize::from(op.kind == OpType::Ok && op.f == "add");
        analysis.observe(&op);
    }
    (analysis.finish(), acknowledged)
}

/// Runs seeds over every service; no sum may be wrong.
fn assert_counted(way: Way, faults: &[Fault]) {
    let mut total = 0;
    for seed in 0..12 {
        let chaos_test =
            |adversarial| ChaosTest { way, adversarial, faults: faults.to_vec(), seed };
        let runs = [
            chaos_test(false).run::<Lin>(),
            chaos_test(false).run::<Seq>(),
            chaos_test(true).run::<Seq>(),
        ];
        for (report, acknowledged) in runs {
            let findings = &report.parts["workload"].findings;
            assert!(findings.is_empty(), "seed {seed}: {findings:?}");
            total += acknowledged;
        }
    }
    assert!(total > 200, "only {total} adds");
}

#[test]
fn plain_updates_say_what_is_unknown_where_nothing_comes_twice() {
    assert_counted(Way::Plain, &[Fault::Loss, Fault::Reorder, Fault::Slow, Fault::Kill]);
}

/// Whether any of 100 seeds has a wrong sum.
fn is_caught(way: Way, faults: &[Fault]) -> bool {
    (0..100).any(|seed| {
        let chaos_test = ChaosTest { way, adversarial: false, faults: faults.to_vec(), seed };
        chaos_test.run::<Lin>().0.parts["workload"].valid == Validity::Invalid
    })
}

#[test]
fn an_update_repeated_after_a_timeout_is_caught() {
    assert!(is_caught(Way::Stubborn, &[Fault::Loss, Fault::Reorder, Fault::Slow]));
}

/// A second copy of a cas is refused because of the first; the refusal may come
/// first, and looks like a lost race.
#[test]
fn a_plain_update_is_no_match_for_a_network_that_doubles_requests() {
    assert!(is_caught(Way::Plain, &[Fault::Duplicate, Fault::Reorder]));
}
