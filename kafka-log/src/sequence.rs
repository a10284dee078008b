//! Reading registers 0, 1, 2, … without gaps, up to the first that is empty.
//!
//! Texts come from two sides: peers push some, in any order and with gaps, and
//! reads bring others. Whatever comes is handed on in order, each once, and a peer's
//! text that turns out to be none is [rejected](Sequence::reject) and read instead. What
//! is said to exist is read at once, [`WINDOW`] registers at a time. Where the end
//! is not known a *probe* looks for it, reading one register, then two, four, …
//! at a time (one more with every answer, as TCP's slow start), until it meets an
//! empty one.
//!
//! A register that is read and found empty *after* it was said to be written never was: a
//! peer was wrong, and is not believed.
//!
//! Always: `next` only rises, but for a rejection, and every text below it was handed on.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How many registers are read at a time, at most.
const WINDOW: u64 = 64;
/// How far ahead of `next` texts are kept; what lies further is read later.
const AHEAD: u64 = 1024;

/// The reader of one sequence of registers.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// The first register whose text was not handed on.
    next: u64,
    /// Texts that wait for those before them.
    ahead: BTreeMap<u64, Text>,
    /// What is being read, and what was `known` when that began.
    reading: BTreeMap<u64, u64>,
    /// All registers below are said to be written.
    known: u64,
    /// Takes no texts from peers.
    wary: bool,
    /// Reads this many registers beyond what is known.
    probe: Option<u64>,
    /// The lowest register that was ever found empty.
    empty: Option<u64>,
}

/// What a register says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    /// The service says so, not just a peer.
    pub(crate) is_certain: bool,
}

impl Sequence {
    /// Of registers of which those before `next` need not be read.
    pub(crate) fn starting_at(next: u64) -> Self {
        Self { next, known: next, ..Self::default() }
    }

    /// Begins again with all registers, of which none is taken from peers.
    pub(crate) fn begin_warily(&mut self) {
        *self = Self { wary: true, ..Self::default() };
    }

    /// Goes on with the register `next`.
    pub(crate) fn go_on_at(&mut self, next: u64) {
        *self = Self { wary: self.wary, ..Self::starting_at(next) };
    }

    /// The first register whose text was not handed on: how many were.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether nothing is known to exist beyond what was handed on.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.known <= self.next
    }

    /// Whether all that was written before this sequence was first read has
    /// been handed on: registers are written in order, so one that was found
    /// empty had nothing behind it.
    pub(crate) fn is_recovered(&self) -> bool {
        self.empty.is_some_and(|empty| self.next >= empty)
    }

    /// All registers below `len` are written.
    pub(crate) fn expect(&mut self, len: u64) {
        self.known = self.known.max(len);
    }

    /// Looks for what may have been written since.
    pub(crate) fn probe(&mut self) {
        self.probe.get_or_insert(1);
    }

    /// Whether a probe is looking for the end.
    pub(crate) fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    /// A peer says that this text stands in the register at `index`.
    pub(crate) fn learn(&mut self, index: u64, text: Arc<str>) {
        self.expect(index.saturating_add(1));
        if !self.wary && (self.next..self.next + AHEAD).contains(&index) {
            self.ahead.entry(index).or_insert(Text { text, is_certain: false });
        }
    }

    /// The service says that this text stands in the register at `index`.
    pub(crate) fn decide(&mut self, index: u64, text: Arc<str>) {
        self.expect(index + 1);
        if (self.next..self.next + AHEAD).contains(&index) {
            self.ahead.insert(index, Text { text, is_certain: true });
        }
    }

    /// The text that was handed on last, that of `index`, cannot be right: reads it.
    pub(crate) fn reject(&mut self, index: u64) {
        self.next = index;
        self.expect(index + 1);
    }

    /// What a read found.
    pub(crate) fn answer(&mut self, index: u64, text: Option<Arc<str>>) {
        let known = self.reading.remove(&index).unwrap_or(0);
        match text {
            Some(text) => {
                self.decide(index, text);
                self.probe = self.probe.map(|width| (width + 1).min(WINDOW));
            }
            None => {
                self.probe = None;
                self.empty = Some(self.empty.map_or(index, |empty| empty.min(index)));
                // What was said since the read began may be true.
                if index < known && known == self.known {
                    self.known = index.max(self.next);
                    self.ahead.split_off(&index);
                }
            }
        }
    }

    /// The next text in order, with its index.
    pub(crate) fn pop(&mut self) -> Option<(u64, Text)> {
        let text = self.ahead.remove(&self.next)?;
        self.next += 1;
        Some((self.next - 1, text))
    }

    /// The registers to be read now; each read is to be answered.
    pub(crate) fn reads(&mut self) -> Vec<u64> {
        let known = self.known.min(self.next + WINDOW);
        let probed = self.probe.map_or(0, |width| self.next + width);
        let wanted =
            |index: &u64| !self.ahead.contains_key(index) && !self.reading.contains_key(index);
        let reads: Vec<u64> = (self.next..known.max(probed)).filter(wanted).collect();
        self.reading.extend(reads.iter().map(|&index| (index, self.known)));
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(index: u64) -> Arc<str> {
        index.to_string().into()
    }

    fn popped(sequence: &mut Sequence) -> Vec<u64> {
        std::iter::from_fn(|| sequence.pop()).map(|(index, _)| index).collect()
    }

    /// Answers reads from registers of which `len` are written.
    fn read_all(sequence: &mut Sequence, len: u64) -> usize {
        let mut count = 0;
        loop {
            let reads = sequence.reads();
            if reads.is_empty() {
                return count;
            }
            for index in reads {
                count += 1;
                sequence.answer(index, (index < len).then(|| text(index)));
            }
            popped(sequence);
        }
    }

    #[test]
    fn texts_are_handed_on_in_order_and_once() {
        let mut sequence = Sequence::default();
        for index in [2, 0, 0, 3] {
            sequence.learn(index, text(index));
        }
        assert_eq!(popped(&mut sequence), [0]);
        sequence.learn(1, text(1));
        sequence.learn(0, text(0));
        assert_eq!(popped(&mut sequence), [1, 2, 3]);
        assert!(sequence.is_caught_up());
    }

    #[test]
    fn a_gap_is_read_and_nothing_else() {
        let mut sequence = Sequence::default();
        sequence.learn(0, text(0));
        sequence.learn(3, text(3));
        assert_eq!(popped(&mut sequence), [0]);
        assert_eq!(sequence.reads(), [1, 2]);
        assert_eq!(sequence.reads(), [] as [u64; 0], "reads are not repeated");
        sequence.answer(2, Some(text(2)));
        assert_eq!(popped(&mut sequence), [] as [u64; 0], "1 is missing yet");
        sequence.answer(1, Some(text(1)));
        assert_eq!(popped(&mut sequence), [1, 2, 3]);
    }

    #[test]
    fn a_probe_finds_the_end_with_few_reads_in_excess() {
        for len in [0, 1, 2, 63, 64, 65, 1000] {
            let mut sequence = Sequence::default();
            sequence.probe();
            assert!(!sequence.is_recovered());
            let reads = read_all(&mut sequence, len) as u64;
            assert!(sequence.is_recovered() && !sequence.is_probing());
            assert_eq!(sequence.next(), len);
            assert!(reads <= len + len.min(WINDOW) + 1, "{reads} reads for {len}");
        }
    }

    #[test]
    fn what_lies_before_an_empty_register_is_awaited_before_all_is_recovered() {
        let mut sequence = Sequence::default();
        sequence.expect(2);
        sequence.probe = Some(4);
        assert_eq!(sequence.reads(), [0, 1, 2, 3]);
        sequence.answer(3, None);
        sequence.answer(0, Some(text(0)));
        popped(&mut sequence);
        assert!(!sequence.is_recovered());
        sequence.answer(2, Some(text(2)));
        sequence.answer(1, Some(text(1)));
        popped(&mut sequence);
        assert!(sequence.is_recovered());
    }

    #[test]
    fn a_register_that_was_empty_is_read_again_once_it_is_known_to_be_written() {
        let mut sequence = Sequence::default();
        sequence.probe();
        assert_eq!(sequence.reads(), [0]);
        sequence.expect(1);
        sequence.answer(0, None);
        assert_eq!(sequence.reads(), [0]);
    }

    #[test]
    fn what_peers_are_wrong_about_is_not_waited_for() {
        let mut sequence = Sequence::starting_at(3);
        sequence.expect(u64::MAX);
        sequence.learn(5, text(5));
        let reads = sequence.reads();
        assert!(reads.len() as u64 == WINDOW - 1 && !reads.contains(&5));
        sequence.answer(3, None);
        assert!(sequence.is_caught_up() && sequence.reads().is_empty());
        assert!(popped(&mut sequence).is_empty());
        sequence.learn(3, text(3));
        assert_eq!(popped(&mut sequence), [3]);
        // A read that began before something was said proves nothing against it.
        sequence.probe();
        assert_eq!(sequence.reads(), [] as [u64; 0], "4 is being read");
        sequence.expect(5);
        sequence.answer(4, None);
        assert_eq!(sequence.reads(), [4]);
    }

    #[test]
    fn a_text_that_is_rejected_is_read_and_the_service_is_right() {
        let mut sequence = Sequence::default();
        sequence.learn(0, text(7));
        let (index, seven) = sequence.pop().unwrap();
        assert!(index == 0 && !seven.is_certain);
        sequence.reject(0);
        assert_eq!(sequence.reads(), [0]);
        sequence.learn(0, text(8));
        sequence.answer(0, Some(text(0)));
        let expected = Text { text: text(0), is_certain: true };
        assert_eq!(sequence.pop(), Some((0, expected)));
    }

    #[test]
    fn what_is_far_ahead_is_read_when_its_turn_comes() {
        let mut sequence = Sequence::default();
        sequence.learn(5000, text(5000));
        assert_eq!(read_all(&mut sequence, 5001), 5001);
        assert_eq!(sequence.next(), 5001);
    }
}
