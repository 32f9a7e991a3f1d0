//! Results have the value that SQL defines, or are an error with a hint: types, corrections of DataFusion, other
//! dialects.
//!
//! - `escape_functions`: functions in `{fn …}`.
//! - `predicates`: IN, EXISTS, ANY and ALL against an oracle that evaluates them for all rows.
//! - `parameters`: the types of parameters, and the values that can be bound.
//! - `sums`: sums and averages against an oracle of 128-bit integers.
//! - `types`: random expressions have the same types as in DataFusion without this server.

mod escape_functions;
mod parameters;
mod predicates;
mod sums;
mod types;

use oceanflight::engine::Principal;
use oceanflight::error::Kind;
use serde_json::{Value, json};

use crate::support::{Stage, json as rows_of};

/// The values of a statement's rows, in the order of its columns.
async fn values(stage: &Stage, sql: &str) -> Vec<Vec<Value>> {
    let rows = stage.rows(sql).await;
    let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let row = |row: Value| names.iter().map(|name| row[name].clone()).collect();
    rows_of(&rows).into_iter().map(row).collect()
}

async fn assert_values(cases: &[(&str, Value)]) {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in cases {
        assert_eq!(json!(values(&stage, sql).await), *expected, "{sql}");
    }
}

#[tokio::test]
async fn equal_derived_tables_in_a_row_are_all_computed() {
    assert_values(&[
        ("SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM (SELECT 1 AS x))", json!([[3]])),
        ("SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM (VALUES (1)) v (x)))", json!([[4]])),
        ("SELECT x * x AS x FROM (SELECT x * x AS x FROM (VALUES (3)) v (x))", json!([[81]])),
        ("SELECT x + 1 AS x, y FROM (SELECT x + 1 AS x, y FROM (VALUES (1, 2)) v (x, y))", json!([[3, 2]])),
        ("SELECT y AS x, x AS y FROM (SELECT y AS x, x AS y FROM (VALUES (1, 2)) v (x, y))", json!([[1, 2]])),
        ("SELECT y AS x, x + y AS y FROM (SELECT y AS x, x + y AS y FROM (VALUES (1, 2)) v (x, y))", json!([[3, 5]])),
        ("SELECT x FROM (SELECT x + 1 AS x, 5 AS y FROM (SELECT x + 1 AS x FROM (SELECT 1 AS x)))", json!([[3]])),
        ("SELECT x * x AS x FROM (SELECT x * x AS x, 5 AS y FROM (VALUES (3)) v (x))", json!([[81]])),
        (
            "SELECT sum(x) AS x FROM (SELECT x + 1 AS x, x * x AS y FROM (SELECT x + 1 AS x FROM (VALUES (1)) v (x)))",
            json!([[3]]),
        ),
        (
            "SELECT x, n FROM (SELECT x + 1 AS x, n, n + 5 AS y FROM (SELECT x + 1 AS x, n \
             FROM (SELECT id AS x, id AS n FROM images WHERE id = 62137902)))",
            json!([[62_137_904, 62_137_902]]),
        ),
        ("SELECT t || t AS t FROM (SELECT t || t AS t FROM (VALUES ('a')) v (t))", json!([["aaaa"]])),
        (
            "WITH a AS (SELECT id + 1 AS id FROM images WHERE id = 62137902), b AS (SELECT id + 1 AS id FROM a) \
             SELECT id + 1 AS id FROM b",
            json!([[62_137_905]]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_column_has_a_type_that_all_of_its_values_fit() {
    assert_values(&[
        ("SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x", json!([[1.0], [2.5]])),
        ("SELECT NULL AS x UNION ALL SELECT 5 ORDER BY x", json!([[5], [null]])),
        ("SELECT CAST(1 AS SMALLINT) AS x UNION ALL SELECT 70000 ORDER BY x", json!([[1], [70000]])),
        ("SELECT CASE WHEN false THEN 0 ELSE 0.25 END AS x", json!([[0.25]])),
        (
            "SELECT DATE '2024-01-01' AS x UNION ALL SELECT TIMESTAMP '2024-01-01 10:00:00' ORDER BY x",
            json!([["2024-01-01T00:00:00"], ["2024-01-01T10:00:00"]]),
        ),
        (
            "SELECT CAST(1.5 AS DECIMAL(10, 1)) AS x UNION ALL SELECT CAST(1.55 AS DECIMAL(10, 2)) ORDER BY x",
            json!([[1.5], [1.55]]),
        ),
        ("SELECT lag(x, 1, 0.5) OVER (ORDER BY x) AS y FROM (VALUES (1), (2)) t(x)", json!([[0.5], [1.0]])),
        (
            "SELECT arrow_cast('a', 'RunEndEncoded(\"run_ends\": non-null Int32, \"values\": Utf8)') AS x",
            json!([["a"]]),
        ),
        ("SELECT arrow_cast('a', 'Dictionary(Int32, Utf8)') AS x", json!([["a"]])),
    ])
    .await;
}

#[tokio::test]
async fn a_rate_of_counts_is_not_an_integer() {
    let stage = Stage::new(&[]).await;
    let sql = "SELECT type, CASE WHEN count(*) = 0 THEN 0 ELSE 1.0 * count(*) FILTER (WHERE status = 'errored') / count(*) \
               END AS rate FROM image_actions WHERE image_id = 62137902 GROUP BY type ORDER BY rate DESC LIMIT 1";

    let rows = values(&stage, sql).await;

    let rate = rows[0][1].as_f64().unwrap();
    assert!(rate > 0.0 && rate < 1.0, "{rate}");
}

#[tokio::test]
async fn the_schema_is_the_same_from_prepare_to_the_last_batch() {
    let stage = Stage::new(&[]).await;
    for sql in [
        "SELECT 1 AS x UNION ALL SELECT 2.5",
        "SELECT lag(1, 1, 0.5) OVER () AS x",
        "SELECT NULL AS x UNION ALL SELECT 5",
    ] {
        let prepared = stage.engine.prepare(&Principal::local(), sql).await.unwrap().schema;
        let checked = stage.engine.ticket(&Principal::local(), sql, None).await.unwrap().schema;
        let rows = stage.rows(sql).await;

        assert_eq!(prepared, checked, "{sql}");
        assert_eq!(prepared, rows.schema(), "{sql}");
    }
}

#[tokio::test]
async fn statements_that_datafusion_plans_wrongly_return_the_right_values() {
    let rows = "WITH l (id, k, x) AS (VALUES (1, 1, 1), (2, 1, 2), (6, NULL, 2)), \
                r (id, k, v) AS (VALUES (1, 1, 1), (2, 1, 3), (4, 2, 2))";
    // The condition on l.k must not be applied to r.k, which has the same name below the join.
    let pushed = format!(
        "{rows} SELECT l.id FROM l JOIN r s ON s.k = l.x WHERE s.v < 5 AND l.k + s.v <= (SELECT 17) ORDER BY 1"
    );
    assert_values(&[
        (&pushed, json!([[1], [1], [2]])),
        // A constant condition stays above an aggregate that returns a row for empty input.
        (
            "SELECT a.x, t.n FROM (VALUES (1)) a(x) LEFT JOIN (SELECT count(*) AS n FROM images) t ON false",
            json!([[1, null]]),
        ),
        (
            "SELECT a.x, t.n FROM (VALUES (1)) a(x) LEFT JOIN (SELECT count(*) AS n FROM images) t ON 1 = 2",
            json!([[1, null]]),
        ),
        (
            "SELECT a.x, t.n FROM (VALUES (1)) a(x) LEFT JOIN (SELECT 7 AS k, count(*) AS n FROM images) t ON t.k = 8",
            json!([[1, null]]),
        ),
        ("SELECT (SELECT v FROM (VALUES (1)) t(v) LIMIT 0) AS x", json!([[null]])),
        ("SELECT (2 > (SELECT v FROM (VALUES (1)) t(v) LIMIT 0)) IS NULL AS x", json!([[true]])),
        ("SELECT extract(year FROM TIMESTAMP '2024-01-01 00:00:00') <= 4 AS x", json!([[false]])),
        ("SELECT count(*) AS n FROM images WHERE extract(year FROM created_at) > 4", json!([[41]])),
        ("SELECT NULL IS DISTINCT FROM true AND false AS x", json!([[false]])),
        ("SELECT 1 IS NOT DISTINCT FROM 1 OR false AS x", json!([[true]])),
        ("SELECT 1 IS DISTINCT FROM (true AND false)::INT AS x", json!([[true]])),
        ("SELECT y, y, CAST(y AS DOUBLE), Y FROM (VALUES (1)) t(y)", json!([[1, 1, 1.0, 1]])),
        ("SELECT \"a.b\" FROM (SELECT 2 AS b, 1 AS \"a.b\")", json!([[1]])),
        ("SELECT \"x.y\", y, y_2 FROM (SELECT y, 7 AS \"x.y\", y FROM (VALUES (1)) t(y))", json!([[7, 1, 1]])),
        (
            "SELECT id_2 FROM (SELECT id, {fn CONVERT(id, SQL_VARCHAR)} FROM images WHERE id = 62137902)",
            json!([["62137902"]]),
        ),
        ("SELECT q2.x_2 FROM (SELECT x, x, x_2 FROM (SELECT 1 AS x, 2 AS x_2) q) q2", json!([[2]])),
        ("SELECT x FROM (VALUES (1), (2)) t(x) WHERE NOT x IS DISTINCT FROM 1 AND x = 99", json!([])),
        ("SELECT x FROM (VALUES (1), (2)) t(x) WHERE x = 99 AND x IS DISTINCT FROM 1 OR x = 2", json!([[2]])),
        ("SELECT x FROM (VALUES (1), (2)) t(x) WHERE x IS NOT DISTINCT FROM 1 OR x = 2 AND x = 1", json!([[1]])),
        // An outer column has the type of the UNION, not that of its first branch.
        ("SELECT v FROM (SELECT 1 AS v UNION ALL SELECT 2.5) q WHERE EXISTS (SELECT 1 FROM (VALUES (2), (1)) r(c) WHERE r.c = q.v)",
            json!([[1.0]])),
        ("SELECT v FROM (SELECT 1 AS v UNION ALL SELECT 2.5) q WHERE (SELECT count(*) FROM (VALUES (2)) r(c) WHERE r.c < q.v) = 1",
            json!([[2.5]])),
        (
            "SELECT to_timestamp(x, '%Y', '%Y-%m-%d') AS x FROM (VALUES ('2020-01-02'), ('2021-01-02')) t(x)",
            json!([["2020-01-02T00:00:00Z"], ["2021-01-02T00:00:00Z"]]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn intervals_are_compared_by_their_length() {
    let rows =
        "(VALUES (INTERVAL '36 hours'), (INTERVAL '1 day'), (INTERVAL '1 month'), (INTERVAL '40 days'), (NULL)) t(x)";
    assert_values(&[
        ("SELECT INTERVAL '36 hours' > INTERVAL '1 day' AS x", json!([[true]])),
        ("SELECT INTERVAL '24 hours' = INTERVAL '1 day' AS x", json!([[true]])),
        ("SELECT INTERVAL '1 day' IN (INTERVAL '24 hours') AS x", json!([[true]])),
        ("SELECT INTERVAL '1 day' IS DISTINCT FROM INTERVAL '24 hours' AS x", json!([[false]])),
        ("SELECT count(*) AS n FROM images WHERE now() - created_at > INTERVAL '1 day'", json!([[41]])),
        ("SELECT count(*) AS n FROM images WHERE now() - created_at BETWEEN INTERVAL '1 day' AND INTERVAL '50 years'",
            json!([[41]])),
        (&format!("SELECT min(x) = INTERVAL '1 day' AS a, max(x) = INTERVAL '40 days' AS b FROM {rows}"),
            json!([[true, true]])),
        (&format!("SELECT x = INTERVAL '36 hours' AS y FROM {rows} ORDER BY x LIMIT 2"), json!([[false], [true]])),
        (&format!("SELECT x = INTERVAL '40 days' AS y FROM {rows} ORDER BY x DESC NULLS LAST LIMIT 1"), json!([[true]])),
        ("SELECT sum(now() - created_at) > INTERVAL '1 day' AS x FROM images", json!([[true]])),
        ("SELECT INTERVAL '24 hours' IN (SELECT INTERVAL '1 day') AS x", json!([[true]])),
        ("SELECT INTERVAL '36 hours' > ALL (SELECT INTERVAL '1 day') AS x", json!([[true]])),
        ("SELECT CASE INTERVAL '24 hours' WHEN INTERVAL '1 day' THEN 1 ELSE 0 END AS x", json!([[1]])),
        ("SELECT nullif(INTERVAL '24 hours', INTERVAL '1 day') IS NULL AS x", json!([[true]])),
        ("SELECT count(*) AS n FROM (VALUES (INTERVAL '24 hours')) a(x) JOIN (VALUES (INTERVAL '1 day')) b(y) ON x = y",
            json!([[1]])),
        ("SELECT date_part('epoch', TIMESTAMP '2024-01-01' - TIMESTAMP '1900-01-01') AS x", json!([[3_913_056_000.0]])),
    ])
    .await;
}

#[tokio::test]
async fn an_interval_is_multiplied_by_a_whole_number() {
    let rows =
        "(VALUES (1, INTERVAL '1 month 2 days 3 seconds'), (-2, INTERVAL '1 day'), (NULL, INTERVAL '1 day')) t(n, i)";
    assert_values(&[
        ("SELECT TIMESTAMP '2026-06-10 00:00:00' - 3 * INTERVAL '1 day' AS x", json!([["2026-06-07T00:00:00"]])),
        ("SELECT INTERVAL '1 month 2 days 3 seconds' * 2 = INTERVAL '2 months 4 days 6 seconds' AS x", json!([[true]])),
        (
            &format!("SELECT TIMESTAMP '2026-06-10 00:00:00' + n * i AS x FROM {rows}"),
            json!([["2026-07-12T00:00:03"], ["2026-06-08T00:00:00"], [null]]),
        ),
        (
            &format!("SELECT TIMESTAMP '2026-06-10 00:00:00' + i * 2 AS x FROM {rows} WHERE n < 0"),
            json!([["2026-06-12T00:00:00"]]),
        ),
        ("SELECT (NULL * INTERVAL '1 day') IS NULL AS x", json!([[true]])),
        ("SELECT (2 * 3 * INTERVAL '1 day' * 2) = INTERVAL '12 days' AS x", json!([[true]])),
    ])
    .await;
    assert_overflows(&[
        ("SELECT 2147483648 * INTERVAL '1 day'", "`*`"),
        ("SELECT n * INTERVAL '1 hour' FROM (VALUES (9223372036854775807)) t(n)", "`*`"),
    ])
    .await;
}

/// DataFusion drops the hours.
#[tokio::test]
async fn hours_are_not_added_to_a_date() {
    let rows = "(VALUES (DATE '2026-06-10', INTERVAL '1 hour'), (DATE '2026-06-10', INTERVAL '1 day'), \
                (NULL, INTERVAL '1 day')) t(d, i)";
    assert_values(&[
        ("SELECT CAST(DATE '2026-06-10' AS TIMESTAMP) + INTERVAL '1 hour' AS x", json!([["2026-06-10T01:00:00"]])),
        ("SELECT DATE '2026-06-10' + INTERVAL '24 hours' AS x", json!([["2026-06-11"]])),
        ("SELECT DATE '9999-12-31' - 2 * INTERVAL '1 day' AS x", json!([["9999-12-29"]])),
        (
            &format!("SELECT d + i AS x, i + d AS y FROM {rows} WHERE i = INTERVAL '1 day'"),
            json!([["2026-06-11", "2026-06-11"], [null, null]]),
        ),
        (
            "WITH RECURSIVE t(d) AS (SELECT DATE '2026-06-01' UNION ALL SELECT d + 1 * INTERVAL '1 day' FROM t \
          WHERE d < DATE '2026-06-03') SELECT d FROM t ORDER BY d",
            json!([["2026-06-01"], ["2026-06-02"], ["2026-06-03"]]),
        ),
    ])
    .await;
    let stage = Stage::new(&[]).await;
    for sql in [
        "SELECT DATE '2026-06-10' + INTERVAL '1 hour'",
        "SELECT INTERVAL '25 hours' + DATE '2026-06-10'",
        "SELECT DATE '2026-06-10' - INTERVAL '1 day 1 second'",
        &format!("SELECT d + i FROM {rows}"),
        &format!("SELECT count(*) FROM {rows} WHERE d - i < DATE '2026-06-10'"),
    ] {
        let error = stage.error(sql).await;
        assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}: {}", error.report());
        assert!(error.report().contains("CAST(x AS TIMESTAMP)"), "{sql}: {}", error.report());
    }
}

#[tokio::test]
async fn arithmetic_whose_result_does_not_fit_is_an_error() {
    let (most, least) = (i64::MAX, i64::MIN);
    let digits = |count: usize| "9".repeat(count);
    let decimal = |count: usize| format!("CAST('{}' AS DECIMAL({count}, 0))", digits(count));
    let (most_decimal, most_of_all) = (decimal(38), decimal(76));
    let (integers, decimals) = ("`CAST(x AS DECIMAL(38, 0))` in place of x", "`CAST(x AS DECIMAL(76, 0))`");
    assert_overflows(&[
        (&format!("SELECT {most} + 1"), integers),
        (&format!("SELECT a + 1 FROM (VALUES ({most})) t(a)"), "`9223372036854775807 + 1`"),
        (&format!("SELECT {least} - 1"), integers),
        (&format!("SELECT a * 2 FROM (VALUES ({most})) t(a)"), integers),
        (&format!("SELECT -a FROM (VALUES ({least})) t(a)"), "`-(-9223372036854775808)`"),
        (&format!("SELECT a / -1 FROM (VALUES ({least})) t(a)"), integers),
        ("SELECT CAST(100 AS TINYINT) + CAST(100 AS TINYINT)", integers),
        ("SELECT -a FROM (SELECT CAST(-128 AS TINYINT) AS a)", "`-(-128)`"),
        (&format!("SELECT a FROM (VALUES ({most})) t(a) WHERE a + 1 < 0"), integers),
        (&format!("SELECT abs(a) FROM (VALUES ({least})) t(a)"), "`abs(-9223372036854775808)`"),
        (&format!("SELECT gcd({least}, 0)"), integers),
        (&format!("SELECT lcm(a, 3) FROM (VALUES ({most})) t(a)"), integers),
        ("SELECT factorial(a) FROM (VALUES (3), (21)) t(a)", "that of 20"),
        (&format!("SELECT {most_decimal} + 1"), decimals),
        (&format!("SELECT a + 1 FROM (SELECT {most_decimal} AS a)"), decimals),
        (&format!("SELECT {most_decimal} * 1000000000000"), decimals),
        (&format!("SELECT {most_decimal} - CAST('-1' AS DECIMAL(38, 0))"), decimals),
        (&format!("SELECT {most_decimal} / 2"), "DECIMAL(38, 4)"),
        (&format!("SELECT {most_decimal} % CAST('0.7' AS DECIMAL(38, 1))"), decimals),
        (&format!("SELECT a FROM (SELECT {most_decimal} AS a) t WHERE a + 1 > 0"), decimals),
        (&format!("SELECT {most_of_all} + 1"), "`CAST(x AS DOUBLE)`"),
        ("SELECT arrow_cast(999999999, 'Decimal32(9, 0)') + arrow_cast(1, 'Decimal32(9, 0)')", "DECIMAL(38, 0)"),
        ("SELECT TIMESTAMP '2262-01-01' - TIMESTAMP '1700-01-01'", "`CAST(a AS DATE) - CAST(b AS DATE)`"),
        ("SELECT TIMESTAMP '2262-01-01' + INTERVAL '1 year'", "between 1677-09-21 and 2262-04-11"),
        ("SELECT DATE '2020-01-01' + INTERVAL '2147483647 days'", "a date is between"),
        ("SELECT INTERVAL '2147483647 days' + INTERVAL '1 day'", "at most 2147483647"),
        ("SELECT -i FROM (SELECT INTERVAL '-2147483648 days' AS i)", "at most 2147483647"),
    ])
    .await;
}

#[tokio::test]
async fn checked_arithmetic_keeps_the_values_and_types_of_results_that_fit() {
    assert_values(&[
        (
            "SELECT arrow_typeof(a + 1) AS t, CAST(a - 1 AS VARCHAR) AS x FROM (SELECT CAST('12345678901234567890123456789012345678' AS \
             DECIMAL(38, 0)) AS a)",
            json!([["Decimal128(38, 0)", "12345678901234567890123456789012345677"]]),
        ),
        ("SELECT CAST('7.5' AS DECIMAL(38, 2)) % 2 AS x", json!([[1.5]])),
        ("SELECT CAST('1' AS DECIMAL(38, 2)) / 3 AS x", json!([[0.333_333]])),
        (
            "SELECT CAST(TIMESTAMP '2026-06-02 00:00:00' - TIMESTAMP '2026-06-01 00:00:00' AS BIGINT) AS x",
            json!([[86_400_000_000_000_i64]]),
        ),
        (
            "SELECT DATE '2026-06-02' - DATE '2026-06-01' AS x, DATE '2026-01-31' + INTERVAL '1 month' AS y",
            json!([[1, "2026-02-28"]]),
        ),
        ("SELECT TIME '23:30:00' + INTERVAL '1 hour' AS x", json!([["00:30:00"]])),
        (
            "SELECT CAST('1' AS DECIMAL(38, 0)) + NULL AS x, NULL::INTERVAL + INTERVAL '1 day' AS y",
            json!([[null, null]]),
        ),
        ("SELECT a + 1 AS x FROM (VALUES (1), (NULL)) t(a) GROUP BY a + 1 ORDER BY x", json!([[2], [null]])),
        ("SELECT 10 / 3 AS x, -7 / 2 AS y, -7 % 3 AS z", json!([[3, -3, -1]])),
    ])
    .await;
}

async fn assert_overflows(cases: &[(&str, &str)]) {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in cases {
        let error = stage.error(sql).await;
        let report = error.report();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}: {report}");
        assert!(report.contains("does not fit its type") && report.contains("hint: "), "{sql}: {report}");
        assert!(report.contains(expected), "{sql}: {report}");
    }
}

#[tokio::test]
async fn syntax_of_other_dialects_works_if_it_means_the_same() {
    assert_values(&[
        ("SELECT unnest_outer(x) AS y FROM (VALUES ([1]), (NULL)) t(x) ORDER BY y", json!([[1], [null]])),
        ("SELECT TOP 1 id FROM images ORDER BY id", json!([[7_555_620]])),
        ("SELECT id FROM images ORDER BY id FETCH FIRST ROW ONLY", json!([[7_555_620]])),
        ("SELECT id FROM images ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", json!([[7_555_621], [7_938_269]])),
        (
            "SELECT current_catalog, current_database(), current_schema(), current_user, session_user",
            json!([["digitalocean", "digitalocean", "compute", "anonymous", "anonymous"]]),
        ),
        ("SELECT TIMESTAMP '2026-06-01 00:00' AS x", json!([["2026-06-01T00:00:00"]])),
        ("SELECT TRY_CAST('23:59:60' AS TIME) AS x", json!([[null]])),
        ("SELECT CAST('5' AS INTERVAL) = INTERVAL '5 seconds' AS x", json!([[true]])),
        ("SELECT TIMESTAMP '2026-06-01 00:00:00' + '1.5'::INTERVAL AS x", json!([["2026-06-01T00:00:01.500"]])),
        ("SELECT count(*) > 0 AS x FROM images WHERE created_at > '2020-01-01T00:00Z'", json!([[true]])),
        ("SELECT count(*) AS x FROM snapshots WHERE id = 62137902 OR id IN (62137902, 1)", json!([[1]])),
    ])
    .await;
}

#[tokio::test]
async fn the_hint_for_unsupported_syntax_says_what_to_write() {
    let stage = Stage::new(&[]).await;
    for (sql, expected) in [
        ("SELECT TOP 10 PERCENT id FROM images", "rank() OVER"),
        ("SELECT id FROM images ORDER BY id FETCH FIRST 1 ROW WITH TIES", "rank() OVER"),
        ("SELECT TOP 1 id FROM images LIMIT 2", "write one of them"),
        ("CREATE TABLE t LIKE images", "CREATE TABLE"),
        ("INSERT INTO images VALUES (1)", "read-only"),
        ("USE digitalocean", "in full"),
        ("BEGIN", "no transactions"),
        ("COMMIT", "no transactions"),
        ("SELECT @@version", "version()"),
        ("SELECT year(created_at) FROM images", "date_part"),
        ("SELECT lenght('a')", "`length`?"),
        ("SELECT i.id, r FROM images i CROSS JOIN UNNEST(i.regions) AS u(r)", "unnest(t.list)"),
        ("SELECT unnest(unnest([[1]])) AS a", "derived table"),
        ("SELECT id FROM images WHERE id = :x", "`$1`"),
        ("SELECT TIME '23:59:60'", "0 to 59"),
        ("SELECT 1.5 * INTERVAL '1 day'", "36 * INTERVAL"),
        ("SELECT INTERVAL '1 day' / 2", "36 * INTERVAL"),
        ("SELECT INTERVAL '1 day' * INTERVAL '1 day'", "36 * INTERVAL"),
        ("SELECT 1 AS a, 2 AS A", "another name with AS"),
        ("SELECT 1 AS x UNION ALL SELECT x FROM (SELECT 1 AS x, 2 AS b, 3 AS x)", "another name with AS"),
        ("SELECT greatest(INTERVAL '36 hours', INTERVAL '1 day')", "CASE WHEN"),
        ("SELECT max(x) OVER () FROM (VALUES (INTERVAL '36 hours')) t(x)", "date_part"),
        ("SELECT \"$1\"()", "functions"),
        ("SELECT id FROM images a, images b", "more than one column"),
        ("SELECT a AS b FROM (VALUES (1, 2)) o(a, b) ORDER BY o.b", "another name with AS"),
    ] {
        let error = stage.error(sql).await;
        let report = error.report();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}: {report}");
        assert!(report.contains(expected), "{sql}: {report}");
    }
    assert!(stage.requests().is_empty());
}

#[tokio::test]
async fn no_statement_of_a_user_is_an_internal_error() {
    let stage = Stage::new(&[]).await;
    for sql in [
        "SELECT sum('a')",
        "SELECT substr('a', 'b')",
        "SELECT round('a', 2)",
        "SELECT array_resize([1, 2], -5, 2)",
        "SELECT arrow_typeof(unnest({'a': 1}))",
        "SELECT regexp_replace('a', '(', 'b')",
        "SELECT concat_ws()",
        "SELECT * FROM images PIVOT (count(*) FOR status IN ('a'))",
        "SELECT id FROM images WHERE id LIKE ANY (SELECT 'a')",
        "SELECT (SELECT id FROM images)",
    ] {
        let error = stage.error(sql).await;
        let report = error.report();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{sql}: {report}");
        for word in ["nternal error", "bug report", "DataFusion's code"] {
            assert!(!report.contains(word), "{sql}: {report}");
        }
        assert!(report.chars().count() < 900, "{sql}: {report}");
    }
}

#[tokio::test]
async fn the_error_for_an_unknown_function_suggests_the_nearest_in_any_case() {
    let stage = Stage::new(&[]).await;
    for (call, nearest) in [
        ("\"COUNT\"(id)", "did you mean `count`?"),
        ("\"Sum\"(id)", "did you mean `sum`?"),
        ("COUNTT(id)", "did you mean `count`?"),
        ("\"UNNEST\"(tags)", "did you mean `unnest`?"),
        ("\"GETDATE\"()", "write `now()`"),
    ] {
        let report = stage.error(&format!("SELECT {call} FROM images")).await.report();
        assert!(report.contains("there is no function") && report.contains(nearest), "{call}: {report}");
    }
}

#[tokio::test]
async fn syntax_that_datafusion_rejects_or_ignores_is_an_error_with_a_hint() {
    let stage = Stage::new(&[]).await;
    for (sql, written) in [
        ("SELECT id FROM images TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
        ("SELECT * FROM images PIVOT (count(*) FOR status IN ('a'))", "PIVOT"),
        ("SELECT * FROM images UNPIVOT (x FOR y IN (slug, status))", "UNPIVOT"),
        ("SELECT id FROM images LIMIT (SELECT 1)", "a subquery in LIMIT"),
        ("SELECT id FROM images OFFSET (SELECT 1)", "a subquery in LIMIT"),
    ] {
        let report = stage.error(sql).await.report();
        assert!(report.contains(&format!("`{written}")) && report.contains("hint: "), "{sql}: {report}");
    }
    assert!(stage.error("SET x = 1").await.report().contains("read-only: SET x"));
}
