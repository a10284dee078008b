//! The command line that runs a test again.

use std::ffi::OsStr;

use super::flags::{Plan, TRACE_LIMIT};

impl Plan {
    /// The command that runs this test again, with the same seed. Flags that
    /// have their defaults are left out.
    pub(crate) fn command(&self) -> String {
        let Self { settings, bin, args, cluster, store, limits, trace_limit, edn } = self;
        let mut line =
            format!("workbench test --bin {} {}", quote(bin.as_os_str()), settings.flags());
        if let Some(cluster) = cluster {
            line += &format!(" --cluster {}", quote(cluster.as_ref()));
        }
        if !limits.is_empty() {
            let limits: Vec<String> = limits.iter().map(ToString::to_string).collect();
            line += &format!(" --limits {}", quote(limits.join(",").as_ref()));
        }
        if store.as_os_str() != "store" {
            line += &format!(" --store {}", quote(store.as_os_str()));
        }
        if *trace_limit != TRACE_LIMIT {
            line += &format!(" --trace-limit {trace_limit}");
        }
        if *edn {
            line += " --edn";
        }
        if !args.is_empty() {
            line += " --";
            args.iter().for_each(|arg| line += &format!(" {}", quote(arg)));
        }
        line
    }
}

pub(super) fn quote(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    // What no shell can be told is shown as it is.
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), Into::into)
}

#[cfg(test)]
mod tests {
    use simulator::{Settings, Workload};

    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        let mut plan = Plan {
            settings: Settings::new(Workload::Echo),
            bin: "./node".into(),
            args: Vec::new(),
            cluster: None,
            store: "store".into(),
            limits: Vec::new(),
            trace_limit: TRACE_LIMIT,
            edn: false,
        };
        assert_eq!(plan.command(), "workbench test --bin ./node --workload echo --seed 0");
        plan.limits = vec!["msgs-per-op<30".parse().unwrap()];
        plan.edn = true;
        plan.args = vec!["--name".into(), "it's".into()];
        assert_eq!(
            plan.command(),
            "workbench test --bin ./node --workload echo --seed 0 --limits 'msgs-per-op<30' \
             --edn -- --name \"it's\""
        );
    }
}
