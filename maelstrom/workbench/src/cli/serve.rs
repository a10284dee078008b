//! `workbench serve`: the store in a browser.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{anyhow, ensure};
use clap::Args;

use super::{Exit, print};
use crate::serve;

/// What opens an address in a browser.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// What the command line of `workbench serve` says.
#[derive(Args, Clone, Debug)]
pub(super) struct ServeFlags {
    /// The folder of all results
    #[arg(long, value_name = "DIR", default_value = "store")]
    store: PathBuf,

    /// Where to listen on 127.0.0.1; 0 is any port that is free
    #[arg(short, long, value_name = "NUM", default_value_t = 8080)]
    port: u16,

    /// Open the page in a browser (not in Maelstrom)
    #[arg(long)]
    open: bool,
}

pub(super) fn serve(flags: &ServeFlags) -> anyhow::Result<Exit> {
    let ServeFlags { store, port, open } = flags;
    let shown = store.display();
    ensure!(store.is_dir() || !store.exists(), "{shown} is no folder");
    if !store.exists() {
        note(&format!("there is no {shown} yet: it is shown once a test has made it"));
    }
    let begun = |address: SocketAddr| {
        print(&format!("{shown} is at http://{address}/ until Ctrl-C\n"));
        if *open {
            open_browser(format!("http://{address}/"));
        }
    };
    serve::serve(store, *port, begun).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "something listens on 127.0.0.1:{port} already: take another port with --port, or any \
             that is free with --port 0"
        ),
        _ => anyhow!(error).context(format!("cannot listen on 127.0.0.1:{port}")),
    })?;
    Ok(Exit::Valid)
}

/// Opens a browser, which may take as long as it likes.
fn open_browser(address: String) {
    thread::spawn(move || {
        let mut command = Command::new(OPENER);
        command.arg(&address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let problem = match command.status() {
            Ok(status) if status.success() => return,
            Ok(status) => format!("{OPENER} ended with {status}"),
            Err(error) => format!("{OPENER}: {error}"),
        };
        note(&format!("cannot open a browser ({problem}): open {address} yourself"));
    });
}

/// Says something that is no failure.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
