//! Statements, formats, standard output and standard error.

use std::io::Write;
use std::process::Stdio;

use super::{ACTIONS, Listening, Ran, oceanflight, query, run, run_with_stdin};

#[test]
fn rows_go_to_standard_output_and_their_number_to_standard_error() {
    let ran = query(&["SELECT 1 AS one, 'a' AS letter"]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "one | letter\n----+-------\n  1 | a\n"));
    // No progress line in a pipe either.
    assert_eq!(ran.stderr, "1 row\n");
}

#[test]
fn each_format_is_printed() {
    let sql = "SELECT 9007199254740993 AS big, CAST(NULL AS VARCHAR) AS nothing, [1, NULL] AS list";
    let cases = [
        ("csv", "big,nothing,list\n9007199254740993,,\"[1,null]\"\n"),
        ("json", "[{\"big\":9007199254740993,\"nothing\":null,\"list\":[1,null]}]\n"),
        ("jsonl", "{\"big\":9007199254740993,\"nothing\":null,\"list\":[1,null]}\n"),
    ];

    for (format, expected) in cases {
        let ran = query(&["--format", format, sql]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), expected, ""));
    }
}

/// A plan of an EXPLAIN is printed as several lines; a cell of a table is one line.
#[test]
fn rows_with_the_columns_of_a_plan_are_a_table_and_an_explain_is_not() {
    let server = Listening::start("grpc://", oceanflight(&["serve", "--demo", "--listen", "127.0.0.1:0"]));
    for place in [&["query", "--demo"][..], &["query", "--server", &server.url]] {
        let rows = run(&[place, &["SELECT 'a' AS plan_type, 'b' AS plan"]].concat());
        let plan = run(&[place, &["-- why\nexplain SELECT 1"]].concat());

        assert_eq!(rows.stdout, "plan_type | plan\n----------+-----\na         | b\n", "{rows:?}");
        assert!(plan.stdout.starts_with("logical_plan:\n  Projection"), "{plan:?}");
    }
}

#[test]
fn binary_formats_can_be_piped() {
    for (format, magic) in [("arrow", &b"\xff\xff\xff\xff"[..]), ("parquet", b"PAR1")] {
        let output = oceanflight(&["query", "--demo", "--format", format, "SELECT 1 AS one"]).output().unwrap();
        assert!(output.status.success() && output.stdout.starts_with(magic), "{format}: {output:?}");
    }
}

#[test]
fn pages_are_read_to_the_end() {
    let ran = query(&["--format", "csv", ACTIONS]);

    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 367), "{}", ran.stderr);
}

#[test]
fn sql_comes_from_a_file_or_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("q.sql");
    std::fs::write(&file, "\u{feff}SELECT 1 AS one;\n").unwrap();
    let csv = ["query", "--demo", "--format", "csv"];

    let from_file = run(&[&csv[..], &["--file", file.to_str().unwrap()]].concat());
    let implied = run_with_stdin(&csv, b"SELECT 1 AS one\n");
    let dash = run_with_stdin(&[&csv[..], &["-"]].concat(), b"SELECT 1 AS one -- the end");

    for ran in [from_file, implied, dash] {
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "one\n1\n"), "{ran:?}");
    }
}

#[test]
fn sql_that_is_not_utf_8_is_rejected() {
    let ran = run_with_stdin(&["query", "--demo"], b"SELECT '\xff'");

    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), "error: standard input is not UTF-8\n"));
}

#[test]
fn rows_are_a_failure_with_fail_if_rows() {
    assert_eq!(query(&["--fail-if-rows", "SELECT 1 AS one WHERE false"]).code, Some(0));

    let ran = query(&["--fail-if-rows", "--format", "csv", "SELECT 1 AS one"]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), "one\n1\n"));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut command = oceanflight(&["query", "--demo", "--format", "csv"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The reader closes the pipe before the statement is sent.
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(ACTIONS.as_bytes()).unwrap();

    let ran = Ran::from(child.wait_with_output().unwrap());

    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_closed_pipe_is_not_an_error_of_a_listing() {
    let mut child = oceanflight(&["tables"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());

    let ran = Ran::from(child.wait_with_output().unwrap());

    // The program may have ended before the pipe was closed.
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_query_on_a_server_has_the_same_output() {
    let server = Listening::start("grpc://", oceanflight(&["serve", "--demo", "--listen", "127.0.0.1:0"]));

    let there = run(&["query", "--server", &server.url, "--format", "jsonl", ACTIONS]);

    assert_eq!((there.code, there.stderr.as_str()), (Some(0), ""));
    assert_eq!(there.stdout, query(&["--format", "jsonl", ACTIONS]).stdout);
}
