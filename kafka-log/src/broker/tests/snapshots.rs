//! Restarts, snapshots, and what is dropped.

use super::*;
use crate::snapshot::Head;

/// The heads of all snapshots that are written.
fn heads(world: &mut World) -> Vec<String> {
    (0..).map_while(|index| world.register(Register::Snapshot(index))).collect()
}

#[test]
fn a_node_that_starts_again_reads_a_long_log_in_few_reads() {
    let mut world = World::new(2, every(100));
    for message in 0..5000 {
        world.send(0, ["k", "l"][message as usize % 2], message);
        world.run(1);
    }
    world.send(1, "once", 7);
    world.run(200);
    let (shown, other) = (world.shown(0, "k"), world.shown(0, "l"));
    let heads = heads(&mut world).len();
    assert!((20..60).contains(&heads), "{heads} snapshots");
    assert_eq!(shown.len(), 2500);
    for node in 0..2 {
        let before = world.counts().reads;
        world.restart(node);
        world.run(0);
        assert!(world.log(node).is_serving());
        let page = world.poll(node, "k", 4900);
        assert!(page.starts_with(r#"{"k":[[4900,4900],[4902,4902],"#), "{page}");
        let reads = world.counts().reads - before;
        assert_eq!(world.poll_all(node, "k"), shown, "n{node} shows no less than before");
        assert_eq!(world.poll_all(node, "l"), other);
        assert_eq!(world.poll_all(node, "once").len(), 1);
        let all = world.counts().reads - before;
        assert!(reads < 260 && all < 400, "{reads}, then {all} reads");
    }
}

#[test]
fn another_node_goes_on_with_snapshots_when_their_writer_is_down() {
    let mut world = World::new(3, every(50));
    let send = |world: &mut World, node: usize, count: u64| {
        for message in 0..count {
            world.send(node, "k", message);
            world.run(5);
        }
        world.run(3000);
    };
    send(&mut world, 1, 300);
    let last = |world: &mut World| -> Head {
        serde_json::from_str(heads(world).last().expect("a snapshot")).unwrap()
    };
    let (first, before) = (last(&mut world), world.counts().bytes);
    let other = (first.writer + 1) % 3;
    world.kill(first.writer);
    send(&mut world, other, 300);
    let second = last(&mut world);
    assert_ne!(second.writer, first.writer);
    assert!(world.counts().bytes < 3 * before, "it does not write again what is written");
    let shown = world.shown(other, "k");
    world.restart(first.writer);
    world.run(1000);
    assert_eq!(world.poll_all(first.writer, "k"), shown);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_passed_over() {
    for broken in ["head", "index", "all"] {
        let mut world = World::new(1, every(10));
        for message in 0..100 {
            world.send(0, "k", message);
            world.run(5);
        }
        let heads = heads(&mut world);
        assert!(heads.len() > 5);
        let newest: Head = serde_json::from_str(heads.last().unwrap()).unwrap();
        let mut all = (0..heads.len() as u64).map(Register::Snapshot);
        match broken {
            "head" => all.next_back().into_iter().for_each(|head| world.overwrite(head, "{}")),
            "index" => world.overwrite(Register::Part(newest.index[0]), ""),
            _ => all.for_each(|head| world.overwrite(head, "no head")),
        }
        world.restart(0);
        world.run(100);
        assert_eq!(world.poll_all(0, "k").len(), 100, "{broken}");
    }
}

/// All writers are killed behind any of their writes.
#[test]
fn a_snapshot_is_whole_whenever_its_writer_dies() {
    for until in 0.. {
        let mut world = World::with_latency(2, every(5), Duration::from_millis(2));
        let (mut clients, mut is_killed) = (Vec::new(), false);
        for message in 0..30 {
            clients.push(world.send(0, ["a", "b", "c"][message as usize % 3], message));
            for _ in 0..40 {
                world.run(1);
                if !is_killed && world.counts().written >= until {
                    is_killed = true;
                    (0..2).for_each(|node| world.restart(node));
                }
            }
        }
        if !is_killed {
            assert!(until > 20, "only {until} writes");
            break;
        }
        world.run(3000);
        for (number, key) in ["a", "b", "c"].into_iter().enumerate() {
            let shown = world.poll_all(0, key);
            assert_eq!(shown, world.poll_all(1, key), "{until}");
            let has = |offset: u64| shown.iter().any(|&(shown, _)| shown == offset);
            let mut sent = clients.iter().skip(number).step_by(3).filter_map(|&c| world.sent(c));
            assert!(sent.all(has) && shown.len() >= 9, "{until}: {shown:?}");
        }
    }
}

#[test]
fn what_is_committed_is_dropped_and_a_poll_below_begins_at_the_earliest_that_is_kept() {
    let mut options = every(10);
    options.retain.committed = true;
    let mut world = World::new(2, options);
    for message in 0..40 {
        world.send(0, "k", message);
        world.run(10);
    }
    world.run(500);
    let all = world.poll_all(0, "k");
    let (committed, _) = all[29];
    world.commit(1, "k", committed);
    world.run(2000);
    for message in 40..60 {
        world.send(1, "other", message);
        world.run(50);
    }
    world.run(500);
    for restarts in [false, true] {
        for node in 0..2 {
            if restarts {
                world.restart(node);
                world.run(2000);
            }
            assert_eq!(world.poll_all(node, "k"), all[30..], "n{node}");
            assert_eq!(world.log(node).committed("k"), Some(committed));
            assert_eq!(world.poll_all(node, "other").len(), 20);
        }
    }
    world.send(0, "k", 60);
    world.run(500);
    let (offset, _) = world.poll_all(1, "k").pop().unwrap();
    assert!(offset > all[39].0, "offsets go on where they were");
}

#[test]
fn what_is_old_and_large_enough_is_dropped_when_both_are_asked_for() {
    let mut options = every(10);
    options.retain.age = Some(Duration::from_secs(5));
    options.retain.bytes = Some(10);
    let mut world = World::new(1, options);
    for message in 0..90 {
        world.send(0, "k", message + 10);
        world.run(100);
    }
    let kept = |world: &mut World| world.poll_all(0, "k").len();
    assert!((50..65).contains(&kept(&mut world)), "{} of 5 s", kept(&mut world));
    world.run(10_000);
    assert_eq!(kept(&mut world), 5, "two bytes each");
    world.run(10_000);
    assert_eq!(kept(&mut world), 5);
}
