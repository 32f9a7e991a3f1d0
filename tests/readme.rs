//! What the README shows is what the program does: its `console` blocks are run, its table of
//! settings is the one that derives from the list.

use std::path::Path;
use std::process::Command;

use oceanflight::config;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The `console` blocks: what is typed, and what is shown below it.
fn sessions(text: &str) -> Vec<(String, String)> {
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks.map(session).collect()
}

/// A command may go on over lines as long as a quote is open.
fn session(block: &str) -> (String, String) {
    let mut command = String::new();
    let mut lines = block.lines();
    for line in lines.by_ref() {
        command.push_str(line);
        if command.matches('"').count().is_multiple_of(2) {
            break;
        }
        command.push('\n');
    }
    let shown: Vec<_> = lines.collect();
    (command.strip_prefix("$ ").unwrap().to_owned(), shown.join("\n"))
}

/// Rows, and then what is said about them.
fn printed(command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_oceanflight"));
    let mut shell = Command::new("sh");
    shell.env_clear().env("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap().display()));
    let output = shell.arg("-c").arg(command).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// An error names a request by a random id.
fn without_request_ids(text: &str) -> String {
    let mut pieces = text.split("(request ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + "(request …)" + piece.split_once(')').map_or("", |(_, rest)| rest))
}

#[test]
fn what_the_readme_shows_is_what_the_program_prints() {
    let sessions = sessions(&readme());

    assert!(sessions.len() >= 5);
    for (command, shown) in sessions {
        assert_eq!(without_request_ids(&printed(&command)), without_request_ids(&shown), "$ {command}");
    }
}

#[test]
fn the_readmes_queries_answer_rows() {
    let readme = readme();
    let queries = readme.split("```sql\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());

    let queries: Vec<_> = queries.collect();
    assert!(queries.len() >= 2);
    for query in queries {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oceanflight"));
        let output = command.env_clear().args(["query", "--demo", "--format", "jsonl", query]).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{query}: {output:?}");
    }
}

#[test]
fn the_readmes_settings_are_those_that_there_are() {
    assert!(readme().contains(&config::reference()), "the table of settings is to be\n{}", config::reference());
}
