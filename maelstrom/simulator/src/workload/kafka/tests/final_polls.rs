//! The operations after the recovery phase.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::workload::Next;
use crate::workload::kafka::final_polls::FinalPolls;
use crate::workload::kafka::offsets::Highest;

/// Two threads that look for these offsets.
fn polls(targets: &[(i64, i64)]) -> FinalPolls {
    FinalPolls::new(&targets.iter().copied().collect::<Highest>(), 2)
}

/// Runs a generator with threads that need no time, until it is exhausted.
/// Returns what each thread was asked to do, and when.
fn run(
    generator: &mut FinalPolls,
    answer: impl Fn(usize, usize) -> String,
) -> [Vec<(Duration, Operation)>; 2] {
    let mut rng = StdRng::seed_from_u64(1);
    let mut now = Duration::from_secs(100);
    let mut done: [Vec<(Duration, Operation)>; 2] = Default::default();
    loop {
        match generator.next(&at(now, &FreeThreads::all(2)), &mut rng) {
            Next::Invoke(thread, operation) => {
                match operation.f {
                    "crash" => ended(generator, thread, "crash", OpType::Info, "null"),
                    "assign" => ok(generator, thread, "assign", operation.value.get()),
                    _ => {
                        let polls = done[thread].iter().filter(|(_, op)| op.f == "poll").count();
                        ok(generator, thread, "poll", &answer(thread, polls));
                    }
                }
                done[thread].push((now, operation));
            }
            Next::Pending(Some(until)) => {
                assert!(until > now);
                now = until;
            }
            Next::Pending(None) => panic!("it waits for nothing"),
            Next::Exhausted => return done,
        }
    }
}

#[test]
fn a_thread_crashes_rewinds_all_keys_and_polls_until_it_saw_every_offset() {
    let answers = [
        r#"[["poll",{}]]"#,
        r#"[["poll",{"3":[[0,1],[1,2]],"12":[[5,1]]}]]"#,
        r#"[["poll",{"3":[[2,3]],"4":[[9,9]]}]]"#,
        r#"[["poll",{"4":[]}]]"#,
        r#"[["poll",{"12":[[7,2]]}]]"#,
    ];
    let done = run(&mut polls(&[(3, 2), (12, 6)]), |_, polls| answers[polls].to_owned());
    for thread in &done {
        let names: Vec<&str> = thread.iter().map(|(_, operation)| operation.f).collect();
        assert_eq!(names, ["crash", "assign", "poll", "poll", "poll", "poll", "poll"]);
        let assign = &thread[1].1;
        assert_eq!(assigned(assign), ["3", "12"]);
        assert!(assign.seek_to_beginning);
        assert!(thread[2..].iter().all(|(_, poll)| poll.poll_ms == Some(1000)));
        assert!(thread[2..].iter().all(|(_, poll)| poll.value.get() == r#"[["poll"]]"#));
    }
}

#[test]
fn a_thread_that_is_done_does_not_wait_for_another() {
    let done = run(&mut polls(&[(1, 0)]), |thread, _| {
        format!(r#"[["poll",{{"1":[[{},1]]}}]]"#, if thread == 0 { 0 } else { -1 })
    });
    assert_eq!(done[0].len(), 3);
    assert!(done[1].len() > 30, "{}", done[1].len());
}

#[test]
fn polls_that_see_too_little_are_a_fifth_of_a_second_apart_and_end_after_ten() {
    let done = run(&mut polls(&[(1, 5)]), |_, _| r#"[["poll",{"1":[[4,1]]}]]"#.to_owned());
    for thread in done {
        let times: Vec<Duration> = thread.iter().map(|(time, _)| *time).collect();
        assert_eq!(times[..3], [Duration::from_secs(100); 3], "crash, assign, first poll");
        let gaps: Vec<Duration> = times[2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap < Duration::from_millis(400)), "{gaps:?}");
        assert!((35..65).contains(&gaps.len()), "{}", gaps.len());
        let last = *times.last().unwrap();
        assert!(
            last > Duration::from_millis(109_200) && last < Duration::from_secs(110),
            "{last:?}"
        );
    }
}

#[test]
fn where_nothing_was_sent_there_is_nothing_to_do() {
    let [first, second] = run(&mut polls(&[]), |_, _| unreachable!());
    assert!(first.is_empty() && second.is_empty());
}

#[test]
fn failed_polls_count_for_nothing_and_busy_threads_are_waited_for() {
    let mut generator = polls(&[(1, 0)]);
    let mut rng = StdRng::seed_from_u64(2);
    let mut free = FreeThreads::all(2);
    for kind in [OpType::Fail, OpType::Info] {
        for thread in [0, 1] {
            ended(&mut generator, thread, "poll", kind, r#"[["poll",{"1":[[0,1]]}]]"#);
        }
    }
    assert!(matches!(generator.next(&at(Duration::ZERO, &free), &mut rng), Next::Invoke(..)));
    ok(&mut generator, 0, "poll", r#"[["poll",{"1":[[0,1]]}]]"#);
    free.take(1);
    assert!(matches!(generator.next(&at(Duration::ZERO, &free), &mut rng), Next::Pending(None)));
    free.give_back(1);
    assert!(matches!(generator.next(&at(Duration::ZERO, &free), &mut rng), Next::Invoke(1, _)));
}
