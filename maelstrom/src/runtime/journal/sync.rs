//! When what was written is durable, and how people say it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When records that are reported as written are durable.
///
/// | policy | a killed process loses of them | a dead machine loses of them |
/// | --- | --- | --- |
/// | [`EveryGroup`](Self::EveryGroup) | nothing | nothing |
/// | [`Interval`](Self::Interval) | nothing | those of at most that time, and of that until the sync which is due then has ended |
/// | [`Never`](Self::Never) | nothing | those of the last segment, or some of them |
///
/// A node's `--sync` says it in text: `never`, `every-group`, or `every-20ms` for an interval.
///
/// What is lost is a suffix. A node whose journal may have lost something gets another
/// [incarnation](super::Journal::incarnation). The interval is kept by a process that runs: what
/// it had not synced when it was killed, the machine may lose until the system writes it or
/// the journal is opened again, which makes everything durable under each policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// When the operating system sees fit. (A segment is synced before the next one.)
    Never,
    /// Before they are reported: those that came while others were synced are synced
    /// together.
    EveryGroup,
    /// This long after the first that was not synced.
    Interval(Duration),
}

/// A text that says of no policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSync(String);

impl fmt::Display for UnknownSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.0;
        match text.parse::<u64>() {
            Ok(millis) => {
                write!(f, "`{text}` does not say when to sync: {millis} ms are `every-{millis}ms`")
            }
            Err(_) => write!(
                f,
                "`{text}` does not say when to sync: there are `never`, `every-group`, and \
                 `every-20ms` with any number of milliseconds"
            ),
        }
    }
}

impl std::error::Error for UnknownSync {}

impl FromStr for Sync {
    type Err = UnknownSync;

    fn from_str(text: &str) -> Result<Self, UnknownSync> {
        let millis = || text.strip_prefix("every-")?.strip_suffix("ms")?.parse().ok();
        match text {
            "never" => Ok(Self::Never),
            "every-group" => Ok(Self::EveryGroup),
            _ => match millis() {
                Some(millis) => Ok(Self::Interval(Duration::from_millis(millis))),
                None => Err(UnknownSync(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::EveryGroup => f.write_str("every-group"),
            Self::Interval(time) => write!(f, "every-{}ms", time.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        let interval = Sync::Interval(Duration::from_millis(20));
        for (policy, text) in
            [(Sync::Never, "never"), (Sync::EveryGroup, "every-group"), (interval, "every-20ms")]
        {
            assert_eq!((policy.to_string().as_str(), text.parse()), (text, Ok(policy)));
        }
    }

    #[test]
    fn what_is_none_is_told_with_what_there_is() {
        for text in ["", "soon", "every-20", "every-ms", "every-20s", "every-1.5ms", "every--1ms"] {
            let told = text.parse::<Sync>().unwrap_err().to_string();
            assert!(told.contains("`every-group`, and `every-20ms`"), "{text}: {told}");
        }
        let told = "20".parse::<Sync>().unwrap_err().to_string();
        assert!(told.contains("20 ms are `every-20ms`"), "{told}");
    }
}
