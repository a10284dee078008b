//! The ledger, request by request.

use super::*;

const NONCE: u64 = 7;

fn share(incarnation: u64, nonce: u64, sequence: u64, sum: i64) -> Share {
    Share { incarnation, nonce, sequence, sum: sum.into() }
}

/// A ledger, and what it last commanded.
struct Script {
    ledger: Ledger<&'static str>,
    now: Instant,
}

impl Script {
    /// A life that has begun, and what it commands.
    fn start() -> (Self, Vec<Command<&'static str>>) {
        let now = Instant::now();
        let (mut ledger, mut out) = (Ledger::new(NONCE, now), Vec::new());
        ledger.start(now, &mut out);
        (Self { ledger, now }, out)
    }

    /// A node's first life, whose key is taken.
    fn open() -> Self {
        let (mut script, _) = Self::start();
        script.written(Ok(true));
        script
    }

    fn add(&mut self, client: &'static str, delta: i64) -> Vec<Command<&'static str>> {
        self.ledger.add(client, delta.into());
        self.flush()
    }

    fn flush(&mut self) -> Vec<Command<&'static str>> {
        let mut out = Vec::new();
        self.ledger.flush(self.now, &mut out);
        out
    }

    fn written(&mut self, answer: Result<bool, NoAnswer>) -> Vec<Command<&'static str>> {
        let mut out = Vec::new();
        self.ledger.written(answer, self.now, &mut out);
        out
    }

    fn found(&mut self, answer: Result<Share, NoAnswer>) -> Vec<Command<&'static str>> {
        let mut out = Vec::new();
        self.ledger.found(answer, self.now, &mut out);
        out
    }
}

/// The only write among the commands.
fn write(commands: &[Command<&'static str>]) -> (Share, Share) {
    let mut writes = commands.iter().filter_map(|command| match command {
        Command::Write { from, to, .. } => Some((from.clone(), to.clone())),
        _ => None,
    });
    let write = writes.next().expect("a write");
    assert_eq!(writes.next(), None, "one request at a time");
    write
}

fn is_check(commands: &[Command<&'static str>]) -> bool {
    matches!(commands, [Command::Check(_)])
}

fn added(client: &'static str) -> Command<&'static str> {
    Command::Answer(client, Answer::Added)
}

fn refused(client: &'static str, why: Refusal) -> Command<&'static str> {
    Command::Answer(client, Answer::Refused(why))
}

#[test]
fn a_first_life_creates_its_key_in_one_round_trip() {
    let (mut script, commands) = Script::start();
    assert_eq!(write(&commands), (Share::unwritten(), share(1, NONCE, 0, 0)));
    assert_eq!(script.written(Ok(true)), []);
    assert_eq!(script.ledger.confirmed(), Some(&share(1, NONCE, 0, 0)));
}

#[test]
fn a_later_life_takes_over_what_it_finds_and_counts_nothing_before() {
    let (mut script, _) = Script::start();
    assert_eq!(script.add("c1", 3), []);
    assert!(is_check(&script.written(Ok(false))));
    let commands = script.found(Ok(share(4, 99, 8, 50)));
    assert_eq!(write(&commands), (share(4, 99, 8, 50), share(5, NONCE, 0, 50)));
    assert_eq!(script.ledger.confirmed(), None);
    assert_eq!(script.written(Ok(true)), []);
    assert_eq!(write(&script.flush()), (share(5, NONCE, 0, 50), share(5, NONCE, 1, 53)));
}

#[test]
fn a_fence_that_fails_is_raised_again_from_the_newest_value_seen() {
    let (mut script, _) = Script::start();
    script.written(Ok(false));
    script.found(Ok(share(4, 99, 8, 50)));
    // The former life's last write came first.
    script.written(Ok(false));
    let commands = script.found(Ok(share(4, 99, 9, 60)));
    assert_eq!(write(&commands), (share(4, 99, 9, 60), share(5, NONCE, 0, 60)));
    // A look at the past makes it no older.
    script.written(Ok(false));
    let commands = script.found(Ok(share(4, 99, 2, 20)));
    assert_eq!(write(&commands), (share(4, 99, 9, 60), share(5, NONCE, 0, 60)));
    // No answer, but it has happened.
    script.written(Err(NoAnswer));
    script.found(Ok(share(5, NONCE, 0, 60)));
    assert_eq!(script.ledger.confirmed(), Some(&share(5, NONCE, 0, 60)));
}

#[test]
fn an_add_is_acknowledged_when_its_write_is_answered() {
    let mut script = Script::open();
    let commands = script.add("c1", 3);
    assert_eq!(commands.len(), 1);
    assert_eq!(write(&commands), (share(1, NONCE, 0, 0), share(1, NONCE, 1, 3)));
    assert_eq!(script.written(Ok(true)), [added("c1")]);
}

#[test]
fn what_arrives_during_a_write_shares_the_next_one() {
    let mut script = Script::open();
    script.add("c1", 3);
    assert_eq!(script.add("c2", 10), []);
    assert_eq!(script.add("c3", 100), []);
    assert_eq!(script.written(Ok(true)), [added("c1")]);
    let commands = script.flush();
    assert_eq!(write(&commands), (share(1, NONCE, 1, 3), share(1, NONCE, 2, 113)));
    assert_eq!(script.written(Ok(true)), [added("c2"), added("c3")]);
}

#[test]
fn a_write_that_happened_without_an_answer_is_found_and_not_repeated() {
    for answer in [Err(NoAnswer), Ok(false)] {
        let mut script = Script::open();
        script.add("c1", 3);
        assert!(is_check(&script.written(answer)));
        assert_eq!(script.found(Ok(share(1, NONCE, 1, 3))), [added("c1")]);
        assert_eq!(script.flush(), []);
    }
}

#[test]
fn a_write_is_repeated_as_it_was_whatever_arrived_since() {
    let step = || (share(1, NONCE, 0, 0), share(1, NONCE, 1, 3));
    let past = [Ok(share(1, NONCE, 0, 0)), Ok(Share::unwritten()), Err(NoAnswer)];
    for found in past {
        let mut script = Script::open();
        assert_eq!(write(&script.add("c1", 3)), step());
        script.add("c2", 10);
        script.written(Err(NoAnswer));
        assert_eq!(write(&script.found(found)), step());
        assert_eq!(script.written(Ok(true)), [added("c1")]);
    }
}

#[test]
fn a_life_that_was_superseded_does_not_say_what_it_does_not_know() {
    let mut script = Script::open();
    script.add("c1", 3);
    script.add("c2", 10);
    script.written(Ok(false));
    let commands = script.found(Ok(share(2, 99, 0, 0)));
    assert_eq!(commands[0], refused("c1", Refusal::Unknown));
    assert_eq!(write(&commands), (share(2, 99, 0, 0), share(3, NONCE, 0, 0)));
    assert_eq!(script.written(Ok(true)), []);
    let (_, to) = write(&script.flush());
    assert_eq!(to, share(3, NONCE, 1, 10));
    assert_eq!(script.written(Ok(true)), [added("c2")]);
}

#[test]
fn a_sum_beyond_every_machine_word_is_written_and_comes_back() {
    let most = i64::MAX;
    let mut script = Script::open();
    script.add("c1", most);
    script.add("c2", most);
    script.add("c3", most);
    script.written(Ok(true));
    let (_, to) = write(&script.flush());
    assert_eq!(to.sum.to_string(), "27670116110564327421");
    assert_eq!(script.written(Ok(true)), [added("c2"), added("c3")]);
    for _ in 0..3 {
        script.ledger.add("c4", (-most).into());
    }
    assert_eq!(write(&script.flush()).1.sum, 0.into());
}

#[test]
fn what_changes_nothing_is_safe_already() {
    let mut script = Script::open();
    assert_eq!(script.add("c1", 0), [added("c1")]);
}

#[test]
fn requests_that_get_nowhere_become_rarer_and_more_patient() {
    let mut script = Script::open();
    let mut paces = Vec::new();
    let mut commands = script.add("c1", 3);
    for _ in 0..12 {
        let [Command::Write { pace, .. }] = &commands[..] else { panic!("{commands:?}") };
        paces.push(*pace);
        let [Command::Check(pace)] = script.written(Err(NoAnswer))[..] else { panic!() };
        paces.push(pace);
        commands = script.found(Err(NoAnswer));
    }
    let millis = Duration::from_millis;
    let pauses: Vec<Duration> = paces.iter().map(|pace| pace.pause).take(5).collect();
    assert_eq!(pauses, [millis(0), millis(0), millis(10), millis(20), millis(40)]);
    let patience: Vec<u64> = paces.iter().map(|pace| pace.patience.as_secs()).take(5).collect();
    assert_eq!(patience, [1, 2, 4, 8, 8]);
    let last = Pace { pause: LONGEST_PAUSE, patience: LONGEST_PATIENCE };
    assert_eq!(paces.last(), Some(&last));
}

#[test]
fn a_slow_service_is_given_time() {
    let mut script = Script::open();
    script.add("c1", 3);
    script.now += Duration::from_millis(1_500);
    script.written(Ok(true));
    let [Command::Write { pace, .. }] = script.add("c2", 3)[..] else { panic!("no write") };
    assert_eq!(pace.patience, Duration::from_secs(6));
}

#[test]
fn at_the_end_everybody_is_answered_what_is_known() {
    let mut script = Script::open();
    script.add("c1", 3);
    script.add("c2", 3);
    let mut out = Vec::new();
    script.ledger.close(&mut out);
    assert_eq!(out, [refused("c1", Refusal::Unknown), refused("c2", Refusal::Closing)]);
}
