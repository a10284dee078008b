//! Whole nodes in virtual time, step by step.

use std::collections::BTreeSet;
use std::time::Duration;

use maelstrom::CallError;
use maelstrom::journal::Sync;
use simulator::{DiskFault, Effect, Scenario, Simulation, Workload};
use txn_kv::{Options, Txn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Nodes that sync every transaction.
fn synced(nodes: usize) -> Scenario {
    let node = || txn_kv::node_with(Options { sync: Sync::EveryGroup, ..Options::default() });
    Simulation::new(Workload::TxnRwRegister, node).nodes(nodes).scenario()
}

fn scenario(nodes: usize) -> Scenario {
    let mut scene = Simulation::new(Workload::TxnRwRegister, txn_kv::node).nodes(nodes).scenario();
    scene.run_for(SECOND);
    scene
}

/// What a node makes of a transaction.
fn ask(scene: &mut Scenario, node: usize, txn: &str) -> Result<String, CallError> {
    let txn = serde_json::from_str(txn).unwrap();
    Ok(serde_json::to_string(&scene.ask(node, &Txn { txn })?.txn).unwrap())
}

#[track_caller]
fn answer(scene: &mut Scenario, node: usize, txn: &str) -> String {
    ask(scene, node, txn).unwrap()
}

#[test]
fn writes_spread_in_time_and_with_few_messages() {
    let mut scene = scenario(2);
    let sent = |scene: &Scenario| scene.net_counts().servers.send_count;
    let (before, begun) = (sent(&scene), scene.now());
    for round in 0..10 {
        let values = round * 100..(round + 1) * 100;
        for value in values.clone() {
            answer(&mut scene, value % 2, &format!(r#"[["r",1,null],["w",{value},{value}]]"#));
            scene.run_for(MS);
        }
        scene.run_for(100 * MS);
        for (value, node) in values.flat_map(|value| [(value, 0), (value, 1)]) {
            let read = answer(&mut scene, node, &format!(r#"[["r",{value},null]]"#));
            assert_eq!(read, format!(r#"[["r",{value},{value}]]"#));
        }
    }
    let (messages, took) = (sent(&scene) - before, scene.now() - begun);
    let most = (50.0 * took.as_secs_f64()) as u64;
    assert!(messages <= most, "{messages} messages in {took:?}");
    scene.run_for(5 * SECOND);
    let before = sent(&scene);
    scene.run_for(3600 * SECOND);
    assert_eq!(sent(&scene), before, "there is nothing to say");
}

#[test]
fn a_node_whose_machine_died_is_filled_again_by_the_others() {
    let mut scene = scenario(3);
    answer(&mut scene, 2, r#"[["w","a",1],["w","b",2]]"#);
    scene.run_for(3 * SECOND);
    scene.kill_with(&[2], &[DiskFault::LoseUnsynced]);
    scene.restart();
    answer(&mut scene, 2, r#"[["w","b",3]]"#);
    scene.run_for(5 * SECOND);
    // The 3 may be concurrent with the 2, and ordered by the stamps alone. What matters
    // is that all agree.
    let read = r#"[["r","a",null],["r","b",null]]"#;
    let agreed = answer(&mut scene, 0, read);
    assert!(agreed.starts_with(r#"[["r","a",1],"#), "{agreed}");
    assert_eq!([1, 2].map(|node| answer(&mut scene, node, read)), [&*agreed; 2]);
    let incarnations = scene.journal().split(r#""incarnation":"n2-"#).skip(1);
    let incarnations: BTreeSet<&str> =
        incarnations.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(incarnations.len(), 2, "{incarnations:?}");
}

#[test]
fn a_node_whose_disk_is_full_tells_nobody_what_is_not_safe_and_answers_when_there_is_room() {
    let mut scene = scenario(2);
    answer(&mut scene, 0, r#"[["w",1,1]]"#);
    scene.run_for(SECOND);
    scene.fill_disks(&[0]);
    let open = ask(&mut scene, 0, r#"[["w",1,2]]"#).unwrap_err();
    assert!(matches!(open, CallError::Timeout { .. }), "{open}");
    let refused = ask(&mut scene, 0, r#"[["r",1,null]]"#).unwrap_err();
    assert!(refused.to_string().contains("the journal cannot be written now: "), "{refused}");
    assert!(refused.is_definite(), "{refused}");

    answer(&mut scene, 1, r#"[["w",2,2]]"#);
    let before = scene.journal().len();
    scene.run_for(10 * SECOND);
    let said = scene.journal()[before..].contains(r#""src":"n0""#);
    assert!(!said, "{}", &scene.journal()[before..]);
    assert_eq!(answer(&mut scene, 1, r#"[["r",1,null]]"#), r#"[["r",1,1]]"#);
    // What was committed before the disk was full is written, answered and passed on.
    scene.free_disks();
    scene.run_for(5 * SECOND);
    assert!(scene.journal()[before..].contains(r#""txn_ok""#));
    let read = r#"[["r",1,null],["r",2,null]]"#;
    for node in [0, 1] {
        assert_eq!(answer(&mut scene, node, read), r#"[["r",1,2],["r",2,2]]"#);
    }
    scene.kill(&[0]);
    scene.restart();
    assert_eq!(answer(&mut scene, 0, r#"[["r",1,null]]"#), r#"[["r",1,2]]"#);
}

/// Syncs fail now and then. The node that saw one refuses everything until it is restarted,
/// and has all that it answered then.
#[test]
fn a_node_whose_journal_is_dead_says_so_and_acknowledges_nothing() {
    let mut scene = synced(1);
    let (mut answered, mut deaths) = (0, 0);
    for value in 1..200 {
        scene.inflict(Effect::Upset(DiskFault::FailOnce, vec![0]));
        let write = format!(r#"[["w",1,{value}]]"#);
        match ask(&mut scene, 0, &write) {
            Ok(_) => answered = value,
            Err(error) if error.to_string().contains("until this node is restarted") => {
                deaths += 1;
                scene.inflict(Effect::Mend(DiskFault::FailOnce));
                for txn in [r#"[["r",1,null]]"#, &*write, "[]"] {
                    let refusal = ask(&mut scene, 0, txn).unwrap_err();
                    let text = refusal.to_string();
                    assert!(text.contains("until this node is restarted"), "{text}");
                    assert!(refusal.is_definite(), "{text}");
                    scene.run_for(SECOND);
                }
                scene.kill_with(&[0], &[DiskFault::LoseUnsynced]);
                scene.restart();
                let read = answer(&mut scene, 0, r#"[["r",1,null]]"#);
                let found = [answered, value].map(|value| format!(r#"[["r",1,{value}]]"#));
                assert!(found.contains(&read), "{read}, not one of {found:?}");
            }
            Err(error) => assert!(!error.is_definite(), "{error}"),
        }
    }
    assert!(deaths > 5, "{deaths}");
}

/// Reading the journal, and securing what may not be safe, is done before `init_ok`, and takes
/// the time of the disk.
#[test]
fn opening_a_journal_takes_time() {
    let restarted_in = |values: usize| {
        let mut scene = synced(1);
        for value in 0..values {
            answer(&mut scene, 0, &format!(r#"[["w",{value},"{}"]]"#, "x".repeat(100_000)));
        }
        scene.kill(&[0]);
        let began = scene.now();
        scene.restart();
        scene.now() - began
    };
    let (few, many) = (restarted_in(1), restarted_in(100));
    // Ten megabytes more, a nanosecond a byte; timers have milliseconds.
    assert!(many >= few + 9 * MS && many < few + 20 * MS, "{few:?} {many:?}");
}
