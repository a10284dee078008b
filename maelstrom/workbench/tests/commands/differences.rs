//! The table of differences from the original: each row has a reason, and names what shows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all tests in a folder, of those scripts and histories that lie there.
fn shown_in(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            let name = entry.file_name().unwrap();
            if name != "target" && name != "node_modules" {
                shown_in(&entry, names);
            }
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            names.extend(tests_in(&fs::read_to_string(&entry).unwrap()));
        }
    }
}

/// The functions that follow an attribute of a test.
fn tests_in(source: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(function) = function.filter(|_| std::mem::take(&mut is_test)) {
            names.extend(function.split('(').next().map(str::to_owned));
        }
    }
    names
}

/// What stands between these, each time.
fn between(text: &str, open: char, close: char) -> Vec<&str> {
    let parts = text.split(open).skip(1);
    parts.map(|part| part.split(close).next().unwrap()).collect()
}

pub(crate) fn each_difference_from_the_original_has_a_reason_and_is_shown() {
    let workbench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = crate::TESTS.iter().filter_map(|(name, _)| name.rsplit("::").next());
    let mut tests: BTreeSet<String> = own.map(str::to_owned).collect();
    shown_in(&workbench.join(".."), &mut tests);
    assert!(tests.len() > 500, "only {} tests", tests.len());
    let checkers = workbench.join("../checkers/tests");
    let scripts = ["cycles", "direct", "overlooked"]
        .map(|name| fs::read_to_string(checkers.join(format!("transactions/{name}.txt"))).unwrap());
    let table = fs::read_to_string(workbench.join("DIFFERENCES.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [_, what, original, here, _, why, shown] = cells[..] else { panic!("{row}") };
        assert!(original != here && !why.is_empty(), "{what}");
        let (named, titles) = (between(shown, '`', '`'), between(shown, '“', '”'));
        // Names and what is between them take turns.
        let names: Vec<&str> = named.into_iter().step_by(2).collect();
        assert!(!(names.is_empty() && titles.is_empty()), "nothing shows: {what}");
        for name in names {
            let history = checkers.join("histories").join(format!("{name}.jsonl"));
            let recorded = checkers.join("differential").join(name).join("history.jsonl");
            let is_there = tests.contains(name) || history.exists() || recorded.exists();
            assert!(is_there, "{what}: there is no {name}");
        }
        for title in titles {
            let is_title = |script: &String| script.lines().any(|line| line == title);
            assert!(scripts.iter().any(is_title), "{what}: there is no {title}");
        }
        count += 1;
    }
    assert!(count > 50, "{count} rows");
}
