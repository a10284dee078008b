//! The script of a page: its modules as one text, because a page that is opened from a
//! disk may load none.
//!
//! Each module becomes a function that returns what it exports. Imports have the form
//! `import { a, b } from "./module.js";`, and exports stand before a function, a class or a
//! constant at the beginning of a line.

/// A module's name and its text.
macro_rules! modules {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../page/src/", $name, ".js")))),*]
    };
}

/// Those of a report. Each stands after those that it imports.
pub(super) const REPORT: &[(&str, &str)] = &modules![
    "binary" "dom" "times" "run" "texts" "spread" "filter" "state" "visible" "lanes" "colors"
    "faults" "scene" "draw-arrows" "draw-density" "draw-bars" "draw-bands" "draw-lines" "roles" "draw"
    "missing" "pick" "causes" "gestures" "diagram" "controls" "inspector" "offsets" "traffic" "app" "main"
];

/// Those of the store's page.
pub(super) const STORE: &[(&str, &str)] = &modules![
    "dom" "runs" "list" "compare" "one-run" "store"
];

/// Modules in one script.
pub(super) fn join(modules: &[(&str, &str)]) -> String {
    let mut script = "\"use strict\";\n".to_owned();
    modules.iter().for_each(|(name, text)| append(&mut script, name, text));
    script
}

fn append(script: &mut String, name: &str, text: &str) {
    let mut exports = Vec::new();
    *script += &format!("const {} = (() => {{\n", variable(name));
    for statement in statements(text) {
        if let Some((names, module)) = import(statement) {
            *script += &format!("const {} = {};\n", names.replace(" as ", ": "), variable(module));
        } else {
            let exported = statement.strip_prefix("export ");
            exports.extend(exported.and_then(declared));
            *script += exported.unwrap_or(statement);
        }
    }
    *script += &format!("return {{ {} }};\n}})();\n", exports.join(", "));
}

/// Lines, but that an import is one however many lines it has.
fn statements(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = if text.starts_with("import {") { ";\n" } else { "\n" };
        let length = text.find(end).map_or(text.len(), |at| at + end.len());
        let statement;
        (statement, text) = text.split_at(length);
        (!statement.is_empty()).then_some(statement)
    })
}

/// The names of an import, in braces, and the module that they are from.
fn import(statement: &str) -> Option<(&str, &str)> {
    let (names, module) = statement.strip_prefix("import ")?.split_once(" from \"./")?;
    Some((names, module.split_once(".js\";")?.0))
}

/// The name that a declaration declares.
fn declared(declaration: &str) -> Option<&str> {
    let rest = declaration.strip_prefix("async ").unwrap_or(declaration);
    let (_, name) = ["function ", "class ", "const "]
        .iter()
        .find_map(|kind| Some((kind, rest.strip_prefix(kind)?)))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The variable that has what a module exports.
fn variable(module: &str) -> String {
    format!("in_{}", module.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_a_function_that_returns_what_it_exports() {
        let text = "import {\n  a,\n  b as c,\n} from \"./the-other.js\";\n\nexport const X = a;\n\
                    function hidden() {}\nexport async function f() {}\nexport class K {\n}\n";
        let mut script = String::new();
        append(&mut script, "one", text);
        let expected = "const in_one = (() => {\nconst {\n  a,\n  b: c,\n} = in_the_other;\n\n\
                        const X = a;\nfunction hidden() {}\nasync function f() {}\nclass K {\n}\n\
                        return { X, f, K };\n})();\n";
        assert_eq!(script, expected);
    }

    #[test]
    fn every_module_comes_after_those_that_it_imports_and_nothing_is_left_to_load() {
        for modules in [REPORT, STORE] {
            let mut known = Vec::new();
            for (name, text) in modules {
                for (_, module) in statements(text).filter_map(import) {
                    assert!(known.contains(&module), "{name} imports {module}");
                }
                known.push(name);
            }
            let script = join(modules);
            let is_left = |line: &str| line.starts_with("import ") || line.starts_with("export ");
            assert_eq!(script.lines().find(|line| is_left(line)), None);
            assert!(!script.contains("</script"));
        }
    }
}
