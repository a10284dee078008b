//! Running a test, perhaps many times.

use clap::Args;

use super::flags::TestFlags;
use super::ran::Ran;
use super::tell::{Case, TellFlags};
use super::test;
use super::{Exit, Remote, print, values};
use crate::report::runs::{self, Run};
use crate::report::style::Style;

/// What the command line of `workbench test` says.
#[derive(Args, Clone, Debug)]
pub(super) struct TestCommand {
    #[command(flatten)]
    test: TestFlags,

    /// How many times to run the test, each time with another seed: with --seed, that one
    /// and those after it. All are run, whatever comes of them (Maelstrom stops at the
    /// first that is not valid)
    #[arg(long, visible_alias = "repeat", value_name = "NUM", value_parser = values::count,
          help_heading = "What is tested")]
    test_count: Option<usize>,

    /// Stop at the first run that is not valid; without --test-count, run until there is
    /// one (not in Maelstrom)
    #[arg(long, help_heading = "What is tested")]
    until_fails: bool,

    #[command(flatten)]
    tell: TellFlags,
}

impl TestCommand {
    fn count(&self) -> usize {
        self.test_count.unwrap_or(if self.until_fails { usize::MAX } else { 1 })
    }

    /// The run with this number, from 0.
    fn run(&self, number: usize, remote: Option<&dyn Remote>) -> anyhow::Result<Ran> {
        let mut plan = self.test.clone().plan(test::fresh_seed()?).map_err(anyhow::Error::msg)?;
        if self.test.has_seed() {
            plan.settings.seed = plan.settings.seed.wrapping_add(number as u64);
        }
        test::run_plan(&plan, &self.tell, remote)
    }
}

pub(super) fn test(command: &TestCommand, remote: Option<&dyn Remote>) -> anyhow::Result<Exit> {
    let (mut runs, mut cases, mut failure) = (Vec::new(), Vec::new(), None);
    for number in 0..command.count() {
        match command.run(number, remote) {
            Ok(ran) => {
                runs.push(Run::of(&ran.report, ran.seed, ran.command.clone()));
                let is_last =
                    command.until_fails && ran.report.valid() != checkers::Validity::Valid;
                let is_last = is_last || ran.is_interrupted();
                cases.push(Case::of(&ran));
                if is_last {
                    break;
                }
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if runs.len() > 1 && command.tell.is_for_people() {
        print(&format!("\n{}", runs::render(&runs, Style::of(&std::io::stdout()))));
    }
    command.tell.keep(&cases, failure.as_ref())?;
    let worst = cases.iter().map(Case::valid).max().unwrap_or_default();
    failure.map_or_else(|| Ok(worst.into()), Err)
}
