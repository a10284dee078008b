//! The file of a run's trace, and how it stays within its limit.
//!
//! Lines go to the file as they come. When it has as many messages as the limit, it is put
//! aside and a new one begun; of those aside the oldest go, so that a run of any length takes
//! a few times the limit. At the end one file is made of them if there are several: half of it
//! has the newest messages, the rest those next to what was found. Lines on nodes and
//! faults are few, and all of them are kept.
//!
//! Lines that nodes log have a limit of their own, of the same number: a node may log any
//! number of them, and must not push messages out. Those beyond it go to files of their own,
//! which are put aside in the same way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::PathBuf;

use rustc_hash::FxHashSet;
use simulator::trace::{Trace, TraceLines};

/// How many full files are kept beside the newest.
const ASIDE: usize = 3;
/// What a message may take on average before a file counts as full.
const BYTES: u64 = 1 << 10;
/// Messages are kept or left out for so many nanoseconds at a time.
const SLICE: i64 = 100_000_000;
/// So many slices have to fit into the limit.
const FEWEST: u64 = 8;

#[derive(Debug)]
pub(crate) struct TraceWriter {
    path: PathBuf,
    limit: u64,
    trace: Files,
    /// How many lines of logs the trace has.
    logged: u64,
    /// Lines of logs beyond the limit.
    logs: Option<Files>,
    /// The first error; after it nothing more is written.
    error: Option<io::Error>,
}

impl TraceWriter {
    /// A trace in this file that keeps so many messages, and as many lines of logs.
    pub(crate) fn create(path: PathBuf, limit: u64) -> io::Result<Self> {
        let trace = Files::create(path.clone(), limit)?;
        Ok(Self { path, limit, trace, logged: 0, logs: None, error: None })
    }

    /// Appends lines. What goes wrong is told by [`finish`](Self::finish), so that a full
    /// disk does not end a test.
    pub(crate) fn append(&mut self, lines: &TraceLines) {
        if self.error.is_none() {
            self.error = self.try_append(lines).err();
        }
    }

    /// Brings what there is to the file, for whoever looks while the run is under way.
    pub(crate) fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.trace.output.flush().err();
        }
    }

    fn try_append(&mut self, lines: &TraceLines) -> io::Result<()> {
        self.trace.turn()?;
        let part = &mut self.trace.newest;
        part.count.messages += lines.messages;
        part.skeleton.extend_from_slice(&lines.skeleton);
        let mut begin = 0;
        for log in &lines.logs {
            if self.logged < self.limit {
                self.logged += 1;
                self.trace.newest.count.logs += 1;
                continue;
            }
            self.trace.write(&lines.text[begin..log.start])?;
            begin = log.end;
            self.append_log(&lines.text[log.clone()])?;
        }
        self.trace.write(&lines.text[begin..])
    }

    fn append_log(&mut self, line: &[u8]) -> io::Result<()> {
        let logs = match &mut self.logs {
            Some(logs) => logs,
            None => self.logs.insert(Files::create(self.path.with_extension("logs"), self.limit)?),
        };
        logs.turn()?;
        logs.newest.count.logs += 1;
        logs.write(line)
    }

    /// Brings everything to the file. If that is too much, what lies next to these times is
    /// kept beside the newest.
    pub(crate) fn finish(mut self, near: impl FnOnce() -> Vec<i64>) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.trace.output.flush()?;
        if self.trace.aside.is_empty() && self.logs.is_none() {
            return Ok(());
        }
        self.trace.put_aside()?;
        self.logs.as_mut().map_or(Ok(()), Files::put_aside)?;
        let near = near();
        let messages = self.choose(&near, |count| count.messages)?;
        let logs = self.choose(&near, |count| count.logs)?;
        self.merge(&messages, &logs)?;
        let files = std::iter::once(&self.trace).chain(&self.logs);
        files.into_iter().try_for_each(Files::remove)
    }

    /// The slices of time whose messages, or lines of logs, are kept.
    fn choose(&self, near: &[i64], of: fn(&Count) -> u64) -> io::Result<Kept> {
        let (width, slices) = self.slices(of)?;
        let near: Vec<i64> = near.iter().map(|time| time.div_euclid(width)).collect();
        Ok(Kept { width, slices: choose(&slices, self.limit, &near) })
    }

    /// How many there are in which slice of time, and how wide slices are. In a busy run they
    /// are narrow, so that some of them fit into the limit.
    fn slices(&self, of: fn(&Count) -> u64) -> io::Result<(i64, BTreeMap<i64, u64>)> {
        let slices = self.slices_of(SLICE, of)?;
        let fullest = slices.values().max().copied().unwrap_or_default();
        let Some(parts) = (fullest * FEWEST).checked_div(self.limit).filter(|parts| *parts > 1)
        else {
            return Ok((SLICE, slices));
        };
        let width = (SLICE / i64::try_from(parts).unwrap_or(SLICE)).max(1);
        Ok((width, self.slices_of(width, of)?))
    }

    fn slices_of(&self, width: i64, of: fn(&Count) -> u64) -> io::Result<BTreeMap<i64, u64>> {
        let mut slices = BTreeMap::new();
        self.each_line(|line| {
            let count = of(&Count::of(line));
            if count > 0 {
                let slice = Trace::time_of(line).unwrap_or_default().div_euclid(width);
                *slices.entry(slice).or_default() += count;
            }
            Ok(())
        })?;
        Ok(slices)
    }

    fn merge(&self, messages: &Kept, logs: &Kept) -> io::Result<()> {
        let merged = self.path.with_extension("merged");
        let mut output = create(&merged)?;
        output.write_all(&self.trace.skeleton)?;
        let mut gap = self.trace.lost;
        gap.add(self.logs.as_ref().map_or(Count::default(), |logs| logs.lost));
        let mut began = None;
        // What became of a message is kept if its sending is, whenever that was.
        let mut sent: FxHashSet<u64> = FxHashSet::default();
        self.each_line(|line| {
            let id = id_of(line).unwrap_or(u64::MAX);
            if is_a_fate(line) && !sent.contains(&id) {
                return Ok(());
            }
            let (count, time) = (Count::of(line), Trace::time_of(line).unwrap_or_default());
            let is_left_out =
                count.messages > 0 && !messages.have(time) || count.logs > 0 && !logs.have(time);
            if is_left_out {
                began.get_or_insert(time);
                gap.add(count);
                return Ok(());
            }
            if event(line) == b"send" {
                sent.insert(id);
            }
            gap.end(began.take().unwrap_or(time), &mut output)?;
            output.write_all(line)
        })?;
        gap.end(began.unwrap_or_default(), &mut output)?;
        output.flush()?;
        fs::rename(merged, &self.path)
    }

    /// Every line that there is, by time.
    fn each_line(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut trace, mut logs) = (Lines::of(&self.trace)?, self.logs.as_ref());
        let mut logs = logs.take().map(Lines::of).transpose()?;
        while let Some(line) = trace.peek() {
            while let Some(log) = logs.as_ref().and_then(Lines::peek)
                && Trace::time_of(log) < Trace::time_of(line)
            {
                each(log)?;
                logs.iter_mut().try_for_each(Lines::next)?;
            }
            each(line)?;
            trace.next()?;
        }
        while let Some(log) = logs.as_ref().and_then(Lines::peek) {
            each(log)?;
            logs.iter_mut().try_for_each(Lines::next)?;
        }
        Ok(())
    }
}

/// A file, and those before it that are full.
#[derive(Debug)]
struct Files {
    path: PathBuf,
    limit: u64,
    newest: Part,
    output: BufWriter<File>,
    aside: VecDeque<(PathBuf, Part)>,
    number: u64,
    /// What is left of the files that are gone.
    skeleton: Vec<u8>,
    lost: Count,
}

/// What is in a file.
#[derive(Debug, Default)]
struct Part {
    count: Count,
    bytes: u64,
    skeleton: Vec<u8>,
}

impl Files {
    fn create(path: PathBuf, limit: u64) -> io::Result<Self> {
        let output = create(&path)?;
        Ok(Self {
            path,
            limit,
            newest: Part::default(),
            output,
            aside: VecDeque::new(),
            number: 0,
            skeleton: Vec::new(),
            lost: Count::default(),
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.newest.bytes += text.len() as u64;
        self.output.write_all(text)
    }

    /// Begins a new file if this one is full.
    fn turn(&mut self) -> io::Result<()> {
        let Count { messages, logs } = self.newest.count;
        let is_full = messages >= self.limit || logs >= self.limit && messages == 0;
        if is_full || self.newest.bytes >= self.limit * BYTES {
            self.put_aside()?;
        }
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.output.flush()?;
        let extension = self.path.extension().unwrap_or_default().to_string_lossy();
        let full = self.path.with_extension(format!("{extension}.{}", self.number));
        self.number += 1;
        fs::rename(&self.path, &full)?;
        self.output = create(&self.path)?;
        self.aside.push_back((full, std::mem::take(&mut self.newest)));
        if self.aside.len() > ASIDE
            && let Some((oldest, part)) = self.aside.pop_front()
        {
            fs::remove_file(oldest)?;
            self.skeleton.extend(part.skeleton);
            self.lost.add(part.count);
        }
        Ok(())
    }

    /// Removes those that are full, and one that has nothing.
    fn remove(&self) -> io::Result<()> {
        self.aside.iter().try_for_each(|(path, _)| fs::remove_file(path))?;
        match fs::metadata(&self.path)?.len() {
            0 => fs::remove_file(&self.path),
            _ => Ok(()),
        }
    }
}

/// The lines of full files, one after the other.
struct Lines<'a> {
    files: std::collections::vec_deque::Iter<'a, (PathBuf, Part)>,
    input: Option<BufReader<File>>,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn of(files: &'a Files) -> io::Result<Self> {
        let mut lines = Self { files: files.aside.iter(), input: None, line: Vec::new() };
        lines.next()?;
        Ok(lines)
    }

    /// The line that is next; none at the end.
    fn peek(&self) -> Option<&[u8]> {
        (!self.line.is_empty()).then_some(&*self.line)
    }

    fn next(&mut self) -> io::Result<()> {
        self.line.clear();
        loop {
            if let Some(input) = &mut self.input
                && input.read_until(b'\n', &mut self.line)? > 0
            {
                return Ok(());
            }
            let Some((path, _)) = self.files.next() else { return Ok(()) };
            self.input = Some(BufReader::with_capacity(1 << 16, File::open(path)?));
        }
    }
}

/// What counts against a limit.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    messages: u64,
    logs: u64,
}

impl Count {
    fn of(line: &[u8]) -> Self {
        match event(line) {
            b"send" | b"late" => Self { messages: 1, logs: 0 },
            b"log" => Self { messages: 0, logs: 1 },
            _ => Self::default(),
        }
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.logs += other.logs;
    }

    /// Says that so much is left out here, if anything is, and begins anew.
    fn end(&mut self, time: i64, output: &mut impl Write) -> io::Result<()> {
        let Self { messages, logs } = std::mem::take(self);
        if messages + logs == 0 {
            return Ok(());
        }
        writeln!(output, r#"{{"time":{time},"event":"gap","messages":{messages},"logs":{logs}}}"#)
    }
}

/// The slices of time from which something is kept.
struct Kept {
    width: i64,
    slices: BTreeSet<i64>,
}

impl Kept {
    fn have(&self, time: i64) -> bool {
        self.slices.contains(&time.div_euclid(self.width))
    }
}

fn create(path: &PathBuf) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 16, File::create(path)?))
}

/// The slices that are kept: half of the limit for the newest, the rest for those next to
/// these.
fn choose(slices: &BTreeMap<i64, u64>, limit: u64, near: &[i64]) -> BTreeSet<i64> {
    let distance = |slice: i64| near.iter().map(|time| time.abs_diff(slice)).min();
    let newest = slices.iter().rev();
    let mut nearest: Vec<(&i64, &u64)> = newest.clone().collect();
    nearest.sort_by_key(|(slice, _)| distance(**slice));
    let mut kept = BTreeSet::new();
    let mut left = limit;
    for (least, order) in [(limit / 2, newest.collect()), (0, nearest)] {
        let order: Vec<(&i64, &u64)> = order;
        for (slice, count) in order {
            if kept.contains(slice) {
                continue;
            }
            if left < least + count {
                break;
            }
            left -= count;
            kept.insert(*slice);
        }
    }
    kept
}

fn event(line: &[u8]) -> &[u8] {
    let begin = line.iter().position(|byte| *byte == b',').map_or(0, |comma| comma + 10);
    let rest = line.get(begin..).unwrap_or_default();
    &rest[..rest.iter().position(|byte| *byte == b'"').unwrap_or(0)]
}

/// The message that a line is about.
fn id_of(line: &[u8]) -> Option<u64> {
    let place = line.windows(5).position(|bytes| bytes == br#""id":"#)? + 5;
    let digits = line[place..].split(|byte| !byte.is_ascii_digit()).next()?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a line says what became of a message.
fn is_a_fate(line: &[u8]) -> bool {
    matches!(event(line), b"recv" | b"drop" | b"delay" | b"duplicate")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use simulator::trace::Sent;

    use super::*;

    /// A tenth of a second with so many messages, one after the other; those of the tenth
    /// before it arrive.
    fn lines(slice: i64, messages: u64) -> TraceLines {
        let time = slice * SLICE + 7;
        let mut text = String::new();
        for number in 0..messages {
            let id = slice.unsigned_abs() * 1000 + number;
            let time = time + i64::try_from(number).unwrap() * SLICE / 1000;
            text += &format!(
                "{{\"time\":{time},\"event\":\"send\",\"id\":{id},\"src\":\"n0\",\"dest\":\"n1\",\"body\":{{}}}}\n"
            );
            if let Some(before) = id.checked_sub(1000) {
                text += &format!("{{\"time\":{time},\"event\":\"recv\",\"id\":{before}}}\n");
            }
        }
        let skeleton = format!("{{\"time\":{time},\"event\":\"kill\",\"node\":\"n{slice}\"}}\n");
        text += &skeleton;
        TraceLines {
            text: text.into_bytes(),
            messages,
            logs: Vec::new(),
            skeleton: skeleton.into_bytes(),
        }
    }

    /// What is kept of so many tenths of a second with ten messages each.
    fn kept(name: &str, slices: i64, limit: u64, near: Vec<i64>) -> simulator::trace::Trace {
        kept_of(name, (slices, 10), limit, near)
    }

    /// The same with so many messages each.
    fn kept_of(
        name: &str,
        (slices, messages): (i64, u64),
        limit: u64,
        near: Vec<i64>,
    ) -> simulator::trace::Trace {
        let name = format!("workbench-trace-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("trace.jsonl");
        let mut writer = TraceWriter::create(path.clone(), limit).unwrap();
        (0..slices).for_each(|slice| writer.append(&lines(slice, messages)));
        writer.finish(|| near).unwrap();
        read(&folder)
    }

    /// The trace in a folder, which is removed.
    fn read(folder: &Path) -> simulator::trace::Trace {
        let file = File::open(folder.join("trace.jsonl")).unwrap();
        let trace = simulator::trace::Trace::read(BufReader::new(file));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing is left aside");
        fs::remove_dir_all(folder).unwrap();
        trace.unwrap()
    }

    /// Ten lines of logs behind each message.
    #[test]
    fn however_much_nodes_log_no_message_is_left_out_for_it() {
        let folder = std::env::temp_dir().join(format!("workbench-logs-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut writer = TraceWriter::create(folder.join("trace.jsonl"), 100).unwrap();
        for slice in 0..100 {
            let mut lines = lines(slice, 1);
            for number in 0..10 {
                let begin = lines.text.len();
                let time = slice * SLICE + 10 + number;
                let _ = writeln!(
                    lines.text,
                    r#"{{"time":{time},"event":"log","node":"n0","line":"{slice} {number}"}}"#
                );
                lines.logs.push(begin..lines.text.len());
            }
            writer.append(&lines);
        }
        writer.finish(|| vec![30 * SLICE]).unwrap();
        let trace = read(&folder);
        assert_eq!((trace.messages.len(), trace.logs.len(), trace.nodes.len()), (100, 100, 100));
        let lacking: Vec<u64> = trace.gaps.iter().map(|gap| gap.messages).collect();
        assert!(lacking.iter().all(|messages| *messages == 0), "{lacking:?}");
        assert_eq!(trace.gaps.iter().map(|gap| gap.logs).sum::<u64>(), 900);
        let times: Vec<i64> = trace.order.iter().map(|(time, _)| *time).collect();
        assert!(times.is_sorted(), "what nodes log stands where it was logged");
        assert!(trace.logs.iter().any(|log| log.line == "99 9"), "the newest");
    }

    #[test]
    fn a_short_trace_is_kept_whole() {
        let trace = kept("short", 10, 100, vec![0]);
        assert_eq!((trace.messages.len(), trace.nodes.len(), trace.gaps.len()), (100, 10, 0));
    }

    #[test]
    fn of_a_long_one_the_newest_are_kept_and_those_next_to_a_finding() {
        let trace = kept("long", 40, 100, vec![12 * SLICE]);
        assert_eq!(trace.messages.len(), 100);
        let has = |slice: i64| trace.messages.iter().any(|sent| sent.time == slice * SLICE + 7);
        assert!((35..40).chain(10..=14).all(has));
        assert!(!has(9) && !has(15) && !has(34));
        let last = 39 * SLICE + 7;
        let is_whole = |sent: &Sent| sent.time >= last || sent.receipts == [sent.time + SLICE];
        assert!(trace.messages.iter().all(is_whole), "a gap is no fate");
        assert_eq!(trace.gaps.iter().map(|gap| gap.messages).sum::<u64>(), 300);
    }

    #[test]
    fn however_busy_it_is_something_is_kept() {
        let trace = kept_of("busy", (10, 400), 50, vec![7 * SLICE]);
        assert!((40..=50).contains(&trace.messages.len()), "{}", trace.messages.len());
        let is_near = |sent: &Sent| (sent.time - 7 * SLICE).abs() < SLICE / 50;
        assert!(
            trace.messages.iter().any(is_near)
                && trace.messages.iter().any(|sent| sent.time > 9 * SLICE)
        );
    }

    #[test]
    fn however_long_it_is_no_node_or_fault_is_left_out() {
        let trace = kept("very-long", 500, 100, Vec::new());
        assert_eq!((trace.messages.len(), trace.nodes.len()), (100, 500));
        assert_eq!(trace.gaps.iter().map(|gap| gap.messages).sum::<u64>(), 4900);
        assert!(trace.nodes.is_sorted_by_key(|event| event.time));
    }
}
