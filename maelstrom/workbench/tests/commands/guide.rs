//! The guide in `docs/`: its commands do what it says, its excerpts are from its nodes, and its
//! histories show what they are named for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Scratch, one_line};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn chapters() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(docs()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() > 9, "{}", found.len());
    found
}

/// The fenced blocks of a chapter: how they are marked, and what they have.
fn blocks(chapter: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = chapter;
    while let Some(begin) = rest.find("```") {
        let block = &rest[begin + 3..];
        let (mark, block) = block.split_once('\n').unwrap();
        let (content, after) = block.split_once("```").unwrap();
        blocks.push((mark, content));
        rest = after;
    }
    blocks
}

/// A folder beside which the sources lie as they do beside `docs`.
fn stage(name: &str) -> (Scratch, PathBuf) {
    let scratch = Scratch::new(name);
    let folder = scratch.0.join("docs");
    fs::create_dir(&folder).unwrap();
    for of in ["nodes", "histories"] {
        std::os::unix::fs::symlink(docs().join(of), folder.join(of)).unwrap();
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::os::unix::fs::symlink(sources, scratch.0.join("maelstrom")).unwrap();
    (scratch, folder)
}

fn run(folder: &Path, script: &str) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_workbench")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env_remove("PYTHONUNBUFFERED")
        .output()
        .unwrap()
}

/// A command and what follows it up to the next one that needs nothing of its run.
fn steps(chapter: &str) -> Vec<Vec<(&str, &str)>> {
    let mut steps: Vec<Vec<_>> = Vec::new();
    for (mark, block) in blocks(chapter) {
        let begins = mark.starts_with("sh") && !block.contains("store/latest");
        match steps.last_mut() {
            Some(step) if !begins => step.push((mark, block)),
            _ if begins => steps.push(vec![(mark, block)]),
            _ => {}
        }
    }
    steps
}

/// Runs a command. A block of text right after it has lines of what it prints, or of what
/// `explain` prints then, with other numbers perhaps.
fn try_step(folder: &Path, step: &[(&str, &str)]) {
    let mut printed = String::new();
    for (mark, block) in step {
        match *mark {
            "sh" | "sh,invalid" => {
                let output = run(folder, block);
                printed = text(&output);
                let code = i32::from(*mark == "sh,invalid");
                assert_eq!(output.status.code(), Some(code), "{block}{printed}");
                if folder.join("store/latest").exists() {
                    printed += &text(&run(folder, "workbench explain store/latest || true"));
                }
            }
            "text" if !printed.is_empty() => {
                let printed = without_numbers(&printed);
                for line in block.lines() {
                    assert!(printed.contains(&without_numbers(line)), "{line}: {printed}");
                }
            }
            _ => printed.clear(),
        }
    }
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn without_numbers(text: &str) -> String {
    one_line(text).replace(|c: char| c.is_ascii_digit(), "")
}

/// How many commands run at a time: mostly they wait.
const AT_A_TIME: usize = 16;

pub(crate) fn every_command_of_the_guide_does_what_it_says() {
    let chapters = chapters();
    let steps: Vec<_> = chapters.iter().flat_map(|(_, chapter)| steps(chapter)).collect();
    assert!(steps.len() > 20, "{}", steps.len());
    // A fault in the very first moment may leave nothing to be tested: chance must not decide.
    for (_, command) in steps.iter().flatten().filter(|(mark, _)| mark.starts_with("sh")) {
        assert!(!command.contains("--nemesis ") || command.contains("--seed "), "{command}");
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((number, step)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    steps.get(number).map(|step| (number, step))
                } {
                    let (_scratch, folder) = stage(&format!("guide-{number}"));
                    try_step(&folder, step);
                }
            });
        }
    });
}

pub(crate) fn what_the_guide_shows_of_a_node_is_there() {
    let mut nodes = String::new();
    for entry in fs::read_dir(docs().join("nodes")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            nodes += &fs::read_to_string(path).unwrap();
        }
    }
    for (name, chapter) in chapters() {
        for (_, excerpt) in blocks(&chapter).iter().filter(|(mark, _)| *mark == "python") {
            assert!(nodes.contains(excerpt), "{name}: {excerpt}");
        }
    }
}

/// A row of a table of findings: `` | `name` | meaning | … ([history](file)) | ``.
fn finding(line: &str) -> Option<(&str, &str)> {
    let name = line.strip_prefix("| `")?.split_once('`')?.0;
    let file = line.split_once("[history](")?.1.split_once(')')?.0;
    Some((name, file))
}

pub(crate) fn every_history_of_the_guide_shows_what_it_is_there_for() {
    let (_, chapter) = chapters().into_iter().find(|(name, _)| name == "verdicts.md").unwrap();
    let (_scratch, folder) = stage("guide-histories");
    let (mut flags, mut shown) = ("", 0);
    for line in chapter.lines() {
        if let Some(rest) = line.strip_prefix("Checked with `") {
            flags = rest.trim_end_matches("`:");
        } else if let Some((name, file)) = finding(line) {
            let output = text(&run(&folder, &format!("workbench check {flags} {file} || true")));
            let is_there = |line: &str| {
                let words = line.trim().trim_start_matches("warning: ");
                words == name || words.starts_with(&format!("{name} ("))
            };
            assert!(output.lines().any(is_there), "{name}, {flags} {file}: {output}");
            shown += 1;
        }
    }
    assert!(shown > 30, "{shown}");
}

/// The kinds of findings that the checkers' own tests show: in the names of histories, and in
/// what is recorded of transactions, as `kind (operations)`.
fn kinds() -> BTreeSet<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkers/tests");
    let files = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut kinds = BTreeSet::new();
    for file in
        files(&tests.join("histories")).iter().filter(|path| path.is_dir()).flat_map(|it| files(it))
    {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let begins = ["reject-", "unknown-", "accept-warned-"];
        let kind = begins.iter().find_map(|begin| name.strip_prefix(begin));
        kinds.extend(kind.map(|kind| kind.split("--").next().unwrap().to_owned()));
    }
    for file in files(&tests.join("transactions")) {
        let text = fs::read_to_string(file).unwrap();
        for (_, said) in text.lines().filter_map(|line| line.split_once(" -> ")) {
            let words: Vec<&str> = said.split_whitespace().collect();
            let is_ops = |word: &str| word.starts_with('(');
            kinds.extend(
                words.windows(2).filter(|pair| is_ops(pair[1])).map(|pair| pair[0].to_owned()),
            );
        }
    }
    kinds
}

pub(crate) fn every_finding_that_checkers_can_make_is_in_the_guide() {
    let chapter = fs::read_to_string(docs().join("verdicts.md")).unwrap();
    // The load's own faults, which no node can make, and one of `--compatible` alone.
    let others = ["duplicate-write", "malformed-request", "PL-1-cycle-exists"];
    let kinds = kinds();
    assert!(kinds.len() > 40, "{kinds:?}");
    let is_there = |kind: &str| chapter.contains(&format!("| `{kind}` |"));
    let left_out: Vec<_> = kinds
        .iter()
        .filter(|kind| !others.contains(&kind.as_str()) && !is_there(kind))
        // The chapter says what these ends of a name mean.
        .filter(|kind| {
            !["-process", "-realtime"]
                .iter()
                .any(|end| kind.strip_suffix(end).is_some_and(is_there))
        })
        .collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

pub(crate) fn every_link_of_the_guide_leads_somewhere() {
    for (name, chapter) in chapters() {
        let code = blocks(&chapter);
        let text = code.iter().fold(chapter.clone(), |text, (_, block)| text.replace(block, ""));
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.starts_with("http") {
                assert!(docs().join(target).exists(), "{name}: {target}");
            }
        }
    }
}
