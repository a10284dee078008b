//! What can be set about a node, and how: arguments first, then the
//! environment, then defaults.

use std::time::Duration;

use maelstrom::journal::{Sync, UnknownSync};

use crate::injected_bugs::Bugs;

/// How a node trades messages for latency, and what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long values wait for company at most: the period of the rounds. A
    /// value is everywhere within a period and the way up and down the tree.
    /// Zero means no tree at all: every value goes straight to everybody.
    pub period: Duration,
    /// The most children that a node has in the preferred tree.
    pub fan_out: usize,
    /// Values are in memory only, whether there is a directory or not.
    pub in_memory: bool,
    /// When a record counts as safe, where there is a directory.
    pub sync: Sync,
    /// A journal that is corrupt is set aside; otherwise the node does not start.
    pub discard_corrupt: bool,
    /// `--inject`: what was put in on purpose.
    pub bugs: Bugs,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            period: Duration::from_millis(380),
            fan_out: 32,
            in_memory: false,
            sync: Sync::Never,
            discard_corrupt: false,
            bugs: Bugs::default(),
        }
    }
}

/// Why a setting was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no such argument.
    #[error(
        "unknown argument `{0}`: there are `--period-ms <MS>`, `--fan-out <N>`, \
         `--sync <never|every-group|every-20ms>`, `--in-memory` and `--discard-corrupt`"
    )]
    Unknown(String),
    /// An argument without its value.
    #[error("`{0}` needs a value after it")]
    Missing(&'static str),
    /// It has another name.
    #[error("there is no `--fsync`: write `--sync=every-group`")]
    Fsync,
    /// There is no such policy.
    #[error("`--sync`: {0}")]
    Sync(#[from] UnknownSync),
    /// The value is no such number.
    #[error("`{name}` is `{value}`: it must be a whole number from {least} to {most}")]
    OutOfRange {
        /// The argument or variable.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
}

const PERIOD: Knob =
    Knob { argument: "--period-ms", variable: "BROADCAST_PERIOD_MS", least: 0, most: 60_000 };
const FAN_OUT: Knob =
    Knob { argument: "--fan-out", variable: "BROADCAST_FAN_OUT", least: 2, most: 10_000 };

const SYNC: &str = "--sync";

struct Knob {
    argument: &'static str,
    variable: &'static str,
    least: u64,
    most: u64,
}

impl Config {
    /// Reads the arguments after the program's name, and the environment for
    /// what they leave open.
    ///
    /// # Errors
    ///
    /// On an argument that there is not, or a value out of range.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for knob in [&PERIOD, &FAN_OUT] {
            if let Some(value) = environment(knob.variable) {
                config.set(knob, knob.variable, &value)?;
            }
        }
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            config.take(&argument, &mut arguments)?;
        }
        Ok(config)
    }

    /// Takes an argument, with its value if that is the next one.
    fn take(
        &mut self,
        argument: &str,
        others: &mut impl Iterator<Item = String>,
    ) -> Result<(), ConfigError> {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value =
            |name| value.clone().or_else(|| others.next()).ok_or(ConfigError::Missing(name));
        let knob = [&PERIOD, &FAN_OUT].into_iter().find(|knob| knob.argument == name);
        match (knob, argument) {
            (Some(knob), _) => self.set(knob, knob.argument, &value(knob.argument)?)?,
            (_, "--in-memory") => self.in_memory = true,
            (_, "--fsync") => return Err(ConfigError::Fsync),
            (_, "--discard-corrupt") => self.discard_corrupt = true,
            _ if name == SYNC => self.sync = value(SYNC)?.parse()?,
            _ => {
                let unknown = || ConfigError::Unknown(argument.to_owned());
                self.bugs = Bugs::parse(argument).ok_or_else(unknown)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, knob: &Knob, name: &'static str, value: &str) -> Result<(), ConfigError> {
        let number = value.parse().ok().filter(|n| (knob.least..=knob.most).contains(n));
        let number = number.ok_or_else(|| ConfigError::OutOfRange {
            name,
            value: value.to_owned(),
            least: knob.least,
            most: knob.most,
        })?;
        if knob.argument == PERIOD.argument {
            self.period = Duration::from_millis(number);
        } else {
            self.fan_out = usize::try_from(number).unwrap_or(usize::MAX);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::parse(arguments.iter().map(|&a| a.to_owned()), lookup)
    }

    #[test]
    fn arguments_go_before_the_environment_and_that_before_defaults() {
        assert_eq!(parse(&[], &[]).unwrap(), Config::default());
        let environment = [("BROADCAST_PERIOD_MS", "1400"), ("BROADCAST_FAN_OUT", "8")];
        let config = parse(&["--period-ms", "0"], &environment).unwrap();
        assert_eq!(config, Config { period: Duration::ZERO, fan_out: 8, ..Config::default() });
        let config = parse(&["--sync=every-group", "--in-memory"], &[]).unwrap();
        assert_eq!((config.sync, config.in_memory), (Sync::EveryGroup, true));
        let config = parse(&["--sync", "every-20ms", "--discard-corrupt"], &[]).unwrap();
        assert_eq!(config.sync, Sync::Interval(Duration::from_millis(20)));
        assert!(config.discard_corrupt);
        let config = parse(&["--fan-out=3"], &environment).unwrap();
        let period = Duration::from_millis(1400);
        assert_eq!(config, Config { period, fan_out: 3, ..Config::default() });
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(
            parse(&["--perod-ms", "3"], &[]),
            Err(ConfigError::Unknown("--perod-ms".into()))
        );
        assert_eq!(parse(&["--fan-out"], &[]), Err(ConfigError::Missing("--fan-out")));
        let error = parse(&["--sync=soon"], &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Sync(_)), "{error}");
        let renamed = parse(&["--fsync"], &[]).unwrap_err().to_string();
        assert_eq!(renamed, "there is no `--fsync`: write `--sync=every-group`");
        let error = parse(&[], &[("BROADCAST_PERIOD_MS", "soon")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`BROADCAST_PERIOD_MS` is `soon`: it must be a whole number from 0 to 60000"
        );
    }
}
