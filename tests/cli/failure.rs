//! Queries that end before their last row.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{ACTIONS, Ran, Silent, oceanflight, query, signals};

/// Page 2 has an invalid body, which is not retried.
const FAULT: &[&str] = &["--fault", "GET /v2/images/*/actions page=2 body={}"];

#[test]
fn incomplete_output_is_reported_as_incomplete() {
    let ran = query(&[FAULT, &["--format", "csv", ACTIONS]].concat());

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.lines().count() > 1, "{ran:?}");
    assert!(ran.stderr.starts_with("the rows above are incomplete\nerror: "), "{ran:?}");
}

#[test]
fn a_table_shows_the_rows_before_an_error() {
    let ran = query(&[FAULT, &[ACTIONS]].concat());

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.lines().count() > 2 && ran.stderr.contains("incomplete"), "{ran:?}");
}

#[test]
fn json_that_is_incomplete_does_not_parse() {
    let ran = query(&[FAULT, &["--format", "json", ACTIONS]].concat());

    assert!(serde_json::from_str::<serde_json::Value>(&ran.stdout).is_err());
}

#[test]
fn no_output_is_not_reported_as_incomplete() {
    let ran = query(&["--fault", "GET /v2/images/*/actions page=1 body={}", "--format", "csv", ACTIONS]);

    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.starts_with("error: "), "{ran:?}");
}

#[test]
fn a_file_is_complete_or_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(directory.path()).unwrap().count();

    for name in ["rows.csv", "rows.json", "rows.jsonl", "rows.arrow", "rows.parquet", "rows.txt"] {
        let file = directory.path().join(name);
        let file = file.to_str().unwrap();

        let failed = query(&[FAULT, &["--output", file, ACTIONS]].concat());
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{failed:?}");
        assert!(failed.stderr.starts_with(&format!("{file} was not written\nerror: ")), "{failed:?}");
        assert_eq!(files(), 0, "{name}");

        let done = query(&["--output", file, ACTIONS]);
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""), "{name}");
        assert_eq!(files(), 1, "{name}");
        std::fs::remove_file(file).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let ran = query(&["--output", "/dev/full", "--format", "csv", ACTIONS]);

    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("error: /dev/full cannot be written: No space left"), "{ran:?}");
    assert!(Path::new("/dev/full").exists());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_query_with_130() {
    for signal in signals() {
        let (silent, url) = Silent::start();
        let mut command = oceanflight(&["query", "--api-url", &url, ACTIONS]);
        command.env("DIGITALOCEAN_TOKEN", "t").stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let _open = silent.first_request();

        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ran = Ran::from(child.wait_with_output().unwrap());

        assert_eq!((ran.code, ran.stderr.as_str()), (Some(130), "error: stopped\n"), "{signal}");
    }
}
