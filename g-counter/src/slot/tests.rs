//! The slot, request by request.

use maelstrom::machine::{Operation, Output};
use serde_json::value::RawValue;

use super::*;

const NONCE: u64 = 7;

fn contribution(epoch: u64, incarnation: u64, sequence: u64, sum: i64) -> Contribution {
    Contribution { epoch, incarnation, sequence, sum: sum.into() }
}

/// What a slot wants done, as text, and its call, if it makes one.
struct Done {
    replies: Vec<String>,
    call: Option<(Call, ServiceCall)>,
}

impl Done {
    fn of(mut out: Out) -> Self {
        let (mut replies, mut call) = (Vec::new(), None);
        for output in out.drain() {
            match output {
                Output::Call(tag, made) => {
                    assert!(call.replace((tag, made)).is_none(), "one request at a time");
                }
                Output::Reply(Client(client), Ok(reply)) => {
                    replies.push(format!("{client}: {reply:?}"));
                }
                Output::Reply(Client(client), Err(error)) => {
                    replies.push(format!("{client}: {}", error.code()));
                }
                output => panic!("{output:?}"),
            }
        }
        Self { replies, call }
    }

    /// From what to what it writes.
    fn write(&self) -> (Contribution, Contribution) {
        let Some((Call::Write, call)) = &self.call else { panic!("no write: {:?}", self.call) };
        let Operation::Cas { from, to, .. } = &call.operation else { panic!("{call:?}") };
        let contribution = |json: &RawValue| serde_json::from_str(json.get()).unwrap();
        (contribution(from), contribution(to))
    }

    fn is_check(&self) -> bool {
        matches!(self.call, Some((Call::Check, _)))
    }

    /// What it replies, where it calls nobody.
    fn replies(self) -> Vec<String> {
        assert!(self.call.is_none(), "{:?}", self.call);
        self.replies
    }
}

/// A slot, and the time.
struct Script {
    slot: Slot,
    now: Time,
}

impl Script {
    /// An incarnation that has begun, and what it wants.
    fn start() -> (Self, Done) {
        let slot = Slot::new("counter/n0".to_owned(), NONCE, Bugs::default());
        let mut script = Self { slot, now: Time::ZERO };
        let done = script.has(Slot::start);
        (script, done)
    }

    /// A node's first incarnation, whose key is taken.
    fn open() -> Self {
        let (mut script, _) = Self::start();
        script.written(Ok(true));
        script
    }

    fn has<T>(&mut self, event: impl FnOnce(&mut Slot, Time, &mut Out) -> T) -> Done {
        let mut out = Out::default();
        event(&mut self.slot, self.now, &mut out);
        Done::of(out)
    }

    fn add(&mut self, client: u64, delta: i64) -> Done {
        self.slot.add(Client(client), delta.into());
        self.flush()
    }

    fn flush(&mut self) -> Done {
        self.has(Slot::flush)
    }

    fn written(&mut self, answer: Result<bool, NoAnswer>) -> Done {
        self.has(|slot, now, out| slot.written(answer, now, out))
    }

    fn found(&mut self, answer: Result<Contribution, NoAnswer>) -> Done {
        self.has(|slot, now, out| slot.found(answer, now, out))
    }

    fn give_up(&mut self, client: u64) -> Done {
        self.has(|slot, _, out| slot.give_up(Client(client), out))
    }
}

#[test]
fn a_first_incarnation_creates_its_key_in_one_round_trip() {
    let (mut script, done) = Script::start();
    assert_eq!(done.write(), (Contribution::unwritten(), contribution(1, NONCE, 0, 0)));
    assert!(script.written(Ok(true)).replies().is_empty());
    assert_eq!(script.slot.confirmed(), Some(&contribution(1, NONCE, 0, 0)));
}

#[test]
fn a_later_incarnation_takes_over_what_it_finds_and_counts_nothing_before() {
    let (mut script, _) = Script::start();
    assert!(script.add(1, 3).replies().is_empty());
    assert!(script.written(Ok(false)).is_check());
    let done = script.found(Ok(contribution(4, 99, 8, 50)));
    assert_eq!(done.write(), (contribution(4, 99, 8, 50), contribution(5, NONCE, 0, 50)));
    assert_eq!(script.slot.confirmed(), None);
    assert!(script.written(Ok(true)).replies().is_empty());
    assert_eq!(
        script.flush().write(),
        (contribution(5, NONCE, 0, 50), contribution(5, NONCE, 1, 53))
    );
}

#[test]
fn a_fence_that_fails_is_raised_again_from_the_newest_value_seen() {
    let (mut script, _) = Script::start();
    script.written(Ok(false));
    script.found(Ok(contribution(4, 99, 8, 50)));
    // The former incarnation's last write came first.
    script.written(Ok(false));
    let done = script.found(Ok(contribution(4, 99, 9, 60)));
    assert_eq!(done.write(), (contribution(4, 99, 9, 60), contribution(5, NONCE, 0, 60)));
    // A look at the past makes it no older.
    script.written(Ok(false));
    let done = script.found(Ok(contribution(4, 99, 2, 20)));
    assert_eq!(done.write(), (contribution(4, 99, 9, 60), contribution(5, NONCE, 0, 60)));
    // No answer, but it has happened.
    script.written(Err(NoAnswer));
    script.found(Ok(contribution(5, NONCE, 0, 60)));
    assert_eq!(script.slot.confirmed(), Some(&contribution(5, NONCE, 0, 60)));
}

#[test]
fn an_add_is_acknowledged_when_its_write_is_answered() {
    let mut script = Script::open();
    let done = script.add(1, 3);
    assert_eq!(done.write(), (contribution(1, NONCE, 0, 0), contribution(1, NONCE, 1, 3)));
    assert_eq!(script.written(Ok(true)).replies(), ["1: Added"]);
}

#[test]
fn what_arrives_during_a_write_shares_the_next_one() {
    let mut script = Script::open();
    script.add(1, 3);
    assert!(script.add(2, 10).replies().is_empty());
    assert!(script.add(3, 100).replies().is_empty());
    assert_eq!(script.written(Ok(true)).replies(), ["1: Added"]);
    let done = script.flush();
    assert_eq!(done.write(), (contribution(1, NONCE, 1, 3), contribution(1, NONCE, 2, 113)));
    assert_eq!(script.written(Ok(true)).replies(), ["2: Added", "3: Added"]);
}

#[test]
fn a_write_that_happened_without_an_answer_is_found_and_not_repeated() {
    for answer in [Err(NoAnswer), Ok(false)] {
        let mut script = Script::open();
        script.add(1, 3);
        assert!(script.written(answer).is_check());
        assert_eq!(script.found(Ok(contribution(1, NONCE, 1, 3))).replies(), ["1: Added"]);
        assert!(script.flush().replies().is_empty());
    }
}

#[test]
fn a_write_is_repeated_as_it_was_whatever_arrived_since() {
    let step = || (contribution(1, NONCE, 0, 0), contribution(1, NONCE, 1, 3));
    let past = [Ok(contribution(1, NONCE, 0, 0)), Ok(Contribution::unwritten()), Err(NoAnswer)];
    for found in past {
        let mut script = Script::open();
        assert_eq!(script.add(1, 3).write(), step());
        script.add(2, 10);
        script.written(Err(NoAnswer));
        assert_eq!(script.found(found).write(), step());
        assert_eq!(script.written(Ok(true)).replies(), ["1: Added"]);
    }
}

#[test]
fn an_incarnation_that_was_superseded_does_not_say_what_it_does_not_know() {
    let mut script = Script::open();
    script.add(1, 3);
    script.add(2, 10);
    script.written(Ok(false));
    let done = script.found(Ok(contribution(2, 99, 0, 0)));
    assert_eq!(done.replies, ["1: crash (13)"]);
    assert_eq!(done.write(), (contribution(2, 99, 0, 0), contribution(3, NONCE, 0, 0)));
    assert!(script.written(Ok(true)).replies().is_empty());
    let (_, to) = script.flush().write();
    assert_eq!(to, contribution(3, NONCE, 1, 10));
    assert_eq!(script.written(Ok(true)).replies(), ["2: Added"]);
}

#[test]
fn a_sum_beyond_every_machine_word_is_written_and_comes_back() {
    let most = i64::MAX;
    let mut script = Script::open();
    script.add(1, most);
    script.add(2, most);
    script.add(3, most);
    script.written(Ok(true));
    let (_, to) = script.flush().write();
    assert_eq!(to.sum.to_string(), "27670116110564327421");
    assert_eq!(script.written(Ok(true)).replies(), ["2: Added", "3: Added"]);
    for _ in 0..3 {
        script.slot.add(Client(4), (-most).into());
    }
    assert_eq!(script.flush().write().1.sum, 0.into());
}

#[test]
fn what_changes_nothing_is_safe_already() {
    let mut script = Script::open();
    assert_eq!(script.add(1, 0).replies(), ["1: Added"]);
}

#[test]
fn requests_that_get_nowhere_become_rarer_and_more_patient() {
    let mut script = Script::open();
    let mut pauses = Vec::new();
    let mut patience = Vec::new();
    let mut note = |done: &Done| {
        let (_, call) = done.call.as_ref().unwrap();
        pauses.push(call.pause.as_millis());
        patience.push(call.timeout.as_secs());
    };
    let mut done = script.add(1, 3);
    for _ in 0..12 {
        note(&done);
        note(&script.written(Err(NoAnswer)));
        done = script.found(Err(NoAnswer));
    }
    assert_eq!((&pauses[..5], pauses.last()), (&[0, 0, 10, 20, 40][..], Some(&1000)));
    assert_eq!((&patience[..5], patience.last()), (&[1, 2, 4, 8, 8][..], Some(&8)));
}

#[test]
fn a_slow_service_is_given_time() {
    let mut script = Script::open();
    for _ in 0..20 {
        script.add(1, 3);
        script.now += Duration::from_millis(1_500);
        script.written(Ok(true));
    }
    let patience = script.add(1, 3).call.unwrap().1.timeout;
    assert!(patience > Duration::from_millis(1_500), "{patience:?}");
}

#[test]
fn who_gives_up_is_told_what_is_known_and_takes_what_is_not_written_with_it() {
    let mut script = Script::open();
    script.add(1, 3);
    script.add(2, 10);
    script.add(3, 100);
    assert_eq!(script.give_up(1).replies(), ["1: crash (13)"]);
    assert_eq!(script.give_up(2).replies(), ["2: temporarily-unavailable (11)"]);
    assert!(script.written(Ok(true)).replies().is_empty());
    assert_eq!(
        script.flush().write(),
        (contribution(1, NONCE, 1, 3), contribution(1, NONCE, 2, 103))
    );
}
