//! Each declaration agrees with DigitalOcean's OpenAPI document, except for the differences that it lists.
//!
//! The document is not part of this repository. It is read from the file in `OCEANFLIGHT_OPENAPI`, or from
//! `../shared/data/` beside the project. If there is neither, the test reports that it was skipped. CI has it.
//!
//! A difference has a place, which the declaration lists with its reason:
//!
//! - `methods.NAME.path`: there is no such path, or no GET on it; for a procedure, no POST.
//! - `methods.NAME.row`: the response has no such key, or under `rows` no list.
//! - `methods.NAME.paged`: `page` and `per_page` are not in the document, or they are and we do not send them.
//! - `methods.NAME.query.PARAM.unknown`: a filter or a part of a union sends a query parameter that the document lacks.
//! - `methods.NAME.query.PARAM.values`: the document lists the values, and we would send another one.
//! - `columns.NAME.unknown`, `.missing`: the document's row has no such property, or we have no such column.
//! - `columns.NAME.type`, `.nullable`: these differ. For the items of a list `columns.NAME.items.type`, for the field
//!   of a struct `columns.NAME.FIELD.type`, `.unknown` and `.missing`. Everything inside a column is nullable here.
//! - `columns.NAME.param`, `.type`: the path's parameter has another name or another type.
//! - `methods.NAME.body.PARAM.unknown`, `.missing`: the document's request has no such property, or we have no such
//!   parameter.
//! - `methods.NAME.body.PARAM.type`, `.values`: the document has another type, or allows other values.
//! - `methods.NAME.body.PARAM.required`: it is required on one side only. Conditionally required (`when` here, one part
//!   of an `anyOf` in the document) counts as required.
//! - `methods.NAME.completion.succeeded`, `.failed`: the document lists the column's values, and these are not among
//!   them.
//!
//! A procedure returns a row of the table, which is compared with the columns. An alias of another table's procedure is
//! compared with that table only.
//!
//! The `required` of a response is not compared: every key of a declaration is required.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

use oceanflight::resource::{Registry, Resource};

use self::comparison::Comparison;
use self::document::Document;

mod comparison;
mod document;

const VARIABLE: &str = "OCEANFLIGHT_OPENAPI";
const BESIDE: &str = "../shared/data/digitalocean-compute.openapi.json";

#[test]
fn each_declaration_agrees_with_the_openapi_document() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE);
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    let Some(file) = locate(env::var_os(VARIABLE).map(PathBuf::from), &beside, ci).unwrap() else {
        // Not `eprintln!`, whose output is only shown if the test fails.
        writeln!(stderr(), "skipped: no OpenAPI document in {VARIABLE} or at {}", beside.display()).unwrap();
        return;
    };
    let document = Document(serde_json::from_slice(&fs::read(&file).unwrap()).unwrap());

    let wrong: Vec<String> = Registry::built_in().iter().flat_map(|resource| judge(&document, resource)).collect();

    assert!(wrong.is_empty(), "against {}:\n{}\n", file.display(), wrong.join("\n"));
}

/// The document's file; `None` if there is none and none is required.
fn locate(named: Option<PathBuf>, beside: &Path, ci: bool) -> Result<Option<PathBuf>, String> {
    match named {
        Some(file) if file.is_file() => Ok(Some(file)),
        Some(file) => Err(format!("{VARIABLE} names {}, which is not a file", file.display())),
        None if beside.is_file() => Ok(Some(beside.to_owned())),
        None if ci => Err(format!("CI needs the OpenAPI document: set {VARIABLE} to its file")),
        None => Ok(None),
    }
}

/// The problems: differences that are not listed, and listed ones that do not exist.
fn judge(document: &Document, resource: &Resource) -> Vec<String> {
    let found = Comparison::of(document, resource).found;
    let mut listed = BTreeSet::new();
    let mut wrong = Vec::new();
    for difference in &resource.differences {
        let reason = difference.reason.trim();
        if reason.len() < 2 || !reason.ends_with('.') {
            wrong.push(format!("{resource}: the reason of {:?} is not a sentence: {reason:?}", difference.at));
        }
        for place in &difference.at {
            if !listed.insert(place.as_str()) {
                wrong.push(format!("{resource}: the difference at `{place}` is listed twice"));
            } else if !found.contains_key(place) {
                wrong.push(format!("{resource}: a difference at `{place}` is listed, but there is none: remove it"));
            }
        }
    }
    for (place, sides) in found.iter().filter(|(place, _)| !listed.contains(place.as_str())) {
        wrong.push(format!("{resource}: `{place}`: {sides}; correct it, or list the place with the reason"));
    }
    wrong
}

mod comparer {
    use super::*;

    const DOCUMENT: &str = r##"{
        "paths": {
            "/v2/shelves/{shelf_id}/books": {
                "parameters": [{
                    "in": "path", "name": "shelf_id", "schema": {"anyOf": [{"type": "integer"}, {"type": "string"}]}
                }],
                "get": {
                    "parameters": [
                        {"$ref": "#/components/parameters/page"},
                        {"in": "query", "name": "per_page"},
                        {"in": "query", "name": "name", "schema": {"type": "string"}},
                        {"in": "query", "name": "sort", "schema": {"$ref": "#/components/schemas/sort"}}
                    ],
                    "responses": {"200": {"$ref": "#/components/responses/books"}}
                },
                "post": {
                    "requestBody": {"$ref": "#/components/requestBodies/order"},
                    "responses": {
                        "201": {"content": {"application/json": {"schema": {
                            "properties": {"book": {"oneOf": [{"$ref": "#/components/schemas/book"}]}}
                        }}}},
                        "404": {"content": {"application/json": {"schema": {"properties": {"message": {}}}}}}
                    }
                }
            },
            "/v2/shelves/{shelf_id}/books/{book_id}": {
                "parameters": [{"in": "path", "name": "shelf_id", "schema": {"type": "integer"}}],
                "get": {"responses": {"200": {"content": {"application/json": {"schema": {
                    "properties": {"book": {"oneOf": [{"$ref": "#/components/schemas/book"}]}}
                }}}}}}
            }
        },
        "components": {
            "parameters": {"page": {"in": "query", "name": "page"}},
            "requestBodies": {"order": {"content": {"application/json": {"schema": {"anyOf": [
                {"$ref": "#/components/schemas/order"},
                {"allOf": [
                    {"$ref": "#/components/schemas/order"},
                    {"required": ["reader"], "properties": {"reader": {"type": "integer"}}}
                ]}
            ]}}}}},
            "responses": {"books": {"content": {"application/json": {"schema": {"allOf": [
                {"properties": {"books": {"type": "array", "items": {"$ref": "#/components/schemas/book"}}}},
                {"properties": {"total": {"type": "integer"}}}
            ]}}}}},
            "schemas": {"sort": {"type": "string", "enum": ["new", "old"]}, "order": {"required": ["kind"], "properties": {
                "kind": {"type": "string", "enum": ["buy", "lend"]},
                "copies": {"type": "integer"},
                "weeks": {"type": "integer", "enum": [2, 4]}
            }}, "book": {"type": "object", "required": ["title"], "properties": {
                "id": {"type": "integer"},
                "title": {"type": "string", "enum": ["Atlas", "Bible", "Comic"]},
                "price": {"allOf": [{"type": "number"}, {"nullable": true}]},
                "lent_at": {"type": "string", "format": "date-time", "nullable": true},
                "author": {"type": "object", "nullable": true, "properties": {
                    "name": {"type": "string"}, "born": {"type": "integer"}
                }},
                "pages": {"type": "array", "nullable": true, "items": {"type": "boolean"}}
            }}}
        }
    }"##;

    const DECLARATION: &str = r#"
        description = "Books."
        key = ["shelf_id", "id"]
        columns = [
            { name = "id", type = "Int64", nullable = false, description = "." },
            { name = "title", type = "Utf8", nullable = false, description = "." },
            { name = "price", type = "Float64", description = "." },
            { name = "lent_at", type = "Timestamp", description = "." },
            { name = "author", type = "Struct", description = ".", fields = [
                { name = "name", type = "Utf8" },
                { name = "born", type = "Int64" },
            ] },
            { name = "pages", type = "List", items = { type = "Boolean" }, description = "." },
            { name = "shelf_id", type = "Int64", param = true, description = "." },
        ]
        [methods.books_list]
        verb = "select"
        description = "."
        get = "/v2/shelves/{shelf_id}/books"
        rows = "books"
        paged = true
        union = [{}, { sort = "old" }]
        filters = [
            { column = "title", query_param = "name" },
            { column = "title", query_param = "sort", value_map = { Atlas = "new" } },
        ]
        [methods.books_get]
        verb = "select"
        description = "."
        get = "/v2/shelves/{shelf_id}/books/{id}"
        row = "book"
        [methods.books_post]
        verb = "exec"
        description = "."
        post = "/v2/shelves/{shelf_id}/books"
        row = "book"
        path = { shelf_id = { example = "7", description = "." } }
        completion = { status_column = "title", succeeded = ["Atlas", "Bible"], failed = ["Comic"], poll_method = "books_get" }
        body = [
            { name = "copies", type = "Int64", example = "1", description = "." },
            { name = "weeks", type = "Int64", enum = ["2", "4"], example = "2", description = "." },
            {
                name = "kind", type = "Utf8", required = true, enum = ["lend", "buy"],
                example = "lend", description = ".",
            },
            {
                name = "reader", type = "Int64", required = true, when = { kind = ["lend"] },
                example = "3", description = ".",
            },
        ]
        [methods.lend]
        verb = "exec"
        description = "."
        alias_of = "compute.books.books_post"
        fixed = { kind = "lend" }
    "#;

    fn judged(document: &str, declaration: &str) -> Vec<String> {
        let document = Document(serde_json::from_str(document).unwrap());
        judge(&document, &Resource::parse("library/compute/books", declaration).unwrap())
    }

    /// The places of the differences.
    fn found(document: &str, declaration: &str) -> Vec<String> {
        let document = Document(serde_json::from_str(document).unwrap());
        let resource = Resource::parse("library/compute/books", declaration).unwrap();
        Comparison::of(&document, &resource).found.into_keys().collect()
    }

    /// The places of the differences of a changed declaration.
    fn places(from: &str, to: &str) -> Vec<String> {
        assert!(DECLARATION.contains(from), "{from}");
        found(DOCUMENT, &DECLARATION.replace(from, to))
    }

    #[test]
    fn a_declaration_like_the_document_has_no_difference() {
        assert_eq!(judged(DOCUMENT, DECLARATION), [""; 0]);
    }

    #[test]
    fn each_difference_of_a_method_is_found_at_its_place() {
        let cases = [
            ("books/{id}", "volumes/{id}", "methods.books_get.path"),
            ("rows = \"books\"", "rows = \"all\"", "methods.books_list.row"),
            ("rows = \"books\"", "rows = \"total\"", "methods.books_list.row"),
            ("paged = true", "", "methods.books_list.paged"),
            ("shelf_id", "id_of_shelf", "columns.id_of_shelf.param"),
            ("\"shelf_id\", type = \"Int64\"", "\"shelf_id\", type = \"Utf8\"", "columns.shelf_id.type"),
        ];

        for (from, to, place) in cases {
            assert_eq!(places(from, to), [place], "{to}");
        }
    }

    #[test]
    fn each_difference_of_a_query_is_found_at_its_place() {
        let cases = [
            ("query_param = \"name\"", "query_param = \"author\"", "author.unknown"),
            ("{ sort = \"old\" }", "{ order = \"old\" }", "order.unknown"),
            ("{ sort = \"old\" }", "{ sort = \"lost\" }", "sort.values"),
            ("Atlas = \"new\"", "Atlas = \"newest\"", "sort.values"),
            ("value_map = { Atlas = \"new\" }", "exact = true", "sort.values"),
        ];

        for (from, to, place) in cases {
            assert_eq!(places(from, to), [format!("methods.books_list.query.{place}")], "{to}");
        }
    }

    #[test]
    fn each_difference_of_a_procedure_is_found_at_its_place() {
        let copies = "{ name = \"copies\", type = \"Int64\", example = \"1\", description = \".\" },";
        let cases: &[(&str, &str, &[&str])] = &[
            ("post = \"/v2/shelves/", "post = \"/v2/racks/", &["path"]),
            (copies, "", &["body.copies.missing"]),
            ("\"copies\"", "\"number\"", &["body.copies.missing", "body.number.unknown"]),
            ("\"copies\", type = \"Int64\"", "\"copies\", type = \"Utf8\"", &["body.copies.type"]),
            ("[\"lend\", \"buy\"]", "[\"lend\", \"buy\", \"sell\"]", &["body.kind.values"]),
            ("enum = [\"2\", \"4\"], ", "", &["body.weeks.values"]),
            ("example = \"1\"", "enum = [\"1\"], example = \"1\"", &["body.copies.values"]),
            ("example = \"1\"", "required = true, example = \"1\"", &["body.copies.required"]),
            ("required = true, when", "when", &["body.reader.required"]),
            ("\"Bible\"]", "\"Diary\"]", &["completion.succeeded"]),
            ("[\"Comic\"]", "[\"comic\"]", &["completion.failed"]),
        ];

        for (from, to, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|place| format!("methods.books_post.{place}")).collect();
            assert_eq!(places(from, to), expected, "{to}");
        }
    }

    #[test]
    fn the_path_and_the_row_of_a_procedure_are_compared_with_the_columns() {
        let path = r#""post": {"parameters": [{"in": "path", "name": "shelf_id", "schema": {"type": "string"}}],"#;
        let row = r#"{"oneOf": [{"properties": {"lent_to": {"type": "integer"}}}, "#;

        // The first `oneOf` is the POST's.
        assert_eq!(found(&DOCUMENT.replacen("{\"oneOf\": [", row, 1), DECLARATION), ["columns.lent_to.missing"]);
        assert_eq!(found(&DOCUMENT.replace("\"post\": {", path), DECLARATION), ["columns.shelf_id.type"]);
    }

    #[test]
    fn a_path_without_the_verb_counts_as_missing() {
        let without = |verb: &str| found(&DOCUMENT.replace(verb, "\"put\""), DECLARATION);

        assert_eq!(without("\"get\""), ["methods.books_get.path", "methods.books_list.path"]);
        assert_eq!(without("\"post\""), ["methods.books_post.path"]);
    }

    #[test]
    fn each_difference_of_a_column_is_found_at_its_place() {
        let lent = "{ name = \"lent_at\", type = \"Timestamp\", description = \".\" },";
        let cases: &[(&str, &str, &[&str])] = &[
            ("Timestamp", "Utf8", &["columns.lent_at.type"]),
            ("Float64", "Int64", &["columns.price.type"]),
            ("\"Float64\"", "\"Float64\", nullable = false", &["columns.price.nullable"]),
            ("\"Utf8\", nullable = false", "\"Utf8\"", &["columns.title.nullable"]),
            (lent, "", &["columns.lent_at.missing"]),
            ("\"title\"", "\"name\"", &["columns.name.unknown", "columns.title.missing"]),
            ("items = { type = \"Boolean\" }", "items = { type = \"Utf8\" }", &["columns.pages.items.type"]),
            ("\"born\", type = \"Int64\"", "\"born\", type = \"Utf8\"", &["columns.author.born.type"]),
            ("\"born\"", "\"died\"", &["columns.author.born.missing", "columns.author.died.unknown"]),
        ];

        for (from, to, expected) in cases {
            assert_eq!(places(from, to), *expected, "{to}");
        }
    }

    #[test]
    fn a_bare_row_is_compared_all_the_same() {
        let bare = DOCUMENT.replace(
            r##""properties": {"book": {"oneOf": [{"$ref": "#/components/schemas/book"}]}}"##,
            r##""$ref": "#/components/schemas/book""##,
        );

        let wrong = judged(&bare, DECLARATION);

        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("library.compute.books: `methods.books_get.row`: the document has"), "{wrong:?}");
        assert!(wrong[1].starts_with("library.compute.books: `methods.books_post.row`: the document has"), "{wrong:?}");
    }

    #[test]
    fn a_listed_difference_is_accepted_as_long_as_it_exists() {
        let listed = |place: &str, reason: &str| {
            let text = DECLARATION.replace("paged = true", "");
            judged(DOCUMENT, &format!("{text}\n[[differences]]\nat = [\"{place}\"]\nreason = \"{reason}\""))
        };

        assert_eq!(listed("methods.books_list.paged", "Short lists."), [""; 0]);
        assert!(listed("methods.books_list.paged", "short lists")[0].contains("is not a sentence"));
        assert!(listed("methods.books_list.paged", ".")[0].contains("is not a sentence"));
        assert_eq!(
            listed("columns.title.nullable", "Untitled."),
            [
                "library.compute.books: a difference at `columns.title.nullable` is listed, but there is none: remove it",
                "library.compute.books: `methods.books_list.paged`: the document has `page` and `per_page`, \
                 the declaration no pages; correct it, or list the place with the reason",
            ]
        );
    }

    #[test]
    fn the_document_is_found_by_variable_or_beside_the_project() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let nowhere = Path::new("/nowhere/a.json");

        assert_eq!(locate(Some(here.clone()), nowhere, true), Ok(Some(here.clone())));
        assert_eq!(locate(None, &here, true), Ok(Some(here.clone())));
        assert_eq!(locate(None, nowhere, false), Ok(None));
        assert!(locate(Some(nowhere.into()), &here, false).unwrap_err().contains("is not a file"));
        assert!(locate(None, nowhere, true).unwrap_err().contains("set OCEANFLIGHT_OPENAPI"));
    }
}
