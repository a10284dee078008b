//! The adversarial `seq-kv`, one promise at a time.

use super::*;

fn adversarial() -> Services {
    Services::new(&mut StdRng::seed_from_u64(0), SeqKv::Adversarial)
}

fn cas_or_create(services: &mut Services, client: Address, from: u64, to: u64) -> Value {
    let mut body = cas(&json!(from), &json!(to));
    body["create_if_not_exists"] = json!(true);
    let reply = ask(services, SEQ, client, &body);
    reply.get("code").unwrap_or(&reply["type"]).clone()
}

#[test]
fn who_only_reads_may_wait_for_ever() {
    let mut services = adversarial();
    write(&mut services, SEQ, N0, "k", 1);
    for _ in 0..100 {
        assert_eq!(read(&mut services, SEQ, N1, "k"), None);
        assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(1)));
    }
}

#[test]
fn a_write_however_unique_makes_its_writers_reads_no_fresher() {
    let mut services = adversarial();
    write(&mut services, SEQ, N0, "theirs", 1);
    write(&mut services, SEQ, N1, "mine", "unique");
    assert_eq!(read(&mut services, SEQ, N1, "theirs"), None);
    assert_eq!(read(&mut services, SEQ, N1, "mine"), Some(json!("unique")));
}

#[test]
fn of_two_who_write_and_then_read_the_others_write_one_finds_it() {
    let mut services = adversarial();
    write(&mut services, SEQ, N0, "x", 1);
    write(&mut services, SEQ, N1, "y", 1);
    assert_eq!(read(&mut services, SEQ, N0, "y"), None);
    assert_eq!(read(&mut services, SEQ, N1, "x"), Some(json!(1)));
}

#[test]
fn a_write_may_be_overwritten_by_an_earlier_one_that_its_writer_has_not_seen() {
    let mut services = adversarial();
    write(&mut services, SEQ, N0, "k", 1);
    write(&mut services, SEQ, N1, "k", 2);
    assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(1)));
    assert_eq!(read(&mut services, SEQ, N1, "k"), Some(json!(2)));
}

#[test]
fn a_cas_that_others_have_overtaken_takes_its_client_half_way_to_the_present() {
    let mut services = adversarial();
    for value in 0..100 {
        assert_eq!(cas_or_create(&mut services, N0, value, value + 1), "cas_ok");
    }
    let mut cas_from_100 = || cas_or_create(&mut services, N1, 100, 101);
    assert_eq!(cas_from_100(), 22, "N1 sees no key and would create it");
    assert_eq!(cas_from_100(), 22, "but sees the past, whatever it has heard,");
    assert_eq!(cas_from_100(), 22, "until it tries to change that");
    for seen in [50, 75, 88, 94, 97, 99] {
        assert_eq!(read(&mut services, SEQ, N1, "k"), Some(json!(seen)));
        assert_eq!(cas_or_create(&mut services, N1, seen, 7), 22);
    }
    assert_eq!(cas_or_create(&mut services, N1, 100, 101), "cas_ok");
    assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(100)));
}

#[test]
fn a_write_goes_behind_the_first_version_that_no_cas_has_replaced() {
    let mut services = adversarial();
    assert_eq!(cas_or_create(&mut services, N0, 0, 1), "cas_ok");
    write(&mut services, SEQ, N0, "later", 1);
    write(&mut services, SEQ, N0, "k", 2);
    write(&mut services, SEQ, N1, "k", 3);
    assert_eq!(read(&mut services, SEQ, N1, "k"), Some(json!(3)));
    assert_eq!(read(&mut services, SEQ, N1, "later"), None);
    assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(2)));
}

#[test]
fn a_cas_that_a_write_has_overtaken_may_have_come_before_it() {
    let mut services = adversarial();
    write(&mut services, SEQ, N0, "k", 1);
    assert_eq!(cas_or_create(&mut services, N1, 7, 8), "cas_ok");
    assert_eq!(read(&mut services, SEQ, N1, "k"), Some(json!(8)));
    assert_eq!(read(&mut services, SEQ, N0, "k"), Some(json!(1)));
}

#[test]
fn a_new_incarnation_knows_nothing_and_late_messages_are_the_old_ones() {
    let mut services = adversarial();
    services.begin_incarnation(N0, 0);
    services.begin_incarnation(N0, 10);
    let mut send = |id, body: Value| {
        let message = Message { id, src: N0, dest: Address::Service(SEQ), body: raw(&body) };
        let reply = services.handle(SEQ, &message).unwrap();
        serde_json::from_str::<Value>(reply.get()).unwrap()
    };
    let read = json!({"type": "read", "key": "k", "msg_id": 1});
    send(1, json!({"type": "write", "key": "k", "value": 1, "msg_id": 1}));
    assert_eq!(send(3, read.clone())["value"], 1);
    assert_eq!(send(10, read.clone())["code"], 20);
    assert_eq!(send(2, cas(&json!(1), &json!(2)))["type"], "cas_ok");
    assert_eq!(send(11, read.clone())["code"], 20);
    assert_eq!(send(4, read)["value"], 2);
}
