//! A layer imports only layers below it (`src/lib.rs` lists them), and code contains nothing about a single table.
//!
//! The sources are read as text: comments and strings are blanked, then `use` trees and paths in code are resolved to a
//! top-level module. The rule holds for unit tests, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use oceanflight::resource::{Registry, Resource, Segment};

use self::source::{Named, blank, is_word, module_of, test_modules, test_ranges};

mod source;

/// The modules that each layer may import; `src/lib.rs` describes the layers. A module may import itself. `lib.rs` is
/// not listed: it declares all modules.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("heap", &[]),
    ("secret", &[]),
    ("query", &["error"]),
    ("resource", &["error"]),
    ("rows", &["resource", "error"]),
    ("api", &["query", "secret", "error"]),
    ("sql", &["resource", "error"]),
    ("table", &["rows", "api", "query", "resource", "error"]),
    ("datasets", &["heap", "secret", "error"]),
    ("engine", &["sql", "table", "datasets", "api", "query", "resource", "heap", "error"]),
    ("flight", &["engine", "secret", "error"]),
    ("config", &["server", "engine", "datasets", "api", "secret", "error"]),
    ("server", &["flight", "engine", "error"]),
    ("cli", &["config", "datasets", "engine", "flight", "server", "resource", "api", "heap", "secret", "error"]),
    ("main", &["cli", "heap"]),
];

/// The dependencies that only some modules may import.
const CRATES: &[(&str, &[&str])] = &[
    ("reqwest", &["api"]),
    ("tonic", &["flight", "server"]),
    ("arrow_flight", &["flight", "server"]),
    ("simulated_account", &["cli"]),
    ("object_store", &["datasets"]),
    ("datafusion", &["sql", "table", "datasets", "engine", "flight", "server", "cli"]),
];

/// The files that may contain names of one table, and these names.
const KNOWING: &[(&str, &[&str])] = &[
    // The simulated account creates actions for POSTs, and completes them after a while.
    (
        "crates/simulated-account/src/action.rs",
        &[
            "\"convert\"",
            "\"transfer\"",
            "completed_at",
            "image_id",
            "region_slug",
            "resource_id",
            "resource_type",
            "started_at",
        ],
    ),
    // A field of the clock with the same name as a column of an action.
    ("crates/simulated-account/src/tables.rs", &["started_at"]),
];

#[test]
fn a_layer_imports_only_what_the_architecture_allows() {
    let wrong: Vec<String> = sources(&["src"]).iter().flat_map(|(file, text)| violations(file, text)).collect();

    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn code_contains_nothing_about_a_single_table() {
    let sources = sources(&["src", "crates/simulated-account/src"]);
    let tests: Vec<String> = sources.iter().flat_map(|(file, text)| test_modules(file, text)).collect();
    let names: BTreeSet<String> = Registry::built_in().iter().flat_map(|resource| specific_names(resource)).collect();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();

    for (file, text) in &sources {
        if file.starts_with("src/resource/") || tests.contains(&module_of(file).join("::")) {
            continue;
        }
        let may = KNOWING.iter().find(|(knowing, _)| knowing == file).map_or(&[][..], |(_, names)| names);
        for (line, name) in mentions(text, &names) {
            match may.iter().find(|may| **may == name) {
                Some(may) => {
                    used.insert((file.as_str(), *may));
                }
                None => wrong.push(format!("{file}:{line}: `{name}` belongs to a declaration in src/resource")),
            }
        }
    }
    let unused = KNOWING.iter().flat_map(|(file, names)| names.iter().map(move |name| (*file, *name)));
    let unused = unused.filter(|known| !used.contains(known));
    wrong.extend(unused.map(|(file, name)| format!("{file} no longer names `{name}`: take it out of KNOWING")));

    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Returns the path and text of every file below these folders.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort();
    sources
}

/// Returns the forbidden imports of one file.
fn violations(file: &str, text: &str) -> Vec<String> {
    let named = Named::of(file, text);
    let Some(layer) = module_of(file).into_iter().next() else {
        return named.modules.iter().filter_map(|(line, name)| without_row(file, *line, name)).collect();
    };
    let Some((_, may)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return without_row(file, 1, &layer).into_iter().collect();
    };
    named
        .paths
        .iter()
        .filter_map(|(line, path)| violation(&layer, may, path).map(|it| format!("{file}:{line}: {it}")))
        .collect()
}

fn without_row(file: &str, line: usize, module: &str) -> Option<String> {
    let has_row = LAYERS.iter().any(|(name, _)| *name == module);
    (!has_row).then(|| {
        format!(
            "{file}:{line}: the top-level module `{module}` has no row: \
             add what it may import to LAYERS (tests/layers.rs), and a description to src/lib.rs"
        )
    })
}

fn violation(layer: &str, may: &[&str], path: &[String]) -> Option<String> {
    let shown = path.join("::");
    if path[0] != "crate" {
        let named =
            |name: &str| path[0] == name || path[0].strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        let (name, layers) = CRATES.iter().find(|(name, _)| named(name))?;
        let refused = || format!("`{layer}` names `{shown}`; only {} may name {name}", layers.join(", "));
        return (!layers.contains(&layer)).then(refused);
    }
    let module = path.get(1).map_or("*", String::as_str);
    if module == layer || may.contains(&module) {
        return None;
    }
    let may = if may.is_empty() { "no other module".to_owned() } else { format!("only {}", may.join(", ")) };
    Some(match module {
        "*" => format!("`{layer}` imports the whole crate; it may import {may}: name the module"),
        _ => format!("`{layer}` imports `{shown}`; it may import {may}"),
    })
}

/// Returns the names that only this resource has, without ordinary words: `images` counts only with its schema or in a
/// path, and `status` does not count.
fn specific_names(resource: &Resource) -> BTreeSet<String> {
    let columns = resource.columns.iter().map(|column| &column.name);
    let methods = resource.methods.iter().map(|method| &method.name);
    let procedures = resource.procedures.iter().map(|procedure| &procedure.name);
    let parameters = resource.procedures.iter().flat_map(|procedure| &procedure.parameters);
    let values = parameters.clone().flat_map(|parameter| &parameter.allowed).map(|value| format!("\"{value}\""));
    let parameters = parameters.map(|parameter| &parameter.name);
    let words = columns
        .chain(methods)
        .chain(procedures)
        .chain(parameters)
        .chain([&resource.table])
        .filter(|name| name.contains('_'))
        .cloned();
    let qualified = [".", "/"].map(|sign| format!("{}{sign}{}", resource.schema, resource.table));
    let paths = resource.methods.iter().map(|method| {
        let fixed = method.path.segments().iter().map_while(|segment| match segment {
            Segment::Fixed(text) => Some(format!("/{text}")),
            Segment::Parameter(_) => None,
        });
        fixed.collect()
    });
    words.chain(qualified).chain(paths).chain(values).collect()
}

/// Returns the lines of code, without comments and tests, that contain one of the names.
fn mentions(text: &str, names: &BTreeSet<String>) -> Vec<(usize, String)> {
    let ranges = test_ranges(&blank(text, false));
    let code = blank(text, true);
    let mut found = Vec::new();
    for name in names {
        for (at, _) in code.match_indices(name) {
            let before = name.starts_with(is_word) && code[..at].ends_with(is_word);
            let within_word = before || code[at + name.len()..].starts_with(is_word);
            if !within_word && !ranges.iter().any(|range| range.contains(&at)) {
                found.push((code[..at].matches('\n').count() + 1, name.clone()));
            }
        }
    }
    found.sort();
    found
}

mod checker {
    use super::*;

    /// Returns the forbidden imports of a file in `table`, each as `line: import`.
    fn found(text: &str) -> Vec<String> {
        let found = violations("src/table/scan.rs", text);
        found.iter().map(|found| found.strip_prefix("src/table/scan.rs:").unwrap().to_owned()).collect()
    }

    #[test]
    fn a_forbidden_import_is_found_in_every_spelling() {
        let cases = [
            "use crate::flight::Handle;",
            "use crate::{api::{self, Client}, flight::{Handle, stream::*}};",
            "pub(crate) use crate::{error as e, flight as f};",
            "fn f() -> Vec<crate::flight::Handle> {}",
            "use super::super::flight;",
            "mod inner { fn f() { super::super::super::flight::g::<u8>() } }",
            "#[cfg(test)] mod tests { use oceanflight::flight; }",
            "macro_rules! m { () => { $crate::flight::g!() } }",
            "const A: char = '\"'; use crate::flight::A; const B: &str = \"\";",
        ];

        for text in cases {
            let found = found(text);
            assert!(!found.is_empty(), "{text}");
            assert!(
                found.iter().all(|found| found.starts_with("1: `table` imports `crate::flight")),
                "{text}: {found:?}"
            );
        }
        assert_eq!(
            found("\nuse crate::{\n    api,\n    engine::Engine,\n};"),
            ["4: `table` imports `crate::engine::Engine`; it may import only rows, api, query, resource, error"]
        );
    }

    #[test]
    fn allowed_imports_are_not_reported() {
        let cases = [
            "use crate::{api::Client, error::{Error, Result}, table};",
            "mod tests { use super::*; use super::super::fault; use super::super::super::api; }",
            "// use crate::flight;\n/* crate::flight::A /* */ crate::flight::B */",
            r###"const A: &str = "\"crate::flight::A"; const B: &[u8] = br#"" crate::flight::B"#;"###,
            "fn f<'a>(a: &'a str) -> impl Sized + use<'a> { (a, '\\'', '\\u{7f}', b'\"') }",
            "mod flight { pub(in crate::table) fn f() {} } use self::flight::f; use datafusion::common;",
        ];

        for text in cases {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_crate_itself_is_not_an_import() {
        for text in ["use crate::*;", "use super::super::*;", "use crate::{self as root};"] {
            let found = found(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains("imports the whole crate"), "{found:?}");
        }
    }

    #[test]
    fn a_dependency_is_allowed_only_in_its_layers() {
        let refused = "1: `table` names `reqwest::Client`; only api may name reqwest";

        assert_eq!(found("use reqwest::Client;"), [refused]);
        assert_eq!(found("struct A(::reqwest::Client);"), [refused]);
        assert_eq!(found("#[tonic::async_trait] impl A {}").len(), 1);
        assert_eq!(found("use datafusion_expr::Expr; use datafusion::sql;"), [""; 0]);
        assert_eq!(violations("src/rows/mod.rs", "use datafusion_expr::Expr;").len(), 1);
        assert_eq!(violations("src/api/client.rs", "use reqwest::Client;"), [""; 0]);
    }

    #[test]
    fn a_module_without_a_row_has_a_clear_error() {
        let declared = violations("src/lib.rs", "pub mod api;\nmod cache;");
        let file = violations("src/cache/mod.rs", "");

        assert_eq!(declared.len(), 1);
        assert!(
            declared[0]
                .starts_with("src/lib.rs:2: the top-level module `cache` has no row: add what it may import to LAYERS")
        );
        assert!(file[0].starts_with("src/cache/mod.rs:1: the top-level module `cache` has no row"));
    }

    #[test]
    fn a_tables_name_is_found_in_code_and_strings() {
        let names = ["image_id", "/v2/images"].map(str::to_owned).into();
        let text = "// image_id\nlet image_id = \"x.image_id\";\nlet my_image_id = 1;\nget(\"/v2/images/{}\");\n\
                    #[cfg(test)]\n#[path = \"a\"]\nmod tests { fn f() { let image_id; } }\nfn g() { image_id }";

        let lines: Vec<usize> = mentions(text, &names).into_iter().map(|(line, _)| line).collect();

        assert_eq!(lines, [2, 2, 4, 8]);
        assert_eq!(test_modules("src/api/mod.rs", "mod a;\n#[cfg(test)]\nmod client;\nmod b;"), ["api::client"]);
    }
}
