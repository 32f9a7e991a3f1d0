//! Mistakes: each has a clear error and an exit code, and never panics.

use std::net::TcpListener;

use super::{ACTIONS, Listening, Ran, oceanflight, query, run};

fn refused(ran: &Ran, code: i32, text: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert!(ran.stderr.contains(text) && !ran.stderr.contains("panicked"), "`{text}` in {ran:?}");
}

#[test]
fn a_wrong_statement_exits_with_2_and_a_clear_error() {
    let cases = [
        ("SELEC 1", "error: the SQL does not parse: "),
        ("SELECT", "error: the SQL does not parse: "),
        ("SELECT 1; SELECT 2", "error: the text has 2 statements"),
        (";", "error: there is no SQL statement in the text"),
        ("SELECT * FROM image_action WHERE image_id = 1", "hint: did you mean `image_actions`?"),
        ("SELECT statos FROM image_actions WHERE image_id = 1", "hint: did you mean `status`?"),
        (
            "SELECT * FROM image_actions WHERE image_id = 'abc'",
            "error: Cannot cast string 'abc' to value of Int64 type",
        ),
        ("SELECT * FROM image_actions WHERE image_id = $1", "hint: bind a value to each `?` or `$n`"),
        ("DROP TABLE image_actions", "error: `image_actions` is not in the catalog `datasets`"),
        ("COPY (SELECT 1) TO '/tmp/oceanflight-was-here.csv'", "error: tables are read-only: "),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "error: tables are read-only: "),
        ("SET datafusion.execution.batch_size = 1", "error: tables are read-only: "),
        ("\u{1}", "error: the SQL does not parse: "),
        ("'", "error: the SQL does not parse: "),
    ];

    for (sql, text) in cases {
        refused(&query(&[sql]), 2, text);
    }
}

#[test]
fn a_wrong_statement_fails_the_same_on_a_server() {
    let server = Listening::start("grpc://", oceanflight(&["serve", "--demo", "--listen", "127.0.0.1:0"]));

    for (sql, text) in [("SELEC 1", "does not parse"), ("SELECT * FROM image_action", "did you mean `image_actions`?")]
    {
        refused(&run(&["query", "--server", &server.url, sql]), 2, text);
    }
}

#[test]
fn a_wrong_flag_or_setting_exits_with_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["serv"], "a similar subcommand exists: 'serve'"),
        (&["query", "--demo", "--server", "127.0.0.1:1", "SELECT 1"], "cannot be used with '--server"),
        (&["query", "--server", "127.0.0.1:1", "--latency", "1s", "SELECT 1"], "cannot be used with"),
        (&["query", "SELECT 1", "--file", "x.sql"], "cannot be used with"),
        (&["query", "--format", "xml", "SELECT 1"], "[possible values: table, csv, json, jsonl, arrow, parquet]"),
        (&["query", "--query-timeout", "soon", "SELECT 1"], "--query-timeout takes a duration with its unit"),
        (&["query", "--latency", "1s", "SELECT 1"], "`--latency` is for a simulated account\nhint: add `--demo`"),
        (&["query", "--demo", "--fault", "explode", "SELECT 1"], "`explode` is not a part of a fault"),
        (&["query", "--demo", "--total", "62137902", "SELECT 1"], "ID=COUNT"),
        (&["query", "--output", "rows.xlsx", "SELECT 1"], "the extension of rows.xlsx is not a known format"),
        (&["query", "--output", "/nowhere/rows.csv", "SELECT 1"], "/nowhere/rows.csv cannot be written: "),
        (&["query", "--file", "/nowhere/q.sql"], "/nowhere/q.sql cannot be read: "),
        (&["query", "--config", "/nowhere/of.toml", "SELECT 1"], "the settings file /nowhere/of.toml cannot be read"),
        (&["query", ""], "there is no statement in the argument"),
        (&["query"], "there is no statement in standard input"),
        (&["query", "--server", "ftp://x", "SELECT 1"], "`ftp://x` is not the address of a server"),
        (
            &["query", "--demo", "--api-url", "http://127.0.0.1:1", "SELECT 1"],
            "--demo and --api-url exclude each other",
        ),
        (&["serve", "--listen", "127.0.0.1"], "--listen takes an address and a port"),
        (&["serve", "--listen", "0.0.0.0:0"], "hint: add `--allow-unauthenticated` to allow that"),
        (&["serve", "--api-url", "ftp://x"], "--api-url takes a URL that starts with `https://` or `http://`"),
        (&["serve", "--log", "=="], "--log takes levels and modules"),
        (&["demo", "--listen", "x"], "invalid socket address"),
        (&["demo", "--total", "nothing=3"], "error: "),
        (&["tables", "image_action"], "there is no table `image_action`\nhint: did you mean `image_actions`?"),
    ];

    for (arguments, text) in cases {
        refused(&run(arguments), 2, text);
    }
}

#[test]
fn an_unknown_variable_is_a_warning_with_the_nearest_name() {
    for command in [&["query", "--demo", "SELECT 1"][..], &["settings"]] {
        let mut command = oceanflight(command);
        command.env("OCEANFLIGHT_LISTN", "x").env("OCEANFLIGHT_X_SERVICE_HOST", "10.0.0.1");

        let ran = Ran::from(command.output().unwrap());

        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains("OCEANFLIGHT_LISTN is ignored"), "{ran:?}");
        assert!(ran.stderr.contains("did you mean `OCEANFLIGHT_LISTEN`?"), "{ran:?}");
        assert!(ran.stderr.contains("OCEANFLIGHT_X_SERVICE_HOST is ignored"), "{ran:?}");
    }
}

#[test]
fn an_unknown_key_exits_with_2_and_the_nearest_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("of.toml");
    std::fs::write(&file, "[query]\ntimout = '1s'\n").unwrap();
    let key = run(&["query", "--config", file.to_str().unwrap(), "SELECT 1"]);
    refused(&key, 2, "of.toml:2: there is no setting `query.timout`\nhint: did you mean `query.timeout`?");
}

#[test]
fn a_malformed_token_file_exits_with_2_and_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "dop_v1_leak\ndop_v1_leak\n").unwrap();

    let ran = run(&["query", "--token-file", file.to_str().unwrap(), "SELECT 1"]);

    refused(&ran, 2, "has more than one line");
    assert!(!ran.stderr.contains("leak"), "{ran:?}");
}

#[test]
fn a_port_in_use_exits_with_2_and_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    for arguments in [&["serve", "--demo", "--listen", &address][..], &["demo", "--listen", &address]] {
        let ran = run(arguments);
        refused(&ran, 2, &format!("error: cannot listen on {address}: "));
        assert!(ran.stderr.contains("--listen 127.0.0.1:0`"), "{ran:?}");
    }
}

#[test]
fn a_missing_server_exits_with_5() {
    // Bound and dropped: nothing listens on this port.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();

    refused(&run(&["query", "--server", &address, "SELECT 1"]), 5, "error: cannot reach");
}

#[test]
fn a_missing_token_exits_with_4() {
    let ran = run(&["query", ACTIONS]);

    refused(&ran, 4, "DIGITALOCEAN_TOKEN");
}

#[test]
fn a_token_as_an_argument_is_rejected_and_not_shown() {
    for arguments in [&["serve", "--token", "dop_v1_leak"][..], &["query", "--token=dop_v1_leak", "SELECT 1"]] {
        let ran = run(arguments);
        refused(&ran, 2, "unexpected argument '--token'");
        assert!(!ran.stderr.contains("leak"), "{ran:?}");
    }
}

/// Planning recurses into such a chain: it once overflowed the stack, which ended the whole server.
#[test]
fn a_long_chain_of_conditions_is_executed_or_rejected_without_a_crash() {
    let chain = |terms: usize| format!("SELECT count(*) FROM images WHERE {}", vec!["name = 'x'"; terms].join(" OR "));

    let long = query(&[&chain(800)]);
    assert_eq!(long.code, Some(0), "{}", long.stderr);

    let endless = query(&[&chain(5_000)]);
    assert_eq!(endless.code, Some(2), "{}", endless.stderr);
    assert!(endless.stderr.contains("hint: write `x IN (…)`"), "{}", endless.stderr);
}

#[test]
fn sql_that_begins_with_a_comment_is_not_a_flag() {
    let ran = query(&["-- all of them\nSELECT 1 AS one"]);

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Kubernetes sets these for a service called `oceanflight`.
#[test]
fn the_variables_of_kubernetes_are_not_settings() {
    let mut command = oceanflight(&["query", "--demo", "SELECT 1"]);
    let variables = [("OCEANFLIGHT_SERVICE_HOST", "10.0.0.1"), ("OCEANFLIGHT_PORT", "tcp://10.0.0.1:1")];

    let ran = Ran::from(command.envs(variables).output().unwrap());

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
