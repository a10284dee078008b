//! Restarts, snapshots, and what is dropped.

use super::*;

#[test]
fn a_node_that_starts_again_reads_a_long_log_in_few_reads() {
    let mut cluster = Cluster::new(2, every(100));
    for message in 0..5000 {
        cluster.send(0, ["k", "l"][message as usize % 2], message);
        cluster.run(1);
    }
    cluster.send(1, "once", 7);
    cluster.run(200);
    let (shown, other) = (cluster.shown(0, "k"), cluster.shown(0, "l"));
    let heads = |cluster: &Cluster| {
        let is_head = |register: &&Register| matches!(register, Register::Snapshot(_));
        cluster.registers.keys().filter(is_head).count()
    };
    assert!((20..60).contains(&heads(&cluster)), "{} snapshots", heads(&cluster));
    assert_eq!(shown.len(), 2500);
    for node in 0..2 {
        cluster.reads = 0;
        cluster.restart(node);
        cluster.run(0);
        assert!(cluster.logs[node].is_serving());
        assert!(cluster.reads < 250, "{} reads", cluster.reads);
        let page = cluster.poll(node, "k", 4900);
        assert!(page.starts_with(r#"{"k":[[4900,4900],[4902,4902],"#), "{page}");
        let reads = cluster.reads;
        assert_eq!(cluster.poll_all(node, "k"), shown, "n{node} shows no less than before");
        assert_eq!(cluster.poll_all(node, "l"), other);
        assert_eq!(cluster.poll_all(node, "once").len(), 1);
        assert!(reads < 260 && cluster.reads < 400, "{reads}, then {} reads", cluster.reads);
    }
}

#[test]
fn another_node_goes_on_with_snapshots_when_their_writer_is_down() {
    let mut cluster = Cluster::new(3, every(50));
    let send = |cluster: &mut Cluster, node: usize, count: u64| {
        for message in 0..count {
            cluster.send(node, "k", message);
            cluster.run(5);
        }
        cluster.run(3000);
    };
    send(&mut cluster, 1, 300);
    let written = |cluster: &Cluster| {
        let registers = cluster.registers.iter();
        let parts = registers.filter(|(register, _)| matches!(register, Register::Part(_)));
        parts.map(|(_, text)| text.len()).sum::<usize>()
    };
    let last = |cluster: &Cluster| -> Head {
        let registers = cluster.registers.iter();
        let mut heads = registers.filter(|(register, _)| matches!(register, Register::Snapshot(_)));
        serde_json::from_str(heads.next_back().expect("a snapshot").1).unwrap()
    };
    let (first, before) = (last(&cluster), written(&cluster));
    let other = (first.writer + 1) % 3;
    cluster.down[first.writer] = true;
    send(&mut cluster, other, 300);
    let second = last(&cluster);
    assert_ne!(second.writer, first.writer);
    assert!(written(&cluster) < 3 * before, "it does not write again what is written");
    let shown = cluster.shown(other, "k");
    cluster.restart(first.writer);
    cluster.run(1000);
    assert_eq!(cluster.poll_all(first.writer, "k"), shown);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_passed_over() {
    for broken in ["head", "index", "all"] {
        let mut cluster = Cluster::new(1, every(10));
        for message in 0..100 {
            cluster.send(0, "k", message);
            cluster.run(5);
        }
        let mut heads: Vec<Register> = cluster.registers.keys().copied().collect();
        heads.retain(|register| matches!(register, Register::Snapshot(_)));
        assert!(heads.len() > 5);
        let newest = cluster.registers[heads.last().unwrap()].clone();
        let newest: Head = serde_json::from_str(&newest).unwrap();
        match broken {
            "head" => drop(cluster.registers.insert(*heads.last().unwrap(), "{}".into())),
            "index" => drop(cluster.registers.remove(&Register::Part(newest.index[0]))),
            _ => heads.iter().for_each(|&head| {
                cluster.registers.insert(head, "no head".into());
            }),
        }
        cluster.restart(0);
        cluster.run(100);
        assert_eq!(cluster.poll_all(0, "k").len(), 100, "{broken}");
    }
}

/// Writers are killed between any two writes, and old and new incarnations write side by
/// side.
#[test]
fn a_snapshot_is_whole_whenever_its_writer_dies() {
    for until in 0..40 {
        let mut cluster = Cluster::new(2, every(5));
        cluster.writes_left = Some(until);
        for message in 0..30 {
            cluster.send(0, ["a", "b", "c"][message as usize % 3], message);
            cluster.run(40);
        }
        cluster.writes_left = None;
        for node in 0..2 {
            cluster.restart(node);
        }
        cluster.run(3000);
        for key in ["a", "b", "c"] {
            let shown = cluster.poll_all(0, key);
            assert_eq!(shown, cluster.poll_all(1, key), "{until}");
            assert!(shown.len() == 10, "{until}: {shown:?}");
        }
    }
}

#[test]
fn what_is_committed_is_dropped_and_a_poll_below_begins_at_the_earliest_that_is_kept() {
    let mut options = every(10);
    options.retain.committed = true;
    let mut cluster = Cluster::new(2, options);
    for message in 0..40 {
        cluster.send(0, "k", message);
        cluster.run(10);
    }
    cluster.run(500);
    let all = cluster.poll_all(0, "k");
    let (committed, _) = all[29];
    let (now, ticket) = (cluster.now, cluster.next_ticket());
    let offsets = BTreeMap::from([("k".to_owned(), committed)]);
    cluster.logs[1].commit(now, ticket, "c1".into(), offsets).unwrap();
    cluster.run(2000);
    for message in 40..60 {
        cluster.send(1, "other", message);
        cluster.run(50);
    }
    cluster.run(500);
    for restarts in [false, true] {
        for node in 0..2 {
            if restarts {
                cluster.restart(node);
                cluster.run(2000);
            }
            assert_eq!(cluster.poll_all(node, "k"), all[30..], "n{node}");
            assert_eq!(cluster.logs[node].replica().committed("k"), Some(committed));
            assert_eq!(cluster.poll_all(node, "other").len(), 20);
        }
    }
    cluster.send(0, "k", 60);
    cluster.run(500);
    let (offset, _) = cluster.poll_all(1, "k").pop().unwrap();
    assert!(offset > all[39].0, "offsets go on where they were");
}

#[test]
fn what_is_old_and_large_enough_is_dropped_when_both_are_asked_for() {
    let mut options = every(10);
    options.retain.age = Some(Duration::from_secs(5));
    options.retain.bytes = Some(10);
    let mut cluster = Cluster::new(1, options);
    for message in 0..90 {
        cluster.send(0, "k", message + 10);
        cluster.run(100);
    }
    let kept = |cluster: &mut Cluster| cluster.poll_all(0, "k").len();
    assert!((50..65).contains(&kept(&mut cluster)), "{} of 5 s", kept(&mut cluster));
    cluster.run(10_000);
    assert_eq!(kept(&mut cluster), 5, "two bytes each");
    cluster.run(10_000);
    assert_eq!(kept(&mut cluster), 5);
}
