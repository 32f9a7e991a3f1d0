//! What README.md and docs/ show is what the program does: `console` blocks are run, SQL blocks return rows, and generated
//! pages are what the code generates.
//!
//! `UPDATE_DOCS=1 cargo test docs` writes the output and the generated pages instead of comparing them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oceanflight::{cli, config};

/// A Markdown file that users read.
struct Page {
    path: PathBuf,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: PathBuf) -> Page {
    let text = fs::read_to_string(&path).unwrap();
    Page { path, text }
}

/// README.md, and the pages of docs/ and docs/clients/.
fn pages() -> Vec<Page> {
    let docs = [files("docs"), files("docs/clients")].concat();
    std::iter::once(root().join("README.md")).chain(docs).map(read).collect()
}

/// The files of a directory, without its directories.
fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn updating() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// The text between each line "```LANGUAGE" and the next "```".
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(opening.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// The command of a `console` block, and the output below it. A command continues over lines as long as a quote is open.
fn session(block: &str) -> (&str, &str) {
    let mut quotes = 0;
    let mut end = 0;
    for line in block.split_inclusive('\n') {
        quotes += line.matches('"').count();
        end += line.len();
        if quotes % 2 == 0 {
            break;
        }
    }
    let (command, output) = block.split_at(end);
    (command.trim_end().strip_prefix("$ ").unwrap(), output)
}

/// What a shell prints for the command: the rows, then standard error. Spaces at the ends of lines are cut off.
fn printed(command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_oceanflight"));
    let mut shell = Command::new("sh");
    shell.env_clear().env("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap().display()));
    let output = shell.arg("-c").arg(command).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The text without the random ids that errors give requests.
fn without_request_ids(text: &str) -> String {
    let mut pieces = text.split("(request ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + "(request …)" + piece.split_once(')').map_or("", |(_, rest)| rest))
}

#[test]
fn console_blocks_show_what_the_program_prints() {
    let mut run = 0;
    for Page { path, text } in pages() {
        let mut updated = text.clone();
        for block in blocks(&text, "console") {
            let (command, shown) = session(block);
            let printed = printed(command);
            run += 1;
            if without_request_ids(&printed) == without_request_ids(shown) {
                continue;
            }
            assert!(updating(), "{}: $ {command}\n{printed}\n-- the page shows:\n{shown}", path.display());
            updated = updated.replacen(block, &format!("$ {command}\n{printed}"), 1);
        }
        if updated != text {
            fs::write(path, updated).unwrap();
        }
    }
    assert!(run >= 5);
}

#[test]
fn sql_blocks_return_rows() {
    let mut run = 0;
    for Page { path, text } in pages() {
        for query in blocks(&text, "sql") {
            let mut command = Command::new(env!("CARGO_BIN_EXE_oceanflight"));
            let output = command.env_clear().args(["query", "--demo", "--format", "jsonl", query]).output().unwrap();
            let returned_rows = output.status.success() && !output.stdout.is_empty();
            assert!(returned_rows, "{}: {query}: {output:?}", path.display());
            run += 1;
        }
    }
    assert!(run >= 2);
}

/// tests/interop runs the examples, and compares what they print with the files that end in `.out`.
#[test]
fn examples_of_the_pages_are_the_files_that_the_clients_run() {
    const DIRECTORY: &str = "tests/interop/examples/";
    let mut shown = Vec::new();
    for Page { path, text } in files("docs/clients").into_iter().map(read) {
        for rest in text.split(&format!("<!-- {DIRECTORY}")).skip(1) {
            let (name, below) = rest.split_once(" -->\n").unwrap();
            let block = below.strip_prefix("```").and_then(|block| block.split_once('\n')).unwrap().1;
            let block = block.split("```").next().unwrap();
            assert_eq!(block, read(root().join(DIRECTORY).join(name)).text, "{}: {name}", path.display());
            shown.push(name.to_owned());
        }
    }
    for example in files(DIRECTORY) {
        let name = example.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name == "run" || shown.contains(&name), "no page shows {name}");
    }
}

/// Compares the table that starts with `heading`, at the end of a page, with the generated one; or replaces it.
fn assert_generated(page: &str, heading: &str, reference: &str) {
    let page = read(root().join(page));
    let (intro, table) = page.text.split_at(page.text.find(heading).unwrap());
    if updating() && table.trim_end() != reference.trim_end() {
        fs::write(page.path, format!("{intro}{reference}")).unwrap();
        return;
    }
    assert_eq!(table.trim_end(), reference.trim_end(), "run UPDATE_DOCS=1 cargo test docs");
}

#[test]
fn the_page_of_settings_is_generated_from_them() {
    assert_generated("docs/settings.md", "| key |", &config::reference());
}

#[test]
fn the_tables_of_errors_are_generated() {
    assert_generated("docs/errors.md", "| kind |", &cli::error_reference());
}

#[test]
fn the_readme_is_short() {
    let readme = read(root().join("README.md"));
    assert!(readme.text.chars().count() <= 9_000);
}

#[test]
fn links_to_files_lead_to_files() {
    for Page { path, text } in pages() {
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(file).exists(), "{}: {target}", path.display());
        }
    }
}

#[test]
fn the_changelog_begins_with_this_version() {
    let changelog = read(root().join("CHANGELOG.md")).text;
    let versions: Vec<_> = changelog.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let numbers: Vec<_> = versions.iter().map(|heading| heading.split(' ').next().unwrap()).collect();

    assert_eq!(numbers.first(), Some(&env!("CARGO_PKG_VERSION")));
    for (at, number) in numbers.iter().enumerate() {
        assert!(!numbers[..at].contains(number), "{number} is there twice");
    }
}

#[test]
fn the_wheels_version_is_the_crates() {
    let project: toml::Table = read(root().join("pyproject.toml")).text.parse().unwrap();
    let project = project["project"].as_table().unwrap();

    assert!(!project.contains_key("version"));
    assert_eq!(project["dynamic"].as_array().unwrap(), &["version".into()]);
}
