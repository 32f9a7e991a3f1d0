//! `tables` and `settings`, which need no network.

use super::{Ran, oceanflight, run};

#[test]
fn tables_are_listed_without_a_token() {
    let ran = run(&["tables", "--format", "csv"]);

    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.starts_with("table,description\ndigitalocean.account.actions,"), "{}", ran.stdout);
}

#[test]
fn a_tables_columns_are_shown_by_any_of_its_names() {
    let full = run(&["tables", "digitalocean.compute.image_actions"]);

    assert!(full.stdout.contains("\nimage_id"), "{}", full.stdout);
    for name in ["image_actions", "compute.image_actions", "IMAGE_ACTIONS"] {
        assert_eq!(run(&["tables", name]).stdout, full.stdout, "{name}");
    }
}

#[test]
fn settings_are_listed_with_their_origin_and_without_the_token() {
    let mut command = oceanflight(&["settings", "--listen", "[::1]:7", "--format", "csv"]);
    command.env("DIGITALOCEAN_ACCESS_TOKEN", "dop_v1_leak").env("OCEANFLIGHT_QUERY_TIMEOUT", "9s");

    let ran = Ran::from(command.output().unwrap());

    assert!(!ran.stdout.contains("leak"), "{}", ran.stdout);
    for line in [
        "listen,[::1]:7,--listen",
        "query.timeout,9s,OCEANFLIGHT_QUERY_TIMEOUT",
        "query.max_wait,60s,default",
        "token,set (DIGITALOCEAN_ACCESS_TOKEN),DIGITALOCEAN_ACCESS_TOKEN",
    ] {
        assert!(ran.stdout.lines().any(|other| other == line), "{line} in\n{}", ran.stdout);
    }
}
