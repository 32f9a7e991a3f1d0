//! The log: lines have the id of their query.

use super::query;

/// Returns the id of the query in the log line about a retried request.
fn query_of_a_retry(fault: &str, sql: &str) -> Option<String> {
    let ran = query(&["--fault", fault, "--log", "warn", "--log-format", "json", "--format", "csv", sql]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines = ran.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let retries: Vec<_> = lines.filter(|line| line["message"] == "retrying").collect();
    assert_eq!(retries.len(), 1, "{}", ran.stderr);
    let span = &retries[0]["span"];
    (span["name"] == "query").then(|| span["id"].as_str().unwrap().to_owned())
}

#[test]
fn log_lines_of_a_pages_task_have_the_querys_id() {
    let fault = "GET /v2/images/62137902/actions page=2 status=503 times=1";

    assert!(query_of_a_retry(fault, super::ACTIONS).is_some());
}

#[test]
fn log_lines_of_an_operators_task_have_the_querys_id() {
    let fault = "GET /v2/regions status=503 times=1";
    // DataFusion reads the inputs of a union in tasks that it spawns.
    let sql = "SELECT slug FROM regions UNION ALL SELECT CAST(id AS TEXT) FROM images";

    assert!(query_of_a_retry(fault, sql).is_some());
}
