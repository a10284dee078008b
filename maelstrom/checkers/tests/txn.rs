//! For every class of anomaly a history that shows it and its nearest neighbour
//! that does not.

mod txn_support;

use checkers::history::OpType;
use checkers::txn::{Model, Options};
use checkers::{Outcome, Validity};
use serde_json::json;

use txn_support::{History, types};

const PLAIN: Options = Options { strict: false, compatible: false };
const STRICT: Options = Options { strict: true, compatible: false };

fn model(name: &str) -> Model {
    name.parse().unwrap()
}

fn registers(history: &History, name: &str) -> Outcome {
    history.registers(&[model(name)], PLAIN)
}

fn lists(history: &History, name: &str) -> Outcome {
    history.lists(&[model(name)], PLAIN)
}

/// The outcome is `Invalid` for exactly these reasons, each with its operations.
fn assert_shows(outcome: &Outcome, anomalies: &[&str]) {
    assert_eq!(outcome.valid, Validity::Invalid, "{:?}", outcome.findings);
    assert_eq!(types(outcome), anomalies);
    for finding in &outcome.findings {
        assert!(!finding.ops.is_empty() && finding.ops.is_sorted(), "{finding:?}");
        assert!(finding.text.starts_with(&finding.kind), "{finding:?}");
    }
}

fn assert_clean(outcome: &Outcome) {
    assert_eq!(outcome.valid, Validity::Valid, "{:?}", outcome.findings);
    assert!(outcome.findings.is_empty() && types(outcome).is_empty());
}

#[test]
fn internal_a_register_read_must_match_the_transactions_own_write() {
    let good = History::new().alone(0, "w x 1, r x 1").alone(1, "r x 1, r x 1");
    assert_clean(&registers(&good, "serializable"));
    let bad = busy().alone(0, "w x 1, r x 2").alone(1, "w x 2");
    assert_shows(&registers(&bad, "read-atomic"), &["internal"]);
    assert_clean(&registers(&bad, "read-committed"));
}

#[test]
fn internal_a_read_of_null_is_remembered_except_by_the_originals_habit() {
    let bad = History::new().together(&["r x -, r x 1", "w x 1"]);
    assert_eq!(types(&registers(&bad, "read-atomic")), ["internal"]);
    let compatible = Options { compatible: true, ..PLAIN };
    let outcome = bad.registers(&[model("read-atomic")], compatible);
    assert!(!types(&outcome).contains(&"internal".to_owned()));
}

#[test]
fn internal_a_list_read_must_end_with_the_transactions_own_appends() {
    let good = History::new().alone(0, "append x 1").alone(1, "append x 2, r x [1,2]");
    assert_clean(&lists(&good, "strict-serializable"));
    let bad = History::new().together(&["append x 1, r x [1,2]", "append x 2"]);
    assert_shows_among(&lists(&bad, "read-atomic"), "internal");
    let forgotten = History::new().alone(0, "r x -, append x 1, r x -").alone(0, "r x [1]");
    assert_shows(&lists(&forgotten, "read-atomic"), &["internal"]);
}

#[test]
fn g0_appends_of_two_transactions_must_not_interleave() {
    let appends = ["append x 1, append y 1", "append x 2, append y 2"];
    let good = History::new().together(&appends).alone(2, "r x [1,2], r y [1,2]");
    assert_clean(&lists(&good, "strict-serializable"));
    let bad = History::new().together(&appends).alone(2, "r x [1,2], r y [2,1]");
    assert_shows(&lists(&bad, "read-uncommitted"), &["G0"]);
}

#[test]
fn g0_of_registers_is_called_so_unless_the_originals_habit_is_asked_for() {
    let bad = History::new().together(&["w x 1, r y 2, w y 1", "r x 1, w x 2, w y 2"]);
    assert_shows(&registers(&bad, "read-uncommitted"), &["G0"]);
    let compatible = Options { compatible: true, ..PLAIN };
    let outcome = bad.registers(&[model("serializable")], compatible);
    assert_shows(&outcome, &["G1c", "PL-1-cycle-exists"]);
}

#[test]
fn g1a_what_a_failed_transaction_wrote_must_not_be_read() {
    let written = || History::new().begin(0, "w x 1");
    assert_clean(&registers(&written().ok(0).alone(1, "r x 1"), "read-committed"));
    let bad = written().fail(0).alone(1, "r x 1");
    assert_shows_among(&registers(&bad, "read-committed"), "G1a");
    let indeterminate = written().info(0).alone(1, "r x 1").alone(1, "r x 1");
    assert_clean(&registers(&indeterminate, "strict-serializable"));

    let bad = History::new().begin(0, "append x 1").fail(0).alone(1, "append x 2, r x [1,2]");
    assert_shows_among(&lists(&bad, "read-committed"), "G1a");
}

/// A history in which something depends on something, so that it can be judged.
fn busy() -> History {
    History::new().alone(8, "w base 1").alone(9, "r base 1")
}

/// Among the reasons for `Invalid` is this one.
fn assert_shows_among(outcome: &Outcome, anomaly: &str) {
    assert_eq!(outcome.valid, Validity::Invalid, "{:?}", outcome.findings);
    assert!(types(outcome).contains(&anomaly.to_owned()), "{:?}", types(outcome));
}

#[test]
fn g1b_a_state_in_the_middle_of_a_transaction_must_not_be_read() {
    let good = History::new().together(&["w x 1, w x 2", "r x 2", "r y -, w y 1"]);
    assert_clean(&registers(&good, "read-committed"));
    let bad = History::new().together(&["w x 1, w x 2", "r x 1", "r y -, w y 1"]);
    assert_shows(&registers(&bad, "read-committed"), &["G1b"]);
    let bad = History::new().alone(0, "append x 1, append x 2").alone(1, "r x [1]");
    assert_shows_among(&lists(&bad, "read-committed"), "G1b");
}

#[test]
fn g1c_two_transactions_must_not_read_from_each_other() {
    let good = History::new().together(&["w x 1, r y -", "w y 1, r x 1"]);
    assert_clean(&registers(&good, "serializable"));
    let bad = History::new().together(&["w x 1, r y 1", "w y 1, r x 1"]);
    assert_shows(&registers(&bad, "read-committed"), &["G1c"]);
    assert_clean(&registers(&bad, "read-uncommitted"));
}

#[test]
fn lost_update_only_one_may_build_on_a_version() {
    let start = || History::new().alone(0, "w x 1");
    let good = start().alone(1, "r x 1, w x 2").alone(2, "r x 2, w x 3");
    assert_clean(&registers(&good, "strict-serializable"));
    let bad = start().together(&["r x 1, w x 2", "r x 1, w x 3"]);
    assert_shows(&registers(&bad, "cursor-stability"), &["lost-update"]);
    assert_clean(&registers(&bad, "read-committed"));
}

#[test]
fn g_single_a_reader_must_not_see_half_of_a_transaction() {
    let write = "w x 1, w y 1";
    assert_clean(&registers(&History::new().together(&[write, "r x 1, r y 1"]), "serializable"));
    let bad = History::new().together(&[write, "r x 1, r y -"]);
    assert_shows(&registers(&bad, "consistent-view"), &["G-single-item"]);
    assert_shows(&registers(&bad, "repeatable-read"), &["G-single-item"]);
    assert_clean(&registers(&bad, "read-committed"));
    let not = &registers(&bad, "serializable").results["not"];
    assert_eq!(*not, json!(["consistent-view", "repeatable-read"]));
}

#[test]
fn g_single_process_a_process_must_see_its_own_past() {
    let bad = History::new().alone(0, "w x 1").alone(0, "r x -");
    let session = "strong-session-snapshot-isolation";
    assert_shows(&registers(&bad, session), &["G-single-item-process"]);
    assert_clean(&registers(&bad, "serializable"));
    let good = History::new().alone(0, "w x 1").alone(1, "r x -");
    assert_clean(&registers(&good, session));
}

#[test]
fn g_single_realtime_a_reader_must_see_what_ended_before_it_began() {
    let bad = History::new().alone(0, "w x 1").alone(1, "r x -");
    assert_shows(&registers(&bad, "strict-serializable"), &["G-single-item-realtime"]);
    assert_shows(&registers(&bad, "strong-snapshot-isolation"), &["G-single-item-realtime"]);
    assert_clean(&registers(&bad, "strong-session-serializable"));
    assert_clean(&registers(&History::new().together(&["w x 1", "r x -"]), "strict-serializable"));
}

#[test]
fn realtime_order_reaches_over_transactions_in_between() {
    let history = |read: &str| {
        let between = (0..20).fold(History::new().alone(0, "w x 1"), |history, i| {
            history.alone(i % 3 + 1, &format!("w other {i}"))
        });
        between.alone(7, read)
    };
    assert_clean(&registers(&history("r x 1"), "strict-serializable"));
    let bad = registers(&history("r x -"), "strict-serializable");
    assert_shows(&bad, &["G-single-item-realtime"]);
}

#[test]
fn g0_and_g1c_lean_on_process_and_real_time_too() {
    // Process 0 appends to x, then to y; another one comes after it in y and
    // before it in x.
    let history = |first: u64, second: u64, x: &str| {
        let history = History::new().begin(9, "append x 2, append y 2");
        let history = history.alone(first, "append x 1").alone(second, "append y 1").ok(9);
        history.alone(8, &format!("r x {x}, r y [1,2]"))
    };
    assert_clean(&lists(&history(0, 0, "[1,2]"), "strict-serializable"));
    let bad = history(0, 0, "[2,1]");
    assert_shows(&lists(&bad, "strong-session-read-uncommitted"), &["G0-process"]);
    assert_shows(&lists(&bad, "strong-read-uncommitted"), &["G0-realtime"]);
    assert_clean(&lists(&bad, "serializable"));
    let bad = history(0, 1, "[2,1]");
    assert_clean(&lists(&bad, "strong-session-read-uncommitted"));
    assert_shows(&lists(&bad, "strong-read-uncommitted"), &["G0-realtime"]);

    let prophecy = History::new().alone(0, "r x 1").alone(1, "w x 1");
    assert_shows(&registers(&prophecy, "strong-read-committed"), &["G1c-realtime"]);
    let prophecy = History::new().alone(0, "r x 1").alone(0, "w x 1");
    assert_shows(&registers(&prophecy, "strong-session-read-committed"), &["G1c-process"]);
    assert_clean(&registers(&prophecy, "serializable"));
}

#[test]
fn g_nonadjacent_two_readers_must_not_see_two_writers_in_two_orders() {
    let good = History::new().together(&["w x 1", "w y 1", "r x 1, r y -", "r x 1, r y 1"]);
    assert_clean(&registers(&good, "serializable"));
    let bad = History::new().together(&["w x 1", "w y 1", "r x 1, r y -", "r x -, r y 1"]);
    assert_shows(&registers(&bad, "snapshot-isolation"), &["G-nonadjacent-item"]);
    assert_clean(&registers(&bad, "parallel-snapshot-isolation"));
}

#[test]
fn g_nonadjacent_process_and_realtime() {
    // Each of two processes writes a key and then misses the other's write.
    let sessions = |second: [u64; 2]| {
        let history = History::new().begin(0, "w x 1").begin(1, "w y 1").ok(0).ok(1);
        let history = history.begin(second[0], "r y -").begin(second[1], "r x -");
        history.ok(second[0]).ok(second[1])
    };
    let outcome = registers(&sessions([0, 1]), "strong-session-snapshot-isolation");
    assert_shows(&outcome, &["G-nonadjacent-item-process"]);
    assert_clean(&registers(&sessions([2, 3]), "strong-session-serializable"));
    // In real time each read comes after the write that it misses.
    let outcome = registers(&sessions([2, 3]), "strong-snapshot-isolation");
    assert_shows(&outcome, &["G-single-item-realtime"]);
}

#[test]
fn g2_each_of_two_transactions_must_not_miss_the_others_write() {
    let good = History::new().together(&["r x -, w y 1", "r y 1, w x 1"]);
    assert_clean(&registers(&good, "serializable"));
    let bad = History::new().together(&["r x -, w y 1", "r y -, w x 1"]);
    assert_shows(&registers(&bad, "serializable"), &["G2-item"]);
    assert_clean(&registers(&bad, "snapshot-isolation"));
}

#[test]
fn g2_process_and_realtime() {
    // The read-only transaction anomaly of snapshot isolation, closed by an order:
    // T0 -rw-> T1 -rw-> T2, and T2 ends before T0 begins.
    let history = |last: u64| {
        let history = History::new().begin(5, "r x -, w y 1").alone(0, "w x 1");
        history.alone(last, "r y -, r x 1").ok(5)
    };
    // T(5) -rw-> T(0) -order-> T(last) -rw-> T(5).
    let outcome = registers(&history(0), "serializable");
    assert_shows(&outcome, &["G2-item"]);
    let crossing = |last: u64| {
        let history = History::new().begin(5, "r x -, w y 1").alone(0, "w x 1");
        history.alone(last, "r y -").ok(5)
    };
    let outcome = registers(&crossing(0), "strong-session-serializable");
    assert_shows(&outcome, &["G2-item-process"]);
    assert_clean(&registers(&crossing(1), "strong-session-serializable"));
    assert_shows(&registers(&crossing(1), "strict-serializable"), &["G2-item-realtime"]);
    assert_clean(&registers(&crossing(1), "strong-snapshot-isolation"));
}

#[test]
fn dirty_update_a_committed_append_must_not_stand_on_a_failed_one() {
    let history = |fails: bool| {
        let history = History::new().begin(0, "append x 1");
        let history = if fails { history.fail(0) } else { history.info(0) };
        history.alone(1, "append x 2").alone(2, "r x [1,2]")
    };
    assert_clean(&lists(&history(false), "strict-serializable"));
    assert_shows(&lists(&history(true), "read-committed"), &["G1a", "dirty-update"]);
}

#[test]
fn duplicate_elements_an_append_must_not_happen_twice() {
    let history = |read: &str| {
        let appends = History::new().together(&["append x 1", "append x 2"]);
        appends.alone(2, &format!("r x {read}"))
    };
    assert_clean(&lists(&history("[1,2]"), "read-uncommitted"));
    assert_shows(&lists(&history("[1,2,1]"), "read-uncommitted"), &["duplicate-elements"]);
}

#[test]
fn incompatible_order_all_reads_of_a_list_must_lie_on_one_line() {
    let history = |one: &str, other: &str| {
        let appends = History::new().together(&["append x 1", "append x 2"]);
        appends.together(&[&format!("r x {one}"), &format!("r x {other}")])
    };
    assert_clean(&lists(&history("[1]", "[1,2]"), "read-committed"));
    let outcome = lists(&history("[2]", "[1,2]"), "read-committed");
    assert_shows(&outcome, &["incompatible-order"]);
    assert_eq!(outcome.findings[0].ops, [6, 7]);
}

#[test]
fn future_read_a_read_must_not_hold_what_is_appended_later() {
    let good = History::new().alone(0, "r x -, append x 1").alone(1, "r x [1]");
    assert_clean(&lists(&good, "read-atomic"));
    let bad = History::new().alone(0, "r x [1], append x 1").alone(1, "r x [1]");
    assert_shows(&lists(&bad, "read-atomic"), &["future-read"]);
}

const COMPATIBLE: Options = Options { compatible: true, ..PLAIN };

/// A transaction does one thing after the other under every model.
#[test]
fn future_read_of_a_register_is_invalid_whatever_is_asked_except_by_the_originals_habit() {
    let future = ["r x 1, w x 1", "r x 1, w x 1, w x 2", "w x 1, r x 2, w x 2"];
    for text in future {
        let history = busy().alone(0, text);
        for model in Model::all() {
            let outcome = history.registers(&[model], PLAIN);
            assert_shows_among(&outcome, "future-read");
            assert_eq!(outcome.results["not"], json!(["read-uncommitted"]));
        }
        let weak = history.registers(&[model("read-uncommitted")], COMPATIBLE);
        assert_clean(&weak);
        assert!(weak.warnings.is_empty(), "{:?}", weak.warnings);
        let outcome = history.registers(&[model("read-committed")], COMPATIBLE);
        assert_clean(&outcome);
        assert_eq!(outcome.warnings[0].kind, "future-read");
    }
    let own = busy().alone(0, "r x -, w x 1, r x 1, w x 2, r x 2").alone(0, "r x 2");
    assert_clean(&own.registers(&[], STRICT));
    // What a transaction without an answer read is not known.
    let unanswered = busy().begin(0, "r x 1, w x 1").info(0).begin(1, "r x 2, w x 2").fail(1);
    assert_clean(&unanswered.registers(&[], STRICT));
}

#[test]
fn future_read_of_a_list_is_invalid_under_every_model_except_by_the_originals_habit() {
    let bad = History::new().alone(0, "append x 1").alone(0, "r x [1,2], append x 2");
    let bad = bad.alone(1, "r x [1,2]");
    for model in Model::all() {
        assert_shows_among(&bad.lists(&[model], PLAIN), "future-read");
    }
    assert_clean(&bad.lists(&[model("read-uncommitted")], COMPATIBLE));
    assert_shows_among(&bad.lists(&[model("read-committed")], COMPATIBLE), "future-read");
}

#[test]
fn overwritten_own_read_is_told_under_every_model_and_wrong_if_strict() {
    for model in Model::all() {
        let registers = busy().alone(0, "w x 1, w x 2, r x 1").alone(1, "r x 2");
        assert!(registers.registers(&[model], PLAIN).warnings.iter().any(is_overwritten));
        assert_shows_among(&registers.registers(&[model], STRICT), "overwritten-own-read");
        let lists =
            History::new().alone(0, "append x 1, append x 2, r x [1]").alone(1, "r x [1,2]");
        assert_shows_among(&lists.lists(&[model], STRICT), "overwritten-own-read");
    }
    let good = History::new().alone(0, "append x 1, r x [1], append x 2, r x [1,2]");
    assert_clean(&good.alone(1, "r x [1,2]").lists(&[], STRICT));
}

fn is_overwritten(finding: &checkers::Finding) -> bool {
    finding.kind == "overwritten-own-read"
}

/// Reads that disagree without a write between them are internal, which models
/// below read-atomic allow.
#[test]
fn internal_two_reads_of_one_key_must_agree() {
    let bad = History::new().alone(0, "w x 1").together(&["w x 2", "r x 1, r x 2"]);
    assert_shows(&registers(&bad, "read-atomic"), &["internal"]);
    assert_clean(&bad.registers(&[model("read-committed")], STRICT));
}

#[test]
fn internal_an_empty_list_is_null_except_by_the_originals_habit() {
    let reads = [("r x [], r x -", true), ("r x -, r x []", false), ("r x [], r x []", false)];
    for (text, is_internal) in reads {
        let history = History::new().together(&[text, "append x 1"]).alone(2, "r x [1]");
        assert_clean(&lists(&history, "serializable"));
        let outcome = history.lists(&[model("serializable")], COMPATIBLE);
        assert_eq!(types(&outcome).contains(&"internal".to_owned()), is_internal, "{text}");
    }
    // So two updates of an empty list can be one to the original.
    let update = ["r x [], append x 1", "r x -, append x 2"];
    let history = History::new().together(&update).alone(2, "r x [1,2]");
    assert_shows_among(&lists(&history, "cursor-stability"), "lost-update");
    assert_clean(&history.lists(&[model("cursor-stability")], COMPATIBLE));
}

#[test]
fn a_transaction_that_never_ended_proves_nothing_unless_it_was_seen() {
    let unseen = History::new().alone(0, "r x -, append x 1").begin(0, "append x 2");
    for options in [PLAIN, COMPATIBLE] {
        let outcome = unseen.lists(&[model("consistent-view")], options);
        assert_eq!(outcome.valid, Validity::Unknown, "{options:?}");
        assert_eq!(types(&outcome), ["empty-transaction-graph"]);
    }
    let lone = History::new().alone(0, "r x -").begin(1, "append x 1");
    assert_eq!(lone.lists(&[], PLAIN).valid, Validity::Unknown);
    let seen = History::new().begin(1, "append x 1, append y 1").alone(0, "r x [1], r y -");
    assert_shows(&lists(&seen, "consistent-view"), &["G-single-item"]);
    let told = History::new().begin(1, "append x 1").info(1).alone(0, "r x -");
    assert_clean(&lists(&told, "strict-serializable"));
}

/// To the original the last one in the order of a hash table is the order of
/// appends, here the one that was read first.
#[test]
fn of_two_longest_lists_the_first_counts_except_by_the_originals_habit() {
    let appends = ["append x 1", "append x 2", "append x 3, append x 4", "append x 5"];
    let history = appends.iter().fold(History::new(), |history, text| history.alone(0, text));
    let history = history.alone(1, "r x [2,5,1,3,4]").alone(2, "r x [3,2,4,1,5]");
    assert_shows(&lists(&history, "serializable"), &["incompatible-order"]);
    let outcome = history.lists(&[model("serializable")], COMPATIBLE);
    assert_shows(&outcome, &["G0", "incompatible-order"]);
}

/// The original passes these: it does not infer the order of versions from that of
/// transactions.
fn assert_told_and_wrong_if_strict(history: &History, asked: &str, anomaly: &str) {
    let models = [model(asked)];
    for options in [PLAIN, COMPATIBLE] {
        let outcome = history.registers(&models, options);
        assert_clean(&outcome);
        let warned: Vec<&str> = outcome.warnings.iter().map(|w| w.kind.as_str()).collect();
        assert!(warned.contains(&anomaly), "{warned:?}");
    }
    let strict = history.registers(&models, STRICT);
    assert_shows_among(&strict, anomaly);
    assert!(strict.findings.iter().all(|finding| !finding.ops.is_empty()));
}

fn sequence(texts: &[(u64, &str)]) -> History {
    texts.iter().fold(History::new(), |history, &(process, text)| history.alone(process, text))
}

#[test]
fn a_register_must_not_go_back_in_real_time() {
    let write = [(0, "w x 100"), (1, "w x 200")];
    let back = sequence(&[write[0], write[1], (2, "r x 200"), (3, "r x 100")]);
    assert_told_and_wrong_if_strict(&back, "strict-serializable", "G-single-item-realtime");
    assert_told_and_wrong_if_strict(&back, "strong-snapshot-isolation", "G-single-item-realtime");
    // Only what the order of transactions rules out is ruled out.
    let strict = back.registers(&[model("strict-serializable")], STRICT);
    assert_eq!(strict.results["not"], json!(["strong-snapshot-isolation"]));
    for weaker in ["serializable", "strong-session-serializable", "strong-read-committed"] {
        let outcome = back.registers(&[model(weaker)], STRICT);
        assert_clean(&outcome);
        assert!(outcome.warnings.is_empty(), "{weaker}: {:?}", outcome.warnings);
    }
    let good = sequence(&[write[0], write[1], (2, "r x 200"), (3, "r x 200")]);
    assert_clean(&good.registers(&[], STRICT));
    let at_once = History::new().together(&["w x 100", "w x 200", "r x 200", "r x 100"]);
    assert_clean(&at_once.registers(&[], STRICT));
    // A stale read alone, too, and one that only a reader of the newer one proves.
    let stale = sequence(&[write[0], write[1], (2, "r x 100")]);
    assert_told_and_wrong_if_strict(&stale, "strict-serializable", "G-single-item-realtime");
    let seen = History::new().begin(0, "w x 100").begin(1, "w x 200");
    let seen = seen.alone(2, "r x 200").alone(3, "r x 100").ok(0).ok(1);
    assert_clean(&seen.registers(&[], STRICT));
    let seen = seen.alone(2, "r x 200");
    assert_told_and_wrong_if_strict(&seen, "strict-serializable", "G-single-item-realtime");
}

#[test]
fn a_register_must_not_go_back_before_one_process() {
    let begin = || History::new().together(&["w x 1", "w x 2"]);
    let reads = [(5, "r x 1"), (5, "r x 2"), (5, "r x 1")];
    let back = reads.iter().fold(begin(), |history, &(p, text)| history.alone(p, text));
    let session = "strong-session-snapshot-isolation";
    assert_told_and_wrong_if_strict(&back, session, "G-single-item-process");
    let others = [(5, "r x 1"), (6, "r x 2"), (7, "r x 1")];
    let others = others.iter().fold(begin(), |history, &(p, text)| history.alone(p, text));
    assert_clean(&others.registers(&[model(session)], STRICT));
    let forth = begin().alone(5, "r x 1").alone(5, "r x 2").alone(5, "r x 2");
    assert_clean(&forth.registers(&[model(session)], STRICT));
}

#[test]
fn an_order_of_writes_in_real_time_shows_torn_reads_of_other_keys() {
    let writes = sequence(&[(0, "w x 1"), (1, "w x 2, w y 2")]);
    let torn = writes.begin(2, "r y 2").begin(3, "r x 1, r y 2").ok(2).ok(3);
    assert_told_and_wrong_if_strict(&torn, "strict-serializable", "G-single-item-realtime");
}

/// An indeterminate write that was read did happen; one that was not says nothing.
#[test]
fn a_register_may_change_by_what_was_never_answered() {
    let open = History::new().alone(0, "w x 1").begin(1, "w x 2");
    let good = open.alone(2, "r x 1").alone(3, "r x 2").info(1).alone(4, "r x 2");
    assert_clean(&good.registers(&[], STRICT));
    assert_told_and_wrong_if_strict(
        &good.alone(5, "r x 1"),
        "strict-serializable",
        "G-single-item-realtime",
    );
}

#[test]
fn a_list_must_not_go_back_in_real_time() {
    let history =
        |read: &str| sequence(&[(0, "append x 1"), (1, "append x 2"), (2, "r x [1,2]"), (3, read)]);
    assert_clean(&history("r x [1,2]").lists(&[], STRICT));
    assert_shows(&lists(&history("r x [1]"), "strict-serializable"), &["G-single-item-realtime"]);
}

#[test]
fn g0_shows_in_final_reads_of_registers() {
    let writes = || busy().together(&["w x 1, w y 1", "w x 2, w y 2"]);
    let interleaved = writes().at_rest().alone(3, "r x 1, r y 2").alone(4, "r y 2, r x 1");
    assert_told_and_wrong_if_strict(&interleaved, "read-uncommitted", "G0");
    let strict = interleaved.registers(&[model("read-uncommitted")], STRICT);
    assert_eq!(strict.results["not"], json!(["read-uncommitted"]));
    let good = writes().at_rest().alone(3, "r x 2, r y 2").alone(4, "r y 2, r x 2");
    assert_clean(&good.registers(&[model("read-uncommitted")], STRICT));
    // What may still happen hides what was there before.
    let unsettled = writes().begin(9, "w x 3").at_rest().alone(3, "r x 1, r y 2");
    assert_clean(&unsettled.registers(&[model("read-uncommitted")], STRICT));
}

#[test]
fn verdicts_on_registers_say_what_they_cannot_show() {
    for options in [PLAIN, STRICT, COMPATIBLE] {
        let outcome = busy().registers(&[model("read-uncommitted")], options);
        assert!(outcome.results["not-visible"].as_str().unwrap().contains("G0"));
        let lists = History::new().alone(0, "append x 1").alone(0, "r x [1]").lists(&[], options);
        assert!(!lists.results.contains_key("not-visible"));
    }
}

#[test]
fn cyclic_versions_two_transactions_must_not_overwrite_each_other() {
    let bad = History::new().together(&["r x 2, w x 1", "r x 1, w x 2"]);
    assert_shows(&registers(&bad, "read-uncommitted"), &["cyclic-versions"]);
    let good = History::new().alone(0, "r x -, w x 1").alone(1, "r x 1, w x 2");
    assert_clean(&registers(&good, "read-uncommitted"));
}

#[test]
fn cyclic_versions_of_one_register_leave_the_others_their_order() {
    let cyclic = History::new().together(&["r x 2, w x 1", "r x 1, w x 2"]);
    let more = cyclic.alone(2, "w y 1").together(&["r y 1, w y 2, w z 2", "r z 2, r y 1"]);
    let kinds = types(&registers(&more, "serializable"));
    assert!(kinds.contains(&"G-single-item".to_owned()), "{kinds:?}");
    let compatible = Options { compatible: true, ..PLAIN };
    let kinds = types(&more.registers(&[model("serializable")], compatible));
    assert!(!kinds.contains(&"G-single-item".to_owned()), "{kinds:?}");
}

#[test]
fn what_the_original_overlooks_is_a_warning_and_counts_only_if_strict() {
    let histories = [
        ("garbage-read", busy().alone(0, "w x 1").alone(1, "r x 7")),
        ("OTV", History::new().together(&["w x 1, w y 1", "r x 1, r y -"])),
        ("fractured-read", History::new().together(&["w x 1, w y 1", "r y -, r x 1"])),
        (
            "causality-violation",
            History::new().together(&["w x 1", "r x 1, w y 1", "r y 1, r x -"]),
        ),
        (
            "reply-mismatch",
            busy()
                .raw(OpType::Invoke, 0, &json!([["w", "x", 1]]))
                .raw(OpType::Ok, 0, &json!([["w", "x", 2]]))
                .alone(1, "r x 2"),
        ),
        (
            "divergent-final-read",
            History::new().together(&["w x 1", "w x 2"]).at_rest().together(&["r x 1", "r x 2"]),
        ),
    ];
    for (anomaly, history) in histories {
        let models = [model("causal-cerone")];
        let plain = history.registers(&models, PLAIN);
        assert_clean(&plain);
        let warnings: Vec<&str> = plain.warnings.iter().map(|w| w.kind.as_str()).collect();
        assert!(warnings.contains(&anomaly), "{anomaly}: {warnings:?}");
        assert_shows_among(&history.registers(&models, STRICT), anomaly);
    }
}

#[test]
fn a_process_must_see_all_that_happened_before() {
    let history = |read: &str| {
        let written = History::new().alone(0, "w x 1").alone(1, "r x 1, w x 2").alone(1, "w y 3");
        written.alone(2, "r y 3").alone(2, read)
    };
    let anomaly = "causality-violation-process";
    for older in ["r x 1", "r x -"] {
        assert_told_and_wrong_if_strict(&history(older), "causal", anomaly);
        assert_clean(&history(older).registers(&[model("causal-cerone")], STRICT));
    }
    assert_clean(&history("r x 2").registers(&[model("causal")], STRICT));
    // A write that nothing puts before the reader, or after what it read, may be missed.
    let apart = History::new().together(&["w x 1", "w x 2"]).alone(2, "r x 2").alone(3, "r x 1");
    assert_clean(&apart.registers(&[model("causal")], STRICT));
    let own = History::new().alone(0, "w x 1").alone(1, "r x 1, w x 2").alone(1, "r x 1");
    assert_told_and_wrong_if_strict(&own, "causal", anomaly);
    let failed = History::new().alone(0, "w x 1").begin(1, "w x 2").fail(1).alone(1, "r x 1");
    assert_clean(&failed.registers(&[model("causal")], STRICT));
    let lists = |read: &str| {
        let appended = History::new().alone(0, "append x 1").alone(0, "append x 2");
        appended.alone(0, "append y 3").alone(1, "r y [3]").alone(1, read).alone(2, "r x [1,2]")
    };
    assert_shows_among(&lists("r x [1]").lists(&[model("causal")], STRICT), anomaly);
    assert_clean(&lists("r x [1,2]").lists(&[model("causal")], STRICT));
}

#[test]
fn views_that_no_anomaly_spoils_are_clean_if_strict() {
    let together = History::new().together(&["w x 1, w y 1", "r x 1, r y 1", "r x -, r y -"]);
    assert_clean(&together.registers(&[model("causal-cerone")], STRICT));
    // A later writer's version is newer, not missed.
    let newer = together.alone(3, "r y 1, w y 2").alone(4, "r x 1, r y 2");
    assert_clean(&newer.registers(&[model("causal-cerone")], STRICT));
    let chain = History::new().together(&["w x 1", "r x 1, w y 1", "r y 1, r x 1"]);
    assert_clean(&chain.registers(&[model("causal-cerone")], STRICT));
}

#[test]
fn fractured_reads_of_lists_are_found() {
    let appends = ["append x 1, append y 1", "append y 2"];
    let history = |read: &str| {
        History::new().together(&appends).together(&[read]).alone(3, "r x [1], r y [1,2]")
    };
    let fractured = history("r x [1], r y -").lists(&[model("read-atomic")], STRICT);
    assert_shows(&fractured, &["OTV"]);
    assert_clean(&history("r x [1], r y [1]").lists(&[model("read-atomic")], STRICT));
}

#[test]
fn replicas_have_to_agree_at_rest_unless_something_may_still_happen() {
    let written = || busy().together(&["w x 1", "w x 2"]);
    let strict = |history: &History| history.registers(&[model("read-uncommitted")], STRICT);
    assert_clean(&strict(&written().at_rest().together(&["r x 2", "r x 2"])));
    let outcome = strict(&written().at_rest().together(&["r x 1", "r x 2"]));
    assert_shows(&outcome, &["divergent-final-read"]);
    let forgotten = strict(&written().at_rest().together(&["r x -", "r x -"]));
    assert_shows(&forgotten, &["divergent-final-read"]);
    let late = written().begin(7, "w x 3").at_rest().together(&["r x 3", "r x 2"]);
    assert_clean(&strict(&late));
}

#[test]
fn an_indeterminate_writer_that_was_read_did_happen_if_strict() {
    let seen = busy().begin(0, "w x 1, w y 1").alone(1, "r x 1, r y -").info(0);
    assert_clean(&registers(&seen, "consistent-view"));
    let outcome = seen.registers(&[model("consistent-view")], STRICT);
    assert_shows_among(&outcome, "G-single-item");
}

#[test]
fn an_answer_that_is_no_transaction_is_a_finding() {
    let bad =
        [json!(null), json!("no"), json!([["r", "x"]]), json!([["w", "x", 1, 2]]), json!([7])];
    for answer in bad {
        let history = History::new()
            .alone(0, "w x 1")
            .raw(OpType::Invoke, 1, &json!([["r", "x", null]]))
            .raw(OpType::Ok, 1, &answer)
            .alone(0, "r x 1");
        assert_shows(&registers(&history, "read-uncommitted"), &["malformed-reply"]);
    }
    let history = History::new()
        .raw(OpType::Invoke, 1, &json!([["r", "x", null]]))
        .raw(OpType::Ok, 1, &json!([["r", "x", {"a": 1}]]))
        .alone(0, "append x 1")
        .alone(0, "r x [1]");
    assert_shows(&lists(&history, "read-uncommitted"), &["malformed-reply"]);
}

#[test]
fn a_load_that_breaks_the_rules_makes_the_verdict_unknown() {
    let twice = History::new().alone(0, "w x 1").alone(1, "w x 1").alone(2, "r x 1");
    let outcome = registers(&twice, "serializable");
    assert_eq!(outcome.valid, Validity::Unknown);
    assert_eq!(types(&outcome), ["duplicate-write"]);
    let request =
        History::new().raw(OpType::Invoke, 0, &json!([["cas", "x", 1]])).alone(1, "w x 1");
    let outcome = request.alone(2, "r x 1").registers(&[], PLAIN);
    assert_eq!(
        (outcome.valid, types(&outcome)),
        (Validity::Unknown, vec!["malformed-request".into()])
    );
}

#[test]
fn nothing_to_check_is_unknown_and_by_the_originals_habit_invalid() {
    let compatible = Options { compatible: true, ..PLAIN };
    let empty = History::new();
    assert_eq!(empty.registers(&[], PLAIN).valid, Validity::Unknown);
    assert_eq!(empty.lists(&[], PLAIN).valid, Validity::Unknown);
    assert_eq!(empty.lists(&[], compatible).valid, Validity::Unknown);
    assert_eq!(empty.registers(&[], compatible).valid, Validity::Invalid);
}

#[test]
fn keys_and_values_may_be_of_any_type() {
    let history = History::new()
        .alone(0, r#"w k {"a":1}, w 7 "text", w l 1.5, w m 12345678901234567890123"#)
        .alone(1, r#"r k { "a": 1 }, r 7 "te\u0078t", r l 1.5, r m 12345678901234567890123"#);
    assert_clean(&registers(&history, "strict-serializable"));
    let rounded = History::new().alone(0, "w k 1").alone(1, "r k 1.0");
    assert_shows_among(&rounded.registers(&[], STRICT), "garbage-read");
}

#[test]
fn a_cycle_is_told_in_words_and_drawn() {
    let bad = History::new().together(&["r x -, w y 1", "r y -, w x 1"]);
    let outcome = registers(&bad, "serializable");
    let finding = &outcome.findings[0];
    for part in ["T1 = operation", "T2 = operation", "T1 before T2 (rw)", "T2 before T1 (rw)"] {
        assert!(finding.text.contains(part), "{}", finding.text);
    }
    let picture = finding.picture.as_ref().unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("rw"));
    let steps = &outcome.results["anomalies"]["G2-item"][0]["steps"];
    assert_eq!(steps[0]["type"], "rw");
}

#[test]
fn many_cases_are_counted_but_not_all_listed() {
    let failed = History::new().begin(0, "w x 1").fail(0);
    let history = (0..100).fold(failed, |history, _| history.alone(1, "r x 1"));
    let outcome = registers(&history, "read-committed");
    assert_eq!(outcome.results["anomaly-counts"]["G1a"], 100);
    assert!(outcome.findings.len() < 100);
    assert!(outcome.findings.iter().any(|finding| finding.text.contains("more cases")));
}
