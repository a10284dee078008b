//! `workbench messages`: what went over the network in a run.

use std::fmt;
use std::io::{self, BufWriter, Write as _};
use std::time::Duration;

use clap::Args;
use simulator::Address;
use simulator::trace::{Fate, Sent};

use super::run_flags::RunFlags;
use super::{Exit, printable};

/// How much of a body is printed.
const SHOWN: usize = 100;

/// What the command line of `workbench messages` says.
#[derive(Args, Clone, Debug)]
pub(super) struct MessagesFlags {
    #[command(flatten)]
    run: RunFlags,

    /// Only those that this node, client or service sent or was sent
    #[arg(long, value_name = "NAME", value_parser = address)]
    node: Option<Address>,

    /// Only those of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// Only those with this text in their bodies
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,

    /// Only those that were lost
    #[arg(long)]
    dropped: bool,

    /// Only those sent about that long after the test began, such as 5.3s
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_hyphen_values = true)]
    around: Option<Duration>,

    /// How long before and after that, such as 200ms
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "500ms",
          requires = "around")]
    within: Duration,
}

pub(super) fn address(name: &str) -> Result<Address, String> {
    Address::parse(name).ok_or_else(|| "a name such as n1, c3 or lin-kv".to_owned())
}

/// `5.3s`, `5.3`, `200ms`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1e-3),
        (_, Some(digits)) => (digits, 1.0),
        _ => (text, 1.0),
    };
    let time = digits
        .trim()
        .parse()
        .ok()
        .and_then(|time: f64| Duration::try_from_secs_f64(time * unit).ok());
    time.ok_or_else(|| "a time such as 5.3s or 200ms".to_owned())
}

impl MessagesFlags {
    fn wants(&self, sent: &Sent) -> bool {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let is_near =
            |around| sent.time.abs_diff(nanos(around)) <= nanos(self.within).unsigned_abs();
        self.node.is_none_or(|node| sent.src == node || sent.dest == node)
            && self.around.is_none_or(is_near)
            && (!self.dropped || matches!(sent.fate(), Fate::Dropped(..)))
            && self.text.as_ref().is_none_or(|text| sent.body.contains(text))
            && self.kind.as_ref().is_none_or(|kind| sent.kind() == *kind)
    }
}

pub(super) fn run(flags: &MessagesFlags) -> anyhow::Result<Exit> {
    let trace = flags.run.trace()?;
    let mut output = BufWriter::new(io::stdout().lock());
    for sent in trace.messages.iter().filter(|sent| flags.wants(sent)) {
        // Nobody may be reading.
        if write!(output, "{}", Line::of(sent)).is_err() {
            break;
        }
    }
    let _ = output.flush();
    Ok(Exit::Valid)
}

/// A message with its fate, on a line.
pub(super) struct Line<'a>(&'a Sent);

impl<'a> Line<'a> {
    pub(super) fn of(sent: &'a Sent) -> Self {
        Self(sent)
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(sent) = self;
        let seconds = |time: i64| format!("{:.3} s", time as f64 / 1e9);
        let way = format!("{} → {}", sent.src, sent.dest);
        let mut body: String = sent.body.chars().take(SHOWN).collect();
        if body.len() < sent.body.len() {
            body.push('…');
        }
        let fate = match sent.fate() {
            Fate::Received(time) if sent.receipts.len() > 1 => {
                format!("received {} times, first at {}", sent.receipts.len(), seconds(time))
            }
            Fate::Received(time) => format!("received at {}", seconds(time)),
            Fate::Dropped(time, cause) => {
                format!("dropped at {} by {}", seconds(time), cause.name())
            }
            Fate::Unread => "never received".to_owned(),
        };
        writeln!(f, "{:>11}  {way:<12}  {}  {fate}", seconds(sent.time), printable(&body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in [("5.3s", 5300), ("5.3", 5300), ("200ms", 200), ("0", 0)] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "five", "-1s", "1h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
