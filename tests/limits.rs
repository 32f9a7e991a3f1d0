//! No statement takes the server down: what is too large is refused, and the rest has the right result in small pieces.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use oceanflight::engine::{self, Principal, QueryCaps, QueryStream};
use oceanflight::error::Kind;
use oceanflight::flight::client;
use oceanflight::server;
use serde_json::json;

use crate::support::{Stage, json as rows_of};

async fn assert_rows(sql: &str, expected: serde_json::Value) {
    let stage = Stage::new(&[]).await;
    assert_eq!(json!(rows_of(&stage.rows(sql).await)), expected, "{sql}");
}

async fn assert_refused(cases: &[(&str, &str)]) {
    let stage = Stage::new(&[]).await;
    for (sql, message) in cases {
        let error = stage.error(sql).await;
        assert!(matches!(error.kind(), Kind::ResourceExhausted | Kind::InvalidArgument), "{sql}: {}", error.report());
        assert!(error.report().contains(message), "{sql}: {}", error.report());
        assert!(error.report().contains("hint: "), "{sql}: {}", error.report());
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused() {
    let deep_type = format!("SELECT arrow_cast(NULL, '{}Int64{}')", "List(".repeat(100_000), ")".repeat(100_000));
    assert_refused(&[
        ("SELECT array_length(array_repeat(1, 1000000000))", "array_repeat would make a value of 8000000000 bytes"),
        ("SELECT array_resize([1], 1000000000, 0)", "array_resize would make a value of 8000000000 bytes"),
        ("SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 10000)))", "replace would make a value of"),
        ("SELECT length(lpad('x', 2000000000, 'y'))", "lpad would make a value of 2000000000 bytes"),
        ("SELECT range(1000000000)", "range would make a value of"),
        ("SELECT unnest(range(100000000))", "range would make a value of"),
        ("SELECT repeat('x', 1000000000)", "raise query.max_value_bytes"),
        ("SELECT array_length(array_repeat('', 1000000000))", "array_repeat would make a value of"),
        (
            "SELECT length(array_to_string(array_repeat(CAST(NULL AS TEXT), 100000), ',', repeat('n', 100000)))",
            "array_to_string would make a value of",
        ),
        ("SELECT arrow_cast(NULL, 'FixedSizeBinary(2000000000)')", "a value of this type has 2000000000 bytes"),
        (&deep_type, "a type is nested more than 50 times"),
        ("SELECT array_length([t, t]) FROM (SELECT repeat('x', 60000000) AS t)", "make_array would make a value of 120000000 bytes"),
        ("SELECT array_length([t] || [t]) FROM (SELECT repeat('x', 60000000) AS t)", "array_concat would make a value of"),
        ("SELECT length(concat('a', 'b', t, t)) FROM (SELECT repeat('x', 60000000) AS t)", "concat would make a value of"),
        (
            "SELECT length(overlay(t PLACING t FROM 60000001)) FROM (SELECT repeat('x', 60000000) AS t)",
            "overlay would make a value of",
        ),
        ("SELECT range(TIMESTAMP '2020-01-01', TIMESTAMP '2200-01-01', INTERVAL '1 month -30 days')", "range would make a value of"),
        ("SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))", "levenshtein would need 1000000000000 steps"),
        (
            "WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT n || n FROM t) SELECT count(*) FROM t",
            "|| would make a value of 134217728 bytes",
        ),
        (
            "SELECT max(array_length(l)) FROM (SELECT array_agg(value) OVER (ORDER BY value) AS l FROM generate_series(1, 100000))",
            "array_agg would make",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_sum_of_many_terms_is_planned_in_time() {
    let sum = vec!["value"; 200].join(" + ");

    assert_rows(&format!("SELECT {sum} AS x FROM generate_series(7, 7)"), json!([{"x": 1_400}])).await;
}

#[tokio::test]
async fn a_column_of_patterns_matches_as_constant_patterns_do() {
    let stage = Stage::new(&[]).await;
    for operator in [
        "~",
        "~*",
        "!~",
        "!~*",
        "~~",
        "~~*",
        "!~~",
        "!~~*",
        "LIKE",
        "NOT LIKE",
        "ILIKE",
        "NOT ILIKE",
        "SIMILAR TO",
        "NOT SIMILAR TO",
    ] {
        let column = format!(
            "SELECT 'aBc' {operator} p AS m FROM (VALUES ('b'), ('B'), ('%B%'), ('_b_'), (NULL), ('x')) AS t (p)"
        );
        let constants = format!(
            "SELECT 'aBc' {operator} 'b' AS m UNION ALL SELECT 'aBc' {operator} 'B' \
             UNION ALL SELECT 'aBc' {operator} '%B%' UNION ALL SELECT 'aBc' {operator} '_b_' \
             UNION ALL SELECT 'aBc' {operator} CAST(NULL AS TEXT) UNION ALL SELECT 'aBc' {operator} 'x'"
        );
        let sorted = |sql: &str| format!("SELECT m, count(*) AS n FROM ({sql}) GROUP BY m ORDER BY m");
        let (of_column, of_constants) = (stage.rows(&sorted(&column)).await, stage.rows(&sorted(&constants)).await);
        assert_eq!(rows_of(&of_column), rows_of(&of_constants), "{operator}");
    }
    let grouped =
        "SELECT 'a' ~ p AS m, count(*) AS n FROM (VALUES ('a'), ('a'), ('b')) AS t (p) GROUP BY 'a' ~ p ORDER BY m";
    assert_eq!(json!(rows_of(&stage.rows(grouped).await)), json!([{"m": false, "n": 1}, {"m": true, "n": 2}]));
}

#[tokio::test]
async fn a_search_that_would_take_minutes_is_refused() {
    let digits = "SELECT string_agg(md5(CAST(value AS TEXT)), '') || 'b' AS t FROM generate_series(1, 40000)";
    let slow = "[0-7][0-9a-f]{1000}[g-z]";
    let conditions = [
        (format!("t ~ '{slow}'"), "~ would need"),
        (format!("t !~* '{}'", slow.to_uppercase()), "!~* would need"),
        (format!("t SIMILAR TO '{slow}'"), "SIMILAR TO would need"),
        (format!("t ILIKE '%A{}%Q%' ESCAPE '\\'", "_".repeat(1_000)), "ILIKE would need"),
        (format!("regexp_like(t, '{slow}')"), "would need"),
        (format!("regexp_count('xa' || t, '^a[0-9a-f]*{slow}', 2)"), "regexp_count would need"),
        (format!("regexp_instr(t, '{slow}')"), "regexp_instr would need"),
        (format!("regexp_replace(t, '{slow}', 'x', 'g')"), "regexp_replace would need"),
        (format!("regexp_match(t, '{slow}')"), "regexp_match would need"),
    ];
    let refused: Vec<(String, &str)> = conditions
        .into_iter()
        .map(|(condition, report)| (format!("SELECT {condition} AS x FROM ({digits})"), report))
        .collect();
    let refused: Vec<(&str, &str)> = refused.iter().map(|(sql, report)| (sql.as_str(), *report)).collect();
    assert_refused(&refused).await;
}

#[tokio::test]
async fn a_search_that_is_fast_is_allowed_in_a_long_text() {
    let digits = "SELECT string_agg(md5(CAST(value AS TEXT)), '') AS t FROM generate_series(1, 40000)";
    let long = "_".repeat(1_000);

    assert_rows(
        &format!(
            "SELECT t ~ 'x[0-9a-f]{{1000}}[g-z]' AS a, t LIKE '%x{long}' AS b, regexp_count(t, '[g-z]{{1,100}}') AS c, \
             length(regexp_match(t, 'a.{{0,500}}')[1]) AS d FROM ({digits})"
        ),
        json!([{"a": false, "b": false, "c": 0, "d": 501}]),
    )
    .await;
    assert_rows(r"SELECT regexp_count(repeat('naïve words ', 1000), '\b\w+\b') AS n", json!([{"n": 2_000}])).await;
}

#[tokio::test]
async fn a_pattern_of_megabytes_is_refused() {
    assert_refused(&[
        ("SELECT 'x' ~ repeat('a', 300000)", "a pattern has 300000 bytes; the limit is 262144"),
        ("SELECT regexp_like('x', repeat('a', 30000000))", "a pattern has 30000000 bytes"),
        ("SELECT regexp_replace('x', repeat('a', 30000000), 'b')", "a pattern has 30000000 bytes"),
        ("SELECT 'x' LIKE repeat('_', 30000000)", "a pattern has 30000000 bytes"),
    ])
    .await;
}

#[tokio::test]
async fn a_text_that_doubles_with_each_query_is_refused() {
    let members: Vec<String> = (1..=40).map(|at| format!("t{at} AS (SELECT x || x AS x FROM t{})", at - 1)).collect();
    let sql = format!("WITH t0 AS (SELECT 'a' AS x), {} SELECT x FROM t40", members.join(", "));

    assert_refused(&[(&sql, "|| would make a value of 134217728 bytes")]).await;
}

#[tokio::test]
async fn a_condition_that_doubles_with_each_query_is_refused() {
    let members: Vec<String> = (1..=30).map(|at| format!("t{at} AS (SELECT x + x AS x FROM t{})", at - 1)).collect();
    let sql = format!("WITH t0 AS (SELECT id AS x FROM images), {} SELECT x FROM t30 WHERE x > 0", members.join(", "));

    assert_refused(&[(&sql, "a condition has more than 100000 parts")]).await;
}

#[tokio::test]
async fn long_texts_are_computed_in_batches_of_fewer_rows() {
    assert_rows(
        "SELECT count(*) AS n, max(length(t)) AS m \
         FROM (SELECT repeat('x', 100000) || value AS t FROM generate_series(1, 3000)) WHERE t LIKE '%7'",
        json!([{"n": 300, "m": 100_004}]),
    )
    .await;
}

#[tokio::test]
async fn a_long_constant_beside_many_rows_needs_little_memory() {
    assert_rows(
        "SELECT sum(length(t)) AS n FROM (SELECT repeat('a', 1000000) || value AS t FROM generate_series(1, 999))",
        json!([{"n": 999_002_889}]),
    )
    .await;
    assert_rows(
        "SELECT max(CASE WHEN value > 5 THEN repeat('b', 200000) ELSE 'a' END) = repeat('b', 200000) AS x \
         FROM generate_series(1, 500)",
        json!([{"x": true}]),
    )
    .await;
}

#[tokio::test]
async fn a_long_text_can_be_joined_with_many_rows() {
    assert_rows(
        "SELECT sum(length(a.t)) AS n FROM (SELECT repeat('x', 100000) AS t) a CROSS JOIN generate_series(1, 5000)",
        json!([{"n": 500_000_000}]),
    )
    .await;
}

#[tokio::test]
async fn a_long_text_of_values_can_be_joined_with_many_rows() {
    assert_rows(
        "SELECT max(length(a)) AS m, count(*) AS n \
         FROM (VALUES (repeat('x', 200000)), ('b')) t(a) CROSS JOIN generate_series(1, 10000)",
        json!([{"m": 200_000, "n": 20_000}]),
    )
    .await;
}

#[tokio::test]
async fn many_long_texts_of_a_row_are_computed_in_small_batches() {
    let columns: Vec<String> = (1..=60).map(|at| format!("upper(left(t, {})) AS c{at}", 8_000 + at)).collect();
    let sql = format!(
        "SELECT count(DISTINCT c1) AS n, max(length(c60)) AS m FROM (SELECT {} \
         FROM (SELECT repeat('x', 8000) || value AS t FROM generate_series(1, 9000)))",
        columns.join(", ")
    );

    assert_rows(&sql, json!([{"n": 9, "m": 8_004}])).await;
}

#[tokio::test]
async fn the_items_of_a_long_list_can_be_made_long() {
    assert_rows(
        "SELECT max(length(repeat('x', 30000000 + CAST(n % 2 AS INT)))) AS m FROM (SELECT unnest(range(0, 5)) AS n)",
        json!([{"m": 30_000_001}]),
    )
    .await;
}

#[tokio::test]
async fn a_long_list_is_unnested_in_parts() {
    assert_rows(
        "SELECT count(*) AS n, sum(x) AS s, min(length(t)) AS l, count(y) AS c \
         FROM (SELECT repeat('t', 1000) AS t, unnest(range(1, 100001)) AS x, unnest(range(1, 9001)) AS y)",
        json!([{"n": 100_000, "s": 5_000_050_000_i64, "l": 1000, "c": 9_000}]),
    )
    .await;
    assert_rows(
        "SELECT count(*) AS n, sum(x) AS s FROM (SELECT unnest(l) AS x FROM (VALUES (range(3)), (NULL), (range(20000))) v (l))",
        json!([{"n": 20_003, "s": 199_990_003}]),
    )
    .await;
}

#[tokio::test]
async fn a_row_that_is_too_wide_after_rows_were_sent_is_an_error() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT repeat('x', CASE WHEN value > 20000 THEN 100000 ELSE 1 END) FROM generate_series(1, 30000)";
    let rows = stage.engine.run(&Principal::local(), sql, None).await.unwrap().rows;

    let (sent, error) = rows
        .fold((0, None), async |(sent, _), batch| match batch {
            Ok(batch) => (sent + batch.num_rows(), None),
            Err(error) => (sent, Some(error)),
        })
        .await;

    assert_eq!(sent, 16_384);
    assert_eq!(error.unwrap().kind(), Kind::ResourceExhausted);
}

#[tokio::test]
async fn a_join_that_finds_no_pair_stops_when_its_query_is_cancelled() {
    let stage = Stage::new(&[]).await;
    let sql =
        "SELECT count(*) FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON x + y < 0";
    let QueryStream { mut rows, query, .. } = stage.engine.run(&Principal::local(), sql, None).await.unwrap();
    assert!(futures::poll!(rows.next()).is_pending());
    while query.computed() == Duration::ZERO {
        tokio::task::yield_now().await;
    }

    query.cancel();

    assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap_err().kind(), Kind::Cancelled);
    // Its task is dropped when the poll ends: then nothing but this test holds the query.
    while Arc::strong_count(&query) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_query_beyond_the_maximum_is_refused_until_another_has_ended() {
    let caps = QueryCaps { at_once: 1, ..QueryCaps::default() };
    let stage = Stage::with_totals(&[], engine::Options { caps, ..engine::Options::default() }).await;
    let sql = "SELECT * FROM generate_series(1, 100000)";
    let running = stage.engine.run(&Principal::local(), sql, None).await.unwrap();

    let error = stage.error("SELECT 1").await;
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.report().contains("raise query.max_queries"), "{}", error.report());
    drop(running);

    assert_eq!(stage.rows("SELECT 1 AS x").await.num_rows(), 1);
}

#[tokio::test]
async fn a_client_above_the_maximum_of_connections_gets_resource_exhausted() {
    let stage = Stage::new(&[]).await;
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let one_connection = server::Options { max_connections: 1, ..server::Options::default() };
    tokio::spawn(server::run(listener, stage.engine.clone(), one_connection, std::future::pending()));
    let held = client::query(&address, "SELECT * FROM generate_series(1, 1000000)", None).await.unwrap();

    let Err(error) = client::query(&address, "SELECT 1", None).await else { panic!("it is not refused") };

    assert_eq!(error.kind(), Kind::ResourceExhausted, "{}", error.report());
    assert!(error.report().contains("raise grpc.max_connections"), "{}", error.report());
    drop(held);
}

#[tokio::test]
async fn a_sort_that_does_not_fit_into_memory_writes_to_disk() {
    let options = engine::Options { memory_bytes: 48 << 20, ..engine::Options::default() };
    let stage = Stage::with_totals(&[], options).await;
    let sql = "SELECT sum(CAST(x = lpad(CAST(n AS TEXT), 60, '0') AS BIGINT)) AS n FROM (
                 SELECT x, row_number() OVER (ORDER BY x) AS n
                 FROM (SELECT lpad(CAST(value AS TEXT), 60, '0') AS x FROM generate_series(1, 400000)))";

    assert_eq!(json!(rows_of(&stage.rows(sql).await)), json!([{"n": 400_000}]));
}

#[tokio::test]
async fn a_sort_beyond_the_disk_space_is_refused() {
    let options = engine::Options { memory_bytes: 48 << 20, spill_bytes: 1 << 20, ..engine::Options::default() };
    let stage = Stage::with_totals(&[], options).await;

    let error =
        stage.error("SELECT lpad(CAST(value AS TEXT), 60, '0') AS x FROM generate_series(1, 800000) ORDER BY x").await;

    assert_eq!(error.kind(), Kind::ResourceExhausted, "{}", error.report());
    assert!(error.report().contains("spill_bytes"), "{}", error.report());
}

/// Statements that ended the process, or took gigabytes, before there were limits.
#[cfg(target_os = "linux")]
const KILLERS: &[&str] = &[
    "SELECT array_length(array_repeat(1, 1000000000))",
    "SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 10000), 'g'))",
    "SELECT repeat('a', 60000000) FROM generate_series(1, 100000)",
    "SELECT CASE WHEN value % 2 = 0 THEN repeat('a', 60000000) ELSE repeat('b', 60000000) END FROM generate_series(1, 9)",
    "SELECT make_array(repeat('a', 60000000), CAST(value AS TEXT)) FROM generate_series(1, 100000)",
    "SELECT max(length(t || value)) FROM (SELECT repeat('x', 1000000) AS t) CROSS JOIN generate_series(1, 100000)",
    "SELECT array_agg(value) OVER () FROM generate_series(1, 100000)",
    "SELECT array_agg(value) FROM generate_series(1, 100000000)",
    "SELECT approx_percentile_cont(value, 0.5, 1000000000) FROM generate_series(1, 10)",
    "SELECT arrow_cast(NULL, 'FixedSizeList(2000000000, Int64)')",
    "SELECT array_length(array_distinct(range(2500000)))",
    "SELECT [[[[range(8000000)]]]] FROM generate_series(1, 100)",
    "SELECT count(*) FROM generate_series(1, 10000) WHERE 'abc' ~ (CAST(value AS TEXT) || '(x{1,100}){1,10}')",
    "SELECT count(*) FROM generate_series(1, 10000) WHERE 'abc' SIMILAR TO (CAST(value AS TEXT) || '(x{1,100}){1,10}')",
    "SELECT count(*) FROM generate_series(1, 100000) WHERE CAST(value AS TEXT) ~ (SELECT repeat('a', 300000))",
    "SELECT array_length(array_distinct(array_repeat(range(1000000), 7)))",
    "SELECT strpos(repeat('a', 1000000), repeat('a', 500000) || 'b')",
    "SELECT count(DISTINCT md5(CAST(value AS TEXT))) FROM generate_series(1, 100000000)",
    "SELECT sum(x) FROM (SELECT sum(value) OVER () AS x FROM generate_series(1, 100000000))",
    "SELECT max(x) FROM (SELECT CAST(value AS TEXT) AS x FROM generate_series(1, 100000000) ORDER BY x)",
    "SELECT count(*) FROM generate_series(1, 1000000) a (x) JOIN generate_series(1, 1000000) b (y) ON x + y < 0",
    "WITH RECURSIVE t(n) AS (SELECT 'a' UNION ALL SELECT n || n FROM t) SELECT count(*) FROM t",
];

/// A server in a process of its own, which may have two gigabytes more than it has after its first query.
#[cfg(target_os = "linux")]
struct SmallServer {
    process: std::process::Child,
    address: String,
}

#[cfg(target_os = "linux")]
impl SmallServer {
    async fn start() -> Self {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        let mut process = Command::new(env!("CARGO_BIN_EXE_oceanflight"))
            .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--query-timeout", "2s", "--log", "error"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let ready = lines.next().unwrap().unwrap();
        let address = ready.rsplit("//").next().unwrap().to_owned();
        // The pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { process, address };
        server.run("SELECT 1").await.unwrap();
        server.limit_memory();
        server
    }

    fn limit_memory(&self) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};

        let pid = self.process.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kibibytes: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
        let most = Some((kibibytes << 10) + (2 << 30));
        let pid = Pid::from_raw(pid.try_into().unwrap());
        prlimit(pid, Resource::As, Rlimit { current: most, maximum: most }).unwrap();
    }

    async fn run(&self, sql: &str) -> oceanflight::error::Result<usize> {
        let rows = client::query(&self.address, sql, None).await?.rows;
        rows.try_fold(0, async |rows, batch| Ok(rows + batch.num_rows())).await
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_with_little_memory_survives_every_statement() {
    let mut server = SmallServer::start().await;

    for sql in KILLERS {
        if let Err(error) = server.run(sql).await {
            let kinds = [Kind::ResourceExhausted, Kind::InvalidArgument, Kind::DeadlineExceeded];
            assert!(kinds.contains(&error.kind()), "{sql}: {}", error.report());
        }
        assert_eq!(server.process.try_wait().unwrap(), None, "the server has ended: {sql}");
        assert_eq!(server.run("SELECT id FROM images WHERE id = 62137902").await.unwrap(), 1, "after {sql}");
    }
}
