//! The documentation says where each rule of the paper is, and that is where it is.

use std::fs;
use std::path::Path;

#[test]
fn every_function_of_the_map_exists_in_the_file_that_it_names() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let design = fs::read_to_string(source.join("../DESIGN.md")).unwrap();
    let (_, map) = design.split_once("<!-- map -->").unwrap();
    let (map, _) = map.split_once("<!-- /map -->").unwrap();
    let mut functions = 0;
    for row in map.lines().skip(3) {
        let columns: Vec<&str> = row.split('|').collect();
        let [_, _, _, names, files, _] = columns[..] else { continue };
        let quoted = |text: &str| -> Vec<String> {
            text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let (names, files) = (quoted(names), quoted(files));
        for (number, name) in names.iter().enumerate() {
            // All in one file, or each in one of its own; else the order says nothing.
            let files = match files.len() == names.len() {
                true => &files[number..=number],
                false => &files[..],
            };
            let is_in = |file: &String| {
                let text = fs::read_to_string(source.join(file)).unwrap();
                ["(", "<"].iter().any(|next| text.contains(&format!("fn {name}{next}")))
            };
            assert!(files.iter().any(is_in), "{name} in {files:?}");
            functions += 1;
        }
    }
    assert!(functions > 30, "{functions} functions");
}
