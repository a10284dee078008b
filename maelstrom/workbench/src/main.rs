//! The `workbench` command.

use workbench::host::watchdog;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(watchdog::SUBCOMMAND) {
        watchdog::reap(std::io::stdin().lock());
    }
}
