//! What nodes see of the services: which of these is linearizable, and what the
//! adversarial `seq-kv` brings to light.

use std::marker::PhantomData;

use checkers::Validity;
use maelstrom::kv::{self, Kv, Lin, Lww, Seq, Service};
use maelstrom::{Context, Definite, Empty, Error, Node};
use rand::RngExt as _;
use simulator::{Fault, Finished, SeqKv, Simulation, Workload};
use tokio::sync::Mutex;

use crate::wire::counters::{Add, Sum, SumOk};
use crate::wire::registers::{Cas, Found, Read, Write};

/// A node that passes requests on to service `K`.
struct Proxy<K>(PhantomData<fn() -> K>);

fn node<K: Service + 'static>() -> Node<Proxy<K>> {
    Node::new(|_| Proxy(PhantomData))
        .handle(async |context, Read { key }| {
            let missing = || Error::new(Definite::KeyDoesNotExist, "nothing there");
            let value = Kv::<_, K>::new(&context).read(&key).await?.ok_or_else(missing)?;
            Ok(Found { value })
        })
        .handle(async |context, Write { key, value }| {
            Kv::<_, K>::new(&context).write(&key, &value).await?;
            Ok(Empty {})
        })
        .handle(async |context, Cas { key, from, to }| {
            match Kv::<_, K>::new(&context).cas(&key, &from, &to).await? {
                kv::Cas::Set => Ok(Empty {}),
                kv::Cas::NoSuchKey => Err(Error::new(Definite::KeyDoesNotExist, key)),
                kv::Cas::OtherValue => Err(Error::new(Definite::PreconditionFailed, from)),
            }
        })
}

fn run<K: Service + 'static>(seq_kv: SeqKv, seed: u64) -> Finished {
    Simulation::new(Workload::LinKv, node::<K>)
        .nodes(3)
        .clients(6)
        .rate(100.0)
        .seconds(10)
        .latency(5)
        .nemesis(&[Fault::Partition, Fault::Slow, Fault::Reorder], 2.0)
        .set(|settings| settings.seq_kv = seq_kv)
        .seed(seed)
        .run()
}

#[test]
fn lin_kv_is_linearizable_and_the_others_are_not() {
    for seed in 0..5 {
        run::<Lin>(SeqKv::Real, seed).assert_valid();
        for finished in [
            run::<Seq>(SeqKv::Real, seed),
            run::<Seq>(SeqKv::Adversarial, seed),
            run::<Lww>(SeqKv::Real, seed),
        ] {
            assert!(finished.ended.is_ok(), "{finished}");
            assert_eq!(finished.report.parts["workload"].valid, Validity::Invalid, "{finished}");
        }
    }
}

/// The textbook's counter: each node keeps what was added to it under a key of its
/// own, and reads all keys, after writing something unique so as to see the present.
fn textbook_counter() -> Node<Mutex<i64>> {
    Node::new(|_| Mutex::default())
        .handle(async |context: Context<Mutex<i64>>, Add { delta }| {
            let mut sum = context.state().lock().await;
            *sum += delta;
            context.seq_kv().write(&**context.id(), &*sum).await?;
            Ok(Empty {})
        })
        .handle(async |context: Context<Mutex<i64>>, Sum {}| {
            let unique: u64 = context.new_rng().random();
            context.seq_kv().write(&("fresh", &**context.id()), &unique).await?;
            let mut value = 0;
            for node in context.node_ids() {
                value += context.seq_kv().read::<i64>(&**node).await?.unwrap_or(0);
            }
            Ok(SumOk { value })
        })
}

#[test]
fn a_unique_write_before_each_read_is_enough_for_the_real_seq_kv_and_not_for_the_adversarial() {
    let is_wrong = |seed: &u64| {
        let run = Simulation::new(Workload::GCounter, textbook_counter).nodes(3).rate(50.0);
        let run = run.seconds(10).seed(*seed);
        run.run().assert_valid();
        let finished = run.adversarial_seq_kv().run();
        assert!(finished.ended.is_ok(), "{finished}");
        finished.report.parts["workload"].valid == Validity::Invalid
    };
    // Unless the last adds of all happened to add nothing.
    let wrong = (0..10).filter(is_wrong).count();
    assert!(wrong > 5, "only {wrong} of 10 runs are wrong");
}

/// A counter on a node of its own that begins each incarnation with what its key holds.
fn resuming_counter() -> Node<Mutex<Option<i64>>> {
    async fn add(context: Context<Mutex<Option<i64>>>, delta: i64) -> Result<i64, Error> {
        let mut known = context.state().lock().await;
        let kept = match *known {
            Some(sum) => sum,
            None => context.seq_kv().read("sum").await?.unwrap_or(0),
        };
        context.seq_kv().write("sum", &(kept + delta)).await?;
        *known = Some(kept + delta);
        Ok(kept + delta)
    }
    Node::new(|_| Mutex::default())
        .handle(async |context, Add { delta }| add(context, delta).await.map(|_| Empty {}))
        .handle(async |context, Sum {}| add(context, 0).await.map(|value| SumOk { value }))
}

#[test]
fn a_node_that_was_killed_finds_its_key_in_the_real_seq_kv_and_not_in_the_adversarial() {
    let is_wrong = |seed: &u64| {
        let run = Simulation::new(Workload::GCounter, resuming_counter).nodes(1).rate(50.0);
        let run = run.seconds(10).nemesis(&[Fault::Kill], 1.0).seed(*seed);
        run.run().assert_valid();
        let finished = run.adversarial_seq_kv().run();
        assert!(finished.ended.is_ok(), "{finished}");
        finished.report.parts["workload"].valid == Validity::Invalid
    };
    // Unless nothing was added before the last kill.
    let wrong = (0..10).filter(is_wrong).count();
    assert!(wrong > 5, "only {wrong} of 10 runs are wrong");
}
