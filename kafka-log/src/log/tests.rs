//! What a cluster does not bring about: a service that does not answer, or that contradicts
//! itself. The rest is tested with whole brokers, in `broker/tests.rs`.

use super::*;

/// A lone node, whose every read finds nothing.
fn serving() -> Log {
    let mut log = Log::new(0, 1, "n0-0".to_owned(), Options::default());
    while !log.is_serving() {
        for command in log.advance(Time::ZERO) {
            let Command::Read(register) = command else { panic!("{command:?}") };
            log.found(register, None);
        }
    }
    log
}

fn send(log: &mut Log, ticket: Ticket) -> Vec<Command> {
    let message = RawValue::from_string(ticket.to_string()).unwrap();
    log.send(Time::ZERO, ticket, "c1".into(), "k".to_owned(), message).unwrap();
    log.advance(Time::ZERO)
}

#[test]
fn only_a_request_that_is_in_no_segment_can_be_withdrawn_for_certain() {
    let mut log = serving();
    let Some(Command::Propose(register, text)) = send(&mut log, 1).pop() else {
        panic!("nothing is proposed");
    };
    assert!(send(&mut log, 2).is_empty(), "one segment is under way");
    assert!(!log.withdraw(1), "it may be written yet");
    assert!(log.withdraw(2));
    log.decided(Time::ZERO, register, &text);
    assert!(log.advance(Time::ZERO).is_empty(), "nobody waits");
    let shown: Vec<_> = log.replica().stable("k", 0).collect();
    assert_eq!(shown, [(0, "1")]);
}

#[test]
fn a_service_that_contradicts_itself_stops_the_node_and_it_says_so() {
    let mut log = Log::new(0, 1, "n0-0".to_owned(), Options::default());
    let mut alarms = Vec::new();
    for _ in 0..2 {
        log.found(Register::Snapshot(0), None);
        log.found(Register::Segment(0, 0), Some(r#"{"by":"x","seen":[7]}"#.into()));
        alarms.extend(log.advance(Time::ZERO).into_iter().filter_map(|command| match command {
            Command::Alarm(alarm) => Some(alarm),
            _ => None,
        }));
    }
    assert_eq!(alarms.len(), 1);
    assert!(alarms[0].contains("segment/0/0 in lin-kv is not usable"), "{alarms:?}");
    assert!(!log.is_serving());
}
