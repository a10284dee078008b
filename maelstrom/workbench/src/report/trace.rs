//! The file of a run's trace, and how it stays within its limit.
//!
//! Lines go to the file as they come. When it has as many messages as the limit, it is put
//! aside and a new one begun; of those aside the oldest go, so that a run of any length takes
//! a few times the limit. At the end one file is made of them if there are several: half of it
//! has the newest messages, the rest those next to what was found. Lines on nodes and
//! faults are few, and all of them are kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::PathBuf;

use rustc_hash::FxHashSet;
use simulator::trace::{TraceLines, time_of};

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
    newest: Part,
    output: BufWriter<File>,
    aside: VecDeque<(PathBuf, Part)>,
    count: u64,
    /// What is left of the files that are gone.
    skeleton: Vec<u8>,
    lost: u64,
    /// The first error; after it nothing more is written.
    error: Option<io::Error>,
}

/// What is in a file.
#[derive(Debug, Default)]
struct Part {
    messages: u64,
    bytes: u64,
    skeleton: Vec<u8>,
}

impl TraceWriter {
    /// A trace in this file that keeps so many messages.
    pub(crate) fn create(path: PathBuf, limit: u64) -> io::Result<Self> {
        let output = create(&path)?;
        Ok(Self {
            path,
            limit,
            newest: Part::default(),
            output,
            aside: VecDeque::new(),
            count: 0,
            skeleton: Vec::new(),
            lost: 0,
            error: None,
        })
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
            self.error = self.output.flush().err();
        }
    }

    fn try_append(&mut self, lines: &TraceLines) -> io::Result<()> {
        if self.newest.messages >= self.limit || self.newest.bytes >= self.limit * BYTES {
            self.put_aside()?;
        }
        self.newest.messages += lines.messages;
        self.newest.bytes += lines.text.len() as u64;
        self.newest.skeleton.extend_from_slice(&lines.skeleton);
        self.output.write_all(&lines.text)
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.output.flush()?;
        let full = self.path.with_extension(self.count.to_string());
        self.count += 1;
        fs::rename(&self.path, &full)?;
        self.output = create(&self.path)?;
        self.aside.push_back((full, std::mem::take(&mut self.newest)));
        if self.aside.len() > ASIDE
            && let Some((oldest, part)) = self.aside.pop_front()
        {
            fs::remove_file(oldest)?;
            self.skeleton.extend(part.skeleton);
            self.lost += part.messages;
        }
        Ok(())
    }

    /// Brings everything to the file. If that is too much, what lies next to these times is
    /// kept beside the newest.
    pub(crate) fn finish(mut self, near: impl FnOnce() -> Vec<i64>) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.output.flush()?;
        if self.aside.is_empty() {
            return Ok(());
        }
        self.put_aside()?;
        let (width, slices) = self.slices()?;
        let near: Vec<i64> = near().iter().map(|time| time.div_euclid(width)).collect();
        self.merge(width, &choose(&slices, self.limit, &near))?;
        self.aside.iter().try_for_each(|(path, _)| fs::remove_file(path))
    }

    /// How many messages there are in which slice of time, and how wide slices are. In a busy
    /// run they are narrow, so that some of them fit into the limit.
    fn slices(&self) -> io::Result<(i64, BTreeMap<i64, u64>)> {
        let slices = self.slices_of(SLICE)?;
        let fullest = slices.values().max().copied().unwrap_or_default();
        let Some(parts) = (fullest * FEWEST).checked_div(self.limit).filter(|parts| *parts > 1)
        else {
            return Ok((SLICE, slices));
        };
        let width = (SLICE / i64::try_from(parts).unwrap_or(SLICE)).max(1);
        Ok((width, self.slices_of(width)?))
    }

    fn slices_of(&self, width: i64) -> io::Result<BTreeMap<i64, u64>> {
        let mut slices = BTreeMap::new();
        self.each_line(width, |line, slice| {
            *slices.entry(slice).or_default() += u64::from(counts(line));
            Ok(())
        })?;
        Ok(slices)
    }

    fn merge(&self, width: i64, kept: &BTreeSet<i64>) -> io::Result<()> {
        let mut output = create(&self.path)?;
        output.write_all(&self.skeleton)?;
        let (mut gap, mut began) = (self.lost, None);
        // What became of a message is kept if its sending is, whenever that was.
        let mut sent: FxHashSet<u64> = FxHashSet::default();
        self.each_line(width, |line, slice| {
            let id = id_of(line).unwrap_or(u64::MAX);
            if is_a_fate(line) && !sent.contains(&id) {
                return Ok(());
            }
            if counts(line) && !kept.contains(&slice) {
                began = began.or_else(|| time_of(line));
                gap += 1;
                return Ok(());
            }
            if event(line) == b"send" {
                sent.insert(id);
            }
            let time = began.take().or_else(|| time_of(line));
            if let Some(time) = time.filter(|_| gap > 0) {
                writeln!(output, r#"{{"time":{time},"event":"gap","messages":{gap}}}"#)?;
                gap = 0;
            }
            output.write_all(line)
        })?;
        output.flush()
    }

    /// Every line that there is, and the number of the slice of time it is from.
    fn each_line(
        &self,
        width: i64,
        mut each: impl FnMut(&[u8], i64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        for (path, _) in &self.aside {
            let mut input = BufReader::with_capacity(1 << 16, File::open(path)?);
            while input.read_until(b'\n', &mut line)? > 0 {
                each(&line, time_of(&line).unwrap_or_default().div_euclid(width))?;
                line.clear();
            }
        }
        Ok(())
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

/// Whether a line counts against the limit.
fn counts(line: &[u8]) -> bool {
    matches!(event(line), b"send" | b"late" | b"log")
}

#[cfg(test)]
mod tests {
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
        TraceLines { text: text.into_bytes(), messages, skeleton: skeleton.into_bytes() }
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
        let trace = simulator::trace::Trace::read(BufReader::new(File::open(path).unwrap()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left aside");
        fs::remove_dir_all(&folder).unwrap();
        trace.unwrap()
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
        assert_eq!(trace.gaps.iter().map(|(_, messages)| messages).sum::<u64>(), 300);
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
        assert_eq!(trace.gaps.iter().map(|(_, messages)| messages).sum::<u64>(), 4900);
        assert!(trace.nodes.is_sorted_by_key(|event| event.time));
    }
}
