//! The table in the documentation of `src/table/exec/writer.rs`: its functions and tests exist.

use std::fs;
use std::path::Path;

/// The names after `by` or `test` in the table.
fn named(page: &str, label: &str) -> Vec<String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("//!     ")?.strip_prefix(label));
    lines.flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect()
}

/// Whether the module's file in one of these folders has the function.
fn exists(folders: &[&str], name: &str) -> bool {
    let (module, function) = name.rsplit_once("::").expect("a module before the function");
    let file = module.trim_end_matches("::tests").replace("::", "/");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = folders
        .iter()
        .flat_map(|folder| [format!("{file}.rs"), format!("{file}/mod.rs")].map(|file| root.join(folder).join(file)));
    files.flat_map(fs::read_to_string).any(|text| text.contains(&format!("fn {function}(")))
}

#[test]
fn the_functions_and_the_tests_that_the_page_names_exist() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/table/exec/writer.rs")).unwrap();
    let (functions, tests) = (named(&page, "by "), named(&page, "test "));

    let functions_that_are_not: Vec<_> = functions.iter().filter(|name| !exists(&["src"], name)).collect();
    let tests_that_are_not: Vec<_> = tests.iter().filter(|name| !exists(&["src", "tests"], name)).collect();

    assert!(functions.len() > 10 && tests.len() > 10, "{functions:?} {tests:?}");
    assert!(functions_that_are_not.is_empty(), "{functions_that_are_not:?}");
    assert!(tests_that_are_not.is_empty(), "{tests_that_are_not:?}");
}
