//! The command `ip` of Linux: namespaces, links and routes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Does this, and says what it printed.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<String> {
    told(args, "")
}

/// Does all of these, one a line; in this namespace, or in that of this process.
pub(crate) fn batch(namespace: Option<&str>, lines: &[String]) -> anyhow::Result<()> {
    let mut args = namespace.map_or_else(Vec::new, |name| vec!["-n", name]);
    args.extend(["-batch", "-"]);
    told(&args, &(lines.join("\n") + "\n")).map(drop)
}

fn told(args: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new("ip")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run ip, which is in the package iproute2")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        let why = error.lines().next().unwrap_or("it failed");
        // A batch says in which line.
        let number = error.lines().find_map(|line| line.strip_prefix("Command failed -:"));
        let line = number.and_then(|number| input.lines().nth(number.parse::<usize>().ok()? - 1));
        bail!("ip {}: {why}", line.unwrap_or(&args.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
