//! The services, request by request.

mod adversarial;
mod sequential;

use std::collections::BTreeSet;

use checkers::history::raw;
use serde_json::{Value, json};

use super::*;

const N0: Address = Address::Node(0);
const N1: Address = Address::Node(1);

fn services(seed: u64) -> Services {
    Services::new(&mut StdRng::seed_from_u64(seed), SeqKv::Real)
}

/// A service's reply to a request, or null.
fn ask(services: &mut Services, name: ServiceName, client: Address, body: &Value) -> Value {
    let message = Message { id: 0, src: client, dest: Address::Service(name), body: raw(body) };
    let reply = services.handle(name, &message);
    reply.map_or(Value::Null, |body| serde_json::from_str(body.get()).unwrap())
}

fn read(services: &mut Services, name: ServiceName, client: Address, key: &str) -> Option<Value> {
    let reply = ask(services, name, client, &json!({"type": "read", "key": key, "msg_id": 1}));
    match reply["type"].as_str() {
        Some("read_ok") => Some(reply["value"].clone()),
        _ => {
            assert_eq!(reply["code"], 20);
            None
        }
    }
}

fn write(
    services: &mut Services,
    name: ServiceName,
    client: Address,
    key: &str,
    value: impl Into<Value>,
) {
    let body = json!({"type": "write", "key": key, "value": value.into(), "msg_id": 1});
    assert_eq!(ask(services, name, client, &body), json!({"type": "write_ok", "in_reply_to": 1}));
}

fn cas(from: &Value, to: &Value) -> Value {
    json!({"type": "cas", "key": "k", "from": from, "to": to, "msg_id": 4})
}

const LIN: ServiceName = ServiceName::LinKv;
const SEQ: ServiceName = ServiceName::SeqKv;
const LWW: ServiceName = ServiceName::LwwKv;
const TSO: ServiceName = ServiceName::LinTso;

#[test]
fn a_linearizable_store_reads_what_was_written_last_by_whomever() {
    let mut services = services(0);
    assert_eq!(read(&mut services, LIN, N0, "k"), None);
    write(&mut services, LIN, N0, "k", 1);
    write(&mut services, LIN, N1, "k", 2);
    assert_eq!(read(&mut services, LIN, N0, "k"), Some(json!(2)));
    assert_eq!(read(&mut services, LIN, N0, "other"), None);
}

#[test]
fn compare_and_set_wants_the_value_that_is_there() {
    let mut services = services(0);
    let reply = ask(&mut services, LIN, N0, &cas(&json!(1), &json!(2)));
    assert_eq!(reply["code"], 20);
    write(&mut services, LIN, N0, "k", json!({"a": [1], "b": "x"}));
    let reply = ask(&mut services, LIN, N0, &cas(&json!({"a": [1]}), &json!(2)));
    assert_eq!((&reply["code"], &reply["in_reply_to"]), (&json!(22), &json!(4)));
    assert_eq!(reply["text"], r#"current value {"a":[1],"b":"x"} is not {"a":[1]}"#);
    let reply = ask(&mut services, LIN, N0, &cas(&json!({"b": "x", "a": [1]}), &json!(2)));
    assert_eq!(reply, json!({"type": "cas_ok", "in_reply_to": 4}));
    assert_eq!(read(&mut services, LIN, N0, "k"), Some(json!(2)));
}

#[test]
fn compare_and_set_creates_a_key_when_asked_to_except_in_the_eventual_store() {
    for (name, creates) in [(LIN, true), (SEQ, true), (LWW, false)] {
        let mut services = services(0);
        let mut body = cas(&json!(0), &json!(2));
        body["create_if_not_exists"] = json!(true);
        let reply = ask(&mut services, name, N0, &body);
        assert_eq!(reply["type"] == "cas_ok", creates, "{reply}");
    }
}

#[test]
fn keys_and_values_are_any_json_and_come_back_as_they_were_spelt() {
    let mut services = services(0);
    let message = |text: &str| Message {
        id: 0,
        src: N0,
        dest: Address::Service(LIN),
        body: RawValue::from_string(text.to_owned()).unwrap(),
    };
    let value = r#"{"z":1.0, "a":123456789012345678901234567890}"#;
    let write =
        format!(r#"{{"type":"write","key":[1,{{"a":1,"b":2}}],"value":{value},"msg_id":1}}"#);
    services.handle(LIN, &message(&write)).unwrap();
    let read = r#"{"type":"read","key":[ 1, {"b":2,"a":1} ],"msg_id":2}"#;
    let reply = services.handle(LIN, &message(read)).unwrap();
    assert_eq!(reply.get(), format!(r#"{{"type":"read_ok","value":{value},"in_reply_to":2}}"#));
}

#[test]
fn timestamps_count_from_zero() {
    let mut services = services(0);
    for ts in 0..3 {
        let reply = ask(&mut services, TSO, N0, &json!({"type": "ts", "msg_id": 5}));
        assert_eq!(reply, json!({"type": "ts_ok", "ts": ts, "in_reply_to": 5}));
    }
}

#[test]
fn what_a_service_does_not_know_is_an_error_and_a_reply_is_ignored() {
    let mut services = services(0);
    for name in ServiceName::ALL {
        let reply = ask(&mut services, name, N0, &json!({"type": "append", "msg_id": 6}));
        assert_eq!((&reply["code"], &reply["in_reply_to"]), (&json!(10), &json!(6)));
        let reply = ask(&mut services, name, N0, &json!({"type": 3, "msg_id": 6}));
        assert_eq!(reply["code"], 12);
        let reply = ask(&mut services, name, N0, &json!({"type": "read_ok", "in_reply_to": 6}));
        assert_eq!(reply, Value::Null);
    }
}

#[test]
fn a_sequential_stores_writer_reads_its_own_unique_writes() {
    for seed in 0..50 {
        let mut services = services(seed);
        for value in 0..10 {
            write(&mut services, SEQ, N0, "k", value);
            assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(value)));
        }
    }
}

#[test]
fn a_sequential_store_may_show_others_the_past_but_never_runs_backwards() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut services = services(seed);
        for value in 0..20 {
            write(&mut services, SEQ, N0, "k", value);
        }
        let mut last = -1;
        for _ in 0..5 {
            let value =
                read(&mut services, SEQ, N1, "k").map_or(-1, |value| value.as_i64().unwrap());
            assert!(value >= last, "{value} after {last}");
            last = value;
            seen.insert(value);
        }
    }
    assert_eq!(seen, (-1..20).collect(), "every state from the empty one to the newest");
}

#[test]
fn a_write_takes_a_lagging_client_to_the_newest_state_unless_it_changes_nothing() {
    let mut refreshed = 0;
    for seed in 0..100 {
        let mut services = services(seed);
        write(&mut services, SEQ, N0, "same", 7);
        for value in 0..10 {
            write(&mut services, SEQ, N0, "k", value);
        }
        write(&mut services, SEQ, N1, "same", 7);
        refreshed += usize::from(read(&mut services, SEQ, N1, "k") == Some(json!(9)));
        write(&mut services, SEQ, N1, "mine", "unique");
        assert_eq!(read(&mut services, SEQ, N1, "k"), Some(json!(9)));
    }
    assert!((1..60).contains(&refreshed), "a rewrite proves nothing, but refreshed {refreshed}");
}

#[test]
fn a_sequential_stores_cas_succeeds_only_on_the_newest_state() {
    for seed in 0..100 {
        let mut services = services(seed);
        write(&mut services, SEQ, N0, "k", 1);
        write(&mut services, SEQ, N0, "k", 2);
        let reply = ask(&mut services, SEQ, N1, &cas(&json!(1), &json!(3)));
        assert_ne!(reply["type"], "cas_ok", "1 is the past");
        assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(2)));
    }
}

#[test]
fn a_client_that_lags_more_than_32_states_may_be_taken_back_in_time() {
    let backwards = (0..200).any(|seed| {
        let mut services = services(seed);
        for value in 0..200 {
            write(&mut services, SEQ, N0, "k", value);
        }
        let mut reads =
            (0..8).map(|_| read(&mut services, SEQ, N1, "k").unwrap().as_i64().unwrap());
        let first = reads.next().unwrap();
        assert!(first >= 168, "only the last 32 states are remembered, not {first}");
        reads.any(|value| value < first)
    });
    assert!(backwards);
}

#[test]
fn an_eventual_stores_replicas_differ_at_first_and_agree_in_the_end() {
    let mut differed = false;
    for seed in 0..50 {
        let mut services = services(seed);
        write(&mut services, LWW, N0, "k", 1);
        write(&mut services, LWW, N1, "k", 2);
        let early: BTreeSet<String> =
            (0..4).map(|_| format!("{:?}", read(&mut services, LWW, N0, "k"))).collect();
        differed |= early.len() > 1;
        for _ in 0..100 {
            read(&mut services, LWW, N0, "other");
        }
        let late: BTreeSet<String> =
            (0..20).map(|_| format!("{:?}", read(&mut services, LWW, N0, "k"))).collect();
        assert_eq!(late.len(), 1, "{late:?}");
        assert!(!late.contains("None"));
    }
    assert!(differed);
}
